//! Rules that are spent: what the stand-ins share of their faults.
//!
//! Invariant: a rule limited to n times is spent on exactly n answers, however many requests come at once, and only on
//! answers that it applies to.

use std::sync::{Mutex, PoisonError};

/// The most rules at a time.
pub const MAX_RULES: usize = 1000;

/// A rule with counts.
pub(crate) trait Counted: Clone {
    /// What it does.
    type Fault: Clone;

    /// What it does.
    fn fault(&self) -> &Self::Fault;

    /// Answers to leave as they are before, and how many answers more.
    fn counts(&mut self) -> (&mut Option<u32>, &mut Option<u32>);
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Rules<R>(Mutex<Vec<R>>);

impl<R> Default for Rules<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Counted> Rules<R> {
    pub(crate) fn add(&self, rule: R) {
        self.with(|rules| {
            assert!(rules.len() < MAX_RULES, "at most {MAX_RULES} rules");
            rules.push(rule);
        });
    }

    pub(crate) fn set(&self, new: Vec<R>) {
        assert!(new.len() <= MAX_RULES, "at most {MAX_RULES} rules");
        self.with(|rules| *rules = new);
    }

    pub(crate) fn clear(&self) {
        self.with(Vec::clear);
    }

    pub(crate) fn list(&self) -> Vec<R> {
        self.with(|rules| rules.clone())
    }

    /// Spends the rules that apply, at most so many.
    pub(crate) fn spend(&self, most: usize, applies: impl Fn(&R) -> bool) -> Vec<R::Fault> {
        self.with(|rules| {
            let mut taken = Vec::new();
            rules.retain_mut(|rule| {
                let matches = applies(rule) && taken.len() < most;
                let fault = rule.fault().clone();
                let (skip, times) = rule.counts();
                if !matches {
                    return *times != Some(0);
                }
                if let Some(skip @ 1..) = skip {
                    *skip -= 1;
                    return true;
                }
                match times {
                    None => taken.push(fault),
                    Some(0) => return false,
                    Some(times) => {
                        *times -= 1;
                        taken.push(fault);
                    }
                }
                *times != Some(0)
            });
            taken
        })
    }

    fn with<T>(&self, apply: impl FnOnce(&mut Vec<R>) -> T) -> T {
        apply(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
