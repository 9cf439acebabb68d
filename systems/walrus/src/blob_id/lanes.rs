//! Reed-Solomon over many short lines at once.
//!
//! Invariant: the symbols written are those that encoding each line by itself would give.
//!
//! The code works on 16-bit elements, each by itself: in a block of 64 bytes the low bytes of 32 elements stand before
//! their high bytes, and a last block of t < 64 bytes is split in the same way at t / 2. One run of the encoder costs the
//! same for one element as for 32. So symbols of several lines are laid side by side into one wide shard, their whole
//! blocks first and then their last blocks, element by element; and long symbols are cut into slices that fit a core's cache.

use std::ops::Range;

use reed_solomon_simd::ReedSolomonEncoder;

/// Bytes of a block.
const BLOCK: usize = 64;
/// Bytes of a shard that one run of the encoder works on: 1024 of them are half of a core's second cache or less. Half as
/// many spend more on each run, twice as many wait for memory.
pub(super) const TILE: usize = 512;

/// Extends lines (rows or columns) of `original` symbols by `recovery` symbols.
pub(super) struct Codec {
    original: usize,
    recovery: usize,
    /// None when nothing is to be added.
    encoder: Option<ReedSolomonEncoder>,
    shard: Vec<[u8; BLOCK]>,
}

impl Codec {
    /// # Errors
    /// What the encoder says to these numbers.
    pub(super) fn new(original: usize, recovery: usize) -> Result<Self, reed_solomon_simd::Error> {
        let encoder = match recovery {
            0 => None,
            _ => Some(ReedSolomonEncoder::new(original, recovery, TILE)?),
        };
        Ok(Self {
            original,
            recovery,
            encoder,
            shard: Vec::new(),
        })
    }

    /// Extends `lines` lines whose symbols have `length` bytes (even). `symbol(m, line)` is an original symbol;
    /// `place(m, line)` is where in `out` the recovery symbol `m` of the line begins.
    ///
    /// # Errors
    /// What the encoder says.
    pub(super) fn extend<'a>(
        &mut self,
        lines: usize,
        length: usize,
        symbol: impl Fn(usize, usize) -> &'a [u8],
        out: &mut [u8],
        place: impl Fn(usize, usize) -> usize,
    ) -> Result<(), reed_solomon_simd::Error> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        for slice in slices(length) {
            let layout = Layout::new(lines, slice.len());
            self.shard.resize(layout.blocks, [0; BLOCK]);
            encoder.reset(self.original, self.recovery, layout.blocks * BLOCK)?;
            for m in 0..self.original {
                for line in 0..lines {
                    layout.pack(line, &symbol(m, line)[slice.clone()], &mut self.shard);
                }
                encoder.add_original_shard(self.shard.as_flattened())?;
            }
            let result = encoder.encode()?;
            for (m, shard) in result.recovery_iter().enumerate() {
                for line in 0..lines {
                    let start = place(m, line) + slice.start;
                    layout.unpack(line, shard, &mut out[start..start + slice.len()]);
                }
            }
        }
        Ok(())
    }
}

/// Slices of at most [`TILE`] bytes; all but the last are whole blocks.
fn slices(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length)
        .step_by(TILE)
        .map(move |start| start..length.min(start + TILE))
}

/// Where the symbols of several lines lie in one shard.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Bytes of a symbol's whole blocks.
    whole: usize,
    /// Half of the bytes of its last, shorter block: its elements.
    half: usize,
    /// Block where the shorter blocks begin.
    tails: usize,
    /// How many of the shorter blocks share one block.
    sharing: usize,
    /// Blocks of the shard.
    blocks: usize,
}

impl Layout {
    fn new(lines: usize, length: usize) -> Self {
        let (whole, half) = (length / BLOCK * BLOCK, length % BLOCK / 2);
        let tails = lines * whole / BLOCK;
        let sharing = (BLOCK / 2).checked_div(half).unwrap_or(lines);
        let shared = if half == 0 {
            0
        } else {
            lines.div_ceil(sharing)
        };
        Self {
            whole,
            half,
            tails,
            sharing,
            blocks: tails + shared,
        }
    }

    /// Byte of the shard where the elements of this line's last block have their low bytes; the high ones are 32 further.
    fn tail(&self, line: usize) -> usize {
        (self.tails + line / self.sharing) * BLOCK + line % self.sharing * self.half
    }

    fn pack(&self, line: usize, symbol: &[u8], shard: &mut [[u8; BLOCK]]) {
        let shard = shard.as_flattened_mut();
        let (whole, tail) = symbol.split_at(self.whole);
        shard[line * self.whole..][..self.whole].copy_from_slice(whole);
        if self.half > 0 {
            let (low, high) = tail.split_at(self.half);
            let at = self.tail(line);
            shard[at..at + self.half].copy_from_slice(low);
            shard[at + BLOCK / 2..][..self.half].copy_from_slice(high);
        }
    }

    fn unpack(&self, line: usize, shard: &[u8], symbol: &mut [u8]) {
        let (whole, tail) = symbol.split_at_mut(self.whole);
        whole.copy_from_slice(&shard[line * self.whole..][..self.whole]);
        if self.half > 0 {
            let (low, high) = tail.split_at_mut(self.half);
            let at = self.tail(line);
            low.copy_from_slice(&shard[at..at + self.half]);
            high.copy_from_slice(&shard[at + BLOCK / 2..][..self.half]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_side_by_side_are_extended_as_alone() {
        let mut random = fastrand::Rng::with_seed(1);
        for (original, recovery) in [(1, 2), (3, 1), (5, 9), (21, 10)] {
            let mut codec = Codec::new(original, recovery).expect("supported");
            let long = [
                62,
                64,
                66,
                126,
                190,
                TILE - 2,
                TILE,
                TILE + 2,
                3 * TILE + 70,
            ];
            for length in (2..40).step_by(2).chain(long) {
                for lines in [1, 2, 3, 16, 33] {
                    let mut bytes = vec![0; original * lines * length];
                    random.fill(&mut bytes);
                    let symbol = |m, line| &bytes[(line * original + m) * length..][..length];
                    let mut out = vec![0; recovery * lines * length];
                    let place = |m: usize, line: usize| (m * lines + line) * length;
                    codec
                        .extend(lines, length, symbol, &mut out, place)
                        .expect("encoded");
                    for line in 0..lines {
                        let alone = (0..original).map(|m| symbol(m, line));
                        let expected =
                            reed_solomon_simd::encode(original, recovery, alone).expect("encoded");
                        for (m, expected) in expected.iter().enumerate() {
                            let got = &out[place(m, line)..][..length];
                            assert_eq!(
                                got, expected,
                                "{original}+{recovery}, {length} bytes, line {line} of {lines}"
                            );
                        }
                    }
                }
            }
        }
    }
}
