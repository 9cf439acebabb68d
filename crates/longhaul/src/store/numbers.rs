//! The model's values as numbers and texts of a schema: the same in every database.

use std::{collections::BTreeSet, time::Duration};

use longhaul_types::{ItemState, Level, Reason, Scope, State, worker::WorkerRetention};

use crate::model::{AttemptEnd, Retention};

/// The number of a state: its place in the diagram.
pub(super) fn state_number(state: State) -> i16 {
    match state {
        State::Pending => 0,
        State::Running => 1,
        State::Completed => 2,
        State::Failed => 3,
        State::Cancelled => 4,
    }
}

/// The number of a reason.
pub(super) fn reason_number(reason: Reason) -> i16 {
    match reason {
        Reason::New => 0,
        Reason::Held => 1,
        Reason::Scheduled => 2,
        Reason::Retry => 3,
        Reason::Check => 4,
        Reason::Released => 5,
        Reason::Rescued => 6,
    }
}

/// The number of an item's state.
pub(super) fn item_state_number(state: ItemState) -> i16 {
    match state {
        ItemState::Pending => 0,
        ItemState::Running => 1,
        ItemState::Completed => 2,
        ItemState::Failed => 3,
    }
}

/// The number of a level.
pub(super) fn level_number(level: Level) -> i16 {
    match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warn => 2,
        Level::Error => 3,
    }
}

/// The number of an attempt's end.
pub(super) fn attempt_number(end: AttemptEnd) -> i16 {
    match end {
        AttemptEnd::Failed => 0,
        AttemptEnd::Cancelled => 1,
        AttemptEnd::Released => 2,
        AttemptEnd::Rescued => 3,
    }
}

/// A span in whole milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An unsigned number as the database keeps it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A retention as its column holds it.
pub(super) fn retention_text(retention: &Retention) -> String {
    serde_json::to_string(&WorkerRetention::from(retention)).unwrap_or_else(|_| "{}".to_owned())
}

/// The number of a scope: those of a token are added up.
fn scope_number(scope: Scope) -> i16 {
    match scope {
        Scope::Read => 1,
        Scope::Submit => 2,
        Scope::Work => 4,
        Scope::Admin => 8,
    }
}

/// The scopes of a token, added up.
pub(super) fn sum(scopes: &BTreeSet<Scope>) -> i16 {
    scopes.iter().map(|scope| scope_number(*scope)).sum()
}

/// The scopes that were added up.
pub(super) fn scopes(sum: i16) -> BTreeSet<Scope> {
    let all = Scope::ALL.into_iter();
    all.filter(|scope| sum & scope_number(*scope) != 0)
        .collect()
}

/// A list of names as JSON text.
pub(super) fn names(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (place, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(state_number(state)), Ok(place));
        }
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(reason_number(reason)), Ok(place));
        }
        for (place, state) in ItemState::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(item_state_number(state)), Ok(place));
        }
        for (place, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(level_number(level)), Ok(place));
        }
    }
}
