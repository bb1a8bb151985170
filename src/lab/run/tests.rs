//! No secret of a run is in anything that it writes.
//!
//! Which secrets a run has is not told by a list of them but by the run: every stream of randomness that it makes is
//! watched, and each is either for keys or named below as not. So a new kind of key is looked for as well, and one
//! that nobody has thought of is a failure.

mod erase;
mod search;

use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use self::search::Needles;
use super::*;
use crate::crypto::SoftKey;
use crate::crypto::milenage::{K, Milenage, Opc, Rand};
use crate::event::Body;
use crate::kernel::watch::{self, Streams};
use crate::report::read_events;
use crate::wire::Proto;

/// How much of a stream is looked for: more than any draws keys from.
const DRAWN_BYTES: usize = 1024;

/// What the bytes of a stream become.
enum Use {
    /// Keys: none of them may be seen.
    Keys,
    /// Keys among what goes over the air and the wire: those of whom the public half is seen may not be.
    KeysAmongOthers,
    /// What everybody may see.
    Public,
}

/// What a stream with this name is for; `None` where this has to be thought about.
fn used_for(name: &str) -> Option<Use> {
    let (branches, purpose) = name.rsplit_once('/').unwrap_or(("", name));
    Some(match purpose {
        // Of the authority, of TLS servers, of the servers and issuers of remote SIM provisioning, of eUICCs.
        "ca-key" | "tls-key" | "key" => Use::Keys,
        // What the factory burns into a device of the traditional way, and the key that its host makes.
        "factory-secret" | "host-key" => Use::Keys,
        // How long people take.
        _ if branches.starts_with("desk/") => Use::Public,
        // Of subscribers: K and OPc.
        "subscriber" => Use::Keys,
        // The accounts of the ledger's operators, and what signs its checkpoints.
        "operators" | "checkpoint" => Use::Keys,
        // What the network signs its statements on sessions with.
        "attestation" if branches == "gw" => Use::Keys,
        // What the registrar signs its orders with.
        "orders" if branches == "registrar" => Use::Keys,
        // What the guard of the network signs its alarms with.
        "alarms" if branches == "guard" => Use::Keys,
        // Of the card's applet; of each download, between eUICC and SM-DP+; of each SUCI.
        "keys" if branches.ends_with("iot-safe") => Use::Keys,
        "one-time-key" if branches.ends_with("euicc") => Use::Keys,
        "suci" => Use::Keys,
        // What makes a device's identity on the ledger meaningless to others.
        _ if name.starts_with("registrar/salt-") => Use::Keys,
        // What a device is called in its certificate and towards the cloud.
        _ if name.starts_with("registrar/name-") => Use::Public,
        // TLS draws hello randoms, too; the offices draw challenges and identifiers of transactions.
        "tls" => Use::KeysAmongOthers,
        "smdp" | "smds" | "eim" if branches.starts_with("esim/") => Use::KeysAmongOthers,
        // What a card's key signs to be in one conversation.
        "nonces" if branches == "registrar" => Use::Public,
        // What names a ledger.
        "nonce" if branches.starts_with("ledger/") => Use::Public,
        // Numbers of certificates, challenges, what GET CHALLENGE gives, temporary identities, sequence numbers of
        // TCP, transaction identities of ESM, ends of tunnels; and which packets are lost.
        "serial" | "ca-serial" | "challenge" | "random" | "rand" | "m-tmsi" | "tcp" | "pti" | "loss"
        | "teid" => Use::Public,
        // What a UE is called on its own link (TS 23.401 clause 5.3.1.2.2).
        "interface" if branches == "gw" => Use::Public,
        // Who a UE says that it is before the network knows it.
        _ if branches.ends_with("/rrc/identity") => Use::Public,
        "rogue" if branches.starts_with("esim/") => Use::KeysAmongOthers,
        _ => return None,
    })
}

/// A run, and what it drew.
struct Ran {
    run: Run,
    streams: Streams,
    /// Every file that it wrote, the screen for one, and all that its name and its content may stand for.
    files: Vec<(String, Vec<Vec<u8>>)>,
}

/// A subscriber's keys.
struct Subscriber {
    name: String,
    k: [u8; 16],
    opc: [u8; 16],
    over_the_air: Vec<Vec<u8>>,
}

impl Ran {
    fn of(scenario: &str) -> Self {
        Self::with(scenario, true)
    }

    /// A run that writes its secrets, or does not.
    fn with(scenario: &str, key_log: bool) -> Self {
        let path = PathBuf::from(format!("lab/scenarios/{scenario}.toml"));
        // Not the seed of the lab's own hierarchy of certificates.
        let mut run = Run::load(&path, Path::new("lab/benches/virtual.toml")).unwrap().with_seed(11);
        run.bench.capture.key_log = Some(key_log);
        let runs = tempfile::tempdir().unwrap();
        let screen = runs.path().join("screen.txt");
        let style = Style { colour: true, live: true, width: 100 };
        let shown = Screen { out: Box::new(std::fs::File::create(&screen).unwrap()), style };
        let (finished, streams) = watch::streams(|| run.into_folder(runs.path(), Some(shown)).unwrap());
        fs::rename(screen, finished.folder.join("screen.txt")).unwrap();
        let files = search::files(&finished.folder).into_iter().map(|path| {
            let name = path.strip_prefix(&finished.folder).unwrap().display().to_string();
            let readings =
                [name.clone().into_bytes(), fs::read(&path).unwrap()].map(search::readings).concat();
            (name, readings)
        });
        Self { files: files.collect(), run, streams }
    }

    fn file(&self, name: &str) -> &[u8] {
        &self.files.iter().find(|(file, _)| file == name).unwrap().1[1]
    }

    /// What of `needles` is in which files, but for one.
    fn found(&self, needles: &Needles, except: Option<&str>) -> BTreeSet<(String, String)> {
        let files = self.files.iter().filter(|(file, _)| Some(file.as_str()) != except);
        let named = |(file, readings): &(String, Vec<Vec<u8>>)| {
            let found = needles.within(readings).into_iter();
            found.map(|name| (name.to_owned(), file.clone())).collect::<Vec<_>>()
        };
        files.flat_map(named).collect()
    }

    /// The subscribers of each device: that of its card as delivered, whose keys its profile has, and operational
    /// ones, whose keys are drawn one after the other.
    fn subscribers(&self) -> Vec<Subscriber> {
        let delivered = self.run.scenario.devices().into_iter().map(|device| {
            let card = self.run.profiles[&*device.profile].personalise(device.index).unwrap();
            let name = format!("card {} as delivered", device.number);
            let over_the_air = card.ota.as_ref().map(|keys| {
                let keys = [Some(keys.set.kic()), Some(keys.set.kid()), keys.dek.as_ref()];
                keys.into_iter().flatten().map(|key| key.octets().to_vec()).collect()
            });
            Subscriber { name, k: card.k, opc: card.opc, over_the_air: over_the_air.unwrap_or_default() }
        });
        let drawn = self.streams.iter().filter(|(name, _)| name.ends_with("/subscriber"));
        let operational = drawn.map(|(name, stream)| {
            let (mut stream, mut k, mut opc) = (stream.clone(), [0; 16], [0; 16]);
            stream.fill_bytes(&mut k);
            stream.fill_bytes(&mut opc);
            let over_the_air = (0..3).map(|_| {
                let mut key = vec![0; 16];
                stream.fill_bytes(&mut key);
                key
            });
            Subscriber { name: name.clone(), k, opc, over_the_air: over_the_air.collect() }
        });
        delivered.chain(operational).collect()
    }

    /// The challenges that a card answered, and its RES (TS 31.102 clause 7.1.2.1).
    fn authentications(&self) -> Vec<([u8; 16], Vec<u8>)> {
        let (mut challenge, mut answered) = (None, Vec::new());
        for event in read_events(self.file("events.jsonl")) {
            let Body::Message(message) = event.unwrap().body else { continue };
            match &message.bytes[..] {
                [_, 0x88, 0x00, 0x81, 0x22, 0x10, rest @ ..] if rest.len() > 16 => {
                    challenge = rest[..16].try_into().ok()
                }
                [0xdb, 0x08, rest @ ..] if rest.len() > 8 => {
                    answered.extend(challenge.take().map(|rand| (rand, rest[..8].to_vec())));
                }
                _ => {}
            }
        }
        answered
    }

    /// The keys in the streams from which other things are drawn as well: where the point of a P-256 key is anywhere
    /// in the run, by stream and place.
    fn keys_among_others(&self) -> Vec<(String, [u8; 32])> {
        let (mut candidates, mut points) = (Vec::new(), Needles::default());
        for (name, stream) in &self.streams {
            if matches!(used_for(name), Some(Use::KeysAmongOthers)) {
                // A stream gives words of four bytes.
                for at in (0..DRAWN_BYTES - 32).step_by(4) {
                    let scalar: [u8; 32] = drawn(stream)[at..at + 32].try_into().unwrap();
                    let Ok(key) = SoftKey::from_scalar(&scalar) else { continue };
                    points.add(&candidates.len().to_string(), &key.public()[..search::WINDOW]);
                    candidates.push((format!("{name} at {at}"), scalar));
                }
            }
        }
        let seen: BTreeSet<String> =
            self.found(&points, None).into_iter().map(|(number, _)| number).collect();
        seen.iter().filter_map(|number| Some(candidates[number.parse::<usize>().ok()?].clone())).collect()
    }

    /// What opens TLS, as the run has logged it.
    fn sessions(&self) -> Needles {
        let mut sessions = Needles::default();
        for line in std::str::from_utf8(self.file("sslkeylog.txt")).unwrap().lines() {
            let [kind, _, secret] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            sessions.add(kind, &hex::decode(secret).unwrap());
        }
        sessions
    }

    /// CK and IK of each challenge that a card has answered, and each KeNB that a base station was told.
    fn session_keys(&self) -> Needles {
        let mut keys = Needles::default();
        let answered = self.authentications();
        for Subscriber { name, k, opc, .. } in self.subscribers() {
            let milenage = Milenage::new(&K::new(&k), &Opc::new(&opc));
            for (rand, res) in &answered {
                let rand = Rand::new(rand);
                if milenage.f2(&rand).as_octets() == &res[..] {
                    keys.add(&format!("CK of {name}"), milenage.f3(&rand).as_octets());
                    keys.add(&format!("IK of {name}"), milenage.f4(&rand).as_octets());
                }
            }
        }
        for event in read_events(self.file("events.jsonl")) {
            let Body::Message(message) = event.unwrap().body else { continue };
            let at = message.bytes.windows(4).position(|window| window == [0x00, 0x49, 0x00, 0x20]);
            if let Some(at) = at.filter(|_| message.label.proto == Proto::S1ap) {
                keys.add("KeNB", &message.bytes[at + 4..at + 36]);
            }
        }
        keys
    }

    /// What TLS protected, message by message.
    fn plaintexts(&self) -> Vec<Vec<u8>> {
        let protected = [Proto::Http, Proto::Est, Proto::Es9p, Proto::Es11, Proto::Esipa, Proto::Mqtt];
        let messages = read_events(self.file("events.jsonl")).filter_map(|event| match event.unwrap().body {
            Body::Message(message) if protected.contains(&message.label.proto) => Some(message.bytes),
            _ => None,
        });
        messages.filter(|bytes| !bytes.is_empty()).collect()
    }

    /// Looks for every key of the run in every file.
    fn check(&self) {
        let mut secrets = Needles::default();
        for (name, stream) in &self.streams {
            match used_for(name) {
                Some(Use::Keys) => secrets.add(name, &drawn(stream)),
                Some(Use::KeysAmongOthers | Use::Public) => {}
                None => panic!("is the stream {name} for keys?"),
            }
        }
        for (name, scalar) in self.keys_among_others() {
            secrets.add(&name, &scalar);
        }
        for Subscriber { name, k, opc, over_the_air } in self.subscribers() {
            secrets.add(&format!("K of {name}"), &k);
            secrets.add(&format!("OPc of {name}"), &opc);
            for key in over_the_air {
                secrets.add(&format!("a key for packets over the air of {name}"), &key);
            }
        }
        assert_eq!(self.found(&secrets, None), BTreeSet::new());

        // What opens TLS is in the one file that is for it. With it and beside it, these are known to be seen: what
        // TLS protected, and CK and IK in the answers of cards, since events.jsonl has both in clear. A run that is to
        // leave no secret has neither, see below.
        if self.run.bench.writes_secrets() {
            assert_eq!(self.found(&self.sessions(), Some("sslkeylog.txt")), BTreeSet::new());
        }
    }

    /// The subscribers by whose keys a card of this run has answered a challenge.
    fn authenticated(&self) -> BTreeSet<String> {
        let answered = self.authentications();
        let has = |subscriber: &Subscriber| {
            let milenage = Milenage::new(&K::new(&subscriber.k), &Opc::new(&subscriber.opc));
            answered.iter().any(|(rand, res)| milenage.f2(&Rand::new(rand)).as_octets() == &res[..])
        };
        self.subscribers().into_iter().filter(has).map(|subscriber| subscriber.name).collect()
    }

    /// The streams whose first key pair's public half is in the run.
    fn with_public_half(&self) -> BTreeSet<String> {
        let mut points = Needles::default();
        for (name, stream) in &self.streams {
            let scalar = drawn(stream)[..32].try_into().unwrap();
            if let (Some(Use::Keys), Ok(key)) = (used_for(name), SoftKey::from_scalar(&scalar)) {
                points.add(name, &key.public()[..search::WINDOW]);
            }
        }
        self.found(&points, None).into_iter().map(|(name, _)| name).collect()
    }
}

/// The first bytes that are drawn from a stream.
fn drawn(stream: &ChaCha20Rng) -> Vec<u8> {
    let mut bytes = vec![0; DRAWN_BYTES];
    stream.clone().fill_bytes(&mut bytes);
    bytes
}

#[test]
fn no_secret_is_in_anything_that_a_run_writes() {
    let ran = Ran::of("zero-touch");
    ran.check();
    // These are the keys that the run has used: what they make is there.
    let both = ["card 1 as delivered", "esim/smdp/production/0/subscriber"].map(str::to_owned);
    assert_eq!(ran.authenticated(), both.into());
    let with_public_half = [
        "ca/ca-key",
        "card1/euicc/key",
        "card1/euicc/one-time-key",
        "card1/profile/1/iot-safe/keys",
        "esim/eim/eIM/key",
        "esim/smdp/DPauth/key",
        "esim/smdp/DPpb/key",
        "pki/eum/key",
    ];
    assert_eq!(ran.with_public_half(), with_public_half.map(str::to_owned).into());
    let among_others = ran.keys_among_others();
    for stream in ["dev1/tls/tls", "cloud/tls", "esim/smdp/tls", "esim/smdp/smdp"] {
        assert!(among_others.iter().any(|(name, _)| name.starts_with(stream)), "{stream}: {among_others:?}");
    }
}

#[test]
fn no_secret_is_in_a_run_with_a_plain_card() {
    let ran = Ran::of("plain-card");
    ran.check();
    assert_eq!(ran.authenticated(), ["card 1 as delivered".to_owned()].into());
}

/// The operational profile is a package of others with the subscriber's keys in it.
#[test]
fn no_secret_is_in_a_run_with_a_package_of_others() {
    Ran::of("esim-ts48").check();
}

/// The same run writes its secrets, and does not: what the first tells of them is nowhere in what the second leaves.
#[test]
fn a_run_without_key_log_leaves_no_secret_in_any_file() {
    let names = |found: BTreeSet<(String, String)>| -> BTreeSet<String> {
        found.into_iter().map(|(name, _)| name.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    for scenario in ["zero-touch", "plain-card"] {
        let (open, closed) = (Ran::of(scenario), Ran::with(scenario, false));
        closed.check();
        assert!(!closed.files.iter().any(|(file, _)| file == "sslkeylog.txt"));
        let (sessions, keys) = (open.sessions(), open.session_keys());
        // They are found where they are written.
        assert_eq!(names(open.found(&keys, None)), ["CK", "IK", "KeNB"].map(str::to_owned).into());
        assert_eq!(closed.found(&sessions, None), BTreeSet::new());
        assert_eq!(closed.found(&keys, None), BTreeSet::new());
        // What TLS protected is zero, as long as it was.
        let (open, closed) = (open.plaintexts(), closed.plaintexts());
        assert!(open.len() > 5);
        assert_eq!(
            open.iter().map(Vec::len).collect::<Vec<_>>(),
            closed.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(closed.iter().flatten().all(|octet| *octet == 0));
    }
}

#[test]
fn a_card_in_a_reader_keeps_its_secrets_unless_they_are_asked_for() {
    let mut bench = Bench::load(Path::new("lab/benches/virtual.toml")).unwrap();
    assert!(bench.writes_secrets());
    bench.roles.card = CardVendor::Pcsc("ACME".to_owned());
    assert!(!bench.writes_secrets());
    bench.capture.key_log = Some(true);
    assert!(bench.writes_secrets());
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = *b"\x01\xfb\xef\x9ck\xde\xad\xbe\xef\xfe\xff\x7f\x80\x2b\x2f\x3d";
    let mut needles = Needles::default();
    needles.add("K", &secret);
    let (digits, text) = (hex::encode(secret), STANDARD.encode([&b"ab"[..], &secret, b"c"].concat()));
    let pairs = |separator: &str| secret.map(|octet| format!("{octet:02X}")).join(separator);
    let swapped: String =
        digits.as_bytes().chunks(2).flat_map(|pair| [pair[1], pair[0]]).map(char::from).collect();
    let written = [
        digits.clone(),
        digits.to_uppercase(),
        format!("0x{digits}"),
        format!("a digit more: {digits}"),
        pairs(" "),
        pairs(":"),
        pairs(", 0x"),
        swapped,
        format!("{secret:?}"),
        text.clone(),
        URL_SAFE_NO_PAD.encode(secret),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n", &text[..9], &text[9..]),
        text.replace('/', "\\/").replace('+', "\\u002b"),
        text.replace('+', "&#43;").replace('/', "&#x2F;"),
        text.replace('+', "%2B").replace('/', "%2f"),
        // The second half alone, and an event's bytes: hexadecimal of an HTTP body with base64 in JSON.
        digits[16..].to_owned(),
        format!("{{\"bytes\":\"{}\"}}", hex::encode(format!("HTTP/1.1 200 OK\r\n\r\n{{\"a\":\"{text}\"}}"))),
    ];
    for text in written {
        let around = format!("{{\"at_ns\":5000000,\"name\":\"{text}\"}}");
        assert_eq!(needles.within(&search::readings(around.clone().into_bytes())).len(), 1, "{around}");
    }
    for text in [&digits[..15], &STANDARD.encode(&secret[..7]), "nothing", ""] {
        let found = search::readings(text.as_bytes().to_vec());
        assert_eq!(needles.within(&found), BTreeSet::new(), "{text}");
    }
    assert_eq!(needles.within(&[secret.to_vec()]), ["K"].into());
}
