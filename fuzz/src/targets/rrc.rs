//! RRC of each channel: octets are a message or refused, and what was read is written, read again, and written alike.

use cellbed::wire::rrc::{Channel, label_of};

/// The number of a channel, then octets.
pub fn run(octets: &[u8]) {
    let Some((number, octets)) = octets.split_first() else { return };
    let channel = Channel::ALL[usize::from(*number) % Channel::ALL.len()];
    let label = label_of(channel, octets);
    // What is not canonical becomes so once.
    let Ok(written) = channel.again(octets) else { return };
    assert_eq!(channel.again(&written).as_ref(), Ok(&written));
    assert_eq!(label_of(channel, &written), label);
}
