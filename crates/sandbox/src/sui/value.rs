//! Contents between the JSON of this project and the message that carries them.

use prost_types::{ListValue, Struct, Value, value::Kind};

use super::faults::MAX_OVERSIZE;

/// The message for this JSON. Numbers become doubles, as the message knows no other.
pub(super) fn from_json(json: &serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(*value),
        serde_json::Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => Kind::StringValue(value.clone()),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(from_json).collect(),
        }),
        serde_json::Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(name, value)| (name.clone(), from_json(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

/// Adds a field with a text of so many bytes, at most [`MAX_OVERSIZE`]; what has no fields becomes the text.
pub(super) fn pad(contents: &mut Value, bytes: u64) {
    let length = usize::try_from(bytes.min(MAX_OVERSIZE)).unwrap_or(usize::MAX);
    let text = Value {
        kind: Some(Kind::StringValue("x".repeat(length))),
    };
    match &mut contents.kind {
        Some(Kind::StructValue(fields)) => {
            fields.fields.insert("padding".to_owned(), text);
        }
        _ => *contents = text,
    }
}
