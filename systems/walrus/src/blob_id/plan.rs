//! How a computation is cut to keep within its memory.
//!
//! Invariant: whatever the memory, every part is at least one block of one symbol, so that a plan always exists.

use super::{geometry::Geometry, lanes::TILE, merkle::Node};

/// Columns whose leaves are folded together: a power of two, so that they are a subtree of each row's tree.
pub(super) const UNIT: usize = 32;
/// Memory that the erasure code's tables and small things take.
const FIXED: usize = 10 << 20;

/// The sizes of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Bytes of a symbol that are worked on at once: the whole symbol, or a multiple of 64.
    pub strip: usize,
    /// Rows that are extended together.
    pub rows: usize,
    /// Columns that are read together; at most [`UNIT`].
    pub panel: usize,
    /// Columns that are extended together; divides the work of a panel.
    pub columns: usize,
    /// Whether the rows' extension is kept in memory.
    pub in_memory: bool,
}

impl Plan {
    /// The best plan for `memory` bytes; with too little, the smallest.
    pub(super) fn new(geometry: &Geometry, memory: usize, threads: usize) -> Self {
        let Geometry {
            shards,
            rows,
            symbol,
            ..
        } = *geometry;
        let node = size_of::<Node>();
        let available = memory.saturating_sub(FIXED + shards * shards.div_ceil(UNIT) * node);
        let extension = geometry.extension();
        let fits = extension <= available / 2;
        let shared = if fits { extension } else { 0 };
        // A thread has the leaves of a unit twice and the encoder's shards; what is left is for symbols read and extended.
        let own = 2 * shards * UNIT * node + 2 * shards.next_power_of_two() * TILE;
        let half = (available.saturating_sub(shared) / threads).saturating_sub(own) / 2;
        let strip = if shards * (symbol + 1) <= half {
            symbol
        } else {
            (half / shards / 64 * 64).max(64).min(symbol)
        };
        // A symbol shorter than 64 bytes can not be cut.
        let together = (TILE / strip).max(1);
        let columns = if strip == symbol {
            together.min(UNIT)
        } else {
            1
        };
        let panel = if strip == symbol {
            (half / (rows * strip)).clamp(columns, UNIT)
        } else {
            1
        };
        Self {
            strip,
            rows: together.min(rows.div_ceil(threads)),
            panel: panel / columns * columns,
            columns,
            in_memory: fits && strip == symbol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob_id::Shards;

    fn plan(length: u64, memory: usize, threads: usize) -> Plan {
        Plan::new(
            &Geometry::new(length, Shards::default()).expect("fits"),
            memory,
            threads,
        )
    }

    #[test]
    fn plans_for_a_thousand_shards() {
        let tiny = plan(1, 64 << 20, 2);
        assert_eq!(
            tiny,
            Plan {
                strip: 2,
                rows: 167,
                panel: 32,
                columns: 32,
                in_memory: true
            }
        );
        let large = plan(1 << 30, 64 << 20, 2);
        assert_eq!(
            (large.strip, large.columns, large.in_memory),
            (4820, 1, false)
        );
        let largest = plan(14_599_533_452, 64 << 20, 2);
        assert!(
            largest.strip < 65_534 && largest.strip.is_multiple_of(64) && !largest.in_memory,
            "{largest:?}"
        );
    }

    #[test]
    fn no_memory_gives_the_smallest_parts() {
        assert_eq!(
            plan(1 << 30, 0, 8),
            Plan {
                strip: 64,
                rows: 8,
                panel: 1,
                columns: 1,
                in_memory: false
            }
        );
        assert_eq!(
            plan(1, 0, 8),
            Plan {
                strip: 2,
                rows: 42,
                panel: 32,
                columns: 32,
                in_memory: false
            }
        );
    }

    #[test]
    fn parts_fit_together_whatever_the_memory() {
        let mut strips_though_the_extension_fits = 0;
        for shards in [1, 4, 31, 100, 1000] {
            let shards = Shards::new(shards).expect("not zero");
            for (length, memory) in (0..24).flat_map(|l| (0..32).map(move |m| (1 << l, 1 << m))) {
                let Ok(geometry) = Geometry::new(length, shards) else {
                    continue;
                };
                for threads in [1, 3, 64] {
                    let plan = Plan::new(&geometry, memory, threads);
                    let whole = plan.strip == geometry.symbol;
                    assert!(whole || plan.strip.is_multiple_of(64), "{plan:?}");
                    assert!(whole || !plan.in_memory, "{plan:?}");
                    assert!(plan.rows > 0 && plan.columns > 0, "{plan:?}");
                    assert!(plan.panel.is_multiple_of(plan.columns), "{plan:?}");
                    assert!((1..=UNIT).contains(&plan.panel), "{plan:?}");
                    let fits = geometry.extension() <= memory.saturating_sub(FIXED) / 4;
                    strips_though_the_extension_fits += usize::from(!whole && fits);
                }
            }
        }
        assert!(strips_though_the_extension_fits > 0);
    }
}
