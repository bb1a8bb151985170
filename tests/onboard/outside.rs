//! A world in real time whose base station is a process of its own, which is killed in the middle and started again:
//! its messages are those of the virtual world in which the base station was switched off and on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cellbed::event::{Actor, Body, Event, Step, StepId};
use cellbed::io::drive::{DriveError, Driving, JoinError, drive, join};
use cellbed::kernel::{Duration, Instant, RngTree};
use cellbed::ledger::MemoryStore;
use cellbed::ran::{Enb, EnbConfig};
use cellbed::wire::Proto;
use cellbed::world::nodes::EnbNode;
use cellbed::world::setup::{Setup, StationSetup, TAC};
use cellbed::world::{Ended, World};

use super::runs::{all_done, outcomes, setup};

const ENB: Actor = Actor::enb(1);

/// Two devices, the second of which comes when the first has long been through.
fn two_devices(outside: bool) -> Setup {
    let mut setup = setup(2);
    setup.stations = vec![StationSetup { outside, ..StationSetup::only() }];
    setup.devices[1].start = Duration::from_secs(6);
    setup
}

/// Who says what to whom, in order, for each pair: what two pairs do at one time may come in either order, and how IP
/// packets are cut depends on the clock.
fn skeleton(events: &[Event]) -> BTreeMap<(Actor, Actor), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for event in events {
        if let Body::Message(message) = &event.body
            && message.label.proto != Proto::GtpU
        {
            let pair = (message.from.min(message.to), message.from.max(message.to));
            let way = if message.from == pair.0 { '>' } else { '<' };
            let line = format!("{way} {} {}", message.label.proto.name(), message.label.name);
            found.entry(pair).or_default().push(line);
        }
    }
    found
}

fn first_is_through(event: &Event) -> bool {
    matches!(event.body, Body::StepEnded { device: 1, step: StepId { step: Step::Detach, .. }, .. })
}

fn virtual_events() -> Vec<Event> {
    let setup = two_devices(false);
    let plmn = setup.plmn;
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    world.step_until(Instant::ZERO + Duration::from_secs(4), &mut |event| events.push(event)).unwrap();
    assert!(events.iter().any(first_is_through));
    let fresh = EnbNode::new(1, Enb::new(EnbConfig::new(1, plmn, TAC), &RngTree::new(8)));
    world.restart(ENB, Box::new(fresh), &mut |event| events.push(event)).unwrap();
    assert_eq!(world.run(Duration::from_secs(60), &mut |event| events.push(event)).unwrap(), Ended::Settled);
    events
}

/// The process that plays the base station; ends with the test.
struct Station(Child);

impl Station {
    fn start(socket: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_cellbed");
        let mut command = Command::new(program);
        command.args(["node", "enb1", "--join"]).arg(socket).stdout(Stdio::null()).stderr(Stdio::inherit());
        Self(command.spawn().unwrap())
    }

    /// As a power cut: SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn driving(folder: &Path) -> Driving {
    Driving {
        limit: Duration::from_secs(60),
        outside: vec![ENB],
        socket: folder.join("join.sock"),
        join_within: Duration::from_secs(20),
        control: None,
    }
}

/// How often the run is tried: time is the clock's in it, and timers of two seconds (T300 of TS 36.331 and that of a cell
/// that is looked for) run out where a busy machine does not let the other process work meanwhile. Then the same is said
/// once more, and nothing else.
const TRIES: usize = 4;

/// One run whose base station is killed when the first device is through. Returns how the run ended, its events, and what
/// was told of the base station.
fn real_run(driving: &Driving) -> (Ended, Vec<Event>, Vec<String>) {
    let mut world = World::set_up(two_devices(true), Box::new(MemoryStore::new())).unwrap();
    let station = RefCell::new(Station::start(&driving.socket));
    let (mut events, mut told) = (Vec::new(), Vec::new());
    let mut sink = |event: Event| {
        if first_is_through(&event) {
            let mut station = station.borrow_mut();
            station.kill();
            *station = Station::start(&driving.socket);
        }
        events.push(event);
    };
    let ended = drive(&mut world, driving, &|| false, &mut sink, &mut |line| told.push(line)).unwrap();
    assert!(world.now() >= Instant::ZERO + Duration::from_secs(6), "it took its time: {}", world.now());
    (ended, events, told)
}

#[test]
fn a_base_station_that_is_killed_and_started_again_says_what_one_in_the_world_does() {
    let model = skeleton(&virtual_events());
    let mut differed = Vec::new();
    for _ in 0..TRIES {
        let folder = tempfile::tempdir().unwrap();
        let driving = driving(folder.path());
        let (ended, events, mut told) = real_run(&driving);
        assert_eq!((ended, outcomes(&events)), (Ended::Settled, all_done(2)));
        assert!(told.remove(0).starts_with("waiting for enb1: `cellbed node enb1 --join "));
        assert_eq!(told, ["enb1 has joined", "enb1 has left: its connection has ended", "enb1 has joined"]);
        assert!(!driving.socket.exists(), "the socket goes with the run");
        let real = skeleton(&events);
        if real == model {
            return;
        }
        // Late or not, everybody talks to whom he should.
        assert_eq!(real.keys().collect::<Vec<_>>(), model.keys().collect::<Vec<_>>());
        differed =
            model.keys().filter(|pair| real[pair] != model[pair]).map(|pair| format!("{pair:?}")).collect();
    }
    panic!("in none of {TRIES} runs the same was said between {differed:?}");
}

#[test]
fn a_run_whose_base_station_does_not_come_says_how_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let driving = Driving { join_within: Duration::from_millis(300), ..driving(folder.path()) };
    let mut world = World::set_up(two_devices(true), Box::new(MemoryStore::new())).unwrap();
    let error = drive(&mut world, &driving, &|| false, &mut |_| {}, &mut |_| {}).unwrap_err();
    let expected = format!("start it with `cellbed node enb1 --join {}`", driving.socket.display());
    assert!(
        matches!(error, DriveError::NotJoined { .. }) && error.to_string().contains(&expected),
        "{error}"
    );
}

/// A stranger at the socket: it is refused or cut off, is told why, and the run goes on.
#[test]
fn who_may_not_join_is_told_why_and_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let driving = driving(folder.path());
    let mut setup = two_devices(true);
    setup.devices.truncate(1);
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let socket = driving.socket.clone();
    let strangers = std::thread::spawn(move || {
        let connect = || loop {
            match std::os::unix::net::UnixStream::connect(&socket) {
                Ok(stream) => return stream,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let ask = |text: &[u8]| -> String {
            use std::io::{Read, Write};
            let mut stream = connect();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(text).unwrap();
            let mut answer = String::new();
            // One that is cut off may find its connection reset.
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        let mut answers: Vec<String> = [
            &b"{\"join\":{\"actor\":\"mme\",\"version\":2}}\n"[..],
            b"{\"join\":{\"actor\":\"enb1\",\"version\":1}}\n",
            b"{\"join\":{\"actor\":\"nobody\",\"version\":2}}\n",
            b"GET / HTTP/1.1\r\n\r\n",
            // It joins, and then speaks for another.
            b"{\"join\":{\"actor\":\"enb1\",\"version\":2}}\n{\"frame\":{\"from\":\"mme.s1-mme\",\"to\":\"enb1.s1-mme\",\"payload\":{\"bytes\":\"00\"}}}\n",
            b"{\"join\":{\"actor\":\"enb1\",\"version\":2}}\n{\"frame\":{\"from\":\"enb1.s1-u\",\"to\":\"address:192.0.2.1\",\"payload\":{\"bytes\":\"00\"}}}\n",
        ]
        .into_iter()
        .map(ask)
        .collect();
        let plmn = "00101".parse().unwrap();
        let mut station = EnbNode::new(1, Enb::new(EnbConfig::new(1, plmn, TAC), &RngTree::new(8)));
        let played = join(ENB, &mut station, &socket, Duration::from_secs(20));
        answers.push(played.map_or_else(|error: JoinError| error.to_string(), |()| "played".to_owned()));
        answers
    });
    let mut events = Vec::new();
    let ended = drive(&mut world, &driving, &|| false, &mut |event| events.push(event), &mut |_| {}).unwrap();
    assert_eq!(ended, Ended::Settled);
    let answers = strangers.join().unwrap();
    let says = |n: usize, text: &str| assert!(answers[n].contains(text), "{n}: {}", answers[n]);
    says(0, "mme is not played from outside");
    says(1, "this is version 2, not 1");
    says(2, "is not an actor");
    assert_eq!(answers[3], "");
    says(4, "enb1 sends in the name of mme");
    says(5, "192.0.2.1, which nobody on s1-u has");
    assert_eq!(answers[6], "played");
    assert_eq!(outcomes(&events), all_done(1));
}
