//! The commands of `longhaul`, a file each.

pub mod bench;
pub mod bulk;
pub mod cancel;
pub mod completions;
pub mod dashboard;
pub mod demo;
pub mod doctor;
pub mod jobs;
pub mod logs;
pub mod man;
pub mod migrate;
pub mod queues;
pub mod remove;
pub mod retry;
pub mod run;
pub mod sandbox;
pub mod schedules;
pub mod secret;
pub mod serve;
pub mod service;
pub mod start;
pub mod status;
pub mod submit;
pub mod token;
pub mod top;
pub mod watch;
pub mod workers;

use std::{process::ExitCode, time::Duration};

use longhaul_types::{JobId, Labels, exit};

use crate::exit::{Fail, Result};

/// Does one thing to each job. Every job gets its turn; the first error gives the exit code.
async fn each<F, Fut>(ids: &[JobId], program: &str, act: F) -> Result<ExitCode>
where
    F: Fn(JobId) -> Fut,
    Fut: Future<Output = Result>,
{
    let mut code = exit::DONE;
    for id in ids {
        if let Err(fail) = act(id.clone()).await {
            fail.report(program);
            if code == exit::DONE {
                code = fail.code;
            }
        }
    }
    Ok(ExitCode::from(code))
}

/// `NAME=VALUE` of a command line.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn labels(pairs: &[(String, String)]) -> Labels {
    pairs.iter().cloned().collect()
}

/// The words of a filter as one text, if there are any.
fn words(args: &[String]) -> Option<String> {
    (!args.is_empty()).then(|| args.join(" "))
}

/// A time span of a command line: seconds (`90`, `1.5`), or with units (`90s`, `5m`, `1h 30m`, `2d`).
pub fn time_span(text: &str) -> std::result::Result<Duration, String> {
    let bad = || format!("'{text}' is no time span like 90, 90s, 5m, 1h 30m or 2d");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    // A day here is 24 hours, whatever the clocks do.
    let span: jiff::Span = text.parse().map_err(|_| bad())?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| bad())?;
    Duration::try_from(duration).map_err(|_| bad())
}

/// A file of at most `limit` bytes, `-` for standard input, as text.
fn read_text(path: &str, limit: u64) -> Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().take(limit + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|error| Fail::io(path, &error))?;
        file.take(limit + 1).read_to_string(&mut text)
    };
    read.map_err(|error| Fail::io(path, &error))?;
    if text.len() as u64 > limit {
        return Err(Fail::usage(format!("{path}: more than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_seconds_or_have_units() {
        let seconds = |text| time_span(text).map(|span| span.as_secs_f64());
        assert_eq!(seconds("1.5"), Ok(1.5));
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1h 30m"), Ok(5400.0));
        assert_eq!(seconds("2d"), Ok(172_800.0));
        for text in ["", "-1", "x", "1y", "inf", "-5m"] {
            assert!(time_span(text).is_err(), "{text}");
        }
    }
}
