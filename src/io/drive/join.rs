//! The other end: a node in this process, for a world in another one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant as Wall, sleep, sleep_until, timeout};

use super::line::{Line, LineError, Lines, VERSION, read_port};
use super::{LOOK, PATIENCE, next_line, runtime};
use crate::event::Actor;
use crate::kernel::Instant;
use crate::world::{Input, Node, Output, WorldError};

/// Why a node does not take part.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum JoinError {
    #[error("{}: no world to join there: {}", path.display(), super::super::files::told(cause))]
    Connect { path: PathBuf, cause: io::Error },
    #[error("the world does not take {actor} in: {cause}")]
    Refused { actor: Actor, cause: String },
    #[error("the world says something that this version does not understand: {0}")]
    Line(#[from] LineError),
    #[error("the connection to the world is broken: {0}")]
    Broken(String),
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("no runtime for real time: {0}")]
    Runtime(io::Error),
}

/// Plays `actor` with `node` in the world that listens at `path`, until that ends. A world that does not listen yet is
/// waited for as long as `within` says.
///
/// # Errors
/// Where there is no such world, or it refuses.
pub fn join(actor: Actor, node: &mut dyn Node, path: &Path, within: Duration) -> Result<(), JoinError> {
    runtime().map_err(JoinError::Runtime)?.block_on(play(actor, node, path, within))
}

async fn connect(path: &Path, within: Duration) -> Result<UnixStream, JoinError> {
    let until = Wall::now() + within;
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(cause) if Wall::now() >= until => {
                return Err(JoinError::Connect { path: path.to_owned(), cause });
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

async fn play(actor: Actor, node: &mut dyn Node, path: &Path, within: Duration) -> Result<(), JoinError> {
    let (mut reading, mut writing) = connect(path, within).await?.into_split();
    let hello = Line::Join { actor: actor.to_string(), version: VERSION };
    writing.write_all(&hello.to_bytes()).await.map_err(|error| JoinError::Broken(error.to_string()))?;
    let start = Wall::now();
    let mut lines = Lines::default();
    let mut out = Vec::new();
    node.handle(Instant::ZERO, Input::Start, &mut out)?;
    loop {
        for line in out.drain(..).filter_map(said) {
            let written = timeout(PATIENCE, writing.write_all(&line.to_bytes())).await;
            match written {
                Ok(Ok(())) => {}
                // The world is gone, which is how a run ends.
                Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                Ok(Err(error)) => return Err(JoinError::Broken(error.to_string())),
                Err(_) => return Err(JoinError::Broken("it does not take what is sent".to_owned())),
            }
        }
        let now = Instant::ZERO + start.elapsed();
        let wait = node.deadline(now).map(|at| Wall::now() + at.since(now));
        let input = tokio::select! {
            line = next_line(&mut reading, &mut lines) => match line.map_err(JoinError::Broken)? {
                Some(line) => heard(actor, line)?,
                None => return Ok(()),
            },
            () = sleep_until(wait.unwrap_or_else(|| Wall::now() + LOOK)), if wait.is_some() => Some(Input::Timer),
        };
        if let Some(input) = input {
            node.handle(Instant::ZERO + start.elapsed(), input, &mut out)?;
        }
    }
}

/// What a line of the world means for the node.
fn heard(actor: Actor, line: Line) -> Result<Option<Input>, JoinError> {
    Ok(match line {
        Line::Welcome { .. } => None,
        Line::Refused { cause } => return Err(JoinError::Refused { actor, cause }),
        Line::Linked { own, peer } => {
            Some(Input::Linked { at: read_port(&own)?.at, peer: read_port(&peer)? })
        }
        Line::Unlinked { own, peer } => {
            Some(Input::Unlinked { at: read_port(&own)?.at, peer: read_port(&peer)? })
        }
        Line::Frame { from, to, payload } => {
            Some(Input::Frame { at: read_port(&to)?.at, from: read_port(&from)?, payload: payload.into() })
        }
        Line::Join { .. } => {
            return Err(JoinError::Line(LineError::Malformed("a world does not join".to_owned())));
        }
    })
}

/// What the world is told of what the node does: its frames. Its states are its own, and so is what it knows of devices.
fn said(output: Output) -> Option<Line> {
    match output {
        Output::Send { from, to, payload, .. } => Some(Line::frame(from, to, payload)),
        Output::Tell { .. }
        | Output::Known { .. }
        | Output::Resume { .. }
        | Output::Await { .. }
        | Output::AwaitWork { .. } => None,
    }
}
