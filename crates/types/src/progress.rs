//! How far a job is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How far a job is. Rates and times are estimates; the rest is what the handler reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Units done.
    pub current: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// What a unit is: `bytes`, `items`, `blocks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `current` of `total`, 0 to 100 and rounded; unknown without a total.
    pub percentage: Option<u8>,
    /// What is being done just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    /// Units per second of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds left at that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_left: Option<f64>,
    /// Whatever else the handler wants shown.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Map<String, Value>,
}

/// `current` of `total` in whole percent, rounded to the nearest, never over 100; nothing is 100 % of nothing.
pub fn percentage(current: u64, total: u64) -> u8 {
    if total == 0 {
        return 100;
    }
    let percent = (u128::from(current) * 100 + u128::from(total) / 2) / u128::from(total);
    u8::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_to_the_nearest() {
        assert_eq!(percentage(15, 27), 56);
        assert_eq!(percentage(0, 3), 0);
        assert_eq!(percentage(9, 3), 100);
        assert_eq!(percentage(u64::MAX, u64::MAX), 100);
        assert_eq!(percentage(0, 0), 100);
    }
}
