//! Webhooks: who is told of a job's end, by a POST signed as [Standard Webhooks](https://www.standardwebhooks.com) say.
//!
//! A delivery is a job that follows the end it tells of, so none is lost with the process, and none is there without the
//! end. Invariants: each delivery of one end says the same under the same `webhook-id`, however often it is tried; the end
//! of a delivery is told to nobody.

mod event;
mod send;
mod sign;

use std::time::Duration;

use longhaul::{
    Context, Failure, Handler, NewJob, Outcome,
    handler::Policy,
    model::{Backoff, FollowUp, Followed},
};
use longhaul_types::{
    State,
    body::{SecretName, WebhookRequest},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use sign::SigningKey;

use crate::{
    outgoing::{self, Outgoing, Reach},
    secret_file::covers,
};

/// The kind of deliveries.
pub const KIND: &str = "longhaul.webhook";
/// Their queue: a receiver that is slow holds up no other work.
pub const QUEUE: &str = "webhooks";

/// Delivers webhooks.
#[derive(Clone, Debug)]
pub struct Webhook {
    outgoing: Outgoing,
    max_attempts: u32,
    backoff: Backoff,
    time: Duration,
}

impl Webhook {
    /// Delivers to whatever `outgoing` lets through: 18 attempts over about a day, each answered within 30 s.
    pub fn new(outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            max_attempts: 18,
            backoff: Backoff {
                first: Duration::from_secs(5),
                cap: Duration::from_hours(6),
            },
            time: Duration::from_secs(30),
        }
    }

    /// With this many attempts in all and these waits between them.
    #[must_use]
    pub fn attempts(mut self, max_attempts: u32, backoff: Backoff) -> Self {
        self.max_attempts = max_attempts;
        self.backoff = backoff;
        self
    }

    /// With this time for a receiver to answer.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }
}

/// What a delivery must know. Made by the server alone: nobody else says what may be reached.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[doc(hidden)]
pub struct Delivery {
    url: String,
    /// The value, once the job runs.
    #[serde(default)]
    secret: Option<String>,
    reach: Reach,
    ended: Followed,
}

/// What came of a delivery.
#[derive(Clone, Debug, Serialize)]
pub struct Delivered {
    /// The status that the receiver answered with.
    pub status: u16,
}

impl Handler for Webhook {
    const KIND: &'static str = KIND;
    type Args = Delivery;
    type Output = Delivered;

    async fn run(&self, delivery: Delivery, job: &Context) -> Result<Outcome<Delivered>, Failure> {
        let url = outgoing::parse(&delivery.url).map_err(|error| refused(&error))?;
        let key = delivery.secret.as_deref().map(SigningKey::new);
        let key = key
            .transpose()
            .map_err(|error| Failure::fatal("bad_signing_key", error.to_string()))?;
        let body = event::body(job, &delivery.ended).await?;
        let target = self.outgoing.target_of(&url, delivery.reach).await;
        let client = target
            .and_then(|target| target.client(self.time))
            .map_err(|error| refused(&error))?;
        tokio::select! {
            biased;
            stop = job.stopped() => Err(stop.into()),
            sent = send::send(job, &client, url, body, key.as_ref()) => sent.map(Outcome::Done),
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            queue: QUEUE.to_owned(),
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            internal: true,
            ..Policy::default()
        }
    }
}

/// What a target that is not called means for its delivery.
fn refused(error: &outgoing::Error) -> Failure {
    use longhaul_types::ErrorCode::{BadRequest, TargetRefused};
    let message = error.to_string();
    match error {
        outgoing::Error::Refused { .. } => Failure::fatal(TargetRefused.as_str(), message),
        outgoing::Error::Address(_) | outgoing::Error::Target(_) => {
            Failure::fatal(BadRequest.as_str(), message)
        }
        outgoing::Error::Resolve { .. } | outgoing::Error::Client(_) => {
            Failure::retry("webhook_unreachable", message)
        }
    }
}

/// The delivery that follows a job's ends, for somebody who may reach this far.
pub fn follow_up(request: &WebhookRequest, reach: Reach) -> Result<FollowUp, outgoing::Error> {
    let url = outgoing::parse(&request.url)?;
    let mut args = json!({"url": url.as_str(), "reach": reach});
    if let Some(secret) = &request.secret {
        args["secret"] = json!(secret);
    }
    let job = NewJob::raw(KIND, args.to_string()).internal();
    Ok(FollowUp::new(job)
        .on(request.events.iter().copied())
        .tell("ended"))
}

/// A webhook that the server's own configuration names, for all jobs or those of some kinds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Where to.
    pub url: String,
    /// The ends to tell of; none named means every end.
    #[serde(default)]
    pub events: Vec<State>,
    /// The kinds of jobs, `walrus.*` being every kind that begins so; none named means every kind.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Name of the secret that signs.
    #[serde(default)]
    pub secret: Option<String>,
}

/// What [`longhaul::engine::Builder::follow_ups`] is to be given so that every job follows these rules.
pub fn rules(
    rules: &[Rule],
) -> Result<impl Fn(&NewJob) -> Vec<FollowUp> + Send + Sync + 'static, outgoing::Error> {
    let mut made = Vec::with_capacity(rules.len());
    for rule in rules {
        let request = WebhookRequest {
            url: rule.url.clone(),
            events: rule.events.clone(),
            secret: rule.secret.clone().map(|name| SecretName { name }),
        };
        // Whoever configures the server could reach whatever it can.
        made.push((rule.kinds.clone(), follow_up(&request, Reach::Private)?));
    }
    Ok(move |job: &NewJob| {
        if job.kind == KIND {
            return Vec::new();
        }
        let fits = |kinds: &[String]| {
            kinds.is_empty() || kinds.iter().any(|pattern| covers(pattern, &job.kind))
        };
        let fitting = made.iter().filter(|(kinds, _)| fits(kinds));
        fitting.map(|(_, follow_up)| follow_up.clone()).collect()
    })
}
