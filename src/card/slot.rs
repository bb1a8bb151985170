//! The slot that a card sits in: the one way to it, for the modem and for the application above the modem.

use std::sync::{Arc, Mutex};

use crate::kernel::Blame;
use crate::wire::Command;

/// Why a card gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum PortError {
    #[error("the card was removed")]
    Removed,
    #[error("the card did not answer within {seconds} s")]
    Mute { seconds: u64 },
    #[error("the reader failed: {0}")]
    Reader(String),
}

impl PortError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}

/// Whatever answers command APDUs: the virtual card, or a reader with a real one.
pub trait CardPort: Send {
    /// Sends one command APDU and returns the response APDU, status word included.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError>;

    /// Resets the card and returns its Answer To Reset.
    fn reset(&mut self) -> Result<Vec<u8>, PortError>;
}

impl CardPort for Box<dyn CardPort> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        (**self).reset()
    }
}

/// One command and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The command APDU.
    pub command: Vec<u8>,
    /// The response APDU, status word included.
    pub response: Vec<u8>,
}

/// A card in its slot, with a record of what went through.
pub struct CardSlot {
    port: Box<dyn CardPort>,
    log: Vec<Exchange>,
}

/// A slot shared by the modem and the application of one device.
pub type CardHandle = Arc<Mutex<CardSlot>>;

impl CardSlot {
    /// Puts a card into a slot.
    pub fn new(port: Box<dyn CardPort>) -> Self {
        Self { port, log: Vec::new() }
    }

    /// The same, to be shared.
    pub fn shared(port: Box<dyn CardPort>) -> CardHandle {
        Arc::new(Mutex::new(Self::new(port)))
    }

    /// Sends one command APDU, fetches what `61xx` announces and repeats what `6Cxx` corrects
    /// (TS 102 221 clause 7.3.1.1), and returns the response data with the last status word.
    pub fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let mut response = self.transmit(command)?;
        let mut data = Vec::new();
        // A card that announces more for ever is mute: 64 kB is more than any response here.
        for _ in 0..256 {
            let Some((&[sw1, sw2], body)) = response.split_last_chunk::<2>().map(|(body, sw)| (sw, body))
            else {
                return Err(PortError::Reader(format!(
                    "a response of {} bytes has no status word",
                    response.len()
                )));
            };
            match sw1 {
                0x61 => {
                    data.extend_from_slice(body);
                    // GET RESPONSE goes on the channel of the command (TS 102 221 clause 11.1).
                    let class = command.first().copied().unwrap_or(0);
                    let channel = Command::channel(class).map_or(0, |(channel, _)| channel);
                    let class = Command::class_on(0x00, channel);
                    response = self.transmit(&[class, 0xc0, 0x00, 0x00, sw2])?;
                }
                0x6c if command.len() >= 4 => {
                    // The same again with the right Le: behind the header, or behind the data where there is some.
                    let data_end = match command {
                        [_, _, _, _, lc, _, ..] => (5 + usize::from(*lc)).min(command.len()),
                        _ => 4,
                    };
                    let again = [&command[..data_end], &[sw2]].concat();
                    response = self.transmit(&again)?;
                }
                _ => {
                    data.extend_from_slice(&response);
                    return Ok(data);
                }
            }
        }
        Err(PortError::Mute { seconds: 0 })
    }

    /// Sends one command APDU exactly as it is.
    pub fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let response = self.port.transmit(command)?;
        self.log.push(Exchange { command: command.to_vec(), response: response.clone() });
        Ok(response)
    }

    /// Resets the card.
    pub fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.port.reset()
    }

    /// Takes out what went through since the last call, for the event stream.
    pub fn take_log(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that wants another Le: it refuses until the last octet is 02, and repeats what it was sent.
    struct Corrects(Vec<Vec<u8>>);

    impl CardPort for Corrects {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
            self.0.push(command.to_vec());
            Ok(if self.0.len() == 1 { vec![0x6c, 0x02] } else { [command, &[0x90, 0x00]].concat() })
        }

        fn reset(&mut self) -> Result<Vec<u8>, PortError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_corrected_le_keeps_the_data_of_the_command() {
        for (sent, again) in [
            (&[0x00, 0xb0, 0, 0][..], &[0x00, 0xb0, 0, 0, 2][..]),
            (&[0x00, 0xb0, 0, 0, 0xff], &[0x00, 0xb0, 0, 0, 2]),
            (&[0x00, 0x88, 0, 0x81, 2, 7, 8, 0], &[0x00, 0x88, 0, 0x81, 2, 7, 8, 2]),
            (&[0x00, 0x88, 0, 0x81, 2, 7, 8], &[0x00, 0x88, 0, 0x81, 2, 7, 8, 2]),
        ] {
            let answer = CardSlot::new(Box::new(Corrects(Vec::new()))).exchange(sent).unwrap();
            assert_eq!(answer, [again, &[0x90, 0x00]].concat());
        }
    }
}
