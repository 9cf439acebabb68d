//! Connections that can be cut.
//!
//! Invariant: what was handed to a connection before it was cut is still sent, so that a cut after n events comes after
//! exactly n.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// By this a call cuts the connection it came on.
#[derive(Clone, Debug)]
pub(super) struct Cut(CancellationToken);

impl Cut {
    /// Cuts the connection.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }
}

/// A connection of a client.
pub(super) struct Connection {
    stream: TcpStream,
    cut: Cut,
    until_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whoever waits to read, while what is left is sent.
    reader: Option<Waker>,
    /// Whether it is cut and all is sent.
    sent: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let token = CancellationToken::new();
        Self {
            stream,
            until_cut: Box::pin(token.clone().cancelled_owned()),
            cut: Cut(token),
            reader: None,
            sent: false,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Cut;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.cut.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.cut.0.is_cancelled() || self.until_cut.as_mut().poll(context).is_ready() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if let Some(reader) = self.reader.take() {
            self.sent = true;
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
