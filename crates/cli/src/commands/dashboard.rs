//! `longhaul dashboard`: a link that opens the page where jobs are watched.
//!
//! Invariant: the code of the link is in no command line that other users could read: the browser gets it from a private
//! file.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use longhaul_types::body::DashboardLink;
use tokio::{process::Command, time::timeout};

use crate::{
    data_dir::DataDir,
    exit::{Fail, Result},
    output,
    session::Session,
    settings::{Settings, Target},
};

/// How long the opener may take to fail. One that takes longer has become the browser itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Flags of `longhaul dashboard`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only print the link; without this a browser is opened where there is a display
    #[arg(long)]
    print: bool,
}

/// Prints a link, and opens a browser with it.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let session = Session::open(settings).await?;
    let mut link = session.client.dashboard_link().await?;
    let target = settings.target()?;
    if let Target::Remote { url, .. } = &target {
        link.url = elsewhere(url, &link.url)?;
    }
    if settings.json() {
        output::json(&link)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&link.url)?;
    let opened = match &target {
        Target::Local(path) if !args.print && has_display() => {
            let data = DataDir::open(path)?;
            open(&data, &link).await
        }
        _ => false,
    };
    if opened {
        eprintln!("A browser opens with this link. It works once, within a minute.");
    } else {
        eprintln!("Open this link in a browser. It works once, within a minute.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The link to a server elsewhere: by the address that this command uses, which may have another scheme, name and path
/// than the server sees.
fn elsewhere(base: &str, link: &str) -> Result<String> {
    let (_, fragment) = link
        .split_once('#')
        .ok_or_else(|| Fail::failed("the server gave a link without a code"))?;
    Ok(format!("{}/#{fragment}", base.trim_end_matches('/')))
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Opens a browser with a page that leads to the link. Whether that worked.
async fn open(data: &DataDir, link: &DashboardLink) -> bool {
    let Ok(page) = write_page(&data.path().join("dashboard.html"), &link.url) else {
        return false;
    };
    let started = Command::new("xdg-open")
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in this terminal is not for the browser.
        .process_group(0)
        .spawn();
    let Ok(mut opener) = started else {
        return false;
    };
    match timeout(PATIENCE, opener.wait()).await {
        Ok(ended) => ended.is_ok_and(|status| status.success()),
        Err(_) => true,
    }
}

/// The page that leads to `url`, for this user's eyes. It is worth nothing once the link was used.
fn write_page(path: &Path, url: &str) -> std::io::Result<PathBuf> {
    let mut file = DataDir::private_file(path)?;
    file.set_len(0)?;
    write!(
        file,
        "<!doctype html><meta charset=utf-8><title>Longhaul</title>\
         <meta http-equiv=refresh content=\"0;url={url}\"><p><a href=\"{url}\">Open the dashboard</a>"
    )?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_elsewhere_keeps_the_code_and_the_callers_address() {
        let link = elsewhere(
            "https://jobs.example/under/",
            "http://10.0.0.7:4000/#link=abc",
        );
        assert_eq!(link.as_deref(), Ok("https://jobs.example/under/#link=abc"));
        assert!(elsewhere("https://jobs.example", "http://10.0.0.7").is_err());
    }
}
