//! Computing a blob ID with bounded memory, on several threads.
//!
//! Invariant: memory stays within [`Options::memory`] however large the blob is, and the ID does not depend on it.
//!
//! There are two passes. The first extends the source rows; what it adds, half of the blob's size, is kept: in memory if
//! that is little, else in a temporary file. The second takes the columns in units of [`UNIT`]: it extends each column,
//! from the blob and the rows' extension, hashes each of its symbols once, for the row's tree and for the column's, and folds
//! both trees at once, so that of a unit only a root for each row and each column stays. Symbols too long to hold a whole
//! column of them are cut into strips, and hashed as they come.
//!
//! The alternative to the file is to extend the rows again for every part of the columns that fits in memory. For 1 GiB in
//! 64 MiB that is nine more passes of half a second each on two cores, and their number grows with the blob; writing
//! and reading the file takes less than one of them.

use std::{num::NonZeroUsize, path::Path, sync::OnceLock, thread};

use super::{
    BlobId, Error, ReadAt, Shards,
    control::Control,
    extension::Extension,
    geometry::Geometry,
    lanes::Codec,
    merkle::{self, LeafStates, Node},
    plan::{Plan, UNIT},
};

/// A blob of at most this size is read once, in whole.
const SMALL: u64 = 1 << 20;
/// Bytes read at once, so that a cancel need not wait for a slow disk.
const READ: usize = 1 << 20;
/// Values of a symbol of two bytes.
const PAIRS: usize = 1 << 16;

/// How a blob ID is computed. All but `shards` only decide how fast, in how much memory, and who is told.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The network's shards: another number gives another ID.
    pub shards: Shards,
    /// Threads that work; by default as many as the process may use at once.
    pub threads: NonZeroUsize,
    /// Bytes of memory to stay within, 64 MiB by default. Less than about 16 MiB and 4 MiB a thread can not be kept.
    pub memory: usize,
    /// Folder for a temporary file of half of the blob's size, made if memory is too small for that much and gone at the
    /// end; by default the system's. It has no name, so that a crash leaves nothing.
    pub scratch: Option<&'a Path>,
    /// Asked every few milliseconds, by every thread: whether to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told the progress as bytes of the blob, rising to its length; at most 1,000 times, by any thread, one at a time.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            shards: Shards::default(),
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory: 64 << 20,
            scratch: None,
            cancelled: &|| false,
            progress: &|_| (),
        }
    }
}

/// The ID of the blob that is the first `length` bytes of `source`. At 1,000 shards it takes about 0.15 s of one core and 5 s
/// more for each GiB, shared by the threads: call it where blocking is allowed.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::UnsupportedShards`], [`Error::Read`], [`Error::Scratch`], [`Error::Cancelled`].
pub fn compute(source: &impl ReadAt, length: u64, options: &Options<'_>) -> Result<BlobId, Error> {
    let geometry = Geometry::new(length, options.shards)?;
    if length > SMALL {
        return Computation::new(source, geometry, options)?.run();
    }
    let mut bytes = vec![0; usize::try_from(length).expect("a small blob")];
    source.read_exact_at(&mut bytes, 0).map_err(Error::Read)?;
    Computation::new(&bytes, geometry, options)?.run()
}

/// What the threads share.
struct Computation<'a, R> {
    source: &'a R,
    geometry: Geometry,
    plan: Plan,
    shards: Shards,
    control: Control<'a>,
    extension: Extension,
    /// The leaves of all symbols of two bytes, where that is less work than hashing each symbol.
    pairs: Option<Vec<Node>>,
    /// The roots of subtrees over zero symbols, by level: most of a blob that is smaller than its matrix.
    zero: Vec<Node>,
    units: Vec<OnceLock<Unit>>,
}

/// What is kept of a unit of columns.
struct Unit {
    /// The roots of the columns' trees.
    columns: Vec<Node>,
    /// For each row, the root of the subtree over these columns.
    rows: Vec<Node>,
}

/// A thread's own buffers.
struct Worker {
    codec: Codec,
    /// Symbols as they were read.
    read: Vec<u8>,
    /// Symbols of extended lines.
    symbols: Vec<u8>,
}

impl<'a, R: ReadAt> Computation<'a, R> {
    fn new(source: &'a R, geometry: Geometry, options: &'a Options<'a>) -> Result<Self, Error> {
        let Geometry {
            shards,
            rows,
            columns,
            symbol,
            length,
        } = geometry;
        let plan = Plan::new(&geometry, options.memory, options.threads.get());
        let extension = if plan.in_memory {
            Extension::in_memory(
                geometry.extension(),
                plan.rows * geometry.spare_columns() * symbol,
            )
        } else {
            Extension::in_file(options.scratch).map_err(Error::Scratch)?
        };
        let work = rows * columns + shards * shards;
        let zero = vec![0; symbol];
        let mut computation = Self {
            source,
            geometry,
            plan,
            shards: options.shards,
            control: Control::new(options, length, (work * symbol) as u64),
            extension,
            pairs: None,
            zero: merkle::uniform(merkle::leaf(&zero), merkle::levels(shards)),
            units: (0..shards.div_ceil(UNIT))
                .map(|_| OnceLock::new())
                .collect(),
        };
        if symbol == 2 && shards * shards >= 4 * PAIRS {
            computation.pairs = Some(computation.hash_pairs()?);
        }
        Ok(computation)
    }

    fn run(self) -> Result<BlobId, Error> {
        let Geometry {
            rows,
            columns,
            shards,
            ..
        } = self.geometry;
        if columns < shards {
            let worker = || self.worker(columns, shards - columns);
            self.control
                .each(rows.div_ceil(self.plan.rows), worker, |worker, unit| {
                    self.extend_rows(worker, unit)
                })?;
        }
        let worker = || self.worker(rows, shards - rows);
        self.control
            .each(self.units.len(), worker, |worker, unit| {
                self.hash_columns(worker, unit)
            })?;
        Ok(self.finish())
    }

    fn worker(&self, original: usize, recovery: usize) -> Result<Worker, Error> {
        let codec = Codec::new(original, recovery).map_err(|reason| self.unsupported(reason))?;
        Ok(Worker {
            codec,
            read: Vec::new(),
            symbols: Vec::new(),
        })
    }

    fn unsupported(&self, reason: reed_solomon_simd::Error) -> Error {
        Error::UnsupportedShards {
            shards: self.shards,
            reason,
        }
    }

    /// The leaves of all symbols of two bytes, in the order of their value in little-endian.
    fn hash_pairs(&self) -> Result<Vec<Node>, Error> {
        let parts: Vec<OnceLock<Vec<Node>>> = (0..64).map(|_| OnceLock::new()).collect();
        let work = |(): &mut (), part: usize| {
            let size = PAIRS / parts.len();
            let slots = (part * size..(part + 1) * size)
                .flat_map(|value| [0, value.to_le_bytes()[0], value.to_le_bytes()[1]]);
            let mut nodes = Vec::with_capacity(size);
            merkle::leaves(&slots.collect::<Vec<u8>>(), 3, |_, node| nodes.push(node));
            parts[part].set(nodes).expect("each part is done once");
            Ok(())
        };
        self.control.each(parts.len(), || Ok(()), work)?;
        Ok(parts
            .into_iter()
            .filter_map(OnceLock::into_inner)
            .flatten()
            .collect())
    }

    /// Extends a run of source rows, and keeps the extension.
    fn extend_rows(&self, worker: &mut Worker, run: usize) -> Result<(), Error> {
        let Geometry {
            rows,
            columns,
            symbol,
            ..
        } = self.geometry;
        let spare = self.geometry.spare_columns();
        let first = run * self.plan.rows;
        let lines = self.plan.rows.min(rows - first);
        for start in (0..symbol).step_by(self.plan.strip) {
            self.control.check()?;
            let strip = self.plan.strip.min(symbol - start);
            worker.read.resize(lines * columns * strip, 0);
            worker.symbols.resize(lines * spare * strip, 0);
            // Whole symbols lie one after the other, strips of them do not.
            let piece = if strip == symbol {
                worker.read.len()
            } else {
                strip
            };
            for (i, piece) in worker.read.chunks_mut(piece).enumerate() {
                self.read_source(piece, (first * columns + i) * symbol + start)?;
            }
            let read = &worker.read;
            let original = |m, line| &read[(line * columns + m) * strip..][..strip];
            let place = |m, line| (line * spare + m) * strip;
            let extended = worker
                .codec
                .extend(lines, strip, original, &mut worker.symbols, place);
            extended.map_err(|reason| self.unsupported(reason))?;
            let offset = self.extension_offset(first, 0, start);
            self.extension
                .write(&worker.symbols, offset)
                .map_err(Error::Scratch)?;
            self.control.advance(lines * columns * strip);
        }
        Ok(())
    }

    /// Extends a unit of columns, hashes its symbols, and folds the hashes.
    fn hash_columns(&self, worker: &mut Worker, unit: usize) -> Result<(), Error> {
        let Geometry { shards, symbol, .. } = self.geometry;
        let first = unit * UNIT;
        let width = UNIT.min(shards - first);
        let mut leaves: Vec<Node> = vec![[0; 32]; shards * width];
        for panel in (0..width).step_by(self.plan.panel) {
            let columns = self.plan.panel.min(width - panel);
            let put = |row: usize, column: usize, node| leaves[row * width + panel + column] = node;
            if self.plan.strip == symbol {
                self.hash_panel(worker, first + panel, columns, put)?;
            } else {
                self.hash_strips(worker, first + panel, put)?;
            }
        }
        let mut rows: Vec<Node> = (0..width)
            .flat_map(|q| leaves[q..].iter().step_by(width))
            .copied()
            .collect();
        merkle::fold(&mut rows, width, shards, self.unit_levels(), &self.zero);
        rows.truncate(shards);
        rows.shrink_to_fit();
        merkle::fold(
            &mut leaves,
            shards,
            width,
            merkle::levels(shards),
            &self.zero,
        );
        let done = Unit {
            columns: leaves[..width].to_vec(),
            rows,
        };
        assert!(self.units[unit].set(done).is_ok(), "each unit is done once");
        Ok(())
    }

    /// Levels of a row's tree within a unit.
    fn unit_levels(&self) -> u32 {
        merkle::levels(self.geometry.shards.min(UNIT))
    }

    /// Gives `put` the leaf of every symbol of the `count` columns from `first` on, from whole symbols.
    fn hash_panel(
        &self,
        worker: &mut Worker,
        first: usize,
        count: usize,
        mut put: impl FnMut(usize, usize, Node),
    ) -> Result<(), Error> {
        let Geometry {
            shards,
            rows,
            symbol,
            ..
        } = self.geometry;
        let slot = 1 + symbol;
        worker.read.resize(rows * count * symbol, 0);
        for (row, symbols) in worker.read.chunks_mut(count * symbol).enumerate() {
            self.read_columns(symbols, row, first, 0)?;
        }
        for tile in (0..count).step_by(self.plan.columns) {
            self.control.check()?;
            let lines = self.plan.columns.min(count - tile);
            // Each symbol after the byte that a leaf begins with, which stays zero.
            worker.symbols.resize(shards * lines * slot, 0);
            let (original, recovery) = worker.symbols.split_at_mut(rows * lines * slot);
            for (i, slot) in original.chunks_exact_mut(slot).enumerate() {
                let at = i / lines * count + tile + i % lines;
                slot[1..].copy_from_slice(&worker.read[at * symbol..][..symbol]);
            }
            let symbol_at = |m, line| &original[(m * lines + line) * slot + 1..][..symbol];
            let extended = worker
                .codec
                .extend(lines, symbol, symbol_at, recovery, |m, line| {
                    (m * lines + line) * slot + 1
                });
            extended.map_err(|reason| self.unsupported(reason))?;
            match &self.pairs {
                Some(pairs) => {
                    for (i, slot) in worker.symbols.chunks_exact(slot).enumerate() {
                        let value = u16::from_le_bytes([slot[1], slot[2]]);
                        put(i / lines, tile + i % lines, pairs[usize::from(value)]);
                    }
                }
                None => merkle::leaves(&worker.symbols, slot, |i, node| {
                    put(i / lines, tile + i % lines, node);
                }),
            }
            self.control.advance(shards * lines * symbol);
        }
        Ok(())
    }

    /// Gives `put` the leaf of every symbol of one column, strip by strip.
    fn hash_strips(
        &self,
        worker: &mut Worker,
        column: usize,
        mut put: impl FnMut(usize, usize, Node),
    ) -> Result<(), Error> {
        let Geometry {
            shards,
            rows,
            symbol,
            ..
        } = self.geometry;
        let mut states = LeafStates::new(shards);
        for start in (0..symbol).step_by(self.plan.strip) {
            self.control.check()?;
            let strip = self.plan.strip.min(symbol - start);
            worker.symbols.resize(shards * strip, 0);
            let (original, recovery) = worker.symbols.split_at_mut(rows * strip);
            for (row, piece) in original.chunks_exact_mut(strip).enumerate() {
                self.read_columns(piece, row, column, start)?;
            }
            let symbol_at = |m, _| &original[m * strip..][..strip];
            let extended = worker
                .codec
                .extend(1, strip, symbol_at, recovery, |m, _| m * strip);
            extended.map_err(|reason| self.unsupported(reason))?;
            states.update(worker.symbols.chunks_exact(strip));
            self.control.advance(shards * strip);
        }
        states
            .finish()
            .enumerate()
            .for_each(|(row, node)| put(row, 0, node));
        Ok(())
    }

    /// Reads symbols of a row from column `first` on, from their byte `start` on: some whole ones, or a part of one.
    fn read_columns(
        &self,
        symbols: &mut [u8],
        row: usize,
        first: usize,
        start: usize,
    ) -> Result<(), Error> {
        self.control.check()?;
        let Geometry {
            columns, symbol, ..
        } = self.geometry;
        let own = (columns.saturating_sub(first) * symbol).min(symbols.len());
        let (source, extension) = symbols.split_at_mut(own);
        if !source.is_empty() {
            self.read_source(source, (row * columns + first) * symbol + start)?;
        }
        if !extension.is_empty() {
            let column = first.max(columns) - columns;
            let offset = self.extension_offset(row, column, start);
            self.extension
                .read(extension, offset)
                .map_err(Error::Scratch)?;
        }
        Ok(())
    }

    /// Where the extension has the strip that begins at byte `start` of this row's and column's symbol. It has all first
    /// strips, row by row, then all second ones, so that a run of rows is written at once.
    fn extension_offset(&self, row: usize, column: usize, start: usize) -> usize {
        let spare = self.geometry.spare_columns();
        let strip = self.plan.strip.min(self.geometry.symbol - start);
        self.geometry.rows * spare * start + (row * spare + column) * strip
    }

    /// Reads bytes of the blob, which is followed by zeros.
    fn read_source(&self, bytes: &mut [u8], offset: usize) -> Result<(), Error> {
        let left = self.geometry.length.saturating_sub(offset as u64);
        let present = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (blob, padding) = bytes.split_at_mut(present);
        padding.fill(0);
        let mut at = offset as u64;
        for part in blob.chunks_mut(READ) {
            self.control.check()?;
            self.source.read_exact_at(part, at).map_err(Error::Read)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// The ID, from the units' roots.
    fn finish(self) -> BlobId {
        let Geometry { shards, length, .. } = self.geometry;
        let unit_levels = self.unit_levels();
        let count = self.units.len();
        let (mut rows, mut columns) = (
            Vec::with_capacity(count * shards),
            Vec::with_capacity(shards),
        );
        for unit in self.units.into_iter().filter_map(OnceLock::into_inner) {
            rows.extend(unit.rows);
            columns.extend(unit.columns);
        }
        merkle::fold(
            &mut rows,
            count,
            shards,
            merkle::levels(count),
            &self.zero[unit_levels as usize..],
        );
        let pairs = rows.iter().zip(columns.iter().rev());
        let mut leaves: Vec<Node> = pairs
            .map(|(row, column)| merkle::hash(0, &[row, column]))
            .collect();
        merkle::fold(&mut leaves, shards, 1, merkle::levels(shards), &[]);
        BlobId::from_bytes(merkle::hash(1, &[&length.to_le_bytes(), &leaves[0]]))
    }
}
