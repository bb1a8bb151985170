//! `cellbed pki`: makes, shows, checks and changes the certificates of remote SIM provisioning.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use time::OffsetDateTime;
use x509_cert::ext::pkix::CrlReason;

use super::args::{PkiNewArgs, PkiReason, PkiRenewArgs, PkiRevokeArgs, PkiVerb};
use super::exit::Exit;
use super::terminal;
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{Crl, Curve, Oid, Role, RspCertError, RspCertificate};
use crate::esim::pki::{Deployment, Identity, Material, PkiOptions};
use crate::esim::{EsimError, Pki};
use crate::io::entropy::{self, EntropyError};
use crate::io::pki_folder::{self, PkiFolderError};
use crate::io::{clock, files};
use crate::kernel::text::row;
use crate::kernel::{EPOCH_UNIX_S, Page, ServedRng};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum PkiCliError {
    #[error(transparent)]
    Folder(#[from] PkiFolderError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Esim(#[from] EsimError),
    #[error("{path}: {cause}")]
    Certificate { path: String, cause: RspCertError },
    #[error("{dir} has no {what} to renew")]
    NothingToRenew { dir: String, what: String },
}

/// Runs the command. A certificate that is not in order is a finding; everything else that fails is a wrong set-up.
pub fn main(verb: &PkiVerb) -> ExitCode {
    let result = match verb {
        PkiVerb::New(args) => new(args),
        PkiVerb::Show { path } => show(path),
        PkiVerb::Check { dir } => return check(dir),
        PkiVerb::Revoke(args) => revoke(args),
        PkiVerb::Renew(args) => renew(args),
    };
    match result {
        Ok(()) => Exit::Pass.into(),
        Err(error) => failed(error),
    }
}

fn failed(error: impl fmt::Display) -> ExitCode {
    terminal::failure(error);
    Exit::SetUp.into()
}

fn new(args: &PkiNewArgs) -> Result<(), PkiCliError> {
    let (rng, first) = match args.seed {
        Some(seed) => {
            terminal::warning(format_args!(
                "the private keys of {} follow from seed {seed}: they are public; leave --seed out for keys of your own",
                args.dir.display()
            ));
            (ServedRng::from_public_seed(seed).tree().branch("pki"), EPOCH_UNIX_S)
        }
        None => (entropy::fresh()?.tree().clone(), clock::unix_s()),
    };
    let mut options = PkiOptions {
        curve: args.curve.into(),
        now_unix_s: args.from.map_or(first, |d| d.0),
        ..PkiOptions::default()
    };
    if !args.ein.is_empty() {
        options.eins.clone_from(&args.ein);
    }
    let mut made = Deployment::new(&rng, &options, &args.host)?;
    for eid in &args.eid {
        let (key, [certificate, _]) = made.pki.euicc(eid, &rng.branch("euicc").branch(eid))?;
        made.euicc.push(Identity { key, certificate });
    }
    let mut written = made.to_files();
    written.extend(args.seed.map(pki_folder::lab_mark));
    pki_folder::create(&args.dir, &written)?;
    if made.pki.curve() == Curve::BrainpoolP256r1 {
        terminal::warning(
            "TLS has no certificates on brainpoolP256r1: this folder is for eUICCs (card serve --euicc --pki), and \
             esim serve does not take it; leave --curve out for one that it takes",
        );
    }
    terminal::page(&table(&Material::read(&made.to_files())));
    Ok(())
}

fn show(path: &Path) -> Result<(), PkiCliError> {
    if files::is_folder(path) {
        let material = Material::read(&pki_folder::read(path)?);
        terminal::page(&table(&material));
        pki_folder::said_of_keys(path).iter().for_each(terminal::line);
        return Ok(());
    }
    let bytes = pki_folder::read_file(path)?;
    let wrong = |cause| PkiCliError::Certificate { path: path.display().to_string(), cause };
    let text = match (RspCertificate::from_file(&bytes), Crl::from_file(&bytes)) {
        (Ok(certificate), _) => certificate_text(&certificate),
        (Err(_), Ok(crl)) => crl_text(&crl),
        (Err(cause), Err(_)) => return Err(wrong(cause)),
    };
    terminal::page(&text);
    Ok(())
}

fn check(dir: &Path) -> ExitCode {
    let files = match pki_folder::read(dir) {
        Ok(files) => files,
        Err(error) => return failed(error),
    };
    let material = Material::read(&files);
    let checked = material.check(clock::unix_s(), &Tally::new());
    if checked.is_empty() {
        terminal::failure(format_args!("{} holds no certificate", dir.display()));
        return Exit::NothingRan.into();
    }
    let width = checked.iter().map(|file| file.path.len()).max().unwrap_or(0);
    for file in &checked {
        let role = file.role.map_or_else(String::new, |role| role.to_string());
        match &file.problem {
            None => terminal::line(format_args!("     ok  {:width$}  {role}", file.path)),
            Some(problem) => terminal::line(format_args!("  WRONG  {:width$}  {problem}", file.path)),
        }
    }
    for (path, what) in &material.left_out {
        terminal::line(format_args!("skipped  {path:width$}  {what}"));
    }
    pki_folder::said_of_keys(dir).iter().for_each(terminal::line);
    let wrong = checked.iter().filter(|file| file.problem.is_some()).count();
    if wrong == 0 {
        terminal::page(&(row!("") + row!("{} files are in order", checked.len())));
        return Exit::Pass.into();
    }
    terminal::page(&(row!("") + row!("{wrong} of {} files are not in order", checked.len())));
    Exit::Failed.into()
}

fn revoke(args: &PkiRevokeArgs) -> Result<(), PkiCliError> {
    let (mut made, _) = load(&args.dir)?;
    let path = args.certificate.display().to_string();
    let certificate = RspCertificate::from_file(&pki_folder::read_file(&args.certificate)?)
        .map_err(|cause| PkiCliError::Certificate { path, cause })?;
    made.pki.revoke(&certificate, args.reason.into(), clock::unix_s())?;
    let mut files = made.to_files();
    files.retain(|file| file.name().starts_with("CRL_"));
    pki_folder::replace(&args.dir, &files)?;
    terminal::line(format_args!(
        "revoked {}, serial number {}",
        name(&certificate.subject_text()),
        hex::encode(certificate.serial())
    ));
    Ok(())
}

fn renew(args: &PkiRenewArgs) -> Result<(), PkiCliError> {
    let (mut made, _) = load(&args.dir)?;
    let (rng, now) = (entropy::fresh()?.tree().clone(), clock::unix_s());
    let meant = |oid: &Oid| args.oid.as_ref().is_none_or(|asked| asked == oid);
    let mut renewed = Vec::new();
    for smdp in made.smdp.iter_mut().filter(|smdp| meant(&smdp.oid)) {
        *smdp = made.pki.renew_smdp(smdp, now, &rng)?;
        renewed.push(format!("SM-DP+ {}", smdp.oid));
    }
    for smds in made.smds.iter_mut().filter(|smds| meant(&smds.oid)) {
        *smds = made.pki.renew_smds(smds, now, &rng)?;
        renewed.push(format!("SM-DS {}", smds.oid));
    }
    for operator in &mut made.operator {
        let Some(oid) = operator.certificate.registered_id().cloned().filter(|oid| meant(oid)) else {
            continue;
        };
        *operator = made.pki.renew_operator(operator, now, &rng)?;
        renewed.push(format!("operator {oid}"));
    }
    if renewed.is_empty() {
        let what = args.oid.as_ref().map_or_else(|| "server".to_owned(), |oid| format!("server {oid}"));
        return Err(PkiCliError::NothingToRenew { dir: args.dir.display().to_string(), what });
    }
    if made.pki.crl.is_some() {
        made.pki.renew_crl(now)?;
    }
    pki_folder::replace(&args.dir, &made.to_files())?;
    terminal::line(format_args!("renewed {}", renewed.join(", ")));
    Ok(())
}

/// Loads a folder and says what it leaves out.
fn load(dir: &Path) -> Result<(Deployment, Vec<String>), PkiCliError> {
    let (made, notes) = pki_folder::load(dir, None)?;
    for note in &notes {
        terminal::warning(note);
    }
    Ok((made, notes))
}

/// The chain as a table, issuers first.
fn table(material: &Material) -> Page {
    let mut rows = vec![["ROLE", "OID OR EID", "KEY", "VALID UNTIL", "SUBJECT", "FILE"].map(str::to_owned)];
    let mut certificates: Vec<_> = material.certificates.iter().collect();
    certificates.sort_by_key(|(path, certificate)| (certificate.role().unwrap_or(Role::Eim), path));
    for (path, certificate) in certificates {
        rows.push([
            role_text(certificate),
            who(certificate),
            hex::encode(certificate.key_id()).chars().take(16).collect(),
            day(certificate.not_after_unix_s()),
            name(&certificate.subject_text()),
            path.clone(),
        ]);
    }
    for (path, crl) in &material.crls {
        rows.push([
            "CRL".to_owned(),
            format!("number {}, {} revoked", crl.number(), crl.revoked().len()),
            crl.authority_key_id().map(hex::encode).unwrap_or_default().chars().take(16).collect(),
            crl.next_update_unix_s().map(day).unwrap_or_default(),
            name(&crl.issuer().to_string()),
            path.clone(),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        row!("{}", cells.join("  "))
    };
    let mut text: Page = rows.iter().map(line).collect();
    for (path, reason) in material.broken.iter().chain(&material.left_out) {
        text += row!("not read: {path}: {reason}");
    }
    text += row!("{} private keys", material.keys.len());
    let lab = Pki::lab().ok().map(|lab| lab.ci.certificate);
    if lab.is_some_and(|lab| material.certificates.iter().any(|(_, known)| known.public() == lab.public())) {
        text += row!(
            "this is the lab's hierarchy: its private keys are public, and what it certifies proves nothing"
        );
    }
    text
}

fn certificate_text(certificate: &RspCertificate) -> Page {
    let mut text = row!("certificate of {}", role_text(certificate));
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            text += row!("  {name:<14}{value}");
        }
    };
    field("subject", name(&certificate.subject_text()));
    field("issuer", name(&certificate.issuer().to_string()));
    field("serial", hex::encode(certificate.serial()));
    field("valid from", day(certificate.not_before_unix_s()));
    field("valid until", day(certificate.not_after_unix_s()));
    field("curve", certificate.public().curve().to_string());
    field("key id", hex::encode(certificate.key_id()));
    field("issuer key id", certificate.authority_key_id().map(hex::encode).unwrap_or_default());
    field("OID or EID", who(certificate));
    field("hosts", certificate.hosts().join(", "));
    let addresses: Vec<String> = certificate.addresses().iter().map(ToString::to_string).collect();
    field("addresses", addresses.join(", "));
    let eins = certificate.permitted().unwrap_or_default().iter().map(|tree| tree.ein.clone());
    field("may certify", eins.map(|ein| format!("EIDs {ein}...")).collect::<Vec<_>>().join(", "));
    field("lists at", certificate.crl_urls().join(", "));
    let unknown = certificate.unknown_critical().iter().map(ToString::to_string);
    field("not understood", unknown.collect::<Vec<_>>().join(", "));
    field("sha256", hex::encode(certificate.fingerprint()));
    text
}

fn crl_text(crl: &Crl) -> Page {
    let mut text = row!("revocation list {} of {}", crl.number(), name(&crl.issuer().to_string()));
    text += row!("  issued        {}", day(crl.this_update_unix_s()));
    if let Some(next) = crl.next_update_unix_s() {
        text += row!("  next          {}", day(next));
    }
    for (serial, revocation) in crl.revoked() {
        let reason = revocation.reason.map_or_else(|| "no reason".to_owned(), |reason| format!("{reason:?}"));
        text += row!("  revoked       {} on {}, {reason}", hex::encode(serial), day(revocation.since_unix_s));
    }
    text
}

/// A distinguished name for people: RFC 4514 puts a backslash before each plus, and SM-DP+ has one.
fn name(text: &str) -> String {
    text.replace("\\+", "+")
}

/// What its policies say that it is for (SGP.22 annex H); those of an eIM say nothing.
fn role_text(certificate: &RspCertificate) -> String {
    match certificate.role() {
        Some(role) => role.to_string(),
        None => "none named".to_owned(),
    }
}

fn who(certificate: &RspCertificate) -> String {
    let eid = certificate.eid().map(str::to_owned);
    eid.or_else(|| certificate.registered_id().map(ToString::to_string)).unwrap_or_default()
}

/// A moment as its day in UTC; the number itself where it has none.
fn day(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .map_or_else(|| format!("{unix_s} s"), |time| time.date().to_string())
}

impl From<PkiReason> for CrlReason {
    fn from(reason: PkiReason) -> Self {
        match reason {
            PkiReason::KeyCompromise => Self::KeyCompromise,
            PkiReason::Superseded => Self::Superseded,
            PkiReason::CessationOfOperation => Self::CessationOfOperation,
            PkiReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}
