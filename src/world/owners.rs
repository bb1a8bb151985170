//! Whose each session is: what nodes call it by, and the device that it stands for.
//!
//! Whoever learns that one key stands for another says so: a modem which subscriber its card names, a base station
//! which device it hears on a connection, the gateway which subscriber holds an address. Later word replaces earlier.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::event::SessionKey;
use crate::id::Imsi;

/// What is known of sessions so far.
#[derive(Default)]
pub(super) struct Owners {
    by_subscriber: HashMap<Imsi, u32>,
    by_connection: HashMap<(u32, u32), u32>,
    by_address: HashMap<IpAddr, u32>,
}

impl Owners {
    /// The device that `key` stands for, as far as that is known.
    pub fn of(&self, key: &SessionKey) -> Option<u32> {
        match key {
            SessionKey::Device(device) => Some(*device),
            SessionKey::Subscriber(imsi) => self.by_subscriber.get(imsi).copied(),
            SessionKey::Connection { enb, id } => self.by_connection.get(&(*enb, *id)).copied(),
            SessionKey::Address(address) => self.by_address.get(address).copied(),
        }
    }

    /// From now on `key` stands for the device that `session` stands for, or for none where nobody knows that one.
    pub fn learn(&mut self, key: SessionKey, session: &SessionKey) {
        let device = self.of(session);
        match key {
            SessionKey::Device(_) => {}
            SessionKey::Subscriber(imsi) => put(&mut self.by_subscriber, imsi, device),
            SessionKey::Connection { enb, id } => put(&mut self.by_connection, (enb, id), device),
            SessionKey::Address(address) => put(&mut self.by_address, address, device),
        }
    }
}

fn put<K: std::hash::Hash + Eq>(known: &mut HashMap<K, u32>, key: K, device: Option<u32>) {
    match device {
        Some(device) => known.insert(key, device),
        None => known.remove(&key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_followed_from_the_radio_to_its_address() {
        let mut owners = Owners::default();
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let (subscriber, address) =
            (SessionKey::Subscriber(imsi), SessionKey::Address([10, 44, 0, 1].into()));
        let connection = |enb, id| SessionKey::Connection { enb, id };
        assert_eq!(owners.of(&subscriber), None);
        owners.learn(connection(1, 5), &SessionKey::Device(2));
        owners.learn(subscriber.clone(), &SessionKey::Device(2));
        owners.learn(address.clone(), &subscriber);
        assert_eq!(owners.of(&address), Some(2));
        assert_eq!((owners.of(&connection(1, 5)), owners.of(&connection(2, 5))), (Some(2), None));
        // Identifier and address are given to others.
        owners.learn(connection(1, 5), &SessionKey::Device(1));
        assert_eq!(owners.of(&connection(1, 5)), Some(1));
        owners.learn(address.clone(), &connection(9, 9));
        assert_eq!(owners.of(&address), None);
    }
}
