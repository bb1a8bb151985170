//! Shape and content of one file.

use super::super::der::Fault;
use super::super::error::PeStatusCode;
use super::super::file::Fcp;
use super::super::image::{FileKind, ImageFile};
use super::super::template::{self, Pattern, Row, Shape};

fn bad(cause: impl Into<String>) -> Fault {
    Fault::new(PeStatusCode::BAD_VALUES, cause)
}

/// File descriptor byte (ETSI TS 102 222 clause 6.3.2.2.1), without the bit for shareable files.
const DIRECTORY: u8 = 0x38;
const BER_TLV: u8 = 0x39;
const TRANSPARENT: u8 = 0x01;
const LINEAR: u8 = 0x02;
const CYCLIC: u8 = 0x06;

/// What the file is: as its descriptor says, or else its template. Sizes that neither gives are missing.
pub(super) fn kind(fcp: &Fcp, row: Option<&Row>, id: u16) -> Result<FileKind, Fault> {
    let structure = match (fcp.file_descriptor.as_deref(), row.map(|row| row.shape)) {
        (Some(descriptor), _) => descriptor[0] & 0x3f,
        (None, Some(Shape::Directory | Shape::Application)) => DIRECTORY,
        (None, Some(Shape::Transparent(_))) => TRANSPARENT,
        (None, Some(Shape::Linear(..))) => LINEAR,
        (None, Some(Shape::Cyclic(..))) => CYCLIC,
        (None, Some(Shape::BerTlv)) => BER_TLV,
        (None, None) => {
            return Err(bad("it is missing; a file without a template needs it").within("fileDescriptor"));
        }
    };
    let is_link = fcp.link_path.as_ref().is_some_and(|path| !path.is_empty());
    let (count, default_size) = match row.map(|row| row.shape) {
        Some(Shape::Transparent(size)) => (0, usize::from(size)),
        Some(Shape::Linear(count, record) | Shape::Cyclic(count, record)) => {
            (usize::from(count), usize::from(record))
        }
        _ => (0, 0),
    };
    let given = fcp.file_size.as_deref().map(number);
    let template_directory = row.map(|row| matches!(row.shape, Shape::Directory | Shape::Application));
    if template_directory.is_some_and(|directory| directory != (structure == DIRECTORY)) && !is_link {
        return Err(
            bad("the template has a directory where this is a file, or the reverse").within("fileDescriptor")
        );
    }
    if structure == DIRECTORY && !is_link {
        return directory(fcp, row);
    }
    if is_link {
        // Its shape is that of the file that it shows.
        return Ok(FileKind::Link { to: usize::MAX });
    }
    let missing = || {
        bad(format!("neither the template nor the package gives the size of {id:04x}")).within("efFileSize")
    };
    match structure {
        TRANSPARENT => {
            let size = given.unwrap_or(default_size);
            if size == 0 { Err(missing()) } else { Ok(FileKind::Transparent { size }) }
        }
        BER_TLV => {
            let max = fcp.proprietary.as_ref().and_then(|p| p.maximum_size.as_deref()).map(number);
            Ok(FileKind::BerTlv { size: given.unwrap_or(0), max })
        }
        LINEAR | CYCLIC => {
            let record = match fcp.file_descriptor.as_deref() {
                Some(&[_, _, a, b]) => usize::from(u16::from_be_bytes([a, b])),
                Some(&[_, _, record]) => usize::from(record),
                _ => default_size,
            };
            if record == 0 {
                let cause = "neither the template nor the package gives the length of a record";
                return Err(bad(cause).within("fileDescriptor"));
            }
            let count = match given {
                None => count,
                Some(size) if size % record == 0 => size / record,
                Some(size) => {
                    return Err(
                        bad(format!("{size} bytes are no whole records of {record}")).within("efFileSize")
                    );
                }
            };
            match (count, structure) {
                (0, _) => Err(missing()),
                (255.., _) => {
                    Err(bad(format!("{count} records; a file has 254 at most")).within("efFileSize"))
                }
                (_, CYCLIC) => Ok(FileKind::Cyclic { record, count }),
                _ => Ok(FileKind::LinearFixed { record, count }),
            }
        }
        other => {
            Err(bad(format!("file descriptor byte {other:02X} is no kind of file")).within("fileDescriptor"))
        }
    }
}

fn directory(fcp: &Fcp, row: Option<&Row>) -> Result<FileKind, Fault> {
    let is_application = row.is_some_and(|row| row.shape == Shape::Application);
    if is_application && fcp.df_name.is_none() {
        return Err(bad("it is missing; an ADF needs an AID").within("dfName"));
    }
    // What its codes are is known when all elements are.
    Ok(FileKind::Directory { aid: fcp.df_name.clone(), pin_status: Vec::new() })
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// Bytes that a file takes of the card.
pub(super) fn room_taken(file: &ImageFile) -> usize {
    match file.kind {
        FileKind::BerTlv { size, max } => max.unwrap_or(size).max(size),
        _ => file.content.len(),
    }
}

/// What the file holds before anything is written into it: the pattern of the package, or else of the template.
/// `room` is what all files together may still take.
pub(super) fn initial(kind: &FileKind, fcp: &Fcp, pattern: Pattern, room: usize) -> Result<Vec<u8>, Fault> {
    let (part, count) = match *kind {
        FileKind::Transparent { size } => (size, 1),
        FileKind::LinearFixed { record, count } | FileKind::Cyclic { record, count } => (record, count),
        FileKind::BerTlv { size, max } => (max.unwrap_or(size).max(size), 1),
        FileKind::Directory { .. } | FileKind::Link { .. } => return Ok(Vec::new()),
    };
    if part * count > room {
        let cause = format!("{} bytes more than the card has", part * count - room);
        return Err(Fault::new(PeStatusCode::NOT_ENOUGH_MEMORY, cause));
    }
    if matches!(kind, FileKind::BerTlv { .. }) {
        return Ok(Vec::new());
    }
    let mut record = vec![0xff; part];
    let own = fcp.proprietary.as_ref();
    match own.map(|p| (p.fill_pattern.as_deref(), p.repeat_pattern.as_deref())) {
        Some((Some(_), Some(_))) => {
            return Err(bad("fillPattern and repeatPattern exclude each other").within("proprietaryEFInfo"));
        }
        Some((Some(bytes), None)) => template::fill(&mut record, bytes),
        Some((None, Some(bytes))) => template::repeat(&mut record, bytes),
        _ => pattern.apply(&mut record),
    }
    Ok(record.repeat(count))
}

/// Where the next content goes.
#[derive(Debug, Default)]
pub(super) struct Cursor(usize);

impl Cursor {
    pub(super) fn skip(&mut self, bytes: u16) {
        self.0 += usize::from(bytes);
    }

    pub(super) fn write(&mut self, file: &mut ImageFile, bytes: &[u8]) -> Result<(), Fault> {
        let end = self.0 + bytes.len();
        match file.kind {
            FileKind::Directory { .. } => return Err(bad("a directory has no content")),
            FileKind::Link { .. } => return Err(bad("a link has no content of its own")),
            FileKind::BerTlv { size, max } => {
                let room = max.unwrap_or(size).max(size);
                if end > room {
                    return Err(bad(format!(
                        "content goes {} bytes beyond the {room} of the file",
                        end - room
                    )));
                }
                if file.content.len() < end {
                    file.content.resize(end, 0xff);
                }
            }
            _ if end > file.content.len() => {
                let beyond = end - file.content.len();
                return Err(bad(format!(
                    "content goes {beyond} bytes beyond the {} of the file",
                    file.content.len()
                )));
            }
            _ => {}
        }
        file.content[self.0..end].copy_from_slice(bytes);
        self.0 = end;
        Ok(())
    }
}
