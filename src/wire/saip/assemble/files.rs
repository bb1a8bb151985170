//! Files: those of templates, and those that are made one by one.

use super::super::der::{Fault, Within};
use super::super::error::PeStatusCode;
use super::super::file::{Fcp, File, FileCommand, FileItem, GenericFiles, TemplateFiles};
use super::super::image::{FILE_BYTES_MAX, FILES_MAX, FileKind, ImageFile};
use super::super::template::{self, Pattern, Place, Row, Shape};
use super::content::{self, Cursor};
use super::keys;
use super::{Assembly, identifiers};

/// First bytes of the AIDs of USIM, ISIM and CSIM.
const USIM: &[u8] = &[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const ISIM: &[u8] = &[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x04];
const CSIM: &[u8] = &[0xa0, 0x00, 0x00, 0x03, 0x43, 0x10, 0x02];

fn bad(cause: impl Into<String>) -> Fault {
    Fault::new(PeStatusCode::BAD_VALUES, cause)
}

impl Assembly {
    pub(super) fn template(&mut self, element: &TemplateFiles) -> Result<(), Fault> {
        let Some((template, version)) = template::find(&element.template) else {
            let cause = format!("template {} is not known here", element.template);
            return Err(Fault::new(PeStatusCode::TEMPLATE_NOT_SUPPORTED, cause).within("templateID"));
        };
        if template.element != self.at.name {
            let cause = format!("template {} is that of {}", element.template, template.element);
            return Err(bad(cause).within("templateID"));
        }
        let home = self.home(template.place)?;
        // Places of the directories of this template, the first one under the empty name.
        let mut directories = vec![("", home)];
        for (row, known) in template.rows(version) {
            let said = element.file(row.name);
            let wanted = match said {
                Some(file) => row.id == 0x3f00 || !file.0.contains(&FileItem::DoNotCreate),
                None => template.by_default && known,
            };
            let is_first = directories.len() == 1 && row.within.is_empty();
            let is_directory = matches!(row.shape, Shape::Directory | Shape::Application);
            if !wanted && is_directory && is_first {
                return Err(bad("it is missing; the other files are in it").within(row.name));
            }
            if !wanted {
                continue;
            }
            let within = directories.iter().rev().find(|(name, _)| *name == row.within);
            let parent = within.map(|(_, place)| *place).ok_or_else(|| {
                bad(format!("{} is in {}, which is not made", row.name, row.within)).within(row.name)
            })?;
            let empty = File::default();
            let place = self.make(&row, parent, said.unwrap_or(&empty)).within(row.name)?;
            if is_directory {
                if is_first {
                    directories[0].1 = place;
                    self.codes_for = Some(place);
                }
                directories.push((row.name, place));
            }
        }
        Ok(())
    }

    /// Where a template belongs.
    fn home(&self, place: Place) -> Result<usize, Fault> {
        let behind = |what: &str| {
            let cause = format!("{} belongs behind the element that makes {what}", self.at.name);
            Fault::new(PeStatusCode::INVALID_PARAMETER, cause)
        };
        let newest = |aid: &[u8], what: &str| {
            let own = |file: &ImageFile| matches!(&file.kind, FileKind::Directory { aid: Some(own), .. } if own.starts_with(aid));
            self.image.files.iter().rposition(own).ok_or_else(|| behind(what))
        };
        match place {
            Place::Root => Ok(0),
            Place::Mf if self.image.files.is_empty() => Err(behind("the MF")),
            Place::Mf => Ok(0),
            Place::Usim => newest(USIM, "a USIM"),
            Place::Isim => newest(ISIM, "an ISIM"),
            Place::Csim => newest(CSIM, "a CSIM"),
            Place::AnyApplication => self.application.ok_or_else(|| behind("an application")),
        }
    }

    /// Makes a file of a template, as it is and as the element changes it.
    fn make(&mut self, row: &Row, parent: usize, said: &File) -> Result<usize, Fault> {
        let mut fcp = &Fcp::default();
        for (at, item) in said.0.iter().enumerate() {
            match item {
                FileItem::Descriptor(own) if at == 0 => fcp = own,
                FileItem::Descriptor(_) => {
                    return Err(bad("it stands behind other instructions; it comes first, and once")
                        .within("fileDescriptor"));
                }
                FileItem::DoNotCreate if row.id != 0x3f00 => {}
                FileItem::DoNotCreate | FileItem::Offset(_) | FileItem::Content(_) => {}
                FileItem::Unknown(raw) => {
                    let cause = format!("instruction {:02X} is not known here", raw.tag);
                    return Err(Fault::new(PeStatusCode::INVALID_PARAMETER, cause));
                }
            }
        }
        let place = self.create(row.name, parent, fcp, Some(row))?;
        let mut cursor = Cursor::default();
        for item in &said.0 {
            match item {
                FileItem::Offset(offset) => cursor.skip(*offset),
                FileItem::Content(bytes) => self.write(place, &mut cursor, bytes)?,
                _ => {}
            }
        }
        Ok(place)
    }

    pub(super) fn generic(&mut self, element: &GenericFiles) -> Result<(), Fault> {
        let mut first_directory = None;
        for (number, commands) in element.commands.iter().enumerate() {
            // Where files are made; the file that content is for.
            let (mut directory, mut file) = (0, None);
            let mut cursor = Cursor::default();
            for (step, command) in commands.iter().enumerate() {
                let done: Result<(), Fault> = match command {
                    FileCommand::Path(path) => {
                        let found =
                            self.image.find(&identifiers(path)).filter(|_| !self.image.files.is_empty());
                        match found {
                            // A package that makes the MF itself begins at the empty path.
                            None if path.is_empty() => Ok(()),
                            None => {
                                Err(bad(format!("there is no file {}", hex::encode(path))).within("filePath"))
                            }
                            Some(place) => {
                                cursor = Cursor::default();
                                match self.image.files[place].kind {
                                    FileKind::Directory { .. } => (directory, file) = (place, None),
                                    _ => file = Some(place),
                                }
                                Ok(())
                            }
                        }
                    }
                    FileCommand::Create(fcp) => {
                        cursor = Cursor::default();
                        self.create("file", directory, fcp, None).within("createFCP").map(|place| {
                            file = Some(place);
                            if matches!(self.image.files[place].kind, FileKind::Directory { .. }) {
                                (directory, file) = (place, None);
                                first_directory.get_or_insert(place);
                            }
                        })
                    }
                    FileCommand::Offset(offset) => {
                        cursor.skip(*offset);
                        Ok(())
                    }
                    FileCommand::Content(bytes) => match file {
                        Some(place) => self.write(place, &mut cursor, bytes),
                        None => {
                            Err(bad("no file is selected that it could go into").within("fillFileContent"))
                        }
                    },
                    FileCommand::Unknown(raw) => {
                        let cause = format!("command {:02X} is not known here", raw.tag);
                        Err(Fault::new(PeStatusCode::INVALID_PARAMETER, cause))
                    }
                };
                done.within(&format!("fileManagementCMD/[{number}]/[{step}]"))?;
            }
        }
        if first_directory.is_some() {
            self.codes_for = first_directory;
        }
        Ok(())
    }

    fn write(&mut self, place: usize, cursor: &mut Cursor, bytes: &[u8]) -> Result<(), Fault> {
        let file = &mut self.image.files[place];
        cursor.write(file, bytes).within("fillFileContent")
    }

    /// Makes a file from control parameters and, where there is one, its template.
    fn create(
        &mut self,
        name: &'static str,
        parent: usize,
        fcp: &Fcp,
        row: Option<&Row>,
    ) -> Result<usize, Fault> {
        if self.image.files.len() >= FILES_MAX {
            let cause = format!("the package makes more than {FILES_MAX} files");
            return Err(Fault::new(PeStatusCode::NOT_ENOUGH_MEMORY, cause));
        }
        let id = fcp.file_id.or(row.map(|row| row.id).filter(|id| *id != 0));
        let id = id.ok_or_else(|| bad("the file has no identifier; give fileID"))?;
        let place = self.image.files.len();
        if self.image.child(parent, id).is_some() || (place > 0 && id == 0x3f00) {
            return Err(bad(format!("there is a file {id:04x} in this directory already")));
        }
        if place == 0 && id != 0x3f00 {
            return Err(bad(format!("file {id:04x} is made before the MF")));
        }
        let kind = content::kind(fcp, row, id)?;
        let is_directory = matches!(kind, FileKind::Directory { .. });
        let link = fcp.link_path.as_ref().filter(|path| !path.is_empty());
        let mut file = ImageFile {
            element: self.at,
            name,
            parent,
            id,
            sfi: if is_directory { None } else { short_id(fcp, row, id)? },
            security: self.security(fcp, row, parent, is_directory)?,
            life_cycle: fcp.life_cycle.unwrap_or(0x05),
            special: fcp.proprietary.as_ref().and_then(|p| p.special).unwrap_or(match row {
                Some(row) if row.busy => 0xc0,
                Some(_) if !is_directory => 0x40,
                _ => 0x00,
            }),
            content: Vec::new(),
            kind,
        };
        let used: usize = self.image.files.iter().map(content::room_taken).sum();
        if link.is_none() {
            let pattern = row.map_or(Pattern::Erased, |row| row.pattern);
            file.content = content::initial(&file.kind, fcp, pattern, FILE_BYTES_MAX.saturating_sub(used))?;
        }
        if let Some(path) = link {
            self.links.push((place, path.clone()));
        }
        if let FileKind::Directory { aid, .. } = &file.kind {
            if aid.is_some() {
                self.application = Some(place);
            }
            let listed = fcp.pin_status.as_deref().unwrap_or_default();
            self.listed.push((place, keys::references(listed).within("pinStatusTemplateDO")?));
        }
        self.image.files.push(file);
        Ok(place)
    }

    /// EF.ARR and record. Where the package names no file, it is that of the MF for the MF, what is in it, and
    /// ADFs, and `6F06` for the rest.
    fn security(
        &self,
        fcp: &Fcp,
        row: Option<&Row>,
        parent: usize,
        is_directory: bool,
    ) -> Result<[u8; 3], Fault> {
        let in_mf = parent == 0;
        let arr: [u8; 2] = if in_mf { [0x2f, 0x06] } else { [0x6f, 0x06] };
        match (fcp.security.as_deref(), row) {
            (Some(&[a, b, record]), _) => Ok([a, b, record]),
            (Some(&[record]), _) => Ok([arr[0], arr[1], record]),
            (Some(_), _) => {
                Err(bad("2 bytes; a record number belongs here, with or without the identifier of an EF.ARR")
                    .within("securityAttributesReferenced"))
            }
            (None, Some(row)) => Ok([arr[0], arr[1], row.rule]),
            (None, None) => {
                let what = if is_directory { "directory" } else { "file" };
                Err(bad(format!("the {what} has no access rule; give securityAttributesReferenced")))
            }
        }
    }
}

/// The short file identifier: what is given, else what the template says, else the low bits of the identifier.
fn short_id(fcp: &Fcp, row: Option<&Row>, id: u16) -> Result<Option<u8>, Fault> {
    let valid = |sfi: u8| (1..=30).contains(&sfi).then_some(sfi);
    match (fcp.short_id.as_deref(), row) {
        (Some([]), _) => Ok(None),
        (Some(&[coded]), _) if coded & 0x07 == 0 && valid(coded >> 3).is_some() => Ok(valid(coded >> 3)),
        (Some(coded), _) => {
            let cause = format!("{} is no short file identifier in the five high bits", hex::encode(coded));
            Err(bad(cause).within("shortEFID"))
        }
        (None, Some(row)) => Ok(valid(row.sfi)),
        (None, None) => Ok(valid((id & 0x1f) as u8)),
    }
}
