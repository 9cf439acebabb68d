//! Submission over HTTP beside submission in the library: the server is a process of its own, as it is in use, and the
//! client does as little as a client can, so that the server is what is measured.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, bail};
use longhaul_server::{AdminToken, Everywhere, Options, Server};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
    process::{Child, Command},
};

use super::{
    floor::{self, per_second},
    jobs::{Bench, KIND, SINGLES},
    report::{Figure, Report, median},
};
use crate::{BUILD, VERSION, commands::serve};

/// Connections, each with one request on its way at a time.
const CONNECTIONS: usize = 64;
/// It guards nothing that lasts longer than the measurement.
const TOKEN: &str = "bench-bench-bench-bench-bench-bench";

/// Serves jobs that nobody runs, until standard input ends; for [`measure`], which starts this as a process of its own.
pub(super) async fn serve(folder: &Path) -> anyhow::Result<()> {
    // As the server that people run: it says who changed what.
    serve::start_log(serve::LogFormat::Plain);
    let bench = Bench::new(folder, 0).await?;
    let bench = bench.reopen(0).await?;
    let token = AdminToken::new(TOKEN).context("the token")?;
    let options = Options::new(VERSION, BUILD)
        .socket(folder.join("door/socket"))
        .tcp(([127, 0, 0, 1], 0).into())
        .token(token)
        .admission(Everywhere);
    let handle = Server::bind(bench.engine.clone(), options).await?.start();
    println!("{}", handle.tcp().context("no address")?);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    handle.stop();
    handle.wait().await;
    bench.engine.shutdown().await;
    Ok(())
}

/// Measures both, taking turns.
pub(super) async fn measure(
    folder: &Path,
    samples: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut library, mut tcp, mut unix) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..samples {
        let bench = Bench::new(folder, 0).await?.reopen(0).await?;
        library.push(bench.singles(SINGLES, CONNECTIONS).await?);
        bench.engine.shutdown().await;
        drop(bench);
        let place = folder.join(format!("http-{sample}"));
        std::fs::create_dir(&place)?;
        let (server, address) = start(&place).await?;
        tcp.push(submit(&Door::Tcp(address)).await?);
        unix.push(submit(&Door::Unix(place.join("door/socket"))).await?);
        stop(server).await?;
    }
    let library = median(library);
    for (name, values) in [("TCP", tcp), ("a unix socket", unix)] {
        let name = format!("submit over {name}, {CONNECTIONS} connections");
        let figure = Figure::new(name, median(values), "jobs/s");
        report
            .figures
            .push(figure.floor(library).target(">= 0.50 of the library's"));
    }
    Ok(())
}

async fn start(folder: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let log = std::fs::File::create(folder.join("log"))?;
    let mut server = Command::new(std::env::current_exe()?)
        .args(["bench", "--http-server"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    let stdout = server.stdout.take().context("no output")?;
    BufReader::new(stdout).read_line(&mut line).await?;
    let address = line.trim().parse().context("the server did not start")?;
    Ok((server, address))
}

async fn stop(mut server: Child) -> anyhow::Result<()> {
    drop(server.stdin.take());
    let status = server.wait().await?;
    if !status.success() {
        bail!("the server ended with {status}");
    }
    Ok(())
}

enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Jobs a second, submitted one by one on each connection.
async fn submit(door: &Door) -> anyhow::Result<f64> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::with_capacity(CONNECTIONS);
    let host = match door {
        Door::Tcp(address) => address.to_string(),
        Door::Unix(_) => "localhost".to_owned(),
    };
    let request = request(&host);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(connect(door).await?);
    }
    let start = Instant::now();
    for connection in connections {
        let (next, request) = (Arc::clone(&next), request.clone());
        tasks.push(tokio::spawn(async move {
            match connection {
                Connection::Tcp(stream) => submit_on(stream, &next, &request).await,
                Connection::Unix(stream) => submit_on(stream, &next, &request).await,
            }
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(per_second(SINGLES, start.elapsed()))
}

enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

async fn connect(door: &Door) -> anyhow::Result<Connection> {
    Ok(match door {
        Door::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Connection::Tcp(stream)
        }
        Door::Unix(path) => Connection::Unix(UnixStream::connect(path).await?),
    })
}

fn request(host: &str) -> Arc<[u8]> {
    let body = format!(r#"{{"kind":"{KIND}","args":{}}}"#, floor::args());
    let text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text.into_bytes().into()
}

async fn submit_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    next: &AtomicU64,
    request: &[u8],
) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    while next.fetch_add(1, Ordering::Relaxed) < SINGLES {
        stream.write_all(request).await?;
        buffer.clear();
        while !is_whole(&buffer)? {
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
    Ok(())
}

/// Whether a whole answer is there; one that is no success is an error.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    if !text.starts_with("HTTP/1.1 202") {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(answer.len() >= head + 4 + length.context("an answer without a length")?)
}
