//! Who has the dashboard open: links that work once, and the sessions that they begin.
//!
//! Invariants: codes and tokens are kept as hashes, in memory alone, a bounded number of each; a code works once and for
//! [`LINK`], a session for [`SESSION`], and a session that ends takes its streams along.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longhaul::clock::SharedClock;
use longhaul_types::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::AdminToken;

/// How long a link works.
const LINK: Duration = Duration::from_mins(1);
/// How long a session lasts.
const SESSION: Duration = Duration::from_hours(12);
/// Links and sessions at a time; the oldest makes room.
const MOST_LINKS: usize = 16;
const MOST_SESSIONS: usize = 256;

/// The links and sessions of a server.
pub(crate) struct Sessions {
    clock: SharedClock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    links: VecDeque<(AdminToken, Timestamp)>,
    sessions: VecDeque<(AdminToken, Session)>,
}

/// A session that somebody showed the token of.
#[derive(Clone)]
pub(crate) struct Session {
    clock: SharedClock,
    expires_at: Timestamp,
    ended: CancellationToken,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Waits until it has expired or was ended.
    pub(crate) async fn ended(self) {
        let left = self.expires_at.since(self.clock.now());
        tokio::select! {
            () = self.clock.sleep(left) => {}
            () = self.ended.cancelled() => {}
        }
    }

    /// Ends it, with its streams.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }
}

impl Sessions {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    /// A new code, and until when it works.
    pub(crate) fn link(&self) -> (String, Timestamp) {
        let expires_at = self.clock.now() + LINK;
        let (code, hash) = random();
        let mut kept = self.kept();
        push(&mut kept.links, (hash, expires_at), MOST_LINKS);
        (code, expires_at)
    }

    /// Begins a session by a code, which works no more: its token, and until when it lasts. None when no such code works.
    pub(crate) fn begin(&self, code: &str) -> Option<(String, Timestamp)> {
        let now = self.clock.now();
        let mut kept = self.kept();
        kept.links.retain(|(_, expires_at)| *expires_at > now);
        let links = kept.links.iter();
        let found = links.enumerate().fold(None, |found, (index, (hash, _))| {
            // Every one is compared, so that time does not tell which it was.
            if hash.is(code.as_bytes()) {
                Some(index)
            } else {
                found
            }
        })?;
        kept.links.remove(found);
        let (token, hash) = random();
        let session = Session {
            clock: self.clock.clone(),
            expires_at: now + SESSION,
            ended: CancellationToken::new(),
        };
        let expires_at = session.expires_at;
        if let Some((_, oldest)) = push(&mut kept.sessions, (hash, session), MOST_SESSIONS) {
            oldest.end();
        }
        Some((token, expires_at))
    }

    /// The session of this token, while it lasts.
    pub(crate) fn find(&self, token: &[u8]) -> Option<Session> {
        let now = self.clock.now();
        let mut kept = self.kept();
        kept.sessions
            .retain(|(_, session)| session.expires_at > now && !session.ended.is_cancelled());
        let mut sessions = kept.sessions.iter();
        let found = sessions.find(|(hash, _)| hash.is(token));
        found.map(|(_, session)| session.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to the end; what had to go for it.
fn push<T>(queue: &mut VecDeque<T>, one: T, most: usize) -> Option<T> {
    let gone = (queue.len() >= most).then(|| queue.pop_front()).flatten();
    queue.push_back(one);
    gone
}

/// A text that can not be guessed (244 random bits), and its hash.
fn random() -> (String, AdminToken) {
    let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let hash = AdminToken::hash(&text);
    (text, hash)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use longhaul::testing::TestClock;

    use super::*;

    fn sessions() -> (Sessions, TestClock) {
        let clock = TestClock::default();
        (Sessions::new(Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_code_works_once_and_for_a_minute() {
        let (sessions, clock) = sessions();
        let (code, _) = sessions.link();
        let (other, _) = sessions.link();
        assert!(sessions.begin("").is_none());
        assert!(
            sessions
                .begin(&code.replace('a', "b").replace('1', "2"))
                .is_none()
        );
        assert!(sessions.begin(&code).is_some());
        assert!(sessions.begin(&code).is_none());
        clock.advance(LINK);
        assert!(sessions.begin(&other).is_none());
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (sessions, _) = sessions();
        let (first, _) = sessions.link();
        let mut tokens = Vec::new();
        for _ in 0..=MOST_SESSIONS {
            let (code, _) = sessions.link();
            tokens.push(sessions.begin(&code).expect("a session").0);
        }
        for _ in 0..MOST_LINKS {
            sessions.link();
        }
        assert!(sessions.begin(&first).is_none());
        assert!(sessions.find(tokens[0].as_bytes()).is_none());
        assert!(sessions.find(tokens[1].as_bytes()).is_some());
    }

    #[tokio::test]
    async fn a_session_expires_and_can_be_ended() {
        let (sessions, clock) = sessions();
        let begin = || sessions.begin(&sessions.link().0).expect("a session").0;
        let (one, two) = (begin(), begin());
        let ended = sessions.find(one.as_bytes()).expect("it lasts");
        ended.end();
        ended.ended().await;
        assert!(sessions.find(one.as_bytes()).is_none());
        let other = sessions.find(two.as_bytes()).expect("it lasts");
        clock.advance(SESSION);
        other.ended().await;
        assert!(sessions.find(two.as_bytes()).is_none());
    }
}
