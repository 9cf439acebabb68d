//! Messages of a text/event-stream, cut out of bytes.
//!
//! Invariant: what is held is at most one message of bounded size.

/// Bytes of one message: a log event with many long lines is far below.
const MAX: usize = 16 << 20;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its name.
    pub(crate) event: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// A message is larger than any that the server sends.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Bytes that make no whole line yet, and the lines of a message that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    message: Message,
}

impl Parser {
    /// Takes bytes, and appends the messages that are whole now to `messages`.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        messages: &mut impl Extend<Message>,
    ) -> Result<(), TooLarge> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            self.grow(line)?;
            let line = std::mem::take(&mut self.line);
            let text = String::from_utf8_lossy(&line);
            let text = text.strip_suffix('\r').unwrap_or(&text);
            if text.is_empty() {
                let message = std::mem::take(&mut self.message);
                if !message.data.is_empty() {
                    messages.extend([message]);
                }
            } else {
                self.field(text)?;
            }
        }
        self.grow(bytes)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + bytes.len() > MAX {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn field(&mut self, line: &str) -> Result<(), TooLarge> {
        // A line that begins with a colon is a comment: its name is empty and nobody takes it.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if self.message.data.len() + value.len() > MAX {
                    return Err(TooLarge);
                }
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            parser.take(chunk, &mut messages).expect("small");
        }
        messages.into_iter().map(|m| (m.event, m.data)).collect()
    }

    #[test]
    fn messages_are_the_same_wherever_they_are_cut() {
        let text = "event: state\nid: 4\ndata: {\"a\":1}\n\n:\n\ndata: x\r\ndata: \u{e4}\r\n\r\nevent: none\n\n";
        let whole = parse(&[text.as_bytes()]);
        let expected = [("state", "{\"a\":1}"), ("", "x\nä")];
        let expected = expected.map(|(event, data)| (event.to_owned(), data.to_owned()));
        assert_eq!(whole, expected);
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(parse(&[head, tail]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; MAX / 2 + 1];
        let mut messages: Vec<Message> = Vec::new();
        assert!(parser.take(&chunk, &mut messages).is_ok());
        assert!(parser.take(&chunk, &mut messages).is_err());
    }
}
