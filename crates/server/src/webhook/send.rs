//! One attempt of a delivery, and what its answer means.
//!
//! A status of 2xx is success. 410 says that nobody wants to be told any more, and a redirect is not followed: both are
//! final. Everything else, and no answer at all, is tried again: receivers are deployed, misconfigured and mended.

use std::time::{Duration, Instant, SystemTime};

use longhaul::{Context, Failure};
use reqwest::{Client, Response, StatusCode, Url, header};

use super::{Delivered, sign::SigningKey};

/// Bytes of an answer that are kept, in the delivery's log. No more is read.
const KEPT: usize = 1 << 10;
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

pub(super) async fn send(
    job: &Context,
    client: &Client,
    url: Url,
    body: String,
    key: Option<&SigningKey>,
) -> Result<Delivered, Failure> {
    let began = Instant::now();
    let time = job.now().0.div_euclid(1000);
    let mut request = client
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", job.id().as_str())
        .header("webhook-timestamp", time);
    if let Some(key) = key {
        let signature = key.sign(job.id().as_str(), time, &body);
        request = request.header("webhook-signature", signature);
    }
    let answered = request.body(body).send().await.map_err(unreachable);
    let mut response = answered.inspect_err(|failure| job.warn(failure.error.message.clone()))?;
    let status = response.status();
    let wait = retry_after(&response);
    let (text, whole) = beginning(&mut response).await;
    job.info(format!(
        "attempt {}: answered {status} after {} ms: {text}{}",
        job.attempt(),
        began.elapsed().as_millis(),
        if whole { "" } else { " …" },
    ));
    judge(status, wait)
}

fn unreachable(error: reqwest::Error) -> Failure {
    // The address may hold what is not for errors; the job's args show it to whoever may see them.
    let mut failure = Failure::from(error.without_url());
    "webhook_unreachable".clone_into(&mut failure.error.code);
    failure
}

/// What a status means for the delivery.
fn judge(status: StatusCode, wait: Option<Duration>) -> Result<Delivered, Failure> {
    if status.is_success() {
        return Ok(Delivered {
            status: status.as_u16(),
        });
    }
    if status == StatusCode::GONE {
        return Err(Failure::fatal(
            "webhook_gone",
            "the receiver answered 410: it wants no more of these; it is not tried again",
        ));
    }
    if status.is_redirection() {
        return Err(Failure::fatal(
            "webhook_redirected",
            format!(
                "the receiver answered {status}: redirects are not followed; name the address it leads to"
            ),
        ));
    }
    let message = format!("the receiver answered {status}");
    Err(match wait {
        Some(wait) => Failure::retry_after(wait, "webhook_refused", message),
        None => Failure::retry("webhook_refused", message),
    })
}

/// When the receiver wants to be asked again: in so many seconds, or at a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    wait_of(value.to_str().ok()?.trim(), SystemTime::now())
}

fn wait_of(value: &str, now: SystemTime) -> Option<Duration> {
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The first of an answer, and whether that is all of it. What can not be read is left out: the status has come.
async fn beginning(response: &mut Response) -> (String, bool) {
    let mut bytes = Vec::new();
    let mut whole = false;
    while bytes.len() <= KEPT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(KEPT + 1)]),
            Ok(None) => {
                whole = true;
                break;
            }
            Err(_) => break,
        }
    }
    whole &= bytes.len() <= KEPT;
    bytes.truncate(KEPT);
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

#[cfg(test)]
mod tests {
    use longhaul::handler::Again;

    use super::*;

    fn again(status: u16, wait: Option<Duration>) -> Option<Again> {
        let status = StatusCode::from_u16(status).expect("a status");
        judge(status, wait).err().map(|failure| failure.again)
    }

    #[test]
    fn statuses_are_judged() {
        for status in [200, 201, 202, 204] {
            assert_eq!(again(status, None), None, "{status}");
        }
        for status in [301, 302, 304, 307, 308, 410] {
            assert_eq!(
                again(status, Some(Duration::ZERO)),
                Some(Again::Never),
                "{status}"
            );
        }
        for status in [400, 401, 404, 408, 409, 425, 429, 500, 502, 503, 504] {
            assert_eq!(again(status, None), Some(Again::Backoff), "{status}");
        }
        let wait = Duration::from_secs(7);
        assert_eq!(again(503, Some(wait)), Some(Again::After(wait)));
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_by_a_date_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |value| wait_of(value, now).map(|wait| wait.as_secs());
        assert_eq!(wait("3"), Some(3));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(wait("99999999"), Some(24 * 3600));
        for value in ["", "-1", "soon", "1.5"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }
}
