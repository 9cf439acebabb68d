//! The settings of `waltodo`: a flag, then the environment, then the settings files, then the built-in value.
//!
//! Invariant: every value is checked where it comes in, and the error names the place it came from.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use longhaul_walrus::{
    cache::DEFAULT_BYTES,
    networks::Network,
    sui::{self, Happening, ObjectId},
};
use serde::Deserialize;

use crate::{
    exit::{Fail, Result},
    settings::Settings,
};

/// The document's own settings file.
const FILE: &str = ".waltodo.json";
/// A settings file is short.
const MAX_FILE: u64 = 1 << 20;
/// Longest time limit, in seconds: a year.
const MAX_SECONDS: f64 = 365.0 * 86_400.0;

/// Seconds of a flag or variable: more than none, a year at most.
pub(super) fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= MAX_SECONDS => Ok(seconds),
        _ => Err(format!("'{text}' is no number of seconds, like 300")),
    }
}

/// Items that are retrieved at a time.
pub(super) fn chunk_size(text: &str) -> std::result::Result<usize, String> {
    match text.parse::<usize>() {
        Ok(size @ 1..=256) => Ok(size),
        _ => Err(format!("'{text}' is no number of items from 1 to 256")),
    }
}

/// Attempts in total.
pub(super) fn attempts(text: &str) -> std::result::Result<u32, String> {
    match text.parse::<u32>() {
        Ok(attempts @ 1..=100) => Ok(attempts),
        _ => Err(format!("'{text}' is no number of attempts from 1 to 100")),
    }
}

/// Bytes of results that are kept, from a number of megabytes.
pub(super) fn cache_size(text: &str) -> std::result::Result<u64, String> {
    match text.parse::<u64>() {
        Ok(megabytes @ 0..=1_000_000) => Ok(megabytes * 1_000_000),
        _ => Err(format!(
            "'{text}' is no number of megabytes from 0 to 1000000"
        )),
    }
}

/// A network's name.
pub(super) fn network(text: &str) -> std::result::Result<Network, String> {
    Network::from_str(text).map_err(|error| error.to_string())
}

/// The base address of an aggregator.
pub(super) fn aggregator(text: &str) -> std::result::Result<String, String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "'{text}' is no address of an aggregator, like https://aggregator.example"
        )),
    }
}

/// The address of a Sui node.
pub(super) fn node(text: &str) -> std::result::Result<String, String> {
    sui::check(text).map_err(|why| {
        format!("'{text}' is no address of a Sui node, like https://fullnode.testnet.sui.io: {why}")
    })?;
    Ok(text.to_owned())
}

/// The ID of an object or package on Sui.
pub(super) fn object_id(text: &str) -> std::result::Result<ObjectId, String> {
    text.parse()
        .map_err(|error: sui::InvalidId| error.to_string())
}

/// What may be followed of a package.
pub(super) fn happening(text: &str) -> std::result::Result<Happening, String> {
    text.parse()
        .map_err(|error: sui::UnknownEvent| error.to_string())
}

/// A number that a flag, the environment's `variable` or the table `waltodo` of a settings file gives.
pub(super) fn number<T: Copy>(
    flag: Option<T>,
    settings: &Settings,
    (variable, key): (&str, &str),
    parse: fn(&str) -> std::result::Result<T, String>,
    default: T,
) -> Result<T> {
    if let Some(value) = flag {
        return Ok(value);
    }
    match settings.text(variable, &["waltodo", key])? {
        None => Ok(default),
        Some(text) => {
            parse(&text).map_err(|why| Fail::usage(format!("{variable} (waltodo.{key}): {why}")))
        }
    }
}

/// Attempts in total: a flag, `WALTODO_BACKGROUND_RETRY_ATTEMPTS`, the settings files, 3.
pub(super) fn attempts_of(flag: Option<u32>, settings: &Settings) -> Result<u32> {
    let names = ("WALTODO_BACKGROUND_RETRY_ATTEMPTS", "retry_attempts");
    number(flag, settings, names, attempts, 3)
}

/// Bytes of results that are kept: a flag, `WALTODO_CACHE_SIZE`, the settings files, 1 GB.
pub(super) fn cache_size_of(flag: Option<u64>, settings: &Settings) -> Result<u64> {
    let names = ("WALTODO_CACHE_SIZE", "cache_size");
    number(flag, settings, names, cache_size, DEFAULT_BYTES)
}

/// Whether no way is given to other work: a flag, `WALTODO_FULL_SPEED`, the settings files, no.
pub(super) fn full_speed_of(flag: bool, settings: &Settings) -> Result<bool> {
    let names = ("WALTODO_FULL_SPEED", "full_speed");
    number(flag.then_some(true), settings, names, yes_or_no, false)
}

fn yes_or_no(text: &str) -> std::result::Result<bool, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is neither true nor false"))
}

/// The network and its aggregator: a flag, `WALRUS_AGGREGATOR_URL`, `.waltodo.json`, the network's public one.
pub(super) fn service(
    network_flag: Option<Network>,
    aggregator_flag: Option<&str>,
) -> Result<String> {
    if let Some(address) = aggregator_flag {
        return Ok(address.to_owned());
    }
    if let Some(address) = variable("WALRUS_AGGREGATOR_URL")? {
        return aggregator(&address)
            .map_err(|why| Fail::usage(format!("WALRUS_AGGREGATOR_URL: {why}")));
    }
    let file = File::find()?;
    choose(network_flag, file.as_ref())
}

/// The Sui node (a flag, `SUI_RPC_URL`, the network's public one), and the network it must be of, where one was asked for.
pub(super) fn sui_node(
    network_flag: Option<Network>,
    node_flag: Option<&str>,
) -> Result<(String, Option<Network>)> {
    let file = File::find()?;
    let wanted = asked_for(network_flag, file.as_ref())?;
    if let Some(address) = node_flag {
        return Ok((address.to_owned(), wanted));
    }
    let address = match variable("SUI_RPC_URL")? {
        Some(address) => {
            node(&address).map_err(|why| Fail::usage(format!("SUI_RPC_URL: {why}")))?
        }
        None => wanted.unwrap_or_default().sui_node().to_owned(),
    };
    Ok((address, wanted))
}

/// The package whose events are meant: a flag, `TODO_PACKAGE_ID`, `.waltodo.json`.
pub(super) fn package(flag: Option<ObjectId>) -> Result<ObjectId> {
    if let Some(package) = flag {
        return Ok(package);
    }
    if let Some(text) = variable("TODO_PACKAGE_ID")? {
        return object_id(&text).map_err(|why| Fail::usage(format!("TODO_PACKAGE_ID: {why}")));
    }
    let file = File::find()?;
    match file.as_ref().and_then(|file| file.package_id.as_deref()) {
        Some(text) => object_id(text).map_err(|why| in_file(file.as_ref(), "packageId", &why)),
        None => Err(Fail::usage("it is not said which package's events are meant").hint(
            "Set TODO_PACKAGE_ID to the ID of the todos' package, or packageId in .waltodo.json, or give --package.",
        )),
    }
}

fn in_file(file: Option<&File>, what: &str, why: &str) -> Fail {
    let path = file.map(|file| file.path.display().to_string());
    Fail::usage(format!("{}: {what}: {why}", path.unwrap_or_default()))
}

/// The network that a flag or the file asks for.
fn asked_for(flag: Option<Network>, file: Option<&File>) -> Result<Option<Network>> {
    match (flag, file.and_then(|file| file.network.as_deref())) {
        (Some(network), _) => Ok(Some(network)),
        (None, Some(text)) => network(text)
            .map(Some)
            .map_err(|why| in_file(file, "network", &why)),
        (None, None) => Ok(None),
    }
}

fn choose(flag: Option<Network>, file: Option<&File>) -> Result<String> {
    let kept = file.and_then(|file| file.network.as_deref());
    let wanted = asked_for(flag, file)?.unwrap_or_default();
    // An address that is kept for one network is not the one of another.
    let fits = kept.is_none_or(|kept| kept == wanted.as_str());
    match file.and_then(|file| file.aggregator.as_deref()) {
        Some(address) if fits => {
            aggregator(address).map_err(|why| in_file(file, "aggregator", &why))
        }
        _ => wanted
            .aggregator()
            .map(str::to_owned)
            .map_err(|error| Fail::usage(error.to_string())),
    }
}

/// The folder of the local lists, absolute.
pub(super) fn lists() -> Result<PathBuf> {
    match variable("TODO_DATA_PATH")? {
        Some(path) => std::path::absolute(&path).map_err(|error| Fail::io(path, &error)),
        None => home()
            .map(|home| home.join(".waltodo/lists"))
            .ok_or_else(|| {
                Fail::failed("there is no home folder to keep lists in")
                    .hint("Set TODO_DATA_PATH to the folder of your lists.")
            }),
    }
}

fn home() -> Option<PathBuf> {
    env::home_dir().filter(|path| path.is_absolute())
}

fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Fail::usage(format!("{name} is not UTF-8"))),
    }
}

/// What is used of `.waltodo.json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(skip)]
    path: PathBuf,
    network: Option<String>,
    aggregator: Option<String>,
    package_id: Option<String>,
}

impl File {
    /// The one in the folder of `WALRUS_TODO_CONFIG_DIR`; else the one of the working folder; else the one of the home.
    fn find() -> Result<Option<Self>> {
        let folders = match variable("WALRUS_TODO_CONFIG_DIR")? {
            Some(folder) => vec![PathBuf::from(folder)],
            None => env::current_dir().into_iter().chain(home()).collect(),
        };
        for folder in folders {
            if let Some(file) = Self::read(&folder.join(FILE))? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The file at `path`, if there is one of this user.
    fn read(path: &Path) -> Result<Option<Self>> {
        let own = rustix::process::geteuid().as_raw();
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(None);
        };
        if !metadata.is_file() || metadata.uid() != own {
            return Ok(None);
        }
        let shown = path.display();
        if metadata.len() > MAX_FILE {
            return Err(Fail::usage(format!(
                "{shown}: too large for a settings file"
            )));
        }
        let text = fs::read_to_string(path).map_err(|error| Fail::io(shown, &error))?;
        let file: Self = serde_json::from_str(&text)
            .map_err(|error| Fail::usage(format!("{}: {error}", path.display())))?;
        Ok(Some(Self {
            path: path.to_owned(),
            ..file
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked() {
        assert_eq!(seconds("1.5"), Ok(1.5));
        for text in ["0", "-1", "x", "", "inf", "NaN", "1e12"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(chunk_size("10"), Ok(10));
        assert!(chunk_size("0").is_err() && chunk_size("257").is_err());
        assert!(attempts("0").is_err() && attempts("3").is_ok());
        assert_eq!(cache_size("2"), Ok(2_000_000));
        assert!(cache_size("-1").is_err() && cache_size("1000001").is_err());
    }

    #[test]
    fn an_aggregator_is_an_address() {
        assert!(aggregator("http://127.0.0.1:9000").is_ok());
        for text in ["", "127.0.0.1", "ftp://x", "https://", "http://a b"] {
            assert!(aggregator(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_documents_file_names_network_and_aggregator() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE);
        assert!(File::read(&path).expect("read").is_none());
        let text = r#"{"network":"mainnet","aggregator":"http://mine","walletAddress":"0x1"}"#;
        fs::write(&path, text).expect("write");
        let file = File::read(&path).expect("read").expect("there");
        assert_eq!(choose(None, Some(&file)), Ok("http://mine".to_owned()));
        let testnet = Network::Testnet.aggregator().expect("public").to_owned();
        assert_eq!(choose(Some(Network::Testnet), Some(&file)), Ok(testnet));
        assert!(choose(Some(Network::Devnet), Some(&file)).is_err());
        fs::write(&path, r#"{"network":"moon"}"#).expect("write");
        let file = File::read(&path).expect("read");
        let error = choose(None, file.as_ref()).expect_err("refused");
        assert!(
            error.message.contains("'moon' is not a network"),
            "{error:?}"
        );
    }
}
