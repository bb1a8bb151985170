//! Erasing a device from the folder of a run (GDPR, Article 17).
//!
//! What stands on the ledger stays for ever, so it says nothing by itself: an identity there is a hash of the EID with a
//! salt that no file has. The entries that name the device and every recording of the run go. A recording is removed as a
//! whole, since what others send and receive names the device as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::folder::{AuditError, BOOKS, CERTIFICATES, LEDGER, read_books};
use crate::id::{DeviceName, Eid, Iccid};
use crate::io::erasure;
use crate::io::files::{FileError, write_bytes};
use crate::kernel::Blame;
use crate::report::{ReadError, RunSummary, read_metrics};
use crate::wire::bcd;
use crate::world::books::{Fact, Salts};

/// What a run records of everything that happens.
const RECORDINGS: [&str; 6] =
    ["transcript.txt", "trace.pcapng", "events.jsonl", "sslkeylog.txt", "report.html", "junit.xml"];
const METRICS: &str = "metrics.json";

/// Which device is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By its number in the run.
    Number(u32),
    /// By its card.
    Eid(Eid),
    /// As the ledger knows it.
    Id([u8; 32]),
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut id = [0; 32];
        if hex::decode_to_slice(text, &mut id).is_ok() {
            return Ok(Self::Id(id));
        }
        if let Ok(eid) = text.parse() {
            return Ok(Self::Eid(eid));
        }
        let number =
            text.parse().map_err(|_| "it is no number of a device, no EID and no identity of 64 hex digits");
        Ok(Self::Number(number?))
    }
}

/// Why a device cannot be erased.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum EraseError {
    #[error(transparent)]
    Books(#[from] AuditError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {cause}", path.display())]
    Metrics { path: PathBuf, cause: ReadError },
    #[error("the books of this run name no such device: it was erased before, or never there")]
    Nobody,
    #[error("{} still names the device, and is no file that a run leaves: remove it, or the name in it", path.display())]
    Left { path: PathBuf },
}

impl EraseError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Books(error) => error.blame(),
            Self::File(_) | Self::Metrics { .. } | Self::Nobody | Self::Left { .. } => Blame::Bench,
        }
    }
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The numbers of the device and of copies of its card.
    pub devices: BTreeSet<u32>,
    /// How many entries of the books are gone.
    pub entries: usize,
    /// The recordings that are gone.
    pub recordings: Vec<&'static str>,
    /// Where the salts of the run are from: those of a seed can be drawn again.
    pub salts: Salts,
}

/// What names a device.
#[derive(Default)]
struct Names {
    devices: BTreeSet<u32>,
    iccids: Vec<Iccid>,
    ids: Vec<[u8; 32]>,
    names: Vec<DeviceName>,
    /// Texts and octets that are not to be left in any file but the ledger's.
    traces: Vec<Vec<u8>>,
}

impl Names {
    fn octets(&mut self, octets: &[u8]) {
        let text = hex::encode(octets);
        self.traces.extend([octets.to_vec(), text.to_uppercase().into_bytes(), text.into_bytes()]);
    }

    /// Digits as text, and packed as cards and networks have them, low nibble first or high.
    fn digits(&mut self, digits: &str) {
        self.traces.push(digits.as_bytes().to_vec());
        let mut forms = vec![bcd::packed(digits)];
        if !digits.len().is_multiple_of(2) {
            // The parity of an odd IMSI stands before its digits (TS 24.008 clause 10.5.1.4).
            forms.push(bcd::packed(&format!("9{digits}")));
        }
        for packed in forms {
            self.octets(&packed);
            self.octets(&packed.iter().map(|octet| octet.rotate_left(4)).collect::<Vec<_>>());
        }
    }

    /// Whether the fact is about the device.
    fn are_in(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Device { device, .. }
            | Fact::Reserved { device, .. }
            | Fact::Card { device, .. }
            | Fact::UnderWay { device }
            | Fact::Refused { device, .. } => self.devices.contains(device),
            Fact::Subscription { iccid, .. } => self.iccids.contains(iccid),
            Fact::Certificate { name, .. } => self.names.contains(name),
            Fact::Record { id, .. } | Fact::Recorded { id, .. } => self.ids.contains(&id.0),
            Fact::Run { .. } | Fact::Erased { .. } => false,
        }
    }
}

/// Erases a device from the folder of a run. What was begun and cut short is done by asking again.
///
/// # Errors
/// [`EraseError`]; where it is [`EraseError::Left`] everything else is erased.
pub fn erase(run: &Path, who: &Who) -> Result<Erased, EraseError> {
    let mut facts = Vec::new();
    read_books(run, |fact| facts.push(fact))?;
    let names = names_of(&facts, who).ok_or(EraseError::Nobody)?;
    let mut recordings = Vec::new();
    for name in RECORDINGS {
        if erasure::remove(&run.join(name))? {
            recordings.push(name);
        }
    }
    forget_in_metrics(&run.join(METRICS), &names)?;
    forget_in_index(&run.join(CERTIFICATES), &names)?;
    // The books last: while the device stands in them, it can be erased again.
    let before = facts.len();
    facts.retain(|fact| !names.are_in(fact));
    let entries = before - facts.len();
    facts.extend(names.devices.iter().map(|device| Fact::Erased { device: *device }));
    let lines: Vec<String> =
        facts.iter().map(|fact| serde_json::to_string(fact).unwrap_or_default()).collect();
    write_bytes(&run.join(BOOKS), (lines.join("\n") + "\n").as_bytes())?;
    check_nothing_is_left(run, &names)?;
    let salts = facts.iter().find_map(|fact| match fact {
        Fact::Run { salts, .. } => Some(*salts),
        _ => None,
    });
    Ok(Erased { devices: names.devices, entries, recordings, salts: salts.unwrap_or(Salts::LabKeys) })
}

/// Everything that names the device, or a copy of its card.
fn names_of(facts: &[Fact], who: &Who) -> Option<Names> {
    let eid = facts.iter().find_map(|fact| match fact {
        Fact::Device { device, eid, id, .. } => {
            let meant = match who {
                Who::Number(number) => number == device,
                Who::Eid(wanted) => wanted == eid,
                Who::Id(wanted) => *wanted == id.0,
            };
            meant.then_some(eid)
        }
        _ => None,
    })?;
    let mut names = Names::default();
    for fact in facts {
        if let Fact::Device { device, iccid, eid: of, id, name, .. } = fact
            && of == eid
        {
            names.devices.insert(*device);
            names.iccids.push(iccid.clone());
            names.ids.push(id.0);
            names.names.push(*name);
            let uuid = name.to_string();
            names.octets(&hex::decode(uuid.replace('-', "")).unwrap_or_default());
            names.traces.push(uuid.into_bytes());
            names.octets(&id.0);
            names.digits(iccid.as_str());
        }
    }
    names.digits(eid.as_str());
    for fact in facts {
        if let Fact::Reserved { device, iccid } = fact
            && names.devices.contains(device)
        {
            names.iccids.push(iccid.clone());
            names.digits(iccid.as_str());
        }
    }
    for fact in facts {
        if let Fact::Subscription { imsi, iccid, .. } = fact
            && names.iccids.contains(iccid)
        {
            names.digits(imsi.as_str());
        }
    }
    Some(names)
}

/// Takes out of the metrics what they tell of a device.
fn forget_in_metrics(path: &Path, names: &Names) -> Result<(), EraseError> {
    let Some(bytes) = erasure::read_if_there(path)? else { return Ok(()) };
    let failed = |cause| EraseError::Metrics { path: path.to_owned(), cause };
    let mut summary: RunSummary = read_metrics(bytes.as_slice()).map_err(failed)?;
    let alone = summary.facts.devices == 1;
    let of_it =
        |text: &str| alone || names.devices.iter().any(|device| text.contains(&format!("device {device}")));
    summary.steps.retain(|row| !names.devices.contains(&row.device));
    summary.expectations.retain(|row| !of_it(&row.text));
    summary.reason = summary.reason.map(|reason| if of_it(&reason) { "erased".to_owned() } else { reason });
    if let Some(audit) = &mut summary.audit {
        audit
            .findings
            .retain(|finding| !finding.device.is_some_and(|device| names.devices.contains(&device)));
    }
    let text = serde_json::to_vec_pretty(&summary).unwrap_or_default();
    Ok(write_bytes(path, &text)?)
}

/// Takes the certificates of a device out of the authority's index.
fn forget_in_index(path: &Path, names: &Names) -> Result<(), EraseError> {
    let Some(bytes) = erasure::read_if_there(path)? else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    let is_of_it = |line: &str| names.names.iter().any(|name| line.contains(&name.to_string()));
    let kept: String = text.split_inclusive('\n').filter(|line| !is_of_it(line)).collect();
    Ok(write_bytes(path, kept.as_bytes())?)
}

/// Looks through every file that is left: none but the ledger's may name the device.
fn check_nothing_is_left(run: &Path, names: &Names) -> Result<(), EraseError> {
    for path in erasure::files_below(run)? {
        if path.starts_with(run.join(LEDGER)) {
            continue;
        }
        let Some(bytes) = erasure::read_if_there(&path)? else { continue };
        let named = names.traces.iter().any(|trace| bytes.windows(trace.len()).any(|window| window == trace));
        if named {
            return Err(EraseError::Left { path });
        }
    }
    Ok(())
}
