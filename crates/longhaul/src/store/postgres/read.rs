//! What can be read.

use longhaul_types::{JobId, State, body::Counts};
use tokio_postgres::{Row, types::ToSql};

use super::{Shared, error::store_error, row, text::kept, tx::connection};
use crate::{
    model::{Detail, Job, Seq, WorkerId},
    store::{CountsBy, Error, Member},
};

impl Shared {
    /// The rows of a statement, outside of any transaction.
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let db = connection(&self.pool).await?;
        let found = async {
            let statement = db.prepare_cached(sql).await?;
            db.query(&statement, parameters).await
        };
        found.await.map_err(|error| store_error(&error))
    }

    /// The first row of a statement, if it has any.
    pub(super) async fn row(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// Jobs by their numbers, newest first.
    pub(super) async fn jobs(&self, seqs: &[Seq]) -> Result<Vec<Job>, Error> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        jobs_of(&self.rows(sql!("jobs"), &[&seqs]).await?)
    }

    /// One job by id: of several owners' the first, when none is named.
    pub(super) async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Option<Job>, Error> {
        let found = match owner {
            Some(owner) => {
                let parameters = (id.as_str(), kept(owner));
                self.row(sql!("seq_of_owner"), &[&parameters.0, &parameters.1])
                    .await?
            }
            None => self.row(sql!("seq_of_any"), &[&id.as_str()]).await?,
        };
        let seq: Option<Seq> = found.and_then(|line| line.get(0));
        Ok(self.jobs(seq.as_slice()).await?.pop())
    }

    /// One job with its args and result.
    pub(super) async fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error> {
        let Some(job) = self.jobs(&[seq]).await?.pop() else {
            return Ok(None);
        };
        let Some(line) = self.row(sql!("detail"), &[&seq]).await? else {
            return Ok(None);
        };
        Ok(Some(Detail {
            job,
            args: row::value(&line, 0)?.unwrap_or_default(),
            result: row::value(&line, 1)?,
        }))
    }

    /// Exact counts by kind and queue.
    pub(super) async fn counts(&self, owner: Option<&str>) -> Result<CountsBy, Error> {
        let mut counts = CountsBy::new();
        for line in self.rows(sql!("counts"), &[&owner.map(kept)]).await? {
            let place = (row::text(&line, 0), row::text(&line, 1));
            let found: &mut Counts = counts.entry(place).or_default();
            *found.of_mut(row::pick(&line, 2, &State::ALL)?) += row::unsigned(&line, 3);
        }
        Ok(counts)
    }

    /// The workers that live, each with `jobs` of the jobs that it holds.
    pub(super) async fn members(&self, jobs: usize) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        for line in self.rows(sql!("workers"), &[]).await? {
            let id: i64 = line.get(0);
            let holds = self
                .rows(sql!("worker_holds"), &[&id, &row::limit(jobs)])
                .await?;
            let ids: Result<Vec<JobId>, Error> =
                holds.iter().map(|line| row::id(line, 0)).collect();
            members.push(Member {
                worker: WorkerId::named(row::text(&line, 1)),
                about: line.get(2),
                joined_at: row::maybe_time(&line, 3),
                lease: row::maybe_span(&line, 4).zip(row::maybe_time(&line, 5)),
                holds: row::unsigned(&line, 6),
                jobs: ids?,
            });
        }
        Ok(members)
    }
}

/// The jobs of rows of `jobs.sql`.
pub(super) fn jobs_of(rows: &[Row]) -> Result<Vec<Job>, Error> {
    rows.iter().map(row::job).collect()
}
