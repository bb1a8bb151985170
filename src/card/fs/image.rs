//! The tree of files of an image, checked: a card must not be led astray by a package.

use std::borrow::Cow;
use std::sync::Arc;

use super::tree::{Content, File, Index, Kind, ROOT, Tree};
use super::{ADF, ERASED, MF};
use crate::card::install::refused;
use crate::wire::saip::{FILE_BYTES_MAX, FILES_MAX, FileKind, Image, ImageFile, PackageError, PeStatusCode};
use crate::wire::tlv;

/// READ BINARY reaches an offset of 15 bits and 256 bytes behind that.
const SIZE_MAX: usize = 0x80ff;

impl Tree {
    /// The tree of `image`. An error names the element whose file cannot be.
    pub(in crate::card) fn of_image(image: &Image) -> Result<Arc<Self>, PackageError> {
        let Some(mf) = image.files.first() else {
            let nowhere = crate::wire::saip::ElementRef { index: 0, name: "header" };
            return Err(refused(nowhere, "mf", "the package makes no MF", PeStatusCode::BAD_VALUES));
        };
        if mf.parent != 0 || mf.id != MF || !matches!(mf.kind, FileKind::Directory { aid: None, .. }) {
            return Err(bad(mf, "the first file is not the MF, 3F00"));
        }
        let mut bytes = 0;
        let mut files: Vec<File> = Vec::with_capacity(image.files.len().min(FILES_MAX));
        for (at, file) in image.files.iter().enumerate() {
            bytes += file.content.len();
            if at >= FILES_MAX || bytes > FILE_BYTES_MAX {
                let cause =
                    format!("a profile may have {FILES_MAX} files and {FILE_BYTES_MAX} bytes in them");
                return Err(refusal(file, cause, PeStatusCode::NOT_ENOUGH_MEMORY));
            }
            let made = made(image, at, file)?;
            if at > 0 {
                check_place(&files, at, file, &made)?;
            }
            files.push(made);
        }
        Ok(Arc::new(Self::new(files)))
    }
}

fn bad(file: &ImageFile, cause: impl Into<String>) -> PackageError {
    refusal(file, cause, PeStatusCode::BAD_VALUES)
}

fn refusal(file: &ImageFile, cause: impl Into<String>, status: PeStatusCode) -> PackageError {
    refused(file.element, format!("{} ({:04X})", file.name, file.id), cause, status)
}

/// Where a file stands, among those that are made already: in a directory, beside others of other names.
fn check_place(made: &[File], at: usize, file: &ImageFile, new: &File) -> Result<(), PackageError> {
    let parent = (file.parent < at).then(|| &made[file.parent]);
    if !parent.is_some_and(File::is_directory) {
        return Err(bad(file, format!("its directory, file {}, does not stand before it", file.parent)));
    }
    if let Some(aid) = new.aid() {
        let twice = made.iter().any(|other| other.aid() == Some(aid));
        return if twice { Err(bad(file, "its AID is that of another ADF")) } else { Ok(()) };
    }
    if [MF, ADF, 0x3fff].contains(&file.id) {
        return Err(bad(file, "its identifier is reserved (TS 102 221 clause 8.6)"));
    }
    let beside = || made.iter().skip(1).filter(|other| usize::from(other.parent) == file.parent);
    if beside().any(|other| other.id == file.id && other.aid().is_none()) {
        return Err(bad(file, "its directory has another file with this identifier"));
    }
    if new.sfi != 0 && beside().any(|other| other.sfi == new.sfi) {
        return Err(bad(file, format!("its directory has another file with short identifier {}", new.sfi)));
    }
    Ok(())
}

fn made(image: &Image, at: usize, file: &ImageFile) -> Result<File, PackageError> {
    let sfi = file.sfi.unwrap_or(0);
    if file.sfi.is_some() && !(1..=30).contains(&sfi) {
        return Err(bad(file, format!("its short identifier {sfi} is not 1 to 30")));
    }
    let (kind, length) = kind(image, at, file)?;
    let exact = match kind {
        Kind::BerTlv { .. } => file.content.len() <= length,
        _ => file.content.len() == length,
    };
    if !exact {
        return Err(bad(file, format!("it holds {length} bytes, its content has {}", file.content.len())));
    }
    let erased = !matches!(kind, Kind::BerTlv { .. })
        && file.content.len() <= ERASED.len()
        && file.content.iter().all(|byte| *byte == 0xff);
    let content = if erased { Content::Erased } else { Content::Bytes(Cow::Owned(file.content.clone())) };
    Ok(File {
        parent: file.parent as Index,
        id: file.id,
        kind,
        sfi,
        security: file.security,
        life_cycle: file.life_cycle,
        open_when_deactivated: file.special & 0x40 != 0,
        content,
    })
}

/// What a file is, and the bytes that it holds.
fn kind(image: &Image, at: usize, file: &ImageFile) -> Result<(Kind, usize), PackageError> {
    let of_records = |record: usize, count: usize| match (u8::try_from(record), u8::try_from(count)) {
        (Ok(record @ 1..), Ok(count @ 1..=254)) => Ok((record, count)),
        _ => Err(bad(file, format!("{count} records of {record} bytes: 1 to 254 of 1 to 255 are possible"))),
    };
    let sized = |size: usize| {
        let too_big = format!("a file of {size} bytes: {SIZE_MAX} are possible");
        let fits = u16::try_from(size).ok().filter(|_| size <= SIZE_MAX);
        fits.ok_or_else(|| refusal(file, too_big, PeStatusCode::NOT_ENOUGH_MEMORY))
    };
    Ok(match &file.kind {
        FileKind::Directory { aid, pin_status } => {
            if aid.as_ref().is_some_and(|aid| !(5..=16).contains(&aid.len())) {
                return Err(bad(file, "an AID has 5 to 16 bytes"));
            }
            let objects = tlv::Reader::new(pin_status).all(|object| object.is_ok());
            if !objects || pin_status.len() > 0x7f {
                return Err(bad(file, "its PIN status template is no sequence of data objects"));
            }
            let (aid, pin_status) = (aid.as_deref().map(Into::into), pin_status.as_slice().into());
            (Kind::Directory { aid, pin_status }, 0)
        }
        FileKind::Transparent { size } => (Kind::Transparent { size: sized(*size)? }, *size),
        FileKind::LinearFixed { record, count } => {
            let (record, count) = of_records(*record, *count)?;
            (Kind::LinearFixed { record, count }, usize::from(record) * usize::from(count))
        }
        FileKind::Cyclic { record, count } => {
            let (record, count) = of_records(*record, *count)?;
            (Kind::Cyclic { record, count }, usize::from(record) * usize::from(count))
        }
        FileKind::BerTlv { size, .. } => (Kind::BerTlv { size: sized(*size)? }, *size),
        FileKind::Link { to } => {
            let target = image.files.get(*to).filter(|_| *to != at);
            match target.map(|target| &target.kind) {
                None => return Err(bad(file, format!("it is a link to file {to}, which is not there"))),
                Some(FileKind::Link { .. }) => return Err(bad(file, "it is a link to a link")),
                Some(FileKind::Directory { .. }) if is_within(image, at, *to) => {
                    return Err(bad(file, "it is a link to a directory that it is in"));
                }
                Some(_) => (Kind::Link { to: *to as Index }, 0),
            }
        }
    })
}

/// Whether the file at `at` is in the directory at `directory`, at any depth. Its parents are checked already.
fn is_within(image: &Image, at: usize, directory: usize) -> bool {
    let above = |at: &usize| {
        let parent = image.files.get(*at)?.parent;
        (parent < *at).then_some(parent)
    };
    directory == usize::from(ROOT) || std::iter::successors(Some(at), above).any(|at| at == directory)
}
