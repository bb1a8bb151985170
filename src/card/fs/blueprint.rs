//! The files of a personalised card as a profile package describes them.

use super::personal;
use super::table::{Directory, FILES, ISIM_AID, Initial, SHARED_WITH_GSM, Structure, USIM_AID};
use crate::card::Personalisation;
use crate::wire::saip::{FileSpec, SpecKind};

/// Identifiers of the ADFs. They serve paths inside a package only.
pub(in crate::card) const USIM: u16 = 0x7fd0;
const ISIM: u16 = 0x7fb0;

/// Key references of PIN1, PIN2 and ADM1.
const PIN1: u8 = 0x01;
const PIN2: u8 = 0x81;
const ADM1: u8 = 0x0a;

/// Every file of the card that `p` makes, parents before children. Links of DF.GSM come last.
pub(in crate::card) fn files(p: &Personalisation) -> Vec<FileSpec> {
    let mut files: Vec<FileSpec> = FILES
        .iter()
        .filter_map(|entry| {
            let (kind, size) = match entry.structure {
                Structure::Directory(directory) => (of_directory(directory), 0),
                Structure::Transparent { size } => (SpecKind::Transparent, usize::from(size)),
                Structure::LinearFixed { record, count } => {
                    (SpecKind::Linear(u16::from(record)), usize::from(record) * usize::from(count))
                }
                Structure::Cyclic { record, count } => {
                    (SpecKind::Cyclic(u16::from(record)), usize::from(record) * usize::from(count))
                }
            };
            let mut content = match entry.initial {
                Initial::Erased => Vec::new(),
                Initial::Bytes(bytes) => bytes.to_vec(),
                Initial::Personal(content) => content(p)?,
            };
            content.resize(size, 0xff);
            let (path, home) = match entry.structure {
                Structure::Directory(directory) => (path(directory), directory),
                _ => ([&path(entry.within)[..], &[entry.id]].concat(), entry.within),
            };
            let sfi = (1..=30).contains(&entry.sfi).then_some(entry.sfi);
            Some(FileSpec { path, kind, sfi, security: security(home, entry.rule), special: 0, content })
        })
        .collect();
    for id in SHARED_WITH_GSM {
        let shown = [USIM, *id];
        if let Some(file) = files.iter().find(|file| file.path == shown) {
            // The rules are the same in every EF.ARR; DF.GSM has that of the MF above it.
            let [_, _, rule] = file.security;
            files.push(FileSpec {
                path: vec![0x7f20, *id],
                kind: SpecKind::Link(Box::new(file.kind.clone()), shown.to_vec()),
                sfi: None,
                security: security(Directory::Gsm, rule),
                special: file.special,
                content: Vec::new(),
            });
        }
    }
    files.extend(concealed_by_card(p));
    files
}

/// DF.SAIP, for a USIM that conceals the identity itself: only the card reads its file.
fn concealed_by_card(p: &Personalisation) -> Vec<FileSpec> {
    let Some(content) = p.suci.as_ref().filter(|suci| suci.by_card).map(personal::calculation) else {
        return Vec::new();
    };
    let directory = FileSpec {
        path: vec![USIM, 0x5fd0],
        kind: SpecKind::Directory { aid: None, codes: vec![PIN1, PIN2, ADM1] },
        sfi: None,
        security: security(Directory::Usim, super::access::DIRECTORY),
        special: 0,
        content: Vec::new(),
    };
    // Nobody reads it: the rule of directories permits nothing.
    let file = FileSpec {
        path: vec![USIM, 0x5fd0, 0x4f01],
        kind: SpecKind::Transparent,
        content,
        ..directory.clone()
    };
    vec![directory, file]
}

fn of_directory(directory: Directory) -> SpecKind {
    let aid = match directory {
        Directory::Usim => Some(USIM_AID.to_vec()),
        Directory::Isim => Some(ISIM_AID.to_vec()),
        _ => None,
    };
    let codes = match directory {
        // PIN2 is that of a directory; these two have none.
        Directory::Mf | Directory::Gsm => vec![PIN1, ADM1],
        _ => vec![PIN1, PIN2, ADM1],
    };
    SpecKind::Directory { aid, codes }
}

fn path(directory: Directory) -> Vec<u16> {
    match directory {
        Directory::Mf => Vec::new(),
        Directory::Telecom => vec![0x7f10],
        Directory::Gsm => vec![0x7f20],
        Directory::Usim => vec![USIM],
        Directory::FiveGs => vec![USIM, 0x5fc0],
        Directory::Isim => vec![ISIM],
    }
}

/// The record `rule` of the EF.ARR that holds the rules of `directory` and of what is in it.
fn security(directory: Directory, rule: u8) -> [u8; 3] {
    match directory {
        Directory::Mf | Directory::Telecom | Directory::Gsm => [0x2f, 0x06, rule],
        Directory::Usim | Directory::FiveGs | Directory::Isim => [0x6f, 0x06, rule],
    }
}
