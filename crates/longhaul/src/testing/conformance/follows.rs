//! Jobs that follow the end of another: in the commit of that end, whoever brings it about.

use longhaul_types::{Labels, Reason, State};
use serde_json::{Value, json};

use super::lab::{KIND, Lab, OTHER, at, complete, ends, fail, id, job, jobs, secs};
use crate::{
    model::{AFTER, Job, Seq, transition::MAX_RESCUES},
    store::{End, Error, Filter, Insert, Request, Store, StoredFollowUp, Write},
};

/// A follow-up of [`OTHER`] that is told of the end, after these ends.
fn follow_up(name: &str, on: &[State]) -> StoredFollowUp {
    StoredFollowUp {
        on: on.to_vec(),
        tell: Some("end".to_owned()),
        after: secs(0),
        name: name.to_owned(),
        kind: OTHER.to_owned(),
        queue: "after".to_owned(),
        priority: 2,
        args_version: 3,
        args: json!({"of": name}).to_string(),
        labels: Labels::from([("own".to_owned(), "label".to_owned())]),
        unique_key: None,
        max_attempts: 7,
        attempt_timeout: Some(secs(5)),
        timeout: Some(secs(50)),
        follow_ups: Vec::new(),
    }
}

fn followed(name: &str, follow_ups: Vec<StoredFollowUp>) -> Insert {
    Insert {
        follow_ups,
        ..job(name)
    }
}

/// The jobs that follow the job of this id, oldest first.
async fn after(lab: &Lab<'_>, name: &str) -> Vec<Job> {
    let filter = Filter {
        labels: Labels::from([(AFTER.to_owned(), name.to_owned())]),
        ..Filter::default()
    };
    let mut jobs = lab.store.jobs(&filter, None, 100).await.expect("jobs");
    jobs.reverse();
    jobs
}

async fn args(lab: &Lab<'_>, seq: Seq) -> Value {
    lab.detail(seq).await.args
}

/// What follows is there with the end, tells of it, and is as it was submitted.
pub async fn a_job_follows_an_end(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let insert = Insert {
        owner: "ann".to_owned(),
        ..followed("first", vec![follow_up("next", &[])])
    };
    let claim = lab.run_job(insert).await;
    assert_eq!(after(&lab, "first").await, [], "nothing before the end");
    let done = lab.end(claim, complete()).await;
    let [job] = &after(&lab, "first").await[..] else {
        panic!("one job follows");
    };
    assert_eq!(done.jobs.len(), 1);
    assert_eq!((done.jobs[0].seq, &done.jobs[0].id), (job.seq, &job.id));
    assert_eq!(job.id, id(&format!("next-{}-{}", claim.job, done.revision)));
    assert_eq!((job.owner.as_str(), job.kind.as_str()), ("ann", OTHER));
    assert_eq!((job.queue.as_str(), job.priority), ("after", 2));
    assert_eq!((job.created_at, job.max_attempts), (at(1), 7));
    assert_eq!(job.attempt_timeout, Some(secs(5)));
    assert_eq!(job.timeout, Some(secs(50)));
    assert_eq!(job.labels["own"], "label");
    assert_eq!(
        args(&lab, job.seq).await,
        json!({
            "of": "next",
            "end": {
                "jobId": "first",
                "kind": KIND,
                "state": "completed",
                "revision": done.revision,
                "endedAt": at(1),
            },
        })
    );
}

/// What follows comes after the end that was named, and no other; an attempt that is followed by another is no end.
pub async fn ends_are_told_apart(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let all = [State::Completed, State::Failed, State::Cancelled];
    for (number, end) in ends().into_iter().enumerate() {
        let name = format!("job-{number}");
        let each = all.map(|state| follow_up(&format!("{state}-{number}"), &[state]));
        let claim = lab.run_job(followed(&name, each.to_vec())).await;
        let state = lab.end(claim, end).await.state;
        let jobs = after(&lab, &name).await;
        let expected: Vec<String> = all
            .iter()
            .filter(|ended| **ended == state)
            .map(|state| format!("{state}-{number}"))
            .collect();
        let of = async |seq| args(&lab, seq).await["of"].as_str().map(str::to_owned);
        let mut found = Vec::new();
        for job in &jobs {
            found.extend(of(job.seq).await);
        }
        assert_eq!(found, expected, "after {state}");
    }
    let claim = lab
        .run_job(followed("fails", vec![follow_up("f", &[])]))
        .await;
    lab.end(claim, fail()).await;
    let job = after(&lab, "fails").await.remove(0);
    assert_eq!(
        args(&lab, job.seq).await["end"]["error"]["message"],
        "final"
    );
}

/// A pending job that is cancelled is followed, a running one when its run has stopped.
pub async fn a_cancel_is_followed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let one = |name: &str| followed(name, vec![follow_up(name, &[State::Cancelled])]);
    lab.submit(one("waits")).await;
    lab.allowed(Request::Cancel, "waits", at(5)).await;
    let [job] = &after(&lab, "waits").await[..] else {
        panic!("one job follows the cancel");
    };
    assert_eq!(job.created_at, at(5));
    let claim = lab.run_job(one("runs")).await;
    lab.allowed(Request::Cancel, "runs", at(5)).await;
    assert_eq!(after(&lab, "runs").await, [], "it runs yet");
    lab.end(claim, complete()).await;
    assert_eq!(after(&lab, "runs").await.len(), 1);
    lab.refused(Request::Cancel, claim.job, at(6)).await;
    assert_eq!(after(&lab, "runs").await.len(), 1, "one end, one job");
}

/// A job that runs out of time, or loses its workers too often, is followed.
pub async fn an_end_without_a_run_is_followed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let late = Insert {
        timeout: Some(secs(10)),
        ..followed("late", vec![follow_up("late", &[State::Failed])])
    };
    let claim = lab.run_job(late).await;
    lab.end(claim, End::Release { at: at(100) }).await;
    assert_eq!(store.expire(at(20)).await.expect("expire").len(), 1);
    let job = after(&lab, "late").await.remove(0);
    let error = args(&lab, job.seq).await["end"]["error"]["code"].clone();
    assert_eq!(
        (error, job.created_at),
        (json!("deadline_exceeded"), at(20))
    );

    let seq = lab
        .submit(followed(
            "kills",
            vec![follow_up("kills", &[State::Failed])],
        ))
        .await;
    for death in 0..=MAX_RESCUES {
        assert_eq!(after(&lab, "kills").await, [], "after {death} deaths");
        let worker = lab.join(&format!("worker-{death}")).await;
        assert_eq!(lab.claim(&worker, at(0)).await.len(), 1);
        lab.die(&worker, at(0)).await;
    }
    assert_eq!(lab.state(seq).await, State::Failed);
    let job = after(&lab, "kills").await.remove(0);
    let error = args(&lab, job.seq).await["end"]["error"]["code"].clone();
    assert_eq!(error, "worker_lost");
}

/// A job that is retried and ends again is followed again, by another job.
pub async fn each_end_is_followed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab
        .run_job(followed("again", vec![follow_up("n", &[])]))
        .await;
    lab.end(claim, fail()).await;
    lab.allowed(Request::Retry, "again", at(1)).await;
    let claim = lab.claim_one(at(1)).await;
    let again = Write {
        end: Some(complete()),
        ..Write::new(claim, at(2))
    };
    lab.done(again.clone()).await;
    lab.write(again).await;
    let jobs = after(&lab, "again").await;
    let mut states = Vec::new();
    for job in &jobs {
        states.push(args(&lab, job.seq).await["end"]["state"].clone());
    }
    assert_eq!(states, [json!("failed"), json!("completed")]);
    assert_ne!(jobs[0].id, jobs[1].id);
}

/// What follows waits as long as it was told, and what follows it follows it.
pub async fn follow_ups_wait_and_are_followed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut second = follow_up("second", &[]);
    second.after = secs(30);
    "suite".clone_into(&mut second.queue);
    second.timeout = None;
    second.follow_ups = vec![follow_up("third", &[])];
    let claim = lab.run_job(followed("first", vec![second])).await;
    lab.end(claim, complete()).await;
    let waits = after(&lab, "first").await.remove(0);
    assert!(matches!(
        waits.status,
        crate::model::Status::Pending { reason: Reason::Scheduled, run_at: Some(due), .. } if due == at(31)
    ));
    assert!(lab.claim(&lab.worker, at(30)).await.is_empty());
    let claim = lab.claim_one(at(31)).await;
    assert_eq!(claim.job, waits.seq);
    lab.end(claim, complete()).await;
    assert_eq!(after(&lab, waits.id.as_str()).await.len(), 1);
}

/// Nothing about what follows keeps a job from ending: not a full queue, not an id that is taken, not a key.
pub async fn nothing_keeps_a_job_from_its_end(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let keyed = StoredFollowUp {
        queue: super::lab::QUEUE.to_owned(),
        unique_key: Some("one".to_owned()),
        ..follow_up("keyed", &[])
    };
    let plain = StoredFollowUp {
        queue: super::lab::QUEUE.to_owned(),
        ..follow_up("plain", &[])
    };
    let claim = lab.run_job(followed("job", vec![keyed, plain])).await;
    let revision = lab.get(claim.job).await.revision + 1;
    let taken = Insert {
        queue: "elsewhere".to_owned(),
        ..job(&format!("plain-{}-{revision}", claim.job))
    };
    let living = Insert {
        kind: OTHER.to_owned(),
        queue: "elsewhere".to_owned(),
        unique_key: Some("one".to_owned()),
        ..job("living")
    };
    lab.insert(vec![taken, living]).await;
    lab.insert(jobs("fill", 2_000)).await;
    let refused = store.insert(vec![job("more")]).await;
    assert!(matches!(refused, Err(Error::QueueFull { .. })));
    let done = lab.end(claim, complete()).await;
    assert_eq!(done.state, State::Completed);
    let named: Vec<_> = done
        .jobs
        .iter()
        .map(|job| (job.id.as_str(), job.new))
        .collect();
    assert_eq!(named, [("living", false)]);

    let full = StoredFollowUp {
        queue: super::lab::QUEUE.to_owned(),
        ..follow_up("full", &[])
    };
    let other = Insert {
        queue: "elsewhere".to_owned(),
        ..followed("other", vec![full])
    };
    lab.submit(other).await;
    lab.allowed(Request::Cancel, "other", at(1)).await;
    assert_eq!(after(&lab, "other").await.len(), 1);
}

/// A job whose follow-up is of a kind that nobody has declared is refused, as its end could not be.
pub async fn an_unknown_kind_follows_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let unknown = StoredFollowUp {
        kind: "suite.nobody".to_owned(),
        ..follow_up("unknown", &[])
    };
    let nested = StoredFollowUp {
        follow_ups: vec![unknown.clone()],
        ..follow_up("nested", &[])
    };
    for follow_up in [unknown, nested] {
        let refused = store.insert(vec![followed("job", vec![follow_up])]).await;
        assert!(matches!(refused, Err(Error::UnknownKind(kind)) if kind == "suite.nobody"));
    }
    assert_eq!(lab.ids(&Filter::default()).await, [""; 0]);
}

/// Of ends that are written together each is followed, and a write that is refused leaves nothing that follows.
pub async fn ends_written_together_are_followed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let takes_over = StoredFollowUp {
        kind: KIND.to_owned(),
        unique_key: Some("series".to_owned()),
        ..follow_up("series", &[])
    };
    let keyed = Insert {
        unique_key: Some("series".to_owned()),
        ..job("keyed")
    };
    let mut claims = Vec::new();
    for insert in [
        job("plain"),
        keyed,
        followed("with", vec![takes_over]),
        job("last"),
    ] {
        claims.push(lab.run_job(insert).await);
    }
    let end = |claim| Write {
        end: Some(complete()),
        ..Write::new(claim, at(1))
    };
    let mut lost = end(claims[2]);
    lost.jobs.push(Insert {
        kind: "suite.nobody".to_owned(),
        ..job("unknown")
    });
    lab.write(lost).await;
    assert_eq!(after(&lab, "with").await, [], "refused whole");
    let written = store.write(claims.into_iter().map(end).collect()).await;
    let states = written.expect("written").into_iter();
    let done: Vec<_> = states.map(super::lab::done).collect();
    let counts: Vec<usize> = done.iter().map(|done| done.jobs.len()).collect();
    assert_eq!(counts, [0, 0, 1, 0]);
    assert!(done[2].jobs[0].new, "the key was free by then");
}

/// Follow-ups go with their job: another that gets none is followed by none.
pub async fn follow_ups_go_with_their_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab
        .run_job(followed("gone", vec![follow_up("n", &[])]))
        .await;
    lab.end(claim, complete()).await;
    lab.allowed(Request::Remove, "gone", at(2)).await;
    let claim = lab.run("gone").await;
    assert_eq!(lab.end(claim, complete()).await.jobs, []);
    assert_eq!(after(&lab, "gone").await.len(), 1, "what followed stays");
}
