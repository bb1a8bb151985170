//! A card that is taken out of one device and put into another.

use super::{DeviceGroup, Scenario};
use crate::lab::document::Document;

/// Checks that one device carries the card of another, and that nothing is said of that card which it has not got.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>, i: usize, group: &DeviceGroup) {
    let first: u32 = scenario.device.iter().take(i).fold(1, |sum, group| sum.saturating_add(group.count));
    let carried_before = scenario.device.iter().take(i).any(|other| other.card_of == group.card_of);
    let why = if group.clone_of.is_some() {
        ("a device cannot carry both the card of another and a copy", "leave `card_of` or `clone_of` out")
    } else if group.count != 1 {
        ("one card is in one device at a time", "leave `count` out")
    } else if carried_before {
        ("this card is already carried on", "name the device that has it by then")
    } else if scenario.esim.is_some() {
        ("a card that is carried on is no eUICC", "take a scenario without an `esim` section")
    } else if scenario.fault.iter().any(|fault| fault.device == first) {
        ("a device with the card of another has no fault besides", "leave the `fault` out")
    } else {
        return;
    };
    let span = document.root().key("device").item(i).key("card_of").span();
    document.problem(span, why.0, "this card", Some(why.1.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::super::tests::messages;

    #[test]
    fn a_card_is_carried_on_by_one_device_and_as_it_is() {
        let of = |group: &str| {
            messages(&format!(
                "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n[[device]]\ncard_of = 1\nstart_ms = 9000\n{group}"
            ))
        };
        assert_eq!(of(""), [] as [&str; 0]);
        assert_eq!(of("clone_of = 1"), ["a device cannot carry both the card of another and a copy"]);
        assert_eq!(of("count = 2"), ["one card is in one device at a time"]);
        assert_eq!(of("[[device]]\ncard_of = 1"), ["this card is already carried on"]);
        assert_eq!(of("[[device]]\ncard_of = 2"), [] as [&str; 0]);
        assert_eq!(of("[[device]]\ncard_of = 3"), ["`card_of` is 3, which is no earlier device"]);
        let fault = "[[fault]]\nkind = \"host-soft-key\"\ndevice = 2";
        assert_eq!(of(fault), ["a device with the card of another has no fault besides"]);
    }
}
