//! `cellbed card list`: the readers and what is in them.

use super::info::LAB_KEYS;
use super::{CardToolError, Done};
use crate::card::CardSlot;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::io::pcsc::{self, PcscError, Reader};
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::{Atr, Terminal, guess};

/// Prints a line for each reader.
pub(super) fn main() -> Done {
    let readers = pcsc::readers()?;
    if readers.is_empty() {
        return Err(PcscError::NoReader.into());
    }
    for (number, reader) in readers.iter().enumerate() {
        terminal::page(&text(number, reader, &contents(number, reader)));
    }
    Ok(Exit::Pass)
}

/// A few words on what is in a reader. A card that cannot be looked at does not hide the other readers.
fn contents(number: usize, reader: &Reader) -> String {
    if !reader.card_present {
        return "no card".to_owned();
    }
    let looked = || -> Result<String, CardToolError> {
        let mut slot = CardSlot::new(Box::new(pcsc::open(&number.to_string())?));
        Ok(guess(&mut Terminal::new(&mut slot))?)
    };
    looked().unwrap_or_else(|cause| cause.to_string())
}

fn text(number: usize, reader: &Reader, contents: &str) -> Page {
    let mut text = row!("{number:>3}  {}", reader.name) + row!("     {contents}");
    if Atr::parse(&reader.atr).is_ok_and(|atr| atr.has_lab_keys()) {
        text += row!("     {LAB_KEYS}");
    }
    if !reader.atr.is_empty() {
        text += row!("     ATR {}", hex::encode_upper(&reader.atr));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_has_its_number_and_its_card() {
        let card = Reader { name: "ACME 38 00 00".to_owned(), card_present: true, atr: vec![0x3b, 0x00] };
        let empty = Reader { name: "Virtual PCD 00 00".to_owned(), card_present: false, atr: Vec::new() };
        let text = text(0, &card, "UICC with USIM") + text(1, &empty, &contents(1, &empty));
        insta::assert_snapshot!(text, @r"
      0  ACME 38 00 00
         UICC with USIM
         ATR 3B00
      1  Virtual PCD 00 00
         no card
    ");
    }
}
