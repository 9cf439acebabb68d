//! Who asks, and what they may see and do.

use std::{fmt, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use longhaul::Engine;
use longhaul_types::{ErrorCode, Scope, token::fits};

use super::{Door, limits::StreamSlot, right::Right, tokens::Live};
use crate::{answer::Refusal, dashboard::Session, outgoing::Reach};

/// By what somebody was let in.
#[derive(Clone, Debug)]
pub(super) enum Pass {
    /// The unix socket, as this user.
    User(u32),
    /// The administrator's token of the data folder.
    Administrator,
    /// Access that is open to this machine.
    Open,
    /// A token that was made.
    Token(Arc<Live>),
    /// A session of the dashboard, which an administrator opened.
    Session(Session),
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "uid:{uid}"),
            Self::Administrator => f.write_str("token-file"),
            Self::Open => f.write_str("open"),
            Self::Token(live) => write!(f, "token:{}", live.token.id),
            Self::Session(_) => f.write_str("dashboard"),
        }
    }
}

/// Who asks, and what they may see and do.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// What they came in by.
    pub(crate) door: Door,
    /// Whose the jobs are that they submit.
    pub(crate) owner: String,
    /// Whose jobs they see; everybody's when none.
    sees: Option<String>,
    pub(super) pass: Pass,
}

impl Caller {
    pub(super) fn new(door: Door, pass: Pass) -> Self {
        let (owner, admin) = match &pass {
            Pass::User(_) | Pass::Administrator | Pass::Session(_) => (String::new(), true),
            Pass::Open => (String::new(), false),
            Pass::Token(live) => {
                let token = &live.token;
                (token.owner.clone(), token.scopes.contains(&Scope::Admin))
            }
        };
        Self {
            door,
            sees: (!admin).then(|| owner.clone()),
            owner,
            pass,
        }
    }

    /// Whose jobs they see; everybody's when none.
    pub(crate) fn sees(&self) -> Option<&str> {
        self.sees.as_deref()
    }

    /// Which addresses their jobs may have this server call.
    pub(crate) fn reach(&self) -> Reach {
        match &self.pass {
            Pass::User(_) | Pass::Administrator | Pass::Session(_) | Pass::Open => Reach::Private,
            Pass::Token(live) if live.token.scopes.contains(&Scope::Admin) => Reach::Private,
            Pass::Token(_) => Reach::Public,
        }
    }

    /// The id of the token that they show, if it is one that was made.
    pub(crate) fn token(&self) -> Option<String> {
        match &self.pass {
            Pass::Token(live) => Some(live.token.id.clone()),
            _ => None,
        }
    }

    /// The session of the dashboard that they come by.
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.pass {
            Pass::Session(session) => Some(session),
            _ => None,
        }
    }

    /// Whether they have the right that a route needs.
    pub(crate) fn has(&self, right: Right) -> bool {
        let Some(scope) = right.scope() else {
            return true;
        };
        match &self.pass {
            Pass::User(_) | Pass::Administrator | Pass::Session(_) => true,
            Pass::Open => matches!(scope, Scope::Read | Scope::Submit),
            Pass::Token(live) => {
                let scopes = &live.token.scopes;
                scopes.contains(&scope) || scopes.contains(&Scope::Admin)
            }
        }
    }

    /// Whether their token is for some kinds or queues alone.
    pub(crate) fn is_limited(&self) -> bool {
        match &self.pass {
            Pass::Token(live) => !live.token.kinds.is_empty() || !live.token.queues.is_empty(),
            _ => false,
        }
    }

    /// Lets them submit and change jobs of this kind in this queue, or says why not.
    pub(crate) fn may_submit(&self, kind: &str, queue: &str) -> Result<(), Refusal> {
        self.may(Right::Submit, kind, queue)
    }

    /// Lets them work on jobs of this kind in this queue, or says why not.
    pub(crate) fn may_work(&self, kind: &str, queue: &str) -> Result<(), Refusal> {
        self.may(Right::Work, kind, queue)
    }

    /// The kinds and the queues that their token is for; all where a list is empty.
    pub(crate) fn limited_to(&self) -> (Vec<String>, Vec<String>) {
        match &self.pass {
            Pass::Token(live) => (live.token.kinds.clone(), live.token.queues.clone()),
            _ => (Vec::new(), Vec::new()),
        }
    }

    fn may(&self, right: Right, kind: &str, queue: &str) -> Result<(), Refusal> {
        if !self.has(right) {
            return Err(missing(right));
        }
        let Pass::Token(live) = &self.pass else {
            return Ok(());
        };
        for (what, name, list) in [
            ("kind", kind, &live.token.kinds),
            ("queue", queue, &live.token.queues),
        ] {
            if !list.is_empty() && !fits(list, name) {
                let detail = format!(
                    "this token does not reach the {what} '{name}', only: {}",
                    list.join(", ")
                );
                return Err(Refusal::new(ErrorCode::Forbidden, detail));
            }
        }
        Ok(())
    }

    /// Ends when they are not to be answered any more: their token was revoked or has expired. Streams end with it.
    pub(crate) async fn ended(&self) {
        match &self.pass {
            Pass::Token(live) => live.end.cancelled().await,
            Pass::Session(session) => session.clone().ended().await,
            _ => std::future::pending().await,
        }
    }

    /// Counts a request, or refuses it.
    pub(crate) fn count_request(&self) -> Result<(), Refusal> {
        match &self.pass {
            Pass::Token(live) => live.owner.request(),
            _ => Ok(()),
        }
    }

    /// Counts a stream as open for as long as the answer lives, or refuses it.
    pub(crate) fn open_stream(&self) -> Result<Option<StreamSlot>, Refusal> {
        match &self.pass {
            Pass::Token(live) => live.owner.open_stream().map(Some),
            _ => Ok(None),
        }
    }

    /// Lets them submit `count` more jobs, or refuses that.
    pub(crate) async fn count_jobs(&self, engine: &Engine, count: usize) -> Result<(), Refusal> {
        match &self.pass {
            Pass::Token(live) => live.owner.more_jobs(engine, count as u64).await,
            _ => Ok(()),
        }
    }
}

/// What they lack.
pub(crate) fn missing(right: Right) -> Refusal {
    let detail = match right.scope() {
        Some(Scope::Admin) => "this needs the unix socket or an admin token".to_owned(),
        Some(scope) => format!("this needs a token with the scope '{scope}'"),
        None => "this needs a token".to_owned(),
    };
    Refusal::new(ErrorCode::Forbidden, detail)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Only a route outside the guard, or one that is for strangers too, could lack it.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Refusal::new(ErrorCode::Unauthorised, "nobody was let in"))
    }
}
