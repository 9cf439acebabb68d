//! How many symbols a blob has and how large they are.
//!
//! Invariant: the symbols of a [`Geometry`] hold the whole blob, and no smaller even size would.

use std::num::NonZeroU16;

use super::Error;

/// Bytes of the largest symbol.
const MAX_SYMBOL: u64 = 65_534;

/// The number of shards of a Walrus network, at least 1. The default is the 1000 of both public networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shards(NonZeroU16);

impl Shards {
    /// This many shards, if there is at least one.
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).map(Self)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl Default for Shards {
    fn default() -> Self {
        const PUBLIC: NonZeroU16 = NonZeroU16::new(1000).expect("not zero");
        Self(PUBLIC)
    }
}

/// The matrix of a blob: `rows` x `columns` symbols of source, extended to `shards` x `shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of the blob.
    pub length: u64,
    /// Rows and columns of the extended matrix.
    pub shards: usize,
    /// Rows that hold the blob.
    pub rows: usize,
    /// Columns that hold the blob.
    pub columns: usize,
    /// Bytes of a symbol; even, at least 2.
    pub symbol: usize,
}

impl Geometry {
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn new(length: u64, shards: Shards) -> Result<Self, Error> {
        let n = usize::from(shards.get());
        let faulty = (n - 1) / 3;
        let (rows, columns) = (n - 2 * faulty, n - faulty);
        let symbols = rows as u64 * columns as u64;
        let symbol = length.max(1).div_ceil(symbols).next_multiple_of(2);
        if symbol > MAX_SYMBOL {
            return Err(Error::TooLarge {
                length,
                shards,
                max: symbols * MAX_SYMBOL,
            });
        }
        let symbol = usize::try_from(symbol).expect("at most 65534");
        Ok(Self {
            length,
            shards: n,
            rows,
            columns,
            symbol,
        })
    }

    /// Symbols that extend a row.
    pub(super) fn spare_columns(&self) -> usize {
        self.shards - self.columns
    }

    /// Bytes of the symbols that extend the rows.
    pub(super) fn extension(&self) -> usize {
        self.rows * self.spare_columns() * self.symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousand_shards() {
        let shards = Shards::default();
        let empty = Geometry::new(0, shards).expect("fits");
        assert_eq!(
            empty,
            Geometry {
                length: 0,
                shards: 1000,
                rows: 334,
                columns: 667,
                symbol: 2
            }
        );
        let symbol = |length| Geometry::new(length, shards).map(|g| g.symbol);
        assert_eq!(symbol(445_556).expect("fits"), 2);
        assert_eq!(symbol(445_557).expect("fits"), 4);
        assert_eq!(symbol(14_599_533_452).expect("fits"), 65_534);
        assert!(matches!(
            symbol(14_599_533_453),
            Err(Error::TooLarge {
                max: 14_599_533_452,
                ..
            })
        ));
        assert!(symbol(u64::MAX).is_err());
    }

    #[test]
    fn few_shards_have_no_spare_symbols() {
        for n in 1..=3 {
            let g = Geometry::new(7, Shards::new(n).expect("not zero")).expect("fits");
            assert_eq!((g.rows, g.columns), (usize::from(n), usize::from(n)));
        }
        assert_eq!(Shards::new(0), None);
    }
}
