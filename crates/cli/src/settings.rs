//! Settings: a flag, then the environment, then the project's file, then the user's file, then the default.
//!
//! Invariant: a project's file comes with a folder that somebody else may have written, so it can never choose which
//! server gets the user's jobs, nor which file is read as a token.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::exit::{Fail, Result};

/// Flags that every command of every program has.
#[expect(
    clippy::doc_markdown,
    reason = "shown as help, where backticks are noise"
)]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Folder of the jobs and of their server's socket [default: the user's data folder; env: LONGHAUL_DATA_DIR]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub data_dir: Option<PathBuf>,
    /// Server elsewhere, http(s)://HOST:PORT [env: LONGHAUL_URL]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        conflicts_with = "data_dir",
        help_heading = "Global options"
    )]
    pub url: Option<String>,
    /// File whose first line is the token for that server [env: LONGHAUL_TOKEN_FILE]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub token_file: Option<PathBuf>,
    /// File of the certificates (PEM) to trust for https, and no others [env: LONGHAUL_CA_FILE]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub ca_file: Option<PathBuf>,
    /// Print JSON: one object, or a line per event when following
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
}

/// Which server a command talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one of this data folder, started when none runs.
    Local(PathBuf),
    /// One elsewhere.
    Remote {
        /// Its address.
        url: String,
        /// The file that holds the token for it.
        token_file: Option<PathBuf>,
        /// The file of the certificates to trust; the system's when none.
        ca_file: Option<PathBuf>,
    },
}

/// Where a setting was found, the strongest place first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Flag,
    Environment,
    UserFile,
}

/// Keys that only the user's own file may hold.
const TRUSTED: [&str; 7] = [
    "data_dir",
    "url",
    "token_file",
    "ca_file",
    "serve",
    "allow_targets",
    "webhooks",
];
/// Keys that either file may hold: defaults of submissions, and the settings of `waltodo`.
const HARMLESS: [&str; 2] = ["queue", "waltodo"];
/// The project's file, looked for in the working folder and those above it.
const PROJECT_FILE: &str = "longhaul.toml";
/// A settings file is short.
const MAX_FILE: u64 = 1 << 20;

/// The settings of one command.
#[derive(Clone, Debug)]
pub struct Settings {
    global: Global,
    project: Option<File>,
    user: Option<File>,
}

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    table: Table,
}

impl Settings {
    /// Reads the files.
    pub fn load(global: &Global) -> Result<Self> {
        let user = match user_file() {
            Some(path) => File::read(path, true)?,
            None => None,
        };
        let project = match env::current_dir() {
            Ok(folder) => project_file(&folder, user.as_ref().map(|file| file.path.as_path()))?,
            Err(_) => None,
        };
        Ok(Self {
            global: global.clone(),
            project,
            user,
        })
    }

    /// The server to talk to. An address and a data folder named in different places: the stronger place counts.
    pub fn target(&self) -> Result<Target> {
        let url = self.trusted(self.global.url.clone(), "LONGHAUL_URL", "url")?;
        let folder = self.folder_setting()?;
        let Some((url_place, url)) = url else {
            return self.data_dir().map(Target::Local);
        };
        if folder.is_some_and(|(place, _)| place < url_place) {
            return self.data_dir().map(Target::Local);
        }
        let flag = self.global.token_file.as_deref().map(path_text);
        let token_file = self.trusted(flag.transpose()?, "LONGHAUL_TOKEN_FILE", "token_file")?;
        // A token kept for one server must not go to another that a flag or the environment names.
        let token_file = token_file
            .filter(|(place, _)| *place <= url_place)
            .map(|(place, path)| self.absolute(place, &path))
            .transpose()?;
        let flag = self.global.ca_file.as_deref().map(path_text);
        let ca_file = self.trusted(flag.transpose()?, "LONGHAUL_CA_FILE", "ca_file")?;
        // Nor is who speaks for the one trusted to speak for the other.
        let ca_file = ca_file
            .filter(|(place, _)| *place <= url_place)
            .map(|(place, path)| self.absolute(place, &path))
            .transpose()?;
        Ok(Target::Remote {
            url,
            token_file,
            ca_file,
        })
    }

    /// The data folder, absolute.
    pub fn data_dir(&self) -> Result<PathBuf> {
        match self.folder_setting()? {
            Some((place, path)) => self.absolute(place, &path),
            None => default_data_dir(),
        }
    }

    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// The flags that another command needs to reach the same server, with a blank before each; empty when it needs none.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            flags.push_str(&format!(" --{name} '{value}'"));
        };
        if let Some(path) = &self.global.data_dir {
            add("data-dir", &path.display());
        }
        if let Some(url) = &self.global.url {
            add("url", url);
        }
        if let Some(path) = &self.global.token_file {
            add("token-file", &path.display());
        }
        if let Some(path) = &self.global.ca_file {
            add("ca-file", &path.display());
        }
        flags
    }

    /// The token's file that a flag or the environment names, absolute.
    pub fn token_file(&self) -> Result<Option<PathBuf>> {
        let flag = self
            .global
            .token_file
            .as_deref()
            .map(path_text)
            .transpose()?;
        let found = self.trusted(flag, "LONGHAUL_TOKEN_FILE", "token_file")?;
        found
            .filter(|(place, _)| *place < Place::UserFile)
            .map(|(place, path)| self.absolute(place, &path))
            .transpose()
    }

    /// A setting that either file may hold, under a path of keys (`["waltodo", "network"]`); `variable` is the
    /// environment's name for it. Numbers and truth values come as text.
    pub fn text(&self, variable: &str, keys: &[&str]) -> Result<Option<String>> {
        if let Some(text) = environment(variable)? {
            return Ok(Some(text));
        }
        for file in [&self.project, &self.user].into_iter().flatten() {
            if let Some(text) = file.text(keys)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// A number for the server: a flag, then the environment, then the table `serve` of the user's own file.
    pub fn served<T: FromStr>(
        &self,
        flag: Option<T>,
        variable: &str,
        key: &str,
    ) -> Result<Option<T>> {
        if flag.is_some() {
            return Ok(flag);
        }
        let text = match environment(variable)? {
            Some(text) => Some((text, variable.to_owned())),
            None => match &self.user {
                Some(file) => file
                    .text(&["serve", key])?
                    .map(|text| (text, format!("{}: serve.{key}", file.path.display()))),
                None => None,
            },
        };
        let Some((text, place)) = text else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Fail::usage(format!(
                "{place}: '{text}' is no number from 1"
            ))),
        }
    }

    /// A setting that the user's own file alone may hold.
    pub fn own<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(file) = &self.user else {
            return Ok(None);
        };
        let value = file.table.get(key).cloned();
        value.map(Value::try_into).transpose().map_err(|error| {
            let shown = file.path.display();
            Fail::usage(format!("{shown}: {key}: {}", error.message()))
        })
    }

    fn folder_setting(&self) -> Result<Option<(Place, String)>> {
        let flag = self.global.data_dir.as_deref().map(path_text);
        self.trusted(flag.transpose()?, "LONGHAUL_DATA_DIR", "data_dir")
    }

    fn trusted(
        &self,
        flag: Option<String>,
        variable: &str,
        key: &str,
    ) -> Result<Option<(Place, String)>> {
        if let Some(value) = flag {
            return Ok(Some((Place::Flag, value)));
        }
        if let Some(value) = environment(variable)? {
            return Ok(Some((Place::Environment, value)));
        }
        let Some(file) = &self.user else {
            return Ok(None);
        };
        Ok(file.text(&[key])?.map(|value| (Place::UserFile, value)))
    }

    /// A path of a setting: relative to the file that names it, else to the working folder.
    fn absolute(&self, place: Place, path: &str) -> Result<PathBuf> {
        let home = path.strip_prefix("~/").map(|rest| (home(), rest));
        if let Some((Some(home), rest)) = home {
            return Ok(home.join(rest));
        }
        match (place, &self.user) {
            (Place::UserFile, Some(file)) => {
                Ok(file.path.parent().unwrap_or(Path::new("/")).join(path))
            }
            _ => std::path::absolute(path).map_err(|error| Fail::io(path, &error)),
        }
    }
}

impl File {
    /// The file at `path`, if there is one.
    fn read(path: PathBuf, trusted: bool) -> Result<Option<Self>> {
        let shown = path.display();
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fail::io(&shown, &error)),
            Ok(metadata) if metadata.len() > MAX_FILE => {
                return Err(Fail::usage(format!(
                    "{shown}: too large for a settings file"
                )));
            }
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|error| Fail::io(&shown, &error))?;
        let table: Table = toml::from_str(&text)
            .map_err(|error| Fail::usage(format!("{shown}: {}", error.message())))?;
        for key in table.keys() {
            let key = key.as_str();
            if HARMLESS.contains(&key) || (trusted && TRUSTED.contains(&key)) {
                continue;
            }
            let why = if TRUSTED.contains(&key) {
                "can not be set by a project's file"
            } else {
                "is no setting"
            };
            return Err(
                Fail::usage(format!("{shown}: '{key}' {why}")).hint(if trusted {
                    "Known are: data_dir, url, token_file, ca_file, queue, allow_targets, and the tables serve, waltodo and webhooks."
                } else {
                    "Which server gets your jobs is set by a flag, the environment or your own file."
                }),
            );
        }
        Ok(Some(Self { path, table }))
    }

    fn text(&self, keys: &[&str]) -> Result<Option<String>> {
        let mut value = None;
        let mut table = Some(&self.table);
        for key in keys {
            value = table.and_then(|table| table.get(*key));
            table = value.and_then(Value::as_table);
        }
        match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Integer(number)) => Ok(Some(number.to_string())),
            Some(Value::Float(number)) => Ok(Some(number.to_string())),
            Some(Value::Boolean(truth)) => Ok(Some(truth.to_string())),
            Some(_) => Err(Fail::usage(format!(
                "{}: '{}' must be text or a number",
                self.path.display(),
                keys.join(".")
            ))),
        }
    }
}

/// The user's data folder for Longhaul.
fn default_data_dir() -> Result<PathBuf> {
    let base = absolute_variable("XDG_DATA_HOME").or_else(|| Some(home()?.join(".local/share")));
    base.map(|base| base.join("longhaul")).ok_or_else(|| {
        Fail::failed("there is no home folder to keep jobs in")
            .hint("Set LONGHAUL_DATA_DIR to a folder of yours.")
    })
}

fn user_file() -> Option<PathBuf> {
    let base = absolute_variable("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))?;
    Some(base.join("longhaul/config.toml"))
}

/// The nearest project file at or above `folder`. A file of another user is not looked at.
fn project_file(folder: &Path, user_file: Option<&Path>) -> Result<Option<File>> {
    let own = rustix::process::geteuid().as_raw();
    for folder in folder.ancestors() {
        let path = folder.join(PROJECT_FILE);
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_file() && metadata.uid() == own && Some(path.as_path()) != user_file {
            return File::read(path, false);
        }
    }
    Ok(None)
}

fn home() -> Option<PathBuf> {
    env::home_dir().filter(|path| path.is_absolute())
}

/// A folder that a variable of the XDG standard names; relative ones do not count.
fn absolute_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

fn environment(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Fail::usage(format!("{name} is not UTF-8"))),
    }
}

/// A path as text: paths go into JSON and TOML.
pub(crate) fn path_text(path: &Path) -> Result<String> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Fail::usage(format!("{} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(global: Global, user: &str) -> Settings {
        Settings {
            global,
            project: None,
            user: Some(File {
                path: "/home/u/.config/longhaul/config.toml".into(),
                table: toml::from_str(user).expect("toml"),
            }),
        }
    }

    #[test]
    fn a_token_goes_only_to_the_server_it_is_kept_for() {
        let user = "url = 'http://one:1'\ntoken_file = 'token'\nca_file = 'ca.pem'";
        let kept = settings(Global::default(), user).target().expect("target");
        assert_eq!(
            kept,
            Target::Remote {
                url: "http://one:1".to_owned(),
                token_file: Some("/home/u/.config/longhaul/token".into()),
                ca_file: Some("/home/u/.config/longhaul/ca.pem".into()),
            }
        );
        let other = Global {
            url: Some("http://two:2".to_owned()),
            ..Global::default()
        };
        assert_eq!(
            settings(other, user).target().expect("target"),
            Target::Remote {
                url: "http://two:2".to_owned(),
                token_file: None,
                ca_file: None,
            }
        );
    }

    #[test]
    fn a_data_folder_on_the_command_line_beats_an_address_in_a_file() {
        let flag = Global {
            data_dir: Some("/data".into()),
            ..Global::default()
        };
        assert_eq!(
            settings(flag, "url = 'http://one:1'")
                .target()
                .expect("target"),
            Target::Local("/data".into())
        );
    }

    #[test]
    fn a_project_can_not_choose_the_server() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(PROJECT_FILE);
        for key in TRUSTED {
            fs::write(&path, format!("{key} = 'x'")).expect("write");
            let error = project_file(folder.path(), None).expect_err("refused");
            assert!(error.message.contains("can not be set"), "{error:?}");
        }
        fs::write(&path, "queue = 'slow'\n[waltodo]\nchunk_size = 5").expect("write");
        let below = folder.path().join("a/b");
        let project = project_file(&below, None).expect("read").expect("found");
        assert_eq!(
            project.text(&["queue"]).expect("text").as_deref(),
            Some("slow")
        );
        let chunk = project.text(&["waltodo", "chunk_size"]).expect("text");
        assert_eq!(chunk.as_deref(), Some("5"));
        assert_eq!(project.text(&["waltodo", "no"]).expect("text"), None);
        fs::write(&path, "quue = 'slow'").expect("write");
        assert!(project_file(folder.path(), None).is_err());
    }
}
