//! Which jobs a request is about: the one grammar, as `q` and as a parameter for each of its parts, and what it asks the
//! store for.

use longhaul::store::Filter;
use longhaul_types::{
    FilterNames, JobFilter, State as JobState, body::BulkRequest, filter::Moment,
};

use crate::{answer::Refusal, query::Query, routes::App};

/// Parameters whose values are parts of a filter.
const PARTS: [&str; 6] = ["state", "status", "kind", "queue", "error", "text"];

/// The filter of a query: what `q` says, and behind it what the other parameters say.
pub(crate) fn of_query(query: &mut Query, names: &FilterNames) -> Result<JobFilter, Refusal> {
    let mut filter = JobFilter::default();
    if let Some(text) = query.one::<String>("q")? {
        filter.add(&text, names).map_err(|error| wrong(&error))?;
    }
    let labels = query.labels()?;
    let labels = labels
        .into_iter()
        .map(|(name, value)| (format!("label.{name}"), value));
    let mut parts: Vec<(String, String)> = labels.collect();
    for name in PARTS.into_iter().chain(names.names()) {
        let values = query.all(name).into_iter();
        parts.extend(values.map(|value| (name.to_owned(), value)));
    }
    for (name, value) in parts {
        filter
            .add_value(&name, &value, names)
            .map_err(|error| wrong(&error))?;
    }
    bound(query, "createdAfter", &mut filter.created.after)?;
    bound(query, "createdBefore", &mut filter.created.before)?;
    bound(query, "endedAfter", &mut filter.ended.after)?;
    bound(query, "endedBefore", &mut filter.ended.before)?;
    Ok(filter)
}

/// The filter of a request for many jobs.
pub(crate) fn of_bulk(request: BulkRequest, names: &FilterNames) -> Result<JobFilter, Refusal> {
    let mut filter = JobFilter::default();
    filter
        .add(&request.q, names)
        .map_err(|error| wrong(&error))?;
    filter.states.extend(request.states);
    let mut parts: Vec<(String, String)> = Vec::new();
    for (name, values) in [
        ("status", request.statuses),
        ("kind", request.kinds),
        ("queue", request.queues),
    ] {
        parts.extend(values.into_iter().map(|value| (name.to_owned(), value)));
    }
    let labels = request.labels.into_iter();
    parts.extend(labels.map(|(name, value)| (format!("label.{name}"), value)));
    for (name, value) in parts {
        filter
            .add_value(&name, &value, names)
            .map_err(|error| wrong(&error))?;
    }
    Ok(filter)
}

/// What to ask the store for; none when there can be no such job.
pub(crate) async fn resolve(
    app: &App,
    owner: Option<&str>,
    filter: JobFilter,
) -> Result<Option<Filter>, Refusal> {
    let wanted = Standings::of(&filter);
    let states = wanted.states();
    let asked = !filter.kinds.is_empty();
    let kinds = kinds(app, filter.kinds).await?;
    if states.is_empty() || (asked && kinds.is_empty()) {
        return Ok(None);
    }
    let now = app.clock.now();
    let every = states.len() == JobState::ALL.len();
    Ok(Some(Filter {
        owner: owner.map(str::to_owned),
        states: if every { Vec::new() } else { states },
        begun: wanted.begun(),
        kinds,
        queues: filter.queues,
        errors: filter.errors,
        labels: filter.labels,
        text: filter.text,
        created: filter.created.resolve(now),
        ended: filter.ended.resolve(now),
    }))
}

fn wrong(error: &longhaul_types::filter::Error) -> Refusal {
    Refusal::bad(error.to_string())
}

fn bound(query: &mut Query, name: &str, bound: &mut Option<Moment>) -> Result<(), Refusal> {
    if let Some(moment) = query.one::<Moment>(name)?
        && bound.replace(moment).is_some()
    {
        return Err(Refusal::bad(format!("{name}: q says this bound too")));
    }
    Ok(())
}

/// The kinds, `walrus.*` as every kind that begins so.
async fn kinds(app: &App, asked: Vec<String>) -> Result<Vec<String>, Refusal> {
    let mut kinds = Vec::new();
    for kind in asked {
        match kind.strip_suffix('*') {
            None => kinds.push(kind),
            Some(prefix) => {
                let declared = app.engine.store().kinds().await?;
                let names = declared.into_iter().map(|kind| kind.name);
                kinds.extend(names.filter(|name| name.starts_with(prefix)));
            }
        }
    }
    Ok(kinds)
}

/// Where jobs may stand: a set of the five states, with those pending jobs apart that have started before, as the
/// document's statuses have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standings(u8);

impl Standings {
    const ALL: Self = Self(0b11_1111);
    const BEGUN: Self = Self(0b00_0001);
    const FRESH: Self = Self(0b10_0000);

    /// What both the states and the statuses of a filter let through.
    fn of(filter: &JobFilter) -> Self {
        let states = filter.states.iter().map(|state| Self::state(*state));
        let statuses = filter.statuses.iter().map(|status| Self::status(status));
        Self(Self::any(states).0 & Self::any(statuses).0)
    }

    fn any(of: impl ExactSizeIterator<Item = Self>) -> Self {
        if of.len() == 0 {
            return Self::ALL;
        }
        of.fold(Self(0), |sum, one| Self(sum.0 | one.0))
    }

    fn state(state: JobState) -> Self {
        match state {
            JobState::Pending => Self(Self::FRESH.0 | Self::BEGUN.0),
            JobState::Running => Self(1 << 1),
            JobState::Completed => Self(1 << 2),
            JobState::Failed => Self(1 << 3),
            JobState::Cancelled => Self(1 << 4),
        }
    }

    /// Of one of the statuses that the grammar lets through.
    fn status(text: &str) -> Self {
        match text {
            "pending" => Self::FRESH,
            "processing" => Self(Self::BEGUN.0 | Self::state(JobState::Running).0),
            ended => {
                let states = JobState::ALL.into_iter();
                let mut named = states.filter(|state| state.as_str() == ended);
                named.next().map_or(Self(0), Self::state)
            }
        }
    }

    fn states(self) -> Vec<JobState> {
        let states = JobState::ALL.into_iter();
        states
            .filter(|state| Self::state(*state).0 & self.0 != 0)
            .collect()
    }

    /// Which pending jobs, when not all of them.
    fn begun(self) -> Option<bool> {
        match (self.0 & Self::BEGUN.0 != 0, self.0 & Self::FRESH.0 != 0) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use longhaul_types::filter::Period;

    use super::*;

    fn standings(text: &str) -> (Vec<JobState>, Option<bool>) {
        let filter: JobFilter = text.parse().expect("a filter");
        let standings = Standings::of(&filter);
        (standings.states(), standings.begun())
    }

    #[test]
    fn statuses_are_states_and_a_start() {
        use JobState::{Completed, Failed, Pending, Running};
        for (text, states, begun) in [
            ("", &JobState::ALL[..], None),
            ("status:pending", &[Pending], Some(false)),
            ("status:processing", &[Pending, Running], Some(true)),
            ("status:pending,processing", &[Pending, Running], None),
            ("state:pending status:processing", &[Pending], Some(true)),
            ("state:running status:pending", &[], None),
            ("state:pending", &[Pending], None),
            ("status:failed,completed", &[Completed, Failed], None),
        ] {
            assert_eq!(standings(text), (states.to_vec(), begun), "{text}");
        }
    }

    #[test]
    fn every_part_has_a_parameter() {
        let mut query = Query::parse(
            "q=state:failed+ended:%3C1h&state=completed&kind=k&text=a%20b&label.x=1&createdAfter=2026-01-01&who=me",
        )
        .expect("a query");
        let names = FilterNames::default().with("who", "owner");
        let filter = of_query(&mut query, &names).expect("a filter");
        query.finish().expect("all is taken");
        let text = "state:failed,completed kind:k \"a b\" label.x:1 label.owner:me created:>2026-01-01 ended:<1h";
        assert_eq!(filter, text.parse().expect("a filter"));
        assert_ne!(filter.created, Period::default());
        for text in [
            "q=created:%3C1h&createdAfter=1h",
            "createdAfter=soon",
            "q=a&q=b",
            "state=done",
        ] {
            let mut query = Query::parse(text).expect("a query");
            assert!(of_query(&mut query, &names).is_err(), "{text}");
        }
    }
}
