//! The administrator's token: read from a private file, kept as a hash, compared in constant time.

use std::{io::Read, path::Path};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, folder::open_private};

/// Longest token, in bytes.
const MAX: usize = 512;
/// Shortest token: less can be guessed.
const MIN: usize = 32;

/// A token that may do everything. Only its SHA-256 is kept.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken")
    }
}

impl AdminToken {
    /// Reads the token from a file of this user's alone; white space around it does not count.
    ///
    /// Errors: [`Error::NotPrivate`], [`Error::Foreign`] and [`Error::BadToken`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        open_private(path)?
            .take(MAX as u64 + 64)
            .read_to_string(&mut text)
            .map_err(Error::io(path))?;
        Self::new(text.trim()).ok_or_else(|| Error::BadToken {
            path: path.to_owned(),
        })
    }

    /// The token of this text; none when it is too short, too long or not printable.
    pub fn new(text: &str) -> Option<Self> {
        let sound = (MIN..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self::hash(text))
    }

    /// The token of a text that was made to be one.
    pub(crate) fn hash(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether `text` is this token.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.ct_eq(&other).into()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_file_is_private_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, format!("{TOKEN}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("opened");
        assert!(matches!(
            AdminToken::read(&path),
            Err(Error::NotPrivate { mode: 0o640, .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
        let token = AdminToken::read(&path).expect("read");
        assert!(token.is(TOKEN.as_bytes()));
        assert!(!token.is(b"0123456789abcdef0123456789abcdee"));
        assert!(!token.is(b""));
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn a_token_can_not_be_guessed_or_hold_spaces() {
        for text in ["", "short", &"x y".repeat(20), &"x".repeat(513)] {
            assert!(AdminToken::new(text).is_none(), "{text}");
        }
    }
}
