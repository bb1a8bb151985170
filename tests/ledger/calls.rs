//! Any sequence of calls, by anybody: the contract does what the model does.

use std::collections::BTreeSet;

use alloy_primitives::keccak256;
use cellbed::ledger::{
    Account, FirmwareReport, Model, Operators, Release, Rotation, Status, TxOutcome, firmware_message,
    rotation_message,
};
use proptest::prelude::*;

use crate::lab::{Card, Lab};
use crate::model::{Call, Device, Image, Registry};

/// How many identities, keys, accounts, digests there are.
const IDS: usize = 2;
const KEYS: usize = 4;
const ACCOUNTS: usize = 6;
const DIGESTS: u8 = 3;
const COMPONENTS: [&str; 2] = ["modem", "application"];

fn call() -> impl Strategy<Value = Call> {
    let (id, key, account) = (0..IDS, 0..KEYS, 0..ACCOUNTS);
    // One role most of the time, any set sometimes; the seventh bit means nothing.
    let role = || prop_oneof![3 => (0_u32..7).prop_map(|bit| 1_u8 << bit), 1 => 0_u8..128];
    let known = || role().prop_map(|roles| roles & 63);
    let reason = || prop_oneof![9 => Just(6_u8), 1 => 0_u8..13];
    let signed = || prop::bool::weighted(0.9);
    let component = || 0..COMPONENTS.len() as u8;
    prop_oneof![
        1 => account.clone().prop_map(|account| Call::Propose { account, roles: 1 }),
        2 => (account.clone(), role()).prop_map(|(account, roles)| Call::Propose { account, roles }),
        2 => (account.clone(), role()).prop_map(|(account, roles)| Call::Second { account, roles }),
        3 => role().prop_map(|roles| Call::Accept { roles }),
        1 => (account, known()).prop_map(|(account, roles)| Call::Remove { account, roles }),
        1 => known().prop_map(|roles| Call::Renounce { roles }),
        5 => (id.clone(), key.clone(), 0_u64..5, signed())
            .prop_map(|(id, key, generation, signed)| Call::Register { id, key, generation, signed }),
        3 => (id.clone(), key, 0_u64..5, signed(), any::<bool>()).prop_map(
            |(id, key, generation, signed, old)| Call::Rotate { id, key, generation, signed, old }
        ),
        3 => (id.clone(), 0_u8..4).prop_map(|(id, cert)| Call::Certify { id, cert }),
        1 => (id.clone(), reason()).prop_map(|(id, reason)| Call::RevokeCertificate { id, reason }),
        2 => (id.clone(), reason()).prop_map(|(id, reason)| Call::Quarantine { id, reason }),
        3 => (id.clone(), reason()).prop_map(|(id, reason)| Call::Release { id, reason }),
        1 => (id.clone(), 0_u8..40).prop_map(|(id, reason)| Call::Revoke { id, reason }),
        1 => (id.clone(), 5_u8..40).prop_map(|(id, reason)| Call::Retire { id, reason }),
        5 => (0..=DIGESTS, 0..=2_u8, component(), 0_u64..4, 0_u64..2).prop_map(
            |(manifest, image, component, sequence, min)| Call::Publish { manifest, image, component, sequence, min }
        ),
        1 => (0..=DIGESTS, reason()).prop_map(|(manifest, reason)| Call::Withdraw { manifest, reason }),
        6 => (id, 0..=DIGESTS, 1..=2_u8, component(), signed()).prop_map(
            |(id, manifest, image, component, signed)| Call::Report { id, manifest, image, component, signed }
        ),
    ]
}

/// Whose business a call is; anybody's is the stranger's.
fn whose(call: Call) -> usize {
    match call {
        Call::Propose { .. } | Call::Second { .. } | Call::Remove { .. } => 0,
        Call::Register { .. } | Call::Retire { .. } => 1,
        Call::Certify { .. } | Call::RevokeCertificate { .. } => 2,
        Call::Quarantine { .. } | Call::Release { .. } | Call::Revoke { .. } => 3,
        Call::Publish { .. } | Call::Withdraw { .. } => 4,
        Call::Accept { .. } | Call::Renounce { .. } | Call::Rotate { .. } | Call::Report { .. } => 5,
    }
}

fn account(operators: &mut Operators, number: usize) -> &mut Account {
    let Operators { admin, registrar, ca, guard, publisher, validator } = operators;
    let accounts = [admin, registrar, ca, guard, publisher, validator];
    accounts.into_iter().nth(number).unwrap()
}

/// The card that holds one of the keys, with an identity that need not be its own.
fn card(id: usize, key: usize) -> Card {
    Card::with_key_of(id as u32 + 1, key as u32 + 101)
}

fn model() -> Model {
    Model::new("acme-meter-1").unwrap()
}

fn component(number: u8) -> Model {
    Model::new(COMPONENTS[usize::from(number)]).unwrap()
}

/// A call by its signature, whatever its arguments are: each takes a word.
fn encoded(signature: &str, arguments: &[[u8; 32]]) -> Vec<u8> {
    [&keccak256(signature)[..4], &arguments.concat()].concat()
}

fn word(number: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = number;
    word
}

/// The transaction of a call; `before` is what the model has before it.
fn transaction(lab: &mut Lab, before: &Registry, by: usize, call: Call) -> Vec<u8> {
    let contract = lab.contract();
    let addresses: Vec<_> = (0..ACCOUNTS).map(|n| account(&mut lab.operators, n).address()).collect();
    let from = account(&mut lab.operators, by);
    let address = |number: usize| addresses[number].into_word().0;
    let identity = |id: usize| card(id, 0).id;
    let device = |id: usize| before.devices.get(&id).copied().unwrap_or_default();
    let digest = |number: u8| [number; 32];
    let mut with =
        |signature: &str, arguments: &[[u8; 32]]| from.call_encoded(contract, encoded(signature, arguments));
    match call {
        Call::Propose { account, roles } => {
            with("proposeRoles(address,uint256)", &[address(account), word(roles)])
        }
        Call::Second { account, roles } => {
            with("secondRoles(address,uint256)", &[address(account), word(roles)])
        }
        Call::Accept { roles } => with("acceptRoles(uint256)", &[word(roles)]),
        Call::Remove { account, roles } => {
            with("removeRoles(address,uint256,uint8)", &[address(account), word(roles), word(4)])
        }
        Call::Renounce { roles } => with("renounceRoles(uint256)", &[word(roles)]),
        Call::Certify { id, cert } => {
            with("recordCertificate(bytes32,bytes32)", &[identity(id), digest(cert)])
        }
        Call::RevokeCertificate { id, reason } => {
            with("revokeCertificate(bytes32,uint8,bytes32)", &[identity(id), word(reason), [7; 32]])
        }
        Call::Quarantine { id, reason } => {
            with("quarantine(bytes32,uint8,bytes32)", &[identity(id), word(reason), [7; 32]])
        }
        Call::Release { id, reason } => {
            with("release(bytes32,uint8,bytes32)", &[identity(id), word(reason), [7; 32]])
        }
        Call::Revoke { id, reason } => {
            with("revoke(bytes32,uint8,bytes32)", &[identity(id), word(reason), [7; 32]])
        }
        Call::Retire { id, reason } => {
            with("retire(bytes32,uint8,bytes32)", &[identity(id), word(reason), [7; 32]])
        }
        Call::Withdraw { manifest, reason } => {
            with("withdrawFirmware(bytes32,uint8,bytes32)", &[digest(manifest), word(reason), [7; 32]])
        }
        Call::Register { id, key, generation, signed } => {
            let mut registration = card(id, key).of_generation(generation).registration(contract);
            registration.signature[40] ^= u8::from(!signed);
            from.register_device(contract, &registration)
        }
        Call::Rotate { id, key, generation, signed, old } => {
            let (now, next) = (device(id), card(id, key).of_generation(generation));
            let message = rotation_message(contract, &identity(id), &next.card_key(), now.seq);
            let mut signature = next.sign(&message);
            signature[40] ^= u8::from(!signed);
            let old_signature = old.then(|| card(id, now.key).sign(&message));
            let (id, key) = (identity(id), next.card_key());
            from.rotate_key(contract, &Rotation { id, key, signature, old_signature })
        }
        Call::Publish { manifest, image, component: of, sequence, min } => {
            let release = Release {
                manifest: digest(manifest),
                image: digest(image),
                model: model(),
                component: component(of),
                sequence,
                min_sequence: min,
                uri: format!("coap://[2001:db8::1]/{}", "m".repeat(usize::from(manifest) * 20)),
            };
            from.publish_firmware(contract, &release)
        }
        Call::Report { id, manifest, image, component: of, signed } => {
            let (now, of, identity) = (device(id), component(of), identity(id));
            let (manifest, image) = (digest(manifest), digest(image));
            let message = firmware_message(contract, &identity, of, &manifest, &image, now.seq);
            let mut signature = card(id, now.key).sign(&message);
            signature[40] ^= u8::from(!signed);
            let report = FirmwareReport { id: identity, component: of, manifest, image, signature };
            from.report_firmware(contract, &report)
        }
    }
}

/// Compares everything that the contract keeps with the model.
fn compare(lab: &mut Lab, registry: &Registry) -> Result<(), TestCaseError> {
    let addresses: Vec<_> = (0..ACCOUNTS).map(|n| account(&mut lab.operators, n).address()).collect();
    let ledger = &lab.ledger;
    for (number, address) in addresses.iter().enumerate() {
        prop_assert_eq!(ledger.roles(*address), registry.roles[&number]);
    }
    let validators: BTreeSet<_> = ledger.validators().into_iter().collect();
    prop_assert_eq!(validators, registry.validators().iter().map(|number| addresses[*number]).collect());
    for id in 0..IDS {
        let found = ledger.device(&card(id, 0).id).map(|record| {
            let key = (0..KEYS).find(|key| card(id, *key).point() == (record.x, record.y));
            Device {
                key: key.unwrap(),
                generation: record.generation,
                cert: record.cert_hash[0],
                status: Some(record.status),
                held: (record.held != Status::None).then_some(record.held),
                seq: record.seq,
            }
        });
        prop_assert_eq!(found, registry.devices.get(&id).copied());
        for of in 0..COMPONENTS.len() as u8 {
            let found = ledger.firmware(&card(id, 0).id, component(of).bytes());
            let found = found.map(|record| (record.manifest[0], record.sequence));
            prop_assert_eq!(found, registry.firmware.get(&(id, of)).copied());
        }
    }
    for key in 0..KEYS {
        let (x, y) = card(0, key).point();
        let owner = registry.owners.get(&key).map(|id| card(*id, 0).id);
        prop_assert_eq!(ledger.id_of_key(&x, &y), owner);
    }
    for manifest in 0..=DIGESTS {
        let found = ledger.release(&[manifest; 32]).map(|record| Image {
            image: record.image[0],
            component: u8::from(record.component == component(1)),
            sequence: record.sequence,
            valid: record.valid,
        });
        prop_assert_eq!(found, registry.images.get(&manifest).copied());
    }
    for of in 0..COMPONENTS.len() as u8 {
        let least = registry.min_sequence.get(&of).copied().unwrap_or_default();
        prop_assert_eq!(ledger.min_sequence(model().bytes(), component(of).bytes()), least);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_contract_does_what_the_model_does(
        calls in prop::collection::vec((call(), 0..ACCOUNTS, prop::bool::weighted(0.8)), 30..80),
    ) {
        let (mut lab, _) = Lab::in_memory();
        let mut registry = Registry::new();
        let mut expected = Vec::new();
        for (call, anybody, proper) in &calls {
            let (by, call) =
                if *proper { registry.attuned(whose(*call), *call) } else { (*anybody, *call) };
            let raw = transaction(&mut lab, &registry, by, call);
            lab.ledger.submit(&raw).unwrap();
            expected.push(registry.call(by, call));
        }
        let outcomes: Vec<TxOutcome> =
            lab.seal().receipts.into_iter().map(|receipt| receipt.outcome).collect();
        for (number, (outcome, expected)) in outcomes.iter().zip(&expected).enumerate() {
            prop_assert_eq!(outcome, expected, "call {}: {:?}", number, calls[number]);
        }
        prop_assert_eq!(outcomes.len(), expected.len());
        compare(&mut lab, &registry)?;
    }
}
