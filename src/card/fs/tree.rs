//! The tree of files of a profile: what is constant about it. Cards that are personalised share one tree; a
//! profile that came as a package has its own.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use super::table::{self, ADF, Entry, Initial, SHARED_WITH_GSM, Structure};
use crate::card::Personalisation;

/// A file, by its place in the tree.
pub(in crate::card) type Index = u16;

/// The MF.
pub(in crate::card) const ROOT: Index = 0;

/// What a file is.
#[derive(Debug)]
pub(super) enum Kind {
    /// MF, DF, or ADF, which has an AID.
    Directory {
        aid: Option<Box<[u8]>>,
        /// Value of FCP tag `C6`: which PINs there are. Which of them are enabled is the card's to say.
        pin_status: Box<[u8]>,
    },
    Transparent {
        size: u16,
    },
    LinearFixed {
        record: u8,
        count: u8,
    },
    Cyclic {
        record: u8,
        count: u8,
    },
    /// Its data objects cannot be reached: RETRIEVE DATA and SET DATA are not there.
    BerTlv {
        size: u16,
    },
    /// Another file or directory under another name.
    Link {
        to: Index,
    },
}

/// What a file holds when the profile is installed.
pub(super) enum Content {
    /// All bytes `FF`.
    Erased,
    Bytes(Cow<'static, [u8]>),
    /// Different on every card (see [`Initial::Personal`]).
    Personal(fn(&Personalisation) -> Option<Vec<u8>>),
}

/// One file.
pub(super) struct File {
    pub(super) parent: Index,
    pub(super) id: u16,
    pub(super) kind: Kind,
    /// Short file identifier, 1 to 30; 0 for none.
    pub(super) sfi: u8,
    /// Value of FCP tag `8B`: identifier of the EF.ARR, number of the record. Without meaning in a link, which has
    /// the rule of what it shows.
    pub(super) security: [u8; 3],
    /// Value of FCP tag `8A`.
    pub(super) life_cycle: u8,
    /// Whether it may be read and updated while it is deactivated.
    pub(super) open_when_deactivated: bool,
    pub(super) content: Content,
}

impl File {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }

    pub(super) fn aid(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Directory { aid, .. } => aid.as_deref(),
            _ => None,
        }
    }

    /// Bytes of content of a file that has a fixed size.
    pub(super) fn size(&self) -> usize {
        match self.kind {
            Kind::Transparent { size } | Kind::BerTlv { size } => usize::from(size),
            Kind::LinearFixed { record, count } | Kind::Cyclic { record, count } => {
                usize::from(record) * usize::from(count)
            }
            Kind::Directory { .. } | Kind::Link { .. } => 0,
        }
    }

    /// Whether its content may be read and written as things stand (TS 102 221 clause 11.1.14).
    pub(super) fn is_active(&self) -> bool {
        !self.is_deactivated() || self.open_when_deactivated
    }

    pub(super) fn is_deactivated(&self) -> bool {
        self.life_cycle & 0x05 == 0x04
    }
}

/// A tree of files. Parents stand before their children; the first file is the MF, its own parent.
pub(in crate::card) struct Tree {
    files: Vec<File>,
}

/// The tree of personalised cards.
static PERSONALISED: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::of_table(&table::FILES)));
/// The tree of a card without a profile.
static BARE: LazyLock<Arc<Tree>> = LazyLock::new(|| Arc::new(Tree::of_table(table::BARE)));

impl Tree {
    pub(super) fn personalised() -> Arc<Self> {
        PERSONALISED.clone()
    }

    pub(super) fn bare() -> Arc<Self> {
        BARE.clone()
    }

    /// `files` must be as [`Tree`] says; links lead to files that are none.
    pub(super) fn new(files: Vec<File>) -> Self {
        Self { files }
    }

    fn of_table(entries: &[Entry]) -> Self {
        let place = |matches: &dyn Fn(&Entry) -> bool| {
            entries.iter().position(matches).map_or(ROOT, |at| at as Index)
        };
        let parent = |entry: &Entry| place(&|other| other.structure == Structure::Directory(entry.within));
        let mut files: Vec<File> = entries.iter().map(|entry| entry.to_file(parent(entry))).collect();
        let gsm = place(&|entry| entry.structure == Structure::Directory(table::Directory::Gsm));
        for id in SHARED_WITH_GSM.iter().filter(|_| gsm != ROOT) {
            let to = place(&|entry| entry.within == table::Directory::Usim && entry.id == *id);
            files.push(File {
                parent: gsm,
                id: *id,
                kind: Kind::Link { to },
                sfi: 0,
                security: [0; 3],
                life_cycle: 0x05,
                open_when_deactivated: false,
                content: Content::Erased,
            });
        }
        Self { files }
    }

    pub(super) fn file(&self, index: Index) -> &File {
        &self.files[usize::from(index)]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Index, &File)> {
        (ROOT..).zip(&self.files)
    }

    /// What `index` shows: the file itself, or what the link leads to.
    pub(super) fn shown(&self, index: Index) -> Index {
        match self.file(index).kind {
            Kind::Link { to } => to,
            _ => index,
        }
    }

    /// The ADFs with their AIDs.
    pub(in crate::card) fn applications(&self) -> impl Iterator<Item = (&[u8], Index)> {
        self.all().filter_map(|(index, file)| Some((file.aid()?, index)))
    }

    /// `directory` and what it is in, up to the MF.
    pub(super) fn lineage(&self, directory: Index) -> impl Iterator<Item = Index> {
        let above = |at: &Index| (*at != ROOT).then(|| self.file(*at).parent);
        std::iter::successors(Some(directory), above)
    }

    /// The ADF that `directory` is or is in.
    pub(super) fn application_of(&self, directory: Index) -> Option<Index> {
        self.lineage(directory).find(|at| self.file(*at).aid().is_some())
    }

    /// What stands in `directory` under `id`. ADFs are reached by AID only.
    pub(super) fn child(&self, directory: Index, id: u16) -> Option<Index> {
        let matches = |(index, file): &(Index, &File)| {
            *index != ROOT && file.parent == directory && file.id == id && file.aid().is_none()
        };
        self.all().find(matches).map(|(index, _)| index)
    }

    /// What stands in `directory` under a short file identifier.
    pub(super) fn child_by_sfi(&self, directory: Index, sfi: u8) -> Option<Index> {
        let matches = |(_, file): &(Index, &File)| {
            sfi != 0 && file.parent == directory && file.sfi == sfi && !file.is_directory()
        };
        self.all().find(matches).map(|(index, _)| index)
    }

    /// Names a file beyond this tree: identifiers from the MF on; `7FFF`, a length and the AID for an ADF.
    pub(in crate::card) fn path(&self, index: Index) -> Vec<u8> {
        let mut steps: Vec<Index> = self.lineage(index).filter(|at| *at != ROOT).collect();
        steps.reverse();
        let mut path = Vec::new();
        for file in steps.into_iter().map(|at| self.file(at)) {
            match file.aid() {
                Some(aid) => {
                    path.extend_from_slice(&ADF.to_be_bytes());
                    path.push(aid.len() as u8);
                    path.extend_from_slice(aid);
                }
                None => path.extend_from_slice(&file.id.to_be_bytes()),
            }
        }
        path
    }

    /// The file that [`path`](Self::path) names.
    pub(in crate::card) fn at_path(&self, path: &[u8]) -> Option<Index> {
        self.all().map(|(index, _)| index).find(|index| self.path(*index) == path)
    }

    /// The file with `id` in a directory that goes by its identifier, or by the application code of its AID.
    pub(super) fn in_directory(&self, directory: u16, id: u16) -> Option<Index> {
        let named = |(_, file): &(Index, &File)| match file.aid() {
            Some(aid) => aid.get(5..7) == Some(&directory.to_be_bytes()),
            None => file.is_directory() && file.id == directory,
        };
        self.all().find(named).and_then(|(at, _)| self.child(at, id))
    }
}

/// PIN status of a card with PIN1, PIN2 and ADM1 (TS 102 221 clause 9.5.2).
const PIN_STATUS: [u8; 12] = [0x90, 0x01, 0x60, 0x83, 0x01, 0x01, 0x83, 0x01, 0x81, 0x83, 0x01, 0x0a];

impl Entry {
    fn to_file(self, parent: Index) -> File {
        let kind = match self.structure {
            Structure::Directory(directory) => {
                Kind::Directory { aid: directory.aid().map(Into::into), pin_status: PIN_STATUS.into() }
            }
            Structure::Transparent { size } => Kind::Transparent { size },
            Structure::LinearFixed { record, count } => Kind::LinearFixed { record, count },
            Structure::Cyclic { record, count } => Kind::Cyclic { record, count },
        };
        let directory = match self.structure {
            Structure::Directory(directory) => directory,
            _ => self.within,
        };
        let [arr_high, arr_low] = directory.arr().to_be_bytes();
        File {
            parent,
            id: self.id,
            kind,
            sfi: self.sfi,
            security: [arr_high, arr_low, self.rule],
            life_cycle: 0x05,
            open_when_deactivated: false,
            content: match self.initial {
                Initial::Erased => Content::Erased,
                Initial::Bytes(bytes) => Content::Bytes(Cow::Borrowed(bytes)),
                Initial::Personal(content) => Content::Personal(content),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::table::MF;
    use super::*;

    #[test]
    fn parents_stand_before_their_children_and_paths_lead_back() {
        for tree in [Tree::personalised(), Tree::bare()] {
            for (index, file) in tree.all() {
                assert!(index == ROOT || file.parent < index && tree.file(file.parent).is_directory());
                assert_eq!(tree.at_path(&tree.path(index)), Some(index));
            }
            assert_eq!(tree.file(ROOT).id, MF);
        }
    }

    #[test]
    fn what_df_gsm_shows_is_of_the_usim() {
        let tree = Tree::personalised();
        let gsm = tree.child(ROOT, 0x7f20).unwrap();
        let (_, usim) = tree.applications().next().unwrap();
        for id in SHARED_WITH_GSM {
            let link = tree.child(gsm, *id).unwrap();
            assert_eq!(tree.shown(link), tree.child(usim, *id).unwrap(), "{id:04x}");
        }
    }

    #[test]
    fn cards_share_their_tree() {
        assert!(Arc::ptr_eq(&Tree::personalised(), &Tree::personalised()));
        assert_eq!(Tree::bare().all().count(), 4);
    }
}
