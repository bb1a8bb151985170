//! The part of the card application toolkit that this card needs (ETSI TS 102 223): what the terminal can do, and
//! proactive commands, REFRESH and SEND SHORT MESSAGE, one at a time: announced with `91xx`, fetched with FETCH and
//! answered with TERMINAL RESPONSE.

use std::collections::VecDeque;

use super::Reply;
use crate::wire::{Command, StatusWord, tlv};

/// What REFRESH asks the terminal to do (TS 102 223 clause 6.4.7); the number is the command qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Refresh {
    /// Initialise the application again and read all files.
    InitialisationAndFullFileChange = 0x00,
    /// Initialise the application again.
    Initialisation = 0x03,
    /// Reset the card: what another eSIM profile needs.
    UiccReset = 0x04,
    /// Begin the session of the application anew.
    ApplicationReset = 0x05,
    /// Another eSIM profile is enabled, or none (GSMA SGP.22 clause 3.2.1).
    EuiccProfileStateChange = 0x09,
}

/// A command of the card to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proactive {
    Refresh(Refresh),
    /// SEND SHORT MESSAGE with an SMS-SUBMIT.
    SendShortMessage(Vec<u8>),
}

/// What the terminal has said that it can do (TS 102 223 clause 5.2, 3GPP TS 31.111 clause 5.2).
#[derive(Debug, Clone, Copy, Default)]
struct TerminalProfile {
    sms_pp_download: bool,
    send_short_message: bool,
}

/// Where the toolkit stands.
#[derive(Default)]
pub(super) struct Toolkit {
    /// Without it no proactive command may be announced.
    profile: Option<TerminalProfile>,
    /// The first one is announced, or fetched.
    waiting: VecDeque<Proactive>,
    fetched: bool,
    /// The terminal has done REFRESH, and nobody has asked yet.
    refreshed: bool,
}

impl Toolkit {
    /// Forgets the terminal, which has been told what REFRESH wanted by the reset itself.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn request(&mut self, refresh: Refresh) {
        match self.waiting.iter_mut().find(|waiting| matches!(waiting, Proactive::Refresh(_))) {
            Some(before) => *before = Proactive::Refresh(refresh),
            None => self.waiting.push_back(Proactive::Refresh(refresh)),
        }
    }

    /// Has the terminal send short messages, SMS-SUBMIT each, in this order.
    pub(super) fn send_short_messages(&mut self, messages: impl IntoIterator<Item = Vec<u8>>) {
        self.waiting.extend(messages.into_iter().map(Proactive::SendShortMessage));
    }

    /// Whether the terminal can be sent a proactive command.
    pub(super) fn is_reachable(&self) -> bool {
        self.profile.is_some()
    }

    /// Whether the terminal hands short messages for the card to it.
    pub(super) fn downloads_short_messages(&self) -> bool {
        self.profile.is_some_and(|profile| profile.sms_pp_download)
    }

    /// Whether the terminal sends short messages of the card.
    pub(super) fn sends_short_messages(&self) -> bool {
        self.profile.is_some_and(|profile| profile.send_short_message)
    }

    /// Whether the terminal has still to do one.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the terminal has done REFRESH since this was asked last.
    pub(super) fn take_refreshed(&mut self) -> bool {
        std::mem::take(&mut self.refreshed)
    }

    /// How long the proactive command is that `91xx` has to announce.
    pub(super) fn announces(&self) -> Option<u8> {
        let waiting = self.waiting.front().filter(|_| self.is_reachable() && !self.fetched)?;
        u8::try_from(waiting.encode().len()).ok()
    }

    /// TERMINAL PROFILE.
    pub(super) fn terminal_profile(&mut self, c: &Command<'_>) -> Reply {
        if c.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let has =
            |octet: usize, bit: u8| c.data.get(octet - 1).is_some_and(|bits| bits >> (bit - 1) & 1 == 1);
        self.profile = Some(TerminalProfile { sms_pp_download: has(1, 2), send_short_message: has(4, 2) });
        Ok(Vec::new())
    }

    /// FETCH.
    pub(super) fn fetch(&mut self, c: &Command<'_>) -> Reply {
        let command = self.waiting.front().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?.encode();
        if c.expected.map(usize::from) == Some(command.len()) {
            self.fetched = true;
        }
        Ok(command)
    }

    /// TERMINAL RESPONSE. A terminal that is busy for now (general results `2x`) is asked again; where it cannot send
    /// one short message (`3x`), the others of the same answer are of no use. A REFRESH that it cannot do is not done.
    pub(super) fn terminal_response(&mut self, c: &Command<'_>) -> Reply {
        if !std::mem::take(&mut self.fetched) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // Terminals set bit 8 of a tag, the comprehension flag, or not.
        let result = tlv::find(c.data, 0x83).or_else(|_| tlv::find(c.data, 0x03));
        match result.map_err(|_| StatusWord::INCORRECT_DATA)? {
            [0x20..=0x2f, ..] => {}
            [0x30..=0xff, ..] => {
                let failed = self.waiting.pop_front();
                if matches!(failed, Some(Proactive::SendShortMessage(_))) {
                    self.waiting.retain(|waiting| !matches!(waiting, Proactive::SendShortMessage(_)));
                }
            }
            _ => {
                self.refreshed |= matches!(self.waiting.pop_front(), Some(Proactive::Refresh(_)));
            }
        }
        Ok(Vec::new())
    }
}

impl Proactive {
    /// Command number 1, from the card to the terminal or to the network behind it.
    fn encode(&self) -> Vec<u8> {
        let mut objects = Vec::new();
        let mut put = |tag, value: &[u8]| tlv::push(&mut objects, tag, value);
        match self {
            Self::Refresh(refresh) => {
                put(0x81, &[0x01, 0x01, *refresh as u8]);
                put(0x82, &[0x81, 0x82]);
            }
            Self::SendShortMessage(message) => {
                put(0x81, &[0x01, 0x13, 0x00]);
                put(0x82, &[0x81, 0x83]);
                // An empty text: the terminal does not tell its user.
                put(0x05, &[]);
                put(0x8b, message);
            }
        }
        let mut command = Vec::new();
        tlv::push(&mut command, 0xd0, &objects);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(toolkit: &mut Toolkit, result: u8) -> Option<Vec<u8>> {
        let length = toolkit.announces()?;
        let command = toolkit.fetch(&Command::new(0x80, 0x12, 0, 0).with_expected(length.into())).unwrap();
        assert_eq!(toolkit.announces(), None, "it is fetched");
        let response = [0x81, 3, 1, command[6], 0, 0x82, 2, 0x82, 0x81, 0x83, 1, result];
        toolkit.terminal_response(&Command::new(0x80, 0x14, 0, 0).with_data(&response)).unwrap();
        Some(command)
    }

    fn reached(profile: &[u8]) -> Toolkit {
        let mut toolkit = Toolkit::default();
        toolkit.terminal_profile(&Command::new(0x80, 0x10, 0, 0).with_data(profile)).unwrap();
        toolkit
    }

    #[test]
    fn commands_come_one_after_another() {
        let mut toolkit = reached(&[0xff; 4]);
        assert!(toolkit.downloads_short_messages() && toolkit.sends_short_messages());
        toolkit.send_short_messages([vec![1; 140], vec![2; 9]]);
        toolkit.request(Refresh::UiccReset);
        toolkit.request(Refresh::Initialisation);
        let first = sent(&mut toolkit, 0x20).unwrap();
        assert_eq!(hex::encode(&first[..16]), "d0819a81030113008202818305008b81");
        assert_eq!(sent(&mut toolkit, 0x00).unwrap(), first, "a busy terminal is asked again");
        assert!(sent(&mut toolkit, 0x00).unwrap().ends_with(&[0x8b, 9, 2, 2, 2, 2, 2, 2, 2, 2, 2]));
        assert_eq!(hex::encode(sent(&mut toolkit, 0x00).unwrap()), "d009810301010382028182");
        assert!(!toolkit.is_busy());
    }

    #[test]
    fn a_terminal_that_cannot_send_is_asked_no_more() {
        let mut toolkit = reached(&[0x03, 0x00, 0x80]);
        assert!(toolkit.downloads_short_messages() && !toolkit.sends_short_messages());
        toolkit.send_short_messages([vec![1], vec![2]]);
        sent(&mut toolkit, 0x30);
        assert!(!toolkit.is_busy());
        assert!(!reached(&[0x01, 0x00, 0x80]).downloads_short_messages());
    }
}
