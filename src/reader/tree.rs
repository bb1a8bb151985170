//! Walks the file tree: every file of the known tables that the card has, in the MF and in the applications
//! that EF.DIR names.

use super::known::{self, Known};
use super::terminal::{Said, Target, Terminal};
use super::{AccessRule, Application, ExploreError, Fcp, Holds, Structure, info};
use crate::wire::StatusWord;

/// Records that are read of one file: more than one byte can number.
const RECORDS_MAX: u8 = 254;

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory has no content.
    None,
    /// The bytes of a transparent file.
    Bytes(Vec<u8>),
    /// The records, the first one first.
    Records(Vec<Vec<u8>>),
    /// The card does not let it be read.
    NoAccess(StatusWord),
    /// The structure is not one that can be read here.
    NotReadable,
}

/// A file of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names from the root on: `MF`, `EF.ICCID`.
    pub path: Vec<String>,
    /// File identifier; `None` for an ADF.
    pub id: Option<u16>,
    /// AID of an ADF.
    pub aid: Option<Vec<u8>>,
    /// What its content gives away.
    pub holds: Holds,
    /// What kind of file it is.
    pub structure: Structure,
    /// Bytes.
    pub size: usize,
    /// Short file identifier, 1 to 30.
    pub sfi: Option<u8>,
    /// Where its access rule is.
    pub access: AccessRule,
    /// What was read of it.
    pub content: Content,
}

/// Where a walk stands.
struct Directory<'a> {
    root: Target<'a>,
    /// Identifiers from the root down.
    ids: Vec<u16>,
    names: Vec<String>,
}

/// Reads the whole tree. Files come before the directories beside them, each in the order of its identifier.
pub fn walk(terminal: &mut Terminal<'_>) -> Result<Vec<Entry>, ExploreError> {
    let mut entries = Vec::new();
    let mut applications = info::applications(terminal)?;
    if applications.iter().all(|application| !application.aid.starts_with(&info::USIM)) {
        // A card without EF.DIR may have a USIM all the same.
        applications.push(Application { aid: info::USIM.to_vec(), label: String::new() });
    }
    let master = Directory { root: Target::File(0x3f00), ids: Vec::new(), names: vec!["MF".to_owned()] };
    enter(terminal, &master, known::MF, &mut entries)?;
    for application in &applications {
        let files: &[Known] = match &application.aid {
            aid if aid.starts_with(&info::USIM) => known::USIM,
            aid if aid.starts_with(&info::ISIM) => known::ISIM,
            _ => continue,
        };
        let root = Target::Application(&application.aid);
        let names = vec!["MF".to_owned(), format!("ADF.{}", application.name())];
        enter(terminal, &Directory { root, ids: Vec::new(), names }, files, &mut entries)?;
    }
    Ok(entries)
}

/// Selects `directory`, and takes down what is in it where the card has it.
fn enter(
    terminal: &mut Terminal<'_>,
    directory: &Directory<'_>,
    inside: &[Known],
    entries: &mut Vec<Entry>,
) -> Result<(), ExploreError> {
    let Ok(fcp) = terminal.select_path(directory.root, &directory.ids)? else { return Ok(()) };
    if directory.ids.last().is_some_and(|id| is_another(&fcp, *id)) {
        return Ok(());
    }
    let (id, aid) = match (directory.root, directory.ids.last()) {
        (_, Some(id)) => (Some(*id), None),
        (Target::File(id), None) => (Some(id), None),
        (Target::Application(aid), None) => (None, Some(aid.to_vec())),
    };
    let entry = describe(&fcp, directory.names.clone(), Holds::Settings, Content::None);
    entries.push(Entry { id, aid, ..entry });
    for file in inside.iter().filter(|file| file.inside.is_empty()) {
        read(terminal, directory, file, entries)?;
    }
    for child in inside.iter().filter(|file| !file.inside.is_empty()) {
        let mut below =
            Directory { ids: directory.ids.clone(), names: directory.names.clone(), ..*directory };
        below.ids.push(child.id);
        below.names.push(child.name.to_owned());
        enter(terminal, &below, child.inside, entries)?;
    }
    Ok(())
}

/// Takes down one file of the directory that is selected.
fn read(
    terminal: &mut Terminal<'_>,
    directory: &Directory<'_>,
    file: &Known,
    entries: &mut Vec<Entry>,
) -> Result<(), ExploreError> {
    let mut names = directory.names.clone();
    names.push(file.name.to_owned());
    let (fcp, content) = match terminal.select(Target::File(file.id))? {
        Err(StatusWord::NOT_FOUND) => return Ok(()),
        Err(status) => (Fcp::parse(&[]), Content::NoAccess(status)),
        Ok(fcp) if is_another(&fcp, file.id) || fcp.structure == Structure::Directory => return Ok(()),
        Ok(fcp) => {
            let content = content(terminal, &fcp)?;
            (fcp, content)
        }
    };
    entries.push(Entry { id: Some(file.id), ..describe(&fcp, names, file.holds, content) });
    Ok(())
}

/// SELECT by identifier also finds directories beside and above the one that the card stands in (TS 102 221
/// clause 8.4.1): the answer says what was found.
fn is_another(fcp: &Fcp, id: u16) -> bool {
    fcp.id.is_some_and(|found| found != id)
}

fn describe(fcp: &Fcp, path: Vec<String>, holds: Holds, content: Content) -> Entry {
    let (structure, size, sfi, access) = (fcp.structure, fcp.size, fcp.sfi, fcp.access);
    Entry { path, id: None, aid: None, holds, structure, size, sfi, access, content }
}

fn content(terminal: &mut Terminal<'_>, fcp: &Fcp) -> Result<Content, ExploreError> {
    let read: Said<Content> = match fcp.structure {
        Structure::Transparent => terminal.read_binary(fcp.size)?.map(Content::Bytes),
        Structure::LinearFixed { record, count } | Structure::Cyclic { record, count } => {
            records(terminal, record, count)?.map(Content::Records)
        }
        Structure::Directory | Structure::BerTlv | Structure::Unknown => Ok(Content::NotReadable),
    };
    Ok(read.unwrap_or_else(Content::NoAccess))
}

/// All records, or up to the first that the card does not have.
fn records(terminal: &mut Terminal<'_>, length: u8, count: u8) -> Result<Said<Vec<Vec<u8>>>, ExploreError> {
    let mut records = Vec::new();
    for number in 1..=count.min(RECORDS_MAX) {
        match terminal.read_record(number, length)? {
            Ok(record) => records.push(record),
            Err(StatusWord::RECORD_NOT_FOUND) if !records.is_empty() => break,
            Err(status) => return Ok(Err(status)),
        }
    }
    Ok(Ok(records))
}
