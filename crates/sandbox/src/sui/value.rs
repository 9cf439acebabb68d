//! Contents between the JSON of this project and the message that carries them.

use prost_types::{ListValue, Struct, Value, value::Kind};

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
