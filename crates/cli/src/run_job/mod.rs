//! The kind `longhaul.run`: any program as a job.
//!
//! Its output goes to the job's log line by line, its exit code decides the end, a cancel ends its process group.
//!
//! Invariant: two runs of one job never have their programs alive together. What an earlier run left behind after a crash
//! of the server is found (every process of a run carries a token in its environment, stored before the program starts)
//! and ended first.

mod lines;
mod pattern;
mod process;

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, time::Instant};

use longhaul::{Context, Failure, Handler, Outcome, handler::Policy};
use longhaul_types::{ErrorCode, Level};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

pub use pattern::Pattern;

use lines::{Cut, Cutter};
use process::Group;

/// The kind's name.
pub const KIND: &str = "longhaul.run";

/// Names the run in the environment of its processes.
const TOKEN: &str = "LONGHAUL_RUN";
/// Names the job in the environment of its processes.
const JOB_ID: &str = "LONGHAUL_JOB_ID";
/// Lines between two waits for the disk: the log is never further ahead than this.
const LINES_AHEAD: usize = 500;

/// What to run, with everything it needs: the server adds nothing of its own environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, try_from = "Unchecked")]
pub struct RunArgs {
    /// The program's absolute path, then its arguments.
    pub command: Vec<String>,
    /// The absolute working folder.
    pub folder: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Regular expression with one number (percent) or two (current and total) that finds progress in its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_pattern: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Unchecked {
    command: Vec<String>,
    folder: PathBuf,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    progress_pattern: Option<String>,
}

/// The args can not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no program.
    #[error("the command is empty")]
    NoCommand,
    /// A path is relative, and the server's folder is not the caller's.
    #[error("'{0}' must be an absolute path")]
    Relative(String),
    /// Text that the operating system can not take.
    #[error("a part of the command or its environment has a zero byte or a wrong name")]
    BadText,
    /// The pattern is no regular expression with one or two groups.
    #[error(transparent)]
    Pattern(#[from] pattern::Error),
}

impl TryFrom<Unchecked> for RunArgs {
    type Error = Error;

    fn try_from(args: Unchecked) -> Result<Self, Error> {
        let program = args.command.first().ok_or(Error::NoCommand)?;
        if !PathBuf::from(program).is_absolute() {
            return Err(Error::Relative(program.clone()));
        }
        if !args.folder.is_absolute() {
            return Err(Error::Relative(args.folder.display().to_string()));
        }
        let values = args.environment.values();
        let mut texts = args.command.iter().chain(values);
        let mut names = args.environment.keys();
        if texts.any(|text| text.contains('\0'))
            || names.any(|name| name.is_empty() || name.contains(['\0', '=']))
        {
            return Err(Error::BadText);
        }
        if let Some(pattern) = &args.progress_pattern {
            Pattern::new(pattern)?;
        }
        Ok(Self {
            command: args.command,
            folder: args.folder,
            environment: args.environment,
            progress_pattern: args.progress_pattern,
        })
    }
}

/// How the program ended, when it ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// Zero.
    pub exit_code: i32,
    /// How long it ran.
    pub seconds: f64,
    /// Lines it wrote.
    pub lines: u64,
}

/// What a run leaves for the next one to find its processes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    token: String,
    boot: Option<String>,
    group: Option<Group>,
}

/// Runs any program as a job.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunJob;

impl Handler for RunJob {
    const KIND: &'static str = KIND;
    type Args = RunArgs;
    type Output = RunResult;

    /// A program that failed is not run again unless the submission asks for attempts: it may not bear it.
    fn policy(&self) -> Policy {
        Policy {
            max_attempts: 1,
            ..Policy::default()
        }
    }

    async fn run(&self, args: RunArgs, job: &Context) -> Result<Outcome<RunResult>, Failure> {
        end_earlier_run(job).await?;
        let mut trace = Trace {
            token: uuid::Uuid::now_v7().to_string(),
            boot: process::boot_id(),
            group: None,
        };
        // Before the program starts: a crash at any later moment leaves a trace to find it by.
        job.save(&trace).await?;
        let begun = Instant::now();
        let mut child = spawn(&args, job, &trace.token)?;
        let group = Group::led_by(&child);
        let _end_with_this_run = EndOnDrop(group);
        trace.group = group;
        job.save(&trace).await?;
        if let Some(group) = group {
            job.progress().metadata("pid", group.id);
        }
        let mut output = Output::new(job, args.progress_pattern.as_deref())?;
        let status = supervise(&mut child, group, &trace.token, job, &mut output).await?;
        job.progress().metadata("exitCode", status.code());
        output.ended(status, begun.elapsed().as_secs_f64())
    }
}

/// Ends what an earlier run of this job left behind when its server died.
async fn end_earlier_run(job: &Context) -> Result<(), Failure> {
    let Some(trace) = job.checkpoint::<Trace>()? else {
        return Ok(());
    };
    if trace.boot != process::boot_id() {
        return Ok(());
    }
    let ended = process::end_all(&trace.token, trace.group).await;
    job.warn(match ended {
        0 => "starting again: the earlier run was interrupted".to_owned(),
        ended => format!(
            "starting again: the earlier run was interrupted, and {ended} of its processes were left and are ended"
        ),
    });
    let left = process::of_run(&trace.token, trace.group).len();
    if left > 0 {
        return Err(Failure::retry(
            "orphan_alive",
            format!("{left} processes of the earlier run can not be ended"),
        ));
    }
    Ok(())
}

fn spawn(args: &RunArgs, job: &Context, token: &str) -> Result<Child, Failure> {
    let mut command = Command::new(&args.command[0]);
    command
        .args(&args.command[1..])
        .current_dir(&args.folder)
        .env_clear()
        .envs(&args.environment)
        .env(TOKEN, token)
        .env(JOB_ID, job.id().as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn().map_err(|error| {
        // Which of the two is missing is not in the error.
        let what = if args.folder.is_dir() {
            &args.command[0]
        } else {
            return Failure::fatal(
                "command_not_started",
                format!("the folder {} is not there", args.folder.display()),
            );
        };
        Failure::fatal(
            "command_not_started",
            format!("{what} can not be started: {error}"),
        )
    })
}

/// Reads the output until the program has ended, or ends it when the run must stop.
async fn supervise(
    child: &mut Child,
    group: Option<Group>,
    token: &str,
    job: &Context,
    output: &mut Output<'_>,
) -> Result<std::process::ExitStatus, Failure> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut reading = std::pin::pin!(output.read(stdout, stderr));
    let mut read = None;
    let status = loop {
        tokio::select! {
            result = &mut reading, if read.is_none() => read = Some(result),
            status = child.wait() => break status?,
            stop = job.stopped() => {
                job.warn(format!("ending the command: {stop}"));
                let (_, status) = tokio::join!(process::end_all(token, group), child.wait());
                break status?;
            }
        }
    };
    // What the program started and left behind ends with it; only then do its pipes surely end.
    let (left, result) = tokio::join!(process::end_all(token, group), async {
        match read {
            Some(result) => result,
            None => match tokio::time::timeout(process::PATIENCE, reading).await {
                Ok(result) => result,
                // A process that left the group keeps the pipe: its output is no business of this job any more.
                Err(_) => Ok(()),
            },
        }
    });
    if left > 0 {
        job.warn(format!(
            "ended {left} processes that the command left behind"
        ));
    }
    result?;
    Ok(status)
}

/// Ends the program's group at once when its run is dropped.
struct EndOnDrop(Option<Group>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        process::kill_now(self.0);
    }
}

/// Where the program's output goes: the job's log and progress.
struct Output<'a> {
    job: &'a Context,
    pattern: Option<Pattern>,
    lines: u64,
    ahead: usize,
    last_complaint: Option<String>,
}

impl<'a> Output<'a> {
    fn new(job: &'a Context, pattern: Option<&str>) -> Result<Self, Failure> {
        Ok(Self {
            job,
            pattern: pattern.map(Pattern::new).transpose().map_err(|error| {
                Failure::fatal(ErrorCode::InvalidArgs.as_str(), error.to_string())
            })?,
            lines: 0,
            ahead: 0,
            last_complaint: None,
        })
    }

    /// Reads both pipes to their ends.
    async fn read(
        &mut self,
        stdout: Option<impl tokio::io::AsyncRead + Unpin>,
        stderr: Option<impl tokio::io::AsyncRead + Unpin>,
    ) -> Result<(), Failure> {
        let limit = self.job.limits().log_line;
        let mut out = Cutter::new(stdout, limit);
        let mut err = Cutter::new(stderr, limit);
        while out.is_open() || err.is_open() {
            let (level, cuts) = tokio::select! {
                cuts = out.read(), if out.is_open() => (Level::Info, cuts?),
                cuts = err.read(), if err.is_open() => (Level::Warn, cuts?),
            };
            for cut in cuts {
                self.take(level, cut);
                if self.ahead >= LINES_AHEAD {
                    self.ahead = 0;
                    self.job.commit().run().await?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, level: Level, cut: Cut) {
        let (text, is_line) = match cut {
            Cut::Line(text) => (text, true),
            Cut::Redrawn(text) => (text, false),
        };
        if let Some((current, total)) = self.pattern.as_ref().and_then(|p| p.find(&text)) {
            self.job.progress().set(current, total);
        }
        if !is_line {
            return;
        }
        if level == Level::Warn && !text.trim().is_empty() {
            self.last_complaint = Some(text.trim().chars().take(200).collect());
        }
        self.lines += 1;
        self.ahead += 1;
        self.job.log(level, text);
    }

    fn ended(
        self,
        status: std::process::ExitStatus,
        seconds: f64,
    ) -> Result<Outcome<RunResult>, Failure> {
        if status.success() {
            return Ok(Outcome::Done(RunResult {
                exit_code: 0,
                seconds,
                lines: self.lines,
            }));
        }
        let mut message = process::describe(status);
        if let Some(complaint) = self.last_complaint {
            message = format!("{message}: {complaint}");
        }
        Err(Failure::retry("command_failed", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<RunArgs, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn what_can_not_be_run_is_refused_at_submission() {
        assert!(parse(r#"{"command":["/bin/true"],"folder":"/"}"#).is_ok());
        for (json, why) in [
            (r#"{"command":[],"folder":"/"}"#, "empty"),
            (r#"{"command":["true"],"folder":"/"}"#, "absolute"),
            (r#"{"command":["/bin/true"],"folder":"."}"#, "absolute"),
            (
                r#"{"command":["/bin/true","a\u0000"],"folder":"/"}"#,
                "zero byte",
            ),
            (
                r#"{"command":["/bin/true"],"folder":"/","environment":{"A=B":""}}"#,
                "wrong name",
            ),
            (
                r#"{"command":["/bin/true"],"folder":"/","progressPattern":"("}"#,
                "regular",
            ),
            (
                r#"{"command":["/bin/true"],"folder":"/","progressPattern":"a"}"#,
                "one or two",
            ),
            (
                r#"{"command":["/bin/true"],"folder":"/","shell":true}"#,
                "unknown field",
            ),
        ] {
            let error = parse(json).expect_err("refused").to_string();
            assert!(error.contains(why), "{json}: {error}");
        }
    }
}
