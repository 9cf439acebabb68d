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
use serde::{Serialize, de::DeserializeOwned};

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

impl Registered {
    /// The kind as the store keeps it.
    pub(crate) fn declaration(&self, name: &str) -> Kind {
        let policy = &self.policy;
        Kind {
            name: name.to_owned(),
            version: self.version,
            queue: policy.queue.clone(),
            max_attempts: policy.max_attempts,
            attempt_timeout: policy.attempt_timeout,
            timeout: policy.timeout,
            retention: policy.retention.clone(),
        }
    }
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
            handler: Arc::new(Typed(handler)),
        };
        self.add::<H::Args>(H::KIND, registered);
    }

    pub(crate) fn register_fn<A, T, F, Fut>(&mut self, kind: &'static str, run: F)
    where
        A: DeserializeOwned + Send + 'static,
        T: Serialize + Send + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome<T>, Failure>> + Send + 'static,
    {
        let registered = Registered {
            policy: Arc::default(),
            version: 1,
            handler: Arc::new(Function {
                kind,
                run,
                types: PhantomData::<fn(A) -> T>,
            }),
        };
        self.add::<A>(kind, registered);
    }

    fn add<A: 'static>(&mut self, kind: &'static str, registered: Registered) {
        if self.kinds.insert(kind.to_owned(), registered).is_some() {
            self.clash = Some(kind.to_owned());
        }
        self.by_args
            .entry(TypeId::of::<A>())
            .or_default()
            .push(kind);
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
            .map(|(name, registered)| registered.declaration(name))
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

struct Typed<H>(H);

impl<H: Handler> Typed<H> {
    fn args(&self, version: u32, args: &str) -> Result<H::Args, Failure> {
        if version == H::VERSION {
            return parse(H::KIND, args);
        }
        let new = self.0.upgrade(version, parse(H::KIND, args)?)?;
        serde_json::from_value(new).map_err(|error| misfit(H::KIND, &error))
    }
}

impl<H: Handler> ErasedHandler for Typed<H> {
    fn check(&self, version: u32, args: &str) -> Result<(), Failure> {
        self.args(version, args).map(drop)
    }

    fn run<'a>(&'a self, version: u32, args: &'a str, job: &'a Context) -> Run<'a> {
        Box::pin(async move {
            let args = self.args(version, args)?;
            finish(self.0.run(args, job).await?, job.limits())
        })
    }
}

/// A handler that is a function.
struct Function<F, A, T> {
    kind: &'static str,
    run: F,
    types: PhantomData<fn(A) -> T>,
}

impl<A, T, F, Fut> ErasedHandler for Function<F, A, T>
where
    A: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
    F: Fn(A, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome<T>, Failure>> + Send + 'static,
{
    fn check(&self, _: u32, args: &str) -> Result<(), Failure> {
        parse::<A>(self.kind, args).map(drop)
    }

    fn run<'a>(&'a self, _: u32, args: &'a str, job: &'a Context) -> Run<'a> {
        Box::pin(async move {
            let args = parse(self.kind, args)?;
            finish((self.run)(args, job.clone()).await?, job.limits())
        })
    }
}

fn parse<A: DeserializeOwned>(kind: &str, args: &str) -> Result<A, Failure> {
    serde_json::from_str(args).map_err(|error| misfit(kind, &error))
}

fn misfit(kind: &str, error: &serde_json::Error) -> Failure {
    Failure::fatal(
        ErrorCode::InvalidArgs.as_str(),
        format!("the args do not fit {kind}: {error}"),
    )
}

/// What a handler gave, its result as JSON text.
fn finish<T: Serialize>(
    outcome: Outcome<T>,
    limits: &Limits,
) -> Result<Outcome<Option<String>>, Failure> {
    let output = match outcome {
        Outcome::Done(output) => output,
        Outcome::CheckAgain(after) => return Ok(Outcome::CheckAgain(after)),
    };
    let result = serde_json::to_string(&output).map_err(|error| {
        Failure::fatal(
            ErrorCode::HandlerFailed.as_str(),
            format!("the result can not be stored as JSON: {error}"),
        )
    })?;
    too_large(&result, limits)?;
    Ok(Outcome::Done((result != "null").then_some(result)))
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
