//! What a system adds to the Socket.IO door: its own events, in its own words.

use std::fmt;

use socketioxide::{SocketIo, extract::SocketRef};

use crate::{Door, access::Caller};

/// The room of those who see everybody's jobs. An owner's has a colon after its first word.
const EVERYTHING: &str = "sees-everything";

/// Socket.IO events of a system. Systems know the server, the server knows no system: a program hands this in by
/// [`Options::socket_events`](crate::Options::socket_events).
///
/// What a system has to say about a job it says to those who may see it: `io.to(rooms_that_see(owner)).emit(…)`. A client that does not read
/// misses what does not fit, and is disconnected when it answers no ping; whoever emits waits for nobody.
///
/// ```no_run
/// use longhaul_server::{Guest, SocketEvents};
/// use longhaul_server::socketioxide::extract::{AckSender, SocketRef};
///
/// struct Echo;
///
/// impl SocketEvents for Echo {
///     fn connected(&self, socket: &SocketRef, guest: &Guest) {
///         let owner = guest.owner.clone();
///         socket.on("echo:owner", async move |ack: AckSender| {
///             // A client that has gone needs no answer.
///             let _ = ack.send(&owner);
///         });
///     }
/// }
/// ```
pub trait SocketEvents: Send + Sync + 'static {
    /// The door is open: what to emit by, and where to add namespaces. A namespace of a system's own lets in whom the
    /// system does: `/` alone asks for the token.
    fn opened(&self, io: &SocketIo) {
        let _ = io;
    }

    /// A client is let in at `/`: add the events that it may send. It is told so after this, and can be sent nothing before.
    fn connected(&self, socket: &SocketRef, guest: &Guest);
}

impl fmt::Debug for dyn SocketEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketEvents")
    }
}

/// A client that was let in.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What it came in by.
    pub door: Door,
    /// Whose the jobs are that it submits.
    pub owner: String,
    /// Whose jobs it sees; everybody's when none.
    pub sees: Option<String>,
}

impl Guest {
    pub(super) fn of(caller: &Caller) -> Self {
        Self {
            door: caller.door,
            owner: caller.owner.clone(),
            sees: caller.sees().map(str::to_owned),
        }
    }

    /// The room that holds all who see what it sees.
    pub(super) fn room(&self) -> String {
        match &self.sees {
            Some(owner) => format!("sees:{owner}"),
            None => EVERYTHING.to_owned(),
        }
    }
}

/// The rooms of those who may see the jobs of `owner`.
pub fn rooms_that_see(owner: &str) -> [String; 2] {
    [EVERYTHING.to_owned(), format!("sees:{owner}")]
}
