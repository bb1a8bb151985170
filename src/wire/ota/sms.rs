//! Short messages that carry secured packets (3GPP TS 23.040 clause 9.2; TS 31.115 clause 4): SMS-DELIVER to the card,
//! SMS-SUBMIT from it, the header of their user data, and packets in several messages.

use time::OffsetDateTime;

use super::super::bcd;

/// The most octets of user data in one message (TS 23.040 clause 9.2.3.16).
pub const USER_DATA_MAX: usize = 140;
/// The most messages that are put together to one packet here.
pub const PARTS_MAX: u8 = 8;

/// Octets of user data behind the header of a first part, and of one that follows.
const FIRST_PART: usize = USER_DATA_MAX - 8;
const NEXT_PART: usize = USER_DATA_MAX - 6;

/// Information elements: concatenation with a reference of 8 and of 16 bits, and the two kinds of packets.
const CONCATENATED_8: u8 = 0x00;
const CONCATENATED_16: u8 = 0x08;
const COMMAND_PACKET: u8 = 0x70;
const RESPONSE_PACKET: u8 = 0x71;

/// The bit of the first octet that says that the user data begins with a header, TP-UDHI.
const HAS_HEADER: u8 = 0x40;
/// The bit of an SMS-DELIVER that says that no more messages wait, TP-MMS.
const NO_MORE: u8 = 0x04;

/// Why octets are no short message or not one for a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SmsError {
    #[error("the short message is cut off in its {field}")]
    CutOff { field: &'static str },
    #[error("the first octet {found:02X} is none of {expected}")]
    Type { found: u8, expected: &'static str },
    #[error("the user data announces {announced} octets, {found} are there")]
    Length { announced: usize, found: usize },
    #[error("{found} octets of user data do not fit into one message, 140 do")]
    TooLong { found: usize },
    #[error("an address of {digits} digits: there are at most 20, and each is one of 0 to 9")]
    Address { digits: usize },
    #[error("part {number} of {parts} of a message: there are 1 to {PARTS_MAX}, counted from 1")]
    Part { number: u8, parts: u8 },
    #[error("the first part says neither that it is a command packet nor that it is a response packet")]
    Kind,
    #[error("a packet of {found} octets takes more than {PARTS_MAX} messages")]
    TooManyParts { found: usize },
}

/// A telephone number: type and plan in one octet, and up to 20 digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    type_of_number: u8,
    digits: String,
}

impl Address {
    /// The number `digits` with its type of number and numbering plan, `81` or `91` as a rule.
    ///
    /// # Errors
    /// [`SmsError::Address`] for what no network dials.
    pub fn new(type_of_number: u8, digits: &str) -> Result<Self, SmsError> {
        if digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SmsError::Address { digits: digits.len() });
        }
        Ok(Self { type_of_number, digits: digits.to_owned() })
    }

    /// Its digits.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// As a message has it (TS 23.040 clause 9.1.2.5): the number of digits first.
    fn push(&self, out: &mut Vec<u8>) {
        out.extend([self.digits.len() as u8, self.type_of_number]);
        out.extend(bcd::packed(&self.digits));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, SmsError> {
        let [digits, type_of_number] = reader.array("address")?;
        let digits = usize::from(digits);
        let octets = reader.take(digits.div_ceil(2), "address")?;
        let text = bcd::read_filled(octets).ok().filter(|text| text.len() == digits);
        Self::new(type_of_number, &text.ok_or(SmsError::Address { digits })?)
    }

    /// As a card's data object has it (TS 102 223 clause 8.1): its length is that of the object.
    pub(super) fn object(&self) -> Vec<u8> {
        [vec![self.type_of_number], bcd::packed(&self.digits)].concat()
    }

    /// Reads [`object`](Self::object).
    pub(super) fn of_object(value: &[u8]) -> Result<Self, SmsError> {
        let (&type_of_number, octets) = value.split_first().ok_or(SmsError::CutOff { field: "address" })?;
        let text = bcd::read_filled(octets).map_err(|_| SmsError::Address { digits: octets.len() * 2 })?;
        Self::new(type_of_number, &text)
    }
}

/// A message to the card (SMS-DELIVER, TS 23.040 clause 9.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// TP-OA: who has sent it.
    pub originator: Address,
    /// TP-PID: `7F` for one to the card.
    pub protocol: u8,
    /// TP-DCS: `F6` for octets to the card.
    pub coding: u8,
    /// TP-SCTS: when the service centre got it.
    pub timestamp: [u8; 7],
    /// Whether more messages wait for the card.
    pub more: bool,
    /// The user data with its header.
    pub user_data: Vec<u8>,
}

impl Deliver {
    /// A message to the card with this user data, which begins with a header.
    pub fn to_card(originator: Address, timestamp: [u8; 7], user_data: Vec<u8>) -> Self {
        Self { originator, protocol: 0x7f, coding: 0xf6, timestamp, more: false, user_data }
    }

    /// Whether it is for the card and not for the device (TS 23.040 clause 9.2.3.9, TS 23.038 clause 4).
    pub fn is_for_card(&self) -> bool {
        self.protocol == 0x7f && matches!(self.coding, 0xf6 | 0x16)
    }

    /// The octets of the message.
    ///
    /// # Errors
    /// Where the user data does not fit.
    pub fn encode(&self) -> Result<Vec<u8>, SmsError> {
        let mut out = vec![HAS_HEADER | if self.more { 0 } else { NO_MORE }];
        self.originator.push(&mut out);
        out.extend([self.protocol, self.coding]);
        out.extend(self.timestamp);
        push_user_data(&mut out, &self.user_data)?;
        Ok(out)
    }

    /// Reads a message whose user data has a header and is of octets.
    ///
    /// # Errors
    /// [`SmsError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SmsError> {
        let mut reader = Reader(bytes);
        let [first] = reader.array("first octet")?;
        if first & 0x03 != 0 || first & HAS_HEADER == 0 {
            return Err(SmsError::Type { found: first, expected: "SMS-DELIVER with a header of user data" });
        }
        let originator = Address::take(&mut reader)?;
        let [protocol, coding] = reader.array("protocol and coding")?;
        let timestamp = reader.array("time stamp")?;
        let user_data = reader.user_data()?;
        Ok(Self { originator, protocol, coding, timestamp, more: first & NO_MORE == 0, user_data })
    }
}

/// A message from the card (SMS-SUBMIT, TS 23.040 clause 9.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// TP-MR.
    pub reference: u8,
    /// TP-DA: whom it is for.
    pub destination: Address,
    /// TP-PID, as in [`Deliver`].
    pub protocol: u8,
    /// TP-DCS, as in [`Deliver`].
    pub coding: u8,
    /// The user data with its header.
    pub user_data: Vec<u8>,
}

impl Submit {
    /// The octets of the message, without a period of validity.
    ///
    /// # Errors
    /// Where the user data does not fit.
    pub fn encode(&self) -> Result<Vec<u8>, SmsError> {
        let mut out = vec![HAS_HEADER | 0x01, self.reference];
        self.destination.push(&mut out);
        out.extend([self.protocol, self.coding]);
        push_user_data(&mut out, &self.user_data)?;
        Ok(out)
    }

    /// Reads a message whose user data has a header and is of octets. A period of validity is read over.
    ///
    /// # Errors
    /// [`SmsError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SmsError> {
        let mut reader = Reader(bytes);
        let [first, reference] = reader.array("first octets")?;
        if first & 0x03 != 0x01 || first & HAS_HEADER == 0 {
            return Err(SmsError::Type { found: first, expected: "SMS-SUBMIT with a header of user data" });
        }
        let destination = Address::take(&mut reader)?;
        let [protocol, coding] = reader.array("protocol and coding")?;
        let validity = match first >> 3 & 0x03 {
            0 => 0,
            2 => 1,
            _ => 7,
        };
        reader.take(validity, "period of validity")?;
        let user_data = reader.user_data()?;
        Ok(Self { reference, destination, protocol, coding, user_data })
    }
}

/// The moment `unix_s` as a time stamp of the service centre (TS 23.040 clause 9.2.3.11), UTC: two digits each of year,
/// month, day, hour, minute and second, and the zone, the first digit low.
pub fn timestamp(unix_s: u64) -> [u8; 7] {
    let at = i64::try_from(unix_s).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let year = u8::try_from(at.year().rem_euclid(100)).unwrap_or_default();
    let digits = |number: u8| ((number % 10) << 4) | (number / 10);
    [year, at.month().into(), at.day(), at.hour(), at.minute(), at.second(), 0].map(digits)
}

fn push_user_data(out: &mut Vec<u8>, user_data: &[u8]) -> Result<(), SmsError> {
    if user_data.len() > USER_DATA_MAX {
        return Err(SmsError::TooLong { found: user_data.len() });
    }
    out.push(user_data.len() as u8);
    out.extend(user_data);
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize, field: &'static str) -> Result<&'a [u8], SmsError> {
        let (taken, rest) = self.0.split_at_checked(octets).ok_or(SmsError::CutOff { field })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], SmsError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SmsError::CutOff { field })?;
        self.0 = rest;
        Ok(*taken)
    }

    fn user_data(&mut self) -> Result<Vec<u8>, SmsError> {
        let [announced] = self.array("user data")?;
        let (announced, found) = (usize::from(announced), self.0.len());
        if announced != found {
            return Err(SmsError::Length { announced, found });
        }
        if found > USER_DATA_MAX {
            return Err(SmsError::TooLong { found });
        }
        Ok(self.0.to_vec())
    }
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command packet: the information element `70`.
    Command,
    /// A response packet: the information element `71`.
    Response,
}

/// Which part of a packet a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concatenation {
    /// Tells the messages of one packet from those of another.
    pub reference: u16,
    /// How many there are.
    pub parts: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// The user data of one message: a packet or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Said in the first part only.
    pub kind: Option<Kind>,
    /// `None` of a packet in one message.
    pub concatenation: Option<Concatenation>,
    /// What stands behind the header of the user data.
    pub payload: Vec<u8>,
}

impl Part {
    /// A packet in one message, as a card answers one in the report of delivery.
    pub fn whole(kind: Kind, packet: Vec<u8>) -> Self {
        Self { kind: Some(kind), concatenation: None, payload: packet }
    }

    /// The user data, with its header. A reference above 255 takes the element with 16 bits.
    pub fn encode(&self) -> Vec<u8> {
        let mut header = Vec::new();
        if let Some(Concatenation { reference, parts, number }) = self.concatenation {
            match u8::try_from(reference) {
                Ok(reference) => header.extend([CONCATENATED_8, 3, reference, parts, number]),
                Err(_) => {
                    let [high, low] = reference.to_be_bytes();
                    header.extend([CONCATENATED_16, 4, high, low, parts, number]);
                }
            }
        }
        match self.kind {
            Some(Kind::Command) => header.extend([COMMAND_PACKET, 0]),
            Some(Kind::Response) => header.extend([RESPONSE_PACKET, 0]),
            None => {}
        }
        [&[header.len() as u8][..], &header, &self.payload].concat()
    }

    /// Reads user data with a header. Elements that are of no interest here are read over, in whatever order they are.
    ///
    /// # Errors
    /// Where the header is cut off, or counts its parts wrongly.
    pub fn parse(user_data: &[u8]) -> Result<Self, SmsError> {
        let mut reader = Reader(user_data);
        let [length] = reader.array("header of user data")?;
        let mut header = Reader(reader.take(length.into(), "header of user data")?);
        let mut part = Self { kind: None, concatenation: None, payload: reader.0.to_vec() };
        while !header.0.is_empty() {
            let [id, length] = header.array("information element")?;
            let value = header.take(length.into(), "information element")?;
            match (id, value) {
                (CONCATENATED_8, &[reference, parts, number]) => {
                    part.concatenation = Some(counted(reference.into(), parts, number)?);
                }
                (CONCATENATED_16, &[high, low, parts, number]) => {
                    part.concatenation = Some(counted(u16::from_be_bytes([high, low]), parts, number)?);
                }
                (COMMAND_PACKET, _) => part.kind = Some(Kind::Command),
                (RESPONSE_PACKET, _) => part.kind = Some(Kind::Response),
                _ => {}
            }
        }
        Ok(part)
    }
}

fn counted(reference: u16, parts: u8, number: u8) -> Result<Concatenation, SmsError> {
    if number == 0 || number > parts || parts > PARTS_MAX {
        return Err(SmsError::Part { number, parts });
    }
    Ok(Concatenation { reference, parts, number })
}

/// The messages that carry `packet`, under `reference` where it takes several.
///
/// # Errors
/// [`SmsError::TooManyParts`].
pub fn split(kind: Kind, packet: &[u8], reference: u8) -> Result<Vec<Part>, SmsError> {
    if packet.len() + 3 <= USER_DATA_MAX {
        return Ok(vec![Part::whole(kind, packet.to_vec())]);
    }
    let (first, rest) = packet.split_at(FIRST_PART.min(packet.len()));
    let payloads: Vec<&[u8]> = std::iter::once(first).chain(rest.chunks(NEXT_PART)).collect();
    let parts = u8::try_from(payloads.len()).ok().filter(|parts| *parts <= PARTS_MAX);
    let parts = parts.ok_or(SmsError::TooManyParts { found: packet.len() })?;
    let part = |(number, payload): (u8, &[u8])| Part {
        kind: (number == 1).then_some(kind),
        concatenation: Some(Concatenation { reference: reference.into(), parts, number }),
        payload: payload.to_vec(),
    };
    Ok((1..).zip(payloads).map(part).collect())
}

/// Puts messages together. One packet is put together at a time: the first message of another one drops what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reassembly {
    /// Reference and number of parts, with what has come of them.
    open: Option<(u16, u8, Vec<Option<Part>>)>,
}

impl Reassembly {
    /// Octets that are kept.
    pub fn octets(&self) -> usize {
        let parts = self.open.iter().flat_map(|(_, _, parts)| parts.iter().flatten());
        parts.map(|part| part.payload.len()).sum()
    }

    /// Takes a message, and returns the packet that is whole with it. A part that comes twice is taken once.
    ///
    /// # Errors
    /// [`SmsError::Kind`] where no part says what the packet is.
    pub fn take(&mut self, part: Part) -> Result<Option<(Kind, Vec<u8>)>, SmsError> {
        let Some(Concatenation { reference, parts, number }) = part.concatenation else {
            return Ok(Some((part.kind.ok_or(SmsError::Kind)?, part.payload)));
        };
        counted(reference, parts, number)?;
        let (_, _, kept) = match &mut self.open {
            Some(open) if (open.0, open.1) == (reference, parts) => open,
            open => open.insert((reference, parts, vec![None; parts.into()])),
        };
        if let Some(place @ None) = kept.get_mut(usize::from(number - 1)) {
            *place = Some(part);
        }
        if kept.iter().any(Option::is_none) {
            return Ok(None);
        }
        let Some((_, _, whole)) = self.open.take() else { return Ok(None) };
        let whole: Vec<Part> = whole.into_iter().flatten().collect();
        let kind = whole.iter().find_map(|part| part.kind).ok_or(SmsError::Kind)?;
        Ok(Some((kind, whole.into_iter().flat_map(|part| part.payload).collect())))
    }
}
