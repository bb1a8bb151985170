//! `ovs-ofctl` and `ovs-testcontroller` drive our switch.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{need, on_path};

/// A program that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our switch with these arguments, and where it listens.
fn switch(arguments: &[String]) -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["sdn", "switch", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let at = line.trim().rsplit(' ').next().unwrap().to_owned();
    (Running(child), format!("tcp:{at}"))
}

/// What `ovs-ofctl` prints.
fn ofctl(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ovs-ofctl").args(["-O", "OpenFlow13"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
}

/// Waits until `found` says something.
fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if let Some(found) = found() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

#[test]
fn ovs_ofctl_drives_our_switch() {
    let found = on_path("ovs-ofctl").map(drop);
    if need("openvswitch", "ovs-ofctl reads and writes the flows of our switch", found).is_none() {
        return;
    }
    let (_switch, at) = switch(&[]);
    let ask = |arguments: &[&str]| ofctl(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let shown = ask(&["show", &at]);
    has(
        &shown,
        &["dpid:0000000000000001", "n_tables:4", "FLOW_STATS", "1(port1)", "2(port2)", "miss_send_len=128"],
    );
    // With all the tables' features asked for first, as ovs-ofctl does.
    let session = "cookie=0xce02010000000007,priority=100,in_port=1,ip,nw_src=10.44.0.2,\
                   actions=write_metadata:0x0200000000000007,goto_table:1";
    ask(&["add-flow", &at, session]);
    let class =
        "table=1,priority=50,in_port=1,metadata=0x0200000000000000/0xff00000000000000,actions=output:2";
    ask(&["add-flow", &at, class]);
    ask(&["--no-names", "add-flow", &at, "priority=1000,in_port=1,ip,nw_src=10.44.0.9,actions=drop"]);
    let dumped = ask(&["dump-flows", &at]);
    has(
        &dumped,
        &[
            "cookie=0xce02010000000007",
            "priority=100,ip,in_port=1,nw_src=10.44.0.2 actions=write_metadata:0x200000000000007,goto_table:1",
            "table=1",
            "metadata=0x200000000000000/0xff00000000000000",
            "priority=1000,ip,in_port=1,nw_src=10.44.0.9 actions=drop",
        ],
    );
    // A packet of that session comes by way of the tables.
    let frame = "020000000002020000000001080045000014000000004011000\
                 00a2c00020a63000a";
    ask(&["packet-out", &at, &format!("in_port=1 packet={frame} actions=table")]);
    let dumped = ask(&["dump-flows", &at, "table=1"]);
    has(&dumped, &["n_packets=1, n_bytes=34"]);
    has(&ask(&["dump-aggregate", &at]), &["packet_count=2 byte_count=68 flow_count=3"]);
    has(&ask(&["dump-tables", &at]), &["active=2", "lookup=1, matched=1"]);
    has(&ask(&["dump-ports", &at]), &["2 ports", "port  1: rx pkts=1, bytes=34"]);
    has(&ask(&["dump-desc", &at]), &["Manufacturer: cellbed"]);
    ask(&["probe", &at]);
    has(&ask(&["ping", &at, "10"]), &["10 bytes"]);
    ask(&["mod-flows", &at, "table=1,in_port=1,actions=drop"]);
    has(&ask(&["dump-flows", &at, "table=1"]), &["n_packets=1", "actions=drop"]);
    ask(&["--strict", "del-flows", &at, "priority=1000,in_port=1,ip,nw_src=10.44.0.9"]);
    ask(&["del-flows", &at, "cookie=0xce02010000000007/-1"]);
    let left = ask(&["dump-flows", &at]);
    assert!(left.contains("table=1") && !left.contains("nw_src"), "{left}");
    ask(&["del-flows", &at]);
    has(&ask(&["dump-aggregate", &at]), &["flow_count=0"]);
    // What is not served is refused, and the tool says so.
    for (arguments, word) in [
        (&["add-group", &at, "group_id=1,type=all,bucket=output:1"][..], "OFPGMFC"),
        (&["add-meter", &at, "meter=1,pktps,band=type=drop,rate=100"], "OFPMMFC"),
        (&["--no-names", "add-flow", &at, "actions=output:77"], "OFPBAC_BAD_OUT_PORT"),
        (&["--no-names", "add-flow", &at, "ip6,actions=drop"], "OFPBIC|OFPBMC"),
        (&["--no-names", "add-flow", &at, "ip,actions=mod_nw_dst:10.0.0.1,output:1"], "OFPBAC_BAD_TYPE"),
    ] {
        match ofctl(arguments) {
            Err(error) => assert!(word.split('|').any(|word| error.contains(word)), "{arguments:?}: {error}"),
            // An EtherType that is matched alone is a match like another one.
            Ok(_) => assert_eq!(word, "OFPBIC|OFPBMC", "{arguments:?} was taken"),
        }
    }
}

/// A port of a switch, from outside: the address of the switch, and our socket.
fn wire(switch: SocketAddr) -> (String, UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (format!("{switch}={}", socket.local_addr().unwrap()), socket)
}

/// An address at which nobody listens.
fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn ovs_testcontroller_teaches_our_switch_where_hosts_are() {
    let found = on_path("ovs-testcontroller").and_then(|_| on_path("ovs-ofctl")).map(drop);
    let shown = "ovs-testcontroller makes a learning switch of ours";
    if need("openvswitch", shown, found).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let controller = Command::new("ovs-testcontroller")
        .args(["-O", "OpenFlow13", &format!("ptcp:{port}:127.0.0.1")])
        .arg(format!("--unixctl={}", Path::new(folder.path()).join("ctl").display()))
        .env("OVS_RUNDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _controller = Running(controller);
    let ends = [free(), free(), free()];
    let (ports, sockets): (Vec<_>, Vec<_>) = ends.iter().map(|end| wire(*end)).unzip();
    let mut arguments = vec!["--controller".to_owned(), format!("127.0.0.1:{port}")];
    arguments.extend(ports.into_iter().flat_map(|port| ["--port".to_owned(), port]));
    let (_switch, at) = switch(&arguments);
    let written = eventually(|| {
        let flows = ofctl(&["--no-names", "dump-flows", &at]).ok()?;
        flows.contains("CONTROLLER:128").then_some(flows)
    });
    assert!(written.is_some(), "the controller has not written its first flow");
    // An ARP request of host 1 is flooded to 2 and 3; the answer of 2 goes to 1 alone, since it is known where that is.
    let mac = |number: u8| [2, 0, 0, 0, 0, number];
    let arp = |to: [u8; 6], from: u8, operation: u8, target: u8| {
        let sender = [&mac(from)[..], &[10, 0, 0, from]].concat();
        let target = [&mac(target)[..], &[10, 0, 0, target]].concat();
        [&to[..], &mac(from), &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation], &sender, &target].concat()
    };
    let mut buffer = [0; 100];
    let mut receive = |socket: &UdpSocket| socket.recv(&mut buffer).map(|count| buffer[..count].to_vec());
    let request = arp([0xff; 6], 1, 1, 2);
    sockets[0].send_to(&request, ends[0]).unwrap();
    assert_eq!(receive(&sockets[1]).unwrap(), request);
    assert_eq!(receive(&sockets[2]).unwrap(), request);
    let answer = arp(mac(1), 2, 2, 1);
    sockets[1].send_to(&answer, ends[1]).unwrap();
    assert_eq!(receive(&sockets[0]).unwrap(), answer);
    sockets[2].set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(receive(&sockets[2]).is_err(), "the answer was flooded");
    let learnt = eventually(|| {
        let flows = ofctl(&["--no-names", "dump-flows", &at]).ok()?;
        flows.contains("dl_dst=02:00:00:00:00:01").then_some(flows)
    });
    has(
        &learnt.expect("the controller has written no flow"),
        &["idle_timeout=60", "arp", "in_port=2", "actions=output:1"],
    );
}

/// Somebody who does not know OpenFlow, and one who asks and does not read: neither stops the switch for others.
#[test]
fn strangers_do_not_stop_our_switch() {
    use std::io::Write as _;
    let (mut running, at) = switch(&[]);
    let address = at.trim_start_matches("tcp:").to_owned();
    for octets in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 64],
        &[4, 0, 0, 0],
        &[4, 0, 0, 8, 0, 0, 0, 1, 4, 99, 0, 8, 0, 0, 0, 2],
    ] {
        std::net::TcpStream::connect(&address).unwrap().write_all(octets).unwrap();
    }
    let mut deaf = std::net::TcpStream::connect(&address).unwrap();
    deaf.write_all(&[4, 0, 0, 8, 0, 0, 0, 1]).unwrap();
    let echo = [&[4, 2, 0xff, 0xf8, 0, 0, 0, 2][..], &[0; 0xfff0]].concat();
    for _ in 0..200 {
        // It may be sent away while it writes.
        let _ = deaf.set_write_timeout(Some(Duration::from_secs(1)));
        if deaf.write_all(&echo).is_err() {
            break;
        }
    }
    let to = cellbed::io::openflow::SwitchAddress::Tcp(address.parse().unwrap());
    let link =
        cellbed::io::openflow::ControllerLink::connect(&to, crate::ovs::config(), Duration::from_secs(10));
    assert!(link.is_ok(), "{:?}", link.err());
    assert!(running.0.try_wait().unwrap().is_none());
}
