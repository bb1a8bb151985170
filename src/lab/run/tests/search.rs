//! Looks for bytes in files, however they are written there.
//!
//! Whatever may be an encoding is decoded, and what comes out is looked at the same way: hexadecimal in any case and
//! with any separators, base64 of both alphabets and over several lines, lists of decimal numbers, the escapes of JSON,
//! HTML and addresses, and each of these within another.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// As many bytes in a row are a find: no accident, and a part of a key is one as well.
pub const WINDOW: usize = 8;
/// How many encodings may be around one another: hexadecimal of an HTTP body, of JSON in it, of base64 in that.
const DEPTH: usize = 4;

type Window = [u8; WINDOW];

/// What is looked for, by names.
pub struct Needles {
    windows: HashMap<Window, String>,
    /// Whether any window begins with these two bytes: most places of a file are passed over by it.
    begins: Vec<bool>,
}

impl Default for Needles {
    fn default() -> Self {
        Self { windows: HashMap::new(), begins: vec![false; 1 << 16] }
    }
}

impl Needles {
    /// Adds every part of `secret`: as it is, from back to front, and with its digits swapped as an IMSI's are.
    pub fn add(&mut self, name: &str, secret: &[u8]) {
        let reversed: Vec<u8> = secret.iter().rev().copied().collect();
        let swapped: Vec<u8> = secret.iter().map(|octet| octet.rotate_left(4)).collect();
        for (form, bytes) in
            [("", secret), (" from back to front", &reversed), (" with swapped digits", &swapped)]
        {
            for window in bytes.windows(WINDOW) {
                self.windows.insert(window.try_into().unwrap(), format!("{name}{form}"));
                self.begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] = true;
            }
        }
    }

    /// The names of what is in any of `readings`.
    pub fn within(&self, readings: &[Vec<u8>]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for window in readings.iter().flat_map(|bytes| bytes.windows(WINDOW)) {
            if self.begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                found.extend(self.windows.get(window).map(String::as_str));
            }
        }
        found
    }
}

/// All that `bytes` may stand for, themselves first.
pub fn readings(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut readings = vec![bytes];
    let mut undecoded = 0;
    for _ in 0..DEPTH {
        for at in std::mem::replace(&mut undecoded, readings.len())..readings.len() {
            for decode in [hexadecimal, base64, decimals, unescaped] {
                let decoded = decode(&readings[at]);
                readings.extend(decoded);
            }
        }
    }
    readings
}

/// Every file below `folder`.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What hexadecimal digits in a row, with or without separators, stand for; they may begin at either digit.
fn hexadecimal(text: &[u8]) -> Vec<Vec<u8>> {
    let mut rows = vec![Vec::new()];
    for octet in text {
        let row = rows.last_mut().unwrap();
        match octet {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => {
                row.push(char::from(*octet).to_digit(16).unwrap() as u8)
            }
            // 0x
            b'x' if row.last() == Some(&0) => drop(row.pop()),
            b' ' | b':' | b'-' | b',' | b'_' | b'\n' | b'\r' | b'\t' => {}
            _ if row.is_empty() => {}
            _ => rows.push(Vec::new()),
        }
    }
    let octets = |digits: &[u8]| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let long = rows.into_iter().filter(|row| row.len() >= 2 * WINDOW);
    long.flat_map(|row| [octets(&row), octets(&row[1..])]).collect()
}

/// What characters of base64 in a row stand for; what is encoded may begin at any of four.
fn base64(text: &[u8]) -> Vec<Vec<u8>> {
    let mut rows = vec![Vec::new()];
    for octet in text {
        let sextet = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ if rows.last().is_some_and(Vec::is_empty) => continue,
            _ => {
                rows.push(Vec::new());
                continue;
            }
        };
        rows.last_mut().unwrap().push(sextet);
    }
    let octets = |sextets: &[u8]| -> Vec<u8> {
        let fours = sextets.chunks(4).filter(|four| four.len() > 1);
        fours
            .flat_map(|four| {
                let bits = four.iter().fold(0, |bits, sextet| bits << 6 | u32::from(*sextet));
                let [_, octets @ ..] = (bits << (6 * (4 - four.len()))).to_be_bytes();
                octets.into_iter().take(four.len() - 1)
            })
            .collect()
    };
    let long = rows.into_iter().filter(|row| row.len() * 3 / 4 >= WINDOW);
    long.flat_map(|row| [0, 1, 2, 3].map(|skipped| octets(&row[skipped..]))).collect()
}

/// What decimal numbers in a row stand for, as a program prints a list of bytes.
fn decimals(text: &[u8]) -> Vec<Vec<u8>> {
    let mut rows = vec![Vec::new()];
    for word in text.split(|octet| matches!(octet, b',' | b' ' | b'\n' | b'[' | b']')) {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<u8>().ok());
        match number {
            Some(number) => rows.last_mut().unwrap().push(number),
            None if word.is_empty() => {}
            None => rows.push(Vec::new()),
        }
    }
    rows.retain(|row| row.len() >= WINDOW);
    rows
}

/// The text without escapes of JSON (`\/`, `\u002b`), HTML (`&#43;`, `&#x2b;`) and addresses (`%2b`), where it has any.
fn unescaped(text: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (octet, after) = escape(rest).unwrap_or((*first, after));
        out.push(octet);
        rest = after;
    }
    if out == text { Vec::new() } else { vec![out] }
}

/// The octet that the escape at the beginning of `text` stands for, and what follows it.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let number = |digits: &[u8], radix| u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    match text {
        [b'\\', b'u', b'0', b'0', a, b, rest @ ..] => Some((number(&[*a, *b], 16)?, rest)),
        [b'\\', b'x', a, b, rest @ ..] | [b'%', a, b, rest @ ..] => Some((number(&[*a, *b], 16)?, rest)),
        [b'\\', b'n' | b'r' | b't', rest @ ..] => Some((b'\n', rest)),
        [b'\\', any, rest @ ..] => Some((*any, rest)),
        [b'&', b'#', rest @ ..] => {
            let end = rest.iter().take(6).position(|octet| *octet == b';')?;
            let octet = match &rest[..end] {
                [b'x' | b'X', digits @ ..] => number(digits, 16)?,
                digits => number(digits, 10)?,
            };
            Some((octet, &rest[end + 1..]))
        }
        _ => None,
    }
}
