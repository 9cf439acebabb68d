//! What was measured, for people and for programs.

use std::time::Duration;

use serde::Serialize;

/// One figure and what it is held against.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// What was measured.
    pub(super) name: String,
    /// How much.
    pub(super) value: f64,
    /// In which unit.
    pub(super) unit: &'static str,
    /// The bare loop's value in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) floor: Option<f64>,
    /// Value to floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    /// What is aimed for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            floor: None,
            ratio: None,
            target: None,
        }
    }

    pub(super) fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self.ratio = Some(self.value / floor);
        self
    }

    pub(super) fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    cores: usize,
    /// Time of one commit of one row, in milliseconds.
    sync_ms: f64,
    #[serde(skip)]
    pub(super) sync: Duration,
    pub(super) figures: Vec<Figure>,
}

impl Report {
    pub(super) fn new(sync: Duration) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            sync_ms: sync.as_secs_f64() * 1000.0,
            sync,
            figures: Vec::new(),
        }
    }

    /// Says how much slower everything is beside `finished` jobs.
    pub(super) fn compare(&mut self, finished: u32, few: &[Figure], many: &[Figure]) {
        for (few, many) in few.iter().zip(many) {
            // Of rates more is better, of times less.
            let slower = if few.unit.ends_with("/s") {
                few.value / many.value
            } else {
                many.value / few.value
            };
            let name = format!("{} beside {finished} finished jobs: times slower", few.name);
            self.figures
                .push(Figure::new(name, slower, "x").target("<= 1.2"));
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} cores, one synced commit takes {:.2} ms (median)\n\n{:<64} {:>12} {:>12} {:>7}  target\n",
            self.cores, self.sync_ms, "", "value", "floor", "ratio"
        );
        for figure in &self.figures {
            let number = |value: Option<f64>, digits| {
                value.map_or_else(String::new, |value| format!("{value:.digits$}"))
            };
            let digits = if figure.value < 100.0 { 2 } else { 0 };
            text.push_str(&format!(
                "{:<64} {:>12} {:>12} {:>7}  {}\n",
                format!("{} ({})", figure.name, figure.unit),
                number(Some(figure.value), digits),
                number(figure.floor, digits),
                number(figure.ratio, 2),
                figure.target.as_deref().unwrap_or("")
            ));
        }
        text
    }
}

/// The middle of the values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
