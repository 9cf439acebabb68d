//! The one transition function: pure, total, and used live and in recovery by every store.
//!
//! Invariant: a job changes its state only along [`next`]. Once a cancel is requested, whatever ends the run ends the
//! job as cancelled.

use longhaul_types::State;

/// Rescues in a row, without a checkpoint or a finished item between, after which a job fails as `worker_lost`.
pub const MAX_RESCUES: u32 = 10;

/// What [`next`] must know of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state it is in.
    pub state: State,
    /// Whether a cancel was acknowledged.
    pub cancel_requested: bool,
    /// Whether some of its items failed.
    pub failed_items: bool,
}

impl Standing {
    /// A standing with no cancel asked for and no failed items.
    pub fn of(state: State) -> Self {
        Self {
            state,
            cancel_requested: false,
            failed_items: false,
        }
    }
}

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A worker takes it.
    Claim,
    /// Its run ends with a result.
    Complete,
    /// Its run ends with an error that is final.
    Fail,
    /// Its run ends with an error and it has attempts left.
    Retry,
    /// Its run ends with "not finished, look again later".
    CheckAgain,
    /// Its worker stops and gives it back.
    Release,
    /// Its worker died.
    Rescue {
        /// Rescues in a row before this one.
        before: u32,
    },
    /// Somebody asks for its end.
    Cancel,
    /// Its run stopped because of a cancel.
    Cancelled,
    /// Its time as a whole is over.
    Deadline,
    /// Somebody asks for another go.
    RetryByHand,
}

impl Change {
    /// One of each kind of change; [`Change::Rescue`] with and without patience left.
    pub const ALL: [Self; 12] = [
        Self::Claim,
        Self::Complete,
        Self::Fail,
        Self::Retry,
        Self::CheckAgain,
        Self::Release,
        Self::Rescue { before: 0 },
        Self::Rescue {
            before: MAX_RESCUES,
        },
        Self::Cancel,
        Self::Cancelled,
        Self::Deadline,
        Self::RetryByHand,
    ];
}

/// The change does not fit the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change:?} does not fit a job that is {state}")]
pub struct Illegal {
    /// The state the job is in.
    pub state: State,
    /// What was tried.
    pub change: Change,
}

/// The state after `change`.
///
/// A cancel of a running job leaves it running: the request is recorded beside the state, and the end of the run obeys.
pub fn next(from: Standing, change: Change) -> Result<State, Illegal> {
    use State::{Cancelled, Completed, Failed, Pending, Running};

    let to = match (from.state, change) {
        (Pending, Change::Claim) | (Running, Change::Cancel) => Running,
        (Pending, Change::Cancel) => Cancelled,
        (Pending, Change::Deadline) => Failed,
        (
            Running,
            Change::Complete
            | Change::Fail
            | Change::Retry
            | Change::CheckAgain
            | Change::Release
            | Change::Rescue { .. }
            | Change::Deadline,
        ) if from.cancel_requested => Cancelled,
        (Running, Change::Cancelled) if from.cancel_requested => Cancelled,
        (Running, Change::Complete) => Completed,
        (Running, Change::Fail | Change::Deadline) => Failed,
        (Running, Change::Rescue { before }) if before >= MAX_RESCUES => Failed,
        (Running, Change::Retry | Change::CheckAgain | Change::Release | Change::Rescue { .. }) => {
            Pending
        }
        (Failed | Cancelled, Change::RetryByHand) => Pending,
        (Completed, Change::RetryByHand) if from.failed_items => Pending,
        (state, change) => return Err(Illegal { state, change }),
    };
    Ok(to)
}

/// The diagram of [`next`] as text, a line for each pair of states: what ARCHITECTURE.md shows.
pub fn diagram() -> String {
    let mut lines = Vec::new();
    for state in State::ALL {
        for to in State::ALL {
            let mut names: Vec<String> = Vec::new();
            for change in Change::ALL {
                for (cancel_requested, failed_items) in
                    [(false, false), (true, false), (false, true)]
                {
                    let from = Standing {
                        state,
                        cancel_requested,
                        failed_items,
                    };
                    if next(from, change) != Ok(to) {
                        continue;
                    }
                    let name = name(from, change);
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            if !names.is_empty() {
                lines.push(format!("{state:<9} -> {to:<9} : {}", names.join(", ")));
            }
        }
    }
    lines.join("\n")
}

fn name(from: Standing, change: Change) -> String {
    let word = match change {
        Change::Claim => "claim",
        Change::Complete => "complete",
        Change::Fail => "fail",
        Change::Retry => "retry",
        Change::CheckAgain => "check again",
        Change::Release => "release",
        Change::Rescue { before } if before >= MAX_RESCUES => "rescue past the limit",
        Change::Rescue { .. } => "rescue",
        Change::Cancel => "cancel",
        Change::Cancelled => "cancelled",
        Change::Deadline => "deadline",
        Change::RetryByHand => "retry by hand",
    };
    let cancelled_run = from.state == State::Running && from.cancel_requested;
    if cancelled_run && change != Change::Cancel {
        "any end of a run whose cancel was requested".to_owned()
    } else if from.state == State::Completed {
        format!("{word} when items failed")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_an_answer_and_ends_stay_ended() {
        for state in State::ALL {
            for change in Change::ALL {
                for cancel_requested in [false, true] {
                    let from = Standing {
                        state,
                        cancel_requested,
                        failed_items: false,
                    };
                    match next(from, change) {
                        Ok(to) if state.is_ended() => {
                            assert_eq!((to, change), (State::Pending, Change::RetryByHand));
                        }
                        Ok(to) if state == State::Running && cancel_requested => {
                            let stays = change == Change::Cancel;
                            assert_eq!(to == State::Running, stays);
                            assert!(stays || to == State::Cancelled);
                        }
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_completed_job_is_retried_only_for_its_failed_items() {
        let mut from = Standing::of(State::Completed);
        assert!(next(from, Change::RetryByHand).is_err());
        from.failed_items = true;
        assert_eq!(next(from, Change::RetryByHand), Ok(State::Pending));
    }

    #[test]
    fn patience_with_dying_workers_ends() {
        let from = Standing::of(State::Running);
        let rescue = |before| next(from, Change::Rescue { before });
        assert_eq!(rescue(MAX_RESCUES - 1), Ok(State::Pending));
        assert_eq!(rescue(MAX_RESCUES), Ok(State::Failed));
    }

    #[test]
    fn the_architecture_shows_this_diagram() {
        let document = include_str!("../../../../ARCHITECTURE.md");
        assert!(
            document.contains(&diagram()),
            "ARCHITECTURE.md must contain:\n{}",
            diagram()
        );
    }
}
