//! HTTP as bytes, for what no well-behaved client sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use crate::support::{Rig, within};

/// A connection to the socket that has sent `bytes`.
pub(crate) async fn unix(rig: &Rig, bytes: &str) -> UnixStream {
    let socket = rig.handle.socket().unwrap();
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// What the server says to `bytes` over TCP, until it closes.
pub(crate) async fn tcp(rig: &Rig, bytes: &str) -> String {
    let address = rig.handle.tcp().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// All that comes until the server closes.
pub(crate) async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    within(stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8(text).unwrap()
}
