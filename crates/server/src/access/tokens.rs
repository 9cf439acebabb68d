//! The tokens that were made: kept in memory to be looked up by each request, and in the store to last.
//!
//! Invariants: a token that was revoked or has expired lets nobody in from then on, and what waits on it is told; one that
//! another process revoked is learned of when the store says that something has changed. Reading them anew and changing them
//! take turns, so that no old list brings a revoked token back.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use longhaul::{Store, clock::SharedClock, model::Token, store};
use longhaul_types::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::limits::{AccessLimits, Owner};

/// Between two rounds: uses are noted, what has expired long ago is forgotten.
const ROUND: Duration = Duration::from_mins(1);
/// A use is noted when the one that is kept is older than this.
const COARSE: Duration = Duration::from_mins(5);
/// How long an expired token stays in the list, to be recognised.
const KEEP: Duration = Duration::from_hours(30 * 24);
/// Between two reads because of changes: other processes change jobs far more often than tokens.
const CALM: Duration = Duration::from_millis(100);

/// A token that lets somebody in.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) token: Token,
    /// What all tokens of its owner share.
    pub(super) owner: Arc<Owner>,
    /// Cancelled when it is revoked or has expired.
    pub(super) end: CancellationToken,
    /// When it was last used, and what the store knows of that.
    used: AtomicI64,
    noted: AtomicI64,
}

impl Live {
    fn has_expired(&self, now: Timestamp) -> bool {
        self.token.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the store's token is still this one.
    fn is(&self, token: &Token) -> bool {
        let known = Token {
            used_at: token.used_at,
            ..self.token.clone()
        };
        known == *token
    }

    /// When it was last used, if that is worth being noted.
    fn news(&self) -> Option<Timestamp> {
        let (used, noted) = (
            self.used.load(Ordering::Relaxed),
            self.noted.load(Ordering::Relaxed),
        );
        let coarse = i64::try_from(COARSE.as_millis()).unwrap_or(i64::MAX);
        (used > noted.saturating_add(coarse)).then_some(Timestamp(used))
    }
}

#[derive(Debug, Default)]
struct Book {
    by_hash: HashMap<[u8; 32], Arc<Live>>,
    owners: HashMap<String, Arc<Owner>>,
}

impl Book {
    /// Forgets owners of whom no token, and nobody who came in with one, is left.
    fn forget_owners(&mut self) {
        self.owners.retain(|_, owner| Arc::strong_count(owner) > 1);
    }
}

/// The tokens that were made.
pub(crate) struct Tokens {
    store: Arc<dyn Store>,
    clock: SharedClock,
    limits: AccessLimits,
    book: RwLock<Book>,
    /// Held while the tokens are read or changed.
    turn: tokio::sync::Mutex<()>,
    /// A token was added: it may be the next that expires.
    added: Notify,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// None yet: [`Self::read`] reads them.
    pub(super) fn new(store: Arc<dyn Store>, clock: SharedClock, limits: AccessLimits) -> Self {
        Self {
            store,
            clock,
            limits,
            book: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
            added: Notify::new(),
        }
    }

    /// The token with this secret. The lookup is by a hash of what was shown, so its time tells nothing of other secrets.
    pub(super) fn find(&self, secret: &[u8]) -> Option<Arc<Live>> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let live = book.by_hash.get(&hash)?;
        let now = self.clock.now();
        if live.has_expired(now) || live.end.is_cancelled() {
            return None;
        }
        live.used.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(live))
    }

    /// Reads the tokens from the store.
    pub(crate) async fn read(&self) -> Result<(), store::Error> {
        let _turn = self.turn.lock().await;
        let tokens = self.store.tokens().await?;
        self.replace(tokens);
        Ok(())
    }

    /// Every token, with the uses that the store does not know yet.
    pub(crate) async fn all(&self) -> Result<Vec<Token>, store::Error> {
        let mut tokens = self.store.tokens().await?;
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        for token in &mut tokens {
            let live = book.by_hash.get(&token.hash);
            let used = live.map_or(0, |live| live.used.load(Ordering::Relaxed));
            if used > 0 {
                token.used_at = token.used_at.max(Some(Timestamp(used)));
            }
        }
        Ok(tokens)
    }

    /// Keeps a new token; it lets in from now on.
    pub(crate) async fn add(&self, token: Token) -> Result<(), store::Error> {
        let _turn = self.turn.lock().await;
        self.store.add_token(token.clone()).await?;
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let live = self.live(&mut book, token);
        book.by_hash.insert(live.token.hash, live);
        self.added.notify_one();
        Ok(())
    }

    /// Revokes a token; whoever came in with it is told. False when there is none of this id.
    pub(crate) async fn revoke(&self, id: &str) -> Result<bool, store::Error> {
        let _turn = self.turn.lock().await;
        let revoked = self.store.revoke_token(id).await?;
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let gone = book.by_hash.extract_if(|_, live| live.token.id == id);
        gone.for_each(|(_, live)| live.end.cancel());
        book.forget_owners();
        Ok(revoked)
    }

    /// Ends what has expired, learns what other processes change, and notes uses, until `stopping`.
    pub(crate) async fn tend(&self, stopping: CancellationToken) {
        let mut changed = self.store.changed();
        let mut round = self.clock.now() + ROUND;
        loop {
            let now = self.clock.now();
            let next = self.expire(now).map_or(round, |next| next.min(round));
            let mut read = false;
            tokio::select! {
                () = stopping.cancelled() => break,
                () = self.clock.sleep(next.since(now)) => {}
                () = self.added.notified() => {}
                Ok(()) = changed.changed() => read = true,
            }
            if read {
                if let Err(error) = self.read().await {
                    tracing::warn!(%error, "could not read the tokens; trying again");
                }
                tokio::time::sleep(CALM).await;
            }
            let now = self.clock.now();
            if now >= round {
                self.tidy(now).await;
                round = now + ROUND;
            }
        }
        self.note_uses().await;
    }

    /// Ends what has expired; answers with when the next one does.
    fn expire(&self, now: Timestamp) -> Option<Timestamp> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let (over, later): (Vec<_>, Vec<_>) = book
            .by_hash
            .values()
            .filter(|live| live.token.expires_at.is_some())
            .partition(|live| live.has_expired(now));
        for live in over {
            live.end.cancel();
        }
        let ends = later.into_iter().filter_map(|live| live.token.expires_at);
        ends.min()
    }

    /// Notes uses, and forgets what has expired long ago.
    async fn tidy(&self, now: Timestamp) {
        self.note_uses().await;
        let old: Vec<String> = {
            let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
            let tokens = book.by_hash.values().map(|live| &live.token);
            let old = tokens.filter(|token| token.expires_at.is_some_and(|end| end + KEEP <= now));
            old.map(|token| token.id.clone()).collect()
        };
        for id in old {
            if let Err(error) = self.revoke(&id).await {
                tracing::warn!(%error, "could not forget an expired token; trying again");
            }
        }
    }

    async fn note_uses(&self) {
        let news: Vec<(Arc<Live>, Timestamp)> = {
            let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
            let lives = book.by_hash.values();
            lives
                .filter_map(|live| Some((Arc::clone(live), live.news()?)))
                .collect()
        };
        if news.is_empty() {
            return;
        }
        let uses = news
            .iter()
            .map(|(live, time)| (live.token.id.clone(), *time));
        match self.store.note_token_use(uses.collect()).await {
            Ok(()) => {
                for (live, time) in news {
                    live.noted.fetch_max(time.0, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::warn!(%error, "could not note uses of tokens; trying again"),
        }
    }

    /// Makes these all the tokens there are. Those that stay the same stay themselves, as somebody may wait on them.
    fn replace(&self, tokens: Vec<Token>) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut book.by_hash);
        for token in tokens {
            let live = match before.remove(&token.hash) {
                Some(live) if live.is(&token) => live,
                changed => {
                    changed.inspect(|live| live.end.cancel());
                    self.live(&mut book, token)
                }
            };
            book.by_hash.insert(live.token.hash, live);
        }
        for live in before.into_values() {
            live.end.cancel();
        }
        book.forget_owners();
    }

    fn live(&self, book: &mut Book, token: Token) -> Arc<Live> {
        let name = token.owner.clone();
        let owner = book
            .owners
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Owner::new(name, self.limits)));
        let used = token.used_at.map_or(0, |time| time.0);
        Arc::new(Live {
            owner: Arc::clone(owner),
            end: CancellationToken::new(),
            used: AtomicI64::new(used),
            noted: AtomicI64::new(used),
            token,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use longhaul::testing::{MemoryStore, TestClock};
    use longhaul_types::Scope;

    use super::*;

    fn token(id: &str, secret: &str, expires_at: Option<Timestamp>) -> Token {
        Token {
            id: id.to_owned(),
            name: id.to_owned(),
            owner: "anna".to_owned(),
            hash: Sha256::digest(secret).into(),
            scopes: BTreeSet::from([Scope::Read]),
            kinds: Vec::new(),
            queues: Vec::new(),
            created_at: Timestamp(0),
            expires_at,
            used_at: None,
        }
    }

    struct Rig {
        store: Arc<MemoryStore>,
        clock: TestClock,
        tokens: Arc<Tokens>,
        stop: CancellationToken,
    }

    fn rig() -> Rig {
        let (store, clock) = (Arc::new(MemoryStore::default()), TestClock::default());
        let limits = AccessLimits::default();
        let (kept, shared) = (Arc::clone(&store), Arc::new(clock.clone()));
        let tokens = Arc::new(Tokens::new(kept, shared, limits));
        let stop = CancellationToken::new();
        let (all, end) = (Arc::clone(&tokens), stop.clone());
        tokio::spawn(async move { all.tend(end).await });
        Rig {
            store,
            clock,
            tokens,
            stop,
        }
    }

    async fn within<F: Future>(what: F) -> F::Output {
        let end = Duration::from_secs(10);
        tokio::time::timeout(end, what).await.expect("it comes")
    }

    #[tokio::test]
    async fn an_expired_token_ends_and_is_forgotten_later() {
        let Rig {
            store,
            clock,
            tokens,
            ..
        } = rig();
        tokio::task::yield_now().await;
        let end = longhaul::clock::Clock::now(&clock) + Duration::from_secs(90);
        tokens.add(token("a", "x", Some(end))).await.expect("added");
        let live = tokens.find(b"x").expect("it lets in");
        clock.advance(Duration::from_mins(1));
        tokio::task::yield_now().await;
        assert!(!live.end.is_cancelled());
        clock.advance(Duration::from_secs(30));
        assert!(tokens.find(b"x").is_none(), "to the moment");
        within(live.end.cancelled()).await;
        assert_eq!(tokens.all().await.expect("tokens").len(), 1);
        within(async {
            while !store.tokens().await.expect("tokens").is_empty() {
                clock.advance(Duration::from_hours(24));
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_token_for_a_moment_ends_in_that_moment() {
        let Rig { clock, tokens, .. } = rig();
        tokio::task::yield_now().await;
        let end = longhaul::clock::Clock::now(&clock) + Duration::from_secs(5);
        tokens.add(token("a", "x", Some(end))).await.expect("added");
        let live = tokens.find(b"x").expect("it lets in");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(5));
        within(live.end.cancelled()).await;
    }

    #[tokio::test]
    async fn another_process_makes_and_revokes() {
        let Rig { store, tokens, .. } = rig();
        store.add_token(token("a", "x", None)).await.expect("added");
        assert!(tokens.find(b"x").is_none());
        tokio::task::yield_now().await;
        store.touch();
        let live = within(async {
            loop {
                if let Some(live) = tokens.find(b"x") {
                    break live;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        // One that stays is not disturbed by others.
        tokens.add(token("b", "y", None)).await.expect("added");
        tokens.read().await.expect("read");
        assert!(!live.end.is_cancelled());
        store.revoke_token("a").await.expect("revoked");
        store.touch();
        within(live.end.cancelled()).await;
        assert!(tokens.find(b"x").is_none());
        assert!(tokens.find(b"y").is_some());
    }

    #[tokio::test]
    async fn uses_are_noted_coarsely_and_at_the_end() {
        let Rig {
            store,
            clock,
            tokens,
            stop,
        } = rig();
        tokens.add(token("a", "x", None)).await.expect("added");
        let first = longhaul::clock::Clock::now(&clock);
        tokens.find(b"x").expect("it lets in");
        assert_eq!(tokens.all().await.expect("tokens")[0].used_at, Some(first));
        assert_eq!(store.tokens().await.expect("tokens")[0].used_at, None);
        stop.cancel();
        within(async {
            while store.tokens().await.expect("tokens")[0].used_at.is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // A moment later is nothing new.
        clock.advance(Duration::from_secs(1));
        tokens.find(b"x").expect("it lets in");
        tokens.note_uses().await;
        let kept = store.tokens().await.expect("tokens")[0].used_at;
        assert_eq!(kept, Some(first));
    }
}
