//! `longhaul token`: who may come in over TCP.
//!
//! Invariant: a token's secret goes to standard output alone, once, when it is made.

use std::{process::ExitCode, time::Duration};

use longhaul_types::{
    Scope,
    token::{TokenPage, TokenRequest, TokenView},
};

use super::time_span;
use crate::{
    exit::{Fail, Result},
    output,
    session::Session,
    settings::Settings,
    terminal::escape,
};

/// Flags of `longhaul token`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Make a token, and print it this once
    Create(Create),
    /// List the tokens, oldest first
    List,
    /// Make tokens worthless; streams that they opened end
    Revoke {
        /// The tokens' ids, as `longhaul token list` shows them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Create {
    /// What people know it by
    name: String,
    /// What it allows: read, submit, work or admin (which is everything)
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<Scope>,
    /// Whose jobs it sees and changes; its name unless said otherwise. '' are the jobs of this machine's user
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Submit and work only for this kind, 'walrus.*' for all that begin so
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Submit and work only in this queue, with * as in kinds
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<String>,
    /// Worth nothing after this time (30d, 12h); it lasts until it is revoked unless said otherwise
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    expires: Option<Duration>,
}

/// Makes, lists or revokes tokens.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    match &args.action {
        Action::Create(create) => make(create, &session, settings).await?,
        Action::List => {
            let tokens = session.client.tokens().await?;
            list(tokens, settings.json())?;
        }
        Action::Revoke { ids } => {
            for id in ids {
                let revoked = session.client.revoke_token(id).await?;
                if settings.json() {
                    output::json(&revoked)?;
                } else {
                    output::line(&format!("revoked {}", named(&revoked)))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn make(create: &Create, session: &Session, settings: &Settings) -> Result {
    let request = TokenRequest {
        name: create.name.clone(),
        owner: create.owner.clone(),
        scopes: create.scope.clone(),
        kinds: create.kind.clone(),
        queues: create.queue.clone(),
        expires_in: create.expires.map(|time| time.as_secs_f64()),
    };
    if create.expires.is_some_and(|time| time.is_zero()) {
        return Err(Fail::usage(
            "--expires: a token that lasts no time is worth nothing",
        ));
    }
    let made = session.client.make_token(&request).await?;
    if settings.json() {
        return output::json(&made);
    }
    output::line(&made.token)?;
    eprintln!(
        "token {} for the jobs of '{}': {}{}",
        named(&made.view),
        escape(&made.view.owner),
        scopes(&made.view),
        made.view
            .expires_at
            .map(|end| format!(", until {}", output::local_time(end)))
            .unwrap_or_default()
    );
    eprintln!("It is shown this once. Keep it in a file that only its user can read (chmod 600).");
    Ok(())
}

fn named(token: &TokenView) -> String {
    format!("{} ({})", escape(&token.id), escape(&token.name))
}

fn list(tokens: Vec<TokenView>, json: bool) -> Result {
    if json {
        return output::json(&TokenPage { tokens });
    }
    let heading = [
        "ID",
        "NAME",
        "OWNER",
        "SCOPES",
        "KINDS",
        "QUEUES",
        "EXPIRES",
        "LAST USED",
    ];
    output::line(&output::table(&heading, tokens.iter().map(row).collect()))
}

fn row(token: &TokenView) -> Vec<String> {
    let all = |list: &[String]| match list {
        [] => "all".to_owned(),
        some => some.join(","),
    };
    let time = |time: Option<_>| time.map_or("never".to_owned(), output::local_time);
    vec![
        token.id.clone(),
        token.name.clone(),
        token.owner.clone(),
        scopes(token),
        all(&token.kinds),
        all(&token.queues),
        time(token.expires_at),
        time(token.last_used_at),
    ]
}

fn scopes(token: &TokenView) -> String {
    let words: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    words.join(",")
}
