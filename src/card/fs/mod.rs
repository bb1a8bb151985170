//! The file system of the card: selection, reading and updating (ETSI TS 102 221 clauses 8 and 11.1.1 to
//! 11.1.6).
//!
//! The table of files is constant and shared; a card holds only what is its own, and a copy of what was
//! written.

mod access;
mod fcp;
mod table;

use std::collections::BTreeMap;

use self::table::{ADF, FILES, File, Initial, MF, Structure};
use super::pin::Pins;
use super::state::{self, FILE, Stored, Writer};
use super::{CardError, Personalisation, Reply};
use crate::wire::{Command, StatusWord};

pub(super) use self::table::USIM_AID;

/// A file, by its place in the table.
type Index = u8;

/// Content of every file that was never written; none is longer.
static ERASED: [u8; 128] = [0xff; 128];

/// Where a logical channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    directory: Index,
    file: Option<Index>,
    /// The current record, from 1; 0 for none.
    record: u8,
}

impl Default for Position {
    /// The MF, as after a reset.
    fn default() -> Self {
        Self { directory: 0, file: None, record: 0 }
    }
}

impl Position {
    /// The ADF of the USIM.
    pub(super) fn usim() -> Self {
        Self::at(place_of(ADF).unwrap_or(0))
    }

    fn at(index: Index) -> Self {
        match &FILES[usize::from(index)] {
            file if file.is_directory() => Self { directory: index, file: None, record: 0 },
            file => Self { directory: place_of(file.parent).unwrap_or(0), file: Some(index), record: 0 },
        }
    }

    fn current(&self) -> Result<(Index, &'static File), StatusWord> {
        let index = self.file.ok_or(StatusWord::NO_EF_SELECTED)?;
        Ok((index, &FILES[usize::from(index)]))
    }

    /// Moves to the file with short identifier `sfi` in the current directory.
    fn select_short(&mut self, sfi: u8) -> Result<(), StatusWord> {
        let directory = FILES[usize::from(self.directory)].id;
        let index = place(|f| f.parent == directory && f.sfi == sfi && sfi != 0);
        *self = Self::at(index.ok_or(StatusWord::NOT_FOUND)?);
        Ok(())
    }
}

fn place(matches: impl Fn(&File) -> bool) -> Option<Index> {
    FILES.iter().position(matches).map(|at| at as Index)
}

fn place_of(id: u16) -> Option<Index> {
    place(|f| f.id == id)
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
                Some((at as Index, Own { content: content(p).into_boxed_slice(), written: false }))
            }
            _ => None,
        });
        Self { own: own.collect(), changes: 0 }
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
            out.put_parts(FILE, &[&file.parent.to_be_bytes(), &file.id.to_be_bytes(), &own.content]);
        }
    }

    /// The files as they were stored. A file that the stored state does not name is as it is here.
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        for parts in stored.all_parts::<3>(state::FILE) {
            let [parent, id, content] = parts?;
            let known = place(|f| f.parent.to_be_bytes() == parent && f.id.to_be_bytes() == id);
            let index =
                known.filter(|at| FILES[usize::from(*at)].size() == content.len() && !content.is_empty());
            let index = index.ok_or(state::damaged("it has a file that this card does not have"))?;
            restored.own.insert(index, Own { content: content.into(), written: true });
        }
        Ok(restored)
    }

    /// Finds a file by identifier or path (P1 of SELECT). `application` says whether an ADF is active.
    pub(super) fn find(
        &self,
        from: Position,
        p1: u8,
        data: &[u8],
        application: bool,
    ) -> Result<Position, StatusWord> {
        let directory = &FILES[usize::from(from.directory)];
        let index = match (p1, data) {
            (0x00, []) => Some(0),
            (0x00, &[a, b]) => by_identifier(directory, u16::from_be_bytes([a, b])),
            (0x01, &[a, b]) => {
                let id = u16::from_be_bytes([a, b]);
                child(directory, id).filter(|at| FILES[usize::from(*at)].is_directory())
            }
            (0x03, []) => place_of(directory.parent),
            (0x08, path) => by_path(MF, path)?,
            (0x09, path) => by_path(directory.id, path)?,
            (0x00 | 0x01 | 0x03, _) => return Err(StatusWord::WRONG_LENGTH),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let position = Position::at(index.ok_or(StatusWord::NOT_FOUND)?);
        let in_application = FILES[usize::from(position.directory)].id == ADF;
        if in_application && !application {
            return Err(StatusWord::NOT_FOUND);
        }
        Ok(position)
    }

    /// The FCP of what is selected.
    pub(super) fn fcp(&self, position: Position, pins: &Pins) -> Vec<u8> {
        let index = position.file.unwrap_or(position.directory);
        fcp::template(&FILES[usize::from(index)], pins.pin1_enabled())
    }

    /// The FCP of the current directory, for STATUS.
    pub(super) fn directory_fcp(&self, position: Position, pins: &Pins) -> Vec<u8> {
        fcp::template(&FILES[usize::from(position.directory)], pins.pin1_enabled())
    }

    /// READ BINARY. Le must be what is there from the offset on, or less.
    pub(super) fn read_binary(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = binary_offset(position, c)?;
        let (index, file) = transparent(position)?;
        pins.grant(file.rule.read)?;
        let rest = self.content(index, file).get(offset..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::WRONG_OFFSET)?;
        let wanted = usize::from(c.expected.unwrap_or(256));
        let part = rest.get(..wanted).ok_or(StatusWord::wrong_le(rest.len()))?;
        Ok(part.to_vec())
    }

    /// UPDATE BINARY.
    pub(super) fn update_binary(&mut self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = binary_offset(position, c)?;
        let (index, file) = transparent(position)?;
        pins.grant(file.rule.update)?;
        if offset > file.size() {
            return Err(StatusWord::WRONG_OFFSET);
        }
        if c.data.is_empty() || offset + c.data.len() > file.size() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.content_mut(index, file)[offset..offset + c.data.len()].copy_from_slice(c.data);
        Ok(Vec::new())
    }

    /// READ RECORD. Le must be the length of a record.
    pub(super) fn read_record(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let at = record(position, c)?;
        pins.grant(at.file.rule.read)?;
        let content = &self.content(at.index, at.file)[at.start..at.start + at.length];
        if c.expected.map(usize::from) != Some(at.length) {
            return Err(StatusWord::wrong_le(at.length));
        }
        position.record = at.pointer;
        Ok(content.to_vec())
    }

    /// UPDATE RECORD. The data must be one whole record.
    pub(super) fn update_record(&mut self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let at = record(position, c)?;
        pins.grant(at.file.rule.update)?;
        if c.data.len() != at.length {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.content_mut(at.index, at.file)[at.start..at.start + at.length].copy_from_slice(c.data);
        position.record = at.pointer;
        Ok(Vec::new())
    }
}

fn child(directory: &File, id: u16) -> Option<Index> {
    place(|f| f.id == id && f.parent == directory.id && f.id != directory.id)
}

/// The search order of TS 102 221 clause 8.4.1: MF and active ADF by their reserved identifiers, children of
/// the current directory, the directory itself, its parent, and directories beside it.
fn by_identifier(directory: &File, id: u16) -> Option<Index> {
    if id == MF || id == ADF || id == directory.id || id == directory.parent {
        return place_of(id);
    }
    child(directory, id).or_else(|| place(|f| f.id == id && f.parent == directory.parent && f.is_directory()))
}

/// Follows a path of identifiers; `7FFF` at its start stands for the active application.
fn by_path(from: u16, path: &[u8]) -> Result<Option<Index>, StatusWord> {
    if path.is_empty() || !path.len().is_multiple_of(2) {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let mut at = place_of(from);
    for (step, id) in path.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).enumerate() {
        let Some(directory) = at.map(|at| &FILES[usize::from(at)]) else { return Ok(None) };
        at = if step == 0 && (id == ADF || id == from) { place_of(id) } else { child(directory, id) };
    }
    Ok(at)
}

/// The offset of READ and UPDATE BINARY, after selecting what a short file identifier names.
fn binary_offset(position: &mut Position, c: &Command<'_>) -> Result<usize, StatusWord> {
    if c.p1 & 0x80 == 0 {
        return Ok(usize::from(u16::from_be_bytes([c.p1, c.p2])));
    }
    if c.p1 & 0x60 != 0 {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    position.select_short(c.p1 & 0x1f)?;
    Ok(usize::from(c.p2))
}

fn transparent(position: &Position) -> Result<(Index, &'static File), StatusWord> {
    let (index, file) = position.current()?;
    match file.structure {
        Structure::Transparent { .. } => Ok((index, file)),
        _ => Err(StatusWord::INCOMPATIBLE_FILE),
    }
}

/// One record of a file.
struct Record {
    index: Index,
    file: &'static File,
    /// Where in the content it starts, and how long it is.
    start: usize,
    length: usize,
    /// The record pointer once the command succeeds.
    pointer: u8,
}

/// The record that P1 and P2 name (TS 102 221 clause 11.1.5.2): by number, the current one, the next or the
/// previous.
fn record(position: &mut Position, c: &Command<'_>) -> Result<Record, StatusWord> {
    if c.p2 >> 3 != 0 {
        position.select_short(c.p2 >> 3)?;
    }
    let (index, file) = position.current()?;
    let Structure::LinearFixed { record, count } = file.structure else {
        return Err(StatusWord::INCOMPATIBLE_FILE);
    };
    let (number, pointer) = match (c.p2 & 0x07, c.p1) {
        (0x04, 0) => (position.record, position.record),
        // A number leaves the record pointer where it is.
        (0x04, number) => (number, position.record),
        (0x02, 0) => (position.record.saturating_add(1), position.record.saturating_add(1)),
        (0x03, 0) if position.record == 0 => (count, count),
        (0x03, 0) => (position.record - 1, position.record - 1),
        _ => return Err(StatusWord::INCORRECT_P1_P2),
    };
    if number == 0 || number > count {
        return Err(StatusWord::RECORD_NOT_FOUND);
    }
    let length = usize::from(record);
    Ok(Record { index, file, start: usize::from(number - 1) * length, length, pointer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (at, file) in FILES.iter().enumerate() {
            let parent = &FILES[usize::from(place_of(file.parent).unwrap())];
            assert!(parent.is_directory());
            assert!(file.size() <= ERASED.len() || !matches!(file.initial, Initial::Erased));
            if let Initial::Bytes(bytes) = file.initial {
                assert_eq!(bytes.len(), file.size(), "{:04x}", file.id);
            }
            for other in &FILES[at + 1..] {
                let siblings = other.parent == file.parent;
                assert!(!siblings || other.id != file.id, "{:04x} twice", file.id);
                assert!(!siblings || file.sfi == 0 || other.sfi != file.sfi, "{:04x}", file.id);
            }
            let fcp = fcp::template(file, true);
            assert!(fcp.len() <= 100 && usize::from(fcp[1]) == fcp.len() - 2);
        }
    }
}
