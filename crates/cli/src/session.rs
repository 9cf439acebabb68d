//! A command's connection to its server, here or elsewhere.

use std::{fs, io::Read as _, os::unix::fs::PermissionsExt, path::Path};

use longhaul_client::{Client, Error, Token};
use longhaul_types::{
    ErrorCode,
    body::{SubmitAnswer, SubmitRequest},
    exit,
};

use crate::{
    daemon,
    data_dir::DataDir,
    exit::{Fail, Result, code_of},
    settings::{Settings, Target},
};

/// Longest token file that is read.
const MAX_TOKEN: u64 = 4096;
/// Bytes of a file of certificates that are read: those of a whole system are below.
const MAX_CERTIFICATES: u64 = 4 << 20;

/// A command's connection to its server.
#[derive(Clone, Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// The data folder, when the server is the local one.
    data: Option<DataDir>,
}

impl Session {
    /// Connects to the server that the settings name; the local one is started when it does not run.
    pub async fn open(settings: &Settings) -> Result<Self> {
        match settings.target()? {
            Target::Local(path) => {
                let data = DataDir::open(&path)?;
                let client = daemon::connect(&data).await?;
                Ok(Self {
                    client,
                    data: Some(data),
                })
            }
            Target::Remote {
                url,
                token_file,
                ca_file,
            } => {
                let token = token_file.map(|path| read_token(&path)).transpose()?;
                let trusted = ca_file.map(|path| read_certificates(&path)).transpose()?;
                Ok(Self {
                    client: Client::tcp_trusting(&url, token, trusted.as_deref())?,
                    data: None,
                })
            }
        }
    }

    /// Whether the server is this machine's own, reached over its socket.
    pub fn is_local(&self) -> bool {
        self.data.is_some()
    }

    /// Has the local server run again, when it was lost. Answers whether that may help.
    pub async fn revive(&self) -> Result<bool> {
        let Some(data) = &self.data else {
            return Ok(false);
        };
        daemon::connect(data).await?;
        Ok(true)
    }

    /// Starts a job, once, also when the server is lost in between.
    pub async fn submit(&self, request: &SubmitRequest) -> Result<SubmitAnswer> {
        let key = uuid::Uuid::now_v7().to_string();
        match self.client.submit_once(request, &key).await {
            Err(error) if is_lost(&error) && self.revive().await? => {
                Ok(self.client.submit_once(request, &key).await?)
            }
            answer => Ok(answer?),
        }
    }
}

/// Whether the server went away: asking again may help.
pub fn is_lost(error: &Error) -> bool {
    error.is_unavailable() || matches!(error, Error::Interrupted { .. })
}

fn read_token(path: &Path) -> Result<Token> {
    let denied = |message: String| Fail::new(exit::NOT_AUTHORISED, message);
    let shown = path.display();
    let file = fs::File::open(path).map_err(|error| denied(format!("{shown}: {error}")))?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(denied(format!(
            "{shown} can be read by other users (mode {mode:04o})"
        ))
        .hint(format!("Close it with: chmod 600 '{shown}'")));
    }
    let mut text = String::new();
    file.take(MAX_TOKEN).read_to_string(&mut text)?;
    Ok(Token::new(text.lines().next().unwrap_or_default())?)
}

fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_CERTIFICATES).read_to_end(&mut text))
        .map_err(|error| Fail::usage(format!("{}: {error}", path.display())))?;
    Ok(text)
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        let fail = |code| Self::new(code, error.to_string());
        match &error {
            Error::Refused(problem) => {
                let fail = fail(code_of(problem.code));
                match problem.code {
                    ErrorCode::Unauthorised => fail.hint(
                        "Name the file that holds the server's token with --token-file or LONGHAUL_TOKEN_FILE.",
                    ),
                    ErrorCode::UnknownQueue => fail.hint("Which queues there are: longhaul queues"),
                    ErrorCode::UnknownSchedule => {
                        fail.hint("Which schedules there are: longhaul schedules")
                    }
                    ErrorCode::UnknownKind => fail.hint("Which kinds there are: longhaul doctor"),
                    _ => fail,
                }
            }
            Error::Unreachable { why, .. } if why.contains("certificate") => fail(
                exit::UNREACHABLE,
            )
            .hint(
                "Name the file of its authority's certificates with --ca-file or LONGHAUL_CA_FILE.",
            ),
            Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Unexpected { .. } => {
                fail(exit::UNREACHABLE)
            }
            Error::Setup(_) => fail(exit::USAGE),
        }
    }
}
