//! A chain on which everything happens that the registry can do, and a good deal that it refuses.

use cellbed::ledger::{
    FirmwareReport, Operators, Reason, Release, Roles, Rotation, TxOutcome, firmware_message,
    rotation_message,
};

use crate::firmware::{component, model};
use crate::lab::{Card, Lab};

/// What one call came to.
pub struct Called {
    pub name: &'static str,
    pub outcome: TxOutcome,
    pub gas: u64,
}

/// The chain as it goes on.
struct Story<'a> {
    lab: &'a mut Lab,
    called: Vec<Called>,
}

impl Story<'_> {
    fn send(&mut self, name: &'static str, raw: &[u8]) {
        self.lab.ledger.submit(raw).unwrap();
        let receipt = self.lab.seal().receipts.remove(0);
        self.called.push(Called { name, outcome: receipt.outcome, gas: receipt.gas });
    }

    fn register(&mut self, name: &'static str, card: &Card) {
        let contract = self.lab.contract();
        let registration = card.registration(contract);
        let raw = self.lab.operators.registrar.register_device(contract, &registration);
        self.send(name, &raw);
    }

    fn seq(&self, card: &Card) -> u64 {
        self.lab.ledger.device(&card.id).unwrap().seq
    }

    fn rotate(&mut self, name: &'static str, old: &Card, new: &Card) {
        let contract = self.lab.contract();
        let message = rotation_message(contract, &old.id, &new.card_key(), self.seq(old));
        let rotation = Rotation {
            id: old.id,
            key: new.card_key(),
            signature: new.sign(&message),
            old_signature: Some(old.sign(&message)),
        };
        let raw = self.lab.operators.validator.rotate_key(contract, &rotation);
        self.send(name, &raw);
    }

    fn report(&mut self, name: &'static str, card: &Card, release: &Release) {
        let contract = self.lab.contract();
        let Release { manifest, image, component, .. } = *release;
        let seq = self.seq(card);
        let message = firmware_message(contract, &card.id, component, &manifest, &image, seq);
        let report =
            FirmwareReport { id: card.id, component, manifest, image, signature: card.sign(&message) };
        let raw = self.lab.operators.registrar.report_firmware(contract, &report);
        self.send(name, &raw);
    }
}

/// Does everything once, each call in a block of its own.
pub fn every_method(lab: &mut Lab) -> Vec<Called> {
    let contract = lab.contract();
    let card = Card::new(1);
    let newer = Card::with_key_of(1, 2).of_generation(2);
    let newest = Card::with_key_of(1, 3).of_generation(3);
    let release = Release {
        manifest: [1; 32],
        image: [2; 32],
        model: model(),
        component: component(),
        sequence: 7,
        min_sequence: 3,
        uri: "coap://updates.example/acme-meter-1/7.suit".to_owned(),
    };
    let second = Release { manifest: [3; 32], sequence: 8, ..release.clone() };
    let none = [0; 32];
    let mut story = Story { lab, called: Vec::new() };

    story.register("registerDevice: a new device", &card);
    story.register("registerDevice: the same key again", &card);
    story.register("registerDevice: a key of another device", &Card::with_key_of(9, 1));
    let raw = story.lab.operators.ca.record_certificate(contract, card.id, [0xce; 32]);
    story.send("recordCertificate: the first", &raw);
    let raw = story.lab.operators.ca.record_certificate(contract, card.id, [0xcf; 32]);
    story.send("recordCertificate: a renewal", &raw);
    let raw = story.lab.operators.ca.record_certificate(contract, card.id, none);
    story.send("recordCertificate: none, refused", &raw);
    story.register("registerDevice: a newer key", &newer);
    story.rotate("rotateKey: by the old key", &newer, &newest);
    let raw = story.lab.operators.ca.record_certificate(contract, card.id, [0xd0; 32]);
    story.send("recordCertificate: for the new key", &raw);
    let raw = story.lab.operators.publisher.publish_firmware(contract, &release);
    story.send("publishFirmware: the first of a component", &raw);
    let raw = story.lab.operators.publisher.publish_firmware(contract, &second);
    story.send("publishFirmware: the next", &raw);
    story.report("reportFirmware: the first", &newest, &release);
    story.report("reportFirmware: the next", &newest, &second);
    let raw = story.lab.operators.publisher.withdraw_firmware(contract, [3; 32], Reason::Superseded, none);
    story.send("withdrawFirmware", &raw);
    story.report("reportFirmware: withdrawn, quarantines", &newest, &second);
    let raw = story.lab.operators.guard.release(contract, card.id, Reason::RemoveFromCrl, none);
    story.send("release", &raw);
    let raw = story.lab.operators.ca.revoke_certificate(contract, card.id, Reason::Superseded, none);
    story.send("revokeCertificate", &raw);
    let raw = story.lab.operators.guard.quarantine(contract, card.id, Reason::CertificateHold, [7; 32]);
    story.send("quarantine", &raw);
    let raw = story.lab.operators.guard.release(contract, card.id, Reason::RemoveFromCrl, none);
    story.send("release: again", &raw);
    story.register("registerDevice: a fork, quarantines", &Card::with_key_of(1, 4));
    let raw = story.lab.operators.guard.revoke(contract, card.id, Reason::KeyCompromise, [8; 32]);
    story.send("revoke", &raw);
    story.register("registerDevice: after the end, refused", &newest);
    story.register("registerDevice: another new device", &Card::new(5));
    let raw =
        story.lab.operators.registrar.retire(contract, Card::new(5).id, Reason::CessationOfOperation, none);
    story.send("retire", &raw);
    roles(&mut story);
    story.called
}

fn roles(story: &mut Story<'_>) {
    let contract = story.lab.contract();
    let Operators { guard, publisher, ca, .. } = &story.lab.operators;
    let (guard, publisher, ca) = (guard.address(), publisher.address(), ca.address());
    let raw = story.lab.operators.admin.propose_roles(contract, guard, Roles::ADMIN);
    story.send("proposeRoles", &raw);
    let raw = story.lab.operators.guard.accept_roles(contract, Roles::ADMIN);
    story.send("acceptRoles: another administrator", &raw);
    let sealing = Roles::PUBLISHER.with(Roles::VALIDATOR);
    let raw = story.lab.operators.admin.propose_roles(contract, publisher, sealing);
    story.send("proposeRoles: again", &raw);
    let raw = story.lab.operators.publisher.accept_roles(contract, sealing);
    story.send("acceptRoles: not seconded, refused", &raw);
    let raw = story.lab.operators.guard.second_roles(contract, publisher, sealing);
    story.send("secondRoles", &raw);
    let raw = story.lab.operators.publisher.accept_roles(contract, sealing);
    story.send("acceptRoles: another validator", &raw);
    let raw = story.lab.operators.validator.renounce_roles(contract, Roles::VALIDATOR);
    story.send("renounceRoles: a validator", &raw);
    let raw = story.lab.operators.admin.remove_roles(contract, ca, Roles::CA, Reason::KeyCompromise);
    story.send("removeRoles", &raw);
    let raw = story.lab.operators.guard.quarantine(contract, [1; 32], Reason::CertificateHold, [7; 32]);
    story.send("quarantine: without the role, refused", &raw);
}
