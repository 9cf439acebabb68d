//! Tokens: made, listed, revoked, by administrators.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension, Json as Answer,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use longhaul::model::Token;
use longhaul_types::{
    ErrorCode, Scope,
    token::{TokenMade, TokenPage, TokenRequest, TokenView},
};
use sha2::{Digest, Sha256};

use super::{App, jobs::seconds};
use crate::{access::Changed, answer::Refusal, query::Query, request::Json};

/// Most tokens that are kept.
const MOST: usize = 10_000;
/// Most kinds, and most queues, of one token.
const PATTERNS: usize = 100;
/// What a secret begins with, so that people and scanners know it for one.
const PREFIX: &str = "lh_";

/// `GET /api/v1/tokens`: every token, oldest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Answer<TokenPage>, Refusal> {
    query.finish()?;
    let tokens = app.access.tokens.all().await?;
    Ok(Answer(TokenPage {
        tokens: tokens.into_iter().map(view).collect(),
    }))
}

/// `POST /api/v1/tokens`: a new token; its secret is told this once.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    query: Query,
    body: Json,
) -> Result<(StatusCode, Extension<Changed>, Answer<TokenMade>), Refusal> {
    query.finish()?;
    let request: TokenRequest = body.parse()?;
    check(&app, &request)?;
    if app.access.tokens.all().await?.len() >= MOST {
        let detail = format!("there are {MOST} tokens, as many as there may be; revoke some");
        return Err(Refusal::new(ErrorCode::TooLarge, detail));
    }
    let (id, secret) = random()?;
    let now = app.clock.now();
    let expires_in = seconds("expiresIn", request.expires_in)?;
    let token = Token {
        owner: request.owner.unwrap_or_else(|| request.name.clone()),
        id,
        name: request.name,
        hash: Sha256::digest(&secret).into(),
        scopes: request.scopes.into_iter().collect(),
        kinds: request.kinds,
        queues: request.queues,
        created_at: now,
        expires_at: expires_in.map(|time| now + time),
        used_at: None,
    };
    app.access.tokens.add(token.clone()).await?;
    let made = TokenMade {
        token: secret,
        view: view(token),
    };
    let changed = Extension(Changed::new(&made.view.id));
    Ok((StatusCode::CREATED, changed, Answer(made)))
}

/// `DELETE /api/v1/tokens/{token}`: it lets nobody in from now on, and streams that it opened end.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    query: Query,
) -> Result<Answer<TokenView>, Refusal> {
    query.finish()?;
    let Path(id) = path.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
    let tokens = app.access.tokens.all().await?;
    let found = tokens.into_iter().find(|token| token.id == id);
    // Somebody else may revoke it meanwhile.
    match found {
        Some(token) if app.access.tokens.revoke(&id).await? => Ok(Answer(view(token))),
        _ => Err(Refusal::new(
            ErrorCode::UnknownToken,
            "there is no token with this id; `longhaul token list` shows those there are",
        )),
    }
}

fn check(app: &App, request: &TokenRequest) -> Result<(), Refusal> {
    let longest = app.engine.limits().name;
    let sound = |text: &str| text.len() <= longest && !text.chars().any(char::is_control);
    if request.name.is_empty() || !sound(&request.name) {
        return Err(Refusal::bad(format!(
            "name: a token's name has 1 to {longest} bytes, without control characters"
        )));
    }
    if !request.owner.as_deref().is_none_or(sound) {
        return Err(Refusal::bad(format!(
            "owner: at most {longest} bytes, without control characters"
        )));
    }
    let scopes: BTreeSet<Scope> = request.scopes.iter().copied().collect();
    if scopes.is_empty() {
        return Err(Refusal::bad(
            "scopes: say what the token is for: read, submit, work or admin",
        ));
    }
    for (what, list) in [("kinds", &request.kinds), ("queues", &request.queues)] {
        if list.len() > PATTERNS {
            return Err(Refusal::bad(format!("{what}: {PATTERNS} at most")));
        }
        for pattern in list {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            if pattern.is_empty() || name.contains('*') || !sound(pattern) {
                return Err(Refusal::bad(format!(
                    "{what}: each is a name, or the beginning of names with one * at the end"
                )));
            }
        }
        let limits = scopes.contains(&Scope::Submit) || scopes.contains(&Scope::Work);
        if !list.is_empty() && (!limits || scopes.contains(&Scope::Admin)) {
            return Err(Refusal::bad(format!(
                "{what}: they limit the scopes submit and work, and an admin token is not limited"
            )));
        }
    }
    Ok(())
}

/// A new id and a new secret: 32 bytes that nobody guesses.
fn random() -> Result<(String, String), Refusal> {
    let mut bytes = [0; 38];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Refusal::new(ErrorCode::Internal, "the system gives no random bytes")
    })?;
    let (id, secret) = bytes.split_at(6);
    let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((id, format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
}

fn view(token: Token) -> TokenView {
    TokenView {
        id: token.id,
        name: token.name,
        owner: token.owner,
        scopes: token.scopes.into_iter().collect(),
        kinds: token.kinds,
        queues: token.queues,
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.used_at,
    }
}
