//! Live events, as they come on one connection.

use std::collections::VecDeque;

use longhaul_types::{
    Event, JobId,
    event::{EventFilter, MISSED},
};
use reqwest::{Response, header::ACCEPT};

use crate::{
    Client, Error,
    jobs::job,
    query::Query,
    sse::{Message, Parser},
};

/// What a stream of events says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something happened to a job.
    Event(Box<Event>),
    /// Some events were missed: read again what you care about.
    Missed,
}

/// Events as they come on one connection. It does not connect again: [`Client::follow`] does.
#[derive(Debug)]
pub struct Events {
    client: Client,
    response: Response,
    parser: Parser,
    ready: VecDeque<Message>,
}

impl Client {
    /// Every event from now on that the filter lets through; the default lets all through.
    pub async fn events(&self, filter: &EventFilter) -> Result<Events, Error> {
        let mut query = Query::default();
        for kind in &filter.kinds {
            query = query.with("kind", Some(kind));
        }
        for (name, value) in &filter.labels {
            query = query.with(&format!("label.{name}"), Some(value));
        }
        for job in &filter.job_ids {
            query = query.with("job", Some(job.as_str()));
        }
        for event in &filter.events {
            query = query.with("event", Some(event));
        }
        for state in &filter.states {
            query = query.with("state", Some(state.as_str()));
        }
        self.listen(&format!("/api/v1/events{}", query.finish()))
            .await
    }

    /// Where the job stands, then what happens to it until it ends.
    pub async fn job_events(&self, id: &JobId) -> Result<Events, Error> {
        self.listen(&job(id, "/events")).await
    }

    async fn listen(&self, path: &str) -> Result<Events, Error> {
        let request = self.get(path).header(ACCEPT, "text/event-stream");
        Ok(Events {
            response: self.send(request).await?,
            client: self.clone(),
            parser: Parser::default(),
            ready: VecDeque::new(),
        })
    }
}

impl Events {
    /// The next event; none when the server ended the stream. Events of a kind that this version does not know are
    /// passed over.
    pub async fn next(&mut self) -> Result<Option<Heard>, Error> {
        loop {
            while let Some(message) = self.ready.pop_front() {
                if message.event == MISSED {
                    return Ok(Some(Heard::Missed));
                }
                if let Ok(event) = serde_json::from_str(&message.data) {
                    return Ok(Some(Heard::Event(Box::new(event))));
                }
            }
            let Some(bytes) = self.client.chunk(&mut self.response).await? else {
                return Ok(None);
            };
            let taken = self.parser.take(&bytes, &mut self.ready);
            taken.map_err(|_| self.client.unexpected("an event of many megabytes"))?;
        }
    }
}
