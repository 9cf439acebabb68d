//! The named parts of a job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JobError, Timestamp};

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ItemState {
    /// Not begun, or to be begun again.
    Pending,
    /// Being worked on.
    Running,
    /// Done; its result is stored and it is not run again.
    Completed,
    /// Given up; a retry by hand runs it again.
    Failed,
}

impl ItemState {
    /// Every state of an item.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Running, Self::Completed, Self::Failed];

    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// One named part of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its place in the job, from 0, in the order the items were declared.
    pub position: u32,
    /// Its name, unique in the job.
    pub name: String,
    /// Where it stands.
    pub state: ItemState,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it failed, or last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// What it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How many items of a job are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemCounts {
    /// All of them.
    pub total: u32,
    /// Done.
    pub completed: u32,
    /// Given up.
    pub failed: u32,
}
