//! Secrets in args: named there, put in when the job runs and only there, and taken out of what its run writes.
//!
//! Invariant: what a store is given of a run holds no value of a secret that the run was given: its progress, items, log,
//! error and result are looked through. A checkpoint is its handler's own and no one else is shown it; artifacts are files.

use std::io;

use longhaul_types::ErrorCode;
use serde_json::{Map, Value};

use crate::{
    Failure,
    model::NewJob,
    store::{End, Write},
};

/// The one member of an object in args that stands for a secret: `{"$secret": "name"}`.
const MEMBER: &str = "$secret";
/// What stands where a value was.
const REDACTED: &str = "[redacted]";
/// A line of a value that is shorter is not looked for by itself: it would be found everywhere.
const LINE: usize = 8;

/// Where the values of secrets are kept.
pub trait Secrets: Send + Sync + 'static {
    /// The value of the secret `name` for a job of `kind`. None when there is no such secret, or not for this kind: whoever
    /// may submit a job may name any secret in it, so what a kind's handler does with its args decides which it may have.
    fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>>;
}

/// Whether args may name a secret.
pub(crate) fn named_in(args: &str) -> bool {
    args.contains("\"$secret\"")
}

/// Args with their secrets put in, and what takes them out again.
pub(crate) fn put_in(
    args: &str,
    kind: &str,
    secrets: &dyn Secrets,
) -> Result<(String, Redactor), Failure> {
    let mut args: Value = serde_json::from_str(args)
        .map_err(|error| Failure::fatal(ErrorCode::InvalidArgs.as_str(), error.to_string()))?;
    let mut values = Vec::new();
    put_into(&mut args, kind, secrets, &mut values)?;
    Ok((args.to_string(), Redactor::new(&values)))
}

fn put_into(
    place: &mut Value,
    kind: &str,
    secrets: &dyn Secrets,
    values: &mut Vec<String>,
) -> Result<(), Failure> {
    match place {
        Value::Object(members) => {
            if let Some(name) = named(members)? {
                let value = reveal(name, kind, secrets)?;
                values.push(value.clone());
                *place = Value::String(value);
                return Ok(());
            }
            let mut members = members.values_mut();
            members.try_for_each(|member| put_into(member, kind, secrets, values))
        }
        Value::Array(places) => {
            let mut places = places.iter_mut();
            places.try_for_each(|place| put_into(place, kind, secrets, values))
        }
        _ => Ok(()),
    }
}

/// The secret that an object stands for, if it does.
fn named(members: &Map<String, Value>) -> Result<Option<&str>, Failure> {
    match members.get(MEMBER) {
        None => Ok(None),
        Some(Value::String(name)) if members.len() == 1 => Ok(Some(name)),
        Some(_) => Err(Failure::fatal(
            ErrorCode::InvalidArgs.as_str(),
            r#"a secret is named by an object of one member: {"$secret": "name"}"#,
        )),
    }
}

fn reveal(name: &str, kind: &str, secrets: &dyn Secrets) -> Result<String, Failure> {
    // Worth another attempt: somebody can mend the file meanwhile.
    let revealed = secrets.reveal(name, kind).map_err(|error| {
        let message = format!("the secrets can not be read: {error}");
        Failure::retry(ErrorCode::Unavailable.as_str(), message)
    })?;
    revealed.ok_or_else(|| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Failure::fatal(
            ErrorCode::UnknownSecret.as_str(),
            format!(
                "there is no secret '{name}' for jobs of kind '{kind}'; on the server's machine: \
                 longhaul secret set '{name}' --kind '{kind}'"
            ),
        )
    })
}

/// Takes the values of secrets out of text.
#[derive(Default)]
pub(crate) struct Redactor {
    /// What to look for, the longest first: one may be a part of another.
    patterns: Vec<String>,
}

impl Redactor {
    fn new(values: &[String]) -> Self {
        let mut patterns = Vec::new();
        for value in values.iter().filter(|value| !value.is_empty()) {
            let lines = value.lines().map(str::trim);
            let lines = lines.filter(|line| line.len() >= LINE);
            for text in lines.chain([value.as_str()]) {
                patterns.push(text.to_owned());
                // As it stands inside JSON text.
                let quoted = Value::from(text).to_string();
                patterns.push(quoted[1..quoted.len() - 1].to_owned());
            }
        }
        patterns.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        Self { patterns }
    }

    /// Whether a value stands in `text`.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| text.contains(pattern))
    }

    /// Whether a value stands in the args of a new job or of what follows it.
    pub(crate) fn finds_in(&self, job: &NewJob) -> bool {
        let mut follow_ups = job.follow_ups.iter();
        self.finds(&job.args) || follow_ups.any(|follow_up| self.finds_in(&follow_up.job))
    }

    /// Takes the values out of plain text.
    pub(crate) fn text(&self, text: &mut String) {
        for pattern in &self.patterns {
            if text.contains(pattern) {
                *text = text.replace(pattern, REDACTED);
            }
        }
    }

    /// Takes the values out of whatever of a write others are shown.
    pub(crate) fn write(&self, write: &mut Write) {
        if let Some(progress) = &mut write.progress {
            let texts = [&mut progress.unit, &mut progress.current_task];
            texts.into_iter().flatten().for_each(|text| self.text(text));
            self.members(&mut progress.metadata);
        }
        for item in &mut write.items {
            self.text(&mut item.name);
            if let Some(error) = &mut item.error {
                self.text(&mut error.code);
                self.text(&mut error.message);
            }
            self.json(&mut item.result);
        }
        for line in &mut write.log {
            self.text(&mut line.text);
        }
        match &mut write.end {
            Some(End::Complete { result }) => self.json(result),
            Some(End::Fail { error } | End::Retry { error, .. }) => {
                self.text(&mut error.code);
                self.text(&mut error.message);
            }
            Some(
                End::CheckAgain { .. }
                | End::CheckLater { .. }
                | End::Release { .. }
                | End::Cancelled,
            )
            | None => {}
        }
    }

    /// Takes the values out of JSON text.
    fn json(&self, text: &mut Option<String>) {
        let Some(text) = text.as_mut().filter(|text| self.finds(text)) else {
            return;
        };
        let value = serde_json::from_str::<Value>(text);
        *text = match value {
            Ok(mut value) => {
                self.value(&mut value);
                value.to_string()
            }
            // It was made by serde: can not be, and is then not to be kept.
            Err(_) => Value::from(REDACTED).to_string(),
        };
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(members) => self.members(members),
            Value::Number(number) if self.finds(&number.to_string()) => {
                *value = Value::from(REDACTED);
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn members(&self, members: &mut Map<String, Value>) {
        let names: Vec<String> = members
            .keys()
            .filter(|name| self.finds(name))
            .cloned()
            .collect();
        for mut name in names {
            if let Some(value) = members.remove(&name) {
                self.text(&mut name);
                members.insert(name, value);
            }
        }
        members.values_mut().for_each(|value| self.value(value));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct One(&'static str);

    impl Secrets for One {
        fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>> {
            Ok((name == "one" && kind == "test.kind").then(|| self.0.to_owned()))
        }
    }

    #[test]
    fn a_secret_is_put_in_wherever_it_is_named() {
        let args = json!({"a": [{"b": {"$secret": "one"}}], "c": "$secret"}).to_string();
        assert!(named_in(&args));
        let (whole, redactor) = put_in(&args, "test.kind", &One("hush-hush")).expect("put in");
        let whole: Value = serde_json::from_str(&whole).expect("json");
        assert_eq!(whole, json!({"a": [{"b": "hush-hush"}], "c": "$secret"}));
        assert!(redactor.finds("say hush-hush again"));
    }

    #[test]
    fn what_is_no_secret_of_the_kind_is_a_final_error() {
        let args = r#"{"$secret":"one"}"#;
        for (args, kind, code) in [
            (args, "test.other", "unknown_secret"),
            (r#"{"$secret":"two"}"#, "test.kind", "unknown_secret"),
            (r#"{"$secret":2}"#, "test.kind", "invalid_args"),
            (r#"{"$secret":"one","b":1}"#, "test.kind", "invalid_args"),
        ] {
            let failure = put_in(args, kind, &One("hush-hush")).err().expect(args);
            assert_eq!(failure.error.code, code, "{args}");
            assert_eq!(failure.again, crate::handler::Again::Never, "{args}");
        }
    }

    #[test]
    fn values_go_from_text_and_json_in_whatever_form() {
        let redactor = Redactor::new(&[
            "first \"line\"\nsecond line\nx".to_owned(),
            "12345678".to_owned(),
        ]);
        for said in [
            "it was first \"line\" and more",
            "in json: first \\\"line\\\"",
            "second line",
            "12345678",
        ] {
            let mut text = said.to_owned();
            redactor.text(&mut text);
            assert!(text.contains(REDACTED), "{said}: {text}");
            assert!(!text.contains("line") && !text.contains("1234"), "{text}");
        }
        let value = json!({"first \"line\"": 12_345_678, "b": ["second line"], "c": "x"});
        let mut text = Some(value.to_string());
        redactor.json(&mut text);
        let value: Value = serde_json::from_str(&text.expect("kept")).expect("json");
        assert_eq!(
            value,
            json!({REDACTED: REDACTED, "b": [REDACTED], "c": "x"})
        );
    }
}
