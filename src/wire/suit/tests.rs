//! The examples of the draft, variants of them, and what is near to them. `tests/vectors/suit.txt` says where they are from.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use proptest::prelude::*;

use super::*;
use crate::crypto::key::{self, SoftKey};
use crate::support::bent::bent;
use crate::wire::cbor::CborError;
use crate::wire::cose::Algorithm;

const VECTORS: &str = include_str!("../../../tests/vectors/suit.txt");
/// The key of the draft's examples, X || Y.
const KEY: &str = "8496811aae0baaabd26157189eecda26beaa8bf11b6f3fe6e2b5659c85dbc0ad\
    3b1f2a4b6c098131c0a36dacd1d78bd381dcdfb09c052db33991db7338b4a896";
/// The key of the Ed25519 variant.
const ED25519_KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
/// Vendor and class of the examples.
const VENDOR: &str = "fa6b4a53d5ad5fdfbe9de663e4d41ffe";
const CLASS: &str = "1492af1425695e48bf429b2d51f2ab45";

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let lines =
        VECTORS.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| !name.starts_with('#'));
    lines.map(|(name, hex)| (name, hex::decode(hex).unwrap())).collect()
}

fn vector(name: &str) -> Vec<u8> {
    vectors()[name].clone()
}

fn is_trusted(one: Authentication) -> bool {
    match one.algorithm {
        Algorithm::Es256 | Algorithm::Esp256 => {
            key::verify(&unhex(KEY), &one.message, &one.signature).is_ok()
        }
        Algorithm::Ed25519 => {
            let key = VerifyingKey::from_bytes(&unhex(ED25519_KEY)).unwrap();
            key.verify_strict(&one.message, &Signature::from_bytes(&one.signature)).is_ok()
        }
    }
}

fn open(bytes: &[u8]) -> Result<Manifest, SuitError> {
    Envelope::decode(bytes)?.open(is_trusted)
}

fn opened(name: &str) -> Manifest {
    open(&vector(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn commands(manifest: &Manifest, section: Section) -> Sequence {
    manifest.section(section).and_then(Severable::get).cloned().unwrap_or_default()
}

#[test]
fn the_examples_of_the_draft_verify_and_are_written_back() {
    let examples = [
        ("draft37_ex0", 237, 0, "6658ea560262696dd1f13b782239a064da7c6c5cbaf52fded428a6fc83c7e5af"),
        ("draft37_ex1", 272, 1, "1f2e7acca0dc2786f2fe4eb947f50873a6a3cfaa98866c5b02e621f42074daf2"),
        ("draft37_ex2", 923, 2, "6a5197ed8f9dccf733d1c89a359441708e070b4c6dcb9a1c2c82c6165f609b90"),
        ("draft37_ex2_severed", 333, 2, "6a5197ed8f9dccf733d1c89a359441708e070b4c6dcb9a1c2c82c6165f609b90"),
        ("draft37_ex3", 396, 3, "f6d44a62ec906b392500c242e78e908e9cc5057f3f04104a06a8566200da2ee0"),
        ("draft37_ex4", 403, 4, "5b5f6586b1e6cdf19ee479a5adabf206581000bd584b0832a9bdaf4f72cdbdd6"),
        ("draft37_ex5", 382, 5, "15ce60f77657e4531dc329155f8b0ed78f94bdc6d165b2665473693dcc34f470"),
    ];
    for (name, length, sequence, digest) in examples {
        let bytes = vector(name);
        assert_eq!(bytes.len(), length, "{name}");
        let envelope = Envelope::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(hex::encode(envelope.digest()), digest, "{name}");
        assert_eq!(envelope.encode(), bytes, "{name}");
        let manifest = envelope.open(is_trusted).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(manifest.sequence, sequence, "{name}");
        // From the types: the same manifest, whose signature still holds.
        assert_eq!(Envelope::unsigned(&manifest).digest(), envelope.digest(), "{name}");
    }
}

/// Appendix B.2 as it reads in diagnostic notation.
#[test]
fn the_second_example_says_what_the_draft_says_of_it() {
    let manifest = opened("draft37_ex1");
    let image = unhex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210");
    assert_eq!(manifest.components, [vec![vec![0]]]);
    let parameters = vec![
        Parameter::VendorIdentifier(unhex(VENDOR)),
        Parameter::ClassIdentifier(unhex(CLASS)),
        Parameter::ImageDigest(image),
        Parameter::ImageSize(34_768),
    ];
    let shared = [
        Command::Directive(Directive::OverrideParameters(parameters)),
        Command::condition(Condition::VendorIdentifier),
        Command::condition(Condition::ClassIdentifier),
    ];
    assert_eq!(manifest.shared, shared);
    let uri = Parameter::Uri("http://example.com/file.bin".to_owned());
    let install = [
        Command::Directive(Directive::OverrideParameters(vec![uri])),
        Command::Directive(Directive::Fetch(2)),
        Command::condition(Condition::ImageMatch),
    ];
    assert_eq!(commands(&manifest, Section::Install), install);
    assert_eq!(commands(&manifest, Section::Validate), [Command::condition(Condition::ImageMatch)]);
    assert_eq!(manifest.section(Section::Invoke), None);
}

#[test]
fn what_is_cut_off_is_said_to_be_and_changes_neither_digest_nor_signature() {
    let (full, severed) = (opened("draft37_ex2"), opened("draft37_ex2_severed"));
    assert!(matches!(full.section(Section::Install), Some(Severable::Beside(_))));
    let digest = unhex("cfa90c5c58595e7f5119a72f803fd0370b3e6abbec6315cd38f63135281bc498");
    assert_eq!(severed.section(Section::Install), Some(&Severable::CutOff(digest)));
    assert_eq!(full.encode(), severed.encode());
    let envelope = Envelope::decode(&vector("draft37_ex2")).unwrap();
    assert_eq!(envelope.severed().encode(), vector("draft37_ex2_severed"));
    assert_eq!(full.reference_uri.as_deref(), Some("https://git.io/JJYoj"));
    let text = full.text.as_ref().and_then(Severable::get).unwrap();
    let Value::Map(languages) = text else { panic!("{text:?}") };
    assert_eq!(languages[0].0, Value::text("en-US"));
    let absent = opened("variant_sev_absent");
    assert!(matches!(absent.section(Section::Install), Some(Severable::CutOff(_))));
    assert!(matches!(opened("variant_sev_good").section(Section::Install), Some(Severable::Beside(_))));
}

#[test]
fn two_slots_are_two_sequences_to_try() {
    let manifest = opened("draft37_ex3");
    let tries = |commands: &[Command]| {
        let found = commands.iter().find_map(|command| match command {
            Command::Directive(Directive::TryEach { sequences, may_fail: false }) => Some(sequences.clone()),
            _ => None,
        });
        found.unwrap()
    };
    for sequences in [tries(&manifest.shared), tries(&commands(&manifest, Section::Install))] {
        assert_eq!(sequences.len(), 2);
        for (slot, sequence) in (0..).zip(&sequences) {
            let slot_matches = Command::Condition { what: Condition::ComponentSlot, reporting: 5 };
            assert_eq!(sequence[1], slot_matches);
            let set = Directive::OverrideParameters(vec![Parameter::ComponentSlot(slot)]);
            assert_eq!(sequence[0], Command::Directive(set));
        }
    }
}

#[test]
fn valid_variants_are_taken() {
    for name in ["good", "esp256", "ed25519", "sev_good", "highS", "interleaved", "long80", "sev_absent"] {
        let manifest = opened(&format!("variant_{name}"));
        assert_eq!(manifest.sequence, 1, "{name}");
    }
    assert_eq!(commands(&opened("variant_long80"), Section::Validate).len(), 40);
    // The order between conditions and directives is kept.
    let interleaved = commands(&opened("variant_interleaved"), Section::Validate);
    let condition = |command: &Command| matches!(command, Command::Condition { .. });
    assert_eq!(interleaved.iter().map(condition).collect::<Vec<_>>(), [false, true, false]);
    // Whoever has the envelope can change the signature, and the name of the manifest stays.
    let digest = |name| Envelope::decode(&vector(name)).unwrap().digest();
    assert_eq!(digest("variant_highS"), digest("variant_good"));
    assert_ne!(vector("variant_highS"), vector("variant_good"));
}

#[test]
fn broken_variants_are_refused_each_for_its_reason() {
    use SuitError as E;
    let cbor = |error: SuitError| match error {
        E::Cbor { source, .. } => source,
        other => panic!("{other:?}"),
    };
    let refused = |name: &str| open(&vector(&format!("variant_{name}"))).expect_err(name);
    assert_eq!(refused("version2"), E::Version { found: 2 });
    assert_eq!(refused("rawdigest"), E::Digest);
    assert_eq!(refused("bitflip_manifest"), E::Digest);
    assert_eq!(refused("bitflip_sig"), E::Unauthorised);
    assert_eq!(refused("sigwrapped"), E::Unauthorised);
    assert_eq!(refused("unsigned"), E::Unsigned);
    assert_eq!(refused("bare1070"), E::Bare);
    assert_eq!(refused("notag"), E::Form { place: "envelope", what: "tag 107" });
    assert!(matches!(cbor(refused("dupseq")), CborError::KeyOrder { .. }));
    assert!(matches!(cbor(refused("manifestfirst")), CborError::KeyOrder { .. }));
    assert_eq!(cbor(refused("trailing")), CborError::Trailing { bytes: 1 });
    assert!(matches!(cbor(refused("trunc")), CborError::Cut { .. }));
    assert_eq!(refused("unknownkey"), E::Key { place: "manifest", key: "99".to_owned() });
    assert_eq!(refused("unknowncmd"), E::Command { place: "validate", number: "99".to_owned() });
    assert_eq!(refused("oddlen"), E::Pairs { place: "validate" });
    assert_eq!(refused("sev_bad"), E::Severed { place: "install" });
    assert_eq!(refused("sev_extra"), E::Unreferenced { place: "install" });
    // Every vector of the file is in one of these tests.
    assert_eq!(vectors().len(), 7 + 8 + 17);
}

#[test]
fn a_key_that_is_not_trusted_opens_nothing() {
    let envelope = Envelope::decode(&vector("draft37_ex1")).unwrap();
    assert_eq!(envelope.open(|_| false), Err(SuitError::Unauthorised));
    let mut seen = Vec::new();
    let _ = envelope.open(|one| {
        seen.push(one.algorithm);
        false
    });
    assert_eq!(seen, [Algorithm::Es256]);
}

/// A manifest with one of everything.
fn everything() -> Manifest {
    let directive = Command::Directive;
    let parameters = vec![
        Parameter::VendorIdentifier([1; 16]),
        Parameter::ClassIdentifier([2; 16]),
        Parameter::ImageDigest([3; 32]),
        Parameter::ComponentSlot(1),
        Parameter::StrictOrder(true),
        Parameter::SoftFailure(false),
        Parameter::ImageSize(70_000),
        Parameter::Content(vec![4; 30]),
        Parameter::Uri("http://updates.lab/images/1".to_owned()),
        Parameter::SourceComponent(1),
        Parameter::InvokeArguments(vec![5]),
        Parameter::DeviceIdentifier([6; 16]),
        Parameter::FetchArguments(vec![7]),
    ];
    let inner = vec![Command::condition(Condition::ImageMatch)];
    let shared = vec![
        directive(Directive::SetComponentIndex(Index::One(1))),
        directive(Directive::OverrideParameters(parameters)),
        Command::condition(Condition::VendorIdentifier),
        Command::Condition { what: Condition::DeviceIdentifier, reporting: 0 },
        directive(Directive::RunSequence(inner.clone())),
    ];
    let install = vec![
        directive(Directive::SetComponentIndex(Index::All)),
        directive(Directive::TryEach { sequences: vec![inner.clone(), inner.clone()], may_fail: true }),
        directive(Directive::Write(1)),
        directive(Directive::Fetch(2)),
        directive(Directive::Copy(3)),
        directive(Directive::Swap(4)),
        Command::condition(Condition::CheckContent),
        Command::condition(Condition::Abort),
    ];
    let invoke = vec![directive(Directive::Invoke(15))];
    let sections = [
        (Section::Validate, Severable::Inside(inner.clone())),
        (Section::Load, Severable::Inside(inner.clone())),
        (Section::Invoke, Severable::Inside(invoke)),
        (Section::PayloadFetch, Severable::CutOff([9; 32])),
        (Section::Install, Severable::Beside(install)),
    ];
    let text = Value::Map(vec![(Value::text("en"), Value::Map(vec![(Value::int(1), Value::text("two"))]))]);
    Manifest {
        sequence: u64::MAX,
        components: vec![vec![b"modem".to_vec()], vec![b"app".to_vec(), vec![1]]],
        shared,
        reference_uri: Some("http://updates.lab/manifests/1".to_owned()),
        sections: sections.into(),
        text: Some(Severable::Beside(text)),
    }
}

fn signed(manifest: &Manifest, algorithm: Algorithm) -> Envelope {
    let mut envelope = Envelope::unsigned(manifest);
    let key = SoftKey::from_scalar(&[7; 32]).unwrap();
    envelope.add(algorithm, key.sign(&envelope.to_be_signed(algorithm)));
    envelope
}

fn by_the_author(one: Authentication) -> bool {
    let key = SoftKey::from_scalar(&[7; 32]).unwrap();
    key::verify(&key.public(), &one.message, &one.signature).is_ok()
}

#[test]
fn what_is_written_is_read() {
    let manifest = everything();
    let envelope = signed(&manifest, Algorithm::Esp256);
    let bytes = envelope.encode();
    assert_eq!(Envelope::decode(&bytes), Ok(envelope.clone()));
    assert_eq!(envelope.open(by_the_author).as_ref(), Ok(&manifest));
    let cut = Envelope::decode(&envelope.severed().encode()).unwrap().open(by_the_author).unwrap();
    assert!(cut.section(Section::Install).unwrap().get().is_none());
    assert_eq!(cut.encode(), manifest.encode());
}

#[test]
fn what_no_example_has_is_refused() {
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = everything();
        change(&mut manifest);
        Envelope::decode(&signed(&manifest, Algorithm::Esp256).encode())
            .unwrap()
            .open(by_the_author)
            .unwrap_err()
    };
    let mut deep = vec![Command::condition(Condition::Abort)];
    for _ in 0..5 {
        deep = vec![Command::Directive(Directive::RunSequence(deep))];
    }
    assert_eq!(refused(&|manifest| manifest.shared = deep.clone()), SuitError::Depth { place: "shared" });
    let fetch = vec![Command::Directive(Directive::Fetch(2))];
    assert_eq!(
        refused(&|manifest| manifest.shared = fetch.clone()),
        SuitError::Shared { place: "shared", number: 21 }
    );
    let policy = vec![Command::Condition { what: Condition::Abort, reporting: 16 }];
    assert!(matches!(refused(&|manifest| manifest.shared = policy.clone()), SuitError::Form { .. }));
    let one = vec![Command::Directive(Directive::TryEach { sequences: vec![fetch.clone()], may_fail: true })];
    let install = |one: Sequence| {
        move |manifest: &mut Manifest| {
            manifest.sections.insert(Section::Install, Severable::Inside(one.clone()));
        }
    };
    assert!(matches!(refused(&install(one)), SuitError::Form { .. }));
    assert_eq!(refused(&install(Vec::new())), SuitError::Pairs { place: "install" });
    let empty = vec![Command::Directive(Directive::OverrideParameters(Vec::new()))];
    assert!(matches!(refused(&install(empty)), SuitError::Form { .. }));
    assert!(matches!(refused(&|manifest| manifest.components.clear()), SuitError::Form { .. }));
    assert!(matches!(refused(&|manifest| manifest.components = vec![vec![]; 17]), SuitError::Form { .. }));
    let beside = |manifest: &mut Manifest| {
        manifest.sections.insert(Section::Validate, Severable::CutOff([1; 32]));
    };
    assert_eq!(refused(&beside), SuitError::Form { place: "validate", what: "a sequence in a byte string" });
    let mut many = signed(&everything(), Algorithm::Esp256);
    (0..4).for_each(|_| many.add(Algorithm::Es256, [0; 64]));
    assert!(matches!(Envelope::decode(&many.encode()), Err(SuitError::Form { .. })), "five signatures");
    let long = vec![0; ENVELOPE_MAX + 1];
    assert_eq!(Envelope::decode(&long), Err(SuitError::Long { bytes: ENVELOPE_MAX + 1 }));
}

proptest! {
    #[test]
    fn any_bytes_are_an_envelope_that_is_written_back_or_refused(bytes in prop_oneof![
        bent(vector("draft37_ex2")),
        bent(vector("draft37_ex3")),
        bent(signed(&everything(), Algorithm::Ed25519).encode()),
    ]) {
        if let Ok(envelope) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.encode(), bytes);
        }
    }

    /// The manifest itself, under a digest and a signature that are right: what is read is written with the same digest.
    #[test]
    fn any_manifest_has_one_form(bytes in bent(everything().encode())) {
        if let Ok(manifest) = Manifest::decode(&bytes, &BTreeMap::new()) {
            prop_assert_eq!(manifest.encode(), bytes);
        }
    }
}
