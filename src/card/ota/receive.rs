//! Whether a packet is let in (ETSI TS 102 225 clauses 4 and 5). Nothing of a packet is believed, and no counter moves,
//! before its cryptographic checksum is right; who has proved nothing hears nothing. An answer in clear that says what
//! was wrong would let anybody search for references and key versions, and one under the card's keys would help to find
//! the keys.

use super::domains::{Administration, Target};
use crate::wire::ota::{Check, Command, CommandPacket, Counter, CounterMode, KeySet, OtaError, Status};

/// A packet of somebody who has the keys.
pub(super) struct Admitted {
    pub(super) command: Command,
    pub(super) target: Target,
    pub(super) keys: KeySet,
    /// Whether it is done, or why not.
    pub(super) status: Status,
}

impl Administration {
    /// Opens a packet and moves the counter of its key set where it is to be done. `None` for one that nobody with the
    /// keys has sent as it is.
    pub(super) fn admit(&mut self, packet: &[u8]) -> Option<Admitted> {
        let packet = CommandPacket::read(packet).ok()?;
        let header = packet.header();
        let target = self.target(header.tar)?.clone();
        if header.spi.check() != Check::Cryptographic {
            return None;
        }
        let keys = self.keys(&target, header.key_version().ok()?)?.clone();
        if !self.takes_checksums(&target, keys.version()) {
            return None;
        }
        let opened = packet.open(Some(&keys));
        match &opened {
            Ok(_) => self.note_checksum(&target, keys.version(), true),
            Err(OtaError::Checksum) => self.note_checksum(&target, keys.version(), false),
            // What is no packet under these keys has tried no checksum.
            Err(_) => {}
        }
        let command = opened.ok()?;
        let status = match header.spi.meets(target.minimum) {
            false => Status::SECURITY_LEVEL,
            true => {
                let stored = self.counter(&target, keys.version())?;
                let status = judged(header.spi.counter(), command.counter, *stored);
                if status == Status::OK && header.spi.counter() >= CounterMode::Higher {
                    *stored = command.counter;
                    self.changed();
                }
                status
            }
        };
        Some(Admitted { command, target, keys, status })
    }
}

/// What the counter of a packet says against the last one. One that is used up stays so.
fn judged(mode: CounterMode, counter: Counter, stored: Counter) -> Status {
    match mode {
        CounterMode::None | CounterMode::Unchecked => Status::OK,
        CounterMode::Higher | CounterMode::NextOnly if stored == Counter::BLOCKED => Status::COUNTER_BLOCKED,
        CounterMode::Higher | CounterMode::NextOnly if counter <= stored => Status::COUNTER_LOW,
        CounterMode::NextOnly if stored.next() != Some(counter) => Status::COUNTER_HIGH,
        CounterMode::Higher | CounterMode::NextOnly => Status::OK,
    }
}
