//! Numbers of jobs, newest first, out of one or many ranges of indexes.
//!
//! Invariant: of a range no more is read than what is asked for and a chunk, so that many ranges can be merged.

use std::collections::{BinaryHeap, VecDeque};

use rusqlite::{Connection, types::ToSql};

use super::column;
use crate::{model::Seq, store::sqlite::statements::Sql};

/// Numbers read at first, and at most, at a time.
const CHUNK: (i64, i64) = (32, 1024);

/// What of an index is read, in the order of submission.
#[derive(Clone, Debug)]
pub(super) enum Range<'f> {
    /// Every job.
    All,
    /// With this label.
    Label(&'f str, &'f str),
    /// Ended so, of one kind and owner.
    Ended { kind: i64, owner: i64, state: u8 },
    /// Failed with this code, of one kind and owner.
    Failed {
        kind: i64,
        owner: i64,
        code: &'f str,
    },
    /// Pending but not ready for a slot, of one kind and owner.
    Waits { kind: i64, owner: i64 },
    /// Pending and ready for a slot.
    Ready {
        queue: i64,
        kind: i64,
        priority: i64,
    },
    /// Pending and started before, of one kind and owner.
    Begun { kind: i64, owner: i64 },
    /// Held by workers.
    Running,
}

/// One range, read bit by bit.
#[derive(Debug)]
pub(super) struct Stream<'f> {
    range: Option<Range<'f>>,
    /// Whether every job of it fits the names and states that are asked for.
    exact: bool,
    buffer: VecDeque<Seq>,
    before: Seq,
    chunk: i64,
}

/// Ranges that share no job, as one.
#[derive(Debug)]
pub(super) struct Merge<'f> {
    streams: Vec<Stream<'f>>,
    /// The next number of each stream that has one.
    heads: BinaryHeap<(Seq, usize)>,
    floor: Seq,
    started: bool,
}

impl<'f> Stream<'f> {
    /// A range below `before`.
    pub(super) fn new(range: Range<'f>, exact: bool, before: Seq) -> Self {
        Self {
            range: Some(range),
            exact,
            buffer: VecDeque::new(),
            before,
            chunk: CHUNK.0,
        }
    }

    /// Numbers that are known, newest first.
    pub(super) fn listed(seqs: Vec<Seq>) -> Self {
        Self {
            range: None,
            exact: false,
            buffer: seqs.into(),
            before: 0,
            chunk: 0,
        }
    }

    fn pop(&mut self, db: &Connection, floor: Seq) -> rusqlite::Result<Option<Seq>> {
        if self.buffer.is_empty()
            && let Some(range) = &self.range
        {
            self.buffer = read(db, range, self.before, floor, self.chunk)?.into();
            match self.buffer.back() {
                Some(last) if self.buffer.len() as u64 == self.chunk.unsigned_abs() => {
                    self.before = *last;
                    self.chunk = (self.chunk * 2).min(CHUNK.1);
                }
                _ => self.range = None,
            }
        }
        Ok(self.buffer.pop_front())
    }
}

impl<'f> Merge<'f> {
    /// Of these streams, down to `floor`.
    pub(super) fn new(streams: Vec<Stream<'f>>, floor: Seq) -> Self {
        Self {
            heads: BinaryHeap::with_capacity(streams.len()),
            streams,
            floor,
            started: false,
        }
    }

    /// The next number, and whether its stream is exact.
    pub(super) fn next(&mut self, db: &Connection) -> rusqlite::Result<Option<(Seq, bool)>> {
        self.start(db)?;
        let Some((seq, place)) = self.heads.pop() else {
            return Ok(None);
        };
        let stream = &mut self.streams[place];
        if let Some(head) = stream.pop(db, self.floor)? {
            self.heads.push((head, place));
        }
        Ok(Some((seq, stream.exact)))
    }

    /// The next number, left where it is.
    pub(super) fn peek(&mut self, db: &Connection) -> rusqlite::Result<Option<Seq>> {
        self.start(db)?;
        Ok(self.heads.peek().map(|(seq, _)| *seq))
    }

    fn start(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        for (place, stream) in self.streams.iter_mut().enumerate() {
            if let Some(head) = stream.pop(db, self.floor)? {
                self.heads.push((head, place));
            }
        }
        Ok(())
    }
}

fn read(
    db: &Connection,
    range: &Range<'_>,
    before: Seq,
    floor: Seq,
    count: i64,
) -> rusqlite::Result<Vec<Seq>> {
    let (sql, more): (Sql, Vec<&dyn ToSql>) = match range {
        Range::All => (Sql::ListAll, vec![]),
        Range::Running => (Sql::ListRunning, vec![]),
        Range::Label(name, value) => (Sql::ListLabel, vec![name, value]),
        Range::Ended { kind, owner, state } => (Sql::ListEnded, vec![kind, owner, state]),
        Range::Failed { kind, owner, code } => (Sql::ListFailed, vec![kind, owner, code]),
        Range::Waits { kind, owner } => (Sql::ListWaits, vec![kind, owner]),
        Range::Begun { kind, owner } => (Sql::ListBegun, vec![kind, owner]),
        Range::Ready {
            queue,
            kind,
            priority,
        } => (Sql::ListReady, vec![queue, kind, priority]),
    };
    let mut parameters: Vec<&dyn ToSql> = vec![&before, &floor, &count];
    parameters.extend(more);
    column(db, sql, &parameters)
}
