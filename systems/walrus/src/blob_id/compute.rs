//! Computing a blob ID.

use blake2b_simd::Params;
use reed_solomon_simd::ReedSolomonEncoder;

use super::{BlobId, Error, ReadAt, Shards, geometry::Geometry};

/// How a blob ID is computed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The network's shards: another number gives another ID.
    pub shards: Shards,
}

/// The ID of the blob that is the first `length` bytes of `source`.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::UnsupportedShards`], [`Error::Read`].
pub fn compute(source: &impl ReadAt, length: u64, options: &Options) -> Result<BlobId, Error> {
    let geometry = Geometry::new(length, options.shards)?;
    let Geometry {
        shards: n,
        rows,
        columns,
        symbol,
        ..
    } = geometry;
    let too_large = Error::TooLarge {
        length,
        shards: options.shards,
        max: 0,
    };
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| too_large)?];
    source.read_exact_at(&mut bytes, 0).map_err(Error::Read)?;
    bytes.resize(rows * columns * symbol, 0);
    let encode = |symbols: &mut Vec<Vec<u8>>| {
        let reason = |reason| Error::UnsupportedShards {
            shards: options.shards,
            reason,
        };
        let source = symbols.len();
        if source == n {
            return Ok::<_, Error>(());
        }
        let mut encoder = ReedSolomonEncoder::new(source, n - source, symbol).map_err(reason)?;
        for symbol in symbols.iter() {
            encoder.add_original_shard(symbol).map_err(reason)?;
        }
        let result = encoder.encode().map_err(reason)?;
        symbols.extend(result.recovery_iter().map(<[u8]>::to_vec));
        Ok(())
    };
    let mut matrix: Vec<Vec<[u8; 32]>> = vec![Vec::new(); n];
    let mut extended: Vec<Vec<Vec<u8>>> = Vec::new();
    for row in bytes.chunks(columns * symbol) {
        let mut symbols = row.chunks(symbol).map(<[u8]>::to_vec).collect();
        encode(&mut symbols)?;
        extended.push(symbols);
    }
    let mut secondary = Vec::new();
    for j in 0..n {
        let mut column: Vec<Vec<u8>> = extended.iter().map(|row| row[j].clone()).collect();
        encode(&mut column)?;
        let leaves: Vec<_> = column.iter().map(|symbol| hash(&[&[0], symbol])).collect();
        for (row, leaf) in matrix.iter_mut().zip(&leaves) {
            row.push(*leaf);
        }
        secondary.push(root(leaves));
    }
    let pairs = matrix.into_iter().zip(secondary.into_iter().rev());
    let leaves = pairs
        .map(|(row, column)| hash(&[&[0], &root(row), &column]))
        .collect();
    Ok(BlobId::from_bytes(hash(&[
        &[1],
        &length.to_le_bytes(),
        &root(leaves),
    ])))
}

fn root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.push([0; 32]);
        }
        level = level
            .chunks(2)
            .map(|pair| hash(&[&[1], &pair[0], &pair[1]]))
            .collect();
    }
    level[0]
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Params::new().hash_length(32).to_state();
    for part in parts {
        state.update(part);
    }
    state
        .finalize()
        .as_bytes()
        .try_into()
        .expect("32 bytes were asked for")
}
