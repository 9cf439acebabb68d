//! Failed jobs by kind and error code.
//!
//! Invariant: an index has them in that order, so that a group is found by one step and counted as far as counts go.

use rusqlite::{Connection, OptionalExtension};

use super::{number, page};
use crate::store::{
    COUNTED, FailureGroup, Failures, Filter, PageRequest, Total,
    sqlite::{row, statements::Sql},
};

/// Groups that are told.
const GROUPS: usize = 64;
/// Groups that are looked at: an owner's may be few among those of all.
const LOOKS: usize = 256;

/// The failed jobs of an owner, or of all.
pub(in super::super) fn failures(
    db: &Connection,
    owner: Option<&str>,
) -> rusqlite::Result<Failures> {
    let (first, last) = match owner {
        None => (0, i64::MAX),
        Some(name) => match number(db, name)? {
            Some(number) => (number, number),
            None => return Ok(Failures::default()),
        },
    };
    let mut failures = Failures::default();
    let mut next = db.prepare_cached(Sql::FailuresNext.text())?;
    let mut counted = db.prepare_cached(Sql::FailuresCount.text())?;
    let mut name = db.prepare_cached(Sql::NameText.text())?;
    let mut at: (i64, String) = (0, String::new());
    for looked in 0.. {
        let found = next.query_row((at.0, &at.1), |row| Ok((row.get(0)?, row.get(1)?)));
        let Some(found) = found.optional()? else {
            break;
        };
        if looked == LOOKS || failures.groups.len() == GROUPS {
            failures.more = true;
            break;
        }
        at = found;
        let most = row::signed(COUNTED + 1);
        let within = (at.0, &at.1, first, last, most);
        let count = counted.query_row(within, |line| row::unsigned(line, 0))?;
        if count == 0 {
            continue;
        }
        let kind: String = name.query_row([at.0], |row| row.get(0))?;
        let filter = Filter {
            owner: owner.map(str::to_owned),
            kinds: vec![kind.clone()],
            errors: vec![at.1.clone()],
            ..Filter::default()
        };
        let one = PageRequest {
            limit: 1,
            ..PageRequest::default()
        };
        // Gone meanwhile, where there is none.
        if let Some(newest) = page(db, &filter, &one)?.jobs.pop() {
            failures.groups.push(FailureGroup {
                kind,
                code: at.1.clone(),
                jobs: Total {
                    count: count.min(COUNTED),
                    exact: count <= COUNTED,
                },
                newest,
            });
        }
    }
    Ok(failures)
}
