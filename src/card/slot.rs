//! The slot that a card sits in: the one way to it, for the modem and for the application above the modem.

use std::sync::{Arc, LockResult, Mutex, MutexGuard, PoisonError};

use super::{CardOp, EuiccEvent};
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

/// Who has the card do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CardUser {
    /// The modem, over the basic channel.
    Modem,
    /// The application above the modem, or a program outside any device.
    #[default]
    Application,
}

/// What a virtual card says of its own work, for those who model its time and tell of what it refuses. A card in a
/// reader says nothing.
#[derive(Debug, Default)]
pub struct CardDiary {
    /// The public key operations since the diary was last read, in their order.
    pub computed: Vec<CardOp>,
    /// What its eUICC has refused since then, in the card's own words.
    pub refused: Vec<EuiccEvent>,
}

/// A diary that the card writes and its slot reads.
pub type SharedDiary = Arc<Mutex<CardDiary>>;

/// One command and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Who asked.
    pub by: CardUser,
    /// The command APDU.
    pub command: Vec<u8>,
    /// The response APDU, status word included.
    pub response: Vec<u8>,
    /// What the card computed for it, as far as it says so.
    pub computed: Vec<CardOp>,
    /// What the card refused meanwhile, and why, as far as it says so.
    pub refused: Vec<EuiccEvent>,
}

/// A card in its slot, with a record of what went through.
pub struct CardSlot {
    port: Box<dyn CardPort>,
    diary: SharedDiary,
    user: CardUser,
    log: Vec<Exchange>,
}

/// A slot shared by the modem and the application of one device, in the hands of one of them.
#[derive(Clone)]
pub struct CardHandle {
    slot: Arc<Mutex<CardSlot>>,
    user: CardUser,
}

impl CardHandle {
    /// The same card in the hands of `user`.
    pub fn used_by(&self, user: CardUser) -> Self {
        Self { slot: self.slot.clone(), user }
    }

    /// The slot; what goes through is logged as asked by who holds this handle.
    ///
    /// # Errors
    /// Where a thread died while it held the card.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, CardSlot>> {
        let mut slot = self.slot.lock()?;
        slot.user = self.user;
        Ok(slot)
    }

    /// Takes out what went through since the last call, whoever asked, for the event stream.
    pub fn take_log(&self) -> Vec<Exchange> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take_log()
    }
}

impl CardSlot {
    /// Puts a card into a slot.
    pub fn new(port: Box<dyn CardPort>) -> Self {
        Self { port, diary: SharedDiary::default(), user: CardUser::default(), log: Vec::new() }
    }

    /// The same, to be shared; `diary` is where the card writes what it does.
    pub fn shared(port: Box<dyn CardPort>, diary: SharedDiary) -> CardHandle {
        let slot = Self { diary, ..Self::new(port) };
        CardHandle { slot: Arc::new(Mutex::new(slot)), user: CardUser::default() }
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
        let CardDiary { computed, refused } =
            std::mem::take(&mut *self.diary.lock().unwrap_or_else(PoisonError::into_inner));
        let (by, command) = (self.user, command.to_vec());
        self.log.push(Exchange { by, command, response: response.clone(), computed, refused });
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
