//! `longhaul serve`: runs jobs and answers the commands.
//!
//! Invariant: one server runs on a data folder, by the lock of its database. It ends only after its runs have given
//! their jobs back.

use std::{
    fs, io,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use longhaul::{
    Engine,
    engine::{self, Builder},
    model::Limits,
    store,
};
use longhaul_server::{
    AccessLimits, AdminToken, Handle, LocalOnly, Metrics, Options, SecretFile, Server, StopReason,
    Tls,
    outgoing::{self, Outgoing},
    webhook,
};
use longhaul_walrus::cache::Cache;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    BUILD, VERSION, daemon,
    data_dir::DataDir,
    database::{self, Database, Storage},
    exit::{Fail, Result},
    kinds,
    settings::Settings,
    traces::Traces,
};

/// Time without work and clients after which a server that was started in the background stops.
const IDLE: Duration = Duration::from_mins(1);
/// How long a start waits for the end of another that is about to stop.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries to take the lock.
const LOOK: Duration = Duration::from_millis(20);
/// Files that a full server has open: twice its connections, for its database, its jobs and their programs.
const DESCRIPTORS: u64 = 16_384;
/// The target of the lines that say who changed what.
const AUDIT: &str = "longhaul::audit";
/// A log of a background server that is larger when the next one starts is put aside.
pub(crate) const MAX_LOG: u64 = 8 << 20;

/// Flags of `longhaul serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Listen on this TCP address too; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Who may come in over TCP: whoever shows the token, or everybody on this machine
    #[arg(long, value_enum, default_value_t = Access::Token, requires = "listen")]
    access: Access,
    /// Answer over TCP to this name too, as clients write it: NAME or NAME:PORT
    #[arg(long, value_name = "NAME", requires = "listen")]
    host: Vec<String>,
    /// Let every job that calls an address call this one, private as it may be: as the job names it
    #[arg(long, value_name = "HOST:PORT")]
    allow_target: Vec<String>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    storage: database::Flags,
    /// Speak TLS on that address with this chain of certificates, the server's own first (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM), a file of this user's alone
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How the log is written: a line to read, or one JSON object a line
    #[arg(long, value_enum, default_value_t = LogFormat::Plain, value_name = "FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    slots: Slots,
    /// Run no jobs here: other servers of the database do, or workers elsewhere
    #[arg(long, conflicts_with_all = ["concurrency", "queue"])]
    no_worker: bool,
    /// Started by a command: leave its terminal, and stop when nobody needs it
    #[arg(long, hide = true)]
    pub(crate) on_demand: bool,
    /// Seconds after which a server that nobody needs stops
    #[arg(long, hide = true, value_name = "SECONDS", requires = "on_demand")]
    idle: Option<f64>,
    /// The build to say
    #[arg(long, hide = true)]
    build_id: Option<String>,
}

/// Flags that say what a server runs itself.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Slots {
    /// Runs at a time in each queue
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// Run jobs of this queue, N at a time: serve beside the queues of the kinds it knows, work no others
    #[arg(long, value_name = "NAME[=N]", value_parser = queue_slots)]
    queue: Vec<(String, Option<u32>)>,
    /// Run none of the others.
    #[arg(skip)]
    alone: bool,
}

impl Slots {
    fn of(&self, builder: Builder) -> Builder {
        let others = if self.alone { 0 } else { self.concurrency };
        let named = self.queue.iter();
        named.fold(builder.concurrency(others), |builder, (name, slots)| {
            builder.queue(name, slots.unwrap_or(self.concurrency))
        })
    }
}

/// A queue, and how many of its jobs run at a time.
fn queue_slots(text: &str) -> std::result::Result<(String, Option<u32>), String> {
    let (name, slots) = match text.rsplit_once('=') {
        Some((name, slots)) => (name, Some(slots)),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("a queue has a name".to_owned());
    }
    let slots = slots.map(|slots| match slots.parse() {
        Ok(slots @ 1..=10_000) => Ok(slots),
        _ => Err(format!(
            "{slots} is no number of runs at a time, 1 to 10000"
        )),
    });
    Ok((name.to_owned(), slots.transpose()?))
}

/// Limits of who comes in over TCP with a token that was made.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, clap::Args)]
struct LimitFlags {
    /// Requests a second of an owner's tokens together [default: 1000; env: LONGHAUL_OWNER_RATE]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    owner_rate: Option<NonZeroU32>,
    /// Streams of live events that an owner may have open [default: 1000; env: LONGHAUL_OWNER_STREAMS]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    owner_streams: Option<NonZeroU32>,
    /// Pending jobs of an owner [default: 1000000; env: LONGHAUL_OWNER_PENDING]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    owner_pending: Option<NonZeroU64>,
    /// Megabytes that the files of an owner's jobs may take [default: 100000; env: LONGHAUL_OWNER_DISK]
    #[arg(long, value_name = "MB", help_heading = "Limits")]
    owner_disk: Option<NonZeroU64>,
    /// Requests a minute of an address that show no valid token [default: 60; env: LONGHAUL_AUTH_FAILURES]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    auth_failures: Option<NonZeroU32>,
}

impl LimitFlags {
    fn of_access(&self, settings: &Settings) -> Result<AccessLimits> {
        let mut limits = AccessLimits::default();
        let rate = settings.served(self.owner_rate, "LONGHAUL_OWNER_RATE", "owner_rate")?;
        limits.requests = rate.unwrap_or(limits.requests);
        let failures = settings.served(
            self.auth_failures,
            "LONGHAUL_AUTH_FAILURES",
            "auth_failures",
        )?;
        limits.failures = failures.unwrap_or(limits.failures);
        let streams = settings.served(
            self.owner_streams,
            "LONGHAUL_OWNER_STREAMS",
            "owner_streams",
        )?;
        limits.streams = streams.map_or(limits.streams, NonZeroU32::get);
        let pending = settings.served(
            self.owner_pending,
            "LONGHAUL_OWNER_PENDING",
            "owner_pending",
        )?;
        limits.pending = pending.map_or(limits.pending, NonZeroU64::get);
        Ok(limits)
    }

    /// What the engine keeps itself.
    fn of_engine(&self, settings: &Settings) -> Result<Limits> {
        let mut limits = Limits::default();
        let disk = settings.served(self.owner_disk, "LONGHAUL_OWNER_DISK", "owner_disk")?;
        limits.owner_disk = disk.map_or(limits.owner_disk, |megabytes| {
            megabytes.get().saturating_mul(1_000_000)
        });
        Ok(limits)
    }
}

/// Who may come in over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Access {
    /// Whoever shows the token.
    Token,
    /// Everybody on this machine, on loopback alone.
    Open,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line to read.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Flags of `longhaul work`.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkArgs {
    /// Let every job that calls an address call this one, private as it may be: as the job names it
    #[arg(long, value_name = "HOST:PORT")]
    allow_target: Vec<String>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    storage: database::Flags,
    /// How the log is written: a line to read, or one JSON object a line
    #[arg(long, value_enum, default_value_t = LogFormat::Plain, value_name = "FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    slots: Slots,
}

/// Runs jobs of a database that servers share, until it is told to stop: a server that nobody reaches over TCP.
pub fn work(args: &WorkArgs, settings: &Settings) -> Result<ExitCode> {
    if matches!(args.storage.storage(settings)?.database, Database::Own) {
        return Err(Fail::usage("longhaul work runs jobs of a database that servers share, and none is named")
            .hint("Name it with --database-url, or LONGHAUL_DATABASE_URL. On one machine, longhaul serve runs the jobs."));
    }
    let mut args = args.clone();
    args.slots.alone = !args.slots.queue.is_empty();
    run(
        &Args {
            listen: None,
            access: Access::Token,
            host: Vec::new(),
            allow_target: args.allow_target,
            limits: args.limits,
            storage: args.storage,
            tls_cert: None,
            tls_key: None,
            log_format: args.log_format,
            slots: args.slots,
            no_worker: false,
            on_demand: false,
            idle: None,
            build_id: None,
        },
        settings,
    )
}

/// Serves until it is told to stop.
pub fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let limits = (
        args.limits.of_access(settings)?,
        args.limits.of_engine(settings)?,
    );
    let data = DataDir::open(&settings.data_dir()?)?;
    leave_caller(args.on_demand)?;
    start_log(args.log_format);
    raise_descriptors();
    tracing::info!(
        pid = std::process::id(),
        build = args.build_id.as_deref().unwrap_or(BUILD),
        "starting on {}",
        data.path().display()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(args, settings, &data, limits))
}

/// Takes over nothing of the caller's but its standard streams: no descriptor that would hold a lock or a pipe open, and
/// in the background neither its terminal nor its folder.
fn leave_caller(on_demand: bool) -> Result {
    for descriptor in inherited() {
        // It may be the one that read the list, which is closed already.
        let _ = nix::unistd::close(descriptor);
    }
    if on_demand {
        // A process that leads a group has left its caller already.
        let _ = rustix::process::setsid();
        std::env::set_current_dir("/")?;
    }
    Ok(())
}

fn inherited() -> Vec<i32> {
    let entries = fs::read_dir("/dev/fd").into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect()
}

/// Has as many files be open at a time as a full server needs, as far as the system allows. Not more: programs that jobs run
/// take the limit over, and some walk through all of it.
fn raise_descriptors() {
    let limits = getrlimit(Resource::Nofile);
    let soft = limits.current.unwrap_or(u64::MAX);
    let hard = limits.maximum.unwrap_or(u64::MAX);
    let raised = soft.max(hard.min(DESCRIPTORS));
    let wanted = Rlimit {
        current: Some(raised),
        maximum: limits.maximum,
    };
    let have = if raised == soft || setrlimit(Resource::Nofile, wanted).is_ok() {
        raised
    } else {
        soft
    };
    if have < DESCRIPTORS {
        tracing::warn!(
            "only {have} files may be open at a time, and every client is one: raise the limit to {DESCRIPTORS} \
             (ulimit -n, or LimitNOFILE= of a service)"
        );
    }
}

/// One line an event, on standard error; which ones, `LONGHAUL_LOG` says.
pub(crate) fn start_log(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = std::env::var("LONGHAUL_LOG").unwrap_or_default();
    let filter = if filter.is_empty() { "info" } else { &filter };
    // Who wants less of everything else still wants to know who changed what.
    let filter = if filter.contains(AUDIT) {
        filter.to_owned()
    } else {
        format!("{filter},{AUDIT}=info")
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(filter))
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Plain => log
            .with_ansi(crate::terminal::stderr().color)
            .with_target(false)
            .try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        eprintln!("longhaul: no log: {error}");
    }
}

async fn serve(
    args: &Args,
    settings: &Settings,
    data: &DataDir,
    (access, limits): (AccessLimits, Limits),
) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    // Whoever starts a server in the background holds that lock already.
    let room = if args.on_demand {
        None
    } else {
        Some(daemon::make_room(data).await?)
    };
    let storage = args.storage.storage(settings)?;
    let metrics = Metrics::default();
    let traces = Traces::from_environment()?;
    // What is wrong with the settings is said before anything runs.
    let calls = calls(args, settings)?;
    let mut options = options(args, settings, data)?
        .access_limits(access)
        .metrics(metrics.clone());
    if let Some(traces) = &traces {
        options = options.traces(Arc::new(traces.clone()));
    }
    let engine = start_engine(
        args,
        (storage, limits),
        &calls,
        data,
        &metrics,
        traces.as_ref(),
    )
    .await?;
    let handle = match Server::bind(engine.clone(), options).await {
        Ok(server) => server.start(),
        Err(error) => {
            engine.shutdown().await;
            return Err(Fail::failed(error.to_string()));
        }
    };
    announce(args, data, &handle);
    drop(room);
    let stopper = handle.stopper();
    let mut stopping = std::pin::pin!(stop(handle, &engine, traces));
    tokio::select! {
        reason = &mut stopping => return Ok(ended(reason)),
        name = signals.next() => tracing::info!("{name}: stopping; what runs goes on with the next server"),
    }
    stopper.stop();
    tokio::select! {
        reason = &mut stopping => Ok(ended(reason)),
        name = signals.next() => {
            tracing::warn!("{name} again: stopping at once; the next server rescues what runs");
            std::process::exit(130)
        }
    }
}

async fn stop(handle: Handle, engine: &Engine, traces: Option<Traces>) -> StopReason {
    let reason = handle.wait().await;
    engine.shutdown().await;
    if let Some(traces) = traces {
        // It waits for the collector. That it fails is in the log.
        let _ = tokio::task::spawn_blocking(move || traces.stop()).await;
    }
    reason
}

fn ended(reason: StopReason) -> ExitCode {
    tracing::info!(
        "stopped: {}",
        match reason {
            StopReason::Idle => "nobody needs it",
            StopReason::Asked => "asked over the API",
            StopReason::Told => "told to",
        }
    );
    ExitCode::SUCCESS
}

/// What the server calls by itself, and what its jobs may have it call.
struct Calls {
    outgoing: Outgoing,
    webhooks: Vec<webhook::Rule>,
}

fn calls(args: &Args, settings: &Settings) -> Result<Calls> {
    let mut targets: Vec<String> = settings.own("allow_targets")?.unwrap_or_default();
    targets.extend(args.allow_target.iter().cloned());
    Ok(Calls {
        outgoing: Outgoing::new(&targets).map_err(|error| misset(&error))?,
        webhooks: settings.own("webhooks")?.unwrap_or_default(),
    })
}

fn misset(error: &outgoing::Error) -> Fail {
    Fail::usage(error.to_string())
        .hint("See --allow-target, and allow_targets and webhooks in your settings file.")
}

/// Starts the engine with every kind of job, and waits a moment for the end of another server on the folder.
async fn start_engine(
    args: &Args,
    (storage, limits): (Storage, Limits),
    calls: &Calls,
    data: &DataDir,
    metrics: &Metrics,
    traces: Option<&Traces>,
) -> Result<Engine> {
    let path = data.database();
    // SQLite gives the files beside the database the rights of the database.
    DataDir::private_file(&path).map_err(|error| Fail::io(path.display(), &error))?;
    let results = Cache::new(data.results());
    let end = Instant::now() + PATIENCE;
    loop {
        let started = match storage.open(data, &limits).await {
            Ok((mut builder, lock)) => {
                builder = if args.no_worker {
                    builder.concurrency(0)
                } else {
                    args.slots.of(builder)
                };
                builder = builder
                    .limits(limits.clone())
                    .observer(metrics.clone())
                    .secrets(SecretFile::new(data.secrets()));
                if let Some(traces) = traces {
                    builder = builder.observer(traces.clone());
                }
                if !calls.webhooks.is_empty() {
                    let rules = webhook::rules(&calls.webhooks).map_err(|error| misset(&error))?;
                    builder = builder.follow_ups(rules);
                }
                let builder = kinds::register(builder, results.clone(), calls.outgoing.clone());
                builder.start().await.map(|engine| (engine, lock))
            }
            Err(error) => Err(error),
        };
        match started {
            Ok((engine, lock)) => {
                // Not before: the lock of the database is that of the whole folder.
                tokio::spawn(async move {
                    let _lock = lock;
                    results.tend().await;
                });
                return Ok(engine);
            }
            Err(engine::Error::Store(store::Error::Locked(why))) => {
                if Instant::now() >= end {
                    return Err(Fail::failed(format!(
                        "the jobs in {} are run by another process: {why}",
                        data.path().display()
                    ))
                    .hint("Stop it first; another folder (--data-dir) can have its own."));
                }
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(Fail::failed(error.to_string())),
        }
    }
}

fn options(args: &Args, settings: &Settings, data: &DataDir) -> Result<Options> {
    let idle = match args.idle {
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| Fail::usage(format!("--idle: {error}")))?,
        None => IDLE,
    };
    let mut options = Options::new(VERSION, args.build_id.as_deref().unwrap_or(BUILD))
        .socket(data.socket())
        .stop_when_idle(args.on_demand.then_some(idle))
        .admission(LocalOnly::kinds(kinds::LOCAL));
    if let Some(address) = args.listen {
        options = options.tcp(address);
        options = args.host.iter().fold(options, Options::host);
        if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
            let tls = Tls::read(certificate, key);
            options = options.tls(tls.map_err(|error| Fail::failed(error.to_string()))?);
        }
        let path = settings
            .token_file()?
            .unwrap_or_else(|| data.path().join("token"));
        match args.access {
            Access::Open => options = options.access_open(true),
            Access::Token => make_token(&path)?,
        }
        if path.exists() {
            let token = AdminToken::read(&path).map_err(|error| Fail::failed(error.to_string()))?;
            options = options.token(token);
        }
    }
    Ok(options)
}

/// Makes a random token at `path`, unless there is a file.
fn make_token(path: &Path) -> Result {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
            writeln!(file, "{}{}", halves[0].simple(), halves[1].simple())?;
            file.sync_all()?;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Fail::io(path.display(), &error)),
    }
}

fn announce(args: &Args, data: &DataDir, handle: &Handle) {
    tracing::info!("listening on {}", data.socket().display());
    if let Some(address) = handle.tcp() {
        let scheme = args.tls_cert.as_ref().map_or("http", |_| "https");
        match args.access {
            Access::Open => {
                tracing::info!(
                    "listening on {scheme}://{address}, open to everybody on this machine"
                );
            }
            Access::Token => {
                tracing::info!("listening on {scheme}://{address}, for whoever shows the token");
            }
        }
    }
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// What a server needs to be told on its command line, to be started with the same settings.
pub fn command_line(program: &Path, data: &Path) -> [PathBuf; 4] {
    [
        program.to_owned(),
        "serve".into(),
        "--data-dir".into(),
        data.to_owned(),
    ]
}
