//! Buckets of S3-compatible storage.

use std::{sync::Arc, time::Duration};

use object_store::{
    ClientOptions, RetryConfig, aws::AmazonS3Builder, path::Path as Location, prefix::PrefixStore,
};

use super::{Artifacts, Error};

/// A connection is there by then, or tried anew.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time without a byte, and for a part to be taken.
const SILENCE: Duration = Duration::from_mins(1);
/// How often, and how long, one request is tried again while the storage fails; then the job's own retry is next.
const RETRIES: usize = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// The bucket and prefix `place` of the address `s3://place`.
pub(super) fn open(address: &str, place: &str) -> Result<Artifacts, Error> {
    let wrong = |why: String| Error::Place {
        place: address.to_owned(),
        why,
    };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() || bucket.contains(|byte: char| !is_of_a_bucket(byte)) {
        return Err(wrong(
            "it must be s3://BUCKET/PREFIX, with the name of a bucket; keys and endpoint stand in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL".to_owned(),
        ));
    }
    let prefix = Location::parse(prefix).map_err(|error| wrong(error.to_string()))?;
    // Whoever writes http:// into the environment means it.
    let plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A file is as long as it is: what is limited is silence.
    let client = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT)
        .with_timeout_disabled()
        .with_read_timeout(SILENCE);
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: PATIENCE,
        ..RetryConfig::default()
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    if prefix.as_ref().is_empty() {
        return Ok(Artifacts::new(Arc::new(store)));
    }
    Ok(Artifacts::new(Arc::new(PrefixStore::new(store, prefix))))
}

fn is_of_a_bucket(byte: char) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, '.' | '-' | '_')
}
