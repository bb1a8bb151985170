//! Making packages: from files as they shall be to the elements that make them, and changing a package that is there.

use super::aka::{AkaSource, Algorithm, MILENAGE, TUAK, USIM_TEST};
use super::application::Key;
use super::der::Oid;
use super::element::{Element, Package};
use super::file::{Fcp, File, FileCommand, FileItem, GenericFiles, ProprietaryInfo, TemplateFiles};
use super::header::{Header, PeHeader};
use super::template::{self, Pattern, Row, Shape};

/// A file as it shall be on the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Identifiers from the MF on, its own at the end. An ADF goes by an identifier that serves the package only.
    pub path: Vec<u16>,
    /// Of a directory, the PIN status is the list of key references of its codes.
    pub kind: SpecKind,
    /// Short file identifier, 1 to 30.
    pub sfi: Option<u8>,
    /// EF.ARR and record.
    pub security: [u8; 3],
    /// Special file information (TS 102 222 clause 6.3.2.2.5), as of `ImageFile::special`.
    pub special: u8,
    /// All its bytes, the records one behind another; empty for a directory or a link.
    pub content: Vec<u8>,
}

/// What a [`FileSpec`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecKind {
    /// MF, DF or ADF.
    Directory {
        /// AID of an ADF; `None` for MF and DF.
        aid: Option<Vec<u8>>,
        /// Key references of its codes.
        codes: Vec<u8>,
    },
    /// A string of bytes, as long as the content.
    Transparent,
    /// Bytes of a record.
    Linear(u16),
    /// Bytes of a record.
    Cyclic(u16),
    /// Shows the file at this path, whose shape it has.
    Link(Box<SpecKind>, Vec<u16>),
}

/// A package in the making.
#[derive(Debug)]
pub struct Draft {
    elements: Vec<Element>,
    templates: Vec<Oid>,
}

impl Draft {
    /// A package with this header. Its list of templates is filled in at the end.
    pub fn new(header: Header) -> Self {
        Self { elements: vec![Element::Header(header)], templates: Vec::new() }
    }

    /// Appends an element that a card has to support. Identification numbers count up from 1.
    pub fn push(&mut self, element: impl FnOnce(PeHeader) -> Element) {
        let header = PeHeader::mandated(self.elements.len() as u16);
        self.elements.push(element(header));
    }

    /// Appends `element` with those of `files` that its template has in the directory at `home`, and takes them
    /// out of `files`. Files that the template would make unasked are declined. Without any file there is no
    /// element.
    pub fn template(&mut self, element: &'static str, version: u8, home: &[u16], files: &mut Vec<FileSpec>) {
        let Some(oid) = template::oid(element, version) else { return };
        let Some((template, _)) = template::find(&oid) else { return };
        let mut found = Vec::new();
        for (row, known) in template.rows(version) {
            let is_directory = matches!(row.shape, Shape::Directory | Shape::Application);
            let own = |file: &FileSpec| match is_directory {
                true => file.path == home && row.within.is_empty(),
                false => row.within.is_empty() && file.path.split_last() == Some((&row.id, home)),
            };
            match files.iter().position(own).filter(|_| !is_directory || found.is_empty()) {
                Some(at) => found.push((row.name, templated(&files.remove(at), &row))),
                None if template.by_default && known && row.within.is_empty() => {
                    found.push((row.name, File(vec![FileItem::DoNotCreate])));
                }
                None => {}
            }
        }
        if found.is_empty() {
            return;
        }
        self.templates.push(oid.clone());
        self.push(|header| {
            let files = TemplateFiles { header, template: oid, files: found, extra: Vec::new() };
            Element::Template(element, files)
        });
    }

    /// Appends an element that makes `files` one by one.
    pub fn generic(&mut self, files: &[FileSpec]) {
        let mut commands = Vec::new();
        let mut directory: Option<&[u16]> = None;
        for file in files {
            let Some((_, home)) = file.path.split_last() else { continue };
            if directory != Some(home) {
                commands.push(FileCommand::Path(bytes(home)));
            }
            let is_directory = matches!(file.kind, SpecKind::Directory { .. });
            directory = Some(if is_directory { &file.path } else { home });
            commands.push(FileCommand::Create(Box::new(control(file, Pattern::Erased))));
            for (offset, content) in parts(&file.content) {
                commands.extend((offset > 0).then_some(FileCommand::Offset(offset)));
                commands.push(FileCommand::Content(content.to_vec()));
            }
        }
        if !commands.is_empty() {
            self.push(|header| {
                Element::GenericFiles(GenericFiles { header, commands: vec![commands], extra: Vec::new() })
            });
        }
    }

    /// The package, with its end.
    pub fn finish(mut self) -> Package {
        self.push(Element::End);
        if let Some(Element::Header(header)) = self.elements.first_mut() {
            header.mandatory_templates = self.templates;
        }
        Package { elements: self.elements }
    }
}

fn bytes(path: &[u16]) -> Vec<u8> {
    path.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn templated(file: &FileSpec, row: &Row) -> File {
    let mut items = vec![FileItem::Descriptor(Box::new(control(file, row.pattern)))];
    for (offset, content) in parts(&file.content) {
        items.extend((offset > 0).then_some(FileItem::Offset(offset)));
        items.push(FileItem::Content(content.to_vec()));
    }
    File(items)
}

/// Control parameters that say all there is to say, so that the file is the same with every template.
fn control(file: &FileSpec, pattern: Pattern) -> Fcp {
    let shape = match &file.kind {
        SpecKind::Link(shape, _) => shape,
        kind => kind,
    };
    let record = |structure: u8, record: u16| {
        let [a, b] = record.to_be_bytes();
        vec![structure, 0x21, a, b]
    };
    let mut fcp = Fcp {
        file_descriptor: Some(match shape {
            SpecKind::Directory { .. } => vec![0x78, 0x21],
            SpecKind::Linear(length) => record(0x42, *length),
            SpecKind::Cyclic(length) => record(0x46, *length),
            _ => vec![0x41, 0x21],
        }),
        file_id: file.path.last().copied().or(Some(0x3f00)),
        security: Some(file.security.to_vec()),
        ..Fcp::default()
    };
    match &file.kind {
        SpecKind::Directory { aid, codes } => {
            fcp.df_name.clone_from(aid);
            fcp.pin_status = Some(codes.clone());
            return fcp;
        }
        SpecKind::Link(_, to) => fcp.link_path = Some(bytes(to)),
        _ => {
            let size = (file.content.len() as u32).to_be_bytes();
            let zeros = size.iter().take_while(|byte| **byte == 0).count().min(3);
            fcp.file_size = Some(size[zeros..].to_vec());
            // DER has no values that are the default.
            let info = ProprietaryInfo {
                special: (file.special != 0).then_some(file.special),
                fill_pattern: (pattern != Pattern::Erased).then(|| vec![0xff]),
                ..ProprietaryInfo::default()
            };
            fcp.proprietary = (info != ProprietaryInfo::default()).then_some(info);
        }
    }
    fcp.short_id = Some(file.sfi.map_or_else(Vec::new, |sfi| vec![sfi << 3]));
    fcp
}

/// Runs of `FF` that are shorter than this are written, not skipped.
const WORTH_SKIPPING: usize = 6;

/// What has to be written into a file full of `FF` for it to hold `content`: how far to go on, and what to write.
fn parts(content: &[u8]) -> Vec<(u16, &[u8])> {
    let mut parts = Vec::new();
    let (mut written, mut at) = (0, 0);
    while let Some(start) = content[at..].iter().position(|byte| *byte != 0xff).map(|n| at + n) {
        let mut end = start;
        while end < content.len() {
            let erased = content[end..].iter().take_while(|byte| **byte == 0xff).count();
            if erased >= WORTH_SKIPPING || end + erased == content.len() {
                break;
            }
            end += erased + 1;
        }
        // An offset has 16 bits: one that is longer is taken in steps that write a byte as it is.
        while start - written > 0xffff {
            parts.push((0xfffe, &content[written + 0xfffe..written + 0xffff]));
            written += 0xffff;
        }
        parts.push(((start - written) as u16, &content[start..end]));
        (written, at) = (end, end);
    }
    parts
}

impl Package {
    /// Puts `algorithm` into every element that has keys of its own, and says in the header what a card needs for
    /// it. Returns how many elements have changed.
    pub fn replace_keys(&mut self, algorithm: &Algorithm) -> usize {
        let mut changed = 0;
        for element in &mut self.elements {
            match element {
                Element::AkaParameter(aka) => {
                    if let AkaSource::Own(own) = &mut aka.source {
                        *own = algorithm.clone();
                        changed += 1;
                    }
                }
                Element::Header(header) => {
                    let algorithms = ["milenage", "tuak128", "tuak256", "usim-test-algorithm"];
                    let needed = match (algorithm.id, algorithm.key.len()) {
                        (MILENAGE, _) => "milenage",
                        (TUAK, 32) => "tuak256",
                        (TUAK, _) => "tuak128",
                        (USIM_TEST, _) => "usim-test-algorithm",
                        _ => continue,
                    };
                    header.mandatory_services.replace(&algorithms, needed);
                }
                _ => {}
            }
        }
        changed
    }

    /// Gives the first security domain `keys` in the place of all that it has for packets over the air, which are those
    /// of versions 1 to 15 (GlobalPlatform UICC Configuration). Returns whether there is one.
    pub fn replace_ota_keys(&mut self, keys: Vec<Key>) -> bool {
        let domain = self.elements.iter_mut().find_map(|element| match element {
            Element::SecurityDomain(domain) => Some(domain),
            _ => None,
        });
        let Some(domain) = domain else { return false };
        let own = domain.keys.get_or_insert_default();
        own.retain(|key| !(0x01..=0x0f).contains(&key.version));
        own.extend(keys);
        true
    }

    /// Lets the file `name` of element `element` hold `content` from its start. Returns whether there is one.
    pub fn replace_content(&mut self, element: &str, name: &str, content: &[u8]) -> bool {
        let mut found = false;
        for own in &mut self.elements {
            let Element::Template(own_name, files) = own else { continue };
            if *own_name != element {
                continue;
            }
            for (_, file) in files.files.iter_mut().filter(|(own_name, _)| *own_name == name) {
                file.0.retain(|item| matches!(item, FileItem::Descriptor(_) | FileItem::Unknown(_)));
                file.0.push(FileItem::Content(content.to_vec()));
                found = true;
            }
        }
        found
    }

    /// As [`replace_content`](Self::replace_content), also where `element` leaves the file to its template. A transparent
    /// file that is too short for `content` grows.
    pub fn set_content(&mut self, element: &str, name: &'static str, content: &[u8]) {
        if self.replace_content(element, name, content) {
            self.grow(element, name, content.len());
            return;
        }
        for own in &mut self.elements {
            let Element::Template(own_name, files) = own else { continue };
            let names = template::names(own_name);
            let Some(place) = names.iter().position(|own| *own == name).filter(|_| *own_name == element)
            else {
                continue;
            };
            let before =
                |other: &str| names.iter().position(|own| *own == other).is_some_and(|at| at < place);
            let at = files.files.iter().take_while(|(other, _)| before(other)).count();
            files.files.insert(at, (name, File(vec![FileItem::Content(content.to_vec())])));
        }
    }

    /// Gives a file whose size the package gives one of at least `bytes`.
    fn grow(&mut self, element: &str, name: &str, bytes: usize) {
        let templates = self.elements.iter_mut().filter_map(|own| match own {
            Element::Template(own, files) if *own == element => Some(files),
            _ => None,
        });
        let files = templates.flat_map(|files| files.files.iter_mut());
        for (_, file) in files.filter(|(own, _)| *own == name) {
            let Some(FileItem::Descriptor(fcp)) = file.0.first_mut() else { continue };
            let size =
                |digits: &Vec<u8>| digits.iter().fold(0usize, |sum, digit| sum << 8 | usize::from(*digit));
            if fcp.file_size.as_ref().is_some_and(|own| size(own) < bytes) {
                let digits = bytes.to_be_bytes();
                let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len() - 1);
                fcp.file_size = Some(digits[first..].to_vec());
            }
        }
    }

    /// Gives the profile another ICCID, in the header and in EF.ICCID. `iccid` is as in that file.
    pub fn replace_iccid(&mut self, iccid: [u8; 10]) {
        if let Some(Element::Header(header)) = self.elements.first_mut() {
            header.iccid = iccid.map(|byte| byte.rotate_left(4));
        }
        self.replace_content("mf", "ef-iccid", &iccid);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_make_the_content_again(
            content in proptest::collection::vec(prop_oneof![4 => Just(0xffu8), 1 => any::<u8>()], 0..200),
        ) {
            let mut made = vec![0xff; content.len()];
            let mut at = 0;
            for (offset, part) in parts(&content) {
                at += usize::from(offset);
                made[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
            prop_assert_eq!(made, content);
        }
    }

    #[test]
    fn far_content_is_reached() {
        let mut content = vec![0xff; 140_001];
        content[140_000] = 1;
        let end: usize = parts(&content).iter().map(|(offset, part)| usize::from(*offset) + part.len()).sum();
        assert_eq!(end, content.len());
    }
}
