//! Scale: batches of a thousand, and values far larger than usual.

use longhaul_types::{ItemState, State};
use serde_json::json;

use super::{
    all_jobs,
    lab::{Lab, artifact, at, complete, done, fail, held, item, jobs, lines, request, snapshot},
};
use crate::{
    model::{Claim, Seq},
    store::{Asked, End, Insert, Inserted, Request, Store, Sweep, Write, Written},
};

const MANY: usize = 1_000;

/// A thousand jobs are submitted, claimed, ended, retried, cancelled and swept, each in one call.
pub async fn batches_of_a_thousand(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let inserted = lab.insert(jobs("a", MANY)).await;
    let seqs: Vec<Seq> = inserted.iter().map(|one| one.seq).collect();
    let new = |(n, one): (usize, &Inserted)| one.new && one.id.as_str() == format!("a-{n}");
    assert!(inserted.iter().enumerate().all(new), "answered in order");
    let claimed = store.claim(request(&lab.worker, at(0))).await;
    let claims: Vec<Claim> = claimed.expect("claim").iter().map(held).collect();
    assert!(
        claims
            .iter()
            .map(|claim| claim.job)
            .eq(seqs.iter().copied())
    );
    let ends = claims.iter().map(|claim| Write {
        items: vec![item("part", ItemState::Completed)],
        log: lines(&["one", "two"]),
        end: Some(fail()),
        ..Write::new(*claim, at(1))
    });
    let written = store.write(ends.collect()).await.expect("write");
    assert_eq!(written.len(), MANY);
    for one in written {
        assert_eq!(done(one).state, State::Failed);
    }
    let ids: Vec<_> = jobs("a", MANY).into_iter().map(|job| job.id).collect();
    for (request, state) in [
        (Request::Retry, State::Pending),
        (Request::Cancel, State::Cancelled),
    ] {
        let asked = store.ask(request, Some(""), ids.clone(), at(2)).await;
        for (one, seq) in asked.expect("ask").iter().zip(&seqs) {
            assert!(matches!(one, Asked::Done(job) if job.state() == state && job.seq == *seq));
        }
    }
    let due = store.sweepable(at(90_000), MANY).await.expect("sweepable");
    assert_eq!(due.len(), MANY);
    let rows = seqs.iter().map(|seq| Sweep {
        seq: *seq,
        row: true,
        log: false,
        result: false,
        progress: false,
        next: None,
    });
    store.sweep(rows.collect()).await.expect("sweep");
    assert_eq!(all_jobs(store).await, []);
}

/// In a thousand submissions one bad one refuses all; in a thousand writes one lost one refuses itself alone.
pub async fn one_of_a_thousand(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut many = jobs("a", MANY);
    many[MANY - 1].id = many[0].id.clone();
    assert!(store.insert(many).await.is_err());
    assert_eq!(all_jobs(store).await, []);
    lab.insert(jobs("a", MANY)).await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    let mut writes: Vec<Write> = claimed
        .iter()
        .map(|one| Write {
            end: Some(complete()),
            ..Write::new(held(one), at(1))
        })
        .collect();
    writes[500].claim.number += 1;
    let written = store.write(writes).await.expect("write");
    let lost: Vec<usize> = (0..MANY)
        .filter(|n| written[*n] == Written::ClaimLost)
        .collect();
    assert_eq!(lost, [500]);
    assert_eq!(lab.state(claimed[500].job.seq).await, State::Running);
    assert_eq!(lab.state(claimed[499].job.seq).await, State::Completed);
}

/// A thousand jobs of one dead worker are rescued at once.
pub async fn a_thousand_are_rescued(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.insert(jobs("a", MANY)).await;
    lab.claim(&lab.worker, at(0)).await;
    let changed = lab.die(&lab.worker, at(5)).await;
    assert_eq!(changed.len(), MANY);
    assert!(
        changed
            .iter()
            .all(|job| job.state() == State::Pending && job.rescues == 1)
    );
}

/// One write with a thousand items, lines, artifacts and jobs.
pub async fn a_write_of_a_thousand_things(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let texts: Vec<String> = (0..MANY).map(|n| format!("{n:04}")).collect();
    let names: Vec<&str> = texts.iter().map(String::as_str).collect();
    let written = lab
        .done(Write {
            items: names
                .iter()
                .map(|name| item(name, ItemState::Completed))
                .collect(),
            log: lines(&names),
            artifacts: names.iter().map(|name| artifact(name, name)).collect(),
            jobs: jobs("next", MANY),
            ..Write::new(claim, at(1))
        })
        .await;
    assert!(written.jobs.len() == MANY && written.jobs.iter().all(|one| one.new));
    let found = snapshot(store, claim.job).await;
    assert_eq!((found.items.len(), found.artifacts.len()), (MANY, MANY));
    assert!(
        found
            .items
            .iter()
            .map(|item| item.name.as_str())
            .eq(names.iter().copied())
    );
    assert_eq!(lab.get(claim.job).await.items.completed, 1_000);
    let mut places = texts.clone();
    places.push("orphan".to_owned());
    let orphans = store.orphans(places).await.expect("orphans");
    assert_eq!(orphans, ["orphan"]);
}

/// Megabytes of args, checkpoint, item result and result.
pub async fn large_values_come_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let large = |letter: &str| json!({ "text": letter.repeat(4 << 20) });
    let args = large("ä").to_string();
    let insert = Insert {
        args: args.clone(),
        ..super::lab::job("a")
    };
    let claim = lab.run_job(insert).await;
    lab.done(Write {
        checkpoint: Some(large("c").to_string()),
        items: vec![crate::store::ItemWrite {
            result: Some(large("i").to_string()),
            ..item("a", ItemState::Completed)
        }],
        end: Some(End::Release { at: at(1) }),
        ..Write::new(claim, at(1))
    })
    .await;
    let claimed = lab.claim(&lab.worker, at(1)).await;
    assert!(claimed[0].checkpoint == Some(large("c").to_string()));
    assert!(claimed[0].args == args);
    let end = End::Complete {
        result: Some(large("r").to_string()),
    };
    lab.end(held(&claimed[0]), end).await;
    let detail = lab.detail(claim.job).await;
    assert!(detail.args == large("ä") && detail.result == Some(large("r")));
    let items = snapshot(store, claim.job).await.items;
    assert!(items[0].result == Some(large("i")));
}
