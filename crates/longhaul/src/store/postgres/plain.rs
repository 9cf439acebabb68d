//! Jobs that nothing but a taken id can refuse: all in one statement, which is a transaction of its own.
//!
//! Invariant: what is refused here, or not known for certain, is left to [`super::insert`], as if nothing had happened.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_postgres::error::SqlState;

use super::{
    Role, Shared,
    error::store_error,
    insert::{Planned, column, labels},
    row,
    text::kept,
    tx::{Place, connection},
};
use crate::store::{Error, Insert, Inserted};

/// Jobs of one statement.
const MOST: usize = 10_000;
/// How long the depth of a queue is taken for known.
const FRESH: Duration = Duration::from_secs(1);

/// Jobs that wait in each queue, as they were last counted, and those added here since.
#[derive(Debug, Default)]
pub(super) struct Depths(Mutex<HashMap<i32, (Instant, i64)>>);

impl Depths {
    /// Whether there is room for so many more, if the queue was looked at of late and is far from full; then they count as
    /// added.
    fn have_room(&self, queue: i32, more: i64, limit: i64) -> bool {
        let mut depths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, held)) = depths.get_mut(&queue) else {
            return false;
        };
        let room = at.elapsed() < FRESH && held.saturating_add(more) <= limit / 2;
        if room {
            *held += more;
        }
        room
    }

    fn note(&self, queue: i32, held: i64) {
        let mut depths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        depths.insert(queue, (Instant::now(), held));
    }
}

impl Shared {
    /// Inserts all jobs; none when one of them needs more than this.
    pub(super) async fn insert_plain(
        &self,
        jobs: &[&Insert],
        lane: i16,
    ) -> Result<Option<Vec<Inserted>>, Error> {
        let planned: Option<Vec<_>> = jobs.iter().map(|job| self.planned(job)).collect();
        let Some(planned) = planned.filter(|planned| planned.len() <= MOST) else {
            return Ok(None);
        };
        if !self.has_room(&planned).await? {
            return Ok(None);
        }
        self.write_plain(&planned, lane).await
    }

    /// Where a job goes, if it has no key and no follow-up, and all its names are known.
    fn planned<'j>(&self, job: &'j Insert) -> Option<Planned<'j>> {
        let plain =
            job.unique_key.is_none() && job.idempotency_key.is_none() && job.follow_ups.is_empty();
        let place = Place {
            owner: self.known.number(&job.owner)?,
            kind: self.known.kind(&job.kind)?,
            queue: self.known.number(&job.queue)?,
        };
        plain.then(|| Planned::new(job, place))
    }

    async fn has_room(&self, planned: &[Planned<'_>]) -> Result<bool, Error> {
        let mut more: BTreeMap<i32, i64> = BTreeMap::new();
        for new in planned {
            *more.entry(new.place.queue).or_default() += 1;
        }
        let limit = row::signed(self.bounds.queue_depth);
        for (queue, more) in more {
            if self.depths.have_room(queue, more, limit) {
                continue;
            }
            let found = self.row(sql!("counts_pending"), &[&queue]).await?;
            let held = found.map_or(0, |line| line.get::<_, i64>(0)) + more;
            if held > limit {
                return Ok(false);
            }
            self.depths.note(queue, held);
        }
        Ok(true)
    }

    async fn write_plain(
        &self,
        planned: &[Planned<'_>],
        lane: i16,
    ) -> Result<Option<Vec<Inserted>>, Error> {
        let texts = planned
            .iter()
            .map(labels)
            .collect::<Result<Vec<Option<String>>, Error>>()?;
        let (mut names, mut values, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, new) in (1_i64..).zip(planned) {
            for (name, value) in &new.job.labels {
                names.push(kept(name));
                values.push(kept(value));
                places.push(place);
            }
        }
        let db = connection(&self.pool).await?;
        let written = async {
            let statement = db.prepare_cached(sql!("plain_insert")).await?;
            db.query(
                &statement,
                &[
                    &column(planned, |new| new.job.id.as_str()),
                    &column(planned, |new| new.place.owner),
                    &column(planned, |new| new.place.kind),
                    &column(planned, |new| new.place.queue),
                    &column(planned, |new| new.job.priority),
                    &column(planned, |new| new.job.created_at.0),
                    &column(planned, |new| i64::from(new.job.max_attempts)),
                    &column(planned, |new| new.job.attempt_timeout.map(row::millis)),
                    &column(planned, |new| new.job.timeout.map(row::millis)),
                    &column(planned, |new| i64::from(new.job.args_version)),
                    &texts,
                    &column(planned, |new| new.job.args.as_str()),
                    &column(planned, Planned::wait),
                    &column(planned, |new| row::reason_number(new.job.reason)),
                    &column(planned, |new| new.run_at.map(|at| at.0)),
                    &names,
                    &values,
                    &places,
                    &self.shard_of(Role::Insert, lane),
                ],
            )
            .await
        };
        match written.await {
            Ok(rows) => Ok(Some(
                rows.iter()
                    .zip(planned)
                    .map(|(line, new)| Inserted {
                        seq: line.get(0),
                        id: new.job.id.clone(),
                        new: true,
                    })
                    .collect(),
            )),
            // Nothing was written: an id is taken, or another transaction came between.
            Err(error)
                if error.code().is_some_and(|code| {
                    *code == SqlState::UNIQUE_VIOLATION || *code == SqlState::T_R_DEADLOCK_DETECTED
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(store_error(&error)),
        }
    }
}
