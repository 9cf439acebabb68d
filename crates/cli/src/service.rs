//! The systemd unit that starts the server at login or boot, and what can be asked of systemd about it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    commands::serve::command_line,
    exit::{Fail, Result},
    settings::path_text,
};

/// The unit's name.
pub const UNIT: &str = "longhaul.service";

/// Where the user's unit file lies.
pub fn unit_path() -> Result<PathBuf> {
    let base = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".config")));
    base.map(|base| base.join("systemd/user").join(UNIT))
        .ok_or_else(|| Fail::failed("there is no home folder for the unit file"))
}

/// Whether a unit is installed for this user.
pub fn is_installed() -> bool {
    unit_path().is_ok_and(|path| path.exists())
}

/// The unit file for a server of `data` run by `program`.
pub fn unit(program: &Path, data: &Path) -> Result<String> {
    let words: Vec<String> = command_line(program, data)
        .iter()
        .map(|word| path_text(word).map(|word| quote(&word)))
        .collect::<Result<_>>()?;
    Ok(format!(
        "[Unit]\n\
         Description=Longhaul, long operations in the background\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={}\n\
         Restart=on-failure\n\
         RestartSec=1\n\
         # The server first: it gives back what runs. Then whatever is left.\n\
         KillMode=mixed\n\
         TimeoutStopSec=30\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    ))
}

/// A word of a command line as systemd reads it.
fn quote(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What `systemctl --user` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it did what was asked.
    pub ok: bool,
    /// What it printed, both streams.
    pub text: String,
}

/// Asks the user's systemd; none where there is none that answers.
pub fn systemctl(args: &[&str]) -> Option<Answer> {
    let output = Command::new("systemctl")
        .arg("--user")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let mut text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("Failed to connect") || complaint.contains("has not been booted") {
        return None;
    }
    text.push_str(complaint.trim());
    Some(Answer {
        ok: output.status.success(),
        text,
    })
}

/// Whether the unit runs now.
pub fn is_active() -> bool {
    systemctl(&["is-active", UNIT]).is_some_and(|answer| answer.ok)
}

/// Whether the user's services run without a login; none where nobody knows.
pub fn lingers() -> Option<bool> {
    let output = Command::new("loginctl")
        .args(["show-user", "--property=Linger", "--value"])
        .arg(rustix::process::getuid().as_raw().to_string())
        .stdin(Stdio::null())
        .output()
        .ok()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_stands_in_the_unit_word_by_word() {
        let unit = unit(Path::new("/opt/a b/longhaul"), Path::new("/d/50%\"$x")).expect("unit");
        let line = unit.lines().find(|line| line.starts_with("ExecStart="));
        assert_eq!(
            line,
            Some(r#"ExecStart="/opt/a b/longhaul" "serve" "--data-dir" "/d/50%%\"$$x""#)
        );
    }
}
