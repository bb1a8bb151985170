//! ENVELOPE (SMS-PP DOWNLOAD), with which a terminal hands a short message to the card (3GPP TS 31.111 clause 7.1.1;
//! TS 102 223 clause 8 for the data objects).

use super::super::apdu::{self, ApduError};
use super::super::tlv::{self, TlvError};
use super::sms::{Address, SmsError};

/// SMS-PP download tag.
const SMS_PP_DOWNLOAD: u16 = 0xd1;
/// Device identities, address and SMS TPDU, without bit 8, which a terminal may set or not.
const DEVICE_IDENTITIES: u16 = 0x02;
const ADDRESS: u16 = 0x06;
const TPDU: u16 = 0x0b;

/// From the network to the card.
const NETWORK_TO_CARD: [u8; 2] = [0x83, 0x81];

/// Why the data of an ENVELOPE is no short message for the card, or one does not fit into a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum EnvelopeError {
    #[error("the ENVELOPE is no SMS-PP DOWNLOAD: {0}")]
    Object(#[from] TlvError),
    #[error("the ENVELOPE is from {} to {}; a short message comes from the network, 83, to the card, 81", .0[0], .0[1])]
    Devices([u8; 2]),
    #[error("the address of the service centre: {0}")]
    Address(#[from] SmsError),
    #[error("the short message does not fit into one command: {0}")]
    Command(#[from] ApduError),
}

/// A short message for the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsPpDownload {
    /// The address of the service centre (TS 102 223 clause 8.1), where the terminal tells it.
    pub service_centre: Option<Address>,
    /// The SMS-DELIVER.
    pub tpdu: Vec<u8>,
}

impl SmsPpDownload {
    /// The command APDU.
    ///
    /// # Errors
    /// Where the message is too long for one.
    pub fn command(&self) -> Result<Vec<u8>, EnvelopeError> {
        let mut objects = Vec::new();
        tlv::push(&mut objects, DEVICE_IDENTITIES | 0x80, &NETWORK_TO_CARD);
        if let Some(address) = &self.service_centre {
            tlv::push(&mut objects, ADDRESS, &address.object());
        }
        tlv::push(&mut objects, TPDU | 0x80, &self.tpdu);
        let mut data = Vec::new();
        tlv::push(&mut data, SMS_PP_DOWNLOAD, &objects);
        Ok(apdu::Command::new(0x80, 0xc2, 0, 0).with_data(&data).with_expected(256).encode()?)
    }

    /// Reads the data of an ENVELOPE.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(data: &[u8]) -> Result<Self, EnvelopeError> {
        let objects = tlv::find(data, SMS_PP_DOWNLOAD)?;
        let devices = find(objects, DEVICE_IDENTITIES)?;
        if devices != NETWORK_TO_CARD {
            return Err(EnvelopeError::Devices([0, 1].map(|at| devices.get(at).copied().unwrap_or(0))));
        }
        let service_centre = match find(objects, ADDRESS) {
            Ok(value) => Some(Address::of_object(value)?),
            Err(TlvError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { service_centre, tpdu: find(objects, TPDU)?.to_vec() })
    }
}

/// The value of the object with `tag`, with bit 8 or without it.
fn find(objects: &[u8], tag: u16) -> Result<&[u8], TlvError> {
    for object in tlv::Reader::new(objects) {
        let object = object?;
        if object.tag & !0x80 == tag {
            return Ok(object.value);
        }
    }
    Err(TlvError::Missing { tag })
}
