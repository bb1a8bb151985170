//! Whose a message between network nodes is, so that a reader can follow one device through a run of many.
//!
//! S1AP and S6a do not name a device. An Initial UE Message carries the NAS message that the UE has just sent
//! (TS 36.413 clause 8.6.2.1) and says under which eNB UE S1AP ID the rest will follow; S6a names the IMSI in
//! each request (TS 29.272), and its answer comes at once, as the call returns.

use std::collections::BTreeMap;

use super::DEVICES_KEPT;
use crate::event::{Actor, Message, Role};
use crate::wire::{Fields, Proto};

/// Who a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The network as such, or something that does not tell.
    Network,
    Device(u32),
    /// A device whose messages the page does not keep.
    Others,
}

/// What has been seen of the devices that the page keeps.
#[derive(Default)]
pub(super) struct Owners {
    /// The last NAS message of each UE.
    sent: BTreeMap<u32, Vec<u8>>,
    by_s1ap_id: BTreeMap<(Actor, String), u32>,
    by_imsi: BTreeMap<String, u32>,
    /// Who the last S6a request was about.
    asked: Option<Whose>,
}

impl Owners {
    /// Whose `message` is. Every message must come past, in order.
    pub fn of_message(&mut self, message: &Message) -> Whose {
        if let Some(device) = message.from.part_of().or(message.to.part_of()) {
            self.learn(device, message);
            return if device <= DEVICES_KEPT { Whose::Device(device) } else { Whose::Others };
        }
        match message.label.proto {
            Proto::S1ap => self.of_s1ap(message),
            Proto::S6a if matches!(message.from, Actor::HSS) => self.asked.take().unwrap_or(Whose::Network),
            Proto::S6a => {
                let whose = self.of_fields(&message.label.fields);
                self.asked = Some(whose);
                whose
            }
            // The network's word on a session names its subscriber.
            Proto::Cwt => self.of_fields(&message.label.fields),
            _ => Whose::Network,
        }
    }

    /// Whose something with these fields is: they may name an IMSI.
    pub fn of_fields(&self, fields: &Fields) -> Whose {
        match value(fields, "imsi") {
            Some(imsi) => self.by_imsi.get(imsi).map_or(Whose::Others, |device| Whose::Device(*device)),
            None => Whose::Network,
        }
    }

    /// Keeps what a UE sends, to know it again.
    fn learn(&mut self, device: u32, message: &Message) {
        if device > DEVICES_KEPT || message.to != Actor::MME || message.from.role != Role::Ue {
            return;
        }
        self.sent.insert(device, message.bytes.clone());
        if let Some(imsi) = value(&message.label.fields, "imsi") {
            self.by_imsi.insert(imsi.to_owned(), device);
        }
    }

    fn of_s1ap(&mut self, message: &Message) -> Whose {
        let Some(id) = value(&message.label.fields, "enb-ue-id") else { return Whose::Network };
        let enb = if message.from.role.is_base_station() { message.from } else { message.to };
        let key = (enb, id.to_owned());
        if message.label.name == "InitialUEMessage" {
            let carried = |nas: &Vec<u8>| {
                !nas.is_empty() && message.bytes.windows(nas.len()).any(|window| window == nas.as_slice())
            };
            match self.sent.iter().find(|(_, nas)| carried(nas)) {
                Some((device, _)) => self.by_s1ap_id.insert(key.clone(), *device),
                None => self.by_s1ap_id.remove(&key),
            };
        }
        self.by_s1ap_id.get(&key).map_or(Whose::Others, |device| Whose::Device(*device))
    }
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Label;

    fn message(from: Actor, to: Actor, label: Label, bytes: &[u8]) -> Message {
        Message { from, to, label, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_context_belongs_to_the_ue_whose_nas_message_opened_it() {
        let mut owners = Owners::default();
        let (enb, mme) = (Actor::enb(1), Actor::MME);
        let s1ap = |name: &'static str, id: u32| Label::new(Proto::S1ap, name).with("enb-ue-id", id);
        for (device, nas) in [(1, b"first "), (2, b"second"), (9, b"ninth ")] {
            let request = Label::new(Proto::Emm, "Attach Request").with("imsi", 100 + device);
            owners.of_message(&message(Actor::ue(device), mme, request, nas));
        }
        let mut of = |from, to, label, bytes: &[u8]| owners.of_message(&message(from, to, label, bytes));
        assert_eq!(of(enb, mme, s1ap("InitialUEMessage", 5), b"..second.."), Whose::Device(2));
        assert_eq!(of(enb, mme, s1ap("InitialUEMessage", 6), b"..ninth .."), Whose::Others);
        assert_eq!(of(mme, enb, s1ap("DownlinkNASTransport", 5), b""), Whose::Device(2));
        assert_eq!(of(mme, Actor::enb(2), s1ap("DownlinkNASTransport", 5), b""), Whose::Others);
        // The identifier is given away again.
        assert_eq!(of(enb, mme, s1ap("InitialUEMessage", 5), b"..first .."), Whose::Device(1));
        assert_eq!(of(enb, mme, s1ap("UplinkNASTransport", 5), b""), Whose::Device(1));
        assert_eq!(of(enb, mme, Label::new(Proto::S1ap, "S1SetupRequest"), b""), Whose::Network);
    }

    #[test]
    fn an_answer_is_for_who_was_asked_about() {
        let mut owners = Owners::default();
        let request = Label::new(Proto::Emm, "Attach Request").with("imsi", 101);
        owners.of_message(&message(Actor::ue(1), Actor::MME, request, b"nas"));
        let mut call = |imsi: u32| {
            let asked = Label::new(Proto::S6a, "Update-Location-Request").with("imsi", imsi);
            let answer = Label::new(Proto::S6a, "Update-Location-Answer");
            let asked = owners.of_message(&message(Actor::MME, Actor::HSS, asked, b""));
            (asked, owners.of_message(&message(Actor::HSS, Actor::MME, answer, b"")))
        };
        assert_eq!(call(101), (Whose::Device(1), Whose::Device(1)));
        assert_eq!(call(102), (Whose::Others, Whose::Others));
    }
}
