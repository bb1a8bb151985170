//! The part of the card application toolkit that a change of the card needs (ETSI TS 102 223): one proactive
//! command, REFRESH, announced with `91xx`, fetched with FETCH and answered with TERMINAL RESPONSE.

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

/// Where the toolkit stands.
#[derive(Default)]
pub(super) struct Toolkit {
    /// Whether the terminal has sent its profile: without it no proactive command may be announced.
    profile: bool,
    waiting: Option<Refresh>,
    fetched: Option<Refresh>,
}

impl Toolkit {
    /// Forgets the terminal, which has been told what REFRESH wanted by the reset itself.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn request(&mut self, refresh: Refresh) {
        self.waiting = Some(refresh);
    }

    /// Whether the terminal can be sent a proactive command.
    pub(super) fn is_reachable(&self) -> bool {
        self.profile
    }

    /// Whether the terminal has still to do one.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.is_some()
    }

    /// How long the proactive command is that `91xx` has to announce.
    pub(super) fn announces(&self) -> Option<u8> {
        let waiting = self.waiting.filter(|_| self.profile && self.fetched.is_none())?;
        Some(proactive_command(waiting).len() as u8)
    }

    /// TERMINAL PROFILE. What the terminal can do makes no difference here.
    pub(super) fn terminal_profile(&mut self, c: &Command<'_>) -> Reply {
        if c.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        self.profile = true;
        Ok(Vec::new())
    }

    /// FETCH.
    pub(super) fn fetch(&mut self, c: &Command<'_>) -> Reply {
        let waiting = self.waiting.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let command = proactive_command(waiting);
        if c.expected.map(usize::from) == Some(command.len()) {
            self.fetched = self.waiting;
        }
        Ok(command.to_vec())
    }

    /// TERMINAL RESPONSE. A terminal that is busy for now (general results `2x`) is asked again.
    pub(super) fn terminal_response(&mut self, c: &Command<'_>) -> Reply {
        if self.fetched.take().is_none() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // Terminals set bit 8 of a tag, the comprehension flag, or not.
        let result = tlv::find(c.data, 0x83).or_else(|_| tlv::find(c.data, 0x03));
        match result.map_err(|_| StatusWord::INCORRECT_DATA)? {
            [0x20..=0x2f, ..] => {}
            _ => self.waiting = None,
        }
        Ok(Vec::new())
    }
}

/// REFRESH, number 1, from the card to the terminal.
fn proactive_command(refresh: Refresh) -> [u8; 11] {
    [0xd0, 0x09, 0x81, 0x03, 0x01, 0x01, refresh as u8, 0x82, 0x02, 0x81, 0x82]
}
