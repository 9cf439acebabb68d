//! Pages of jobs, newest first, and how many there are, out of any number of rows.
//!
//! Invariant: the work is bounded by the page, not by the table. The kept counts say which ranges of an index hold
//! something of the owner, kinds, queues and states that are asked for, and those are merged; labels have an index of their
//! own; a time of submission becomes a range of numbers. What no index knows (text, ends in a period) is looked for among
//! what is left, job by job, up to a number of looks: then the page is short and says so.

mod failures;
mod place;
mod streams;
mod wanted;

use rusqlite::{CachedStatement, Connection, Row, types::ToSql};

pub(super) use self::{failures::failures, place::waiting};
use self::{
    streams::Merge,
    wanted::{Found, Wanted, number},
};
use super::{read, row, statements::Sql};
use crate::{
    model::{Job, Seq},
    store::{COUNTED, Cut, Filter, Page, PageRequest, Total},
};

/// Jobs that are looked at for a page, and to count: each costs a look-up or two of its row.
const LOOKS: u64 = 10_000;
/// Jobs that are passed by their number alone, for the price of one look.
const PASSED: u64 = 10;

/// A number of rows as the database takes it.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page of jobs.
pub(super) fn page(
    db: &Connection,
    filter: &Filter,
    request: &PageRequest,
) -> rusqlite::Result<Page> {
    let before = request.before.unwrap_or(Seq::MAX);
    let Some(wanted) = Wanted::resolve(db, filter, before)? else {
        return Ok(Page::default());
    };
    let mut walk = Walk::new(db, &wanted)?;
    let mut left = request.skip;
    let mut seqs = Vec::new();
    let mut more = false;
    while let Some(seq) = walk.next()? {
        if left > 0 {
            left -= 1;
        } else if seqs.len() < request.limit {
            seqs.push(seq);
        } else {
            more = true;
            break;
        }
    }
    let next = if more {
        seqs.last().copied().or(request.before)
    } else {
        walk.cut
    };
    let cut = match next {
        Some(at) if seqs.len() < request.limit => Some(Cut {
            looked_at: walk.looked,
            back_to: place::created_at(db, at)?,
        }),
        _ => None,
    };
    let jobs: Vec<Option<Job>> = seqs
        .into_iter()
        .map(|seq| read::by_seq(db, seq))
        .collect::<rusqlite::Result<_>>()?;
    Ok(Page {
        jobs: jobs.into_iter().flatten().collect(),
        next,
        cut,
    })
}

/// How many jobs a filter shows.
pub(super) fn count(db: &Connection, filter: &Filter) -> rusqlite::Result<Total> {
    if filter.is_counted() {
        return Ok(filter.total(&read::counts(db, filter.owner.as_deref())?));
    }
    let Some(wanted) = Wanted::resolve(db, filter, Seq::MAX)? else {
        return Ok(Total {
            count: 0,
            exact: true,
        });
    };
    let mut walk = Walk::new(db, &wanted)?;
    let mut count = 0;
    while count < COUNTED && walk.next()?.is_some() {
        count += 1;
    }
    let over = count == COUNTED && walk.next()?.is_some();
    Ok(Total {
        count,
        exact: !over && walk.cut.is_none(),
    })
}

/// The jobs of a filter, one after the other.
struct Walk<'w> {
    db: &'w Connection,
    wanted: &'w Wanted<'w>,
    found: Found<'w>,
    facts: CachedStatement<'w>,
    /// Left of what may be looked at, in parts of a look.
    budget: u64,
    /// Jobs that were looked at.
    looked: u64,
    last: Seq,
    /// The last job that was looked at, when that was the last look and there are more.
    cut: Option<Seq>,
}

impl<'w> Walk<'w> {
    fn new(db: &'w Connection, wanted: &'w Wanted<'w>) -> rusqlite::Result<Self> {
        let sql = if wanted.needs_words() {
            Sql::ListWords
        } else {
            Sql::ListFacts
        };
        Ok(Self {
            db,
            wanted,
            found: wanted.find(db)?,
            facts: db.prepare_cached(sql.text())?,
            budget: LOOKS * PASSED,
            looked: 0,
            last: 0,
            cut: None,
        })
    }

    fn next(&mut self) -> rusqlite::Result<Option<Seq>> {
        loop {
            if self.budget == 0 {
                let more = self.found.jobs.peek(self.db)?;
                self.cut = more.map(|_| self.last);
                return Ok(None);
            }
            let Some((seq, exact)) = self.found.jobs.next(self.db)? else {
                return Ok(None);
            };
            self.last = seq;
            if let Some(except) = &mut self.found.except {
                self.budget -= 1;
                if stands_in(self.db, except, seq)? {
                    self.looked += 1;
                    continue;
                }
            }
            if exact && self.found.complete {
                return Ok(Some(seq));
            }
            self.looked += 1;
            self.budget = self.budget.saturating_sub(PASSED);
            if self.fits(seq)? {
                return Ok(Some(seq));
            }
        }
    }

    fn fits(&mut self, seq: Seq) -> rusqlite::Result<bool> {
        let mut rows = self.facts.query([seq])?;
        match rows.next()? {
            Some(row) => self.wanted.fits(row),
            None => Ok(false),
        }
    }
}

/// Whether `seq` stands in `numbers`, of which what is newer is passed.
fn stands_in(db: &Connection, numbers: &mut Merge<'_>, seq: Seq) -> rusqlite::Result<bool> {
    while let Some(head) = numbers.peek(db)? {
        if head <= seq {
            return Ok(head == seq);
        }
        numbers.next(db)?;
    }
    Ok(false)
}

fn column(db: &Connection, sql: Sql, parameters: &[&dyn ToSql]) -> rusqlite::Result<Vec<Seq>> {
    read::all(db, sql, parameters, |row: &Row<'_>| row.get(0))
}
