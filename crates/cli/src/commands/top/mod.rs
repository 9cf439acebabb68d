//! `longhaul top [FILTER]`: jobs as they run, in the terminal: what the dashboard is in a browser.
//!
//! Invariants: it works over the public API alone, and is told of changes instead of asking for them; the terminal is
//! given back as it was, however the command ends; what came from outside is escaped before it is drawn.

mod feed;
mod list;
mod model;
mod open;
mod view;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use longhaul_client::JobsQuery;
use longhaul_types::{Timestamp, exit};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::{
    feed::{Feed, News},
    model::{Effect, Model},
};
use super::words;
use crate::{
    exit::{Fail, Result},
    session::Session,
    settings::Settings,
    terminal,
};

/// Between two drawings, unless a key was pressed.
const FRAME: Duration = Duration::from_millis(100);
/// Between two drawings when nothing happens: times go on.
const IDLE: Duration = Duration::from_secs(1);
/// News and keys that may wait.
const QUEUE: usize = 256;

/// Flags of `longhaul top`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which jobs, in words, as for longhaul jobs: state:failed kind:walrus.* label.NAME:VALUE, or text
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

/// Shows the jobs until `q`.
pub async fn run(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let screen = terminal::stdout();
    if !screen.redraw || settings.json() {
        return Err(
            Fail::usage("longhaul top needs a terminal that can be redrawn")
                .hint("Without one, list the jobs: longhaul jobs"),
        );
    }
    let session = Session::open(settings).await?;
    let filter = words(&args.filter).unwrap_or_default();
    // A wrong filter, a wrong token or no server are said before the screen is taken.
    let query = JobsQuery {
        q: (!filter.is_empty()).then(|| filter.clone()),
        limit: Some(1),
        ..JobsQuery::default()
    };
    session.client.jobs(&query).await?;
    let model = Model::new(filter, session.client.at().to_owned());
    let (sender, news) = mpsc::channel(QUEUE);
    let feed = Feed::start(session, &model.filter, sender);
    let mut screen_of = ratatui::try_init()?;
    let ended = show(&mut screen_of, model, feed, news, screen.color).await;
    ratatui::restore();
    ended
}

/// Keys come from a thread of their own, as reading them blocks; it ends with the process.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, keys) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

async fn show(
    screen: &mut DefaultTerminal,
    mut model: Model,
    mut feed: Feed,
    mut news: mpsc::Receiver<News>,
    color: bool,
) -> Result<ExitCode> {
    let mut keys = keys();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut drawn: Option<Instant> = None;
    loop {
        let wait = match drawn {
            None => Duration::ZERO,
            Some(at) if model.is_dirty() => FRAME.saturating_sub(at.elapsed()),
            Some(at) => IDLE.saturating_sub(at.elapsed()),
        };
        tokio::select! {
            event = keys.recv() => match event {
                // The terminal is gone.
                None => return Ok(ExitCode::from(exit::DETACHED)),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    for effect in model.key(key, Timestamp::now()) {
                        if effect == Effect::Quit {
                            return Ok(ExitCode::SUCCESS);
                        }
                        feed.does(effect);
                    }
                    drawn = None;
                }
                Some(_) => drawn = None,
            },
            Some(some) = news.recv() => {
                for effect in model.hear(some, Timestamp::now()) {
                    feed.does(effect);
                }
            }
            () = tokio::time::sleep(wait) => {
                screen.draw(|frame| view::draw(frame, &mut model, Timestamp::now(), color))?;
                model.drawn();
                drawn = Some(Instant::now());
            }
            _ = terminate.recv() => return Ok(ExitCode::from(exit::DETACHED)),
            _ = hang_up.recv() => return Ok(ExitCode::from(exit::DETACHED)),
        }
    }
}
