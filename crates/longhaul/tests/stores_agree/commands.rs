//! Random commands: what they are, and how likely each is.

use std::time::Duration;

use longhaul::{
    store::{IDEMPOTENCY, Request},
    types::{ItemState, Reason, State},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

pub(super) const OWNERS: [&str; 2] = ["", "anna"];
/// The last is never declared.
pub(super) const KINDS: [&str; 3] = ["one", "two", "unknown"];
pub(super) const QUEUES: [&str; 2] = ["day", "night"];
pub(super) const WORKERS: [&str; 3] = ["first", "second", "third"];
pub(super) const KEYS: [&str; 2] = ["k", "l"];
pub(super) const NAMES: [&str; 4] = ["w", "x", "y", "z"];

/// A time relative to the moment at which its command is done.
pub(super) type Ahead = Duration;

#[derive(Clone, Debug)]
pub(super) enum Command {
    Advance(Duration),
    Declare(&'static str, Duration),
    Join(&'static str, Option<Duration>),
    Introduce(&'static str),
    ExtendLeases,
    Members(usize),
    Leave(&'static str),
    Heartbeat(&'static str),
    Insert(Vec<NewJob>),
    Claim(Claimer),
    Write(Vec<Report>),
    Rescue,
    Expire,
    Ask(Request, Option<&'static str>, Vec<Index>),
    Pause(&'static str),
    Resume(&'static str),
    Jobs(Selection),
    Sweep(Vec<Part>),
    PutSchedule(Place, &'static str, Ahead, bool),
    RemoveSchedule(Place),
    Fire(Place, Vec<NewJob>, Option<Ahead>),
}

/// A schedule: its owner and name, and whether what is asked for is so in the revision that it has.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) owner: &'static str,
    pub(super) name: &'static str,
    pub(super) current: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Claimer {
    pub(super) worker: &'static str,
    /// Whether it joins before, without a lease.
    pub(super) joins: bool,
    pub(super) slots: Vec<(&'static str, u32)>,
    pub(super) kinds: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct NewJob {
    /// Which of the ids that were ever used; another one when none.
    pub(super) id: Option<Index>,
    pub(super) owner: &'static str,
    pub(super) kind: &'static str,
    pub(super) queue: &'static str,
    pub(super) priority: i16,
    pub(super) start: (Reason, Ahead),
    pub(super) label: Option<&'static str>,
    pub(super) unique_key: Option<&'static str>,
    pub(super) idempotency_key: Option<&'static str>,
    pub(super) timeout: Option<Duration>,
    /// On which ends, of which kind, under which unique key.
    pub(super) follow_ups: Vec<(Vec<State>, &'static str, Option<&'static str>)>,
}

#[derive(Clone, Debug)]
pub(super) struct Report {
    /// Whether it is under a claim that holds its job, and which of those, or of all that were ever given.
    pub(super) held: bool,
    pub(super) claim: Index,
    pub(super) progress: Option<u64>,
    pub(super) checkpoint: Option<u8>,
    pub(super) items: Vec<(&'static str, ItemState)>,
    pub(super) lines: usize,
    pub(super) artifact: Option<&'static str>,
    pub(super) jobs: Vec<NewJob>,
    pub(super) end: Option<Ending>,
}

#[derive(Clone, Debug)]
pub(super) enum Ending {
    Complete(Option<u8>),
    Fail,
    Retry(Ahead),
    CheckAgain(Ahead, Duration),
    CheckLater(Ahead),
    Release(Ahead),
    Cancelled,
}

#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) owner: Option<&'static str>,
    pub(super) states: Vec<State>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) queues: Vec<&'static str>,
    pub(super) error: Option<&'static str>,
    pub(super) label: Option<&'static str>,
    pub(super) begun: Option<bool>,
    pub(super) text: Vec<&'static str>,
    /// How long before the command, if the period has a beginning, and an end.
    pub(super) created: [Option<Ahead>; 2],
    pub(super) ended: [Option<Ahead>; 2],
    pub(super) before: Option<Index>,
    pub(super) skip: usize,
    pub(super) limit: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Which of the jobs that there ever were.
    pub(super) job: Index,
    pub(super) parts: [bool; 4],
    pub(super) next: Option<Ahead>,
}

fn ahead() -> impl Strategy<Value = Duration> {
    select(vec![0, 1, 20, 30, 31, 60, 3_600]).prop_map(Duration::from_secs)
}

fn new_job() -> impl Strategy<Value = NewJob> {
    let start = prop_oneof![
        4 => Just((Reason::New, Duration::ZERO)),
        1 => Just((Reason::Held, Duration::ZERO)),
        1 => ahead().prop_map(|ahead| (Reason::Scheduled, ahead)),
    ];
    let kind = || prop_oneof![20 => select(&KINDS[..2]), 1 => Just(KINDS[2])];
    let owner = prop_oneof![3 => Just(OWNERS[0]), 1 => Just(OWNERS[1])];
    let id = option::weighted(0.1, any::<Index>());
    let names = (id, owner, kind(), select(&QUEUES[..]));
    let keys = (
        option::weighted(0.3, select(&NAMES[..])),
        option::weighted(0.3, select(&KEYS[..])),
        option::weighted(0.2, select(&KEYS[..])),
    );
    let timeout = option::weighted(0.3, ahead());
    let ends = vec(select(&State::ALL[2..]), 0..3);
    let unique_key = option::weighted(0.2, select(&KEYS[..]));
    let follow_up = (ends, kind(), unique_key);
    let follow_ups = prop_oneof![3 => Just(Vec::new()), 1 => vec(follow_up, 1..3)];
    (names, -1..2_i16, start, keys, timeout, follow_ups).prop_map(
        |(
            (id, owner, kind, queue),
            priority,
            start,
            (label, unique_key, idempotency_key),
            timeout,
            follow_ups,
        )| {
            NewJob {
                id,
                owner,
                kind,
                queue,
                priority,
                start,
                label,
                unique_key,
                idempotency_key,
                timeout,
                follow_ups,
            }
        },
    )
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        2 => option::of(any::<u8>()).prop_map(Ending::Complete),
        2 => Just(Ending::Fail),
        2 => ahead().prop_map(Ending::Retry),
        3 => (ahead(), ahead()).prop_map(|(at, every)| Ending::CheckAgain(at, every)),
        1 => ahead().prop_map(Ending::CheckLater),
        1 => ahead().prop_map(Ending::Release),
        1 => Just(Ending::Cancelled),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let items = vec((select(&NAMES[..]), select(&ItemState::ALL[..])), 0..4);
    let rest = (0..9_usize, option::weighted(0.3, select(&NAMES[..])));
    (
        (proptest::bool::weighted(0.9), any::<Index>()),
        option::of(any::<u64>()),
        option::weighted(0.3, any::<u8>()),
        items,
        rest,
        prop_oneof![3 => Just(Vec::new()), 1 => vec(new_job(), 1..3)],
        option::weighted(0.6, ending()),
    )
        .prop_map(
            |((held, claim), progress, checkpoint, items, (lines, artifact), jobs, end)| Report {
                held,
                claim,
                progress,
                checkpoint,
                items,
                lines,
                artifact,
                jobs,
                end,
            },
        )
}

fn selection() -> impl Strategy<Value = Selection> {
    let names = (
        option::of(select(&OWNERS[..])),
        vec(select(&State::ALL[..]), 0..3),
        vec(select(&KINDS[..]), 0..3),
        vec(select(&QUEUES[..]), 0..2),
        option::weighted(0.3, select(&NAMES[..])),
    );
    let period = || {
        let bound = || option::weighted(0.2, ahead());
        (bound(), bound()).prop_map(|(after, before)| [after, before])
    };
    // Ids, parts of ids, labels, and what errors say.
    let word = select(&["0-0", "1-0", "-", "W", "z", ":0", "2023"][..]);
    let words = prop_oneof![3 => Just(Vec::new()), 1 => vec(word, 1..3)];
    let error = option::weighted(0.2, select(&["handler_failed", "deadline", "none"][..]));
    let rest = (
        error,
        option::weighted(0.3, any::<bool>()),
        words,
        period(),
        period(),
    );
    let page = (option::of(any::<Index>()), 0..3_usize, 0..9_usize);
    (names, rest, page).prop_map(|(names, rest, (before, skip, limit))| {
        let (owner, states, kinds, queues, label) = names;
        let (error, begun, text, created, ended) = rest;
        Selection {
            owner,
            states,
            kinds,
            queues,
            error,
            label,
            begun,
            text,
            created,
            ended,
            before,
            skip,
            limit,
        }
    })
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let worker = || prop_oneof![4 => Just(WORKERS[0]), 1 => select(&WORKERS[..])];
    let pause = prop_oneof![
        6 => ahead(),
        1 => Just(IDEMPOTENCY.saturating_sub(Duration::from_secs(1))),
        1 => Just(Duration::from_hours(8 * 24)),
    ];
    let lease = option::weighted(0.6, Just(Duration::from_secs(30)));
    let slots = vec((select(&QUEUES[..]), 0..5_u32), 1..4);
    let kinds = prop_oneof![
        4 => Just(KINDS[..2].to_vec()),
        1 => vec(select(&KINDS[..]), 0..2),
    ];
    let claimer = (worker(), proptest::bool::weighted(0.8), slots, kinds).prop_map(
        |(worker, joins, slots, kinds)| Claimer {
            worker,
            joins,
            slots,
            kinds,
        },
    );
    let requests = [
        Request::Cancel,
        Request::Retry,
        Request::Start,
        Request::Remove,
    ];
    let asked = (
        select(requests.to_vec()),
        option::weighted(0.3, select(&OWNERS[..])),
        vec(any::<Index>(), 1..4),
    );
    let part = (any::<Index>(), any::<[bool; 4]>(), option::of(ahead()));
    let part = part.prop_map(|(job, parts, next)| Part { job, parts, next });
    let place = || {
        let current = proptest::bool::weighted(0.9);
        let parts = (select(&OWNERS[..]), select(&NAMES[..2]), current);
        parts.prop_map(|(owner, name, current)| Place {
            owner,
            name,
            current,
        })
    };
    let put = (
        place(),
        prop_oneof![9 => select(&KINDS[..2]), 1 => Just(KINDS[2])],
        ahead(),
        proptest::bool::weighted(0.2),
    );
    let fire = (
        place(),
        vec(new_job(), 0..3),
        option::weighted(0.8, ahead()),
    );
    prop_oneof![
        4 => pause.prop_map(Command::Advance),
        1 => (select(&KINDS[..2]), ahead()).prop_map(|(kind, after)| Command::Declare(kind, after)),
        4 => (worker(), lease).prop_map(|(worker, lease)| Command::Join(worker, lease)),
        1 => worker().prop_map(Command::Introduce),
        1 => Just(Command::ExtendLeases),
        2 => (0..3_usize).prop_map(Command::Members),
        1 => worker().prop_map(Command::Leave),
        3 => worker().prop_map(Command::Heartbeat),
        12 => vec(new_job(), 1..4).prop_map(Command::Insert),
        10 => claimer.prop_map(Command::Claim),
        20 => vec(report(), 1..3).prop_map(Command::Write),
        3 => Just(Command::Rescue),
        3 => Just(Command::Expire),
        8 => asked.prop_map(|(request, owner, ids)| Command::Ask(request, owner, ids)),
        1 => select(&QUEUES[..]).prop_map(Command::Pause),
        2 => select(&QUEUES[..]).prop_map(Command::Resume),
        8 => selection().prop_map(Command::Jobs),
        2 => vec(part, 1..3).prop_map(Command::Sweep),
        4 => put.prop_map(|(place, kind, next, paused)| Command::PutSchedule(place, kind, next, paused)),
        1 => place().prop_map(Command::RemoveSchedule),
        5 => fire.prop_map(|(place, jobs, next)| Command::Fire(place, jobs, next)),
    ]
}
