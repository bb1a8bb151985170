//! Files in a package: file control parameters, content, and the elements that hold them.

use super::der::{Fault, INTEGER, Object, Oid, Raw, SEQUENCE, Within, Writer, constructed, context};
use super::header::PeHeader;

const CREATE_FCP: u16 = 0x62;
const PRIVATE_0: u16 = 0xc0;
const FILL_PATTERN: u16 = 0xc1;
const REPEAT_PATTERN: u16 = 0xc2;
const PIN_STATUS: u16 = 0xc6;
const LINK_PATH: u16 = 0xc7;

/// File control parameters (ETSI TS 102 222 clause 6.3.2.2). What is absent is what the template, or the
/// specification, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fcp {
    /// File descriptor byte, data coding byte and, for records, their length in two bytes.
    pub file_descriptor: Option<Vec<u8>>,
    /// File identifier; of an ADF a temporary one.
    pub file_id: Option<u16>,
    /// AID of an ADF.
    pub df_name: Option<Vec<u8>>,
    /// Life cycle status; `05` if absent.
    pub life_cycle: Option<u8>,
    /// Record of an EF.ARR, with or without the identifier of that file before it.
    pub security: Option<Vec<u8>>,
    /// Bytes of the file, big-endian, without leading zeros.
    pub file_size: Option<Vec<u8>>,
    /// Key references of the codes that a directory lists.
    pub pin_status: Option<Vec<u8>>,
    /// Short file identifier in the five high bits; empty for none.
    pub short_id: Option<Vec<u8>>,
    /// `proprietaryEFInfo`, tag `A5`.
    pub proprietary: Option<ProprietaryInfo>,
    /// Identifiers from the MF to the file that this one shows; empty to turn a link of a template into a file.
    pub link_path: Option<Vec<u8>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

/// Proprietary information of file control parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProprietaryInfo {
    /// Special file information; `00` if absent.
    pub special: Option<u8>,
    /// What the file begins with; its last byte fills the rest. Of files with records this goes for each record.
    pub fill_pattern: Option<Vec<u8>>,
    /// What the file is filled with, again and again.
    pub repeat_pattern: Option<Vec<u8>>,
    /// Limit of a BER-TLV file, big-endian.
    pub maximum_size: Option<Vec<u8>>,
    /// Coding of a BER-TLV file; `01` if absent.
    pub details: Option<u8>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl Fcp {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            file_descriptor: fields.optional(context(2), "fileDescriptor", |o| o.octets(2, 4))?,
            file_id: fields.optional(context(3), "fileID", |o| Ok(u16::from_be_bytes(o.array()?)))?,
            df_name: fields.optional(context(4), "dfName", |o| o.aid())?,
            life_cycle: fields.optional(context(10), "lcsi", |o| o.byte())?,
            security: fields.optional(context(11), "securityAttributesReferenced", |o| o.octets(1, 3))?,
            file_size: fields.optional(context(0), "efFileSize", |o| o.octets(1, 4))?,
            pin_status: fields.optional(PIN_STATUS, "pinStatusTemplateDO", |o| o.octets(0, 64))?,
            short_id: fields.optional(context(8), "shortEFID", |o| o.octets(0, 1))?,
            proprietary: fields.optional(constructed(5), "proprietaryEFInfo", ProprietaryInfo::read)?,
            link_path: fields.optional(LINK_PATH, "linkPath", |o| path(&o))?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.maybe(context(2), self.file_descriptor.as_deref());
        w.maybe(context(3), self.file_id.map(u16::to_be_bytes).as_ref().map(|id| &id[..]));
        w.maybe(context(4), self.df_name.as_deref());
        w.maybe(context(10), byte(&self.life_cycle));
        w.maybe(context(11), self.security.as_deref());
        w.maybe(context(0), self.file_size.as_deref());
        w.maybe(PIN_STATUS, self.pin_status.as_deref());
        w.maybe(context(8), self.short_id.as_deref());
        if let Some(proprietary) = &self.proprietary {
            w.group(constructed(5), |w| proprietary.write(w));
        }
        w.maybe(LINK_PATH, self.link_path.as_deref());
        w.raw(&self.extra);
    }
}

impl ProprietaryInfo {
    fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            special: fields.optional(PRIVATE_0, "specialFileInformation", |o| o.byte())?,
            fill_pattern: fields.optional(FILL_PATTERN, "fillPattern", |o| o.octets(1, 200))?,
            repeat_pattern: fields.optional(REPEAT_PATTERN, "repeatPattern", |o| o.octets(1, 200))?,
            maximum_size: fields.optional(context(6), "maximumFileSize", |o| o.octets(1, 4))?,
            details: fields.optional(context(4), "fileDetails", |o| o.byte())?,
            extra: fields.rest()?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.maybe(PRIVATE_0, byte(&self.special));
        w.maybe(FILL_PATTERN, self.fill_pattern.as_deref());
        w.maybe(REPEAT_PATTERN, self.repeat_pattern.as_deref());
        w.maybe(context(6), self.maximum_size.as_deref());
        w.maybe(context(4), byte(&self.details));
        w.raw(&self.extra);
    }
}

pub(super) fn byte(value: &Option<u8>) -> Option<&[u8]> {
    value.as_ref().map(std::slice::from_ref)
}

/// A path of at most four identifiers.
fn path(object: &Object<'_>) -> Result<Vec<u8>, Fault> {
    let path = object.octets(0, 8)?;
    if path.len() % 2 == 1 {
        return Err(object.bad("a path of an odd number of bytes; identifiers have two each"));
    }
    Ok(path)
}

/// One instruction about a file of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileItem {
    /// The template would make the file; it is not wanted.
    DoNotCreate,
    /// `fileDescriptor`, tag `A1`: control parameters in the place of the template's.
    Descriptor(Box<Fcp>),
    /// Bytes to go on before the next content.
    Offset(u16),
    /// `fillFileContent`, tag `83`: bytes to write from where the last ones ended.
    Content(Vec<u8>),
    /// What no version known here has, as it came.
    Unknown(Raw),
}

/// What an element says of a file of its template. Empty: it is made as the template says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File(pub Vec<FileItem>);

impl File {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let items = object.objects()?.into_iter().map(|o| {
            Ok(match o.tag {
                0x80 => o.null().map(|()| FileItem::DoNotCreate).within("doNotCreate")?,
                0xa1 => FileItem::Descriptor(Box::new(Fcp::read(o).within("fileDescriptor")?)),
                0x82 => FileItem::Offset(o.integer(0xffff).within("fillFileOffset")? as u16),
                0x83 => FileItem::Content(o.value.to_vec()),
                _ => FileItem::Unknown(o.raw()),
            })
        });
        Ok(Self(items.collect::<Result<_, Fault>>()?))
    }

    pub(super) fn write(&self, w: &mut Writer) {
        for item in &self.0 {
            match item {
                FileItem::DoNotCreate => w.put(context(0), &[]),
                FileItem::Descriptor(fcp) => w.group(constructed(1), |w| fcp.write(w)),
                FileItem::Offset(offset) => w.integer(context(2), u32::from(*offset)),
                FileItem::Content(content) => w.put(context(3), content),
                FileItem::Unknown(raw) => w.raw(std::slice::from_ref(raw)),
            }
        }
    }
}

/// An element that makes files from a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFiles {
    /// The head of the element, tag `A0`.
    pub header: PeHeader,
    /// `templateID`, tag `81`.
    pub template: Oid,
    /// Names of the ASN.1 module, in its order, each at most once.
    pub files: Vec<(&'static str, File)>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl TemplateFiles {
    /// `names` are the fields of the element behind its header and template.
    pub(super) fn read(object: Object<'_>, names: &[&'static str]) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        let header = PeHeader::first(&mut fields)?;
        let template = fields.required(context(1), "templateID", |o| o.oid())?;
        let mut files = Vec::new();
        for (number, name) in (2..).zip(names) {
            if let Some(file) = fields.optional(constructed(number), name, File::read)? {
                files.push((*name, file));
            }
        }
        Ok(Self { header, template, files, extra: fields.rest()? })
    }

    pub(super) fn write(&self, w: &mut Writer, names: &[&'static str]) {
        self.header.write(w);
        w.put(context(1), self.template.body());
        for (number, name) in (2..).zip(names) {
            for (_, file) in self.files.iter().filter(|(own, _)| own == name) {
                w.group(constructed(number), |w| file.write(w));
            }
        }
        w.raw(&self.extra);
    }

    /// What is said of the file `name`.
    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|(own, _)| *own == name).map(|(_, file)| file)
    }
}

/// One instruction about a file without a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileCommand {
    /// Identifiers from the MF to a directory, or to a file whose content follows. An ADF goes by its temporary
    /// identifier.
    Path(Vec<u8>),
    /// `createFCP`, tag `62`: makes a file in the current directory, and selects it.
    Create(Box<Fcp>),
    /// Bytes to go on before the next content.
    Offset(u16),
    /// `fillFileContent`, tag `81`: bytes to write from where the last ones ended.
    Content(Vec<u8>),
    /// What no version known here has, as it came.
    Unknown(Raw),
}

/// `genericFileManagement`: files without a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericFiles {
    /// `gfm-header`, tag `A0`.
    pub header: PeHeader,
    /// `fileManagementCMD`, tag `A1`: lists of commands, carried out one behind another.
    pub commands: Vec<Vec<FileCommand>>,
    /// Fields behind the known ones, as they came.
    pub extra: Vec<Raw>,
}

impl GenericFiles {
    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields = object.fields()?;
        Ok(Self {
            header: PeHeader::first(&mut fields)?,
            commands: fields.required(constructed(1), "fileManagementCMD", |o| {
                o.list(SEQUENCE, |o| {
                    let commands = (0..).zip(o.objects()?).map(|(number, o): (usize, _)| {
                        Ok(match o.tag {
                            0x80 => FileCommand::Path(path(&o).within(&format!("[{number}]/filePath"))?),
                            CREATE_FCP => FileCommand::Create(Box::new(
                                Fcp::read(o).within(&format!("[{number}]/createFCP"))?,
                            )),
                            INTEGER => FileCommand::Offset(
                                o.integer(0xffff).within(&format!("[{number}]/fillFileOffset"))? as u16,
                            ),
                            0x81 => FileCommand::Content(o.value.to_vec()),
                            _ => FileCommand::Unknown(o.raw()),
                        })
                    });
                    commands.collect::<Result<Vec<_>, Fault>>()
                })
            })?,
            extra: fields.rest()?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        self.header.write(w);
        w.group(constructed(1), |w| {
            for commands in &self.commands {
                w.group(SEQUENCE, |w| {
                    for command in commands {
                        match command {
                            FileCommand::Path(path) => w.put(context(0), path),
                            FileCommand::Create(fcp) => w.group(CREATE_FCP, |w| fcp.write(w)),
                            FileCommand::Offset(offset) => w.integer(INTEGER, u32::from(*offset)),
                            FileCommand::Content(content) => w.put(context(1), content),
                            FileCommand::Unknown(raw) => w.raw(std::slice::from_ref(raw)),
                        }
                    }
                });
            }
        });
        w.raw(&self.extra);
    }
}
