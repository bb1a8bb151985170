//! The checks of the self-test, one function per feature.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};

use super::applet::{Applet, Signed, public_half};
use super::{Check, Kind, Object, Report, Verdict};
use crate::reader::{ExploreError, Said, meaning};
use crate::wire::StatusWord;

/// What is signed in the modes that hash on the card: a block of zeros, and a last one.
const FIRST_BLOCK: [u8; 64] = [0; 64];
const LAST_BLOCK: &[u8] = b"IoT SAFE self-test";

/// The state of SHA-256 behind [`FIRST_BLOCK`].
const STATE: [u8; 32] = [
    0xda, 0x56, 0x98, 0xbe, 0x17, 0xb9, 0xb4, 0x69, 0x62, 0x33, 0x57, 0x99, 0x77, 0x9f, 0xbe, 0xca, 0x8c,
    0xe5, 0xd4, 0x91, 0xc0, 0xd2, 0x62, 0x43, 0xba, 0xfe, 0xf9, 0xea, 0x18, 0x37, 0xa9, 0xd8,
];

const NO_KEY: &str = "no key pair to sign with; --write generates one where a container is free";

/// Runs all checks.
pub(super) fn test(
    applet: &mut Applet<'_, '_>,
    report: &mut Report,
    write: bool,
) -> Result<(), ExploreError> {
    random(applet, report)?;
    key_generation(applet, report, write)?;
    public_keys(applet, report)?;
    signatures(applet, report)?;
    agreement(applet, report, write)?;
    files(applet, report)?;
    for (name, command, instruction) in [("PRF", "COMPUTE PRF", 0x48), ("HKDF", "COMPUTE HKDF", 0x4a)] {
        let known = applet.knows(command, instruction)?;
        let (verdict, detail) = if known {
            (Verdict::Skipped, "the instruction is there; there is nothing to compare its result with")
        } else {
            (Verdict::Absent, "the instruction is not supported")
        };
        add(report, name, verdict, detail);
    }
    Ok(())
}

fn add(report: &mut Report, name: &'static str, verdict: Verdict, detail: impl Into<String>) {
    report.checks.push(Check { name, verdict, detail: detail.into() });
}

/// A refusal: the feature is absent where the instruction or the function is, and broken otherwise.
fn refused(report: &mut Report, name: &'static str, status: StatusWord) {
    let absent = matches!(
        status,
        StatusWord::INSTRUCTION_NOT_SUPPORTED
            | StatusWord::FUNCTION_NOT_SUPPORTED
            | StatusWord::CLASS_NOT_SUPPORTED
    );
    let verdict = if absent { Verdict::Absent } else { Verdict::Fail };
    add(report, name, verdict, format!("{status}: {}", meaning(status)));
}

fn random(applet: &mut Applet<'_, '_>, report: &mut Report) -> Result<(), ExploreError> {
    const NAME: &str = "random";
    match (applet.random(32)?, applet.random(32)?) {
        (Err(status), _) | (_, Err(status)) => refused(report, NAME, status),
        (Ok(a), Ok(b)) if a.len() != 32 || b.len() != 32 => {
            add(report, NAME, Verdict::Fail, format!("{} bytes instead of 32", a.len().min(b.len())));
        }
        (Ok(a), Ok(b)) if a == b => add(report, NAME, Verdict::Fail, "two draws are equal"),
        (Ok(_), Ok(_)) => add(report, NAME, Verdict::Pass, "two draws of 32 bytes differ"),
    }
    Ok(())
}

/// Generates a pair in each container that may and that holds nothing that lasts. The object list is asked for
/// again: the pairs are there then.
fn key_generation(applet: &mut Applet<'_, '_>, report: &mut Report, write: bool) -> Result<(), ExploreError> {
    const NAME: &str = "key generation";
    let may = |o: &&Object| o.kind == Kind::PrivateKey && o.may(Object::KEY_GENERATION);
    let permitted: Vec<Object> = report.objects.iter().filter(may).cloned().collect();
    let free: Vec<&Object> = permitted.iter().filter(|o| o.expendable()).collect();
    if permitted.is_empty() {
        add(report, NAME, Verdict::Absent, "no private key may be generated");
        return Ok(());
    }
    if !write {
        add(report, NAME, Verdict::Skipped, "changes the card; --write tries it");
        return Ok(());
    }
    if free.is_empty() {
        add(report, NAME, Verdict::Skipped, "every container holds a key that a new one would destroy");
        return Ok(());
    }
    for key in free {
        match applet.generate(key)? {
            Err(status) => refused(report, NAME, status),
            Ok(Some(public)) if verifying_key(&public).is_some() => {
                let detail = format!("key {} has a point on P-256", title(key));
                add(report, NAME, Verdict::Pass, detail);
            }
            Ok(_) => add(report, NAME, Verdict::Fail, format!("key {} has no point on P-256", title(key))),
        }
    }
    if let Ok(objects) = applet.objects()? {
        report.objects = objects;
    }
    Ok(())
}

fn public_keys(applet: &mut Applet<'_, '_>, report: &mut Report) -> Result<(), ExploreError> {
    const NAME: &str = "read public key";
    let readable = |o: &&Object| o.kind == Kind::PublicKey && o.filled && o.access & Object::READ != 0;
    let keys: Vec<Object> = report.objects.iter().filter(readable).cloned().collect();
    if keys.is_empty() {
        add(report, NAME, Verdict::Skipped, "no public key is there that may be read");
    }
    for key in keys {
        match applet.public_key(&key)? {
            Err(status) => refused(report, NAME, status),
            Ok(public) => {
                let on_curve = public.as_ref().and_then(verifying_key).is_some();
                let verdict = if on_curve { Verdict::Pass } else { Verdict::Fail };
                let is = if on_curve { "is" } else { "is not" };
                add(report, NAME, verdict, format!("key {} {is} a point on P-256", title(&key)));
            }
        }
    }
    Ok(())
}

/// Signs in all three modes, verifies here, and verifies on the card.
fn signatures(applet: &mut Applet<'_, '_>, report: &mut Report) -> Result<(), ExploreError> {
    let usable = |o: &&Object| o.kind == Kind::PrivateKey && o.filled && o.may(Object::SIGNATURE);
    let Some(key) = report.objects.iter().find(usable).cloned() else {
        for name in ["sign full text", "sign last block", "sign hash", "verify on the card"] {
            add(report, name, Verdict::Skipped, NO_KEY);
        }
        return Ok(());
    };
    let half = public_half(&report.objects, &key).cloned();
    let public = match &half {
        Some(half) => applet.public_key(half)?.ok().flatten(),
        None => None,
    };
    let Some(public) = public.as_ref().and_then(verifying_key) else {
        add(
            report,
            "sign full text",
            Verdict::Skipped,
            "the public key cannot be read: nothing to verify with",
        );
        return Ok(());
    };
    for number in 0..=3 {
        if applet.takes_session(&key, number)? {
            report.dialect.sessions.push(number);
        }
    }
    let text = [&FIRST_BLOCK[..], LAST_BLOCK].concat();
    let digest = Sha256::digest(&text);
    dialect_of_signatures(applet, report, &key, &digest)?;
    let tail = LAST_BLOCK.len() as u8;
    let modes = [
        ("sign full text", 0x01, [&[0x9b, text.len() as u8][..], &text].concat()),
        (
            "sign last block",
            0x02,
            [&[0x9a, tail][..], LAST_BLOCK, &[0x9c, 0x20], &STATE, &[0x9d, 4, 0, 0, 0, 64]].concat(),
        ),
        ("sign hash", 0x03, [&[0x9e, 0x20][..], &digest].concat()),
    ];
    let mut signature = None;
    for (name, mode, data) in modes {
        let said = applet.sign(&key, mode, &data)?;
        if let Some(good) = judge(report, name, said, &public, &digest) {
            signature = Some(good);
        }
    }
    match (half, signature) {
        (Some(half), Some(signature)) if half.may(Object::SIGNATURE) => {
            verification(applet, report, &half, &digest, &signature)
        }
        _ => {
            add(
                report,
                "verify on the card",
                Verdict::Skipped,
                "no signature, or the public key may not verify",
            );
            Ok(())
        }
    }
}

/// How long the length of a signature is, for each class byte.
fn dialect_of_signatures(
    applet: &mut Applet<'_, '_>,
    report: &mut Report,
    key: &Object,
    digest: &[u8],
) -> Result<(), ExploreError> {
    let class = applet.class;
    for class in report.dialect.classes.clone() {
        applet.class = class;
        let said = applet.sign(key, 0x03, &[&[0x9e, 0x20][..], digest].concat())?;
        if let Ok(Some(signed)) = said {
            report.dialect.signature_length.push((class, signed.length_bytes));
        }
    }
    applet.class = class;
    Ok(())
}

fn judge(
    report: &mut Report,
    name: &'static str,
    said: Said<Option<Signed>>,
    public: &VerifyingKey,
    digest: &[u8],
) -> Option<[u8; 64]> {
    let signed = match said {
        Err(status) => {
            // A mode that a card does not have is incorrect data to it.
            let verdict = if status == StatusWord::INCORRECT_DATA { Verdict::Absent } else { Verdict::Fail };
            add(report, name, verdict, format!("{status}: {}", meaning(status)));
            return None;
        }
        Ok(None) => {
            add(report, name, Verdict::Fail, "the answer is no signature of 64 bytes");
            return None;
        }
        Ok(Some(signed)) => signed,
    };
    let verified = Signature::from_slice(&signed.signature)
        .is_ok_and(|signature| public.verify_prehash(digest, &signature).is_ok());
    if !verified {
        add(report, name, Verdict::Fail, "the signature does not verify with the public key");
        return None;
    }
    add(report, name, Verdict::Pass, "verified with the public key");
    Some(signed.signature)
}

/// The card has to accept a good signature and to refuse a bad one.
fn verification(
    applet: &mut Applet<'_, '_>,
    report: &mut Report,
    half: &Object,
    digest: &[u8],
    signature: &[u8; 64],
) -> Result<(), ExploreError> {
    const NAME: &str = "verify on the card";
    if let Err(status) = applet.verify(half, digest, signature)? {
        refused(report, NAME, status);
        return Ok(());
    }
    let other = Sha256::digest(b"another text");
    match applet.verify(half, &other, signature)? {
        Ok(()) => add(report, NAME, Verdict::Fail, "a signature over another text is accepted"),
        Err(status) => {
            add(report, NAME, Verdict::Pass, format!("good accepted, bad refused with {status}"));
        }
    }
    Ok(())
}

/// Agrees on a secret with a peer whose private key is the number two: nothing depends on it being secret.
fn agreement(applet: &mut Applet<'_, '_>, report: &mut Report, write: bool) -> Result<(), ExploreError> {
    const NAME: &str = "key agreement";
    let find = |wanted: &dyn Fn(&Object) -> bool| report.objects.iter().find(|o| wanted(o)).cloned();
    let own = find(&|o| o.kind == Kind::PrivateKey && o.filled && o.may(Object::KEY_AGREEMENT));
    let container = find(&|o| {
        let takes = o.kind == Kind::PublicKey && o.access & Object::UPDATE != 0 && o.expendable();
        takes && o.may(Object::KEY_AGREEMENT)
    });
    if report.objects.iter().all(|o| !o.may(Object::KEY_AGREEMENT)) {
        add(report, NAME, Verdict::Absent, "no key may be used for it");
        return Ok(());
    }
    if !write {
        add(report, NAME, Verdict::Skipped, "changes the card; --write tries it");
        return Ok(());
    }
    let (Some(own), Some(container)) = (own, container) else {
        add(report, NAME, Verdict::Skipped, "no key pair, or no free container for a peer's key");
        return Ok(());
    };
    let public = match public_half(&report.objects, &own).cloned() {
        Some(half) => applet.public_key(&half)?.ok().flatten(),
        None => None,
    };
    let Some(public) = public.as_ref().and_then(verifying_key) else {
        add(report, NAME, Verdict::Skipped, "the card's public key cannot be read: nothing to compare with");
        return Ok(());
    };
    let private = Scalar::from(2_u64);
    let peer = coordinates(&(ProjectivePoint::GENERATOR * private));
    if let Err(status) = applet.put_public_key(&container, &peer)? {
        refused(report, "put public key", status);
        return Ok(());
    }
    add(report, "put public key", Verdict::Pass, format!("into container {}", title(&container)));
    let expected = (ProjectivePoint::from(*public.as_affine()) * private).to_affine().x();
    match applet.agree(&own, &container)? {
        Err(status) => refused(report, NAME, status),
        Ok(secret) if secret[..] == expected[..] => {
            add(report, NAME, Verdict::Pass, "both sides compute the same secret");
        }
        Ok(_) => add(report, NAME, Verdict::Fail, "the card's secret is another one"),
    }
    Ok(())
}

fn files(applet: &mut Applet<'_, '_>, report: &mut Report) -> Result<(), ExploreError> {
    const NAME: &str = "read file";
    let files: Vec<Object> = report.objects.iter().filter(|o| o.kind == Kind::File).cloned().collect();
    if files.is_empty() {
        add(report, NAME, Verdict::Absent, "there are no files");
    }
    for file in files {
        let name = title(&file);
        if file.access & Object::READ == 0 || file.size == 0 {
            let why = if file.size == 0 { "is empty" } else { "may not be read" };
            add(report, NAME, Verdict::Skipped, format!("file {name} {why}"));
            continue;
        }
        match applet.read_file(&file)? {
            Err(status) => refused(report, NAME, status),
            Ok(content) if content.len() < file.size => {
                let detail = format!("file {name} ends after {} of {} bytes", content.len(), file.size);
                add(report, NAME, Verdict::Fail, detail);
            }
            Ok(content) => add(report, NAME, Verdict::Pass, format!("file {name}, {} bytes", content.len())),
        }
    }
    Ok(())
}

/// Identifier and label of an object.
fn title(object: &Object) -> String {
    let id = hex::encode(&object.id);
    if object.label.is_empty() { id } else { format!("{id} \"{}\"", object.label) }
}

fn verifying_key(public: &[u8; 64]) -> Option<VerifyingKey> {
    VerifyingKey::from_sec1_bytes(&[&[0x04][..], public].concat()).ok()
}

/// X || Y.
fn coordinates(point: &ProjectivePoint) -> [u8; 64] {
    let encoded = point.to_affine().to_encoded_point(false);
    let mut out = [0; 64];
    if let Some(coordinates) = encoded.as_bytes().get(1..65) {
        out.copy_from_slice(coordinates);
    }
    out
}
