//! Writes the files of a subscriber to a programmable test card: what TS 31.102 and TS 102 221 define, and
//! nothing else. Keys, their sequence numbers and codes are not in files that a standard defines; each vendor
//! has commands of its own for them.

use super::info;
use super::terminal::{Said, Target, Terminal};
use super::{ADM1, ExploreError, identity};
use crate::card::Personalisation;
use crate::wire::StatusWord;
use crate::wire::bcd;

/// What a SIM profile says and no file of a standard takes.
pub const NOT_WRITTEN: &[(&str, &str)] = &[
    ("K, OP, OPc", "each vendor has its own commands for them; use the tool that came with the cards"),
    ("SQN", "kept by the card; a home network that is behind is told so by AUTS"),
    ("PIN1, PUK1, ADM1", "set by the vendor's tool"),
    ("EID", "fixed when an eUICC is made"),
    ("APN", "not in a file; the device asks for it"),
];

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What the specification calls it.
    pub name: &'static str,
    /// Whether it is in the MF; otherwise in ADF.USIM.
    in_master: bool,
    id: u16,
    /// Whether the content names the subscriber.
    pub identifies: bool,
    /// Whether a card that does not let it be written is taken as it is.
    pub optional: bool,
    /// What is in it now.
    pub present: Said<Vec<u8>>,
    /// What shall be in it.
    pub wanted: Vec<u8>,
}

impl Planned {
    /// Whether nothing has to be done.
    pub fn in_order(&self) -> bool {
        self.present.as_ref() == Ok(&self.wanted)
    }
}

/// How the writing of a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Written and read back.
    Done,
    /// It held the right content already.
    InOrder,
    /// The card does not let it be written.
    Refused(StatusWord),
    /// Written, and not to be read back: PIN1 may have to be verified for that.
    Unseen(StatusWord),
    /// What was read back is something else.
    Different,
}

/// Reads what is on the card and says what to write. Files that the card does not have are left out, but for
/// those without which it is no subscriber's card.
pub fn plan(terminal: &mut Terminal<'_>, p: &Personalisation) -> Result<Vec<Planned>, ExploreError> {
    let applications = info::applications(terminal)?;
    let (_, aid) = info::select_usim(terminal, &applications)?.ok_or(ExploreError::NoUsim)?;
    let mut planned = Vec::new();
    for file in FILES {
        let from = if file.in_master { Target::File(0x3f00) } else { Target::Application(&aid) };
        let present = info::read_file(terminal, from, file.id)?;
        if present == Err(StatusWord::NOT_FOUND) && file.optional {
            continue;
        }
        let now = present.as_deref().unwrap_or_default();
        planned.push(Planned {
            name: file.name,
            in_master: file.in_master,
            id: file.id,
            identifies: file.identifies,
            optional: file.optional,
            wanted: (file.content)(p, now),
            present,
        });
    }
    Ok(planned)
}

/// Verifies the administrative key and writes what is not in order. Where fewer than two tries of the key are
/// left it is tried only with `force`.
pub fn apply(
    terminal: &mut Terminal<'_>,
    planned: &[Planned],
    adm: &[u8; 8],
    force: bool,
) -> Result<Vec<Written>, ExploreError> {
    let applications = info::applications(terminal)?;
    let (_, aid) = info::select_usim(terminal, &applications)?.ok_or(ExploreError::NoUsim)?;
    terminal.verify(ADM1, adm, force)?;
    planned.iter().map(|file| write(terminal, file, &aid)).collect()
}

fn write(terminal: &mut Terminal<'_>, file: &Planned, aid: &[u8]) -> Result<Written, ExploreError> {
    if file.in_order() {
        return Ok(Written::InOrder);
    }
    let from = if file.in_master { Target::File(0x3f00) } else { Target::Application(aid) };
    if let Err(status) = terminal.select_path(from, &[file.id])? {
        return Ok(Written::Refused(status));
    }
    if let Err(status) = terminal.update_binary(&file.wanted)? {
        return Ok(Written::Refused(status));
    }
    Ok(match info::read_file(terminal, from, file.id)? {
        Ok(content) if content == file.wanted => Written::Done,
        Ok(_) => Written::Different,
        Err(status) => Written::Unseen(status),
    })
}

/// A file of the plan.
struct File {
    name: &'static str,
    in_master: bool,
    id: u16,
    identifies: bool,
    optional: bool,
    /// What shall be in it, given what is.
    content: fn(&Personalisation, &[u8]) -> Vec<u8>,
}

const fn usim(id: u16, name: &'static str, content: fn(&Personalisation, &[u8]) -> Vec<u8>) -> File {
    File { name, in_master: false, id, identifies: false, optional: true, content }
}

/// The files, in the order in which they are written.
static FILES: &[File] = &[
    File { identifies: true, optional: false, ..usim(0x6f07, "EF.IMSI", |p, _| bcd::imsi(&p.imsi).to_vec()) },
    File { optional: false, ..usim(0x6fad, "EF.AD", administrative_data) },
    usim(0x6f78, "EF.ACC", |p, _| identity::access_class(&p.imsi).to_vec()),
    usim(0x6f62, "EF.HPLMNwAcT", home_network),
    // Where the card was last is not where this subscriber was.
    File { identifies: true, ..usim(0x6f7e, "EF.LOCI", |_, now| not_updated(now, 11)) },
    File { identifies: true, ..usim(0x6f73, "EF.PSLOCI", |_, now| not_updated(now, 14)) },
    File { identifies: true, ..usim(0x6fe3, "EF.EPSLOCI", |_, now| not_updated(now, 18)) },
    usim(0x6f7b, "EF.FPLMN", |_, now| vec![0xff; now.len().max(12)]),
    // Many cards have it written when they are made.
    File {
        in_master: true,
        identifies: true,
        ..usim(0x2fe2, "EF.ICCID", |p, _| bcd::iccid(&p.iccid).to_vec())
    },
];

/// The length of the MNC in the fourth byte; the rest stays (TS 31.102 clause 4.2.18).
fn administrative_data(p: &Personalisation, now: &[u8]) -> Vec<u8> {
    let mut content = now.to_vec();
    content.resize(now.len().max(4), 0);
    content[3] = content[3] & 0xf0 | p.plmn.mnc().len() as u8;
    content
}

/// The home network on E-UTRAN and NG-RAN, and no other (TS 31.102 clause 4.2.54).
fn home_network(p: &Personalisation, now: &[u8]) -> Vec<u8> {
    let mut content = [&bcd::plmn(p.plmn)[..], &[0x48, 0x00]].concat();
    while content.len() + 5 <= now.len() {
        content.extend_from_slice(&[0xff, 0xff, 0xff, 0x00, 0x00]);
    }
    content
}

/// No temporary identity, no area, status "not updated" in the last byte (TS 31.102 clauses 4.2.17, 4.2.23,
/// 4.2.91).
fn not_updated(now: &[u8], size: usize) -> Vec<u8> {
    let mut content = vec![0xff; now.len().max(size)];
    if let Some(status) = content.get_mut(size - 1) {
        *status = 0x01;
    }
    content
}
