//! Remote application management (ETSI TS 102 226 clause 8.2; GlobalPlatform Card Specification clauses 11.3 and 11.4):
//! the card tells what is on it. It loads, installs and deletes nothing: applications come with their profile.

use super::domains::{Administration, Kind, Listed, Target};
use crate::wire::{Command, StatusWord, tlv};

/// Octets of one answer to GET STATUS; an entry takes 30 at most.
const PAGE: usize = 220;

/// More entries follow.
const MORE: StatusWord = StatusWord(0x6310);

/// Answers one command to the issuer's domain. `told` is how many entries GET STATUS has told of in this script.
pub(super) fn answer(
    administration: &Administration,
    target: &Target,
    c: &Command<'_>,
    told: &mut usize,
) -> Result<(Vec<u8>, StatusWord), StatusWord> {
    match (c.class, c.instruction) {
        (0x80, 0xf2) => status(administration.listed(), c, told),
        (0x80, 0xca) if (c.p1, c.p2) == (0x00, 0xe0) => {
            let mut entries = Vec::new();
            for key in administration.key_information(target) {
                tlv::push(&mut entries, 0xc0, &key);
            }
            let mut out = Vec::new();
            tlv::push(&mut out, 0xe0, &entries);
            Ok((out, StatusWord::OK))
        }
        (0x80, 0xca) => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
    }
}

/// GET STATUS: P1 says of what, bit 1 of P2 that it goes on, and bit 2 the form with tags.
fn status(listed: &[Listed], c: &Command<'_>, told: &mut usize) -> Result<(Vec<u8>, StatusWord), StatusWord> {
    let wanted = |entry: &&Listed| match c.p1 {
        0x80 => entry.kind == Kind::Issuer,
        0x40 => entry.kind == Kind::Application,
        0x20 | 0x10 => entry.kind == Kind::Code,
        _ => false,
    };
    if c.p2 & !0x03 != 0 || !matches!(c.p1, 0x80 | 0x40 | 0x20 | 0x10) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    let prefix = tlv::find(c.data, 0x4f).map_err(|_| StatusWord::INCORRECT_DATA)?;
    if c.p2 & 0x01 == 0 {
        *told = 0;
    }
    let entries = listed.iter().filter(wanted).filter(|entry| entry.aid.starts_with(prefix));
    let mut entries = entries.skip(*told).peekable();
    if entries.peek().is_none() {
        return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
    }
    let mut out = Vec::new();
    for entry in entries {
        let encoded = if c.p2 & 0x02 == 0 { untagged(entry) } else { tagged(entry) };
        if out.len() + encoded.len() > PAGE {
            return Ok((out, MORE));
        }
        out.extend(encoded);
        *told += 1;
    }
    Ok((out, StatusWord::OK))
}

/// AID with its length, life cycle state, first octet of the privileges.
fn untagged(entry: &Listed) -> Vec<u8> {
    let privileges = entry.privileges.first().copied().unwrap_or(0);
    [&[entry.aid.len() as u8][..], &entry.aid, &[entry.life_cycle, privileges]].concat()
}

fn tagged(entry: &Listed) -> Vec<u8> {
    let mut fields = Vec::new();
    tlv::push(&mut fields, 0x4f, &entry.aid);
    tlv::push(&mut fields, 0x9f70, &[entry.life_cycle]);
    let mut privileges = [0; 3];
    privileges.iter_mut().zip(&entry.privileges).for_each(|(octet, own)| *octet = *own);
    tlv::push(&mut fields, 0xc5, &privileges);
    let mut out = Vec::new();
    tlv::push(&mut out, 0xe3, &fields);
    out
}
