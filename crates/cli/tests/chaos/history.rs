//! What the database saw: every change of every job's state, written down by triggers in the transaction that made it.

use std::collections::BTreeMap;

use longhaul::tokio_postgres::{self, NoTls};
use longhaul_types::State;

const BEGIN: &str = "
CREATE TABLE public.history (n bigserial, seq bigint, state int, claim bigint, worker bigint, name text);
CREATE FUNCTION public.note_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.history (seq, state, claim, worker, name)
  VALUES (NEW.seq, CASE WHEN NEW.wait IS NULL THEN 1 ELSE 0 END, NEW.claim, NEW.worker,
    (SELECT w.about::json ->> 'name' FROM longhaul.workers AS w WHERE w.id = NEW.worker));
  RETURN NULL;
END $$;
CREATE FUNCTION public.note_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.history (seq, state, claim) VALUES (NEW.seq, NEW.state, NEW.claim);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON longhaul.live FOR EACH ROW EXECUTE FUNCTION public.note_live();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON longhaul.ended FOR EACH ROW EXECUTE FUNCTION public.note_ended();
";

const READ: &str = "
SELECT j.id, h.state, h.claim, h.worker, h.name FROM public.history AS h JOIN longhaul.jobs AS j USING (seq) ORDER BY h.n";

/// What a job said as it was done: the newest line of its log that says so.
const DONE: &str = "
SELECT DISTINCT ON (l.job) j.id, l.text FROM longhaul.logs AS l JOIN longhaul.jobs AS j ON j.seq = l.job
WHERE l.text LIKE 'done %' ORDER BY l.job, l.number DESC";

/// A job as it stood from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stand {
    state: State,
    claim: i64,
    worker: Option<i64>,
    /// The process of that worker.
    process: Option<u32>,
}

/// All changes of each job, in their order.
pub(crate) struct History {
    of: BTreeMap<String, Vec<Stand>>,
    /// By job, the process that said that it was done.
    done: BTreeMap<String, u32>,
}

impl History {
    /// Has the database write down what it does from now on.
    pub(crate) async fn begin(url: &str) {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("a session");
        tokio::spawn(connection);
        client.batch_execute(BEGIN).await.expect("written down");
    }

    pub(crate) async fn read(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("a session");
        tokio::spawn(connection);
        let rows = client.query(READ, &[]).await.expect("the history");
        let mut of: BTreeMap<String, Vec<Stand>> = BTreeMap::new();
        for row in &rows {
            let state = match row.get::<_, i32>(1) {
                0 => State::Pending,
                1 => State::Running,
                2 => State::Completed,
                3 => State::Failed,
                _ => State::Cancelled,
            };
            let stand = Stand {
                state,
                claim: row.get(2),
                worker: row.get(3),
                process: row.get::<_, Option<&str>>(4).and_then(last_number),
            };
            of.entry(row.get(0)).or_default().push(stand);
        }
        let rows = client.query(DONE, &[]).await.expect("the logs");
        let done = rows
            .iter()
            .filter_map(|row| Some((row.get(0), last_number(row.get(1))?)));
        let done = done.collect();
        Self { of, done }
    }

    /// States change along the diagram, and no claim is given twice.
    pub(crate) fn is_sound(&self) {
        for (job, stands) in &self.of {
            assert_eq!(stands[0].state, State::Pending, "{job} begins: {stands:?}");
            for pair in stands.windows(2) {
                follows(job, &pair[0], &pair[1]);
            }
            // What is kept of it is of the run that held it last.
            let last = stands.iter().rev().find_map(|stand| stand.process);
            if self.end(job) == State::Completed {
                assert!(last.is_some(), "{job}: {stands:?}");
                assert_eq!(self.done.get(job).copied(), last, "{job}: {stands:?}");
            }
        }
    }

    /// Jobs that there were.
    pub(crate) fn jobs(&self) -> usize {
        self.of.len()
    }

    /// How a job ended.
    pub(crate) fn end(&self, job: &str) -> State {
        let stands = self.of.get(job).and_then(|stands| stands.last());
        stands.expect("an acknowledged job").state
    }

    /// How often a job was given to a worker.
    pub(crate) fn claims(&self, job: &str) -> usize {
        let last = self.of.get(job).and_then(|stands| stands.last());
        last.map_or(0, |stand| usize::try_from(stand.claim).expect("few"))
    }

    /// How often any was.
    pub(crate) fn runs(&self) -> usize {
        self.of.keys().map(|job| self.claims(job)).sum()
    }

    /// How often a worker lost a job that it ran.
    pub(crate) fn taken_away(&self) -> usize {
        let lost =
            |pair: &&[Stand]| pair[0].state == State::Running && pair[1].state == State::Pending;
        self.of
            .values()
            .map(|stands| stands.windows(2).filter(lost).count())
            .sum()
    }
}

/// The number that a text ends with.
fn last_number(text: &str) -> Option<u32> {
    text.rsplit(' ').next()?.parse().ok()
}

fn follows(job: &str, before: &Stand, after: &Stand) {
    let given = after.claim == before.claim + 1;
    let same = after.claim == before.claim;
    let legal = match (before.state, after.state) {
        // A claim is a new number, and begins each run.
        (State::Pending, State::Running) => given,
        (State::Pending, State::Pending) => same,
        // What is written of a run is the run's that holds it.
        (State::Running, State::Running) => same && before.worker == after.worker,
        (State::Running, _) => same,
        (State::Pending, State::Cancelled | State::Failed) => same,
        // An end is one.
        _ => false,
    };
    assert!(legal, "{job}: {before:?} became {after:?}");
}
