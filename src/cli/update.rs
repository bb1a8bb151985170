//! `cellbed update`: manifests of firmware, and repositories of them.

use std::path::Path;
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use super::args::{OfModel, UpdatePublishArgs, UpdateSignArgs, UpdateVerb, UpdateVerifyArgs};
use super::exit::Exit;
use super::terminal;
use crate::crypto::rsp_cert::RspKey;
use crate::crypto::{CryptoError, SoftKey};
use crate::io::clock;
use crate::io::files::{self, FileError, read_bytes};
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::update::{
    AuthorKey, Outcome, Target, TufTarget, TufVersion, UpdateError, Vendor, repository, run, uuid5, vendor_id,
};
use crate::wire::suit::{
    Command, Condition, Directive, Envelope, Index, Manifest, Parameter, Section, Severable, SuitError,
};

const DAY_S: u64 = 86_400;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum UpdateCliError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: it is no private key: PEM or DER is expected, SEC 1 or PKCS #8, on P-256")]
    Key { path: String },
    #[error("{path}: the key is on brainpoolP256r1: manifests are signed on P-256")]
    Curve { path: String },
    #[error("{path}: {cause}")]
    Manifest { path: String, cause: SuitError },
    #[error("{path}: {cause}")]
    Refused { path: String, cause: UpdateError },
    #[error("{path}: the image is not the one of the manifest")]
    Image { path: String },
    #[error("{path}: it has no name that a repository could give it")]
    Name { path: String },
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Runs the command. A manifest that is not in order is a finding; everything else that fails is a wrong set-up.
pub fn main(verb: &UpdateVerb) -> ExitCode {
    let result = match verb {
        UpdateVerb::Sign(args) => sign(args),
        UpdateVerb::Show { file } => show(file),
        UpdateVerb::Verify(args) => verify(args),
        UpdateVerb::Publish(args) => publish(args),
    };
    match result {
        Ok(()) => Exit::Pass.into(),
        Err(error) => {
            let exit = match &error {
                UpdateCliError::Refused { .. } | UpdateCliError::Image { .. } => Exit::Failed,
                _ => Exit::SetUp,
            };
            terminal::failure(error);
            exit.into()
        }
    }
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

fn key_of(path: &Path) -> Result<SoftKey, UpdateCliError> {
    let wrong = |_| UpdateCliError::Key { path: text_of(path) };
    let key = RspKey::from_file(&read_bytes(path)?).map_err(wrong)?;
    key.soft().ok_or_else(|| UpdateCliError::Curve { path: text_of(path) })
}

fn envelope_of(path: &Path) -> Result<Envelope, UpdateCliError> {
    let wrong = |cause| UpdateCliError::Manifest { path: text_of(path), cause };
    Envelope::decode(&read_bytes(path)?).map_err(wrong)
}

fn sign(args: &UpdateSignArgs) -> Result<(), UpdateCliError> {
    let vendor = Vendor::new(&args.of.vendor, key_of(&args.key)?, args.of.model, args.of.component);
    let offer = vendor.offer_of(read_bytes(&args.image)?, args.sequence, args.base.trim_end_matches('/'));
    files::write_bytes(&args.out, &offer.envelope)?;
    let public = vendor.author().public;
    terminal::page(
        &(row!("manifest {}", hex::encode(offer.release.manifest))
            + row!("   image {}, {} bytes", hex::encode(offer.release.image), offer.image.len())
            + row!("  author {}", hex::encode(public))),
    );
    Ok(())
}

/// A device of a model that holds an image, or that is not asked about it.
struct Asked<'a> {
    of: &'a OfModel,
    image: Option<&'a [u8]>,
}

impl Target for Asked<'_> {
    fn vendor(&self, _: usize) -> [u8; 16] {
        vendor_id(&self.of.vendor)
    }

    fn class(&self, _: usize) -> [u8; 16] {
        uuid5(&vendor_id(&self.of.vendor), &self.of.model.name())
    }

    fn device(&self) -> Option<[u8; 16]> {
        None
    }

    fn slot(&self, _: usize) -> u64 {
        0
    }

    fn holds(&self, _: usize, digest: &[u8; 32], size: Option<u64>) -> bool {
        self.image.is_some_and(|image| {
            Sha256::digest(image)[..] == *digest && size.is_none_or(|size| size == image.len() as u64)
        })
    }
}

fn verify(args: &UpdateVerifyArgs) -> Result<(), UpdateCliError> {
    let path = text_of(&args.file);
    let refused = |cause: UpdateError| UpdateCliError::Refused { path: path.clone(), cause };
    let envelope = envelope_of(&args.file)?;
    let author = AuthorKey::esp256(args.key);
    let manifest = envelope.open(|one| author.has_signed(&one)).map_err(|cause| refused(cause.into()))?;
    if manifest.components != [vec![args.of.component.name().into_bytes()]] {
        return Err(refused(UpdateError::Component));
    }
    let image = args.image.as_deref().map(read_bytes).transpose()?;
    let target = Asked { of: &args.of, image: image.as_deref() };
    let outcome = run(&manifest, Section::Install, &target).map_err(refused)?;
    if let (Some(path), Outcome::Fetch(_)) = (&args.image, &outcome) {
        return Err(UpdateCliError::Image { path: text_of(path) });
    }
    terminal::line(format_args!(
        "manifest {} of sequence number {} is in order: signed by the author, for {} of {}",
        hex::encode(envelope.digest()),
        manifest.sequence,
        args.of.model.name(),
        args.of.vendor
    ));
    Ok(())
}

fn publish(args: &UpdatePublishArgs) -> Result<(), UpdateCliError> {
    let signer = key_of(&args.key)?;
    let mut targets = Vec::new();
    for path in &args.files {
        let content = read_bytes(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| UpdateCliError::Name { path: text_of(path) })?.to_owned();
        let digest = Envelope::decode(&content).ok().map(|envelope| hex::encode(envelope.digest()));
        let custom = digest.map(|digest| ("suit-digest", digest)).into_iter().collect();
        targets.push(TufTarget { name, content, custom });
    }
    let expires_unix_s = clock::unix_s() + u64::from(args.days) * DAY_S;
    let version = TufVersion { number: args.version, expires_unix_s };
    for (name, bytes) in repository(&targets, version, &signer)? {
        files::write_bytes(&args.into.join(name), &bytes)?;
    }
    let count = targets.len();
    terminal::line(format_args!("{count} targets in {}, version {}", text_of(&args.into), args.version));
    Ok(())
}

fn show(path: &Path) -> Result<(), UpdateCliError> {
    let envelope = envelope_of(path)?;
    // Whoever looks at it may look at what nobody has signed.
    let manifest =
        envelope.open(|_| true).map_err(|cause| UpdateCliError::Manifest { path: text_of(path), cause })?;
    terminal::page(&(row!("digest {}", hex::encode(envelope.digest())) + text(&manifest)));
    Ok(())
}

fn text(manifest: &Manifest) -> Page {
    let mut page = row!("sequence number {}", manifest.sequence);
    for (index, component) in manifest.components.iter().enumerate() {
        let parts: Vec<_> = component.iter().map(|part| part.escape_ascii().to_string()).collect();
        page += row!("component {index}: {}", parts.join("/"));
    }
    if let Some(uri) = &manifest.reference_uri {
        page += row!("whole manifest at {uri}");
    }
    page = page + row!("shared") + sequence(&manifest.shared, 1);
    for (section, commands) in &manifest.sections {
        page += match commands {
            Severable::CutOff(digest) => row!("{}: cut off, {}", section.name(), hex::encode(digest)),
            Severable::Inside(commands) => row!("{}", section.name()) + sequence(commands, 1),
            Severable::Beside(commands) => {
                row!("{}, beside the manifest", section.name()) + sequence(commands, 1)
            }
        };
    }
    page
}

fn sequence(commands: &[Command], depth: usize) -> Page {
    let mut page = Page::default();
    let indent = "  ".repeat(depth);
    for command in commands {
        page += match command {
            Command::Condition { what, .. } => row!("{indent}{}", condition(*what)),
            Command::Directive(directive) => match directive {
                Directive::SetComponentIndex(Index::One(index)) => row!("{indent}component {index}"),
                Directive::SetComponentIndex(Index::All) => row!("{indent}every component"),
                Directive::OverrideParameters(parameters) => parameters
                    .iter()
                    .fold(Page::default(), |page, one| page + row!("{indent}set {}", parameter(one))),
                Directive::TryEach { sequences, may_fail } => {
                    let each = sequences.iter().fold(row!("{indent}try each"), |page, one| {
                        page + row!("{indent}-") + sequence(one, depth + 1)
                    });
                    if *may_fail { each + row!("{indent}- or none") } else { each }
                }
                Directive::RunSequence(inner) => row!("{indent}run") + sequence(inner, depth + 1),
                Directive::Write(_) => row!("{indent}write the content"),
                Directive::Fetch(_) => row!("{indent}fetch"),
                Directive::Copy(_) => row!("{indent}copy the source component"),
                Directive::Invoke(_) => row!("{indent}invoke"),
                Directive::Swap(_) => row!("{indent}swap with the source component"),
            },
        };
    }
    page
}

fn condition(what: Condition) -> &'static str {
    match what {
        Condition::VendorIdentifier => "vendor identifier matches",
        Condition::ClassIdentifier => "class identifier matches",
        Condition::ImageMatch => "image matches",
        Condition::ComponentSlot => "slot matches",
        Condition::CheckContent => "content matches",
        Condition::Abort => "abort",
        Condition::DeviceIdentifier => "device identifier matches",
    }
}

fn parameter(parameter: &Parameter) -> String {
    match parameter {
        Parameter::VendorIdentifier(id) => format!("vendor {}", hex::encode(id)),
        Parameter::ClassIdentifier(id) => format!("class {}", hex::encode(id)),
        Parameter::DeviceIdentifier(id) => format!("device {}", hex::encode(id)),
        Parameter::ImageDigest(digest) => format!("image digest {}", hex::encode(digest)),
        Parameter::ImageSize(size) => format!("image size {size}"),
        Parameter::ComponentSlot(slot) => format!("slot {slot}"),
        Parameter::StrictOrder(is) => format!("strict order {is}"),
        Parameter::SoftFailure(is) => format!("soft failure {is}"),
        Parameter::Content(content) => format!("content of {} bytes", content.len()),
        Parameter::Uri(uri) => format!("URI {uri}"),
        Parameter::SourceComponent(index) => format!("source component {index}"),
        Parameter::InvokeArguments(arguments) => format!("arguments {}", hex::encode(arguments)),
        Parameter::FetchArguments(arguments) => format!("fetch arguments {}", hex::encode(arguments)),
    }
}
