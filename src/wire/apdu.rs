//! Command and response APDUs (ISO/IEC 7816-4 clause 5; ETSI TS 102 221 clause 10), short ones only: no
//! command of a USIM or of IoT SAFE needs more than 255 bytes of data.

use std::fmt;

/// Why bytes are not a command APDU that this codec takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApduError {
    /// CLA, INS, P1 and P2 are not all there.
    #[error("a command APDU has a header of 4 bytes, found {found} in all")]
    Header {
        /// How many bytes there are.
        found: usize,
    },
    /// Lc and what follows it disagree.
    #[error(
        "Lc announces {announced} bytes of data, {found} bytes follow it; send Lc, the data and at most Le"
    )]
    Length {
        /// The value of Lc.
        announced: usize,
        /// How many bytes follow Lc, Le included.
        found: usize,
    },
    /// Lc or Le in three bytes (ISO/IEC 7816-4 clause 5.1).
    #[error("extended lengths are not supported; send at most 255 bytes in one command and chain the rest")]
    Extended,
}

/// A command APDU of case 1 to 4 with short lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Class byte CLA: who defined the instruction, and the logical channel.
    pub class: u8,
    /// Instruction byte INS.
    pub instruction: u8,
    /// First parameter byte P1.
    pub p1: u8,
    /// Second parameter byte P2.
    pub p2: u8,
    /// Command data, at most 255 bytes.
    pub data: &'a [u8],
    /// Ne, the most response bytes that are expected: 1 to 256. `None` where the command carries no Le.
    pub expected: Option<u16>,
}

impl<'a> Command<'a> {
    /// Reads a command APDU.
    ///
    /// One deviation from ISO/IEC 7816-4 is taken on purpose: clients in the field leave a stray `00` between
    /// the data and Le. The last byte is Le then.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ApduError> {
        let Some((&[class, instruction, p1, p2], body)) = bytes.split_first_chunk::<4>() else {
            return Err(ApduError::Header { found: bytes.len() });
        };
        let (data, expected) = match body {
            [] => (&[][..], None),
            [le] => (&[][..], Some(ne(*le))),
            [0, le] => (&[][..], Some(ne(*le))),
            [0, _, _, ..] => return Err(ApduError::Extended),
            [lc, rest @ ..] => {
                let announced = usize::from(*lc);
                match rest.split_at_checked(announced) {
                    Some((data, [])) => (data, None),
                    Some((data, [le] | [0, le])) => (data, Some(ne(*le))),
                    _ => return Err(ApduError::Length { announced, found: rest.len() }),
                }
            }
        };
        Ok(Self { class, instruction, p1, p2, data, expected })
    }

    /// A command without data and without Le (case 1).
    pub fn new(class: u8, instruction: u8, p1: u8, p2: u8) -> Self {
        Self { class, instruction, p1, p2, data: &[], expected: None }
    }

    /// The same with command data, of which at most 255 bytes fit.
    pub fn with_data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The same with Le for at most `expected` response bytes, 1 to 256.
    pub fn with_expected(mut self, expected: u16) -> Self {
        self.expected = Some(expected);
        self
    }

    /// The bytes that go to the card.
    pub fn encode(&self) -> Result<Vec<u8>, ApduError> {
        let mut bytes = vec![self.class, self.instruction, self.p1, self.p2];
        if !self.data.is_empty() {
            bytes.push(u8::try_from(self.data.len()).map_err(|_| ApduError::Extended)?);
            bytes.extend_from_slice(self.data);
        }
        match self.expected {
            None => {}
            Some(n @ 1..=255) => bytes.push(n as u8),
            Some(256) => bytes.push(0),
            Some(_) => return Err(ApduError::Extended),
        }
        Ok(bytes)
    }

    /// The logical channel, 0 to 19, that the class byte names (TS 102 221 clause 10.1.1), with the class byte
    /// as it would be on channel 0: `10` in it says chaining, `04` to `0C` secure messaging. `None` for `FF`.
    pub fn channel(class: u8) -> Option<(u8, u8)> {
        match class {
            0xff => None,
            // Channels 4 to 19 leave one bit for secure messaging.
            _ if class & 0x40 != 0 => {
                let messaging = if class & 0x20 != 0 { 0x04 } else { 0x00 };
                Some((4 + (class & 0x0f), class & 0x90 | messaging))
            }
            _ => Some((class & 0x03, class & !0x03)),
        }
    }

    /// The class byte of `class`, which is of channel 0, on another channel of 0 to 19.
    pub fn class_on(class: u8, channel: u8) -> u8 {
        match channel {
            0..=3 => class | channel,
            _ => class | 0x40 | (channel - 4) & 0x0f,
        }
    }
}

/// Ne of an Le byte: `00` stands for 256.
fn ne(le: u8) -> u16 {
    if le == 0 { 256 } else { u16::from(le) }
}

/// The status word SW1 SW2 that ends every response APDU.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Normal ending of the command.
    pub const OK: Self = Self(0x9000);
    /// The toolkit is busy: the terminal has still to do a proactive command (TS 102 221 clause 10.2.1.4).
    pub const TOOLKIT_BUSY: Self = Self(0x9300);
    /// A script over the air is ended before its end: the answer has no room for more data.
    pub const DATA_CUT: Self = Self(0x62f1);
    /// IoT SAFE: done, and a remote session has changed something since the last command.
    pub const REMOTE_SESSION: Self = Self(0x63cf);
    /// Logical channel not supported, or not open.
    pub const CHANNEL_NOT_SUPPORTED: Self = Self(0x6881);
    /// Secure messaging, which CLA asks for, is not supported.
    pub const SECURE_MESSAGING_NOT_SUPPORTED: Self = Self(0x6882);
    /// Command chaining, which CLA asks for, is not supported.
    pub const CHAINING_NOT_SUPPORTED: Self = Self(0x6884);
    /// End of file reached, or nothing found by SEARCH RECORD.
    pub const UNSUCCESSFUL_SEARCH: Self = Self(0x6282);
    /// Wrong length: Lc or Le does not go with the command.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Command incompatible with file structure.
    pub const INCOMPATIBLE_FILE: Self = Self(0x6981);
    /// Security status not satisfied: a PIN or key that the access rule asks for was not verified.
    pub const SECURITY_STATUS: Self = Self(0x6982);
    /// Authentication method blocked: no attempts are left.
    pub const PIN_BLOCKED: Self = Self(0x6983);
    /// Referenced data invalidated: here, a PIN that is disabled.
    pub const INVALIDATED: Self = Self(0x6984);
    /// Conditions of use not satisfied.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// Command not allowed, no EF selected.
    pub const NO_EF_SELECTED: Self = Self(0x6986);
    /// Incorrect parameters in the data field.
    pub const INCORRECT_DATA: Self = Self(0x6a80);
    /// Function not supported.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6a81);
    /// File or application not found.
    pub const NOT_FOUND: Self = Self(0x6a82);
    /// Record not found.
    pub const RECORD_NOT_FOUND: Self = Self(0x6a83);
    /// Not enough memory space.
    pub const INSUFFICIENT_MEMORY: Self = Self(0x6a84);
    /// Incorrect parameters P1 to P2.
    pub const INCORRECT_P1_P2: Self = Self(0x6a86);
    /// Referenced data not found: no such key, PIN or data object.
    pub const REFERENCED_DATA_NOT_FOUND: Self = Self(0x6a88);
    /// Wrong parameters P1-P2: an offset beyond the end of the file.
    pub const WRONG_OFFSET: Self = Self(0x6b00);
    /// Instruction code not supported or invalid.
    pub const INSTRUCTION_NOT_SUPPORTED: Self = Self(0x6d00);
    /// IoT SAFE: the signature does not match.
    pub const SIGNATURE_MISMATCH: Self = Self(0x6d01);
    /// Class not supported.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x6e00);
    /// Technical problem, no precise diagnosis.
    pub const TECHNICAL_PROBLEM: Self = Self(0x6f00);
    /// INCREASE cannot be performed, maximum value reached (TS 102 221 clause 10.2.1.5.3).
    pub const MAXIMUM_REACHED: Self = Self(0x9850);
    /// Authentication error, incorrect MAC (TS 31.102 clause 7.3).
    pub const INCORRECT_MAC: Self = Self(0x9862);
    /// Authentication error, security context not supported (TS 31.102 clause 7.3).
    pub const CONTEXT_NOT_SUPPORTED: Self = Self(0x9864);

    // Of a SIM, class A0 (TS 51.011 clause 9.4).
    /// No EF selected.
    pub const SIM_NO_EF_SELECTED: Self = Self(0x9400);
    /// Out of range: an offset or a record that is not there.
    pub const SIM_OUT_OF_RANGE: Self = Self(0x9402);
    /// File identifier or pattern not found.
    pub const SIM_NOT_FOUND: Self = Self(0x9404);
    /// File inconsistent with the command.
    pub const SIM_INCONSISTENT: Self = Self(0x9408);
    /// Access condition not fulfilled, or a wrong code with tries left.
    pub const SIM_ACCESS: Self = Self(0x9804);
    /// In contradiction with CHV status: here, a CHV that is disabled.
    pub const SIM_CHV_CONTRADICTION: Self = Self(0x9808);
    /// A file that is invalidated (TS 51.011 clause 9.4.4).
    pub const SIM_INVALIDATED: Self = Self(0x9810);
    /// Blocked: no try is left.
    pub const SIM_BLOCKED: Self = Self(0x9840);

    /// `9Fxx`: `n` response bytes wait for GET RESPONSE of class A0.
    pub fn sim_more(n: usize) -> Self {
        Self(0x9f00 | u16::from(u8::try_from(n).unwrap_or(0)))
    }

    /// `61xx`: `n` response bytes wait for GET RESPONSE; 256 and more are announced as `00`.
    pub fn more(n: usize) -> Self {
        Self(0x6100 | u16::from(u8::try_from(n).unwrap_or(0)))
    }

    /// `91xx`: done, and a proactive command of `n` bytes waits for FETCH.
    pub fn proactive(n: u8) -> Self {
        Self(0x9100 | u16::from(n))
    }

    /// `6Cxx`: Le is wrong, `n` is right; 256 is announced as `00`.
    pub fn wrong_le(n: usize) -> Self {
        Self(0x6c00 | u16::from(u8::try_from(n).unwrap_or(0)))
    }

    /// `63Cx`: verification failed, `n` tries remain.
    pub fn tries_left(n: u8) -> Self {
        Self(0x63c0 | u16::from(n & 0x0f))
    }

    /// Splits a response APDU into its data and its status word. `None` for less than two bytes.
    pub fn split(response: &[u8]) -> Option<(&[u8], Self)> {
        let (data, sw) = response.split_last_chunk::<2>()?;
        Some((data, Self(u16::from_be_bytes(*sw))))
    }

    /// The two bytes.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusWord({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn the_four_cases() {
        // ISO/IEC 7816-4 table 1.
        let parse = |hex: &str| {
            let bytes = hex::decode(hex).unwrap();
            Command::parse(&bytes).map(|c| (c.data.to_vec(), c.expected))
        };
        assert_eq!(parse("00a40004"), Ok((vec![], None)));
        assert_eq!(parse("00b0000009"), Ok((vec![], Some(9))));
        assert_eq!(parse("00b0000000"), Ok((vec![], Some(256))));
        assert_eq!(parse("00a40004023f00"), Ok((vec![0x3f, 0], None)));
        assert_eq!(parse("00a40004023f0000"), Ok((vec![0x3f, 0], Some(256))));
    }

    #[test]
    fn a_stray_zero_before_le_is_taken() {
        let bytes = hex::decode("01cb0000020102007f").unwrap();
        assert_eq!(Command::parse(&bytes).unwrap().expected, Some(0x7f));
        let bytes = hex::decode("018400000020").unwrap();
        assert_eq!(Command::parse(&bytes).unwrap().expected, Some(0x20));
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(Command::parse(&[0, 0xa4, 0]), Err(ApduError::Header { found: 3 }));
        assert_eq!(
            Command::parse(&[0, 0xa4, 0, 4, 3, 1, 2]),
            Err(ApduError::Length { announced: 3, found: 2 })
        );
        assert_eq!(Command::parse(&[0, 0xb0, 0, 0, 0, 1, 0]), Err(ApduError::Extended));
    }

    #[test]
    fn channels_of_the_class_byte() {
        assert_eq!(Command::channel(0x00), Some((0, 0x00)));
        assert_eq!(Command::channel(0x81), Some((1, 0x80)));
        assert_eq!(Command::channel(0x41), Some((5, 0x00)));
        assert_eq!(Command::channel(0xdf), Some((19, 0x90)));
        assert_eq!(Command::channel(0x60), Some((4, 0x04)));
        assert_eq!(Command::channel(0xff), None);
        for channel in 0..20 {
            assert_eq!(Command::channel(Command::class_on(0x80, channel)), Some((channel, 0x80)));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back(bytes in bent(hex::decode("00a4080c047fff6f0700").unwrap())) {
            match Command::parse(&bytes) {
                Ok(command) => {
                    let again = command.encode().unwrap();
                    prop_assert_eq!(Command::parse(&again).unwrap(), command);
                    // But for the stray 00 before Le that is taken on purpose.
                    let stray = bytes.len().checked_sub(2).filter(|at| bytes[*at] == 0);
                    let without = stray.map(|at| [&bytes[..at], &bytes[at + 1..]].concat());
                    prop_assert!(again == bytes || Some(&again) == without.as_ref());
                }
                Err(ApduError::Header { found }) => prop_assert!(found == bytes.len() && found < 4),
                Err(ApduError::Length { announced, found }) => {
                    prop_assert_eq!((announced, found), (usize::from(bytes[4]), bytes.len() - 5));
                }
                Err(ApduError::Extended) => prop_assert_eq!(bytes[4], 0),
            }
        }

        #[test]
        fn what_is_encoded_reads_back(
            header: [u8; 4],
            data in proptest::collection::vec(any::<u8>(), 0..256),
            expected in proptest::option::of(1u16..=256),
        ) {
            let [class, instruction, p1, p2] = header;
            let command = Command { class, instruction, p1, p2, data: &data, expected };
            let bytes = command.encode().unwrap();
            prop_assert_eq!(Command::parse(&bytes).unwrap(), command);
        }
    }
}
