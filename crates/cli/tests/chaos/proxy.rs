//! The way to a database or a server, which may be cut.

use std::path::{Path, PathBuf};

use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Open.
    Open,
    /// Every connection ends at once.
    Cut,
    /// Nothing comes through, and nothing says so.
    Silent,
}

/// A socket that leads to another.
pub(crate) struct Proxy {
    way: watch::Sender<Way>,
}

impl Proxy {
    /// Listens at `place`, for whoever is at `target`.
    pub(crate) fn start(place: &Path, target: PathBuf) -> Self {
        let listener = UnixListener::bind(place).expect("a socket");
        let (way, ways) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let (ways, target) = (ways.clone(), target.clone());
                tokio::spawn(async move { carry(from, target, ways).await });
            }
        });
        Self { way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn carry(mut from: UnixStream, target: PathBuf, mut ways: watch::Receiver<Way>) {
    // Whoever comes while it is silent waits.
    if ways.wait_for(|way| *way != Way::Silent).await.is_err() || *ways.borrow() == Way::Cut {
        return;
    }
    let Ok(mut to) = UnixStream::connect(target).await else {
        return;
    };
    loop {
        tokio::select! {
            _ = copy_bidirectional(&mut from, &mut to) => return,
            changed = ways.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        if ways.wait_for(|way| *way != Way::Silent).await.is_err() || *ways.borrow() == Way::Cut {
            return;
        }
    }
}
