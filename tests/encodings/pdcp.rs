//! PDCP of TS 36.323 with the eyes of Wireshark, which is given the keys: it deciphers what this program has ciphered, counts as
//! it counts, and agrees with every integrity code.

use std::fs;
use std::process::Command;

use cellbed::wire::nas::Kenb;
use cellbed::wire::pdcp::{Data, End, RadioKeys, SequenceSize, Signalling};
use oxirush_security::nas_eps::{KEnb, derive_krrc_enc, derive_krrc_int, derive_kup_enc};
use oxirush_security::{CipheringAlgorithm, IntegrityAlgorithm};

use crate::support::need_command;

/// DLInformationTransfer with a NAS message of one octet.
const MESSAGE: [u8; 4] = [0x0c, 0x00, 0x08, 0x20];
/// An IP packet from 10.0.0.1 with a UDP datagram for port 5678.
const PACKET: &str = "4500001c000100004011f96d0a0000010a00000204d2162e00080000";

/// A frame in which Wireshark looks for PDCP: behind Ethernet, IP and UDP.
fn frame(pdu: &[u8], signalling: bool, uplink: bool) -> Vec<u8> {
    let (plane, size) = if signalling { (1, 5) } else { (2, 12) };
    // No header less PDU, plane, no ROHC; length of the sequence number, direction, DCCH or DTCH, channel 1; the PDU.
    let mut framed = b"pdcp-lte".to_vec();
    framed.extend([0, plane, 0, 2, size, 3, u8::from(!uplink), 4, 1, 0x0d, 0, 1, 1]);
    framed.extend(pdu);
    let mut udp = [10_000_u16, 10_001, 8 + framed.len() as u16, 0].map(u16::to_be_bytes).concat();
    udp.extend(framed);
    let mut ip = vec![0x45, 0, 0, 20 + udp.len() as u8, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    [&[0; 12][..], &[8, 0], &ip, &udp].concat()
}

#[test]
fn wireshark_deciphers_and_verifies_every_pdu() {
    if !need_command("tshark", "Wireshark deciphers and verifies what PDCP has protected") {
        return;
    }
    let secret = [7; 32];
    let keys = RadioKeys::derive(&Kenb::from_slice(&secret).unwrap(), 2, 2).unwrap();
    let mut frames = Vec::new();
    for (end, uplink) in [(End::Ue, true), (End::BaseStation, false)] {
        let mut srb = Signalling::secured(1, end, keys.clone());
        let mut drb = Data::new(1, end, SequenceSize::Twelve, keys.clone());
        // Beyond the end of the sequence of five bits.
        for _ in 0..40 {
            let message = if uplink { &[0x48, 0x00, 0x21, 0x00][..] } else { &MESSAGE };
            frames.push(frame(&srb.send(message).unwrap(), true, uplink));
        }
        frames.push(frame(&drb.send(&hex::decode(PACKET).unwrap()).unwrap(), false, uplink));
    }
    let mut file: Vec<u8> =
        [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0001_0000, 1].map(u32::to_le_bytes).concat();
    for frame in &frames {
        let length = frame.len() as u32;
        file.extend([0, 0, length, length].map(u32::to_le_bytes).concat());
        file.extend(frame);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pdcp.pcap");
    fs::write(&path, file).unwrap();

    let kenb = KEnb::from_slice(&secret).unwrap();
    let (integrity, ciphering) = (IntegrityAlgorithm::Aes, CipheringAlgorithm::Aes);
    let row = [
        hex::encode(derive_krrc_enc(&kenb, ciphering).as_octets()),
        hex::encode(derive_kup_enc(&kenb, ciphering).as_octets()),
        hex::encode(derive_krrc_int(&kenb, integrity).as_octets()),
    ];
    let table = format!("uat:pdcp_lte_ue_keys:\"0\",\"{}\"", row.join("\",\""));
    let options = [
        table.as_str(),
        "pdcp-lte.verify_integrity:TRUE",
        "pdcp-lte.decipher_signalling:TRUE",
        "pdcp-lte.decipher_userplane:TRUE",
        "pdcp-lte.check_sequence_numbers:Only-PDCP-frames",
        "pdcp-lte.default_ciphering_algorithm:EEA2 (AES)",
        "pdcp-lte.default_integrity_algorithm:EIA2 (AES)",
    ];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["--enable-heuristic", "pdcp_lte_udp"]);
    for option in options {
        tshark.args(["-o", option]);
    }
    for field in ["pdcp-lte.security-config.count", "pdcp-lte.maci-wrong", "_ws.col.Protocol", "ip.src"] {
        tshark.args(["-e", field]);
    }
    let output = tshark.args(["-T", "fields"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 82, "{text}{}", String::from_utf8_lossy(&output.stderr));
    for (place, line) in lines.iter().enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        let (channel, count) = (if place < 41 { "UL_DCCH" } else { "DL_DCCH" }, place % 41);
        if count == 40 {
            assert_eq!(columns, ["0", "", "UDP", "127.0.0.1,10.0.0.1"], "{place}");
        } else {
            assert_eq!(columns[..2], [count.to_string().as_str(), ""], "{place}");
            assert!(columns[2].starts_with(&format!("LTE RRC {channel}")), "{place}: {line}");
        }
    }
}
