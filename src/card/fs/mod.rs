//! The file system of a profile: selection, reading and updating (ETSI TS 102 221 clauses 8 and 11.1.1 to
//! 11.1.8).
//!
//! The [tree](Tree) of files is constant and may be shared by many cards; a file system holds only what is its
//! own, and a copy of what was written.

mod access;
pub(super) mod blueprint;
mod fcp;
mod image;
mod isim;
pub(super) mod personal;
mod records;
mod sim;
mod table;
mod tree;
mod usim;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::access::Mode;
use self::table::{ADF, MF};
use self::tree::{Content, File, Kind};
use super::pin::Pins;
use super::state::{self, Stored, Writer};
use super::{CardError, Personalisation, Reply};
use crate::wire::{Command, StatusWord};

pub(super) use self::tree::{Index, ROOT, Tree};

/// Content of every file that was never written and of which nothing else is said; none is longer.
static ERASED: [u8; 512] = [0xff; 512];

/// Where a logical channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The ADF that is active on the channel.
    application: Option<Index>,
    directory: Index,
    file: Option<Index>,
    /// The current record, from 1; 0 for none.
    record: u8,
}

impl Default for Position {
    /// The MF, as after a reset.
    fn default() -> Self {
        Self { application: None, directory: ROOT, file: None, record: 0 }
    }
}

impl Position {
    /// An ADF that has just been selected by its AID.
    pub(super) fn in_application(adf: Index) -> Self {
        Self { application: Some(adf), directory: adf, ..Self::default() }
    }
}

/// The files of one profile.
#[derive(Clone)]
pub(super) struct FileSystem {
    tree: Arc<Tree>,
    /// The content of files that is not what the tree says.
    own: BTreeMap<Index, Own>,
    /// Files of the tree that this profile does not have.
    absent: Vec<Index>,
    /// How often a file was written.
    changes: u64,
}

#[derive(Clone)]
struct Own {
    content: Box<[u8]>,
    /// Whether it was written since the profile was installed.
    written: bool,
}

impl FileSystem {
    /// The files of a card that is personalised with `p`.
    pub(super) fn personalised(p: &Personalisation) -> Self {
        let mut files = Self::of_tree(Tree::personalised());
        for (index, file) in files.tree.clone().all() {
            let Content::Personal(content) = file.content else { continue };
            match content(p) {
                Some(mut content) => {
                    content.resize(file.size(), 0xff);
                    files.own.insert(index, Own { content: content.into_boxed_slice(), written: false });
                }
                None => files.absent.push(index),
            }
        }
        files
    }

    /// The files of a card without a profile: the MF with EF.DIR, EF.PL and EF.ARR.
    pub(super) fn bare() -> Self {
        Self::of_tree(Tree::bare())
    }

    pub(super) fn of_tree(tree: Arc<Tree>) -> Self {
        Self { tree, own: BTreeMap::new(), absent: Vec::new(), changes: 0 }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn aid(&self, adf: Index) -> Option<&[u8]> {
        self.tree.file(adf).aid()
    }

    /// The 3GPP application code in the AID of an ADF (TS 101 220 annex E).
    pub(super) fn application_code(&self, adf: Index) -> Option<u16> {
        let code = self.aid(adf)?.strip_prefix(&[0xa0, 0x00, 0x00, 0x00, 0x87])?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*code))
    }

    fn exists(&self, index: Index) -> bool {
        !self.absent.contains(&self.tree.shown(index))
    }

    /// The content of a file, or of what a link leads to.
    pub(super) fn content(&self, index: Index) -> &[u8] {
        let index = self.tree.shown(index);
        let file = self.tree.file(index);
        match (self.own.get(&index), &file.content) {
            (Some(own), _) => &own.content,
            (None, Content::Bytes(bytes)) => bytes,
            (None, _) => &ERASED[..file.size().min(ERASED.len())],
        }
    }

    /// The content of the file that `path` leads to from `directory` on.
    pub(super) fn content_below(&self, directory: Index, path: &[u16]) -> Option<&[u8]> {
        let step = |at: Index, id: &u16| self.tree.child(self.tree.shown(at), *id);
        let found = path.iter().try_fold(directory, step).filter(|at| self.exists(*at));
        found.map(|at| self.content(at))
    }

    fn content_mut(&mut self, index: Index) -> &mut [u8] {
        self.changes += 1;
        let index = self.tree.shown(index);
        if !self.own.contains_key(&index) {
            let content = self.content(index).into();
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

    /// Writes down the files that were written, by their paths.
    pub(super) fn save(&self, out: &mut Writer) {
        for (index, own) in self.own.iter().filter(|(_, own)| own.written) {
            out.put_parts(state::FILE, &[&self.tree.path(*index), &own.content]);
        }
    }

    /// The files as they were stored. A file that the stored state does not name is as it is here.
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        let mut take = |index: Option<Index>, content: &[u8]| {
            let known = index.filter(|at| self.exists(*at) && self.content(*at).len() == content.len());
            let index = known.ok_or(state::damaged("it has a file that this card does not have"))?;
            restored.own.insert(index, Own { content: content.into(), written: true });
            Ok(())
        };
        // The first version named a directory by its identifier or the application code of its AID.
        if stored.version() == 1 {
            for parts in stored.all_parts::<3>(state::FILE) {
                let [directory, id, content] = parts?;
                let (directory, id) = (state::exactly(directory)?, state::exactly(id)?);
                take(self.tree.in_directory(u16::from_be_bytes(directory), u16::from_be_bytes(id)), content)?;
            }
        } else {
            for parts in stored.all_parts::<2>(state::FILE) {
                let [path, content] = parts?;
                let index = self.tree.at_path(path).filter(|at| self.tree.shown(*at) == *at);
                take(index.filter(|at| !self.tree.file(*at).is_directory()), content)?;
            }
        }
        Ok(restored)
    }

    /// The directories whose PINs count at `position`, the nearest first: the current one and all that it is in,
    /// then the active application.
    pub(super) fn scope(&self, position: &Position) -> Vec<Index> {
        let application = position.application.filter(|adf| *adf != position.directory);
        self.tree.lineage(position.directory).chain(application).collect()
    }

    /// Whether what is current at `position` belongs to an application, and not to the UICC.
    pub(super) fn is_in_application(&self, position: &Position) -> bool {
        self.tree.application_of(position.directory).is_some()
    }

    /// Whether the access rule of the file at `index` permits `mode`. The rule is what EF.ARR holds now; a link has
    /// that of the file which it shows.
    fn grant(&self, position: &Position, index: Index, mode: Mode, pins: &Pins) -> Result<(), StatusWord> {
        let shown = self.tree.shown(index);
        if !self.tree.file(shown).is_active() {
            return Err(StatusWord::INVALIDATED);
        }
        let rule = self.rule_of(shown).ok_or(StatusWord::SECURITY_STATUS)?;
        let scope = self.scope(position);
        match access::permits(rule, mode, &|key| pins.granted(key, &scope)) {
            true => Ok(()),
            false => Err(StatusWord::SECURITY_STATUS),
        }
    }

    /// The record of EF.ARR that a file refers to. EF.ARR is in the directory of the file or in one above it (TS
    /// 102 221 clause 9.2.7); the search for that of the MF or an ADF begins in the directory itself.
    fn rule_of(&self, index: Index) -> Option<&[u8]> {
        let file = self.tree.file(index);
        let [high, low, number] = file.security;
        let id = u16::from_be_bytes([high, low]);
        let start = if file.aid().is_some() { index } else { file.parent };
        let arr = self.tree.lineage(start).find_map(|directory| self.tree.child(directory, id))?;
        match self.tree.file(self.tree.shown(arr)).kind {
            Kind::LinearFixed { record, .. } => {
                self.content(arr).chunks_exact(usize::from(record)).nth(usize::from(number).checked_sub(1)?)
            }
            _ => None,
        }
    }

    /// Finds a file by identifier or path (P1 of SELECT).
    pub(super) fn find(&self, from: &Position, p1: u8, data: &[u8]) -> Result<Position, StatusWord> {
        let index = match (p1, data) {
            (0x00, []) => Some(ROOT),
            (0x00, &[a, b]) => self.by_identifier(from, u16::from_be_bytes([a, b])),
            (0x01, &[a, b]) => self
                .tree
                .child(from.directory, u16::from_be_bytes([a, b]))
                .filter(|at| self.tree.file(self.tree.shown(*at)).is_directory()),
            (0x03, []) => Some(self.tree.file(from.directory).parent),
            (0x08, path) => self.by_path(from, ROOT, path)?,
            (0x09, path) => self.by_path(from, from.directory, path)?,
            (0x00 | 0x01 | 0x03, _) => return Err(StatusWord::WRONG_LENGTH),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let index = index.filter(|at| self.exists(*at)).ok_or(StatusWord::NOT_FOUND)?;
        let position = self.at(index, from.application);
        // What belongs to an application is reached while that is active.
        match self.tree.application_of(position.directory) {
            Some(needed) if from.application != Some(needed) => Err(StatusWord::NOT_FOUND),
            _ => Ok(position),
        }
    }

    /// The file or directory at `index`. A link to a directory leads there, one to a file stays where it is.
    fn at(&self, index: Index, application: Option<Index>) -> Position {
        let shown = self.tree.shown(index);
        let (directory, file) = match self.tree.file(shown).is_directory() {
            true => (shown, None),
            false => (self.tree.file(index).parent, Some(index)),
        };
        Position { application, directory, file, record: 0 }
    }

    /// The search order of TS 102 221 clause 8.4.1: MF and active ADF by their reserved identifiers, the current
    /// directory, its parent, its children, and directories beside it.
    fn by_identifier(&self, from: &Position, id: u16) -> Option<Index> {
        let current = self.tree.file(from.directory);
        let named = |index: Index| self.tree.file(index).id == id && self.tree.file(index).aid().is_none();
        match id {
            MF => Some(ROOT),
            ADF => from.application,
            _ if named(from.directory) => Some(from.directory),
            _ if named(current.parent) => Some(current.parent),
            id => self.tree.child(from.directory, id).or_else(|| {
                let beside = self.tree.child(current.parent, id);
                beside.filter(|at| self.tree.file(self.tree.shown(*at)).is_directory())
            }),
        }
    }

    /// Follows a path of identifiers; `7FFF` at its start stands for the active application.
    fn by_path(&self, from: &Position, start: Index, path: &[u8]) -> Result<Option<Index>, StatusWord> {
        if path.is_empty() || !path.len().is_multiple_of(2) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let mut at = Some(start);
        for (step, id) in path.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).enumerate() {
            let Some(index) = at else { return Ok(None) };
            at = match id {
                ADF if step == 0 => from.application,
                id if step == 0 && id == self.tree.file(start).id => at,
                id => self.tree.child(self.tree.shown(index), id),
            };
        }
        Ok(at)
    }

    /// The FCP of what is selected.
    pub(super) fn fcp(&self, position: &Position, pins: &Pins) -> Vec<u8> {
        self.template(position.file.unwrap_or(position.directory), pins)
    }

    /// The FCP of the current directory, for STATUS.
    pub(super) fn directory_fcp(&self, position: &Position, pins: &Pins) -> Vec<u8> {
        self.template(position.directory, pins)
    }

    fn template(&self, index: Index, pins: &Pins) -> Vec<u8> {
        let scope: Vec<Index> = self.tree.lineage(index).collect();
        fcp::template(&self.tree, index, &|key| pins.enabled(key, &scope))
    }

    /// The key reference of the PIN of an application: the first global one in the PIN status of its ADF (TS 102
    /// 221 clause 9.5.2).
    pub(super) fn application_pin(&self, adf: Index) -> Option<u8> {
        match &self.tree.file(adf).kind {
            Kind::Directory { pin_status, .. } => {
                fcp::key_references(pin_status).find(|key| (0x01..=0x08).contains(key))
            }
            _ => None,
        }
    }

    /// READ BINARY. Le must be what is there from the offset on, or less.
    pub(super) fn read_binary(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = self.binary_offset(position, c)?;
        let index = self.transparent(position)?;
        self.grant(position, index, Mode::Read, pins)?;
        let rest = self.content(index).get(offset..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::WRONG_OFFSET)?;
        let wanted = usize::from(c.expected.unwrap_or(256));
        let part = rest.get(..wanted).ok_or(StatusWord::wrong_le(rest.len()))?;
        Ok(part.to_vec())
    }

    /// UPDATE BINARY.
    pub(super) fn update_binary(&mut self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let offset = self.binary_offset(position, c)?;
        let index = self.transparent(position)?;
        self.grant(position, index, Mode::Update, pins)?;
        let size = self.content(index).len();
        if offset > size {
            return Err(StatusWord::WRONG_OFFSET);
        }
        if c.data.is_empty() || offset + c.data.len() > size {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.content_mut(index)[offset..offset + c.data.len()].copy_from_slice(c.data);
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
        let index = self.tree.child_by_sfi(position.directory, sfi).filter(|at| self.exists(*at));
        *position = self.at(index.ok_or(StatusWord::NOT_FOUND)?, position.application);
        Ok(())
    }

    /// The current file, and what it is: itself, or what the link leads to.
    fn current(&self, position: &Position) -> Result<(Index, &File), StatusWord> {
        let index = position.file.ok_or(StatusWord::NO_EF_SELECTED)?;
        Ok((index, self.tree.file(self.tree.shown(index))))
    }

    fn transparent(&self, position: &Position) -> Result<Index, StatusWord> {
        match self.current(position)? {
            (index, File { kind: Kind::Transparent { .. }, .. }) => Ok(index),
            _ => Err(StatusWord::INCOMPATIBLE_FILE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for files in [FileSystem::of_tree(Tree::personalised()), FileSystem::bare()] {
            let tree = files.tree();
            for (index, file) in tree.all() {
                let shown = tree.file(tree.shown(index));
                match &file.content {
                    Content::Erased => assert!(file.size() <= ERASED.len()),
                    Content::Bytes(bytes) => assert_eq!(bytes.len(), file.size(), "{:04x}", file.id),
                    Content::Personal(_) => assert!(file.size() > 0),
                }
                assert!(files.rule_of(tree.shown(index)).is_some(), "{:04x}", file.id);
                for (_, other) in tree.all().skip(usize::from(index) + 1) {
                    let siblings = other.parent == file.parent && file.aid().is_none();
                    assert!(!siblings || other.id != file.id, "{:04x} twice", file.id);
                    assert!(!siblings || file.sfi == 0 || other.sfi != file.sfi, "{:04x}", file.id);
                }
                let fcp = fcp::template(tree, index, &|_| Some(true));
                assert!(fcp.len() <= 100 && usize::from(fcp[1]) == fcp.len() - 2);
                assert_eq!(fcp.windows(2).any(|tag| tag == [0xc6, 0x0c]), shown.is_directory());
            }
        }
    }

    #[test]
    fn what_is_personal_fits_its_file() {
        let profile = include_str!("../../../sim-profiles/lte-test.toml");
        let p = super::super::SimProfile::parse(profile).unwrap().personalise(3).unwrap();
        for (_, file) in Tree::personalised().all() {
            if let Content::Personal(content) = file.content {
                assert!(content(&p).is_none_or(|c| c.len() <= file.size()), "{:04x}", file.id);
            }
        }
    }
}
