//! The kinds an engine can run, with their types taken away.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashMap},
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
};

use longhaul_types::ErrorCode;
use serde_json::Value;

use super::Error;
use crate::{Context, Failure, Handler, Outcome, handler::Policy, model::Limits, store::Kind};

/// A run with its types taken away: args as JSON text in, the result as JSON text out.
pub(crate) type Run<'a> =
    Pin<Box<dyn Future<Output = Result<Outcome<Option<String>>, Failure>> + Send + 'a>>;

/// A handler with its types taken away.
pub(crate) trait ErasedHandler: Send + Sync {
    /// Checks args of a submission: the error says what does not fit.
    fn check(&self, version: u32, args: &str) -> Result<(), Failure>;

    /// Runs the job.
    fn run<'a>(&'a self, version: u32, args: &'a str, job: &'a Context) -> Run<'a>;
}

/// One registered kind.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) handler: Arc<dyn ErasedHandler>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) version: u32,
}

/// Every kind an engine can run.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    kinds: BTreeMap<String, Registered>,
    by_args: HashMap<TypeId, Vec<&'static str>>,
    clash: Option<String>,
}

impl Registry {
    pub(crate) fn register<H: Handler>(&mut self, handler: H) {
        let registered = Registered {
            policy: Arc::new(handler.policy()),
            version: H::VERSION,
            handler: Arc::new(Typed {
                handler,
                kind: PhantomData,
            }),
        };
        if self.kinds.insert(H::KIND.to_owned(), registered).is_some() {
            self.clash = Some(H::KIND.to_owned());
        }
        self.by_args
            .entry(TypeId::of::<H::Args>())
            .or_default()
            .push(H::KIND);
    }

    /// Reports what registration could not.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match &self.clash {
            Some(kind) => Err(Error::DuplicateKind(kind.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Registered> {
        self.kinds.get(kind)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.kinds.keys().cloned().collect()
    }

    pub(crate) fn declarations(&self) -> Vec<Kind> {
        self.kinds
            .iter()
            .map(|(name, registered)| Kind {
                name: name.clone(),
                version: registered.version,
                sweep_after: registered
                    .policy
                    .retention
                    .next_after(longhaul_types::State::Completed, None)
                    .unwrap_or_default(),
            })
            .collect()
    }

    /// The queues of all kinds.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &str> {
        self.kinds
            .values()
            .map(|registered| registered.policy.queue.as_str())
    }

    /// The one kind that takes args of type `A`.
    pub(crate) fn kind_of<A: 'static>(&self) -> Result<&'static str, Error> {
        match self.by_args.get(&TypeId::of::<A>()).map(Vec::as_slice) {
            Some([kind]) => Ok(kind),
            kinds => Err(Error::AmbiguousArgs {
                args: type_name::<A>(),
                count: kinds.map_or(0, <[_]>::len),
            }),
        }
    }
}

struct Typed<H> {
    handler: H,
    kind: PhantomData<H>,
}

impl<H: Handler> Typed<H> {
    fn args(&self, version: u32, args: &str) -> Result<H::Args, Failure> {
        let misfit = |error: serde_json::Error| {
            Failure::fatal(
                ErrorCode::InvalidArgs.as_str(),
                format!("the args do not fit {}: {error}", H::KIND),
            )
        };
        if version == H::VERSION {
            return serde_json::from_str(args).map_err(misfit);
        }
        let old: Value = serde_json::from_str(args).map_err(misfit)?;
        let new = self.handler.upgrade(version, old)?;
        serde_json::from_value(new).map_err(misfit)
    }
}

impl<H: Handler> ErasedHandler for Typed<H> {
    fn check(&self, version: u32, args: &str) -> Result<(), Failure> {
        self.args(version, args).map(drop)
    }

    fn run<'a>(&'a self, version: u32, args: &'a str, job: &'a Context) -> Run<'a> {
        Box::pin(async move {
            let args = self.args(version, args)?;
            match self.handler.run(args, job).await? {
                Outcome::CheckAgain(after) => Ok(Outcome::CheckAgain(after)),
                Outcome::Done(output) => {
                    let result = serde_json::to_string(&output).map_err(|error| {
                        Failure::fatal(
                            ErrorCode::HandlerFailed.as_str(),
                            format!("the result can not be stored as JSON: {error}"),
                        )
                    })?;
                    too_large(&result, job.limits())?;
                    Ok(Outcome::Done((result != "null").then_some(result)))
                }
            }
        })
    }
}

fn too_large(result: &str, limits: &Limits) -> Result<(), Failure> {
    if result.len() <= limits.result {
        return Ok(());
    }
    Err(Failure::fatal(
        ErrorCode::TooLarge.as_str(),
        format!(
            "the result has {} bytes, more than the limit of {}; store it as an artifact",
            result.len(),
            limits.result
        ),
    ))
}
