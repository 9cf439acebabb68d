//! The IDs that the published encoder gives, for 96 blobs at 4 to 1000 shards.

use longhaul_walrus::blob_id::{BlobId, Options, Shards, compute};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    n_shards: u16,
    input: String,
    len: usize,
    sha256: String,
    blob_id: BlobId,
    blob_id_hex: String,
}

impl Vector {
    /// The blob that `input` describes.
    fn bytes(&self) -> Vec<u8> {
        let indexed =
            |byte: fn(usize) -> usize| (0..self.len).map(|i| byte(i).to_le_bytes()[0]).collect();
        if let Some(text) = self.input.strip_prefix("utf8 ") {
            serde_json::from_str(text)
                .unwrap_or_else(|_| text.to_owned())
                .into_bytes()
        } else if self.input.starts_with("bytes i%251") {
            indexed(|i| i % 251)
        } else if self.input.starts_with("bytes (i*7+(i>>8))&0xff") {
            indexed(|i| i * 7 + (i >> 8))
        } else if self.input == "1 byte 0x61" {
            vec![0x61]
        } else {
            assert!(
                ["zero bytes", "1 byte 0x00", "all zero"].contains(&self.input.as_str()),
                "{}",
                self.input
            );
            vec![0; self.len]
        }
    }
}

#[test]
fn every_published_vector() {
    let file: Vectors =
        serde_json::from_str(include_str!("data/walrus_vectors.json")).expect("the vectors");
    assert_eq!(file.vectors.len(), 96);
    for vector in &file.vectors {
        let bytes = vector.bytes();
        let name = format!("{} at {} shards", vector.name, vector.n_shards);
        assert_eq!(bytes.len(), vector.len, "{name}: length");
        assert_eq!(
            Sha256::digest(&bytes).to_vec(),
            bytes_of(&vector.sha256),
            "{name}: the blob itself"
        );
        let options = Options {
            shards: Shards::new(vector.n_shards).expect("not zero"),
            ..Options::default()
        };
        let id = compute(&bytes, bytes.len() as u64, &options).expect("a blob ID");
        assert_eq!(id, vector.blob_id, "{name}");
        assert_eq!(
            id.as_bytes().to_vec(),
            bytes_of(&vector.blob_id_hex),
            "{name}"
        );
    }
}

/// The bytes that a hexadecimal text stands for.
fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|i| &hex[i..i + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}
