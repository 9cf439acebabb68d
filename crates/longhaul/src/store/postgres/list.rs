//! Pages of jobs, newest first, and how many there are.
//!
//! Invariant: the work is bounded by the page, not by the table: numbers of jobs are read in order of submission, by the
//! narrowest index that has all of a filter's, and looked at one by one, up to a number of looks: then the page is short and
//! says so.

use longhaul_types::State;

use super::{Shared, row, text::kept};
use crate::{
    model::{Job, Seq},
    store::{COUNTED, Cut, Error, FailureGroup, Failures, Filter, Page, PageRequest, Total},
};

/// Jobs that are looked at for a page, and to count.
const LOOKS: usize = 20_000;
/// Numbers that are read at a time.
const STEP: usize = 1_000;
/// Groups of failures that are told.
const GROUPS: usize = 64;

/// A filter in the numbers of the database.
struct Wanted<'f> {
    filter: &'f Filter,
    owner: Option<i32>,
    kinds: Option<Vec<i32>>,
    queues: Option<Vec<i32>>,
    states: Vec<i16>,
    /// The jobs whose whole id is asked for.
    listed: Option<Vec<Seq>>,
}

/// Jobs of a filter, and how far the search for them went.
struct Search {
    jobs: Vec<Job>,
    looked: usize,
    /// The last job that was looked at, when there may be more.
    last: Option<Seq>,
}

impl Shared {
    /// A page of jobs.
    pub(super) async fn page(&self, filter: &Filter, request: &PageRequest) -> Result<Page, Error> {
        let Some(wanted) = self.wanted(filter).await? else {
            return Ok(Page::default());
        };
        let most = request.skip.saturating_add(request.limit);
        let search = self
            .search(&wanted, request.before, most.saturating_add(1))
            .await?;
        let found = search.jobs.len();
        let more = found > most;
        let jobs: Vec<Job> = search
            .jobs
            .into_iter()
            .skip(request.skip)
            .take(request.limit)
            .collect();
        let next = if more {
            jobs.last().map(|job| job.seq).or(request.before)
        } else {
            search.last
        };
        let cut = match search.last.filter(|_| !more) {
            Some(at) => Some(Cut {
                looked_at: search.looked as u64,
                back_to: self.created_at(at).await?,
            }),
            None => None,
        };
        Ok(Page { jobs, next, cut })
    }

    /// How many jobs a filter shows.
    pub(super) async fn count(&self, filter: &Filter) -> Result<Total, Error> {
        if filter.is_counted() {
            return Ok(filter.total(&self.counts(filter.owner.as_deref()).await?));
        }
        let Some(wanted) = self.wanted(filter).await? else {
            return Ok(Total {
                count: 0,
                exact: true,
            });
        };
        let most = usize::try_from(COUNTED).unwrap_or(usize::MAX);
        let search = self.search(&wanted, None, most + 1).await?;
        let count = search.jobs.len() as u64;
        Ok(Total {
            count: count.min(COUNTED),
            exact: count <= COUNTED && search.last.is_none(),
        })
    }

    async fn created_at(&self, seq: Seq) -> Result<longhaul_types::Timestamp, Error> {
        let job = self.jobs(&[seq]).await?.pop();
        Ok(job.map(|job| job.created_at).unwrap_or_default())
    }

    /// None when a name of the filter is unknown, so that nothing can match.
    async fn wanted<'f>(&self, filter: &'f Filter) -> Result<Option<Wanted<'f>>, Error> {
        let owner = match &filter.owner {
            Some(name) => match self.number(name).await? {
                Some(number) => Some(number),
                None => return Ok(None),
            },
            None => None,
        };
        let kinds = self.numbers(&filter.kinds).await?;
        let queues = self.numbers(&filter.queues).await?;
        let nothing = |numbers: &Option<Vec<i32>>| numbers.as_ref().is_some_and(Vec::is_empty);
        if nothing(&kinds) || nothing(&queues) {
            return Ok(None);
        }
        let mut states = State::ALL.to_vec();
        states.retain(|state| {
            (filter.states.is_empty() || filter.states.contains(state))
                && (filter.ended.is_all() || state.is_ended())
                && (filter.errors.is_empty() || *state == State::Failed)
        });
        Ok(Some(Wanted {
            filter,
            owner,
            kinds,
            queues,
            states: states.into_iter().map(row::state_number).collect(),
            listed: self.listed(filter, owner).await?,
        }))
    }

    /// The number of a name, if it has one.
    async fn number(&self, name: &str) -> Result<Option<i32>, Error> {
        let found = self.row(sql!("name_find"), &[&kept(name)]).await?;
        Ok(found.map(|line| line.get(0)))
    }

    /// The numbers of the names that are known; none when any name will do.
    async fn numbers(&self, names: &[String]) -> Result<Option<Vec<i32>>, Error> {
        if names.is_empty() {
            return Ok(None);
        }
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            numbers.extend(self.number(name).await?);
        }
        Ok(Some(numbers))
    }

    /// The jobs whose whole ids are words of the filter; none when no word is an id.
    async fn listed(&self, filter: &Filter, owner: Option<i32>) -> Result<Option<Vec<Seq>>, Error> {
        let mut listed: Option<Vec<Seq>> = None;
        for id in filter.ids() {
            let rows = self.rows(sql!("list_ids"), &[&id.as_str(), &owner]).await?;
            if rows.is_empty() {
                continue;
            }
            let mut seqs: Vec<Seq> = rows.iter().map(|line| line.get(0)).collect();
            if let Some(known) = listed {
                seqs.retain(|seq| known.contains(seq));
            }
            listed = Some(seqs);
        }
        Ok(listed)
    }

    /// Looks for up to `most` jobs older than `before`.
    async fn search(
        &self,
        wanted: &Wanted<'_>,
        before: Option<Seq>,
        most: usize,
    ) -> Result<Search, Error> {
        let mut search = Search {
            jobs: Vec::new(),
            looked: 0,
            last: None,
        };
        let mut before = before.unwrap_or(Seq::MAX);
        loop {
            let step = STEP.min(most.max(50));
            let numbers = self.step(wanted, before, step).await?;
            let seqs: Vec<Seq> = numbers
                .iter()
                .filter(|(_, fits)| *fits)
                .map(|(seq, _)| *seq)
                .collect();
            for job in self.jobs(&seqs).await? {
                if wanted.filter.shows(&job) && search.jobs.len() < most {
                    search.jobs.push(job);
                }
            }
            search.looked += numbers.len();
            let last = numbers.last().map(|(seq, _)| *seq);
            let ended = numbers.len() < step || wanted.listed.is_some();
            if ended || search.jobs.len() >= most {
                return Ok(search);
            }
            before = last.unwrap_or_default();
            if search.looked >= LOOKS {
                search.last = last;
                return Ok(search);
            }
        }
    }

    /// The next numbers of jobs, and whether each may be shown.
    async fn step(
        &self,
        wanted: &Wanted<'_>,
        before: Seq,
        step: usize,
    ) -> Result<Vec<(Seq, bool)>, Error> {
        if let Some(listed) = &wanted.listed {
            let older = listed.iter().filter(|seq| **seq < before);
            return Ok(older.map(|seq| (*seq, true)).collect());
        }
        let limit = row::limit(step);
        let ended = wanted.states.iter().all(|state| *state > 1);
        let living = wanted.states.iter().all(|state| *state < 2);
        let (owner, kinds, queues) = (&wanted.owner, &wanted.kinds, &wanted.queues);
        let rows = if let Some((name, value)) = wanted.filter.labels.iter().next() {
            let parameters = (kept(name), kept(value));
            self.rows(
                sql!("list_label"),
                &[&before, &limit, &parameters.0, &parameters.1],
            )
            .await?
        } else if ended {
            let states = &wanted.states;
            self.rows(
                sql!("list_ended"),
                &[&before, &limit, owner, kinds, queues, states],
            )
            .await?
        } else {
            let all = if living {
                sql!("list_live")
            } else {
                sql!("list_all")
            };
            self.rows(all, &[&before, &limit, owner, kinds, queues])
                .await?
        };
        Ok(rows.iter().map(|line| (line.get(0), line.get(1))).collect())
    }

    /// Failed jobs by kind and error code.
    pub(super) async fn failures(&self, owner: Option<&str>) -> Result<Failures, Error> {
        let limit = row::limit(GROUPS + 1);
        let rows = self
            .rows(sql!("failures"), &[&owner.map(kept), &limit])
            .await?;
        let mut failures = Failures {
            more: rows.len() > GROUPS,
            groups: Vec::new(),
        };
        for line in rows.iter().take(GROUPS) {
            let count = row::unsigned(line, 2);
            // Gone meanwhile, where there is none.
            if let Some(newest) = self.jobs(&[line.get(3)]).await?.pop() {
                failures.groups.push(FailureGroup {
                    kind: row::text(line, 0),
                    code: row::text(line, 1),
                    jobs: Total {
                        count: count.min(COUNTED),
                        exact: count <= COUNTED,
                    },
                    newest,
                });
            }
        }
        Ok(failures)
    }
}
