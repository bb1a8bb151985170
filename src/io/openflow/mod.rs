//! OpenFlow at real sockets: a switch that controllers reach over TCP, and a controller of a switch elsewhere.
//!
//! The ports of such a switch are UDP sockets, of which each datagram is one Ethernet frame: that takes no right that a user
//! has not.

mod link;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant as Wall, sleep, sleep_until, timeout};

pub use link::{ControllerLink, SwitchAddress};

use super::clock::Stopwatch;
use crate::kernel::Instant;
use crate::sdn::{PortSetup, SdnError, Side, Switch, SwitchConfig, SwitchInput, SwitchOutput, Tap};
use crate::wire::openflow::Framer;

/// How many messages of all controllers together wait to be taken in, and how many frames.
const QUEUE: usize = 1_024;
/// How many messages wait for one controller to be read: more than a dump of the largest table has.
const UNREAD_MAX: usize = 16_384;
/// How long a controller may take to read what is written to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing is looked at, at most, and how long a controller that is not there is left alone.
const LOOK: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_secs(1);
/// The longest frame that is taken in.
const FRAME_MAX: usize = 9_018;

/// Why a switch is not served, or a controller has no switch.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SocketError {
    #[error("{at}: nothing can listen there: {}", super::files::told(cause))]
    Listen { at: SocketAddr, cause: io::Error },
    #[error("{at}: there is no switch to be reached: {}; is it running?", super::files::told(cause))]
    Connect { at: String, cause: io::Error },
    #[error("{at}: the connection with the switch has ended: {cause}")]
    Broken { at: String, cause: String },
    #[error("{at}: the switch has not done what was asked within {seconds} s")]
    Late { at: String, seconds: u64 },
    #[error("no runtime for sockets: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Sdn(#[from] SdnError),
}

/// A port of a switch at real sockets: each datagram is one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatagramPort {
    /// Where frames come in.
    pub own: SocketAddr,
    /// Where they go to.
    pub peer: SocketAddr,
}

/// What a switch is served with.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    /// Where controllers connect to.
    pub listen: Option<SocketAddr>,
    /// Controllers that are connected to, again and again.
    pub controllers: Vec<SocketAddr>,
    /// The ports, numbered from 1. Where there is none there are two that lead nowhere.
    pub ports: Vec<DatagramPort>,
}

impl Serving {
    /// The switch that is served: the first port leads to devices.
    fn switch(&self) -> Switch {
        let count = if self.ports.is_empty() { 2 } else { self.ports.len() as u32 };
        let port = |number| {
            let side = if number == 1 { Side::Devices } else { Side::Services };
            PortSetup { number, name: format!("port{number}"), side, bare: false }
        };
        Switch::new(SwitchConfig { datapath: 1, ports: (1..=count).map(port).collect() })
    }
}

/// What comes from a controller.
enum Control {
    Connected { channel: u32, writer: mpsc::Sender<Vec<u8>>, reader: AbortHandle },
    Message { channel: u32, octets: Vec<u8> },
    Lost { channel: u32 },
}

/// Serves a switch until `stop` says yes. `ready` is told where it listens.
///
/// # Errors
/// Where it cannot listen. What a controller does wrong ends its connection.
pub fn serve(
    serving: &Serving,
    stop: &dyn Fn() -> bool,
    ready: &mut dyn FnMut(Option<SocketAddr>),
) -> Result<(), SocketError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(SocketError::Runtime)?.block_on(served(serving, stop, ready))
}

async fn served(
    serving: &Serving,
    stop: &dyn Fn() -> bool,
    ready: &mut dyn FnMut(Option<SocketAddr>),
) -> Result<(), SocketError> {
    let (controls, mut control) = mpsc::channel(QUEUE);
    let (frames, mut frame) = mpsc::channel(QUEUE);
    let numbers = Arc::new(AtomicU32::new(1));
    let mut listening = None;
    if let Some(at) = serving.listen {
        let listener = TcpListener::bind(at).await.map_err(|cause| SocketError::Listen { at, cause })?;
        listening = listener.local_addr().ok();
        tokio::spawn(accept(listener, controls.clone(), numbers.clone()));
    }
    for controller in &serving.controllers {
        tokio::spawn(connect(*controller, controls.clone(), numbers.clone()));
    }
    let mut sockets = BTreeMap::new();
    for (number, port) in (1..).zip(&serving.ports) {
        let at = port.own;
        let socket = UdpSocket::bind(at).await.map_err(|cause| SocketError::Listen { at, cause })?;
        let socket = Arc::new(socket);
        tokio::spawn(receive(number, socket.clone(), frames.clone()));
        sockets.insert(number, (socket, port.peer));
    }
    ready(listening);
    let mut served =
        Served { switch: serving.switch(), clock: Stopwatch::start(), channels: BTreeMap::new(), sockets };
    let begin = Wall::now();
    loop {
        if stop() {
            return Ok(());
        }
        let look = Wall::now() + LOOK;
        let due = served.switch.deadline().map(|at| begin + at.since(Instant::ZERO));
        // What a controller says comes before the packets that it may be about.
        tokio::select! {
            biased;
            Some(said) = control.recv() => served.control(said)?,
            Some((port, octets)) = frame.recv() => served.take(SwitchInput::Packet { port, octets })?,
            () = sleep_until(due.map_or(look, |due| due.min(look))) => served.take(SwitchInput::Timer)?,
        }
    }
}

struct Served {
    switch: Switch,
    clock: Stopwatch,
    channels: BTreeMap<u32, (mpsc::Sender<Vec<u8>>, AbortHandle)>,
    sockets: BTreeMap<u32, (Arc<UdpSocket>, SocketAddr)>,
}

impl Served {
    fn control(&mut self, control: Control) -> Result<(), SocketError> {
        match control {
            Control::Connected { channel, writer, reader } => {
                self.channels.insert(channel, (writer, reader));
                self.take(SwitchInput::Connected { channel })
            }
            Control::Message { channel, octets } => {
                self.take(SwitchInput::Message { channel, octets: &octets })
            }
            Control::Lost { channel } => self.end(channel),
        }
    }

    /// What is written to a controller that is sent away still reaches it; nothing of it is read any more.
    fn end(&mut self, channel: u32) -> Result<(), SocketError> {
        match self.channels.remove(&channel) {
            Some((_, reader)) => {
                reader.abort();
                self.take(SwitchInput::Lost { channel })
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, input: SwitchInput<'_>) -> Result<(), SocketError> {
        let now = Instant::ZERO + self.clock.elapsed();
        let mut out = Vec::new();
        self.switch.handle(now, input, &mut |_: Tap<'_>| {}, &mut out)?;
        for output in out {
            match output {
                SwitchOutput::Message { channel, octets, .. } => {
                    let unread = self.channels.get(&channel).map(|(writer, _)| writer.try_send(octets));
                    // Whoever does not read what it has asked for is not waited for.
                    if matches!(unread, Some(Err(_))) {
                        self.end(channel)?;
                    }
                }
                SwitchOutput::Close { channel } => self.end(channel)?,
                SwitchOutput::Packet { port, octets } => {
                    if let Some((socket, peer)) = self.sockets.get(&port) {
                        // A frame that finds no room is lost, as on a wire.
                        let _ = socket.try_send_to(&octets, *peer);
                    }
                }
                SwitchOutput::Dropped { .. } => {}
            }
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, controls: mpsc::Sender<Control>, numbers: Arc<AtomicU32>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let channel = numbers.fetch_add(1, Ordering::Relaxed);
                drop(tokio::spawn(speak(stream, channel, controls.clone())));
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

async fn connect(to: SocketAddr, controls: mpsc::Sender<Control>, numbers: Arc<AtomicU32>) {
    loop {
        if let Ok(stream) = TcpStream::connect(to).await {
            speak(stream, numbers.fetch_add(1, Ordering::Relaxed), controls.clone()).await;
        }
        sleep(AGAIN).await;
    }
}

/// Carries the messages of one connection until it ends.
async fn speak(stream: TcpStream, channel: u32, controls: mpsc::Sender<Control>) {
    let _ = stream.set_nodelay(true);
    let (mut reading, mut writing) = stream.into_split();
    let (writer, mut messages) = mpsc::channel::<Vec<u8>>(UNREAD_MAX);
    let reader_controls = controls.clone();
    let reader = tokio::spawn(async move {
        let (mut framer, mut buffer) = (Framer::default(), vec![0; 65_536]);
        while let Ok(count @ 1..) = reading.read(&mut buffer).await {
            framer.push(&buffer[..count]);
            loop {
                match framer.next_message() {
                    Ok(Some(octets)) => {
                        if reader_controls.send(Control::Message { channel, octets }).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        let _ = reader_controls.send(Control::Lost { channel }).await;
                        return;
                    }
                }
            }
        }
        let _ = reader_controls.send(Control::Lost { channel }).await;
    });
    let connected = Control::Connected { channel, writer, reader: reader.abort_handle() };
    if controls.send(connected).await.is_err() {
        return;
    }
    while let Some(octets) = messages.recv().await {
        if !matches!(timeout(PATIENCE, writing.write_all(&octets)).await, Ok(Ok(()))) {
            reader.abort();
            let _ = controls.send(Control::Lost { channel }).await;
            return;
        }
    }
    let _ = writing.shutdown().await;
}

async fn receive(port: u32, socket: Arc<UdpSocket>, frames: mpsc::Sender<(u32, Vec<u8>)>) {
    let mut buffer = vec![0; FRAME_MAX];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(count) => {
                if frames.send((port, buffer[..count].to_vec())).await.is_err() {
                    return;
                }
            }
            // What the peer has refused comes back as an error of the socket.
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}
