//! What a card is: applications, subscriber, services, PINs, IoT SAFE and eUICC.

use super::terminal::{Said, Target, Terminal};
use super::{Atr, ExploreError, Fcp, PIN1, Pin, Structure, Tries, identity, services};
use crate::card::iot_safe::{AID_CIRA, AID_GSMA, AID_THALES};
use crate::id::{Eid, Imsi};
use crate::wire::{Command, StatusWord, tlv};

/// The USIM: RID of 3GPP with the application code (TS 101 220 annex E).
pub(super) const USIM: [u8; 7] = [0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
/// The ISIM.
pub(super) const ISIM: [u8; 7] = [0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x04];
/// ISD-R, the application that manages the profiles of an eUICC (GSMA SGP.02 annex H).
const ISD_R: [u8; 16] =
    [0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x01, 0x00];

/// The AIDs by which clients in the field know the IoT SAFE applet.
pub(super) static IOT_SAFE: [(&str, &[u8]); 3] =
    [("GSMA", &AID_GSMA), ("Thales", &AID_THALES), ("CIRA", &AID_CIRA)];

/// Applications by the first bytes of their AIDs.
#[rustfmt::skip]
static NAMES: &[(&[u8], &str)] = &[
    (&USIM, "USIM"),
    (&ISIM, "ISIM"),
    (&[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x05], "USIM toolkit"),
    (&[0xa0, 0x00, 0x00, 0x03, 0x43, 0x10, 0x02], "CSIM"),
    (&ISD_R, "eUICC ISD-R"),
    (&AID_GSMA, "IoT SAFE"), (&AID_THALES, "IoT SAFE"), (&AID_CIRA, "IoT SAFE"),
    (&[0xa0, 0x00, 0x00, 0x00, 0x63, b'P', b'K', b'C', b'S', b'-', b'1', b'5'], "PKCS #15"),
    (&[0xa0, 0x00, 0x00, 0x01, 0x51], "GlobalPlatform"),
    (&[0xa0, 0x00, 0x00, 0x00, 0x09], "ETSI"),
];

/// Records of EF.DIR that are looked at.
const DIR_RECORDS_MAX: u8 = 16;

/// A value that the card tells, or why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// What it tells.
    Value(T),
    /// The card refuses to tell.
    Refused(StatusWord),
    /// The file is there and holds something else.
    Malformed,
}

impl<T> Told<T> {
    fn read(content: Said<Vec<u8>>, read: impl FnOnce(&[u8]) -> Option<T>) -> Self {
        match content {
            Ok(content) => read(&content).map_or(Self::Malformed, Self::Value),
            Err(status) => Self::Refused(status),
        }
    }
}

/// An application that EF.DIR names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its identifier, 5 to 16 bytes.
    pub aid: Vec<u8>,
    /// What the card calls it; may be empty.
    pub label: String,
}

impl Application {
    /// What it is by its AID; an empty text for an AID that is not known here.
    pub fn name(&self) -> &'static str {
        application_name(&self.aid)
    }
}

/// What an application is by its AID; an empty text for an AID that is not known here.
pub fn application_name(aid: &[u8]) -> &'static str {
    NAMES.iter().find(|(known, _)| aid.starts_with(known)).map_or("", |(_, name)| name)
}

/// What the USIM tells of its subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The number of the subscriber.
    pub imsi: Told<Imsi>,
    /// How many digits of the IMSI are the MNC.
    pub mnc_digits: Told<u8>,
    /// The numbers of the services that the card has.
    pub services: Told<Vec<u16>>,
}

/// An eUICC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Euicc {
    /// Its identifier.
    pub eid: Told<Eid>,
}

/// What a card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardInfo {
    /// The Answer To Reset.
    pub atr: Vec<u8>,
    /// Why there is no MF to be seen; a SIM of GSM alone refuses the class byte of a UICC.
    pub no_uicc: Option<StatusWord>,
    /// The applications that EF.DIR names.
    pub applications: Vec<Application>,
    /// The number of the card, in digits.
    pub iccid: Told<String>,
    /// What the USIM tells; `None` where there is none.
    pub subscriber: Option<Subscriber>,
    /// The codes that it knows, as far as it tells.
    pub pins: Vec<Pin>,
    /// Whose AIDs an IoT SAFE applet answers to.
    pub iot_safe: Vec<&'static str>,
    /// What its ISD-R tells; `None` where it is no eUICC.
    pub euicc: Option<Euicc>,
}

impl CardInfo {
    /// The Answer To Reset, read.
    pub fn decoded_atr(&self) -> Result<Atr, super::AtrError> {
        Atr::parse(&self.atr)
    }
}

/// Asks a card what it is. Its Answer To Reset is `atr`; what was verified since then stays verified.
pub fn examine(terminal: &mut Terminal<'_>, atr: Vec<u8>) -> Result<CardInfo, ExploreError> {
    let master = terminal.select(Target::File(0x3f00))?;
    let no_uicc = master.as_ref().err().copied();
    let mut statuses = master.map(|fcp| fcp.pins).unwrap_or_default();
    let applications = applications(terminal)?;
    let iccid = read_file(terminal, Target::File(0x3f00), 0x2fe2)?;
    let usim = select_usim(terminal, &applications)?;
    let subscriber = match &usim {
        Some((_, aid)) => Some(subscriber(terminal, aid)?),
        None => None,
    };
    for status in usim.map(|(fcp, _)| fcp.pins).unwrap_or_default() {
        statuses.retain(|known| known.reference != status.reference);
        statuses.push(status);
    }
    let mut pins = Vec::new();
    for reference in pin_references(&statuses) {
        let enabled = statuses.iter().find(|s| s.reference == reference).map(|s| s.enabled);
        let tries = terminal.tries(reference)?;
        if enabled.is_some() || !matches!(tries, Tries::Absent | Tries::Unknown(_)) {
            pins.push(Pin { reference, enabled, tries });
        }
    }
    Ok(CardInfo {
        atr,
        no_uicc,
        iccid: Told::read(iccid, identity::iccid_digits),
        subscriber,
        pins,
        iot_safe: iot_safe(terminal)?,
        euicc: euicc(terminal)?,
        applications,
    })
}

/// A few words on what is in a reader.
pub fn guess(terminal: &mut Terminal<'_>) -> Result<String, ExploreError> {
    if let Err(status) = terminal.select(Target::File(0x3f00))? {
        let gsm = status == StatusWord::CLASS_NOT_SUPPORTED;
        return Ok(if gsm { "a SIM of GSM, or no SIM" } else { "no UICC" }.to_owned());
    }
    let applications = applications(terminal)?;
    let mut words: Vec<&str> = Vec::new();
    let mut add = |word: &'static str| {
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    };
    if select_usim(terminal, &applications)?.is_some() {
        add("USIM");
    }
    applications.iter().for_each(|application| add(application.name()));
    if !iot_safe(terminal)?.is_empty() {
        add("IoT SAFE");
    }
    if terminal.select_applet(&ISD_R)?.is_ok() {
        add("eUICC ISD-R");
    }
    Ok(if words.is_empty() { "UICC".to_owned() } else { format!("UICC with {}", words.join(", ")) })
}

/// The key references to ask about: those that a directory names and PIN1, ADM1.
fn pin_references(statuses: &[super::PinStatus]) -> Vec<u8> {
    let mut references: Vec<u8> = statuses.iter().map(|status| status.reference).collect();
    references.extend([PIN1, super::ADM1]);
    references.sort_unstable();
    references.dedup();
    references
}

/// The applications that EF.DIR names (TS 102 221 clause 13.1).
pub(super) fn applications(terminal: &mut Terminal<'_>) -> Result<Vec<Application>, ExploreError> {
    let mut found: Vec<Application> = Vec::new();
    let Ok(fcp) = terminal.select_path(Target::File(0x3f00), &[0x2f00])? else { return Ok(found) };
    let Structure::LinearFixed { record, count } = fcp.structure else { return Ok(found) };
    for number in 1..=count.min(DIR_RECORDS_MAX) {
        let Ok(content) = terminal.read_record(number, record)? else { continue };
        let Ok(template) = tlv::header(&content) else { continue };
        let (0x61, length, body) = template else { continue };
        let body = &body[..length.min(body.len())];
        let Ok(aid) = tlv::find(body, 0x4f) else { continue };
        let label = tlv::find(body, 0x50).unwrap_or_default();
        let label = label.iter().filter(|b| (0x20..0x7f).contains(*b)).map(|b| char::from(*b)).collect();
        if (5..=16).contains(&aid.len()) && found.iter().all(|known| known.aid != aid) {
            found.push(Application { aid: aid.to_vec(), label });
        }
    }
    Ok(found)
}

/// Selects the USIM: the first one of EF.DIR, or whatever answers to the first bytes of its AID. Gives the AID
/// that it was selected with.
pub(super) fn select_usim(
    terminal: &mut Terminal<'_>,
    applications: &[Application],
) -> Result<Option<(Fcp, Vec<u8>)>, ExploreError> {
    let named = applications.iter().map(|a| &a.aid[..]).find(|aid| aid.starts_with(&USIM));
    let aid = named.unwrap_or(&USIM);
    Ok(terminal.select(Target::Application(aid))?.ok().map(|fcp| (fcp, aid.to_vec())))
}

fn subscriber(terminal: &mut Terminal<'_>, aid: &[u8]) -> Result<Subscriber, ExploreError> {
    let from = Target::Application(aid);
    Ok(Subscriber {
        imsi: Told::read(read_file(terminal, from, 0x6f07)?, identity::imsi),
        mnc_digits: Told::read(read_file(terminal, from, 0x6fad)?, identity::mnc_digits),
        services: Told::read(read_file(terminal, from, 0x6f38)?, |table| Some(services::available(table))),
    })
}

/// The content of a transparent file.
pub(super) fn read_file(
    terminal: &mut Terminal<'_>,
    from: Target<'_>,
    id: u16,
) -> Result<Said<Vec<u8>>, ExploreError> {
    match terminal.select_path(from, &[id])? {
        Ok(fcp) => terminal.read_binary(fcp.size),
        Err(status) => Ok(Err(status)),
    }
}

fn iot_safe(terminal: &mut Terminal<'_>) -> Result<Vec<&'static str>, ExploreError> {
    let mut answering = Vec::new();
    for (name, aid) in IOT_SAFE {
        if terminal.select_applet(aid)?.is_ok() {
            answering.push(name);
        }
    }
    Ok(answering)
}

/// Whether ISD-R answers, and the EID that it tells (GSMA SGP.22 clause 5.7.20).
fn euicc(terminal: &mut Terminal<'_>) -> Result<Option<Euicc>, ExploreError> {
    if terminal.select_applet(&ISD_R)?.is_err() {
        return Ok(None);
    }
    let request = [0xbf, 0x3e, 0x03, 0x5c, 0x01, 0x5a];
    let answer = terminal.send("GET EID", Command::new(0x80, 0xe2, 0x91, 0x00).with_data(&request))?;
    let eid = Told::read(answer.said(), |data| {
        let eid = tlv::find(tlv::find(data, 0xbf3e).ok()?, 0x5a).ok()?;
        hex::encode(eid).parse().ok()
    });
    Ok(Some(Euicc { eid }))
}
