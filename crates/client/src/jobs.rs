//! Every request that is answered at once.

use longhaul_types::{
    ItemState, JobId,
    body::{
        Artifact, ArtifactPage, AttemptPage, AttemptView, BulkAnswer, BulkRequest, CancelAnswer,
        CountsAnswer, DashboardLink, FailurePage, Health, ItemPage, JobPage, JobView, KindPage,
        KindView, LogPage, QueuePage, QueueView, ServerInfo, SubmitAnswer, SubmitManyAnswer,
        SubmitRequest,
    },
    worker::{WorkerPage, WorkerView},
};
use percent_encoding::utf8_percent_encode;
use reqwest::{Method, RequestBuilder};

use crate::{Client, Error, JobsQuery, download::SEGMENT, query::Query};

impl Client {
    /// Starts a job. It is on disk when this returns.
    pub async fn submit(&self, request: &SubmitRequest) -> Result<SubmitAnswer, Error> {
        self.ask(self.post("/api/v1/jobs").json(request)).await
    }

    /// Starts a job once: for 24 hours a second submission with this key gets the first job. Safe to repeat after
    /// [`Error::Interrupted`].
    pub async fn submit_once(
        &self,
        request: &SubmitRequest,
        key: &str,
    ) -> Result<SubmitAnswer, Error> {
        let post = self.post("/api/v1/jobs").header("idempotency-key", key);
        self.ask(post.json(request)).await
    }

    /// Starts jobs, all or none.
    pub async fn submit_many(
        &self,
        requests: &[SubmitRequest],
    ) -> Result<Vec<SubmitAnswer>, Error> {
        let post = self.post("/api/v1/jobs").json(requests);
        let answer: SubmitManyAnswer = self.ask(post).await?;
        Ok(answer.jobs)
    }

    /// A page of jobs, newest first.
    pub async fn jobs(&self, query: &JobsQuery) -> Result<JobPage, Error> {
        let path = format!("/api/v1/jobs{}", query.to_text());
        self.ask(self.get(&path)).await
    }

    /// One job with its args and results.
    pub async fn job(&self, id: &JobId) -> Result<JobView, Error> {
        self.ask(self.get(&job(id, ""))).await
    }

    /// Asks for the job's end: a pending one ends at once, a running one when its run has stopped.
    pub async fn cancel(&self, id: &JobId) -> Result<CancelAnswer, Error> {
        self.ask(self.post(&job(id, "/cancel"))).await
    }

    /// Gives a job that ended another go: failed items run again, finished ones are kept.
    pub async fn retry(&self, id: &JobId) -> Result<JobView, Error> {
        self.ask(self.post(&job(id, "/retry"))).await
    }

    /// Asks for the end of all jobs that a filter shows: 10,000 at most, older ones are left to the next request with
    /// the answer's cursor.
    pub async fn cancel_many(&self, request: &BulkRequest) -> Result<BulkAnswer, Error> {
        self.ask(self.post("/api/v1/jobs/cancel").json(request))
            .await
    }

    /// Has a job of its own ask for the end of all jobs that a filter shows, however many.
    pub async fn cancel_in_background(&self, request: &BulkRequest) -> Result<SubmitAnswer, Error> {
        self.bulk_job("/api/v1/jobs/cancel", request).await
    }

    /// Has a job of its own give all jobs that a filter shows another go, however many.
    pub async fn retry_in_background(&self, request: &BulkRequest) -> Result<SubmitAnswer, Error> {
        self.bulk_job("/api/v1/jobs/retry", request).await
    }

    async fn bulk_job(&self, path: &str, request: &BulkRequest) -> Result<SubmitAnswer, Error> {
        let request = BulkRequest {
            background: true,
            ..request.clone()
        };
        self.ask(self.post(path).json(&request)).await
    }

    /// Gives all jobs that a filter shows another go, with the bounds of [`Self::cancel_many`].
    pub async fn retry_many(&self, request: &BulkRequest) -> Result<BulkAnswer, Error> {
        self.ask(self.post("/api/v1/jobs/retry").json(request))
            .await
    }

    /// Starts a job now that is held, scheduled, or waits for its next attempt.
    pub async fn start(&self, id: &JobId) -> Result<JobView, Error> {
        self.ask(self.post(&job(id, "/start"))).await
    }

    /// Removes a job that has ended, with all it left.
    pub async fn remove(&self, id: &JobId) -> Result<JobView, Error> {
        self.ask(self.request(Method::DELETE, &job(id, ""))).await
    }

    /// A page of the job's items by position, after `after`; only in `state` when given.
    pub async fn items(
        &self,
        id: &JobId,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        let query = Query::default()
            .with("state", state.map(ItemState::as_str))
            .with("after", after.map(|after| after.to_string()))
            .with("limit", Some(limit.to_string()))
            .finish();
        self.ask(self.get(&job(id, &format!("/items{query}"))))
            .await
    }

    /// A page of the job's log, lines after number `after`.
    pub async fn log(&self, id: &JobId, after: u64, limit: usize) -> Result<LogPage, Error> {
        let query = Query::default()
            .with("after", Some(after.to_string()))
            .with("limit", Some(limit.to_string()))
            .finish();
        self.ask(self.get(&job(id, &format!("/log{query}")))).await
    }

    /// The last `lines` lines of the job's log, in order.
    pub async fn log_tail(&self, id: &JobId, lines: usize) -> Result<LogPage, Error> {
        self.ask(self.get(&job(id, &format!("/log?tail={lines}"))))
            .await
    }

    /// Failed jobs by kind and error code, the most frequent first.
    pub async fn failures(&self) -> Result<FailurePage, Error> {
        self.ask(self.get("/api/v1/failures")).await
    }

    /// The job's attempts that did not complete it, oldest first.
    pub async fn attempts(&self, id: &JobId) -> Result<Vec<AttemptView>, Error> {
        let page: AttemptPage = self.ask(self.get(&job(id, "/attempts"))).await?;
        Ok(page.attempts)
    }

    /// The files that the job made, by name.
    pub async fn artifacts(&self, id: &JobId) -> Result<Vec<Artifact>, Error> {
        let page: ArtifactPage = self.ask(self.get(&job(id, "/artifacts"))).await?;
        Ok(page.artifacts)
    }

    /// Every kind of job that a worker has ever declared.
    pub async fn kinds(&self) -> Result<Vec<KindView>, Error> {
        let page: KindPage = self.ask(self.get("/api/v1/kinds")).await?;
        Ok(page.kinds)
    }

    /// How many jobs there are.
    pub async fn counts(&self) -> Result<CountsAnswer, Error> {
        self.ask(self.get("/api/v1/counts")).await
    }

    /// Every queue, by name.
    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let page: QueuePage = self.ask(self.get("/api/v1/queues")).await?;
        Ok(page.queues)
    }

    /// Has nothing of a queue start until [`Self::resume_queue`]; jobs that run go on. Needs an administrator's rights.
    pub async fn pause_queue(&self, name: &str) -> Result<QueueView, Error> {
        self.ask(self.post(&queue(name, "/pause"))).await
    }

    /// Has what waits in a queue start again, at once. Needs an administrator's rights.
    pub async fn resume_queue(&self, name: &str) -> Result<QueueView, Error> {
        self.ask(self.post(&queue(name, "/resume"))).await
    }

    /// Every worker that lives, in the server's process and elsewhere. Needs an administrator's rights.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, Error> {
        let page: WorkerPage = self.ask(self.get("/api/v1/workers")).await?;
        Ok(page.workers)
    }

    /// A link that opens the dashboard once, within a minute. Needs an administrator's rights.
    pub async fn dashboard_link(&self) -> Result<DashboardLink, Error> {
        self.ask(self.post("/api/v1/dashboard/links")).await
    }

    /// Who answers.
    pub async fn server(&self) -> Result<ServerInfo, Error> {
        self.ask(self.get("/api/v1/server")).await
    }

    /// Has the server stop in an orderly way; needs an administrator's rights.
    pub async fn stop_server(&self) -> Result<Health, Error> {
        self.ask(self.post("/api/v1/server/stop")).await
    }

    /// Whether the server's process answers.
    pub async fn live(&self) -> Result<Health, Error> {
        self.ask(self.get("/health/live")).await
    }

    /// Whether the server and its store answer.
    pub async fn ready(&self) -> Result<Health, Error> {
        self.ask(self.get("/health/ready")).await
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }
}

fn queue(name: &str, part: &str) -> String {
    let name = utf8_percent_encode(name, SEGMENT);
    format!("/api/v1/queues/{name}{part}")
}

/// The path of a job's part. An id needs no escaping: it has only characters that stand for themselves in a path.
pub(crate) fn job(id: &JobId, part: &str) -> String {
    format!("/api/v1/jobs/{id}{part}")
}
