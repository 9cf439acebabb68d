//! The pieces of a blob and which of them are on disk: the state from which a download goes on.
//!
//! Invariant: the pieces cover the blob without gap or overlap, and a state that does not is refused when it is read.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{aggregator::MAX_BLOB, blob_id::BlobId};

/// The most pieces of a blob.
pub const MAX_PIECES: u64 = 65_536;

/// Bytes of the smallest piece, but the last.
const SMALLEST: u64 = 1024 * 1024;

/// Bytes of the largest piece, unless half a sliver is more: 21.9 MB in the largest blobs.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Pieces that a blob is divided into if their size permits.
const PREFERRED: u64 = 64;

/// Primary slivers that hold a blob, and symbols of each, at 1000 shards.
const SLIVERS: u64 = 334;
const SYMBOLS: u64 = 667;

/// The pieces of one blob and which of them are done. Small enough for a checkpoint: a bit a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Pieces {
    blob: BlobId,
    total: u64,
    piece_size: u64,
    done: Vec<u8>,
}

/// A saved state that can not be one.
#[derive(Debug, thiserror::Error)]
#[error("the saved state of the download does not make sense: {0}")]
pub struct InvalidPieces(&'static str);

impl Pieces {
    /// The pieces of a blob of `total` bytes, none of them done.
    ///
    /// A piece is a multiple of one primary sliver (or half a one, in blobs beyond 3.7 GB), so that a server rebuilds few
    /// slivers twice.
    pub fn plan(blob: BlobId, total: u64) -> Self {
        let piece_size = piece_size(total);
        Self {
            blob,
            total,
            piece_size,
            done: vec![0; bitmap_bytes(total, piece_size)],
        }
    }

    /// The blob.
    pub fn blob(&self) -> &BlobId {
        &self.blob
    }

    /// Bytes of the blob.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of each piece but the last.
    pub fn piece_size(&self) -> u64 {
        self.piece_size
    }

    /// Number of pieces; none for an empty blob.
    pub fn count(&self) -> u64 {
        self.total.div_ceil(self.piece_size)
    }

    /// Number of pieces that are done.
    pub fn done_count(&self) -> u64 {
        self.done
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum()
    }

    /// Bytes of the pieces that are done.
    pub fn done_bytes(&self) -> u64 {
        let whole = self.done_count() * self.piece_size;
        match self.count().checked_sub(1) {
            Some(last) if self.is_done(last) => {
                let range = self.range(last);
                whole - self.piece_size + (range.end - range.start)
            }
            _ => whole,
        }
    }

    /// Whether all pieces are done.
    pub fn is_complete(&self) -> bool {
        self.done_count() == self.count()
    }

    /// Whether this piece is done; false for a piece that is none.
    pub fn is_done(&self, index: u64) -> bool {
        let (byte, bit) = place(index);
        self.done.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// The bytes of the blob that are this piece; empty for a piece that is none.
    pub fn range(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.piece_size).min(self.total);
        start..start.saturating_add(self.piece_size).min(self.total)
    }

    /// The pieces that are not done, in their order.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        (0..self.count()).filter(|&index| !self.is_done(index))
    }

    /// Marks a piece as done; one that is none is ignored.
    pub(super) fn mark(&mut self, index: u64) {
        if index < self.count() {
            let (byte, bit) = place(index);
            self.done[byte] |= bit;
        }
    }

    /// Marks all pieces as done.
    pub(super) fn mark_all(&mut self) {
        for index in 0..self.count() {
            self.mark(index);
        }
    }
}

/// What is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    blob: BlobId,
    total: u64,
    piece_size: u64,
    done: String,
}

impl From<Pieces> for Form {
    fn from(pieces: Pieces) -> Self {
        Self {
            blob: pieces.blob,
            total: pieces.total,
            piece_size: pieces.piece_size,
            done: STANDARD_NO_PAD.encode(&pieces.done),
        }
    }
}

impl TryFrom<Form> for Pieces {
    type Error = InvalidPieces;

    fn try_from(form: Form) -> Result<Self, InvalidPieces> {
        if form.total > MAX_BLOB {
            return Err(InvalidPieces("no blob is so large"));
        }
        if form.piece_size == 0 || form.total.div_ceil(form.piece_size) > MAX_PIECES {
            return Err(InvalidPieces("no download has such pieces"));
        }
        let done = STANDARD_NO_PAD
            .decode(&form.done)
            .map_err(|_| InvalidPieces("the list of pieces is not base64"))?;
        let pieces = Self {
            blob: form.blob,
            total: form.total,
            piece_size: form.piece_size,
            done,
        };
        let within = (0..pieces.count())
            .filter(|&index| pieces.is_done(index))
            .count();
        if pieces.done.len() != bitmap_bytes(form.total, form.piece_size)
            || pieces.done_count() != within as u64
        {
            return Err(InvalidPieces("the list of pieces has another length"));
        }
        Ok(pieces)
    }
}

fn place(index: u64) -> (usize, u8) {
    let byte = usize::try_from(index / 8).unwrap_or(usize::MAX);
    (byte, 1 << (index % 8))
}

fn bitmap_bytes(total: u64, piece_size: u64) -> usize {
    let bytes = total.div_ceil(piece_size).div_ceil(8);
    usize::try_from(bytes).expect("a bit for each of a bounded number of pieces")
}

/// Bytes of each piece of a blob of `total` bytes.
fn piece_size(total: u64) -> u64 {
    let symbol = total.max(1).div_ceil(SLIVERS * SYMBOLS).next_multiple_of(2);
    let sliver = SYMBOLS * symbol;
    if sliver > LARGEST {
        // The symbol's size is even, so both halves have whole bytes.
        return sliver / 2;
    }
    let preferred = (total / PREFERRED).clamp(SMALLEST, LARGEST);
    sliver * (preferred / sliver).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> BlobId {
        BlobId::from_bytes([7; 32])
    }

    #[test]
    fn pieces_cover_every_blob_in_multiples_of_slivers() {
        for total in [
            0,
            1,
            1_047_190,
            1_047_191,
            5_000_000,
            1 << 30,
            3_737_000_000,
            5_000_000_000,
            MAX_BLOB,
        ] {
            let mut pieces = Pieces::plan(blob(), total);
            let size = pieces.piece_size();
            let sliver = total.max(1).div_ceil(334 * 667).next_multiple_of(2) * 667;
            assert!(size.is_multiple_of(sliver) || size * 2 == sliver, "{total}");
            assert!(
                (500_000..22_000_000).contains(&size),
                "{total}: pieces of {size}"
            );
            let mut end = 0;
            for index in 0..pieces.count() {
                let range = pieces.range(index);
                assert!(range.start == end && range.end > end, "{total}");
                end = range.end;
                pieces.mark(index);
                assert_eq!(pieces.done_bytes(), end);
            }
            assert_eq!(end, total);
            assert!(pieces.is_complete() && pieces.count() < MAX_PIECES);
        }
    }

    #[test]
    fn the_state_comes_back_from_its_text() {
        let mut pieces = Pieces::plan(blob(), 10_000_000);
        assert_eq!(pieces.count(), 10);
        pieces.mark(0);
        pieces.mark(9);
        assert_eq!(
            pieces.missing().collect::<Vec<_>>(),
            (1..9).collect::<Vec<_>>()
        );
        assert_eq!(
            pieces.done_bytes(),
            pieces.piece_size() + 10_000_000 - 9 * pieces.piece_size()
        );
        let text = serde_json::to_string(&pieces).expect("text");
        assert!(text.contains(r#""done":"AQI""#), "{text}");
        assert_eq!(
            serde_json::from_str::<Pieces>(&text).expect("a state"),
            pieces
        );
        for (from, to) in [
            (r#""done":"AQI""#, r#""done":"AQIA""#),
            (r#""done":"AQI""#, r#""done":"AQQ""#),
            (r#""done":"AQI""#, r#""done":"?""#),
            (r#""total":10000000"#, r#""total":99999999999"#),
            (r#""total":10000000"#, r#""total":1"#),
            (r#""pieceSize":1"#, r#""pieceSize":0,"was":1"#),
        ] {
            let bad = text.replace(from, to);
            assert_ne!(bad, text);
            assert!(serde_json::from_str::<Pieces>(&bad).is_err(), "{bad}");
        }
    }
}
