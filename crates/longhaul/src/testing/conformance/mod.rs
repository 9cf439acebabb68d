//! The suite that every store must pass: one small function for each behaviour, each given an empty store.
//!
//! A backend's test file names how to make such a store, and each behaviour is a test of its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use longhaul::{Store, model::Limits, testing::MemoryStore};
//!
//! async fn make(limits: Limits) -> Arc<dyn Store> {
//!     Arc::new(MemoryStore::new(&limits))
//! }
//!
//! longhaul::conformance!(make);
//! ```
//!
//! What `make` answers with may be anything that points to a store, so that it can keep a folder alive as long.
//!
//! What the behaviours settle beyond the words of [`Store`]:
//! - a key is looked at before the id and the queue's depth, so whoever submits again gets the first job;
//! - jobs of a write are inserted after its end, so the next of a series may take over the unique key;
//! - `attempts` counts failed attempts only; a run whose cancel was requested ends as cancelled and spends none;
//! - a check that is parked may write and end without a new claim;
//! - a retry by hand is refused while another job lives under its unique key;
//! - what follows an end does so once for each end, and nothing about it keeps a job from ending;
//! - a pause stops claims alone: what runs writes and ends, a parked check may go on, requests and deadlines take effect;
//! - a schedule that is put, paused or fired is so only in the revision that was read;
//! - a sweep leaves alone what does not stand at its end any more.

mod lab;

pub mod asks;
pub mod cancels;
pub mod checks;
pub mod claims;
pub mod fencing;
pub mod follows;
pub mod lists;
pub mod pauses;
pub mod reads;
pub mod recovery;
pub mod retention;
pub mod runs;
pub mod scale;
pub mod schedules;
pub mod submission;
pub mod text;
pub mod tokens;
pub mod workers;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::Deref,
};

use longhaul_types::{ItemState, Reason, State};

use self::lab::ALL;
pub use self::lab::{Snapshot, snapshot};
use crate::{
    model::{Job, Limits, Status},
    store::{CountsBy, Filter, Store},
};

/// What the stores of this suite are made with: little log and shallow queues, so that a behaviour reaches the limits.
pub fn limits() -> Limits {
    Limits {
        log_lines: 50,
        queue_depth: 2_000,
        owner_disk: 100,
        ..Limits::default()
    }
}

/// Sees that what a store says of its jobs agrees: counts with rows, items with their counts, keys, and states.
pub async fn sound(store: &dyn Store) {
    let jobs = all_jobs(store).await;
    let owners: BTreeSet<&str> = jobs.iter().map(|job| job.owner.as_str()).collect();
    assert_eq!(counted(store, None).await, count(&jobs, None), "counts");
    for owner in owners {
        let (said, found) = (counted(store, Some(owner)).await, count(&jobs, Some(owner)));
        assert_eq!(said, found, "counts of owner {owner:?}");
        let mut files = 0;
        for job in jobs.iter().filter(|job| job.owner == owner) {
            let artifacts = store.artifacts(job.seq).await.expect("artifacts");
            files += artifacts.iter().map(|one| one.artifact.size).sum::<u64>();
        }
        let said = store.disk(owner).await.expect("disk");
        assert_eq!(said, files, "bytes of owner {owner:?}");
    }
    let mut keys = BTreeSet::new();
    for job in &jobs {
        if let (false, Some(key)) = (job.state().is_ended(), &job.unique_key) {
            let new = keys.insert((&job.owner, &job.kind, key));
            assert!(new, "two living jobs under {key:?}");
        }
        if let Status::Pending {
            reason,
            run_at,
            worker,
        } = &job.status
        {
            let held = *reason == Reason::Held;
            assert_eq!(run_at.is_none(), held, "held, or due some time: {job:?}");
            let parked = worker.is_none() || *reason == Reason::Check;
            assert!(parked, "only checks are kept by a worker: {job:?}");
        }
        sound_items(store, job).await;
    }
}

/// All jobs, newest first, read in pages.
pub async fn all_jobs(store: &dyn Store) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let before = jobs.last().map(|job| job.seq);
        let page = store.jobs(&Filter::default(), before, 500).await;
        let page = page.expect("jobs");
        if page.is_empty() {
            break;
        }
        jobs.extend(page);
    }
    let falling = jobs.is_sorted_by(|newer, older| newer.seq > older.seq);
    assert!(falling, "newest first, each once");
    jobs
}

async fn sound_items(store: &dyn Store, job: &Job) {
    let items = store.items(job.seq, None, None, ALL).await.expect("items");
    let of = |state| items.iter().filter(|item| item.state == state).count();
    let said = [job.items.total, job.items.completed, job.items.failed];
    let found = [items.len(), of(ItemState::Completed), of(ItemState::Failed)];
    assert_eq!(
        said.map(|count| count as usize),
        found,
        "items of {}",
        job.id
    );
    let in_order = items.iter().zip(0..).all(|(item, n)| item.position == n);
    assert!(in_order, "items stand at 0, 1, 2, … in {}", job.id);
}

/// What the store counts; a kind and queue of which nothing is left may be left out.
async fn counted(store: &dyn Store, owner: Option<&str>) -> CountsBy {
    let mut counts = store.counts(owner).await.expect("counts");
    counts.retain(|_, count| State::ALL.iter().any(|state| count.of(*state) > 0));
    counts
}

fn count(jobs: &[Job], owner: Option<&str>) -> CountsBy {
    let mut counts: CountsBy = BTreeMap::new();
    for job in jobs {
        if owner.is_none_or(|owner| owner == job.owner) {
            let place = (job.kind.clone(), job.queue.clone());
            *counts.entry(place).or_default().of_mut(job.state()) += 1;
        }
    }
    counts
}

/// Hands the list of behaviours, by module, to a macro: `$with! { $what; module { name … } … }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __behaviours {
    ($with:path, $what:ident) => {
        $with! { $what;
            asks {
                an_ended_job_is_retried
                a_retry_runs_failed_items_again
                other_jobs_are_not_retried
                a_retry_obeys_the_unique_key
                a_job_is_retried_again_and_again
                a_waiting_job_is_started
                a_job_between_attempts_is_started
                other_jobs_are_not_started
                an_ended_job_is_removed
                a_removed_job_leaves_nothing_behind
                living_jobs_are_not_removed
                another_owners_job_is_not_found
                an_owner_reaches_their_own
                numbers_of_lines_go_on_after_a_retry
            }
            cancels {
                a_pending_job_ends_at_once
                a_running_job_is_asked_to_stop
                the_worker_learns_of_it
                a_run_writes_until_it_stops
                every_end_obeys_a_cancel
                an_end_before_the_cancel_stands
                a_cancel_between_two_runs_ends_the_job
                a_rescue_obeys_a_cancel
                a_cancel_after_the_rescue_ends_the_job
                a_retried_job_is_not_asked_to_stop
                many_are_cancelled_at_once
                a_cancel_and_an_end_at_once
            }
            checks {
                a_check_keeps_worker_and_claim
                a_parked_job_is_not_given
                a_parked_job_writes
                a_parked_job_ends
                checks_go_on
                a_parked_job_is_not_cancelled_unasked
                a_cancel_ends_a_parked_job
                checks_of_the_dead_are_due_within_their_interval
                checks_of_the_dead_are_spread
                the_latest_interval_counts
                a_check_begins_a_new_budget
                the_end_of_a_parked_job_interrupts_items
                a_later_check_is_anybodys
                a_parked_job_may_be_given_up_to_anybody
            }
            claims {
                priority_goes_first
                age_is_the_order_of_submission
                only_due_jobs_are_given
                slots_are_counted_by_queue
                only_registered_kinds_are_given
                owners_do_not_matter
                a_claim_makes_a_job_run
                a_claim_says_since_when_its_job_was_due
                claim_numbers_rise
                a_job_is_given_once
                simultaneous_claims_share
                only_living_workers_claim
                a_checkpoint_comes_with_the_next_claim
                a_retried_job_is_given_again
                ended_and_waiting_jobs_are_not_given
            }
            fencing {
                nothing_is_written_without_a_claim
                another_number_is_refused
                a_stale_run_writes_nothing
                an_earlier_claim_of_the_same_worker_is_stale
                a_run_that_ended_writes_nothing
                an_end_is_accepted_once
                a_retry_by_hand_keeps_the_number
                a_removed_job_takes_no_write
                a_stale_check_writes_nothing
                a_job_that_was_failed_takes_no_write
            }
            follows {
                a_job_follows_an_end
                ends_are_told_apart
                a_cancel_is_followed
                an_end_without_a_run_is_followed
                each_end_is_followed
                follow_ups_wait_and_are_followed
                nothing_keeps_a_job_from_its_end
                an_unknown_kind_follows_nothing
                ends_written_together_are_followed
                follow_ups_go_with_their_job
            }
            lists {
                failed_jobs_are_found_by_their_code
                failures_are_grouped
                pending_jobs_are_told_apart_by_their_start
                words_are_found_in_ids_labels_and_errors
                an_id_finds_its_job_alone
                periods_hold_their_first_moment
                pages_say_whether_there_are_more
                who_waits_longest_is_known
            }
            pauses {
                a_paused_queue_gives_nothing
                a_pause_stops_no_run
                a_resumed_queue_gives_again
                a_pause_is_of_one_queue
                pauses_are_known_with_their_time
                a_paused_queue_takes_jobs_and_requests
            }
            reads {
                a_job_is_found_by_its_id
                nothing_is_read_of_no_job
                jobs_are_read_in_pages
                filters_show_any_that_is_named
                filters_show_owners_and_labels
                filters_show_what_fits_all_parts
                filtered_jobs_are_read_in_pages
                counts_are_by_kind_and_queue
                counts_follow_every_change
                items_are_read_in_pages
                logs_are_read_in_pages
                a_log_is_bounded
                a_detail_is_the_job_of_the_list
                an_installation_has_a_number
            }
            recovery {
                jobs_of_the_dead_are_rescued
                only_the_dead_lose_their_jobs
                a_lease_ends
                a_heartbeat_renews_the_lease
                a_late_heartbeat_holds_nothing
                the_end_of_a_lease_is_one_moment
                a_new_owner_replaces_the_one_before
                joining_twice_is_no_death
                nobody_inherits_from_their_name
                a_worker_knows_what_it_holds
                a_rescue_interrupts_items
                leaving_twice_is_no_error
                patience_ends
                an_advance_renews_patience
                deadlines_pass
                a_deadline_counts_from_the_first_start
                a_parked_job_expires
                deadlines_are_due
                the_next_due_time_is_known
            }
            retention {
                ended_jobs_become_due
                every_end_becomes_due
                each_kind_has_its_time
                parts_go_in_steps
                rows_go_with_all_they_have
                a_retried_job_is_not_swept
                unknown_and_living_jobs_are_not_swept
                sweeps_go_in_batches
                numbers_of_swept_lines_are_not_used_again
                orphans_are_found
            }
            runs {
                progress_is_replaced
                items_are_kept_by_name
                an_item_is_replaced_whole
                an_end_interrupts_items
                artifacts_are_kept_by_name
                artifacts_count_as_their_owners
                artifacts_past_their_owners_limit_are_refused
                every_write_raises_the_revision
                a_run_completes
                a_result_may_be_missing
                a_run_fails
                a_run_is_tried_again
                a_run_is_released
                attempts_stand_in_order
                a_write_is_whole
                a_job_that_does_not_fit_refuses_its_write
                writes_of_a_call_stand_alone
                writes_of_a_run_keep_their_order
                jobs_of_a_write_obey_their_keys
                a_successor_takes_over_the_unique_key
                a_cancelled_end_needs_a_cancel
                log_lines_are_numbered
                jobs_do_not_share
            }
            scale {
                batches_of_a_thousand
                one_of_a_thousand
                a_thousand_are_rescued
                a_write_of_a_thousand_things
                large_values_come_back
            }
            schedules {
                a_schedule_is_kept_as_it_was_put
                a_schedule_is_replaced_in_the_revision_that_was_read
                schedules_are_read_in_pages
                schedules_that_can_not_be_are_refused
                due_schedules_are_known
                a_schedule_moves_on_with_its_jobs
                a_schedule_moves_on_once
                a_refused_job_moves_nothing
                a_job_that_is_there_counts_as_skipped
            }
            submission {
                kinds_are_known_once_declared
                an_unknown_kind_is_refused
                a_new_job_is_as_submitted
                a_held_job_has_no_time
                numbers_rise_with_submission
                no_jobs_are_no_error
                all_are_inserted_or_none
                an_id_comes_once_in_a_call
                an_id_is_unique_under_its_owner
                a_unique_key_names_the_living_job
                a_unique_key_is_of_one_owner_and_kind
                a_unique_key_is_free_after_the_end
                a_unique_key_holds_within_a_call
                an_idempotency_key_is_remembered
                an_idempotency_key_is_forgotten
                an_idempotency_key_goes_with_its_job
                a_full_queue_refuses
                every_pending_job_fills_its_queue
            }
            text {
                names_come_back
                json_comes_back
                what_runs_write_comes_back
                ids_come_back
                workers_come_back
                times_come_back
            }
            tokens {
                a_token_is_kept_as_it_was_made
                tokens_stand_in_the_order_of_their_making
                an_id_or_a_secret_is_one_tokens_alone
                a_revoked_token_is_gone
                the_last_use_is_the_latest
            }
            workers {
                a_worker_says_what_it_is
                workers_are_listed_with_what_they_hold
                the_dead_are_not_listed
                leases_begin_anew_at_a_start
            }
        }
    };
}

/// Makes each behaviour of [`testing::conformance`](crate::testing::conformance) a test of its own: takes the name of an
/// `async fn(Limits) -> impl Deref<Target = dyn Store>` that makes an empty store. Needs `tokio` with `macros`.
#[macro_export]
macro_rules! conformance {
    ($make:ident) => {
        $crate::__behaviours! { $crate::__tests, $make }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($make:ident; $($module:ident { $($name:ident)* })*) => { $(
        mod $module { $(
            #[tokio::test]
            async fn $name() {
                let store = super::$make($crate::testing::conformance::limits()).await;
                $crate::testing::conformance::$module::$name(&*store).await;
                $crate::testing::conformance::sound(&*store).await;
            }
        )* }
    )* };
}

macro_rules! run_all {
    ($make:ident; $($module:ident { $($name:ident)* })*) => { $( $(
        let store = $make(limits()).await;
        $module::$name(&*store).await;
        sound(&*store).await;
    )* )* };
}

/// Sees that the stores that `make` makes behave as they must: all behaviours one after the other, each with its own
/// store. A backend's tests rather use [`conformance!`](crate::conformance), which names the behaviour that fails.
pub async fn run<F, Fut, S>(make: F)
where
    F: Fn(Limits) -> Fut,
    Fut: Future<Output = S>,
    S: Deref<Target = dyn Store>,
{
    crate::__behaviours! { run_all, make }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::MemoryStore;

    macro_rules! name_all {
        ($to:ident; $($module:ident { $($name:ident)* })*) => { $(
            let source = include_str!(concat!(stringify!($module), ".rs"));
            $to.push((stringify!($module), source, vec![$(stringify!($name)),*]));
        )* };
    }

    #[test]
    fn every_behaviour_is_in_the_list() {
        let mut modules = Vec::new();
        crate::__behaviours! { name_all, modules }
        for (module, source, listed) in modules {
            let names = source.lines().filter_map(|line| {
                let (name, _) = line.strip_prefix("pub async fn ")?.split_once('(')?;
                Some(name)
            });
            assert_eq!(names.collect::<Vec<_>>(), listed, "of module {module}");
        }
    }

    async fn make(limits: Limits) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&limits))
    }

    #[tokio::test]
    async fn all_behaviours_run_one_after_the_other() {
        Box::pin(run(make)).await;
    }
}
