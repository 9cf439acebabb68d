//! What each route needs, looked up once a request is matched.
//!
//! Invariant: what is not in [`ROUTES`](crate::ROUTES) is not there, whatever the router would do with it.

use std::{collections::HashMap, sync::LazyLock};

use axum::http::Method;
use longhaul_types::Scope;

use crate::routes::ROUTES;

/// What a route needs of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Nothing: it is for strangers too.
    None,
    /// Any token: it says nothing of jobs.
    Token,
    /// The scope `read`.
    Read,
    /// The scope `submit`.
    Submit,
    /// The scope `work`.
    Work,
    /// The scope `admin`.
    Admin,
}

impl Right {
    /// The scope that gives it, beside `admin`, which gives all.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::None | Self::Token => None,
            Self::Read => Some(Scope::Read),
            Self::Submit => Some(Scope::Submit),
            Self::Work => Some(Scope::Work),
            Self::Admin => Some(Scope::Admin),
        }
    }
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A route that needs this.
    Route(Right),
    /// A path that does not take the method, but these.
    NoMethod(String),
    /// Nothing.
    Nothing,
}

type Methods = Vec<(&'static str, Right)>;

static TABLE: LazyLock<HashMap<&str, Methods>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Methods> = HashMap::new();
    for (method, path, right) in ROUTES {
        table.entry(*path).or_default().push((*method, *right));
    }
    table
});

/// What is at `template`, the router's pattern for `path`. A path that is in the table as it stands shares a pattern with
/// others (`/jobs/cancel` with `/jobs/{id}`).
pub(super) fn place(method: &Method, template: Option<&str>, path: &str) -> Place {
    let Some(template) = template else {
        return Place::Nothing;
    };
    // Every GET answers HEAD too.
    let method = match method {
        &Method::HEAD => "GET",
        other => other.as_str(),
    };
    let (shared, own) = (TABLE.get(template), TABLE.get(path));
    let found = [shared, own].into_iter().flatten().flatten();
    if let Some((_, right)) = found.clone().find(|(known, _)| *known == method) {
        return Place::Route(*right);
    }
    let mut taken: Vec<&str> = found.map(|(known, _)| *known).collect();
    if taken.is_empty() {
        return Place::Nothing;
    }
    if let Some(get) = taken.iter().position(|known| *known == "GET") {
        taken.insert(get + 1, "HEAD");
    }
    Place::NoMethod(taken.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_the_right_of_its_line() {
        let id = Some("/api/v1/jobs/{id}");
        let at = |method, template, path| place(&method, template, path);
        let read = Place::Route(Right::Read);
        let submit = Place::Route(Right::Submit);
        assert_eq!(at(Method::GET, id, "/api/v1/jobs/x"), read);
        assert_eq!(at(Method::HEAD, id, "/api/v1/jobs/cancel"), read);
        assert_eq!(at(Method::DELETE, id, "/api/v1/jobs/x"), submit);
        assert_eq!(at(Method::POST, id, "/api/v1/jobs/cancel"), submit);
        let live = Some("/health/live");
        assert_eq!(
            at(Method::GET, live, "/health/live"),
            Place::Route(Right::None)
        );
    }

    #[test]
    fn what_is_not_in_the_table_is_not_there() {
        let id = Some("/api/v1/jobs/{id}");
        let taken = Place::NoMethod("GET,HEAD,DELETE".to_owned());
        assert_eq!(place(&Method::POST, id, "/api/v1/jobs/x"), taken);
        let new = Some("/api/v1/forgotten");
        let nothing = place(&Method::GET, new, "/api/v1/forgotten");
        assert_eq!(nothing, Place::Nothing);
        assert_eq!(place(&Method::GET, None, "/health/live"), Place::Nothing);
    }

    #[test]
    fn every_line_of_the_table_is_one_operation() {
        for (method, path, _) in ROUTES {
            let lines = TABLE[path].iter().filter(|(known, _)| known == method);
            assert_eq!(lines.count(), 1, "{method} {path}");
        }
    }
}
