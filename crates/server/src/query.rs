//! Query parameters, each taken by name once; what is left over is an error, so that a misspelt filter never shows
//! everything.

use std::{fmt::Display, str::FromStr};

use axum::{extract::FromRequestParts, http::request::Parts};
use longhaul_types::Labels;

use crate::answer::Refusal;

/// Most parameters of one request.
const MOST: usize = 128;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes())
            .take(MOST + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MOST {
            return Err(Refusal::bad(format!("a query may have {MOST} parameters")));
        }
        Ok(Self(pairs))
    }

    /// Every value of `name`.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        let taken = self.0.extract_if(.., |(key, _)| key == name);
        taken.map(|(_, value)| value).collect()
    }

    /// Every value of `name`, each parsed.
    pub(crate) fn each<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Vec<T>, Refusal> {
        let values = self.all(name).into_iter();
        values.map(|value| parse(name, &value)).collect()
    }

    /// The value of `name`, if it is there.
    pub(crate) fn one<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Refusal> {
        let values = self.all(name);
        match values.as_slice() {
            [] => Ok(None),
            [value] => parse(name, value).map(Some),
            _ => Err(Refusal::bad(format!("{name} may be given once"))),
        }
    }

    /// The value of `name`, a number from 1 to `most`; `default` when it is not there.
    pub(crate) fn limit(
        &mut self,
        name: &str,
        default: usize,
        most: usize,
    ) -> Result<usize, Refusal> {
        match self.one::<usize>(name)? {
            None => Ok(default),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(limit) => Err(Refusal::bad(format!(
                "{name}={limit}: it may be 1 to {most}"
            ))),
        }
    }

    /// Every `label.NAME=VALUE`.
    pub(crate) fn labels(&mut self) -> Result<Labels, Refusal> {
        let mut labels = Labels::new();
        for (name, value) in self.0.extract_if(.., |(key, _)| key.starts_with("label.")) {
            let label = name.trim_start_matches("label.").to_owned();
            if labels.insert(label, value).is_some() {
                return Err(Refusal::bad(format!("{} may be given once", short(&name))));
            }
        }
        Ok(labels)
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::bad(format!(
                "there is no parameter '{}' here",
                short(name)
            ))),
        }
    }
}

fn parse<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Refusal> {
    let parsed = value.parse();
    parsed.map_err(|error| Refusal::bad(format!("{name}={}: {error}", short(value))))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).expect("a query")
    }

    #[test]
    fn what_nobody_takes_is_an_error() {
        let mut query = query("limit=5&label.a=1&label.b=x%20y&kind=k&kind=l");
        assert_eq!(query.limit("limit", 50, 100).expect("a limit"), 5);
        let labels = query.labels().expect("labels");
        assert_eq!(labels["b"], "x y");
        assert_eq!(query.all("kind"), ["k", "l"]);
        query.finish().expect("nothing left");
        assert!(self::query("limti=5").finish().is_err());
    }

    #[test]
    fn bounds_hold() {
        for text in [
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=1&limit=2",
            "limit=-1",
        ] {
            assert!(query(text).limit("limit", 50, 100).is_err(), "{text}");
        }
        assert!(Query::parse(&"a=1&".repeat(MOST + 1)).is_err());
    }
}
