//! Retention: what ended jobs leave, and when it goes.
//!
//! Invariant: a removed job leaves no row anywhere, and the places of its artifacts are told.

use std::collections::{BTreeMap, HashSet};

use super::{
    ask::{self, Done},
    error::Fault,
    row,
    text::kept,
    tx::Tx,
};
use crate::{model::Seq, store::Sweep};

/// A job that is to go, locked.
pub(super) struct Gone {
    pub(super) seq: Seq,
    pub(super) done: Done,
}

/// Removes what is too old, and answers with the places of removed artifacts. A job that does not stand at its end any
/// more, as somebody retried it meanwhile, is left alone.
pub(super) async fn sweep(tx: &mut Tx<'_>, sweeps: &[Sweep]) -> Result<Vec<String>, Fault> {
    let mut gone = Vec::new();
    let mut seen = HashSet::new();
    for sweep in sweeps {
        let seq = sweep.seq;
        if !seen.insert(seq) && sweep.row {
            continue;
        }
        let Some(done) = ask::ended(tx, seq).await? else {
            continue;
        };
        if sweep.row {
            gone.push(Gone { seq, done });
            continue;
        }
        for (wanted, delete) in [
            (sweep.log, sql!("delete_logs")),
            (sweep.result, sql!("delete_results")),
            (sweep.progress, sql!("delete_progress")),
        ] {
            if wanted {
                tx.execute(delete, &[&seq]).await?;
            }
        }
        let next = sweep.next.map(|next| next.0);
        tx.execute(sql!("sweep_next"), &[&seq, &next]).await?;
    }
    remove(tx, &gone).await
}

/// Removes ended jobs with all that belongs to them, and answers with the places of their artifacts.
pub(super) async fn remove(tx: &mut Tx<'_>, gone: &[Gone]) -> Result<Vec<String>, Fault> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<Seq> = gone.iter().map(|one| one.seq).collect();
    let (mut names, mut values, mut labelled) = (Vec::new(), Vec::new(), Vec::new());
    for Gone { seq, done } in gone {
        for (name, value) in &done.labels {
            names.push(kept(name));
            values.push(kept(value));
            labelled.push(*seq);
        }
        tx.count(done.place, done.state, -1);
    }
    let rows = tx
        .rows(sql!("remove"), &[&seqs, &names, &values, &labelled])
        .await?;
    let owners: BTreeMap<Seq, i32> = gone
        .iter()
        .map(|one| (one.seq, one.done.place.owner))
        .collect();
    let mut freed: BTreeMap<i32, i64> = BTreeMap::new();
    for line in &rows {
        if let Some(owner) = owners.get(&line.get(2)) {
            *freed.entry(*owner).or_default() += line.get::<_, i64>(1);
        }
    }
    for (owner, bytes) in freed {
        tx.add_disk(owner, -bytes).await?;
    }
    Ok(rows.iter().map(|line| row::text(line, 0)).collect())
}
