//! What a receiver is told: an event of type `job.completed`, `job.failed` or `job.cancelled`, and the job as the API shows
//! it.

use longhaul::{Context, Failure, model::Followed};
use longhaul_types::State;
use serde_json::{Value, json};

use crate::view;

/// Bytes of a body; of a larger job the args and the results are left out.
const LONGEST: usize = 256 << 10;

/// The body of a delivery. Made once and kept: the job may have changed, or be gone, when it is tried again.
pub(super) async fn body(job: &Context, ended: &Followed) -> Result<String, Failure> {
    if let Some(body) = job.checkpoint::<String>()? {
        return Ok(body);
    }
    let body = event(job, ended).await?;
    job.save(&body).await?;
    Ok(body)
}

async fn event(job: &Context, ended: &Followed) -> Result<String, Failure> {
    let found = job.find(&ended.job_id).await?;
    let data = match found {
        Some(detail) if detail.job.revision == ended.revision => {
            serde_json::to_value(view::ended_detail(detail, job.now()))?
        }
        // It was retried, swept or removed since: what the end itself said is left.
        _ => told(ended),
    };
    let mut event = json!({
        "type": format!("job.{}", ended.state),
        "timestamp": ended.ended_at,
        "data": data,
    });
    let text = event.to_string();
    if text.len() <= LONGEST {
        return Ok(text);
    }
    if let Some(data) = event["data"].as_object_mut() {
        data.remove("args");
        data.remove("results");
        data.insert("truncated".to_owned(), Value::Bool(true));
    }
    Ok(event.to_string())
}

/// The members of a job that its end said.
fn told(ended: &Followed) -> Value {
    let mut data = json!({
        "success": true,
        "jobId": ended.job_id,
        "kind": ended.kind,
        // The document's words for ends are those of the states.
        "status": ended.state,
        "state": ended.state,
        "completedAt": ended.ended_at,
        "revision": ended.revision,
    });
    if let (State::Failed, Some(error)) = (ended.state, &ended.error) {
        data["error"] = json!(error.message);
        data["errorCode"] = json!(error.code);
    }
    data
}
