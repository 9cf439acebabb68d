//! Query strings.

use longhaul_types::{Labels, State};

/// Which jobs a list shows. An empty list of states, kinds or queues means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// A filter in words: `state:failed kind:walrus.* ended:<1h`; what follows narrows it down or adds to it.
    pub q: Option<String>,
    /// Only in these states.
    pub states: Vec<State>,
    /// Only with these of the document's statuses: `pending`, `processing`, `completed`, `failed`, `cancelled`.
    pub statuses: Vec<String>,
    /// Only of these kinds; `walrus.*` is every kind that begins so.
    pub kinds: Vec<String>,
    /// Only in these queues.
    pub queues: Vec<String>,
    /// Only with all these labels.
    pub labels: Labels,
    /// Jobs of a page, 1 to 100; 50 when missing.
    pub limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// A page by number, from 1, instead of a cursor.
    pub page: Option<u64>,
}

impl JobsQuery {
    pub(crate) fn to_text(&self) -> String {
        let mut query = Query::default().with("q", self.q.as_deref());
        for state in &self.states {
            query = query.with("state", Some(state.as_str()));
        }
        for status in &self.statuses {
            query = query.with("status", Some(status));
        }
        for kind in &self.kinds {
            query = query.with("kind", Some(kind));
        }
        for queue in &self.queues {
            query = query.with("queue", Some(queue));
        }
        for (name, value) in &self.labels {
            query = query.with(&format!("label.{name}"), Some(value));
        }
        query
            .with("limit", self.limit.map(|limit| limit.to_string()))
            .with("cursor", self.cursor.as_deref())
            .with("page", self.page.map(|page| page.to_string()))
            .finish()
    }
}

/// A query string in the making.
#[derive(Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// With `name=value`, if there is a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.0.push((name.to_owned(), value.into()));
        }
        self
    }

    /// With its question mark; empty when there is nothing to ask.
    pub(crate) fn finish(self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut text = form_urlencoded::Serializer::new("?".to_owned());
        for (name, value) in &self.0 {
            text.append_pair(name, value);
        }
        text.finish()
    }
}
