//! Drives a world against the wall clock, with nodes in other processes that join over a Unix socket.
//!
//! The world stays what it is: its virtual time is held back to real time, and frames of outside parties come in at the
//! moment at which they are read. Operators may speak to it while it goes on. Such a run is not a function of its seed.

pub mod control;
mod join;
mod line;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as Wall, sleep_until, timeout, timeout_at};

pub use join::{JoinError, join};

use crate::event::{Actor, Event};
use crate::kernel::Instant;
use crate::world::{Ended, Outbound, Sink, Stop, To, World, WorldError};
use control::{Answer, Word, Words};
use line::{Line, LineError, Lines, VERSION, read_actor, read_port, read_to};

/// How many lines of all peers together wait to be taken in, and how many wait for one peer to be read.
const QUEUE: usize = 1_024;
/// How many connections may be open at a time: one a node, and some that have not yet said who they are.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take to say who it is, and a peer to take what is written to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing is looked at, at most.
const LOOK: Duration = Duration::from_millis(200);

/// How a world is driven.
#[derive(Debug, Clone)]
pub struct Driving {
    /// When to stop at the latest.
    pub limit: Duration,
    /// The nodes that are in other processes, and where they join; none where it is empty.
    pub outside: Vec<Actor>,
    /// The socket at which nodes of other processes join.
    pub socket: PathBuf,
    /// How long they may take to join before the run begins.
    pub join_within: Duration,
    /// The socket at which operators speak to the run; none where they do not.
    pub control: Option<PathBuf>,
}

/// Why a world is not driven to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum DriveError {
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("{}: no node can join there: {}", path.display(), super::files::told(cause))]
    Socket { path: PathBuf, cause: io::Error },
    #[error("{}: something listens there already; another run, or what is left of one", path.display())]
    InUse { path: PathBuf },
    #[error(
        "{missing} has not joined within {seconds} s; start it with `cellbed node {missing} --join {}`",
        path.display()
    )]
    NotJoined { missing: String, seconds: u64, path: PathBuf },
    #[error("no runtime for real time: {0}")]
    Runtime(io::Error),
}

/// What is told of outside parties, for people.
pub type Tell<'a> = &'a mut dyn FnMut(String);

/// Drives `world` in real time until it has settled or its time is over.
///
/// # Errors
/// Where the bench is at fault. What an outside party does wrong ends its connection and is told.
pub fn drive(
    world: &mut World,
    driving: &Driving,
    stop: Stop<'_>,
    sink: Sink<'_>,
    tell: Tell<'_>,
) -> Result<Ended, DriveError> {
    let runtime = runtime().map_err(DriveError::Runtime)?;
    runtime.block_on(Driver::new(driving, tell).run(world, driving, stop, sink))
}

/// What both ends of a joined run wait with: sockets and timers on the thread that calls.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// The socket file, which goes with the run.
struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Listening {
    /// Listens at `path`, for this user alone. A file that nobody listens at any more is taken away.
    async fn bind(path: &Path) -> Result<Self, DriveError> {
        let failed = |cause| DriveError::Socket { path: path.to_owned(), cause };
        if path.exists() {
            if UnixStream::connect(path).await.is_ok() {
                return Err(DriveError::InUse { path: path.to_owned() });
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let listening = Self { listener, path: path.to_owned() };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // A file that is gone already is as it should be.
        let _ = fs::remove_file(&self.path);
    }
}

/// Something that a connection brings.
enum News {
    Joined { actor: Actor, number: u64, lines: mpsc::Sender<Line> },
    Said { number: u64, line: Line },
    Gone { number: u64, why: String },
    Operator { word: Word, reply: oneshot::Sender<Answer> },
}

/// An outside party that has joined.
struct Peer {
    number: u64,
    lines: mpsc::Sender<Line>,
}

struct Driver<'a> {
    outside: &'a [Actor],
    peers: BTreeMap<Actor, Peer>,
    tell: Tell<'a>,
}

impl<'a> Driver<'a> {
    fn new(driving: &'a Driving, tell: Tell<'a>) -> Self {
        Self { outside: &driving.outside, peers: BTreeMap::new(), tell }
    }

    async fn run(
        mut self,
        world: &mut World,
        driving: &Driving,
        stop: Stop<'_>,
        sink: Sink<'_>,
    ) -> Result<Ended, DriveError> {
        let (sender, mut news) = mpsc::channel(QUEUE);
        let words = RefCell::new(Words::default());
        let sink = &mut |event: Event| {
            words.borrow_mut().observe(&event);
            sink(event);
        };
        if let Some(path) = &driving.control {
            tokio::spawn(take_words(Listening::bind(path).await?, sender.clone()));
        }
        if !driving.outside.is_empty() {
            let listening = Listening::bind(&driving.socket).await?;
            tokio::spawn(accept(listening, sender.clone()));
            if !self.gather(world, driving, (&mut news, &words), stop, sink).await? {
                return Ok(Ended::Stopped);
            }
        }
        let start = Wall::now();
        loop {
            let now = Instant::ZERO + start.elapsed();
            world.step_until(now, sink)?;
            self.deliver(world, sink)?;
            words.borrow_mut().expire(Wall::now());
            // Who has asked for something learns what has become of it.
            if world.is_settled() && !words.borrow().wait() {
                return Ok(Ended::Settled);
            }
            if stop() {
                return Ok(Ended::Stopped);
            }
            if now >= Instant::ZERO + driving.limit {
                return Ok(Ended::TimeLimit);
            }
            let next = world.next_at().map_or(LOOK, |at| at.since(now)).min(LOOK);
            tokio::select! {
                Some(one) = news.recv() => {
                    world.step_until(Instant::ZERO + start.elapsed(), sink)?;
                    self.hear(world, one, &words, sink)?;
                }
                () = sleep_until(Wall::now() + next) => {}
            }
        }
    }

    /// Waits until every node that is outside has joined; false where somebody does not want to wait any longer.
    async fn gather(
        &mut self,
        world: &mut World,
        driving: &Driving,
        (news, words): (&mut mpsc::Receiver<News>, &RefCell<Words>),
        stop: Stop<'_>,
        sink: Sink<'_>,
    ) -> Result<bool, DriveError> {
        let until = Wall::now() + driving.join_within;
        let path = driving.socket.display();
        for missing in self.outside {
            (self.tell)(format!("waiting for {missing}: `cellbed node {missing} --join {path}` starts it"));
        }
        while let Some(missing) = self.outside.iter().find(|actor| !self.peers.contains_key(actor)) {
            if stop() {
                return Ok(false);
            }
            match timeout_at(until.min(Wall::now() + LOOK), news.recv()).await {
                Ok(Some(one)) => self.hear(world, one, words, sink)?,
                Err(_) if Wall::now() < until => {}
                Ok(None) | Err(_) => {
                    return Err(DriveError::NotJoined {
                        missing: missing.to_string(),
                        seconds: driving.join_within.as_secs(),
                        path: driving.socket.clone(),
                    });
                }
            }
        }
        Ok(true)
    }

    fn hear(
        &mut self,
        world: &mut World,
        news: News,
        words: &RefCell<Words>,
        sink: Sink<'_>,
    ) -> Result<(), WorldError> {
        match news {
            News::Operator { word, reply } => {
                let act = words.borrow_mut().take(word, reply);
                let Some(act) = act else { return Ok(()) };
                world.operate(act, sink)?;
                words.borrow_mut().given();
                Ok(())
            }
            News::Joined { actor, number, lines } => {
                let cause = if !self.outside.contains(&actor) {
                    format!("{actor} is not played from outside on this bench")
                } else if self.peers.contains_key(&actor) {
                    format!("{actor} has joined already")
                } else {
                    // A queue that is fresh has room.
                    let _ = lines.try_send(Line::Welcome { version: VERSION });
                    (self.tell)(format!("{actor} has joined"));
                    self.peers.insert(actor, Peer { number, lines });
                    return world.joined(actor, true, sink);
                };
                let _ = lines.try_send(Line::Refused { cause });
                Ok(())
            }
            News::Said { number, line } => {
                let Some(actor) = self.actor(number) else { return Ok(()) };
                match self.take_in(world, actor, line, sink) {
                    Ok(()) => Ok(()),
                    Err(cause) => self.dismiss(world, actor, cause, sink),
                }
            }
            News::Gone { number, why } => match self.actor(number) {
                Some(actor) => self.forget(world, actor, &why, sink),
                None => Ok(()),
            },
        }
    }

    /// Takes in what a peer has said; what is wrong with it otherwise, in words.
    fn take_in(&mut self, world: &mut World, actor: Actor, line: Line, sink: Sink<'_>) -> Result<(), String> {
        let Line::Frame { from, to, payload } = line else {
            return Err("only frames may be sent after `join`".to_owned());
        };
        let read = |error: LineError| error.to_string();
        let (from, to): (_, To) = (read_port(&from).map_err(read)?, read_to(&to).map_err(read)?);
        if from.who != actor {
            return Err(format!("{actor} sends in the name of {}", from.who));
        }
        world.inject(from, to, payload.into(), sink).map_err(|error| error.to_string())
    }

    /// Hands on what has arrived for outside parties. One that does not take it is dismissed.
    fn deliver(&mut self, world: &mut World, sink: Sink<'_>) -> Result<(), WorldError> {
        let waiting: Vec<Outbound> = world.take_outbound().collect();
        for item in waiting {
            let who = item.who();
            let line = match item {
                Outbound::Frame { from, to, payload } => Line::frame(from, To::Port(to), payload),
                Outbound::Link { own, peer, up } => {
                    let (own, peer) = (own.to_string(), peer.to_string());
                    if up { Line::Linked { own, peer } } else { Line::Unlinked { own, peer } }
                }
            };
            let taken = self.peers.get(&who).is_none_or(|peer| peer.lines.try_send(line).is_ok());
            if !taken {
                self.forget(world, who, "it does not take its frames", sink)?;
            }
        }
        Ok(())
    }

    fn dismiss(
        &mut self,
        world: &mut World,
        actor: Actor,
        cause: String,
        sink: Sink<'_>,
    ) -> Result<(), WorldError> {
        if let Some(peer) = self.peers.get(&actor) {
            // Where there is no room for the reason, the end of the connection says enough.
            let _ = peer.lines.try_send(Line::Refused { cause: cause.clone() });
        }
        self.forget(world, actor, &cause, sink)
    }

    fn forget(
        &mut self,
        world: &mut World,
        actor: Actor,
        why: &str,
        sink: Sink<'_>,
    ) -> Result<(), WorldError> {
        self.peers.remove(&actor);
        (self.tell)(format!("{actor} has left: {why}"));
        world.joined(actor, false, sink)
    }

    fn actor(&self, number: u64) -> Option<Actor> {
        self.peers.iter().find(|(_, peer)| peer.number == number).map(|(actor, _)| *actor)
    }
}

/// Takes in what operators say, each on a connection of his own that ends with the answer.
async fn take_words(listening: Listening, news: mpsc::Sender<News>) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listening.listener.accept().await {
            Ok((stream, _)) => {
                let news = news.clone();
                tokio::spawn(async move {
                    take_word(stream, &news).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// One word and its answer. Whoever says nothing, or does not listen, is left alone after a while.
async fn take_word(mut stream: UnixStream, news: &mpsc::Sender<News>) {
    let mut said = Vec::new();
    let reading = async {
        let mut chunk = [0; 1_024];
        while !said.contains(&b'\n') && said.len() < control::LINE_MAX {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(length) => said.extend_from_slice(&chunk[..length]),
            }
        }
    };
    if timeout(PATIENCE, reading).await.is_err() {
        return;
    }
    let line = said.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let answer = match control::read(line) {
        Ok(word) => {
            let (reply, answer) = oneshot::channel();
            if news.send(News::Operator { word, reply }).await.is_err() {
                return;
            }
            // Without an answer the run has ended, and the end of the connection says so.
            let Ok(answer) = answer.await else { return };
            answer
        }
        Err(cause) => Answer::Refused { cause },
    };
    let Ok(mut line) = serde_json::to_vec(&answer) else { return };
    line.push(b'\n');
    // Whoever has gone away is told nothing.
    let _ = timeout(PATIENCE, stream.write_all(&line)).await;
}

/// Takes in connections, each with a task of its own.
async fn accept(listening: Listening, news: mpsc::Sender<News>) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    for number in 0.. {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listening.listener.accept().await {
            Ok((stream, _)) => {
                let news = news.clone();
                tokio::spawn(async move {
                    serve(stream, number, &news).await;
                    drop(place);
                });
            }
            // Out of descriptors, say: others may still end.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// One connection, from its first line to its end.
async fn serve(stream: UnixStream, number: u64, news: &mpsc::Sender<News>) {
    let (mut reading, writing) = stream.into_split();
    let mut lines = Lines::default();
    let Ok(Ok(Some(Line::Join { actor, version }))) =
        timeout(PATIENCE, next_line(&mut reading, &mut lines)).await
    else {
        return;
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(write(writing, receiver));
    let actor = match read_actor(&actor) {
        Ok(actor) if version == VERSION => actor,
        Ok(_) => {
            let cause = format!("this is version {VERSION}, not {version}");
            let _ = sender.send(Line::Refused { cause }).await;
            return;
        }
        Err(error) => {
            let _ = sender.send(Line::Refused { cause: error.to_string() }).await;
            return;
        }
    };
    if news.send(News::Joined { actor, number, lines: sender }).await.is_err() {
        return;
    }
    let why = loop {
        match next_line(&mut reading, &mut lines).await {
            Ok(Some(line)) => {
                if news.send(News::Said { number, line }).await.is_err() {
                    return;
                }
            }
            Ok(None) => break "its connection has ended".to_owned(),
            Err(why) => break why,
        }
    };
    // Nobody listens any more where the run is over.
    let _ = news.send(News::Gone { number, why }).await;
}

/// The next line; `None` at the end of the connection.
async fn next_line(reading: &mut OwnedReadHalf, lines: &mut Lines) -> Result<Option<Line>, String> {
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(line) = lines.next_line().map_err(|error| error.to_string())? {
            return Ok(Some(line));
        }
        match reading.read(&mut chunk).await {
            Ok(0) => return Ok(None),
            Ok(length) => lines.push(&chunk[..length]),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Writes what there is to write until there is nobody to take it.
async fn write(mut writing: OwnedWriteHalf, mut lines: mpsc::Receiver<Line>) {
    while let Some(line) = lines.recv().await {
        match timeout(PATIENCE, writing.write_all(&line.to_bytes())).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}
