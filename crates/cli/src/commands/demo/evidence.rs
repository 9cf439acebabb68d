//! What the aggregator had sent whole before the kill, and whether it was asked for again.

use std::collections::BTreeSet;

use longhaul_sandbox::aggregator::Request;

use super::stage::Blob;

/// Pieces that were sent whole: blob, first and last byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    whole: BTreeSet<(String, u64, u64)>,
    items: usize,
    pieces: usize,
}

impl Evidence {
    /// What these requests were given.
    pub(super) fn of(requests: &[Request], blobs: &[Blob]) -> Self {
        let whole: BTreeSet<_> = requests
            .iter()
            .filter_map(|request| {
                let (start, end) = range(request)?;
                let is_probe = start == end;
                (!is_probe && request.sent == end - start + 1)
                    .then(|| (request.blob.clone(), start, end))
            })
            .collect();
        let is_finished = |blob: &&Blob| {
            let id = blob.id.to_string();
            let parts = whole.iter().filter(|(name, ..)| *name == id);
            parts.map(|(_, start, end)| end - start + 1).sum::<u64>() == blob.bytes
        };
        let finished: Vec<String> = blobs
            .iter()
            .filter(is_finished)
            .map(|blob| blob.id.to_string())
            .collect();
        let pieces = whole
            .iter()
            .filter(|(blob, ..)| !finished.contains(blob))
            .count();
        Self {
            items: finished.len(),
            pieces,
            whole,
        }
    }

    /// Blobs that were sent whole.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Pieces of other blobs that were sent whole.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    /// Requests that a start from nothing would have made again.
    pub(super) fn saved_requests(&self) -> usize {
        self.whole.len()
    }

    /// Which of these requests asked for bytes that were sent whole before.
    pub(super) fn asked_again(&self, requests: &[Request]) -> Vec<String> {
        requests
            .iter()
            .filter_map(|request| {
                let (start, end) = range(request)?;
                let twice = self
                    .whole
                    .iter()
                    .any(|(blob, from, to)| *blob == request.blob && start <= *to && *from <= end);
                twice.then(|| format!("{} {start}-{end}", request.blob))
            })
            .collect()
    }
}

/// First and last byte asked for.
fn range(request: &Request) -> Option<(u64, u64)> {
    let (start, end) = request
        .range
        .as_deref()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use longhaul_walrus::blob_id::BlobId;

    use super::*;

    fn request(blob: &BlobId, range: &str, sent: u64) -> Request {
        Request {
            method: "GET".to_owned(),
            blob: blob.to_string(),
            range: Some(format!("bytes={range}")),
            status: 206,
            sent,
        }
    }

    #[test]
    fn only_what_was_sent_whole_counts() {
        let (small, large) = (BlobId::from_bytes([1; 32]), BlobId::from_bytes([2; 32]));
        let blobs = [
            Blob {
                id: small,
                bytes: 10,
            },
            Blob {
                id: large,
                bytes: 30,
            },
        ];
        let requests = [
            request(&small, "0-0", 1),
            request(&small, "0-9", 10),
            request(&large, "0-9", 10),
            request(&large, "10-19", 9),
        ];
        let evidence = Evidence::of(&requests, &blobs);
        assert_eq!((evidence.items(), evidence.pieces()), (1, 1));
        assert_eq!(evidence.saved_requests(), 2);
        let fine = [request(&large, "10-19", 0), request(&large, "20-29", 0)];
        assert!(evidence.asked_again(&fine).is_empty());
        let twice = [request(&large, "5-14", 0), request(&small, "0-0", 0)];
        assert_eq!(evidence.asked_again(&twice).len(), 2);
    }
}
