//! A second opinion on packets over the air: Osmocom's pySim, unmodified and in a process of its own, makes packets that
//! the card answers and reads the answers, and reads packets that are made here.
//!
//! PYSIM_DIR names its folder; PYSIM_PYTHON a Python with construct, pyosmocom, pycryptodomex and bidict.
#![allow(clippy::disallowed_methods, reason = "a test starts programs")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};

use cellbed::card::{CardPort, CardSlot, OtaKeys, Personalisation, SimProfile, Uicc};
use cellbed::kernel::RngTree;
use cellbed::wire::ota::{
    Address, Command, Counter, Deliver, Key, KeySet, Kind, Part, Response, SmsPpDownload, Spi, Status, Submit,
};
use cellbed::wire::tlv;
use serde_json::{Value, json};

/// A line of JSON says what is asked, a line of JSON answers. What pySim takes for its SMPP tools alone is not there.
const PROGRAM: &str = r"
import json, sys
from unittest.mock import MagicMock
for name in ('smpp', 'smpp.pdu', 'smpp.pdu.pdu_types', 'smpp.pdu.operations'):
    sys.modules[name] = MagicMock()
from pySim.ota import OtaDialectSms, OtaKeyset, SPI
print('ready', flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    number = lambda name: bytes.fromhex(ask[name])
    crypt, auth = ('aes_cbc', 'aes_cmac') if ask['aes'] else ('triple_des_cbc2', 'triple_des_cbc2')
    keys = OtaKeyset(algo_crypt=crypt, kic_idx=ask['version'], kic=number('kic'), algo_auth=auth,
                     kid_idx=ask['version'], kid=number('kid'), cntr=ask['counter'])
    spi = SPI.parse(number('spi'))
    try:
        if ask['do'] == 'encode':
            packet = OtaDialectSms().encode_cmd(keys, number('tar'), spi, number('script'))
            # What is not ciphered comes without the packet length.
            if not spi['ciphering']:
                packet = len(packet).to_bytes(2, 'big') + packet
            answer = {'packet': packet.hex()}
        elif ask['do'] == 'decode':
            tar, _, script = OtaDialectSms().decode_cmd(keys, number('packet'))
            answer = {'tar': bytes(tar).hex(), 'script': bytes(script).hex()}
        else:
            read, _ = OtaDialectSms().decode_resp(keys, spi, number('packet'))
            answer = {'status': str(read.response_status), 'counter': int.from_bytes(read.cntr, 'big'),
                      'tar': bytes(read.tar).hex(), 'data': bytes(read.secured_data).hex()}
    except Exception as error:
        answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
";

struct PySim {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl PySim {
    fn start(unproved: &str) -> Option<Self> {
        support::need("pysim", unproved, Self::run())
    }

    fn run() -> Result<Self, String> {
        let (folder, python) = support::pysim()?;
        let mut process = Process::new(&python);
        let process = process.args(["-c", PROGRAM]).env("PYTHONPATH", &folder).current_dir(&folder);
        let process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = process.spawn().map_err(|cause| format!("{python} does not start ({cause})"))?;
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut pysim = Self { child, stdin, stdout: BufReader::new(stdout) };
        match pysim.line().trim() {
            "ready" => Ok(pysim),
            _ => Err(format!("{python} lacks what pySim.ota requires")),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, keys: &KeySet, spi: Spi, counter: u64, mut more: Value) -> Value {
        more["aes"] = keys.kic().is_aes().into();
        more["version"] = keys.version().into();
        more["kic"] = hex::encode(keys.kic().octets()).into();
        more["kid"] = hex::encode(keys.kid().octets()).into();
        more["spi"] = hex::encode(spi.0).into();
        more["counter"] = counter.into();
        writeln!(self.stdin, "{more}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for PySim {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn personalisation(set: KeySet) -> Personalisation {
    let profile = SimProfile::parse(include_str!("../sim-profiles/lte-test.toml")).unwrap();
    let ota = OtaKeys { set, dek: None, counter: Counter::default(), minimum_security_level: 0x02 };
    Personalisation { ota: Some(ota), ..profile.personalise(0).unwrap() }
}

fn key_sets() -> [KeySet; 4] {
    let octets = |first: u8, length: u8| (first..first + length).collect::<Vec<u8>>();
    let aes = |length| {
        let key = |first| Key::aes(&octets(first, length)).unwrap();
        KeySet::new(2, key(0x10), key(0x40), 8).unwrap()
    };
    let des = |first| Key::triple_des(&octets(first, 16)).unwrap();
    [aes(16), aes(24), aes(32), KeySet::new(3, des(0x30), des(0x70), 8).unwrap()]
}

/// Hands a packet to the card; the user data of its answer, in the report or in a message of its own.
fn carried(card: &mut CardSlot, packet: &[u8]) -> Vec<u8> {
    let user_data = Part::whole(Kind::Command, packet.to_vec()).encode();
    let originator = Address::new(0x81, "12345678").unwrap();
    let tpdu = Deliver::to_card(originator, [0; 7], user_data).encode().unwrap();
    let answer = card.exchange(&SmsPpDownload { service_centre: None, tpdu }.command().unwrap()).unwrap();
    let (data, status) = answer.split_last_chunk::<2>().unwrap();
    let [0x91, length] = *status else { return data.to_vec() };
    let command = card.exchange(&[0x80, 0x12, 0, 0, length]).unwrap();
    let message = tlv::find(tlv::find(&command, 0xd0).unwrap(), 0x8b).unwrap();
    let message = Submit::parse(message).unwrap().user_data;
    card.exchange(&[0x80, 0x14, 0, 0, 12, 0x81, 3, 1, 0x13, 0, 0x82, 2, 0x82, 0x81, 0x83, 1, 0]).unwrap();
    message
}

#[test]
fn the_card_answers_packets_of_pysim_and_pysim_reads_its_answers() {
    let Some(mut pysim) = PySim::start("packets of pySim and answers to it") else { return };
    let (uicc, usim, issuer, applet) = ("b00120", "b00140", "000000", "495341");
    let scripts = [
        (uicc, "00a4000c022fe200b000000a", "029000988812010000000010f1"),
        (usim, "00a4000c026f0700b0000009", "029000080910100000000010"),
        (uicc, "00a4000c026fff", "016a82"),
        (uicc, "a0a40000027f20a0c0000016", "029000"),
        (issuer, "80f28002024f0000", "019000e313"),
        (applet, "aa0b220980b900000384010100", "ab548001012350"),
    ];
    let mut read = 0;
    for keys in key_sets() {
        let uicc =
            Uicc::new(&personalisation(keys.clone()), RngTree::new(7).branch("card1"), &[0x30; 9]).unwrap();
        let mut card = CardSlot::new(Box::new(uicc) as Box<dyn CardPort>);
        card.reset().unwrap();
        card.exchange(&[0x80, 0x10, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]).unwrap();
        let mut counter = 0;
        // Counter higher or next, ciphered or not; answers ciphered or not, with a checksum or none, in a message.
        for spi in [0x1619u16, 0x1e19, 0x1219, 0x1609, 0x1601, 0x1639] {
            let spi = Spi(spi.to_be_bytes());
            for (tar, script, data) in scripts {
                if tar == applet && !spi.is_ciphered() {
                    continue;
                }
                counter += 1;
                let ask = json!({ "do": "encode", "tar": tar, "script": script });
                let made = pysim.ask(&keys, spi, counter, ask);
                let packet =
                    hex::decode(made["packet"].as_str().unwrap_or_else(|| panic!("{made}"))).unwrap();
                let answer = carried(&mut card, &packet);
                let ask = json!({ "do": "response", "packet": hex::encode(&answer) });
                let told = pysim.ask(&keys, spi, counter, ask);
                assert_eq!(
                    told["status"],
                    "por_ok",
                    "{keys:?} {spi:?} {script}: {told} {}",
                    hex::encode(&answer)
                );
                assert_eq!((told["counter"].as_u64(), told["tar"].as_str()), (Some(counter), Some(tar)));
                let own = told["data"].as_str().unwrap();
                let data = if tar == applet { &data[..12] } else { data };
                assert!(own.starts_with(data), "{script}: {own}");
                read += 1;
                // The same once more is stale, and pySim reads that too.
                let again = carried(&mut card, &packet);
                let ask = json!({ "do": "response", "packet": hex::encode(again) });
                assert_eq!(pysim.ask(&keys, spi, counter, ask)["status"], "cntr_low");
            }
        }
    }
    assert!(read > 100, "{read}");
}

#[test]
fn pysim_reads_packets_that_are_made_here_and_refuses_changed_ones() {
    let Some(mut pysim) = PySim::start("packets for pySim") else { return };
    for keys in key_sets() {
        for (length, spi) in
            [(0usize, Spi::PROTECTED), (1, Spi::PROTECTED), (16, Spi([0x06, 0x00])), (90, Spi([0x0e, 0x39]))]
        {
            let data: Vec<u8> = (0..length as u8).collect();
            let header = keys.header(spi, [0xb0, 0x01, 0x20]);
            let counter = Counter::new(0x01_0203_0405).unwrap();
            let packet = Command { header, counter, data: data.clone() }.seal(Some(&keys)).unwrap();
            let ask = |packet: &[u8]| json!({ "do": "decode", "packet": hex::encode(packet) });
            let read = pysim.ask(&keys, spi, 0, ask(&packet));
            assert_eq!(read["script"].as_str(), Some(&*hex::encode(&data)), "{keys:?} {length}: {read}");
            assert_eq!(read["tar"], "b00120");
            let mut bent = packet.clone();
            let last = bent.len() - 1;
            bent[last] ^= 1;
            assert!(pysim.ask(&keys, spi, 0, ask(&bent))["error"].as_str().is_some(), "a changed packet");
            // An answer of ours that no card has given.
            let response = Response { tar: header.tar, counter, status: Status::COUNTER_HIGH, data };
            let spi = Spi([spi.0[0], 0x19]);
            let response = response.seal(&keys.header(spi, header.tar), Some(&keys)).unwrap();
            let report = Part::whole(Kind::Response, response).encode();
            let told = pysim.ask(&keys, spi, 0, json!({ "do": "response", "packet": hex::encode(report) }));
            assert_eq!(
                (told["status"].as_str(), told["counter"].as_u64()),
                (Some("cntr_high"), Some(0x01_0203_0405))
            );
        }
    }
}
