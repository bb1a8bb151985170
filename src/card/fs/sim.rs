//! The files as a SIM shows them (3GPP TS 51.011 clauses 6, 8 and 9.2.1): what SELECT and STATUS of class A0 answer,
//! and SEEK. Content, access rules and PINs are those of the UICC.

use super::access::{Level, Mode, level};
use super::tree::{File, Index, Kind};
use super::{FileSystem, Position, ROOT};
use crate::card::Reply;
use crate::card::commands::USIM;
use crate::card::pin::{ADM1, PIN1, PIN2, Pins};
use crate::wire::{Command, StatusWord};

/// File identifier of DF.GSM.
const GSM: u16 = 0x7f20;
/// Clock stop allowed, no level preferred, GSM algorithm at 13/8 MHz, a 1.8 V technology SIM (TS 51.011 clause
/// 9.2.1; TS 11.18 clause 4.4).
const CHARACTERISTICS: u8 = 0b0011_0001;
/// Bit 8 of the characteristics: CHV1 is disabled.
const CHV1_DISABLED: u8 = 0x80;
/// Bit 8 of the status of a code: it is initialised.
const INITIALISED: u8 = 0x80;
/// File status: the file is not invalidated.
const VALID: u8 = 0x01;
/// File status: it may be read and updated while it is invalidated.
const OPEN_WHEN_INVALIDATED: u8 = 0x04;
/// The longest pattern of SEEK (TS 51.011 clause 9.2.7).
const PATTERN_MAX: usize = 16;

impl FileSystem {
    /// The USIM that a SIM shares its codes and keys with: the first one.
    pub(in crate::card) fn usim(&self) -> Option<Index> {
        self.tree.applications().map(|(_, adf)| adf).find(|adf| self.application_code(*adf) == Some(USIM))
    }

    /// Gives a SIM session the codes of the USIM: CHV2 is local to it.
    pub(in crate::card) fn sim_enter(&self, position: &mut Position) {
        position.application = self.usim();
    }

    /// Whether the current directory is DF.GSM or below it.
    pub(in crate::card) fn in_gsm(&self, position: &Position) -> bool {
        let gsm = self.tree.child(ROOT, GSM).map(|at| self.tree.shown(at));
        gsm.is_some_and(|gsm| self.tree.lineage(position.directory).any(|at| at == gsm))
    }

    /// SELECT by identifier, within what TS 51.011 clause 6.5 allows. A SIM has no applications.
    pub(in crate::card) fn sim_select(&self, from: &Position, id: &[u8]) -> Result<Position, StatusWord> {
        let outside = Position { application: None, ..*from };
        let mut position = Position { application: from.application, ..self.find(&outside, 0x00, id)? };
        if let Ok((_, file)) = self.current(&position)
            && matches!(file.kind, Kind::Cyclic { .. })
        {
            // The record that was written last (TS 51.011 clause 6.4.3).
            position.record = 1;
        }
        Ok(position)
    }

    /// What SELECT answers: 22 bytes of a directory, 15 of a file.
    pub(in crate::card) fn sim_header(&self, position: &Position, pins: &Pins) -> Vec<u8> {
        match position.file {
            Some(index) => self.sim_file(index).to_vec(),
            None => self.sim_directory(position, pins).to_vec(),
        }
    }

    /// What STATUS answers: the current directory.
    pub(in crate::card) fn sim_directory(&self, position: &Position, pins: &Pins) -> [u8; 22] {
        let [id_high, id_low] = self.tree.file(position.directory).id.to_be_bytes();
        let kind = if position.directory == ROOT { 0x01 } else { 0x02 };
        let [directories, files] = self.children(position.directory);
        let scope = self.scope(position);
        let enabled = pins.enabled(PIN1, &scope) == Some(true);
        let characteristics = CHARACTERISTICS | if enabled { 0 } else { CHV1_DISABLED };
        let [[chv1, unblock1], [chv2, unblock2]] = [PIN1, PIN2].map(|code| pins.tries(code, &scope));
        let [adm1, _] = pins.tries(ADM1, &scope);
        let codes = [chv1, unblock1, chv2, unblock2, adm1].iter().flatten().count() as u8;
        let status = |tries: Option<u8>| tries.map_or(0, |tries| INITIALISED | tries);
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
            codes,
            0,
            status(chv1),
            status(unblock1),
            status(chv2),
            status(unblock2),
        ]
    }

    fn sim_file(&self, index: Index) -> [u8; 15] {
        let shown = self.tree.shown(index);
        let file = self.tree.file(shown);
        let [size_high, size_low] = (file.size() as u16).to_be_bytes();
        let [id_high, id_low] = self.tree.file(index).id.to_be_bytes();
        let (structure, record) = match file.kind {
            Kind::LinearFixed { record, .. } => (0x01, record),
            Kind::Cyclic { record, .. } => (0x03, record),
            Kind::Transparent { .. } | Kind::BerTlv { .. } | Kind::Directory { .. } | Kind::Link { .. } => {
                (0x00, 0)
            }
        };
        // What the file's record of EF.ARR asks for, in the terms of a SIM.
        let of = |mode| self.rule_of(shown).map_or(Level::Never, |rule| level(rule, mode));
        let increase = if structure == 0x03 { of(Mode::Increase) } else { Level::Never };
        let increasable = if increase == Level::Never { 0x00 } else { 0x40 };
        let read_update = of(Mode::Read).nibble() << 4 | of(Mode::Update).nibble();
        // REHABILITATE and INVALIDATE are never possible.
        let rehabilitate_invalidate = Level::Never.nibble() << 4 | Level::Never.nibble();
        let status = match (file.is_deactivated(), file.open_when_deactivated) {
            (false, _) => VALID,
            (true, true) => OPEN_WHEN_INVALIDATED,
            (true, false) => 0,
        };
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
            status,
            2,
            structure,
            record,
        ]
    }

    /// How many directories and files are immediate children of `directory`, 255 at most. Applications are not
    /// counted: no identifier leads to them.
    fn children(&self, directory: Index) -> [u8; 2] {
        let there = |(index, file): &(Index, &File)| {
            *index != ROOT && file.parent == directory && file.aid().is_none() && self.exists(*index)
        };
        self.tree.all().filter(there).fold([0, 0], |[directories, files]: [u8; 2], (index, _)| {
            match self.tree.file(self.tree.shown(index)).is_directory() {
                true => [directories.saturating_add(1), files],
                false => [directories, files.saturating_add(1)],
            }
        })
    }

    /// SEEK (TS 51.011 clause 9.2.7): the number of the first record that begins with the pattern, which becomes the
    /// current one. P2 says where the search begins and which way it goes.
    pub(in crate::card) fn seek(&self, position: &mut Position, pins: &Pins, c: &Command<'_>) -> Reply {
        let (index, file) = self.current(position)?;
        let Kind::LinearFixed { record: length, count } = file.kind else {
            return Err(StatusWord::INCOMPATIBLE_FILE);
        };
        self.grant(position, index, Mode::Read, pins)?;
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
        let content = self.content(index);
        let begins =
            |number: &u8| content[usize::from(number - 1) * usize::from(length)..].starts_with(c.data);
        let found = order.into_iter().find(begins).ok_or(StatusWord::NOT_FOUND)?;
        position.record = found;
        Ok(vec![found])
    }
}
