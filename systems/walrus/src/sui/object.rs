//! Objects of Sui: their IDs, and the blob that one names.
//!
//! Invariant: of an address that an object carries only the blob ID at its end is used; where the blob is fetched from is
//! for the caller to say.

use std::{collections::BTreeMap, fmt, str::FromStr};

use prost_types::{Value, value::Kind};
use serde::{Deserialize, Serialize};

use super::error::{Error, bounded};
use crate::blob_id::BlobId;

/// The fields that may name a blob, in the order in which they are believed.
const BLOB_FIELDS: [&str; 2] = ["walrus_blob_id", "image_url"];

/// The ID of an object, or the address of a package.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId([u8; 32]);

/// The text is no object ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no Sui object ID: it is 0x and 1 to 64 hexadecimal digits, {why}")]
pub struct InvalidId {
    text: String,
    why: &'static str,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl FromStr for ObjectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = |why| InvalidId {
            text: text.chars().take(80).collect(),
            why,
        };
        let digits = text
            .strip_prefix("0x")
            .ok_or_else(|| invalid("and this does not begin with 0x"))?;
        if !(1..=64).contains(&digits.len()) {
            return Err(invalid("and this has another number of them"));
        }
        let mut id = [0; 32];
        // From the right: short IDs are filled up with zeros on the left.
        for (place, digit) in digits.bytes().rev().enumerate() {
            let value = char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
                .ok_or_else(|| invalid("and this has other characters"))?;
            id[31 - place / 2] |= value << (4 * (place % 2));
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

/// An object as a node shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    id: ObjectId,
    kind: String,
    fields: BTreeMap<String, Value>,
}

impl Object {
    pub(super) fn new(id: ObjectId, kind: &str, json: Option<Value>) -> Self {
        Self {
            id,
            kind: bounded(kind),
            fields: fields(json),
        }
    }

    /// Its ID.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its title, if it has one.
    pub fn title(&self) -> Option<&str> {
        text_of(&self.fields, "title")
    }

    /// The blob it names: by `walrus_blob_id` or `image_url`, as a blob ID or an address that ends in one.
    ///
    /// # Errors
    /// [`Error::Package`], [`Error::NoBlob`] and [`Error::BadBlob`].
    pub fn blob(&self) -> Result<BlobId, Error> {
        if self.kind == "package" {
            return Err(Error::Package(self.id));
        }
        let mut named = None;
        for field in BLOB_FIELDS {
            let Some(text) = text_of(&self.fields, field).filter(|text| !text.trim().is_empty())
            else {
                continue;
            };
            if let Some(blob) = blob_of(text) {
                return Ok(blob);
            }
            named.get_or_insert((field, text));
        }
        Err(match named {
            Some((field, text)) => Error::BadBlob {
                object: self.id,
                field,
                text: bounded(text),
            },
            None => Error::NoBlob {
                object: self.id,
                kind: self.kind.clone(),
            },
        })
    }
}

/// The fields of a JSON object; none of anything else.
pub(super) fn fields(json: Option<Value>) -> BTreeMap<String, Value> {
    match json.and_then(|value| value.kind) {
        Some(Kind::StructValue(value)) => value.fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// A field's text; that of an address may stand one step deeper, in `url`.
pub(super) fn text_of<'a>(fields: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a str> {
    match fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        Kind::StructValue(inner) => match inner.fields.get("url")?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The blob that a text names: `ID`, `https://aggregator/v1/blobs/ID`, `walrus://ID` or `walrus:ID`.
fn blob_of(text: &str) -> Option<BlobId> {
    let text = text.trim();
    if let Ok(blob) = text.parse() {
        return Some(blob);
    }
    let path = ["https://", "http://", "walrus://", "walrus:"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme))?;
    let path = path.split(['?', '#']).next()?;
    path.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: &str = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";

    #[test]
    fn ids_are_hexadecimal() {
        let id: ObjectId = "0x123aBc".parse().expect("an ID");
        assert_eq!(id.to_string(), format!("0x{}123abc", "0".repeat(58)));
        assert_eq!(id.to_string().parse(), Ok(id));
        let odd: ObjectId = "0x7".parse().expect("an ID");
        assert!(odd.to_string().ends_with("007"));
        for bad in [
            "",
            "0x",
            "123abc",
            "0x789ghi",
            "0X12",
            &format!("0x{}", "1".repeat(65)),
            "0x12 ",
            "0xé",
        ] {
            let error = bad.parse::<ObjectId>().expect_err(bad).to_string();
            assert!(error.contains("1 to 64 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn a_blob_is_named_in_several_ways() {
        for text in [
            BLOB.to_owned(),
            format!("https://aggregator.example/v1/blobs/{BLOB}"),
            format!("http://127.0.0.1:31990/v1/blobs/{BLOB}/?epochs=3#top"),
            format!("walrus://{BLOB}"),
            format!("walrus:{BLOB}"),
            format!("  {BLOB} "),
        ] {
            let blob = blob_of(&text).map(|blob| blob.to_string());
            assert_eq!(blob.as_deref(), Some(BLOB), "{text}");
        }
        for text in [
            "",
            "https://example.com/cat.png",
            "ftp://x/y",
            "QmXyz123",
            &format!("https://x/{BLOB}.png"),
        ] {
            assert_eq!(blob_of(text), None, "{text}");
        }
    }

    fn object(kind: &str, fields: &[(&str, Kind)]) -> Object {
        let value = |kind: &Kind| Value {
            kind: Some(kind.clone()),
        };
        let json = Value {
            kind: Some(Kind::StructValue(prost_types::Struct {
                fields: fields
                    .iter()
                    .map(|(name, kind)| ((*name).to_owned(), value(kind)))
                    .collect(),
            })),
        };
        Object::new(ObjectId([7; 32]), kind, Some(json))
    }

    #[test]
    fn either_field_names_the_blob() {
        let text = |text: &str| Kind::StringValue(text.to_owned());
        let url = format!("https://x/v1/blobs/{BLOB}");
        for fields in [
            vec![("image_url", text(&url))],
            vec![("walrus_blob_id", text(BLOB))],
            vec![
                ("walrus_blob_id", text("")),
                ("image_url", text(&url)),
                ("title", text("t")),
            ],
            vec![
                ("image_url", text("https://x/cat.png")),
                ("walrus_blob_id", text(BLOB)),
            ],
        ] {
            let object = object("0x2::todo_nft::TodoNFT", &fields);
            assert_eq!(object.blob().expect("a blob").to_string(), BLOB);
        }
        let none = object("0x2::coin::Coin", &[("balance", text("7"))]);
        assert!(matches!(none.blob(), Err(Error::NoBlob { .. })));
        let other = object("0x2::x::X", &[("image_url", Kind::NumberValue(7.0))]);
        assert!(matches!(other.blob(), Err(Error::NoBlob { .. })));
        let cat = object("0x2::x::X", &[("image_url", text("https://x/cat.png"))]);
        assert!(matches!(cat.blob(), Err(Error::BadBlob { .. })));
        let package = object("package", &[("image_url", text(BLOB))]);
        assert!(matches!(package.blob(), Err(Error::Package(_))));
        let bare = Object::new(ObjectId([7; 32]), "x", None);
        assert!(matches!(bare.blob(), Err(Error::NoBlob { .. })));
    }
}
