//! Jobs that follow the end of another.
//!
//! Invariant: they are inserted in the transaction that ends it, and nothing about them keeps it from ending.

use futures_util::{FutureExt, future::BoxFuture};

use super::{error::Fault, insert, read, tx::Tx};
use crate::{
    model::Seq,
    store::{Error, Inserted, StoredFollowUp},
};

/// Refuses a follow-up that could not be inserted once its time has come. A kind that is known stays known.
pub(super) fn check<'t>(
    tx: &'t mut Tx<'_>,
    follow_up: &'t StoredFollowUp,
) -> BoxFuture<'t, Result<(), Fault>> {
    async move {
        tx.kind(&follow_up.kind).await?;
        for own in &follow_up.follow_ups {
            check(tx, own).await?;
        }
        Ok(())
    }
    .boxed()
}

/// Inserts what follows the end of a job that has just ended.
pub(super) async fn insert(tx: &mut Tx<'_>, ended: Seq) -> Result<Vec<Inserted>, Fault> {
    let rows = tx.rows(sql!("jobs"), &[&vec![ended]]).await?;
    let job = read::jobs_of(&rows)?.pop().ok_or(Error::NotFound(ended))?;
    let mut inserted = Vec::new();
    for line in tx.rows(sql!("follow_ups"), &[&ended]).await? {
        let follow_up: StoredFollowUp = match serde_json::from_str(line.get(0)) {
            Ok(follow_up) => follow_up,
            Err(error) => {
                tracing::error!(job = %job.id, %error, "a follow-up can not be read: left out");
                continue;
            }
        };
        let Some(new) = follow_up.of(&job) else {
            continue;
        };
        let mark = tx.mark().await?;
        match insert::insert_following(tx, &new).await {
            Ok(one) => {
                tx.keep(mark).await?;
                inserted.push(one);
            }
            Err(Fault::Refused(error)) => {
                tx.undo(mark).await?;
                if !matches!(error, Error::IdTaken(_)) {
                    tracing::error!(job = %job.id, %error, "a follow-up was refused: left out");
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(inserted)
}
