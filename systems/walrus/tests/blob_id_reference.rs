//! The fast computation against the definition, written out plainly here.

use std::{
    io,
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use blake2b_simd::Params;
use longhaul_walrus::blob_id::{BlobId, Error, Options, ReadAt, Shards, compute};

/// The ID by the definition: the whole matrix, a symbol at a time.
fn by_definition(blob: &[u8], n: usize) -> BlobId {
    let faulty = (n - 1) / 3;
    let (k1, k2) = (n - 2 * faulty, n - faulty);
    let size = blob.len().max(1).div_ceil(k1 * k2).next_multiple_of(2);
    let mut padded = blob.to_vec();
    padded.resize(k1 * k2 * size, 0);
    let symbols: Vec<Vec<u8>> = padded.chunks(size).map(<[u8]>::to_vec).collect();
    let mut rows: Vec<Vec<Vec<u8>>> = symbols
        .chunks(k2)
        .map(|row| extended(row.to_vec(), n))
        .collect();
    let columns: Vec<Vec<Vec<u8>>> = (0..n)
        .map(|j| extended(rows.iter().map(|row| row[j].clone()).collect(), n))
        .collect();
    rows = (0..n)
        .map(|i| columns.iter().map(|column| column[i].clone()).collect())
        .collect();
    let pairs = (0..n).map(|i| [sliver(&rows[i]), sliver(&columns[n - 1 - i])].concat());
    let root = root(pairs.map(|pair| hash(0, &[&pair])).collect());
    BlobId::from_bytes(hash(1, &[&(blob.len() as u64).to_le_bytes(), &root]))
}

fn extended(mut symbols: Vec<Vec<u8>>, n: usize) -> Vec<Vec<u8>> {
    if symbols.len() < n {
        let spare =
            reed_solomon_simd::encode(symbols.len(), n - symbols.len(), &symbols).expect("encoded");
        symbols.extend(spare);
    }
    symbols
}

fn sliver(symbols: &[Vec<u8>]) -> [u8; 32] {
    root(symbols.iter().map(|symbol| hash(0, &[symbol])).collect())
}

fn root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.push([0; 32]);
        }
        level = level
            .chunks(2)
            .map(|pair| hash(1, &[&pair[0], &pair[1]]))
            .collect();
    }
    level[0]
}

fn hash(prefix: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Params::new().hash_length(32).to_state();
    state.update(&[prefix]);
    for part in parts {
        state.update(part);
    }
    state.finalize().as_bytes().try_into().expect("32 bytes")
}

fn random_bytes(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

fn shards(n: usize) -> Shards {
    Shards::new(u16::try_from(n).expect("few")).expect("not zero")
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("not zero")
}

/// Compares with the definition, with memory for all and with none, so that symbols are cut and the extension is spilled.
fn agrees(blob: &[u8], n: usize) {
    let expected = by_definition(blob, n);
    let folder = tempfile::tempdir().expect("a folder");
    for (memory, count) in [(64 << 20, 1), (64 << 20, 3), (0, 1), (0, 3)] {
        let options = Options {
            shards: shards(n),
            threads: threads(count),
            memory,
            scratch: Some(folder.path()),
            ..Options::default()
        };
        let id = compute(&blob, blob.len() as u64, &options).expect("a blob ID");
        assert_eq!(
            id,
            expected,
            "{} bytes, {n} shards, {memory} bytes of memory, {count} threads",
            blob.len()
        );
    }
    assert_eq!(
        folder.path().read_dir().expect("the folder").count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn every_small_number_of_shards() {
    let mut random = fastrand::Rng::with_seed(20_261_122);
    for n in (1..=40).chain([64, 65, 97]) {
        let faulty = (n - 1) / 3;
        let symbols = (n - 2 * faulty) * (n - faulty);
        let full = |size: usize| [symbols * size - 1, symbols * size, symbols * size + 1];
        let edges = [0, 1, 2]
            .into_iter()
            .chain(full(2))
            .chain(full(62))
            .chain(full(64))
            .chain(full(128));
        let mut lengths: Vec<usize> = edges.collect();
        lengths.extend((0..4).map(|_| random.usize(..symbols * 20)));
        lengths.push(random.usize(..symbols * 300));
        for length in lengths {
            agrees(&random_bytes(&mut random, length), n);
        }
    }
}

#[test]
fn symbols_longer_than_a_tile() {
    let mut random = fastrand::Rng::with_seed(7);
    for (n, size) in [(1, 65_534), (4, 5000), (10, 1026), (31, 2048 + 64)] {
        let faulty = (n - 1) / 3;
        let length = (n - 2 * faulty) * (n - faulty) * size;
        let short = random.usize(..100);
        agrees(&random_bytes(&mut random, length - short), n);
    }
}

#[test]
fn blobs_that_are_mostly_zeros() {
    let mut random = fastrand::Rng::with_seed(9);
    for n in [1, 4, 31, 100] {
        for length in [1, 7, 5000, 60_000] {
            let mut blob = vec![0; length];
            agrees(&blob, n);
            blob[random.usize(..length)] = 1;
            agrees(&blob, n);
        }
    }
}

#[test]
fn files_are_read_up_to_the_length() {
    let mut random = fastrand::Rng::with_seed(11);
    let blob = random_bytes(&mut random, (2 << 20) + 5);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("blob");
    std::fs::write(&path, &blob).expect("written");
    let file = std::fs::File::open(&path).expect("opened");
    let options = Options {
        shards: shards(31),
        ..Options::default()
    };
    for length in [blob.len(), (1 << 20) + 1, 1 << 20, 5] {
        let id = compute(&file, length as u64, &options).expect("a blob ID");
        assert_eq!(id, by_definition(&blob[..length], 31), "{length} bytes");
    }
    for missing in [1, 1 << 20, 1 << 23] {
        let result = compute(&file, (blob.len() + missing) as u64, &options);
        let Err(Error::Read(error)) = result else {
            panic!("{missing} bytes are missing: {result:?}")
        };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    assert!(compute(&blob, 6, &options).is_ok());
    assert!(matches!(
        compute(&blob[..5].to_vec(), 6, &options),
        Err(Error::Read(_))
    ));
}

#[test]
fn a_cancel_stops_it_wherever_it_is() {
    let blob = vec![1; 2 << 20];
    let asked = AtomicUsize::new(0);
    let count = || asked.fetch_add(1, Ordering::Relaxed) == usize::MAX;
    let options = Options {
        shards: shards(40),
        threads: threads(2),
        cancelled: &count,
        ..Options::default()
    };
    compute(&blob, 2 << 20, &options).expect("a blob ID");
    let checks = asked.load(Ordering::Relaxed);
    assert!(checks > 100, "{checks}");
    for at in (0..checks).step_by(checks / 50) {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= at;
        let result = compute(
            &blob,
            2 << 20,
            &Options {
                cancelled: &cancelled,
                ..options
            },
        );
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "at check {at} of {checks}: {result:?}"
        );
        assert!(
            asked.into_inner() <= at + 2,
            "each thread stops at its first check after the cancel"
        );
    }
}

#[test]
fn progress_rises_to_the_length() {
    for length in [0, 1, 445_557, 3 << 20] {
        for memory in [0, 64 << 20] {
            let told = Mutex::new(Vec::new());
            let progress = |bytes| told.lock().expect("unharmed").push(bytes);
            let options = Options {
                shards: shards(100),
                memory,
                progress: &progress,
                ..Options::default()
            };
            compute(&vec![1; length], length as u64, &options).expect("a blob ID");
            let told = told.into_inner().expect("unharmed");
            assert!(told.is_sorted() && told.len() <= 1000, "{told:?}");
            assert_eq!(told.last(), Some(&(length as u64)));
        }
    }
}

#[test]
fn what_can_not_be_is_an_error() {
    let too_large = compute(&NoBytes, 14_599_533_453, &Options::default());
    assert!(
        matches!(
            too_large,
            Err(Error::TooLarge {
                max: 14_599_533_452,
                ..
            })
        ),
        "{too_large:?}"
    );
    let unsupported = compute(
        &NoBytes,
        0,
        &Options {
            shards: shards(65_535),
            ..Options::default()
        },
    );
    assert!(
        matches!(unsupported, Err(Error::UnsupportedShards { .. })),
        "{unsupported:?}"
    );
    let folder = std::path::Path::new("/nowhere");
    let no_folder = compute(
        &NoBytes,
        1 << 30,
        &Options {
            scratch: Some(folder),
            ..Options::default()
        },
    );
    assert!(matches!(no_folder, Err(Error::Scratch(_))), "{no_folder:?}");
}

/// A source that must not be read.
struct NoBytes;

impl ReadAt for NoBytes {
    fn read_exact_at(&self, buffer: &mut [u8], _: u64) -> io::Result<()> {
        assert!(buffer.is_empty(), "nothing is to be read");
        Ok(())
    }
}
