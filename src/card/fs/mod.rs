//! The file system of the card: selection, reading and updating (ETSI TS 102 221 clauses 8 and 11.1.1 to
//! 11.1.8).
//!
//! The table of files is constant and shared; a card holds only what is its own, and a copy of what was
//! written.

mod access;
mod fcp;
mod isim;
pub(super) mod personal;
mod records;
mod sim;
mod table;
mod usim;

use std::collections::BTreeMap;

use self::access::{ARR_RECORD, Mode};
use self::table::{ADF, FILES, File, Initial, MF, SHARED_WITH_GSM, Structure};
use super::pin::Pins;
use super::state::{self, Stored, Writer};
use super::{CardError, Personalisation, Reply};
use crate::wire::{Command, StatusWord};

pub(super) use self::table::{Directory, ISIM_AID, USIM_AID};

/// A file, by its place in the table.
type Index = u8;

/// Content of every file that was never written; none is longer.
static ERASED: [u8; 512] = [0xff; 512];

/// Where a logical channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    directory: Directory,
    file: Option<Index>,
    /// The current record, from 1; 0 for none.
    record: u8,
}

impl Default for Position {
    /// The MF, as after a reset.
    fn default() -> Self {
        Self::within(Directory::Mf)
    }
}

impl Position {
    /// A directory, with no file selected in it.
    pub(super) fn within(directory: Directory) -> Self {
        Self { directory, file: None, record: 0 }
    }

    /// The file or directory at `index`, reached through `from`: a file that two directories show stays in that
    /// one.
    fn at(index: Index, from: Directory) -> Self {
        let file = &FILES[usize::from(index)];
        match file.directory() {
            Some(directory) => Self::within(directory),
            None if from == Directory::Gsm && file.within == Directory::Usim => {
                Self { directory: from, file: Some(index), record: 0 }
            }
            None => Self { directory: file.within, file: Some(index), record: 0 },
        }
    }

    /// The current directory.
    pub(super) fn directory(&self) -> Directory {
        self.directory
    }

    fn current(&self) -> Result<(Index, &'static File), StatusWord> {
        let index = self.file.ok_or(StatusWord::NO_EF_SELECTED)?;
        Ok((index, &FILES[usize::from(index)]))
    }
}

fn place(matches: impl Fn(&File) -> bool) -> Option<Index> {
    FILES.iter().position(matches).map(|at| at as Index)
}

/// The entry of a directory itself.
fn place_of(directory: Directory) -> Index {
    place(|f| f.directory() == Some(directory)).unwrap_or(0)
}

fn entry(directory: Directory) -> &'static File {
    &FILES[usize::from(place_of(directory))]
}

/// The content of a file that is not what the table says.
#[derive(Clone)]
struct Own {
    content: Box<[u8]>,
    /// Whether it was written since the card was made.
    written: bool,
}

/// The files of one card.
#[derive(Clone)]
pub(super) struct FileSystem {
    own: BTreeMap<Index, Own>,
    /// How often a file was written.
    changes: u64,
}

impl FileSystem {
    pub(super) fn new(p: &Personalisation) -> Self {
        let own = FILES.iter().enumerate().filter_map(|(at, file)| match file.initial {
            Initial::Personal(content) => {
                // A file that this card does not have is kept as one without content.
                let content = content(p).map_or_else(Vec::new, |mut content| {
                    content.resize(file.size(), 0xff);
                    content
                });
                Some((at as Index, Own { content: content.into_boxed_slice(), written: false }))
            }
            _ => None,
        });
        Self { own: own.collect(), changes: 0 }
    }

    /// Whether this card has the file.
    fn exists(&self, index: Index) -> bool {
        self.own.get(&index).is_none_or(|own| !own.content.is_empty())
    }

    fn content(&self, index: Index, file: &'static File) -> &[u8] {
        match (self.own.get(&index), &file.initial) {
            (Some(own), _) => &own.content,
            (None, Initial::Bytes(bytes)) => bytes,
            (None, _) => &ERASED[..file.size()],
        }
    }

    fn content_mut(&mut self, index: Index, file: &'static File) -> &mut [u8] {
        self.changes += 1;
        if !self.own.contains_key(&index) {
            let content = self.content(index, file).into();
            self.own.insert(index, Own { content, written: true });
        }
        let own = self.own.get_mut(&index);
        own.map(|own| {
            own.written = true;
            &mut own.content[..]
        })
        .unwrap_or_default()
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Writes down the files that were written, by directory and identifier.
    pub(super) fn save(&self, out: &mut Writer) {
        for (index, own) in self.own.iter().filter(|(_, own)| own.written) {
            let file = &FILES[usize::from(*index)];
            let directory = (file.within as u16).to_be_bytes();
            out.put_parts(state::FILE, &[&directory, &file.id.to_be_bytes(), &own.content]);
        }
    }

    /// The files as they were stored. A file that the stored state does not name is as it is here.
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        for parts in stored.all_parts::<3>(state::FILE) {
            let [directory, id, content] = parts?;
            let named = |f: &File| (f.within as u16).to_be_bytes() == directory && f.id.to_be_bytes() == id;
            let known = place(named).filter(|at| self.exists(*at));
            let known = known.filter(|at| FILES[usize::from(*at)].size() == content.len());
            let index = known.ok_or(state::damaged("it has a file that this card does not have"))?;
            if !content.is_empty() {
                restored.own.insert(index, Own { content: content.into(), written: true });
            }
        }
        Ok(restored)
    }

    /// Whether the access rule of `file` permits `mode`. The rule is what EF.ARR holds now.
    fn grant(&self, file: &File, mode: Mode, pins: &Pins) -> Result<(), StatusWord> {
        let (directory, id) = arr_of(file);
        let arr = child(directory, id).ok_or(StatusWord::SECURITY_STATUS)?;
        let rules = self.content(arr, &FILES[usize::from(arr)]);
        let rule = rules.chunks_exact(usize::from(ARR_RECORD)).nth(usize::from(file.rule) - 1);
        match rule {
            Some(rule) if access::permits(rule, mode, pins) => Ok(()),
            _ => Err(StatusWord::SECURITY_STATUS),
        }
    }

    /// Finds a file by identifier or path (P1 of SELECT). `application` is the ADF that is active.
    pub(super) fn find(
        &self,
        from: Position,
        p1: u8,
        data: &[u8],
        application: Option<Directory>,
    ) -> Result<Position, StatusWord> {
        let index = match (p1, data) {
            (0x00, []) => Some(0),
            (0x00, &[a, b]) => by_identifier(from.directory, u16::from_be_bytes([a, b]), application),
            (0x01, &[a, b]) => {
                let id = u16::from_be_bytes([a, b]);
                child(from.directory, id).filter(|at| FILES[usize::from(*at)].directory().is_some())
            }
            (0x03, []) => Some(place_of(entry(from.directory).within)),
            (0x08, path) => by_path(Directory::Mf, path, application)?,
            (0x09, path) => by_path(from.directory, path, application)?,
            (0x00 | 0x01 | 0x03, _) => return Err(StatusWord::WRONG_LENGTH),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let index = index.filter(|at| self.exists(*at)).ok_or(StatusWord::NOT_FOUND)?;
        let through_gsm = from.directory == Directory::Gsm && p1 == 0x00
            || p1 == 0x08 && data.starts_with(&(Directory::Gsm as u16).to_be_bytes())
            || p1 == 0x09 && from.directory == Directory::Gsm;
        let position = Position::at(index, if through_gsm { Directory::Gsm } else { Directory::Mf });
        match position.directory.application() {
            Some(needed) if application != Some(needed) => Err(StatusWord::NOT_FOUND),
            _ => Ok(position),
        }
    }

    /// The FCP of what is selected.
    pub(super) fn fcp(&self, position: Position, pins: &Pins) -> Vec<u8> {
        let index = position.file.unwrap_or_else(|| place_of(position.directory));
        fcp::template(&FILES[usize::from(index)], pins.pin1_enabled())
    }

    /// The FCP of the current directory, for STATUS.
    pub(super) fn directory_fcp(&self, position: Position, pins: &Pins) -> Vec<u8> {
        fcp::template(entry(position.directory), pins.pin1_enabled())
    }

    /// READ BINARY. Le must be what is there from the offset on, or less.
    pub(super) fn read_binary(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = self.binary_offset(position, c)?;
        let (index, file) = transparent(position)?;
        self.grant(file, Mode::Read, pins)?;
        let rest = self.content(index, file).get(offset..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::WRONG_OFFSET)?;
        let wanted = usize::from(c.expected.unwrap_or(256));
        let part = rest.get(..wanted).ok_or(StatusWord::wrong_le(rest.len()))?;
        Ok(part.to_vec())
    }

    /// UPDATE BINARY.
    pub(super) fn update_binary(&mut self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = self.binary_offset(position, c)?;
        let (index, file) = transparent(position)?;
        self.grant(file, Mode::Update, pins)?;
        if offset > file.size() {
            return Err(StatusWord::WRONG_OFFSET);
        }
        if c.data.is_empty() || offset + c.data.len() > file.size() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.content_mut(index, file)[offset..offset + c.data.len()].copy_from_slice(c.data);
        Ok(Vec::new())
    }

    /// The offset of READ and UPDATE BINARY, after selecting what a short file identifier names.
    fn binary_offset(&self, position: &mut Position, c: &Command<'_>) -> Result<usize, StatusWord> {
        if c.p1 & 0x80 == 0 {
            return Ok(usize::from(u16::from_be_bytes([c.p1, c.p2])));
        }
        if c.p1 & 0x60 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        self.select_short(position, c.p1 & 0x1f)?;
        Ok(usize::from(c.p2))
    }

    /// Moves to the file with short identifier `sfi` in the current directory.
    fn select_short(&self, position: &mut Position, sfi: u8) -> Result<(), StatusWord> {
        let index = place(|f| f.within == position.directory && f.sfi == sfi && sfi != 0);
        let index = index.filter(|at| self.exists(*at)).ok_or(StatusWord::NOT_FOUND)?;
        *position = Position::at(index, position.directory);
        Ok(())
    }
}

/// The EF.ARR that holds the rule of `file`: that of the application, or that of the MF.
fn arr_of(file: &File) -> (Directory, u16) {
    match file.directory().unwrap_or(file.within).application() {
        Some(application) => (application, 0x6f06),
        None => (Directory::Mf, 0x2f06),
    }
}

/// What a directory shows under `id`. ADFs are reached by AID only.
fn child(directory: Directory, id: u16) -> Option<Index> {
    let own = place(|f| f.within == directory && f.id == id && id != MF && id != ADF);
    let shared = || place(|f| f.within == Directory::Usim && f.id == id);
    own.or_else(|| shared().filter(|_| directory == Directory::Gsm && SHARED_WITH_GSM.contains(&id)))
}

/// The search order of TS 102 221 clause 8.4.1: MF and active ADF by their reserved identifiers, children of
/// the current directory, the directory itself, its parent, and directories beside it.
fn by_identifier(directory: Directory, id: u16, application: Option<Directory>) -> Option<Index> {
    let current = entry(directory);
    match id {
        MF => Some(0),
        ADF => application.map(place_of),
        id if id == current.id => Some(place_of(directory)),
        id if id == entry(current.within).id => Some(place_of(current.within)),
        id => child(directory, id)
            .or_else(|| child(current.within, id).filter(|at| FILES[usize::from(*at)].directory().is_some())),
    }
}

/// Follows a path of identifiers; `7FFF` at its start stands for the active application.
fn by_path(
    from: Directory,
    path: &[u8],
    application: Option<Directory>,
) -> Result<Option<Index>, StatusWord> {
    if path.is_empty() || !path.len().is_multiple_of(2) {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let mut at = Some(place_of(from));
    for (step, id) in path.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).enumerate() {
        let Some(directory) = at.and_then(|at| FILES[usize::from(at)].directory()) else { return Ok(None) };
        at = match id {
            ADF if step == 0 => application.map(place_of),
            id if step == 0 && id == entry(from).id => at,
            id => child(directory, id),
        };
    }
    Ok(at)
}

fn transparent(position: &Position) -> Result<(Index, &'static File), StatusWord> {
    let (index, file) = position.current()?;
    match file.structure {
        Structure::Transparent { .. } => Ok((index, file)),
        _ => Err(StatusWord::INCOMPATIBLE_FILE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        assert!(FILES.len() <= usize::from(Index::MAX));
        for (at, file) in FILES.iter().enumerate() {
            assert!(file.size() <= ERASED.len() || !matches!(file.initial, Initial::Erased));
            assert!((1..=access::ARR_COUNT).contains(&file.rule));
            if let Initial::Bytes(bytes) = file.initial {
                assert_eq!(bytes.len(), file.size(), "{:04x}", file.id);
            }
            for other in &FILES[at + 1..] {
                let siblings = other.within == file.within && file.id != ADF;
                assert!(!siblings || other.id != file.id, "{:04x} twice", file.id);
                assert!(!siblings || file.sfi == 0 || other.sfi != file.sfi, "{:04x}", file.id);
            }
            let fcp = fcp::template(file, true);
            assert!(fcp.len() <= 100 && usize::from(fcp[1]) == fcp.len() - 2);
        }
        for id in SHARED_WITH_GSM {
            assert!(child(Directory::Gsm, *id).is_some(), "{id:04x}");
        }
    }

    #[test]
    fn what_is_personal_fits_its_file() {
        let profile = include_str!("../../../sim-profiles/lte-test.toml");
        let p = super::super::SimProfile::parse(profile).unwrap().personalise(3).unwrap();
        for file in &FILES {
            if let Initial::Personal(content) = file.initial {
                assert!(content(&p).is_none_or(|c| c.len() <= file.size()), "{:04x}", file.id);
            }
        }
    }
}
