//! The applet as a server reaches it over the air (GSMA IoT.04 clause 3.2.3.1: key generation with the public key in the
//! answer, certificates, removal). IoT.05 leaves the commands to who makes the applet: here they are those of the device
//! that manage objects, in a script of a secured packet.
//!
//! What is added is the data object `DF 20 08`, how often the card has made a key in a container, behind the information
//! on a private key. It is told over the air alone: only there does anybody know that it is the card which says so, and
//! the device, which has no use for it, gets answers that are byte for byte those of IoT.05.

use super::Applet;
use crate::card::Reply;
use crate::wire::{Command, StatusWord, tlv};

/// Proprietary, two bytes: how often a key was made in the container, eight bytes.
const GENERATION: u16 = 0xdf20;

/// Stands for a channel where the applet keeps apart what was begun: no terminal has this one.
const OVER_THE_AIR: usize = usize::MAX;

impl Applet {
    /// Does one command of a server. What uses a key instead of managing it is not there: an operator makes keys in
    /// the card and does not act in its name.
    pub(in crate::card) fn handle_remotely(&mut self, c: &Command<'_>) -> Reply {
        match c.instruction {
            // GENERATE KEY PAIR, READ PUBLIC KEY, PUT PUBLIC KEY, UPDATE FILE, READ FILE.
            0xb9 | 0xcd | 0x24 | 0xd8 | 0xd6 | 0xb0 => self.handle(OVER_THE_AIR, c),
            0xcb => self.told_remotely(c),
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

    /// GET DATA, and behind what it says of a private key the count.
    fn told_remotely(&mut self, c: &Command<'_>) -> Reply {
        let mut told = self.handle(OVER_THE_AIR, c)?;
        if c.p1 == 0xc1 {
            let (at, _) = self.private_key(c.data)?;
            tlv::push(&mut told, GENERATION, &self.keys[at].generation.to_be_bytes());
        }
        Ok(told)
    }
}
