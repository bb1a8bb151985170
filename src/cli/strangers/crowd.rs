//! Those whom nobody knows: connections of every kind that costs its sender little, as fast as they can be made.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// How many threads make connections.
const HANDS: u64 = 2;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How often they look whether they are to leave.
const LOOK: Duration = Duration::from_millis(5);
/// Descriptors that the rest of the program needs.
const SPARE: u64 = 128;

/// What a stranger says on its connection.
const KINDS: u64 = 5;

/// What the strangers have done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    pub connections: u64,
    /// Connections that did not come about.
    pub failed: u64,
    /// Connections on which the server ended before what was to be said was said.
    pub closed: u64,
    pub open_max: u64,
    pub seconds: f64,
}

/// How many connections this program may have open at once: as many as are wanted where the limit of the system allows
/// it, which is raised as far as it goes.
pub fn open_max(wanted: u32) -> usize {
    let wanted = u64::from(wanted);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = wanted + SPARE;
    let limit = match current {
        Some(current) if current < needed => {
            let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
            let raised = raised.max(current);
            // Where it cannot be raised it stays what it is.
            match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
                Ok(()) => raised,
                Err(_) => current,
            }
        }
        _ => needed,
    };
    usize::try_from(limit.saturating_sub(SPARE).clamp(1, wanted.max(1))).unwrap_or(1)
}

/// Strangers that come to one server.
pub struct Crowd {
    address: SocketAddr,
    /// A ClientHello, whole.
    hello: Vec<u8>,
    connections: u64,
    open_max: usize,
    next: AtomicU64,
    leave: AtomicBool,
    failed: AtomicU64,
    closed: AtomicU64,
}

impl Crowd {
    pub fn new(address: SocketAddr, hello: Vec<u8>, connections: u32, open_max: usize) -> Self {
        Self {
            address,
            hello,
            connections: connections.into(),
            open_max,
            next: AtomicU64::new(0),
            leave: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Whether all of them have come.
    pub fn is_through(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.connections
    }

    /// They leave, and no more of them come.
    pub fn leave(&self) {
        self.leave.store(true, Ordering::Relaxed);
    }

    /// Lets them come, for `at_most` that long, and has as many as may be open at once stay until they are to leave.
    pub fn come(&self, at_most: Duration) -> Tally {
        let begun = Instant::now();
        let (kept, seconds) = thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(|| self.hand(begun, at_most))).collect();
            let done = hands.into_iter().map(|hand| hand.join().unwrap_or_default());
            done.fold((0, 0.0), |(kept, last), (more, seconds)| (kept + more, f64::max(last, seconds)))
        });
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            connections: read(&self.next).min(self.connections),
            failed: read(&self.failed),
            closed: read(&self.closed),
            open_max: kept as u64,
            seconds,
        }
    }

    /// Makes one connection after another; returns how many it had open at most, and after how many seconds it was
    /// through.
    fn hand(&self, begun: Instant, at_most: Duration) -> (usize, f64) {
        let share = (self.open_max / HANDS as usize).max(1);
        let mut open: VecDeque<TcpStream> = VecDeque::new();
        let mut kept = 0;
        let stays = || !self.leave.load(Ordering::Relaxed) && begun.elapsed() < at_most;
        while stays() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.connections {
                break;
            }
            let Ok(stream) = TcpStream::connect_timeout(&self.address, CONNECT) else {
                self.failed.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if self.say(&stream, number).is_err() {
                self.closed.fetch_add(1, Ordering::Relaxed);
            }
            if open.len() >= share {
                open.pop_front();
            }
            open.push_back(stream);
            kept = kept.max(open.len());
        }
        let seconds = begun.elapsed().as_secs_f64();
        while stays() {
            thread::sleep(LOOK);
        }
        (kept, seconds)
    }

    /// Nothing; the beginning of a record; a whole ClientHello, which the server computes an answer to; a ClientHello and
    /// then what is no TLS; HTTP in clear.
    fn say(&self, mut stream: &TcpStream, number: u64) -> std::io::Result<()> {
        stream.set_write_timeout(Some(CONNECT))?;
        match number % KINDS {
            0 => Ok(()),
            1 => stream.write_all(&[0x16, 0x03, 0x01]),
            2 => stream.write_all(&self.hello),
            3 => stream.write_all(&self.hello).and_then(|()| stream.write_all(&[0xff; 64])),
            _ => stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        }
    }
}
