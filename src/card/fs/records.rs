//! Files of records: READ, UPDATE and SEARCH RECORD, and INCREASE for cyclic files (ETSI TS 102 221 clauses
//! 11.1.5 to 11.1.8).

use super::access::Mode;
use super::tree::{File, Index, Kind};
use super::{FileSystem, Position};
use crate::card::Reply;
use crate::card::pin::Pins;
use crate::wire::{Command, StatusWord};

/// One record of a file.
struct Record {
    index: Index,
    /// Where in the content it starts, and how long it is.
    start: usize,
    length: usize,
    /// The record pointer once the command succeeds.
    pointer: u8,
}

/// The shape of a file of records: bytes of one, and how many there are.
fn shape(file: &File) -> Result<(usize, u8), StatusWord> {
    match file.kind {
        Kind::LinearFixed { record, count } | Kind::Cyclic { record, count } => {
            Ok((usize::from(record), count))
        }
        _ => Err(StatusWord::INCOMPATIBLE_FILE),
    }
}

impl FileSystem {
    /// READ RECORD. Le must be the length of a record.
    pub(in crate::card) fn read_record(
        &self,
        position: &mut Position,
        pins: &Pins,
        c: &Command<'_>,
    ) -> Reply {
        let at = self.record(position, c)?;
        self.grant(position, at.index, Mode::Read, pins)?;
        let content = &self.content(at.index)[at.start..at.start + at.length];
        if c.expected.map(usize::from) != Some(at.length) {
            return Err(StatusWord::wrong_le(at.length));
        }
        position.record = at.pointer;
        Ok(content.to_vec())
    }

    /// UPDATE RECORD. The data must be one whole record. In a cyclic file it goes over the oldest record, which
    /// becomes number 1.
    pub(in crate::card) fn update_record(
        &mut self,
        position: &mut Position,
        pins: &Pins,
        c: &Command<'_>,
    ) -> Reply {
        if c.p2 >> 3 != 0 {
            self.select_short(position, c.p2 >> 3)?;
        }
        let (index, file) = self.current(position)?;
        if matches!(file.kind, Kind::Cyclic { .. }) {
            let (length, _) = shape(file)?;
            self.grant(position, index, Mode::Update, pins)?;
            return match (c.p1, c.p2 & 0x07) {
                (0, 0x03) if c.data.len() == length => {
                    self.turn(index, c.data);
                    position.record = 1;
                    Ok(Vec::new())
                }
                (0, 0x03) => Err(StatusWord::WRONG_LENGTH),
                _ => Err(StatusWord::INCORRECT_P1_P2),
            };
        }
        let at = self.record(position, c)?;
        self.grant(position, at.index, Mode::Update, pins)?;
        if c.data.len() != at.length {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.content_mut(at.index)[at.start..at.start + at.length].copy_from_slice(c.data);
        position.record = at.pointer;
        Ok(Vec::new())
    }

    /// INCREASE: adds to the last value of a cyclic file; gives the new value and what was added.
    pub(in crate::card) fn increase(
        &mut self,
        position: &mut Position,
        pins: &Pins,
        c: &Command<'_>,
    ) -> Reply {
        match (c.p1, c.p2) {
            (0, 0) => {}
            (sfi, 0) if sfi & 0xe0 == 0x80 => self.select_short(position, sfi & 0x1f)?,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        }
        let (index, file) = self.current(position)?;
        let (length, _) = shape(file)?;
        if !matches!(file.kind, Kind::Cyclic { .. }) {
            return Err(StatusWord::INCOMPATIBLE_FILE);
        }
        self.grant(position, index, Mode::Increase, pins)?;
        if c.data.is_empty() || c.data.len() > length {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let mut sum = self.content(index)[..length].to_vec();
        let mut carry = 0;
        let added = c.data.iter().rev().copied().chain(std::iter::repeat(0));
        for (digit, added) in sum.iter_mut().rev().zip(added) {
            let value = u16::from(*digit) + u16::from(added) + carry;
            (*digit, carry) = (value as u8, value >> 8);
        }
        if carry != 0 {
            return Err(StatusWord::MAXIMUM_REACHED);
        }
        self.turn(index, &sum);
        position.record = 1;
        Ok([&sum, c.data].concat())
    }

    /// Writes `record` over the oldest record of a cyclic file and makes it the first.
    fn turn(&mut self, index: Index, record: &[u8]) {
        let content = self.content_mut(index);
        let end = content.len().saturating_sub(record.len());
        content.copy_within(..end, record.len().min(content.len()));
        content[..record.len()].copy_from_slice(record);
    }

    /// SEARCH RECORD: the numbers of the records that hold the search string. Simple search (forward or backward
    /// from P1) and enhanced search (from the current record on, behind an offset or a value).
    pub(in crate::card) fn search_record(
        &self,
        position: &mut Position,
        pins: &Pins,
        c: &Command<'_>,
    ) -> Reply {
        if c.p2 >> 3 != 0 {
            self.select_short(position, c.p2 >> 3)?;
        }
        let (index, file) = self.current(position)?;
        let (length, count) = shape(file)?;
        self.grant(position, index, Mode::Read, pins)?;
        let search = Search::of(c)?;
        if search.text.is_empty() || search.text.len() > length {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let numbers: Vec<u8> = search.numbers(position.record, count)?;
        let content = self.content(index);
        let record = |number: u8| &content[usize::from(number - 1) * length..][..length];
        let found: Vec<u8> = numbers.into_iter().filter(|n| search.matches(record(*n))).collect();
        position.record = *found.first().ok_or(StatusWord::UNSUCCESSFUL_SEARCH)?;
        Ok(found)
    }

    /// The record that P1 and P2 name (TS 102 221 clause 11.1.5.2): by number, the current one, the next or the
    /// previous.
    fn record(&self, position: &mut Position, c: &Command<'_>) -> Result<Record, StatusWord> {
        if c.p2 >> 3 != 0 {
            self.select_short(position, c.p2 >> 3)?;
        }
        let (index, file) = self.current(position)?;
        let (length, count) = shape(file)?;
        // Past its ends a cyclic file begins again.
        let cyclic = matches!(file.kind, Kind::Cyclic { .. });
        let (number, pointer) = match (c.p2 & 0x07, c.p1) {
            (0x02, 0) if cyclic && position.record == count => (1, 1),
            (0x03, 0) if cyclic && position.record == 1 => (count, count),
            (0x04, 0) => (position.record, position.record),
            // A number leaves the record pointer where it is.
            (0x04, number) => (number, position.record),
            (0x02, 0) => (position.record.saturating_add(1), position.record.saturating_add(1)),
            (0x03, 0) if position.record == 0 => (count, count),
            (0x03, 0) => (position.record - 1, position.record - 1),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        if number == 0 || number > count {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        Ok(Record { index, start: usize::from(number - 1) * length, length, pointer })
    }
}

/// What SEARCH RECORD looks for.
struct Search<'a> {
    text: &'a [u8],
    backward: bool,
    start: Start,
    within: Within,
}

/// The record that a search begins with.
enum Start {
    At(u8),
    Next,
    Previous,
}

/// The part of a record that is searched.
enum Within {
    FromOffset(u8),
    /// Behind the first byte of this value.
    Behind(u8),
}

impl<'a> Search<'a> {
    fn of(c: &Command<'a>) -> Result<Self, StatusWord> {
        let simple = |backward| Search {
            text: c.data,
            backward,
            start: Start::At(c.p1),
            within: Within::FromOffset(0),
        };
        match (c.p2 & 0x07, c.data) {
            (0x04, _) => Ok(simple(false)),
            (0x05, _) => Ok(simple(true)),
            (0x06, &[indication, value, ref text @ ..]) => {
                let (backward, start) = match indication & 0x07 {
                    0x04 => (false, Start::At(c.p1)),
                    0x05 => (true, Start::At(c.p1)),
                    0x06 => (false, Start::Next),
                    0x07 => (true, Start::Previous),
                    _ => return Err(StatusWord::INCORRECT_DATA),
                };
                let within =
                    if indication & 0x08 == 0 { Within::FromOffset(value) } else { Within::Behind(value) };
                Ok(Search { text, backward, start, within })
            }
            (0x06, _) => Err(StatusWord::WRONG_LENGTH),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// The records to look into, in order.
    fn numbers(&self, current: u8, count: u8) -> Result<Vec<u8>, StatusWord> {
        let first = match self.start {
            Start::At(0) => current,
            Start::At(number) => number,
            Start::Next => current.saturating_add(1),
            Start::Previous if current == 0 => count,
            Start::Previous => current - 1,
        };
        if first == 0 || first > count {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        Ok(if self.backward { (1..=first).rev().collect() } else { (first..=count).collect() })
    }

    fn matches(&self, record: &[u8]) -> bool {
        let part = match self.within {
            Within::FromOffset(offset) => record.get(usize::from(offset)..),
            Within::Behind(value) => {
                record.iter().position(|byte| *byte == value).map(|at| &record[at + 1..])
            }
        };
        part.is_some_and(|part| part.windows(self.text.len()).any(|window| window == self.text))
    }
}
