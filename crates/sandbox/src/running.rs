//! A service that listens until it is stopped: what the stand-ins share of their life.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How long a stop waits for connections to close before it drops them.
const GRACE: Duration = Duration::from_secs(2);

/// A service under way. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// Listens on this port of loopback; 0 lets the system choose. An error says where.
pub(crate) async fn listen(
    port: u16,
) -> Result<(TcpListener, SocketAddr), (SocketAddr, io::Error)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen.await.map_err(|error| (address, error))
}

impl Running {
    /// `serve` listens on `address` until `stop` is cancelled.
    pub(crate) fn start(
        address: SocketAddr,
        stop: CancellationToken,
        serve: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            address,
            stop,
            server: tokio::spawn(serve),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address, without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening, and returns when all connections are closed or had their time.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(GRACE, &mut self.server).await;
        if ended.is_err() {
            self.server.abort();
        }
    }

    /// Waits until it ends.
    pub(crate) async fn ended(&mut self) {
        // Whether the task ended or was aborted makes no difference to who waits for its end.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
