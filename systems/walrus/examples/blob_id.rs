//! The blob IDs of files, with the time and the memory they took: one file on all threads, of several each on one.
//!
//!     cargo run --release -p longhaul-walrus --example blob_id -- [--floor] [--threads N] [--memory MIB] [--shards N] FILE…
//!
//! `--floor` prints instead how long hashing alone takes, on as many threads: the hashes of symbols and tree nodes that
//! the definition asks for, of bytes that are there already.

use std::{
    env,
    error::Error,
    fs::File,
    num::NonZeroUsize,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use blake2b_simd::many::{HashManyJob, hash_many};
use longhaul_walrus::blob_id::{BlobId, Options, Shards, compute};

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options {
        scratch: None,
        ..Options::default()
    };
    let (mut floor, mut paths) = (false, Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--floor" => floor = true,
            "--threads" => options.threads = number()?.parse()?,
            "--memory" => options.memory = number()?.parse::<usize>()? << 20,
            "--shards" => {
                options.shards = Shards::new(number()?.parse()?).ok_or("at least one shard")?;
            }
            _ => paths.push(argument),
        }
    }
    let start = Instant::now();
    let length = match &paths[..] {
        [] => {
            return Err(
                "usage: blob_id [--floor] [--threads N] [--memory MIB] [--shards N] FILE…".into(),
            );
        }
        [path] if floor => {
            let length = File::open(path)?.metadata()?.len();
            hash_only(length, options.shards, options.threads);
            length
        }
        [path] => {
            let (id, length) = id_of(path, &options)?;
            println!("{id}");
            length
        }
        paths => each(paths, &options)?,
    };
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
    let rate = length as f64 / f64::from(1 << 20) / seconds;
    eprintln!(
        "{seconds:.3} s, {rate:.1} MiB/s, {}",
        peak_memory().unwrap_or_default()
    );
    Ok(())
}

fn id_of(path: &str, options: &Options<'_>) -> Result<(BlobId, u64), String> {
    let wrong = |error: &dyn Error| format!("{path}: {error}");
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let length = file.metadata().map_err(|error| wrong(&error))?.len();
    let id = compute(&file, length, options).map_err(|error| wrong(&error))?;
    Ok((id, length))
}

/// Prints the ID of each file, in their order, and gives their bytes together.
fn each(paths: &[String], options: &Options<'_>) -> Result<u64, String> {
    let one = Options {
        threads: NonZeroUsize::MIN,
        ..*options
    };
    let results: Vec<_> = paths.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..options.threads.get() {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else {
                        return;
                    };
                    results[index].get_or_init(|| id_of(path, &one));
                }
            });
        }
    });
    let mut bytes = 0;
    for result in results.into_iter().filter_map(OnceLock::into_inner) {
        let (id, length) = result?;
        println!("{id}");
        bytes += length;
    }
    Ok(bytes)
}

/// Hashes a leaf for each symbol and, for each row and column, as many inner nodes less one as it has leaves.
fn hash_only(length: u64, shards: Shards, threads: NonZeroUsize) {
    let n = usize::from(shards.get());
    let faulty = (n - 1) / 3;
    let symbols = ((n - 2 * faulty) * (n - faulty)) as u64;
    let symbol = usize::try_from(length.max(1).div_ceil(symbols).next_multiple_of(2))
        .expect("a symbol's size");
    thread::scope(|scope| {
        for lane in 0..threads.get() {
            let lines = n * (lane + 1) / threads.get() - n * lane / threads.get();
            scope.spawn(move || {
                let leaves = vec![7; (1 + symbol) * 64];
                let nodes = vec![7; 65 * 64];
                let mut params = blake2b_simd::Params::new();
                params.hash_length(32);
                let hash = |inputs: &[u8], size: usize| {
                    let mut jobs: Vec<_> = inputs
                        .chunks(size)
                        .map(|input| HashManyJob::new(&params, input))
                        .collect();
                    hash_many(&mut jobs);
                    std::hint::black_box(jobs.last().map(HashManyJob::to_hash));
                };
                for _ in 0..(lines * n).div_ceil(64) {
                    hash(&leaves, 1 + symbol);
                    hash(&nodes, 65);
                    hash(&nodes, 65);
                }
            });
        }
    });
}

/// The most memory that this process has held, as Linux tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(format!("peak {}", line.trim()))
}
