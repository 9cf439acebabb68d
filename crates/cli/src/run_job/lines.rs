//! Cuts a program's output into lines.
//!
//! Invariant: memory is bounded whatever the program writes; a line without an end is cut at the limit.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A line that stays.
    Line(String),
    /// A line that the program drew over with a carriage return: a progress bar.
    Redrawn(String),
}

/// Reads a pipe and cuts it into lines of at most a number of bytes.
#[derive(Debug)]
pub(super) struct Cutter<R> {
    pipe: Option<R>,
    chunk: Vec<u8>,
    line: Vec<u8>,
    limit: usize,
    /// The last byte was a carriage return: alone it redraws, before a line end it is part of that.
    returned: bool,
}

impl<R: AsyncRead + Unpin> Cutter<R> {
    pub(super) fn new(pipe: Option<R>, limit: usize) -> Self {
        Self {
            pipe,
            chunk: vec![0; 16 << 10],
            line: Vec::new(),
            limit: limit.max(1),
            returned: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// The next pieces; the last one comes with the end. Dropping the future loses nothing.
    pub(super) async fn read(&mut self) -> io::Result<Vec<Cut>> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(Vec::new());
        };
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(16 << 10, 0);
        let read = pipe.read(&mut chunk).await;
        let mut cuts = Vec::new();
        match read {
            Ok(0) => {
                self.pipe = None;
                if !self.line.is_empty() {
                    cuts.push(Cut::Line(self.text()));
                }
            }
            Ok(count) => self.cut(&chunk[..count], &mut cuts),
            Err(error) => return Err(error),
        }
        self.chunk = chunk;
        Ok(cuts)
    }

    fn cut(&mut self, bytes: &[u8], cuts: &mut Vec<Cut>) {
        for byte in bytes {
            let redrawn = std::mem::take(&mut self.returned) && *byte != b'\n';
            if redrawn && !self.line.is_empty() {
                cuts.push(Cut::Redrawn(self.text()));
            }
            match byte {
                b'\n' => cuts.push(Cut::Line(self.text())),
                b'\r' => self.returned = true,
                byte => {
                    self.line.push(*byte);
                    if self.line.len() >= self.limit {
                        cuts.push(Cut::Line(self.text()));
                    }
                }
            }
        }
    }

    fn text(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str], limit: usize) -> Vec<Cut> {
        let mut cutter = Cutter::new(Some(tokio::io::empty()), limit);
        let mut cuts = Vec::new();
        for piece in pieces {
            cutter.cut(piece.as_bytes(), &mut cuts);
        }
        cuts
    }

    fn line(text: &str) -> Cut {
        Cut::Line(text.to_owned())
    }

    #[test]
    fn lines_end_however_the_pieces_come() {
        assert_eq!(
            cut(&["a", "b\r", "\nc\n\nd"], 99),
            [line("ab"), line("c"), line("")]
        );
    }

    #[test]
    fn a_redrawn_line_is_told_apart() {
        let redrawn = |text: &str| Cut::Redrawn(text.to_owned());
        assert_eq!(
            cut(&["10%\r20%\r", "30%\r\n"], 99),
            [redrawn("10%"), redrawn("20%"), line("30%")]
        );
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(
            cut(&["abcdefg\n"], 3),
            [line("abc"), line("def"), line("g")]
        );
    }

    #[tokio::test]
    async fn the_rest_comes_with_the_end() {
        let mut cutter = Cutter::new(Some(&b"a\nb\xff"[..]), 99);
        let mut cuts = Vec::new();
        while cutter.is_open() {
            cuts.extend(cutter.read().await.expect("reads"));
        }
        assert_eq!(cuts, [line("a"), line("b\u{fffd}")]);
    }
}
