//! Jobs that follow the end of another.
//!
//! Invariant: they are inserted in the transaction that ends it, and nothing about them keeps it from ending.

use super::{error::Fault, insert, statements::Sql, tx::Tx};
use crate::{
    model::Seq,
    store::{Error, Inserted, StoredFollowUp},
};

/// Refuses a follow-up that could not be inserted once its time has come. A kind that is known stays known.
pub(super) fn check(tx: &mut Tx<'_>, follow_up: &StoredFollowUp) -> Result<(), Fault> {
    tx.kind(&follow_up.kind)?;
    for own in &follow_up.follow_ups {
        check(tx, own)?;
    }
    Ok(())
}

/// Writes the follow-ups of a new job.
pub(super) fn write(
    tx: &mut Tx<'_>,
    job: Seq,
    follow_ups: &[StoredFollowUp],
) -> rusqlite::Result<()> {
    for (position, follow_up) in (0_i64..).zip(follow_ups) {
        let text = serde_json::to_string(follow_up)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        tx.sql
            .get(Sql::FollowUpInsert)?
            .execute((job, position, text))?;
    }
    Ok(())
}

/// Inserts what follows the end of a job that has just ended.
pub(super) fn insert(tx: &mut Tx<'_>, ended: Seq) -> Result<Vec<Inserted>, Fault> {
    let job = tx.job(ended)?.ok_or(Error::NotFound(ended))?;
    let texts: rusqlite::Result<Vec<String>> = tx
        .sql
        .get(Sql::FollowUps)?
        .query_map([ended], |row| row.get(0))?
        .collect();
    let mut inserted = Vec::new();
    for text in texts? {
        let follow_up: StoredFollowUp = match serde_json::from_str(&text) {
            Ok(follow_up) => follow_up,
            Err(error) => {
                tracing::error!(job = %job.id, %error, "a follow-up can not be read: left out");
                continue;
            }
        };
        let Some(new) = follow_up.of(&job) else {
            continue;
        };
        match insert::insert_following(tx, &new) {
            Ok(outcome) => inserted.push(outcome.of(new.id)),
            Err(Fault::Refused(Error::IdTaken(_))) => {}
            Err(Fault::Refused(error)) => {
                tracing::error!(job = %job.id, %error, "a follow-up was refused: left out");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(inserted)
}
