//! Who may do what, and that nobody alone can do everything.

use cellbed::kernel::RngTree;
use cellbed::ledger::{
    Account, Address, Anchors, Depth, Genesis, Ledger, MemorySignerState, MemoryStore, Operators, Reason,
    Release, Roles, Rotation, TxOutcome,
};

use crate::firmware::{component, model};
use crate::lab::{BEGIN, CHAIN_ID, Card, Lab, keys, operators};

fn reverted(reason: &'static str) -> TxOutcome {
    TxOutcome::Reverted { reason }
}

/// A ledger where the account of each name comes from the stream of that name; equal names are one account.
fn lab_of(names: [&str; 6]) -> Lab {
    let account = |name: &str| Account::from_rng(&mut RngTree::new(7).stream(name));
    let [admin, registrar, ca, guard, publisher, validator] = names.map(account);
    let mut operators = Operators { admin, registrar, ca, guard, publisher, validator };
    let keys = keys(MemorySignerState::default());
    let genesis = Genesis::new(CHAIN_ID, BEGIN, [1; 32], &operators, &keys);
    let store = Box::new(MemoryStore::new());
    let ledger = Ledger::create(&genesis, &mut operators, keys, store).unwrap();
    Lab { ledger, operators }
}

/// A lab where `guard` administers as well.
fn two_administrators() -> Lab {
    let (mut lab, _) = Lab::in_memory();
    let (contract, second) = (lab.contract(), lab.operators.guard.address());
    let raw = lab.operators.admin.propose_roles(contract, second, Roles::ADMIN);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    let raw = lab.operators.guard.accept_roles(contract, Roles::ADMIN);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    lab
}

#[test]
fn every_method_refuses_who_has_not_its_role() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let card = Card::new(1);
    let registration = card.registration(contract);
    let rotation = Rotation { id: card.id, key: card.card_key(), signature: [1; 64], old_signature: None };
    let release = Release {
        manifest: [1; 32],
        image: [2; 32],
        model: model(),
        component: component(),
        sequence: 1,
        min_sequence: 0,
        uri: String::new(),
    };
    let (id, none, someone) = (card.id, [0; 32], Address::repeat_byte(9));
    let reason = Reason::Unspecified;
    type Call<'a> = (&'a str, Roles, Box<dyn Fn(&mut Account) -> Vec<u8> + 'a>);
    let calls: Vec<Call<'_>> = vec![
        ("propose", Roles::ADMIN, Box::new(|by| by.propose_roles(contract, someone, Roles::CA))),
        ("second", Roles::ADMIN, Box::new(|by| by.second_roles(contract, someone, Roles::CA))),
        ("remove", Roles::ADMIN, Box::new(|by| by.remove_roles(contract, someone, Roles::CA, reason))),
        ("register", Roles::REGISTRAR, Box::new(|by| by.register_device(contract, &registration))),
        ("retire", Roles::REGISTRAR, Box::new(|by| by.retire(contract, id, reason, none))),
        ("certify", Roles::CA, Box::new(|by| by.record_certificate(contract, id, [1; 32]))),
        ("uncertify", Roles::CA, Box::new(|by| by.revoke_certificate(contract, id, reason, none))),
        ("quarantine", Roles::GUARD, Box::new(|by| by.quarantine(contract, id, reason, none))),
        ("release", Roles::GUARD, Box::new(|by| by.release(contract, id, reason, none))),
        ("revoke", Roles::CA.with(Roles::GUARD), Box::new(|by| by.revoke(contract, id, reason, none))),
        ("publish", Roles::PUBLISHER, Box::new(|by| by.publish_firmware(contract, &release))),
        ("withdraw", Roles::PUBLISHER, Box::new(|by| by.withdraw_firmware(contract, [1; 32], reason, none))),
    ];
    for (name, roles, call) in &calls {
        let Operators { admin, registrar, ca, guard, publisher, validator } = &mut lab.operators;
        let mut sent = Vec::new();
        for by in [admin, registrar, ca, guard, publisher, validator] {
            let may = lab.ledger.roles(by.address()).meets(*roles);
            lab.ledger.submit(&call(by)).unwrap();
            sent.push(may);
        }
        for (may, receipt) in sent.iter().zip(lab.seal().receipts) {
            let refused = receipt.outcome == reverted("not-authorised");
            assert_eq!(refused, !may, "{name}: {:?}", receipt.outcome);
        }
    }
    // Anybody may bring a rotation, which then rests on the old key alone: there is no device left to have one.
    let raw = lab.operators.validator.rotate_key(contract, &rotation);
    assert_eq!(lab.outcome(&raw), reverted("wrong-state"));
}

#[test]
fn an_account_that_is_named_twice_has_both_roles() {
    let mut lab = lab_of(["boss", "boss", "shop", "shop", "shop", "boss"]);
    let roles = |lab: &Lab, account: &Account| lab.ledger.roles(account.address());
    let boss = Roles::ADMIN.with(Roles::REGISTRAR).with(Roles::VALIDATOR);
    assert_eq!(roles(&lab, &lab.operators.admin), boss);
    assert_eq!(roles(&lab, &lab.operators.ca), Roles::CA.with(Roles::GUARD).with(Roles::PUBLISHER));
    let contract = lab.contract();
    lab.operators.admin.resume(1);
    let raw = lab.operators.admin.register_device(contract, &Card::new(1).registration(contract));
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
}

#[test]
fn administration_does_not_end() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let (admin, validator) = (lab.operators.admin.address(), lab.operators.validator.address());
    let attempts = [
        (lab.operators.admin.renounce_roles(contract, Roles::ADMIN), "last-of-role"),
        (lab.operators.admin.propose_roles(contract, admin, Roles::NONE), "bad-roles"),
        (lab.operators.admin.remove_roles(contract, admin, Roles::ADMIN, Reason::Superseded), "bad-roles"),
        (lab.operators.admin.propose_roles(contract, validator, Roles::NONE), "last-of-role"),
        (lab.operators.admin.propose_roles(contract, Address::ZERO, Roles::ADMIN), "bad-roles"),
        (lab.operators.validator.renounce_roles(contract, Roles::VALIDATOR), "last-of-role"),
    ];
    for (raw, expected) in attempts {
        assert_eq!(lab.outcome(&raw), reverted(expected));
    }
    assert_eq!(lab.ledger.roles(admin), Roles::ADMIN);
    assert_eq!(lab.ledger.validators(), [validator]);
}

#[test]
fn an_administrator_takes_no_role_for_himself() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let admin = lab.operators.admin.address();
    let own = lab.operators.admin.propose_roles(contract, admin, Roles::REGISTRAR);
    assert_eq!(lab.outcome(&own), reverted("bad-roles"));
    let accept = lab.operators.admin.accept_roles(contract, Roles::REGISTRAR);
    assert_eq!(lab.outcome(&accept), reverted("no-proposal"));
    // Nobody is given administration together with what it is to watch over.
    let registrar = lab.operators.registrar.address();
    let both = Roles::ADMIN.with(Roles::REGISTRAR);
    let mixed = lab.operators.admin.propose_roles(contract, registrar, both);
    assert_eq!(lab.outcome(&mixed), reverted("bad-roles"));
}

#[test]
fn of_several_administrators_none_acts_alone() {
    let mut lab = two_administrators();
    let contract = lab.contract();
    let (publisher, guard) = (lab.operators.publisher.address(), lab.operators.guard.address());
    let wanted = Roles::PUBLISHER.with(Roles::CA);
    let raw = lab.operators.admin.propose_roles(contract, publisher, wanted);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    let alone = lab.operators.publisher.accept_roles(contract, wanted);
    assert_eq!(lab.outcome(&alone), reverted("not-seconded"));
    let own = lab.operators.admin.second_roles(contract, publisher, wanted);
    assert_eq!(lab.outcome(&own), reverted("bad-roles"));
    let other = lab.operators.guard.second_roles(contract, publisher, Roles::CA);
    assert_eq!(lab.outcome(&other), reverted("no-proposal"));
    let second = lab.operators.guard.second_roles(contract, publisher, wanted);
    assert_eq!(lab.outcome(&second), TxOutcome::Done);
    let more = lab.operators.publisher.accept_roles(contract, wanted.with(Roles::GUARD));
    assert_eq!(lab.outcome(&more), reverted("no-proposal"));
    let raw = lab.operators.publisher.accept_roles(contract, wanted);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    assert_eq!(lab.ledger.roles(publisher), wanted);
    let again = lab.operators.publisher.accept_roles(contract, wanted);
    assert_eq!(lab.outcome(&again), reverted("no-proposal"));

    // One administrator does not put the other out.
    let out = lab.operators.admin.propose_roles(contract, guard, Roles::NONE);
    assert_eq!(lab.outcome(&out), TxOutcome::Done);
    let raw = lab.operators.admin.second_roles(contract, guard, Roles::NONE);
    assert_eq!(lab.outcome(&raw), reverted("bad-roles"));
    assert_eq!(lab.ledger.roles(guard), Roles::ADMIN);
    // But he takes an operator's role away at once.
    let remove = lab.operators.admin.remove_roles(contract, publisher, Roles::CA, Reason::KeyCompromise);
    assert_eq!(lab.outcome(&remove), TxOutcome::Done);
    assert_eq!(lab.ledger.roles(publisher), Roles::PUBLISHER);
}

#[test]
fn a_proposal_ends_with_the_office_of_who_made_it() {
    let mut lab = two_administrators();
    let contract = lab.contract();
    let ca = lab.operators.ca.address();
    let raw = lab.operators.guard.propose_roles(contract, ca, Roles::ADMIN);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    let raw = lab.operators.guard.renounce_roles(contract, Roles::ADMIN);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    let raw = lab.operators.ca.accept_roles(contract, Roles::ADMIN);
    assert_eq!(lab.outcome(&raw), reverted("no-proposal"));
}

#[test]
fn validators_can_be_enumerated() {
    let (mut lab, mut store) = Lab::in_memory();
    let contract = lab.contract();
    let first = lab.operators.validator.address();
    let mut names = vec![first];
    let Operators { admin, registrar, guard, .. } = &mut lab.operators;
    for account in [registrar, guard] {
        let roles = lab.ledger.roles(account.address()).with(Roles::VALIDATOR);
        lab.ledger.submit(&admin.propose_roles(contract, account.address(), roles)).unwrap();
        lab.ledger.submit(&account.accept_roles(contract, roles)).unwrap();
        names.push(account.address());
    }
    assert!(lab.seal().receipts.iter().all(|receipt| receipt.outcome == TxOutcome::Done));
    names.sort();
    assert_eq!(lab.ledger.validators(), names);
    let raw = lab.operators.admin.propose_roles(contract, first, Roles::NONE);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    names.retain(|name| *name != first);
    assert_eq!(lab.ledger.validators(), names);
    // Who seals is the set of the first block all the same, and a reader hears of both.
    assert!(lab.seal().receipts.is_empty());
    let verified = cellbed::ledger::verify(&mut store, Depth::Full, &Anchors::default(), &None).unwrap();
    assert_eq!((verified.validators, verified.named_validators), (vec![first], names));
    assert_eq!(operators().validator.address(), first);
}
