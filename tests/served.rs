//! What is served has keys of its own: nobody computes them from the source, and none comes twice. The attacker here
//! has the source, the SIM profile and the default seed of the lab, and makes the card again.
#![allow(clippy::disallowed_methods, reason = "a test starts the program")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cellbed::card::{CardPort, EuiccIdentity, Personalisation, SimProfile, Uicc};
use cellbed::esim::Pki;
use cellbed::io::card_state::StateDir;
use cellbed::kernel::RngTree;
use cellbed::world::euicc::{EuiccIssue, EuiccServers, virtual_euicc};
use cellbed::world::setup::trust_anchor;

const PROFILE: &str = "sim-profiles/lte-5g-test.toml";
/// The seed of the lab, which every scenario has that says no other.
const PUBLIC_SEED: u64 = 7;

const SELECT_APPLET: &str = "00a4040007a0000005590010";
const GET_RANDOM: &str = "0084000020";
const GENERATE: &str = "00b900000384010100";
const SELECT_USIM: &str = "00a4040c07a0000000871002";
/// GET IDENTITY for a SUCI (TS 31.102 clause 7.5).
const GET_IDENTITY: &str = "8078000100";
const SELECT_ISD_R: &str = "00a4040c10a0000005591010ffffffff8900000100";
/// ES10b.GetEUICCChallenge (SGP.22 clause 5.7.7).
const GET_CHALLENGE: &str = "80e2910003bf2e00";

/// `cellbed card serve` with a virtual reader that this test plays.
struct Served {
    child: Child,
    reader: TcpStream,
}

impl Served {
    fn start(more: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["card", "serve", PROFILE, "--euicc", "--vpcd", &place])
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (reader, _) = listener.accept().unwrap();
        let mut served = Self { child, reader };
        served.write(&[1]);
        served
    }

    fn write(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        self.reader.write_all(&[&length[..], message].concat()).unwrap();
    }

    fn atr(&mut self) -> String {
        self.write(&[4]);
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut length = [0; 2];
        self.reader.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        self.reader.read_exact(&mut answer).unwrap();
        hex::encode(answer)
    }

    /// What it has said on standard error until it is ended.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        for line in BufReader::new(self.child.stderr.take().unwrap()).lines() {
            said += &(line.unwrap() + "\n");
        }
        said
    }
}

impl CardPort for Served {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, cellbed::card::PortError> {
        self.write(command);
        Ok(hex::decode(self.answer()).unwrap())
    }

    fn reset(&mut self) -> Result<Vec<u8>, cellbed::card::PortError> {
        self.write(&[2]);
        Ok(hex::decode(self.atr()).unwrap())
    }
}

/// What a card gives that must be its own: random numbers, a public key, a SUCI, a challenge.
fn secrets(card: &mut dyn CardPort) -> Vec<(&'static str, Vec<u8>)> {
    let mut send = |command: &str| {
        let mut bytes = hex::decode(command).unwrap();
        let mut answer = card.transmit(&bytes).unwrap();
        if let [0x6c, exactly] = answer[..] {
            *bytes.last_mut().unwrap() = exactly;
            answer = card.transmit(&bytes).unwrap();
        }
        while let [data @ .., 0x61, more] = &answer[..] {
            let (mut data, more) = (data.to_vec(), *more);
            data.extend(card.transmit(&[0x00, 0xc0, 0x00, 0x00, more]).unwrap());
            answer = data;
        }
        assert!(answer.ends_with(&[0x90, 0x00]), "{command}: {}", hex::encode(&answer));
        answer
    };
    send(SELECT_APPLET);
    let (random, key) = (send(GET_RANDOM), send(GENERATE));
    send(SELECT_USIM);
    let suci = send(GET_IDENTITY);
    send(SELECT_ISD_R);
    let challenge = send(GET_CHALLENGE);
    vec![("GET RANDOM", random), ("IoT SAFE key", key), ("SUCI", suci), ("eUICC challenge", challenge)]
}

fn personalisation() -> Personalisation {
    SimProfile::parse(&std::fs::read_to_string(PROFILE).unwrap()).unwrap().personalise(0).unwrap()
}

/// The card that the attacker makes from the source.
fn recomputed() -> Uicc {
    let (run, pki) = (RngTree::new(PUBLIC_SEED), Pki::lab().unwrap());
    let servers = EuiccServers::lab(&pki, &run, false).unwrap();
    let issue = EuiccIssue { pki: &pki, servers: &servers, bootstrap: true, svn: None, identity: None };
    let anchor = trust_anchor(PUBLIC_SEED).unwrap();
    virtual_euicc(&personalisation(), 1, &run, &anchor, &issue).unwrap()
}

/// SK.EUICC's public half, from the state that a card has left.
fn euicc_key(state: &Path, name: &str) -> Vec<u8> {
    let kept = StateDir::open(state).unwrap().load(1, name).unwrap().unwrap();
    EuiccIdentity::of_state(&kept).unwrap().unwrap().chain[0].public().key_id().to_vec()
}

fn differ(a: &[(&str, Vec<u8>)], b: &[(&str, Vec<u8>)]) {
    for ((what, one), (_, other)) in a.iter().zip(b) {
        assert_ne!(one, other, "{what}");
    }
}

#[test]
fn who_reads_the_source_does_not_have_the_keys_and_nothing_comes_twice() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) = (place.path().join("one"), place.path().join("two"));
    let with = |state: &Path| vec!["--state".to_owned(), state.display().to_string()];
    let start = |state: &Path| Served::start(&with(state).iter().map(String::as_str).collect::<Vec<_>>());

    let mut card = start(&one);
    assert!(card.atr().contains(&hex::encode("cellbed")), "its keys are its own");
    let first = secrets(&mut card);
    let said = card.end();
    assert!(said.contains("the lab's hierarchy, whose private keys are public"), "{said}");
    let mut card = start(&one);
    let restarted = secrets(&mut card);
    card.end();
    let mut card = start(&two);
    let other = secrets(&mut card);
    card.end();

    let mut attacker = recomputed();
    attacker.reset().unwrap();
    let guessed = secrets(&mut attacker);
    differ(&first, &guessed);
    differ(&restarted, &guessed);
    differ(&first, &restarted);
    differ(&first, &other);
    differ(&restarted, &other);

    let name = format!("EID {}", personalisation().eid);
    let keys = [euicc_key(&one, &name), euicc_key(&two, &name)];
    assert_ne!(keys[0], keys[1], "two fresh states have one SK.EUICC");
    let pki = Pki::lab().unwrap();
    let rng = RngTree::new(PUBLIC_SEED).branch("card1").branch("euicc");
    let (guessed, _) = pki.euicc(&personalisation().eid, &rng).unwrap();
    assert!(!keys.contains(&guessed.public().key_id().to_vec()), "SK.EUICC was computed from the source");
}

#[test]
fn a_card_keeps_its_own_key_and_an_older_copy_of_its_state_repeats_nothing() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let args = ["--state", state.to_str().unwrap()];
    let name = format!("EID {}", personalisation().eid);

    let mut card = Served::start(&args);
    let first = secrets(&mut card);
    card.end();
    let key = euicc_key(&state, &name);
    // Somebody puts an older copy of the state back.
    let old = std::fs::read(state.join("card1.state")).unwrap();
    let mut card = Served::start(&args);
    let second = secrets(&mut card);
    card.end();
    std::fs::write(state.join("card1.state"), old).unwrap();
    let mut card = Served::start(&args);
    let third = secrets(&mut card);
    card.end();
    differ(&first, &second);
    differ(&second, &third);
    differ(&first, &third);
    assert_eq!(euicc_key(&state, &name), key, "its own key stays");
}

#[test]
fn a_seed_that_is_asked_for_is_said_aloud_and_does_not_share_a_state() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let mut card = Served::start(&["--seed", "7", "--state", state.to_str().unwrap()]);
    assert!(card.atr().contains(&hex::encode("lab key")), "the card says it itself");
    let served = secrets(&mut card);
    let said = card.end();
    assert!(said.contains("drawn from seed 7: their private keys and random numbers are public"), "{said}");
    let mut attacker = recomputed();
    attacker.reset().unwrap();
    assert_eq!(secrets(&mut attacker), served, "that is what a seed means");

    let refused = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["card", "serve", PROFILE, "--euicc", "--state", state.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(96), "{said}");
    assert!(said.contains("seed 7") && said.contains("belongs to another card"), "{said}");
}

#[test]
fn a_folder_on_brainpool_serves_cards_and_says_that_it_serves_no_tls() {
    let place = tempfile::tempdir().unwrap();
    let pki = place.path().join("pki");
    let cellbed = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellbed"));
        command.args(args).arg(&pki).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
    };
    let made = cellbed(&["pki", "new", "--curve", "brainpool-p256r1"]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && said.contains("esim serve does not take it"), "{said}");
    let refused = cellbed(&["esim", "serve", "--pki"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(96), "{said}");
    assert!(said.contains("make a folder on P-256"), "{said}");
    let mut card = Served::start(&["--pki", pki.to_str().unwrap()]);
    secrets(&mut card);
    card.end();
}

#[test]
fn an_identity_of_the_folder_is_served() {
    let place = tempfile::tempdir().unwrap();
    let eid = personalisation().eid.to_string();
    let (pki, state) = (place.path().join("pki"), place.path().join("state"));
    let made = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["pki", "new", pki.to_str().unwrap(), "--eid", &eid])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut card = Served::start(&["--pki", pki.to_str().unwrap(), "--state", state.to_str().unwrap()]);
    secrets(&mut card);
    let said = card.end();
    assert!(!said.contains("the lab's hierarchy"), "{said}");
    let certificate = std::fs::read(pki.join(format!("eUICC/CERT_EUICC_{eid}_ECDSA_NIST.der"))).unwrap();
    let kept = StateDir::open(&state).unwrap().load(1, &format!("EID {eid}")).unwrap().unwrap();
    assert_eq!(EuiccIdentity::of_state(&kept).unwrap().unwrap().chain[0].der(), certificate);
}
