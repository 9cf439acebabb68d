//! Requests about schedules.

use longhaul_types::{
    body::SubmitAnswer,
    schedule::{SchedulePage, ScheduleRequest, ScheduleView},
};
use percent_encoding::utf8_percent_encode;
use reqwest::Method;

use crate::{Client, Error, download::SEGMENT, query::Query};

impl Client {
    /// A page of schedules, by name; the one after that whose `next_cursor` is given.
    pub async fn schedules(&self, cursor: Option<&str>) -> Result<SchedulePage, Error> {
        let query = Query::default().with("cursor", cursor).finish();
        self.ask(self.get(&format!("/api/v1/schedules{query}")))
            .await
    }

    /// One schedule.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.ask(self.get(&path(name, ""))).await
    }

    /// Puts a schedule in, in place of the caller's own one of this name.
    pub async fn put_schedule(
        &self,
        name: &str,
        request: &ScheduleRequest,
    ) -> Result<ScheduleView, Error> {
        let put = self.request(Method::PUT, &path(name, ""));
        self.ask(put.json(request)).await
    }

    /// Takes a schedule out; the jobs that it submitted stay.
    pub async fn remove_schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.ask(self.request(Method::DELETE, &path(name, "")))
            .await
    }

    /// Has a schedule submit nothing until [`Self::resume_schedule`].
    pub async fn pause_schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.ask(self.post(&path(name, "/pause"))).await
    }

    /// Has a schedule go on with its first time from now on.
    pub async fn resume_schedule(&self, name: &str) -> Result<ScheduleView, Error> {
        self.ask(self.post(&path(name, "/resume"))).await
    }

    /// Submits a job of a schedule now.
    pub async fn run_schedule(&self, name: &str) -> Result<SubmitAnswer, Error> {
        self.ask(self.post(&path(name, "/run"))).await
    }
}

fn path(name: &str, part: &str) -> String {
    let name = utf8_percent_encode(name, SEGMENT);
    format!("/api/v1/schedules/{name}{part}")
}
