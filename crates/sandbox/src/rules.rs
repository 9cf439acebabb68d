//! Rules that are spent: what the stand-ins share of their faults.
//!
//! Invariant: a rule limited to n times is spent on exactly n answers, however many requests come at once, and only on
//! answers that it applies to.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The most rules at a time.
pub const MAX_RULES: usize = 1000;

/// A fault, what it applies to and how many times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule<On, Fault> {
    /// What it applies to; anything when missing.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// Answers to leave as they are before; none when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// How many answers more; always when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The fault.
    pub fault: Fault,
}

/// As `Option::default`, which would ask the same of what may be inside.
fn none<T>() -> Option<T> {
    None
}

impl<On, Fault> Rule<On, Fault> {
    /// This fault on every answer.
    pub fn new(fault: Fault) -> Self {
        Self {
            on: None,
            skip: None,
            times: None,
            fault,
        }
    }

    /// Only this many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only after this many answers that it leaves as they are.
    #[must_use]
    pub fn skip(mut self, answers: u32) -> Self {
        self.skip = Some(answers);
        self
    }

    /// Only on this.
    #[must_use]
    pub fn on(mut self, on: On) -> Self {
        self.on = Some(on);
        self
    }
}

/// The rules in force. Of several refusals the first applies; other faults combine.
#[derive(Debug)]
pub struct Faults<On, Fault>(Mutex<Vec<Rule<On, Fault>>>);

impl<On, Fault> Default for Faults<On, Fault> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<On: Clone, Fault: Clone> Faults<On, Fault> {
    /// Adds a rule.
    ///
    /// # Panics
    /// When there are [`MAX_RULES`] already.
    pub fn add(&self, rule: Rule<On, Fault>) {
        self.with(|rules| {
            assert!(rules.len() < MAX_RULES, "at most {MAX_RULES} rules");
            rules.push(rule);
        });
    }

    /// Replaces all rules.
    ///
    /// # Panics
    /// When these are more than [`MAX_RULES`].
    pub fn set(&self, new: Vec<Rule<On, Fault>>) {
        assert!(new.len() <= MAX_RULES, "at most {MAX_RULES} rules");
        self.with(|rules| *rules = new);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.with(Vec::clear);
    }

    /// The rules that are not spent, with the times they have left.
    pub fn list(&self) -> Vec<Rule<On, Fault>> {
        self.with(|rules| rules.clone())
    }

    /// Spends the rules that apply to this, at most so many.
    pub(crate) fn spend(
        &self,
        most: usize,
        is_on: impl Fn(&On) -> bool,
        applies: impl Fn(&Fault) -> bool,
    ) -> Vec<Fault> {
        self.with(|rules| {
            let mut taken = Vec::new();
            rules.retain_mut(|rule| {
                let on = rule.on.as_ref().is_none_or(&is_on);
                if !on || !applies(&rule.fault) || taken.len() >= most {
                    return rule.times != Some(0);
                }
                if let Some(skip @ 1..) = &mut rule.skip {
                    *skip -= 1;
                    return true;
                }
                match &mut rule.times {
                    None => taken.push(rule.fault.clone()),
                    Some(0) => return false,
                    Some(times) => {
                        *times -= 1;
                        taken.push(rule.fault.clone());
                    }
                }
                rule.times != Some(0)
            });
            taken
        })
    }

    fn with<T>(&self, apply: impl FnOnce(&mut Vec<Rule<On, Fault>>) -> T) -> T {
        apply(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
