//! The capture as tshark reads it.

use std::io::Write as _;
use std::process::Command;

use super::super::sample;
use super::*;
use crate::support::need_command;
use crate::wire::Label;
use crate::wire::s1ap::{Cause, Pdu};

/// An S1 Setup Request: eNB 0x19b0 of 001-01, tracking area 1.
const S1_SETUP_REQUEST: &str = "0011002d000004003b00080000f110000019b0003c400a0380737273656e623031\
                                004000070000004000f1100089400140";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).expect("test vectors are hexadecimal")
}

fn message(from: Actor, to: Actor, proto: Proto, bytes: Vec<u8>) -> Event {
    let body = Message { from, to, label: Label::new(proto, "Name"), bytes };
    Event::new(Instant::from_nanos(1_500_000_001), Body::Message(body))
}

fn capture(events: &[Event]) -> Vec<u8> {
    let (_, summary) = sample::run(1);
    let mut out = Vec::new();
    let mut view = Pcapng::new(&mut out, &summary.facts).expect("memory takes it");
    events.iter().for_each(|event| view.event(event).expect("memory takes it"));
    view.finish(&summary).expect("memory takes it");
    out
}

/// What tshark prints of `fields` for each packet, tab-separated; nothing where there is no tshark.
fn tshark(capture: &[u8], fields: &[&str], unproved: &str) -> Option<Vec<String>> {
    if !need_command("tshark", unproved) {
        return None;
    }
    let mut file = tempfile::NamedTempFile::new().expect("there is room for a small file");
    file.write_all(capture).expect("there is room for a small file");
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file.path()).args(["-n", "-T", "fields"]);
    for preference in
        ["ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "sctp.checksum:CRC 32c", "sctp.reassembly:TRUE"]
    {
        command.args(["-o", preference]);
    }
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.output().expect("tshark starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

const SOUND: [&str; 4] =
    ["_ws.malformed", "ip.checksum.status", "udp.checksum.status", "sctp.checksum.status"];

#[test]
fn s1ap_dissects_with_a_good_crc_and_a_running_tsn() {
    let setup = || message(Actor::enb(1), Actor::MME, Proto::S1ap, bytes(S1_SETUP_REQUEST));
    let capture = capture(&[setup(), setup()]);
    let fields = [
        &SOUND[..],
        &["frame.protocols", "s1ap.procedureCode", "s1ap.ENBname", "sctp.data_tsn_raw", "frame.time_epoch"],
    ]
    .concat();
    let Some(lines) = tshark(&capture, &fields, "Wireshark takes our SCTP and S1AP") else { return };
    let line = |tsn| format!("\t1\t\t1\tip:sctp:s1ap\t17\tsrsenb01\t{tsn}\t1767225601.500000001");
    assert_eq!(lines, [line(1), line(2)]);
}

/// What base station and MME do not do, asked of them with identifiers 42 and 7 and little else (TS 36.413 clause 8).
#[test]
fn failures_of_procedures_dissect_with_their_causes() {
    let both = |code: &str| format!("00{code}000f 000002 00000002002a 000800020007");
    let asked = [
        both("00"),
        "00010009 000001 00000002002a".to_owned(),
        "0003000f 000002 000800020007 00580002002a".to_owned(),
        both("15"),
        both("38"),
        "001d0003000000".to_owned(),
        "001e0003000000".to_owned(),
    ];
    let failures: Vec<_> = asked
        .iter()
        .map(|asked| {
            let octets = bytes(asked);
            let pdu = Pdu::decode(&octets).unwrap();
            let failure = pdu.failure(&Cause::HANDOVER_NOT_ALLOWED).unwrap().unwrap();
            message(Actor::MME, Actor::enb(1), Proto::S1ap, failure.encode().unwrap())
        })
        .collect();
    let fields = ["_ws.malformed", "s1ap.procedureCode", "s1ap.radioNetwork", "s1ap.MME_UE_S1AP_ID"];
    let what = "Wireshark reads the failure message of each procedure, with its cause";
    let Some(lines) = tshark(&capture(&failures), &fields, what) else { return };
    // ho-target-not-allowed is 7 (clause 9.2.1.3).
    let expected =
        ["\t0\t7\t42", "\t1\t7\t42", "\t3\t7\t42", "\t21\t7\t42", "\t56\t7\t42", "\t29\t7\t", "\t30\t7\t"];
    assert_eq!(lines, expected);
}

#[test]
fn a_fragmented_message_is_put_together_again() {
    // Paging's worth of nonsense is fine: what counts is that SCTP hands on one message.
    let capture = capture(&[message(Actor::MME, Actor::enb(1), Proto::S1ap, vec![0; 4000])]);
    let fields = ["sctp.checksum.status", "sctp.fragment"];
    let Some(lines) = tshark(&capture, &fields, "Wireshark puts SCTP fragments together") else { return };
    assert_eq!(lines, ["1\t", "1\t", "1\t1,2,3"]);
}

#[test]
fn gtp_u_dissects_down_to_the_packet_inside() {
    let inner =
        packet::udp((Ipv4Addr::new(10, 45, 0, 2), 5000), (Ipv4Addr::new(10, 99, 0, 20), 5001), b"hello")
            .expect("five bytes fit");
    let mut tunnelled = vec![0x30, 0xff, 0, inner.len() as u8, 0, 0, 0, 1];
    tunnelled.extend_from_slice(&inner);
    let capture = capture(&[message(Actor::enb(1), Actor::GATEWAY, Proto::GtpU, tunnelled)]);
    let fields = ["_ws.malformed", "ip.checksum.status", "udp.checksum.status", "frame.protocols", "ip.src"];
    let Some(lines) = tshark(&capture, &fields, "Wireshark reads the packet in GTP-U") else { return };
    assert_eq!(lines, ["\t1,1\t1,1\tip:udp:gtp:ip:udp:data\t10.53.2.1,10.45.0.2"]);
}

#[test]
fn card_exchanges_dissect_as_one_packet_each() {
    let exchanges = [
        ("00a4000c023f00", "9000"),
        ("00a40804047fff6f07", "621e8202412183026f078a01058b036f06018002000988010081020009c6039000019000"),
        ("00b0000009", "0809101000000000109000"),
        (
            "0088008122 10 000102030405060708090a0b0c0d0e0f 10 000102030405060708090a0b0c0d0e0f 00",
            "db08000102030405060710000102030405060708090a0b0c0d0e0f10000102030405060708090a0b0c0d0e0f9000",
        ),
        ("0070000001", "019000"),
        ("01a4040007a0000000871002", "6a82"),
        ("81ca0000 00", "6d00"),
    ];
    let mut events = Vec::new();
    for (command, response) in exchanges {
        events.push(message(Actor::ue(1), Actor::card(1), Proto::Apdu, bytes(command)));
        events.push(message(Actor::card(1), Actor::ue(1), Proto::Apdu, bytes(response)));
    }
    let fields = [
        "_ws.malformed",
        "ip.checksum.status",
        "udp.checksum.status",
        "frame.protocols",
        "gsm_sim.apdu.sw",
        "ip.src",
        "ip.dst",
    ];
    let unproved = "Wireshark reads a card's exchanges, one packet each";
    let Some(lines) = tshark(&capture(&events), &fields, unproved) else { return };
    assert_eq!(lines.len(), exchanges.len());
    for (line, (_, response)) in lines.iter().zip(exchanges) {
        let sw = &response[response.len() - 4..];
        assert_eq!(*line, format!("\t1\t1\tip:udp:gsmtap:gsm_sim\t0x{sw}\t10.54.0.1\t10.56.0.1"));
    }
}

#[test]
fn addresses_carry_the_names_of_actors() {
    let (events, summary) = sample::run(2);
    let mut out = Vec::new();
    let mut view = Pcapng::new(&mut out, &summary.facts).expect("memory takes it");
    events.iter().for_each(|event| view.event(event).expect("memory takes it"));
    for record in [&b"\x0a\x35\x01\x01mme\0"[..], b"\x0a\x38\x00\x02card2\0"] {
        assert_eq!(out.windows(record.len()).filter(|window| *window == record).count(), 1);
    }
}

#[test]
fn any_bytes_make_whole_blocks() {
    let hostile = [Proto::S1ap, Proto::GtpU, Proto::Apdu]
        .map(|proto| message(Actor::card(u32::MAX), Actor::enb(u32::MAX), proto, vec![]));
    let out = capture(&hostile);
    let mut rest = out.as_slice();
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(rest[length - 4..length], head[4..8]);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
}

/// What a capture has of each packet: the IPv4 packet without its comment.
fn packets(capture: &[u8]) -> Vec<&[u8]> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    let (mut packets, mut at) = (Vec::new(), 0);
    while at < capture.len() {
        if word(at) == ENHANCED_PACKET {
            let length = word(at + 20) as usize;
            packets.push(&capture[at + 28..at + 28 + length]);
        }
        at += word(at + 4) as usize;
    }
    packets
}

/// More than 16 bits can tell apart.
#[test]
fn a_hundred_thousand_cards_and_messages_are_numbered_each() {
    const ALL: u32 = 100_000;
    let exchange = |number| {
        let (ue, card) = (Actor::ue(number), Actor::card(number));
        [message(ue, card, Proto::Apdu, vec![0; 5]), message(card, ue, Proto::Apdu, vec![0x90, 0x00])]
    };
    let capture_of_cards = capture(&(1..=ALL).flat_map(exchange).collect::<Vec<_>>());
    let ends: BTreeSet<[u8; 8]> =
        packets(&capture_of_cards).iter().map(|packet| packet[12..20].try_into().unwrap()).collect();
    assert_eq!(ends.len(), ALL as usize);

    let s1ap: Vec<_> =
        (0..ALL).map(|_| message(Actor::enb(1), Actor::MME, Proto::S1ap, vec![0; 4])).collect();
    let capture_of_s1 = capture(&s1ap);
    for (number, packet) in (1..).zip(packets(&capture_of_s1)) {
        // IPv4 and SCTP have 32 octets before the DATA chunk: its TSN, then stream and stream sequence number.
        let tsn = u32::from_be_bytes(packet[36..40].try_into().unwrap());
        let ssn = u16::from_be_bytes(packet[42..44].try_into().unwrap());
        assert_eq!((tsn, u32::from(ssn)), (number, (number - 1) % (1 << 16)));
    }
}
