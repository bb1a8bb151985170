//! Cards in readers, through the PC/SC service (`pcscd` on Linux).
//!
//! Everything here ends within a time limit: a service that hangs, a reader that is pulled out and a card that
//! says nothing are errors, with their causes and a way out. Without the cargo feature `pcsc` the module has the
//! same items, and every call is [`PcscError::NotBuilt`].

#[cfg(feature = "pcsc")]
mod service;
#[cfg(not(feature = "pcsc"))]
#[path = "pcsc/absent.rs"]
mod service;

pub use service::PcscCard;

/// A reader, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The name that the service gives it.
    pub name: String,
    /// Whether there is a card in it.
    pub card_present: bool,
    /// The card's Answer To Reset; empty where there is no card, or one that does not answer.
    pub atr: Vec<u8>,
}

/// Why no card can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum PcscError {
    #[error(
        "this cellbed was built without card readers; install libpcsclite-dev and build it with `--features pcsc`"
    )]
    NotBuilt,
    #[error("the PC/SC service is not running; start it with `systemctl start pcscd.socket`, or run `pcscd`")]
    NotRunning,
    #[error(
        "the PC/SC service does not answer within {seconds} s; restart it with `systemctl restart pcscd`"
    )]
    Hangs { seconds: u64 },
    #[error("there is no reader; plug one in, or see `cellbed card serve` for a virtual one")]
    NoReader,
    #[error("there is no reader {wanted:?}; there are: {}", there.join(", "))]
    NoSuchReader { wanted: String, there: Vec<String> },
    #[error("{wanted:?} is the beginning of several readers: {}", there.join(", "))]
    SeveralReaders { wanted: String, there: Vec<String> },
    #[error("there is no card in reader {reader:?}")]
    NoCard { reader: String },
    #[error("the card in reader {reader:?} does not answer to reset; is it the right way round?")]
    Mute { reader: String },
    #[error("another program uses the card in reader {reader:?}; end that program")]
    Busy { reader: String },
    #[error("the card in reader {reader:?} does not speak protocol T=0")]
    Protocol { reader: String },
    #[error("the PC/SC service cannot {what}: {cause}")]
    Service { what: &'static str, cause: String },
}

/// The readers that the service knows, in its order.
///
/// # Errors
/// Where the service cannot be asked. No reader at all is an empty list.
pub fn readers() -> Result<Vec<Reader>, PcscError> {
    service::readers()
}

/// Opens the card in a reader, for this program alone where no other uses it, and resets it. The reader is called
/// by its number in [`readers`], from 0, by its name, or by the beginning of its name; where several readers begin
/// so, one of them must have a card.
///
/// # Errors
/// Where there is no such reader, no card in it, or none that answers.
pub fn open(name_or_number: &str) -> Result<PcscCard, PcscError> {
    let readers = readers()?;
    service::open(&choose(&readers, name_or_number)?.name)
}

fn choose<'a>(readers: &'a [Reader], wanted: &str) -> Result<&'a Reader, PcscError> {
    if readers.is_empty() {
        return Err(PcscError::NoReader);
    }
    let by_number = wanted.parse().ok().and_then(|number: usize| readers.get(number));
    if let Some(reader) = by_number.or_else(|| readers.iter().find(|reader| reader.name == wanted)) {
        return Ok(reader);
    }
    let matching: Vec<&Reader> =
        readers.iter().filter(|reader| !wanted.is_empty() && reader.name.starts_with(wanted)).collect();
    let names = |readers: &[&Reader]| readers.iter().map(|reader| reader.name.clone()).collect();
    let wanted = wanted.to_owned();
    let with_card: Vec<&Reader> = matching.iter().copied().filter(|reader| reader.card_present).collect();
    match &matching[..] {
        [reader] => Ok(reader),
        [_, ..] if with_card.len() == 1 => Ok(with_card[0]),
        [] => Err(PcscError::NoSuchReader { wanted, there: names(&readers.iter().collect::<Vec<_>>()) }),
        several => Err(PcscError::SeveralReaders { wanted, there: names(several) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_called_by_number_name_or_beginning() {
        let reader = |name: &str| Reader { name: name.to_owned(), card_present: false, atr: Vec::new() };
        let mut readers = ["Virtual PCD 00 00", "Virtual PCD 00 01", "ACME 38 00 00"].map(reader);
        let name = |wanted| choose(&readers, wanted).map(|reader| reader.name.as_str());
        assert_eq!(name("1"), Ok("Virtual PCD 00 01"));
        assert_eq!(name("Virtual PCD 00 00"), Ok("Virtual PCD 00 00"));
        assert_eq!(name("ACME"), Ok("ACME 38 00 00"));
        assert!(matches!(name("Virtual"), Err(PcscError::SeveralReaders { there, .. }) if there.len() == 2));
        assert!(matches!(name("3"), Err(PcscError::NoSuchReader { there, .. }) if there.len() == 3));
        assert!(matches!(name(""), Err(PcscError::NoSuchReader { .. })));
        assert_eq!(choose(&[], "0"), Err(PcscError::NoReader));
        readers[1].card_present = true;
        assert_eq!(choose(&readers, "Virtual").map(|reader| reader.name.as_str()), Ok("Virtual PCD 00 01"));
    }
}
