//! The files as a SIM shows them (3GPP TS 51.011 clauses 6, 8 and 9.2.1): what SELECT and STATUS of class A0 answer,
//! and SEEK. Content, access rules and PINs are those of the UICC.

use super::access::{ARR_RECORD, Level, Mode, level};
use super::table::{Directory, FILES, File, SHARED_WITH_GSM, Structure};
use super::{FileSystem, Position, arr_of, child, place_of};
use crate::card::Reply;
use crate::card::pin::{PIN1, PIN2, Pins};
use crate::wire::{Command, StatusWord};

/// Clock stop allowed, no level preferred, GSM algorithm at 13/8 MHz, a 1.8 V technology SIM (TS 51.011 clause
/// 9.2.1; TS 11.18 clause 4.4).
const CHARACTERISTICS: u8 = 0b0011_0001;
/// Bit 8 of the characteristics: CHV1 is disabled.
const CHV1_DISABLED: u8 = 0x80;
/// Bit 8 of the status of a code: it is initialised.
const INITIALISED: u8 = 0x80;
/// CHV1 and CHV2, their two unblocking codes, and ADM1.
const CODES: u8 = 5;
/// A file that is not invalidated. None ever is: the card has no INVALIDATE.
const VALID: u8 = 0x01;
/// The longest pattern of SEEK (TS 51.011 clause 9.2.7).
const PATTERN_MAX: usize = 16;

impl FileSystem {
    /// SELECT by identifier, within what TS 51.011 clause 6.5 allows. A SIM has no applications.
    pub(in crate::card) fn sim_select(&self, from: Position, id: &[u8]) -> Result<Position, StatusWord> {
        let mut position = self.find(from, 0x00, id, None)?;
        if let Ok((_, file)) = position.current()
            && matches!(file.structure, Structure::Cyclic { .. })
        {
            // The record that was written last (TS 51.011 clause 6.4.3).
            position.record = 1;
        }
        Ok(position)
    }

    /// What SELECT answers: 22 bytes of a directory, 15 of a file.
    pub(in crate::card) fn sim_header(&self, position: Position, pins: &Pins) -> Vec<u8> {
        match position.current() {
            Ok((_, file)) => self.sim_file(file).to_vec(),
            Err(_) => self.sim_directory(position, pins).to_vec(),
        }
    }

    /// What STATUS answers: the current directory.
    pub(in crate::card) fn sim_directory(&self, position: Position, pins: &Pins) -> [u8; 22] {
        let entry = &FILES[usize::from(place_of(position.directory))];
        let [id_high, id_low] = entry.id.to_be_bytes();
        let kind = if position.directory == Directory::Mf { 0x01 } else { 0x02 };
        let (directories, files) = self.children(position.directory);
        let characteristics = CHARACTERISTICS | if pins.pin1_enabled() { 0 } else { CHV1_DISABLED };
        let [chv1, unblock1] = pins.tries(PIN1).map(|tries| INITIALISED | tries);
        let [chv2, unblock2] = pins.tries(PIN2).map(|tries| INITIALISED | tries);
        // Memory that is free is not told: nothing can be made there.
        [
            0,
            0,
            0,
            0,
            id_high,
            id_low,
            kind,
            0,
            0,
            0,
            0,
            0,
            9,
            characteristics,
            directories,
            files,
            CODES,
            0,
            chv1,
            unblock1,
            chv2,
            unblock2,
        ]
    }

    fn sim_file(&self, file: &File) -> [u8; 15] {
        let [size_high, size_low] = (file.size() as u16).to_be_bytes();
        let [id_high, id_low] = file.id.to_be_bytes();
        let (structure, record) = match file.structure {
            Structure::LinearFixed { record, .. } => (0x01, record),
            Structure::Cyclic { record, .. } => (0x03, record),
            Structure::Transparent { .. } | Structure::Directory(_) => (0x00, 0),
        };
        let of = |mode| self.sim_condition(file, mode);
        let increase = if structure == 0x03 { of(Mode::Increase) } else { Level::Never };
        let increasable = if increase == Level::Never { 0x00 } else { 0x40 };
        let read_update = of(Mode::Read).nibble() << 4 | of(Mode::Update).nibble();
        // REHABILITATE and INVALIDATE are never possible.
        let rehabilitate_invalidate = Level::Never.nibble() << 4 | Level::Never.nibble();
        [
            0,
            0,
            size_high,
            size_low,
            id_high,
            id_low,
            0x04,
            increasable,
            read_update,
            increase.nibble() << 4,
            rehabilitate_invalidate,
            VALID,
            2,
            structure,
            record,
        ]
    }

    /// What the file's record of EF.ARR asks for, in the terms of a SIM.
    fn sim_condition(&self, file: &File, mode: Mode) -> Level {
        let (directory, id) = arr_of(file);
        let rules = child(directory, id).map(|arr| self.content(arr, &FILES[usize::from(arr)]));
        let rule =
            rules.and_then(|r| r.chunks_exact(usize::from(ARR_RECORD)).nth(usize::from(file.rule) - 1));
        rule.map_or(Level::Never, |rule| level(rule, mode))
    }

    /// How many directories and files are immediate children of `directory`. Applications are not counted: no
    /// identifier leads to them.
    fn children(&self, directory: Directory) -> (u8, u8) {
        let seen = |file: &File| match file.directory() {
            Some(child) => child != directory && child.application().is_none() && file.within == directory,
            None => {
                file.within == directory
                    || directory == Directory::Gsm
                        && file.within == Directory::Usim
                        && SHARED_WITH_GSM.contains(&file.id)
            }
        };
        let there = |(at, file): &(usize, &File)| seen(file) && self.exists(*at as u8);
        FILES.iter().enumerate().filter(there).fold((0, 0), |(directories, files), (_, file)| {
            if file.directory().is_some() { (directories + 1, files) } else { (directories, files + 1) }
        })
    }

    /// SEEK (TS 51.011 clause 9.2.7): the number of the first record that begins with the pattern, which becomes the
    /// current one. P2 says where the search begins and which way it goes.
    pub(in crate::card) fn seek(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let (index, file) = position.current()?;
        let Structure::LinearFixed { record: length, count } = file.structure else {
            return Err(StatusWord::INCOMPATIBLE_FILE);
        };
        self.grant(file, Mode::Read, pins)?;
        if c.data.is_empty() || c.data.len() > PATTERN_MAX.min(usize::from(length)) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let current = position.record;
        let order: Vec<u8> = match c.p2 & 0x0f {
            0x00 => (1..=count).collect(),
            0x01 => (1..=count).rev().collect(),
            0x02 => (1..=count).filter(|number| *number > current).collect(),
            0x03 if current == 0 => (1..=count).rev().collect(),
            0x03 => (1..current).rev().collect(),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let content = self.content(index, file);
        let begins =
            |number: &u8| content[usize::from(number - 1) * usize::from(length)..].starts_with(c.data);
        let found = order.into_iter().find(begins).ok_or(StatusWord::NOT_FOUND)?;
        position.record = found;
        Ok(vec![found])
    }
}
