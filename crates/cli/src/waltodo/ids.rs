//! The ids of jobs that were not named: `job_<unix seconds>_<6 of a-z0-9>`.

use longhaul_types::{JobId, Timestamp};

use crate::exit::{Fail, Result};

const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A new id for a job that is submitted `now`.
pub(super) fn new_id(now: Timestamp) -> Result<JobId> {
    let mut random = uuid::Uuid::new_v4().as_u128();
    let mut end = String::with_capacity(6);
    for _ in 0..6 {
        // Less than 36 of 2^122: the bias is nothing.
        let index = usize::try_from(random % 36).unwrap_or(0);
        end.push(char::from(LETTERS[index]));
        random /= 36;
    }
    format!("job_{}_{end}", now.0 / 1000)
        .parse()
        .map_err(|error: longhaul_types::id::Error| Fail::failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_documents_shape_and_differ() {
        let now = Timestamp(1_703_123_456_789);
        let first = new_id(now).expect("an id");
        let end = first.as_str().strip_prefix("job_1703123456_").expect("ok");
        assert_eq!(end.len(), 6);
        assert!(end.bytes().all(|byte| LETTERS.contains(&byte)), "{end}");
        assert_ne!(first, new_id(now).expect("an id"));
    }
}
