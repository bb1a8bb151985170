//! The applet as a server reaches it over the air (GSMA IoT.04 clause 3.2.3.1: key generation with the public key in the
//! answer, certificates, removal). IoT.05 leaves the commands to who makes the applet: here they are those of the device
//! that manage objects, in a script of a secured packet.
//!
//! How often the card has made a key in a container is told here as to the device, which signs it in a registration; over
//! the air alone does anybody know that it is the card which says so.

use super::Applet;
use crate::card::Reply;
use crate::wire::{Command, StatusWord};

/// Stands for a channel where the applet keeps apart what was begun: no terminal has this one.
pub(super) const OVER_THE_AIR: usize = usize::MAX;

impl Applet {
    /// Does one command of a server. What uses a key instead of managing it is not there: an operator makes keys in
    /// the card and does not act in its name.
    pub(in crate::card) fn handle_remotely(&mut self, c: &Command<'_>) -> Reply {
        match c.instruction {
            // GENERATE KEY PAIR, READ PUBLIC KEY, PUT PUBLIC KEY, UPDATE FILE, READ FILE, GET DATA.
            0xb9 | 0xcd | 0x24 | 0xd8 | 0xd6 | 0xb0 | 0xcb => self.handle(OVER_THE_AIR, c),
            _ => Err(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    /// Ends what a script has begun. Where it has changed something since `before`, an earlier count of
    /// [`changes`](Self::changes), the device is told with its next command.
    pub(in crate::card) fn end_remote_session(&mut self, before: u64) {
        self.end_sessions(OVER_THE_AIR);
        self.remotely_changed |= self.changes != before;
    }

    /// Whether a remote session has changed something of which the device was not told; once.
    pub(in crate::card) fn take_remote_change(&mut self) -> bool {
        std::mem::take(&mut self.remotely_changed)
    }
}
