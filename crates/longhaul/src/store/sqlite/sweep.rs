//! Retention: what ended jobs leave, and when it goes.
//!
//! Invariant: a removed job leaves no row anywhere, and the places of its artifacts are told.

use longhaul_types::{Labels, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{
    error::Fault,
    row,
    statements::Sql,
    tx::{Place, Tx},
};
use crate::{
    model::Seq,
    store::{Due, Sweep},
};

/// Ended jobs of which something may have to be removed, the longest due first.
pub(super) fn sweepable(
    db: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<Due>> {
    let mut statement = db.prepare_cached(Sql::Sweepable.text())?;
    let rows = statement.query_map((now.0, super::list::limit(limit)), |row| {
        Ok(Due {
            seq: row.get(0)?,
            kind: row.get(1)?,
            state: row::state(row, 2)?,
            ended_at: row::time(row, 3)?,
        })
    })?;
    rows.collect()
}

/// Removes what is too old, and answers with the places of removed artifacts. A job that does not stand at its end any
/// more, as somebody retried it meanwhile, is left alone.
pub(super) fn sweep(tx: &mut Tx<'_>, sweeps: &[Sweep]) -> Result<Vec<String>, Fault> {
    let mut locations = Vec::new();
    for sweep in sweeps {
        if sweep.row {
            locations.extend(remove(tx, sweep.seq)?);
        } else if tx.sql.get(Sql::SweepRead)?.exists([sweep.seq])? {
            let parts = [
                (sweep.log, Sql::DeleteLogs),
                (sweep.result, Sql::DeleteResults),
                (sweep.progress, Sql::DeleteProgress),
            ];
            for (_, delete) in parts.into_iter().filter(|(wanted, _)| *wanted) {
                tx.sql.get(delete)?.execute([sweep.seq])?;
            }
            tx.sql
                .get(Sql::SweepNext)?
                .execute((sweep.seq, sweep.next.map(|next| next.0)))?;
        }
    }
    Ok(locations)
}

/// Removes an ended job with all that belongs to it, and answers with the places of its artifacts.
pub(super) fn remove(tx: &mut Tx<'_>, seq: Seq) -> Result<Vec<String>, Fault> {
    let found = tx
        .sql
        .get(Sql::SweepRead)?
        .query_row([seq], |row| {
            let place = Place {
                owner: row.get(0)?,
                kind: row.get(1)?,
                queue: row.get(2)?,
            };
            Ok((
                place,
                row::state(row, 3)?,
                row::labels(row, 4)?,
                row.get::<_, u32>(5)?,
            ))
        })
        .optional()?;
    let Some((place, state, labels, follow_ups)) = found else {
        return Ok(Vec::new());
    };
    let files: rusqlite::Result<Vec<(String, i64)>> = tx
        .sql
        .get(Sql::Locations)?
        .query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect();
    let (locations, sizes): (Vec<_>, Vec<_>) = files?.into_iter().unzip();
    tx.add_disk(place.owner, -sizes.iter().sum::<i64>())?;
    remove_labels(tx, seq, &labels)?;
    if follow_ups > 0 {
        tx.sql.get(Sql::DeleteFollowUps)?.execute([seq])?;
    }
    for delete in [
        Sql::DeleteJobs,
        Sql::DeleteArgs,
        Sql::DeleteResults,
        Sql::DeleteCheckpoints,
        Sql::DeleteProgress,
        Sql::DeleteItems,
        Sql::DeleteLogs,
        Sql::DeleteArtifacts,
        Sql::DeleteAttempts,
    ] {
        tx.sql.get(delete)?.execute([seq])?;
    }
    tx.sql.get(Sql::SequenceWrite)?.execute([seq])?;
    tx.count(place, state, -1);
    Ok(locations)
}

fn remove_labels(tx: &mut Tx<'_>, seq: Seq, labels: &Labels) -> rusqlite::Result<()> {
    for (name, value) in labels {
        tx.sql.get(Sql::DeleteLabel)?.execute((name, value, seq))?;
    }
    Ok(())
}

/// Of these places, those that no artifact refers to.
pub(super) fn orphans(db: &Connection, locations: Vec<String>) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare_cached(Sql::LocationUsed.text())?;
    let mut orphans = Vec::new();
    for location in locations {
        if !statement.exists([&location])? {
            orphans.push(location);
        }
    }
    Ok(orphans)
}
