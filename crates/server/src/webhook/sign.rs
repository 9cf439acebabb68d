//! Signatures, as Standard Webhooks 1.0 say: HMAC-SHA256 over id, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a symmetric key begins with.
const PREFIX: &str = "whsec_";
/// Bytes that a key has.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret that signs is no key: whsec_ and 24 to 64 random bytes as base64")]
pub struct BadKey;

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key of this text: `whsec_` and its bytes as base64.
    pub fn new(text: &str) -> Result<Self, BadKey> {
        let bytes = text.trim().strip_prefix(PREFIX).ok_or(BadKey)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| BadKey)?;
        if !BYTES.contains(&bytes.len()) {
            return Err(BadKey);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| BadKey)
    }

    /// The value of `webhook-signature` for a message, sent at this time in seconds since 1970.
    pub fn sign(&self, id: &str, time: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            key.sign(id, 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_key_is_not_shown() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_?",
        ] {
            assert!(SigningKey::new(text).is_err(), "{text}");
        }
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("a key");
        assert_eq!(format!("{key:?}"), "SigningKey");
    }
}
