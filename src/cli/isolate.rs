//! `cellbed bench isolate`: from the word that a device is to be cut off to its last packet, at a switch behind real sockets.
//!
//! A device sends through the switch without a pause. The time is taken just before the controller says that it is isolated,
//! when the last packet of it has come out, and when it has sent the first one that does not: the switch has obeyed between
//! the two, and the last one may have come out before the controller has said anything. Ratios are of the later moment. The
//! yardstick, in the same run at the same switch, is a long-lived
//! `ovs-ofctl` that is given the same two messages over its control socket.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::IsolateArgs;
use super::exit::Exit;
use super::limits::judge;
use super::terminal;
use crate::corenet::UE_PREFIXES;
use crate::io::clock::Stopwatch;
use crate::io::files::told;
use crate::io::openflow::{ControllerLink, DatagramPort, Serving, SocketError, SwitchAddress, serve};
use crate::sdn::{ControllerConfig, Policy, Session};
use crate::wire::openflow::{Body, Field, FlowMod, IPV4, Match, Message, OpenflowError};

const WITHIN: Duration = Duration::from_secs(60);
/// How long a device is watched before it is isolated, and afterwards.
const BEFORE: Duration = Duration::from_millis(20);
const AFTER: Duration = Duration::from_millis(30);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 30);
/// How many packets are remembered by when they were sent: those of a round.
const SENT: usize = 1 << 16;
/// The priority of an isolating flow.
const ISOLATE: u16 = 1000;

/// Why nothing is measured.
#[derive(Debug, thiserror::Error)]
enum IsolateError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{what}: {}", told(cause))]
    Io { what: &'static str, cause: std::io::Error },
    #[error(
        "packets of a device that is not isolated do not come out of the switch: nothing can be measured"
    )]
    NoPackets,
    #[error(transparent)]
    Openflow(#[from] OpenflowError),
    #[error("ovs-ofctl does not take a message: {answer}")]
    Ofctl { answer: String },
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> IsolateError {
    move |cause| IsolateError::Io { what, cause }
}

/// Measures, and says what was measured.
pub fn main(args: &IsolateArgs) -> ExitCode {
    match measure(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal::failure(error);
            Exit::Bench.into()
        }
    }
}

/// Times in milliseconds, in order: of the last packet that came out, and of the first that did not.
struct Times([Vec<f64>; 2]);

impl Times {
    fn new(all: &[[f64; 2]]) -> Self {
        Self([0, 1].map(|which| {
            let mut times: Vec<f64> = all.iter().map(|both| both[which]).collect();
            times.sort_by(f64::total_cmp);
            times
        }))
    }

    /// Of the last packet that came out.
    fn last(&self, share: f64) -> f64 {
        at(&self.0[0], share)
    }

    /// Of the first that did not.
    fn dropped(&self, share: f64) -> f64 {
        at(&self.0[1], share)
    }
}

fn at(times: &[f64], share: f64) -> f64 {
    let place = (times.len() as f64 * share).ceil() as usize;
    times.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn measure(args: &IsolateArgs) -> Result<Exit, IsolateError> {
    let clock = Stopwatch::start();
    let plant = Plant::start(args, clock)?;
    let config = ControllerConfig {
        devices: 1,
        services: 2,
        pool: (Ipv4Addr::new(10, 44, 0, 0), 14),
        pool_v6: UE_PREFIXES,
        echo_after: None,
    };
    let to = SwitchAddress::Tcp(plant.controllers);
    let mut link = ControllerLink::connect(&to, config, WITHIN)?;
    link.all_up((1..=args.sessions).map(session))?;
    let last = address(args.sessions);
    link.set(last, Policy::Isolated([].into()))?;
    link.applied(last, WITHIN)?;
    let installed = clock.elapsed();
    link.release(last)?;
    link.applied(last, WITHIN)?;
    let mut ofctl = Ofctl::start(plant.controllers)?;
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    // Turn and turn about, so that both meet the same machine.
    for round in 0..args.rounds {
        let address = address(1 + round * 7 % args.sessions);
        own.push(plant.time(address, || {
            link.set(address, Policy::Isolated([].into()))?;
            Ok(link.applied(address, WITHIN)?)
        })?);
        link.release(address)?;
        link.applied(address, WITHIN)?;
        if let Some(ofctl) = &mut ofctl {
            theirs.push(plant.time(address, || ofctl.isolate(address))?);
            ofctl.release(address)?;
        }
    }
    drop(ofctl);
    plant.stop();
    let theirs = (!theirs.is_empty()).then(|| Times::new(&theirs));
    Ok(report(args, installed, &Times::new(&own), theirs.as_ref()))
}

fn report(args: &IsolateArgs, installed: Duration, own: &Times, theirs: Option<&Times>) -> Exit {
    let ratio = |share| theirs.map(|theirs| own.dropped(share) / theirs.dropped(share));
    let in_json = |times: &Times| {
        json!({
            "last_p50_ms": times.last(0.5),
            "last_p99_ms": times.last(0.99),
            "dropped_p50_ms": times.dropped(0.5),
            "dropped_p99_ms": times.dropped(0.99),
        })
    };
    if args.json {
        terminal::json(&json!({
            "bench": "isolate",
            "switch": "embedded",
            "sessions": args.sessions,
            "rounds": args.rounds,
            "rate_per_s": args.rate,
            "others_per_s": args.others,
            "installed_s": installed.as_secs_f64(),
            "controller": in_json(own),
            "ovs_ofctl": theirs.map_or(Value::Null, in_json),
            "ratio_p50": ratio(0.5),
            "ratio_p99": ratio(0.99),
            "optimised": !cfg!(debug_assertions),
        }));
    } else {
        let row = |name: &str, times: &Times| {
            let of = |p50: f64, p99: f64| format!("{p50:8.3} / {p99:8.3}");
            let last = of(times.last(0.5), times.last(0.99));
            let dropped = of(times.dropped(0.5), times.dropped(0.99));
            terminal::line(format_args!("  {name:10} {last}   {dropped}"));
        };
        terminal::line(format_args!(
            "isolate one of {} sessions at the embedded switch, {} rounds, the device sends {} packets/s, the others {}",
            args.sessions, args.rounds, args.rate, args.others
        ));
        terminal::line("  p50 / p99, ms    until the last passes  until the first is dropped");
        row("controller", own);
        match (theirs, ratio(0.5).zip(ratio(0.99))) {
            (Some(theirs), Some((p50, p99))) => {
                row("ovs-ofctl", theirs);
                terminal::line(format_args!("  ratio                            {p50:8.2} / {p99:8.2}"));
            }
            _ => terminal::line("  ovs-ofctl is not installed: there is no yardstick"),
        }
        if cfg!(debug_assertions) {
            terminal::line("  built with debug assertions: a release build is faster");
        }
    }
    let past = |value: Option<f64>| value.zip(args.max_ratio).is_some_and(|(value, limit)| value > limit);
    judge(&[
        ("times ovs-ofctl at p50", ratio(0.5).unwrap_or(0.0), past(ratio(0.5))),
        ("times ovs-ofctl at p99", ratio(0.99).unwrap_or(0.0), past(ratio(0.99))),
    ])
}

/// The address of a session, by its number from 1.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 44, 0, 1)) + number)
}

fn session(number: u32) -> Session {
    let holder = Arc::from(number.to_string());
    Session {
        number: number.into(),
        address: address(number).into(),
        prefix: None,
        holder,
        policy: Policy::Service,
    }
}

/// A switch in a thread, a device that sends into it, and somebody who looks at what comes out.
struct Plant {
    controllers: SocketAddr,
    clock: Stopwatch,
    stop: Arc<AtomicBool>,
    /// The address that sends.
    sender: Arc<AtomicU32>,
    /// When its last packet has come out, in nanoseconds of the clock; 0 where there was none.
    seen: Arc<AtomicU64>,
    /// The number of that packet.
    last: Arc<AtomicU64>,
    /// When the last packets were sent, in the same, by their numbers.
    sent: Arc<[AtomicU64]>,
    threads: Vec<JoinHandle<()>>,
}

impl Plant {
    fn start(args: &IsolateArgs, clock: Stopwatch) -> Result<Self, IsolateError> {
        let bind = || UdpSocket::bind("127.0.0.1:0").map_err(io("no socket for the ports of the switch"));
        let local = |socket: &UdpSocket| socket.local_addr().map_err(io("a socket without an address"));
        let (device, services) = (bind()?, bind()?);
        let port = |outside: &UdpSocket| -> Result<DatagramPort, IsolateError> {
            // The switch takes the address over from the socket that has found it free.
            Ok(DatagramPort { own: local(&bind()?)?, peer: local(outside)? })
        };
        let ports = vec![port(&device)?, port(&services)?];
        let into = ports[0].own;
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, told) = mpsc::channel();
        let serving = Serving { listen: Some(([127, 0, 0, 1], 0).into()), controllers: Vec::new(), ports };
        let ended = stop.clone();
        let switch = thread::spawn(move || {
            let failed = ready.clone();
            let mut ready = |at: Option<SocketAddr>| drop(ready.send(Ok(at)));
            if let Err(error) = serve(&serving, &|| ended.load(SeqCst), &mut ready) {
                drop(failed.send(Err(error)));
            }
        });
        let listening = told.recv_timeout(WITHIN).map_err(|_| IsolateError::NoPackets)??;
        let controllers = listening.ok_or(IsolateError::NoPackets)?;
        let (sender, seen, last) =
            (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let sent: Arc<[AtomicU64]> = (0..SENT).map(|_| AtomicU64::new(0)).collect();
        services.set_read_timeout(Some(BEFORE)).map_err(io("a socket without a time limit"))?;
        let others = device.try_clone().map_err(io("no second hold of a socket"))?;
        let others = (args.others > 0).then(|| {
            let (stop, sender) = (stop.clone(), sender.clone());
            let (sessions, rate) = (args.sessions, args.others);
            thread::spawn(move || send_of_all(&others, into, &stop, &sender, (sessions, rate)))
        });
        let rate = args.rate;
        let sending = thread::spawn({
            let (stop, sender, sent) = (stop.clone(), sender.clone(), sent.clone());
            move || send(&device, into, &stop, &sender, (rate, clock, &sent))
        });
        let receiving = thread::spawn({
            let (stop, sender, seen, last) = (stop.clone(), sender.clone(), seen.clone(), last.clone());
            move || receive(&services, clock, &stop, &sender, (&seen, &last))
        });
        let threads = [switch, sending, receiving].into_iter().chain(others).collect();
        Ok(Self { controllers, clock, stop, sender, seen, last, sent, threads })
    }

    /// How long after `isolate` began the last packet of `address` has come out, less than 0 where it was the one before;
    /// and the first that does not come out was sent. In milliseconds.
    fn time(
        &self,
        address: Ipv4Addr,
        isolate: impl FnOnce() -> Result<(), IsolateError>,
    ) -> Result<[f64; 2], IsolateError> {
        self.sender.store(address.into(), SeqCst);
        self.seen.store(0, SeqCst);
        let waiting = Stopwatch::start();
        while self.seen.load(SeqCst) == 0 {
            if waiting.elapsed() > WITHIN {
                return Err(IsolateError::NoPackets);
            }
            sleep(Duration::from_millis(1));
        }
        sleep(BEFORE);
        let begin = self.clock.elapsed();
        isolate()?;
        sleep(AFTER);
        self.sender.store(0, SeqCst);
        let first_dropped = self.sent[(self.last.load(SeqCst) + 1) as usize % SENT].load(SeqCst);
        let times = [self.seen.load(SeqCst), first_dropped].map(Duration::from_nanos);
        Ok(times.map(|time| (time.as_secs_f64() - begin.as_secs_f64()) * 1e3))
    }

    fn stop(self) {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// Sends frames of whoever is to send, at `rate` a second as near as the clock of the machine lets it.
fn send(
    socket: &UdpSocket,
    into: SocketAddr,
    stop: &AtomicBool,
    sender: &AtomicU32,
    (rate, clock, sent): (u32, Stopwatch, &[AtomicU64]),
) {
    let watch = Stopwatch::start();
    let (mut due, mut number) = (0_u64, 0_u64);
    while !stop.load(SeqCst) {
        let address = sender.load(SeqCst);
        let now = (watch.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        // Who was late does not send more at once than a few.
        due = due.max(now.saturating_sub(4));
        if address == 0 || due >= now {
            sleep(Duration::from_micros(50));
            continue;
        }
        due += 1;
        number += 1;
        sent[number as usize % SENT].store(nanoseconds(clock), SeqCst);
        let _ = socket.send_to(&frame(address, number), into);
    }
}

/// Sends a frame of each session in its turn, but for the one that is measured, `rate` a second.
fn send_of_all(
    socket: &UdpSocket,
    into: SocketAddr,
    stop: &AtomicBool,
    sender: &AtomicU32,
    (sessions, rate): (u32, u32),
) {
    let watch = Stopwatch::start();
    let (mut sent, mut number) = (0_u64, 0);
    while !stop.load(SeqCst) {
        let now = (watch.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        // Who was late does not send more at once than a few.
        sent = sent.max(now.saturating_sub(16));
        if sent >= now {
            sleep(Duration::from_micros(100));
            continue;
        }
        sent += 1;
        number = number % sessions + 1;
        let from = address(number).into();
        if from != sender.load(SeqCst) {
            let _ = socket.send_to(&frame(from, sent), into);
        }
    }
}

fn nanoseconds(clock: Stopwatch) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A packet of UDP with its number in it.
fn frame(from: u32, number: u64) -> Vec<u8> {
    let mut frame = vec![0; 14 + 28 + 8];
    frame[12..14].copy_from_slice(&IPV4.to_be_bytes());
    frame[14] = 0x45;
    frame[17] = 28 + 8;
    frame[23] = 17;
    frame[26..30].copy_from_slice(&from.to_be_bytes());
    frame[30..34].copy_from_slice(&SERVER.octets());
    frame[42..].copy_from_slice(&number.to_be_bytes());
    frame
}

fn receive(
    socket: &UdpSocket,
    clock: Stopwatch,
    stop: &AtomicBool,
    sender: &AtomicU32,
    (seen, last): (&AtomicU64, &AtomicU64),
) {
    let mut buffer = [0; 64];
    while !stop.load(SeqCst) {
        let Ok(50) = socket.recv(&mut buffer) else { continue };
        let (Some(from), Some(number)) = (buffer[26..].first_chunk(), buffer[42..].first_chunk()) else {
            continue;
        };
        if u32::from_be_bytes(*from) == sender.load(SeqCst) {
            last.store(u64::from_be_bytes(*number), SeqCst);
            seen.store(nanoseconds(clock), SeqCst);
        }
    }
}

/// An `ovs-ofctl monitor` that sends what it is given over its control socket.
struct Ofctl {
    child: Child,
    folder: PathBuf,
    control: UnixStream,
    number: u32,
}

impl Ofctl {
    /// `None` where it is not installed.
    fn start(switch: SocketAddr) -> Result<Option<Self>, IsolateError> {
        let folder = std::env::temp_dir().join(format!("cellbed-isolate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(io("no folder for ovs-ofctl"))?;
        let path = folder.join("ctl");
        let started = Command::new("ovs-ofctl")
            .args(["-O", "OpenFlow13", "monitor", &format!("tcp:{switch}")])
            .arg(format!("--unixctl={}", path.display()))
            .env("OVS_RUNDIR", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            drop(std::fs::remove_dir_all(&folder));
            return Ok(None);
        };
        match connect(&path) {
            Ok(control) => Ok(Some(Self { child, folder, control, number: 0 })),
            Err(cause) => {
                end(child, &folder);
                Err(IsolateError::Io { what: "ovs-ofctl gives no control socket", cause })
            }
        }
    }

    fn isolate(&mut self, address: Ipv4Addr) -> Result<(), IsolateError> {
        both(address)?
            .into_iter()
            .try_for_each(|matching| self.send(FlowMod::add(0, ISOLATE, matching, vec![])))
    }

    fn release(&mut self, address: Ipv4Addr) -> Result<(), IsolateError> {
        both(address)?
            .into_iter()
            .try_for_each(|matching| self.send(FlowMod::delete_strict(0, ISOLATE, matching)))
    }

    /// Has it send one message (JSON-RPC 1.0, as `ovs-appctl` speaks it).
    fn send(&mut self, flow: FlowMod) -> Result<(), IsolateError> {
        self.number += 1;
        let message = hex::encode(Message::new(self.number, Body::FlowMod(flow)).encode()?);
        let request = json!({ "method": "ofctl/send", "params": [message], "id": self.number });
        self.control.write_all(request.to_string().as_bytes()).map_err(io("ovs-ofctl is gone"))?;
        // The answer has no end of its own but its last brace.
        let mut answer = Vec::new();
        let mut octet = [0];
        while serde_json::from_slice::<Value>(&answer).is_err() {
            self.control.read_exact(&mut octet).map_err(io("ovs-ofctl does not answer"))?;
            answer.push(octet[0]);
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        match answer.get("error") {
            Some(Value::Null) | None => Ok(()),
            Some(error) => Err(IsolateError::Ofctl { answer: error.to_string() }),
        }
    }
}

impl Drop for Ofctl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end(mut child: Child, folder: &Path) {
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_dir_all(folder);
}

/// The control socket, once it is there.
fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let watch = Stopwatch::start();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => {
                stream.set_read_timeout(Some(WITHIN))?;
                return Ok(stream);
            }
            Err(error) if watch.elapsed() > Duration::from_secs(5) => return Err(error),
            Err(_) => sleep(Duration::from_millis(10)),
        }
    }
}

/// The packets of a device, in both directions, as the controller's own flows have them.
fn both(address: Ipv4Addr) -> Result<[Match; 2], OpenflowError> {
    let of = |port: u32, field| {
        Match::any().with(Field::InPort, port)?.with(Field::EthType, IPV4)?.with(field, u32::from(address))
    };
    Ok([of(1, Field::Ipv4Src)?, of(2, Field::Ipv4Dst)?])
}
