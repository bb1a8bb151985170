//! RRC of TS 36.331: messages that pycrate has made, each field of them once there and once not, later releases included.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use cellbed::wire::rrc::{Channel, label_of};

use crate::python::Python;
use crate::support::need_command;
use crate::vectors::{self, Vector};

const FILE: &str = "rrc.txt";

/// Every message, as the way to it through the types of its channel.
const MESSAGES: &[&str] = &[
    "BCCH-BCH",
    "BCCH-DL-SCH c1 systemInformationBlockType1",
    "BCCH-DL-SCH c1 systemInformation criticalExtensions systemInformation-r8",
    "PCCH c1 paging",
    "UL-CCCH c1 rrcConnectionRequest criticalExtensions rrcConnectionRequest-r8",
    "UL-CCCH c1 rrcConnectionReestablishmentRequest criticalExtensions rrcConnectionReestablishmentRequest-r8",
    "UL-CCCH messageClassExtension c2 rrcConnectionResumeRequest-r13 criticalExtensions rrcConnectionResumeRequest-r13",
    "DL-CCCH c1 rrcConnectionSetup criticalExtensions c1 rrcConnectionSetup-r8",
    "DL-CCCH c1 rrcConnectionReject criticalExtensions c1 rrcConnectionReject-r8",
    "DL-CCCH c1 rrcConnectionReestablishment criticalExtensions c1 rrcConnectionReestablishment-r8",
    "DL-CCCH c1 rrcConnectionReestablishmentReject criticalExtensions rrcConnectionReestablishmentReject-r8",
    "UL-DCCH c1 rrcConnectionSetupComplete criticalExtensions c1 rrcConnectionSetupComplete-r8",
    "UL-DCCH c1 securityModeComplete criticalExtensions securityModeComplete-r8",
    "UL-DCCH c1 securityModeFailure criticalExtensions securityModeFailure-r8",
    "UL-DCCH c1 ueCapabilityInformation criticalExtensions c1 ueCapabilityInformation-r8",
    "UL-DCCH c1 ulInformationTransfer criticalExtensions c1 ulInformationTransfer-r8",
    "UL-DCCH c1 rrcConnectionReconfigurationComplete criticalExtensions rrcConnectionReconfigurationComplete-r8",
    "UL-DCCH c1 rrcConnectionReestablishmentComplete criticalExtensions rrcConnectionReestablishmentComplete-r8",
    "UL-DCCH c1 measurementReport criticalExtensions c1 measurementReport-r8",
    "UL-DCCH messageClassExtension c2 rrcConnectionResumeComplete-r13 criticalExtensions rrcConnectionResumeComplete-r13",
    "DL-DCCH c1 securityModeCommand criticalExtensions c1 securityModeCommand-r8",
    "DL-DCCH c1 dlInformationTransfer criticalExtensions c1 dlInformationTransfer-r8",
    "DL-DCCH c1 rrcConnectionReconfiguration criticalExtensions c1 rrcConnectionReconfiguration-r8",
    "DL-DCCH c1 rrcConnectionRelease criticalExtensions c1 rrcConnectionRelease-r8",
    "DL-DCCH c1 ueCapabilityEnquiry criticalExtensions c1 ueCapabilityEnquiry-r8",
    "DL-DCCH c1 rrcConnectionResume-r13 criticalExtensions c1 rrcConnectionResume-r13",
    "BCCH-BCH-NB",
    "BCCH-DL-SCH-NB c1 systemInformationBlockType1-r13",
    "BCCH-DL-SCH-NB c1 systemInformation-r13 criticalExtensions systemInformation-r13",
    "PCCH-NB c1 paging-r13",
    "UL-CCCH-NB c1 rrcConnectionRequest-r13 criticalExtensions rrcConnectionRequest-r13",
    "UL-CCCH-NB c1 rrcConnectionReestablishmentRequest-r13 criticalExtensions rrcConnectionReestablishmentRequest-r13",
    "UL-CCCH-NB c1 rrcConnectionResumeRequest-r13 criticalExtensions rrcConnectionResumeRequest-r13",
    "DL-CCCH-NB c1 rrcConnectionSetup-r13 criticalExtensions c1 rrcConnectionSetup-r13",
    "DL-CCCH-NB c1 rrcConnectionReject-r13 criticalExtensions c1 rrcConnectionReject-r13",
    "DL-CCCH-NB c1 rrcConnectionReestablishment-r13 criticalExtensions c1 rrcConnectionReestablishment-r13",
    "DL-CCCH-NB c1 rrcConnectionReestablishmentReject-r13 criticalExtensions rrcConnectionReestablishmentReject-r8",
    "UL-DCCH-NB c1 rrcConnectionSetupComplete-r13 criticalExtensions rrcConnectionSetupComplete-r13",
    "UL-DCCH-NB c1 securityModeComplete-r13 criticalExtensions securityModeComplete-r8",
    "UL-DCCH-NB c1 securityModeFailure-r13 criticalExtensions securityModeFailure-r8",
    "UL-DCCH-NB c1 ueCapabilityInformation-r13 criticalExtensions ueCapabilityInformation-r13",
    "UL-DCCH-NB c1 ulInformationTransfer-r13 criticalExtensions ulInformationTransfer-r13",
    "UL-DCCH-NB c1 rrcConnectionReconfigurationComplete-r13 criticalExtensions rrcConnectionReconfigurationComplete-r13",
    "UL-DCCH-NB c1 rrcConnectionReestablishmentComplete-r13 criticalExtensions rrcConnectionReestablishmentComplete-r13",
    "UL-DCCH-NB c1 rrcConnectionResumeComplete-r13 criticalExtensions rrcConnectionResumeComplete-r13",
    "DL-DCCH-NB c1 dlInformationTransfer-r13 criticalExtensions c1 dlInformationTransfer-r13",
    "DL-DCCH-NB c1 securityModeCommand-r13 criticalExtensions c1 securityModeCommand-r8",
    "DL-DCCH-NB c1 rrcConnectionReconfiguration-r13 criticalExtensions c1 rrcConnectionReconfiguration-r13",
    "DL-DCCH-NB c1 rrcConnectionRelease-r13 criticalExtensions c1 rrcConnectionRelease-r13",
    "DL-DCCH-NB c1 ueCapabilityEnquiry-r13 criticalExtensions c1 ueCapabilityEnquiry-r13",
    "DL-DCCH-NB c1 rrcConnectionResume-r13 criticalExtensions c1 rrcConnectionResume-r13",
];

/// All that is refused, once each: where, and what.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "BcchDlSch: SystemInformation: blocks: Sib10: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib11: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib4: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib5: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib6: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib7: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib8: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: Sib9: this alternative is not spoken here",
    "BcchDlSch: SystemInformation: blocks: a later alternative of SystemInformationBlock is not spoken here",
    "BcchDlSchNb: SystemInformation: blocks: Sib14: this alternative is not spoken here",
    "BcchDlSchNb: SystemInformation: blocks: Sib16: this alternative is not spoken here",
    "BcchDlSchNb: SystemInformation: blocks: Sib4: this alternative is not spoken here",
    "BcchDlSchNb: SystemInformation: blocks: Sib5: this alternative is not spoken here",
    "BcchDlSchNb: SystemInformation: blocks: a later alternative of SystemInformationBlockNb is not spoken here",
    "DlCcch: RrcConnectionSetup: radio: drbs: pdcp: header_compression: Rohc: this alternative is not spoken here",
    "DlCcch: RrcConnectionSetup: radio: sps_config: this field is not spoken here",
    "DlCcchNb: RrcConnectionSetup: radio: drbs: pdcp: header_compression: Rohc: this alternative is not spoken here",
    "DlCcchNb: RrcConnectionSetup: radio: drbs: rlc: a later alternative of RlcConfigNb is not spoken here",
    "DlCcchNb: RrcConnectionSetup: radio: srbs: rlc: Explicit: a later alternative of RlcConfigNb is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: gap: Setup: a later alternative of GapOffset is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: objects: object: Cdma2000: this alternative is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: objects: object: Geran: this alternative is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: objects: object: Utra: this alternative is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: objects: object: a later alternative of MeasObject is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: pre_registration_info_hrpd: this field is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: quantity: cdma2000: this field is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: quantity: geran: this field is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: quantity: utra: this field is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: reports: config: Eutra: trigger: Event: id: a later alternative of EventId is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: reports: config: InterRat: this alternative is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: meas_config: speed_state: this field is not spoken here",
    "DlDcch: RrcConnectionReconfiguration: security_ho: handover: InterRat: this alternative is not spoken here",
    "DlDcch: RrcConnectionRelease: idle_mode_mobility: geran: this field is not spoken here",
    "DlDcch: RrcConnectionRelease: idle_mode_mobility: hrpd: this field is not spoken here",
    "DlDcch: RrcConnectionRelease: idle_mode_mobility: one_xrtt: this field is not spoken here",
    "DlDcch: RrcConnectionRelease: idle_mode_mobility: utra_fdd: this field is not spoken here",
    "DlDcch: RrcConnectionRelease: idle_mode_mobility: utra_tdd: this field is not spoken here",
    "DlDcch: RrcConnectionRelease: redirected_carrier_info: Geran: this alternative is not spoken here",
    "DlDcch: RrcConnectionRelease: redirected_carrier_info: Hrpd: this alternative is not spoken here",
    "DlDcch: RrcConnectionRelease: redirected_carrier_info: OneXrtt: this alternative is not spoken here",
    "DlDcch: RrcConnectionRelease: redirected_carrier_info: a later alternative of RedirectedCarrierInfo is not spoken here",
    "DlDcch: RrcConnectionRelease: v890: v920: cell_info_list: this field is not spoken here",
    "DlDcch: RrcConnectionResume: antenna_info_pcell: this field is not spoken here",
    "Pcch: Paging: records: ue_identity: a later alternative of PagingUeIdentity is not spoken here",
    "PcchNb: Paging: records: ue_identity: a later alternative of PagingUeIdentity is not spoken here",
    "UlDcch: MeasurementReport: results: neighbours: Cdma2000: this alternative is not spoken here",
    "UlDcch: MeasurementReport: results: neighbours: Geran: this alternative is not spoken here",
    "UlDcch: MeasurementReport: results: neighbours: Utra: this alternative is not spoken here",
    "UlDcch: MeasurementReport: results: neighbours: a later alternative of MeasResultNeighCells is not spoken here",
];

/// What Wireshark finds fault with: octets that stand for what is inside, and values that do not go together.
const AT_FAULT: &[&str] = &[
    "ueCapabilityInformation ",
    ".0 octets",
    "[0 octets",
    "preamblesGroupAConfig.sizeOf",
    "onDurationTimer.psf200",
    "shortDRX-Cycle.sf640",
    "coarseLocationInfo-r17",
    "Dedicated-r1",
    "requestedFreqBandsNR-MRDC-r15",
];

fn channel(name: &str) -> Channel {
    let named = |channel: &Channel| channel.name() == name;
    Channel::ALL.iter().copied().find(named).unwrap_or_else(|| panic!("no channel {name}"))
}

#[test]
fn every_value_is_read_and_written_alike() {
    let (mut agreed, mut passed_over, mut refused) = (0, 0, BTreeSet::new());
    for Vector { kind, what, der: octets } in vectors::read(FILE) {
        let addition = what.contains("addition ");
        match channel(&kind).again(&octets) {
            Ok(written) if written == octets => agreed += 1,
            // What stands behind an extension marker is passed over, and all before it stays.
            Ok(written) if addition => {
                assert!(written.len() < octets.len(), "{kind}, {what}");
                assert_eq!(channel(&kind).again(&written), Ok(written), "{kind}, {what}");
                passed_over += 1;
            }
            Ok(written) => {
                panic!("{kind}, {what}: {} is written {}", hex::encode(octets), hex::encode(written))
            }
            Err(error) => drop(refused.insert(error.to_string())),
        }
    }
    assert_eq!(refused, REFUSED.iter().map(|&line| line.to_owned()).collect());
    assert!(agreed >= 2400 && passed_over >= 70, "{agreed} agreed, {passed_over} passed over");
}

/// The text of the value that `what` differs from in one place: what it names without its last words, or the least.
fn base<'a>(known: &'a BTreeMap<String, String>, kind: &str, what: &str) -> Option<&'a String> {
    let mut end = what.len();
    while let Some(cut) = what[..end].rfind(['.', ' ', '[']) {
        end = cut;
        let name = what[..end].trim_end_matches(['.', '[']);
        if let Some(found) = known.get(&format!("{kind} {name}")) {
            return Some(found);
        }
    }
    known.get(&format!("{kind} {} least", what.split(' ').next()?))
}

/// Lines of two texts that differ, without those that name an alternative of a CHOICE, and single bits of what is kept.
fn differences(one: &str, other: &str) -> usize {
    let counted = |line: &str| !line.ends_with(['(', '{']) && !matches!(line.trim(), "true," | "false,");
    one.lines().zip(other.lines()).filter(|(one, other)| one != other && counted(one)).count()
}

/// Reading and writing agree with each other even where both take a bit for the next field's. So a value that differs from
/// another in one field has to be read as one that differs in one field.
#[test]
fn a_field_that_is_varied_is_read_as_that_field() {
    let mut known = BTreeMap::new();
    let (mut compared, mut passed_over, mut faults) = (0, 0, Vec::new());
    for Vector { kind, what, der: octets } in vectors::read(FILE) {
        let Ok(text) = channel(&kind).text(&octets) else { continue };
        if let Some(base) =
            base(&known, &kind, &what).filter(|base| base.lines().count() == text.lines().count())
        {
            let differ = differences(base, &text);
            if what.contains("addition ") && *base == text {
                passed_over += 1;
            } else if differ > 1 {
                faults.push(format!("{kind} {what}: {differ} fields differ"));
            } else {
                compared += differ;
            }
        }
        known.insert(format!("{kind} {what}"), text);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(compared > 900 && passed_over > 60, "{compared} compared, {passed_over} passed over");
}

/// What transcripts call the values: each label once, with the value of which it was made by pycrate's names.
#[test]
fn a_message_is_called_by_its_name_and_what_it_says() {
    let (mut seen, mut lines) = (BTreeSet::new(), String::new());
    for Vector { kind, what, der: octets } in vectors::read(FILE) {
        let label = label_of(channel(&kind), &octets);
        let text = label.fields.iter().fold(label.name.to_string(), |text, (name, value)| {
            if text.len() < 100 { format!("{text} {name}={value}") } else { text }
        });
        if !text.starts_with("Malformed") && seen.insert(text.clone()) {
            lines.push_str(&format!("{text}\n    {kind} {what}\n"));
        }
    }
    insta::assert_snapshot!("rrc_labels", lines);
}

#[test]
fn the_file_is_what_the_tool_makes() {
    let Some(python) = Python::find("another tool makes the RRC messages of tests/vectors today") else {
        return;
    };
    let made = python.run("rrc.py", &["values"], MESSAGES.join("\n"));
    vectors::is_kept(FILE, &made);
}

/// The octets of a file of captures with one exported PDU for each message (link type 252).
fn capture(messages: &[Vector]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0001_0000, 252] {
        file.extend(word.to_le_bytes());
    }
    for message in messages {
        let dissector = channel(&message.kind).dissector().as_bytes();
        let mut packet = vec![0, 12, 0, dissector.len() as u8];
        packet.extend(dissector);
        packet.extend([0; 4]);
        packet.extend(&message.der);
        let length = packet.len() as u32;
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

#[test]
fn wireshark_takes_every_value_apart() {
    let reason = "Wireshark reads each RRC message of tests/vectors";
    if !need_command("tshark", reason) {
        return;
    }
    let messages = vectors::read(FILE);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rrc.pcap");
    fs::write(&path, capture(&messages)).unwrap();
    let fields = "-T fields -e frame.number -e _ws.malformed -e _ws.col.Protocol";
    let output = Command::new("tshark").arg("-r").arg(&path).args(fields.split(' ')).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut faults, mut met) = (Vec::new(), BTreeSet::new());
    for (line, message) in text.lines().zip(&messages) {
        let Vector { kind, what, .. } = message;
        let row = AT_FAULT.iter().find(|row| what.contains(*row));
        let malformed = line.contains("alformed");
        match row {
            Some(row) if malformed => drop(met.insert(*row)),
            _ if malformed || !line.contains("LTE RRC") => faults.push(format!("{line}: {kind} {what}")),
            _ => {}
        }
    }
    assert_eq!(text.lines().count(), messages.len());
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), messages.len(), faults.join("\n"));
    assert_eq!(met, AT_FAULT.iter().copied().collect());
}
