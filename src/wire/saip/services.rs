//! What a card has to offer, in the two forms that the ASN.1 modules have for it: `ServicesList`, which a package demands, and
//! the BIT STRING `UICCCapability`, which a card announces (TCA profile interoperability, `PEDefinitions`; GSMA SGP.22
//! clause 5.7.8).

use super::der::{Fault, Fields, Object, Raw, Writer, context};

/// Names of the services, by their number in `ServicesList`, and the bit that each has in `UICCCapability`.
#[rustfmt::skip]
const SERVICES: [(&str, u8); 30] = [
    ("contactless", 0),
    ("usim", 1), ("isim", 2), ("csim", 3),
    ("milenage", 4), ("tuak128", 6), ("cave", 5),
    ("gba-usim", 10), ("gba-isim", 11), ("mbms", 12), ("eap", 13),
    ("javacard", 14), ("multos", 15),
    ("multiple-usim", 16), ("multiple-isim", 17), ("multiple-csim", 18),
    ("tuak256", 7), ("usim-test-algorithm", 8),
    ("ber-tlv", 19), ("dfLink", 20), ("cat-tp", 21),
    ("get-identity", 22), ("profile-a-x25519", 23), ("profile-b-p256", 24), ("suciCalculatorApi", 25),
    ("dns-resolution", 26), ("scp11ac", 27), ("scp11c-authorization-mechanism", 28), ("s16mode", 29), ("eaka", 30),
];

/// What a card has to offer for the profile: numbers of the ASN.1 module, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    numbers: Vec<u8>,
    extra: Vec<Raw>,
}

impl Services {
    /// From names of the ASN.1 module; one that it does not have is left out.
    pub fn of(names: &[&str]) -> Self {
        Self::of_those(|name, _| names.contains(&name))
    }

    /// From the content of a BIT STRING `UICCCapability`: the count of unused bits, then the bits.
    pub fn of_capability(content: &[u8]) -> Self {
        let bits = content.get(1..).unwrap_or_default();
        let set = |bit: u8| bits.get(usize::from(bit / 8)).is_some_and(|byte| byte << (bit % 8) & 0x80 != 0);
        Self::of_those(|_, bit| set(bit))
    }

    fn of_those(wanted: impl Fn(&str, u8) -> bool) -> Self {
        let listed = (0..).zip(SERVICES).filter(|(_, (name, bit))| wanted(name, *bit));
        Self { numbers: listed.map(|(number, _)| number).collect(), extra: Vec::new() }
    }

    /// The content of the BIT STRING `UICCCapability`, without the zeros behind the last bit (X.690 clause 11.2.2).
    pub fn capability(&self) -> Vec<u8> {
        let mut bits = [0u8; 4];
        for (_, bit) in self.listed() {
            bits[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
        }
        let length = bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let unused = bits[..length].last().map_or(0, |last| last.trailing_zeros() as u8);
        [&[unused], &bits[..length]].concat()
    }

    fn listed(&self) -> impl Iterator<Item = (&'static str, u8)> {
        self.numbers.iter().filter_map(|number| SERVICES.get(usize::from(*number)).copied())
    }

    /// The names of those that have one.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.listed().map(|(name, _)| name)
    }

    /// What is among them and `offered` does not have, by name or, where a later version has added it, by tag.
    pub fn lacking(&self, offered: &Self) -> Vec<String> {
        let known = self.names().filter(|name| !offered.contains(name)).map(str::to_owned);
        known.chain(self.extra.iter().map(|raw| format!("the service with tag {:02X}", raw.tag))).collect()
    }

    /// Takes the services `instead_of` out and puts `name` in.
    pub(super) fn replace(&mut self, instead_of: &[&str], name: &str) {
        let named = |number: u8| SERVICES.get(usize::from(number)).map(|(name, _)| *name);
        self.numbers.retain(|number| named(*number).is_none_or(|name| !instead_of.contains(&name)));
        self.numbers.extend((0..).zip(SERVICES).find(|(_, (own, _))| *own == name).map(|(number, _)| number));
        self.numbers.sort_unstable();
        self.numbers.dedup();
    }

    /// Whether the service called `name` in the ASN.1 module is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    pub(super) fn read(object: Object<'_>) -> Result<Self, Fault> {
        let mut fields: Fields<'_> = object.fields()?;
        let mut numbers = Vec::new();
        for (number, (name, _)) in (0..).zip(SERVICES) {
            if fields.optional(context(number), name, |o| o.null())?.is_some() {
                numbers.push(number);
            }
        }
        Ok(Self { numbers, extra: fields.rest()? })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        for number in &self.numbers {
            w.put(context(*number), &[]);
        }
        w.raw(&self.extra);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_services_and_the_bits_of_a_card_say_the_same() {
        let all: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
        let mut bits: Vec<u8> = SERVICES.iter().map(|(_, bit)| *bit).collect();
        bits.sort_unstable();
        // Bit 9 is reserved.
        assert_eq!(bits, (0..=30).filter(|bit| *bit != 9).collect::<Vec<u8>>());
        for (name, bit) in SERVICES {
            let one = Services::of(&[name]);
            assert_eq!(Services::of_capability(&one.capability()), one, "{name}");
            assert_eq!(one.capability().len(), 2 + usize::from(bit / 8), "{name}");
        }
        assert_eq!(Services::of_capability(&Services::of(&all).capability()), Services::of(&all));
        assert_eq!(Services::of(&["usim", "isim", "milenage"]).capability(), [3, 0b0110_1000]);
        assert_eq!(Services::default().capability(), [0]);
        for odd in [&[][..], &[0], &[7, 0x80]] {
            assert!(Services::of_capability(odd).lacking(&Services::of(&["contactless"])).is_empty());
        }
        assert_eq!(Services::of(&["usim", "mbms"]).lacking(&Services::of(&["usim"])), ["mbms"]);
    }
}
