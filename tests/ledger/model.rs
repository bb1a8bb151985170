//! What the registry promises, written down a second time: a model without slots, gas and Solidity.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use cellbed::ledger::{Roles, Status, TxOutcome};

/// A call with small numbers in the place of accounts, identities, keys and digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Propose { account: usize, roles: u8 },
    Second { account: usize, roles: u8 },
    Accept { roles: u8 },
    Remove { account: usize, roles: u8 },
    Renounce { roles: u8 },
    Register { id: usize, key: usize, generation: u64, signed: bool },
    Rotate { id: usize, key: usize, generation: u64, signed: bool, old: bool },
    Certify { id: usize, cert: u8 },
    RevokeCertificate { id: usize, reason: u8 },
    Quarantine { id: usize, reason: u8 },
    Release { id: usize, reason: u8 },
    Revoke { id: usize, reason: u8 },
    Retire { id: usize, reason: u8 },
    Publish { manifest: u8, image: u8, component: u8, sequence: u64, min: u64 },
    Withdraw { manifest: u8, reason: u8 },
    Report { id: usize, manifest: u8, image: u8, component: u8, signed: bool },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Device {
    pub key: usize,
    pub generation: u64,
    pub cert: u8,
    pub status: Option<Status>,
    pub held: Option<Status>,
    pub seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    pub image: u8,
    pub component: u8,
    pub sequence: u64,
    pub valid: bool,
}

/// The state of the registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// By number of the account.
    pub roles: BTreeMap<usize, Roles>,
    /// Who is to get which roles, by whom, and whether another one agrees.
    proposals: BTreeMap<usize, (Roles, usize, Option<usize>)>,
    pub devices: BTreeMap<usize, Device>,
    /// Which identity a key belongs to.
    pub owners: BTreeMap<usize, usize>,
    pub images: BTreeMap<u8, Image>,
    /// Manifest and sequence number of what a component of a device runs.
    pub firmware: BTreeMap<(usize, u8), (u8, u64)>,
    /// By component; there is one model.
    pub min_sequence: BTreeMap<u8, u64>,
}

type Verdict = Result<TxOutcome, &'static str>;

const DONE: Verdict = Ok(TxOutcome::Done);

fn conflict(reason: &'static str) -> Verdict {
    Ok(TxOutcome::Conflict { reason })
}

fn check(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

fn check_reason(reason: u8) -> Result<(), &'static str> {
    check(matches!(reason, 0..=6 | 8..=10), "bad-reason")
}

impl Registry {
    /// Account 0 administers, and 1 to 5 have one role each.
    pub fn new() -> Self {
        let roles = [1, 2, 4, 8, 16, 32].map(|bits| Roles::from_bits(bits).unwrap());
        Self { roles: roles.into_iter().enumerate().collect(), ..Self::default() }
    }

    /// The call as somebody makes it who knows what is proposed, and is asked to agree to it.
    pub fn attuned(&self, by: usize, call: Call) -> (usize, Call) {
        let Some((&account, &(roles, proposer, _))) = self.proposals.iter().next() else { return (by, call) };
        let roles = roles.bits();
        match call {
            Call::Accept { .. } => (account, Call::Accept { roles }),
            Call::Second { .. } => {
                let admins = self.roles.iter().filter(|(_, roles)| roles.contains(Roles::ADMIN));
                let another =
                    admins.map(|(admin, _)| *admin).find(|admin| ![proposer, account].contains(admin));
                (another.unwrap_or(by), Call::Second { account, roles })
            }
            call => (by, call),
        }
    }

    /// What becomes of a call of account `by`. A call that reverts changes nothing.
    pub fn call(&mut self, by: usize, call: Call) -> TxOutcome {
        let before = self.clone();
        match self.run(by, call) {
            Ok(outcome) => outcome,
            Err(reason) => {
                *self = before;
                TxOutcome::Reverted { reason }
            }
        }
    }

    fn holders(&self, role: Roles) -> usize {
        self.roles.values().filter(|roles| roles.contains(role)).count()
    }

    fn may(&self, by: usize, any: Roles) -> Result<(), &'static str> {
        check(self.roles[&by].meets(any), "not-authorised")
    }

    fn set_roles(&mut self, account: usize, roles: Roles) -> Verdict {
        self.roles.insert(account, roles);
        let there = self.holders(Roles::ADMIN) > 0 && self.holders(Roles::VALIDATOR) > 0;
        check(there, "last-of-role")?;
        DONE
    }

    fn settle(&mut self, account: usize, roles: Roles) -> Verdict {
        self.proposals.remove(&account);
        self.set_roles(account, roles)
    }

    fn proposal(&self, account: usize, roles: u8) -> Result<(Roles, usize, Option<usize>), &'static str> {
        let proposal = self.proposals.get(&account).copied();
        let live = proposal
            .filter(|(proposed, by, _)| proposed.bits() == roles && self.roles[by].contains(Roles::ADMIN));
        live.ok_or("no-proposal")
    }

    /// The device, if its life has begun and not ended.
    fn alive(&mut self, id: usize) -> Result<&mut Device, &'static str> {
        let device = self.devices.get_mut(&id).ok_or("wrong-state")?;
        let ended = matches!(device.status, Some(Status::Revoked | Status::Retired));
        check(!ended, "wrong-state")?;
        Ok(device)
    }

    fn hold(&mut self, id: usize) {
        let device = self.devices.get_mut(&id).unwrap();
        if device.status != Some(Status::Quarantined) {
            device.held = device.status.replace(Status::Quarantined);
            device.seq += 1;
        }
    }

    fn end(&mut self, id: usize, status: Status, reason: u8) -> Verdict {
        check_reason(reason)?;
        let device = self.alive(id)?;
        (device.status, device.held) = (Some(status), None);
        device.seq += 1;
        DONE
    }

    fn replace_key(&mut self, id: usize, key: usize, generation: u64) -> Verdict {
        self.owners.insert(key, id);
        let device = self.devices.get_mut(&id).unwrap();
        (device.key, device.generation, device.cert) = (key, generation, 0);
        device.seq += 1;
        for status in [&mut device.status, &mut device.held] {
            if *status == Some(Status::Active) {
                *status = Some(Status::Registered);
            }
        }
        DONE
    }

    fn run(&mut self, by: usize, call: Call) -> Verdict {
        match call {
            Call::Propose { account, roles } => {
                self.may(by, Roles::ADMIN)?;
                let admin = Roles::ADMIN.bits();
                let possible = roles < 64 && (roles & admin == 0 || roles == admin);
                check(account != by && possible, "bad-roles")?;
                let roles = Roles::from_bits(roles).unwrap();
                if self.holders(Roles::ADMIN) == 1 && self.roles[&account].contains(roles) {
                    return self.settle(account, roles);
                }
                self.proposals.insert(account, (roles, by, None));
                DONE
            }
            Call::Second { account, roles } => {
                self.may(by, Roles::ADMIN)?;
                let (roles, proposer, _) = self.proposal(account, roles)?;
                check(by != proposer && by != account, "bad-roles")?;
                self.proposals.insert(account, (roles, proposer, Some(by)));
                if self.roles[&account].contains(roles) { self.settle(account, roles) } else { DONE }
            }
            Call::Accept { roles } => {
                let (roles, _, second) = self.proposal(by, roles)?;
                let seconded = second.is_some_and(|second| self.roles[&second].contains(Roles::ADMIN));
                check(seconded || self.holders(Roles::ADMIN) == 1, "not-seconded")?;
                self.settle(by, roles)
            }
            Call::Remove { account, roles } => {
                self.may(by, Roles::ADMIN)?;
                let roles = Roles::from_bits(roles).unwrap();
                check(!roles.meets(Roles::ADMIN.with(Roles::VALIDATOR)), "bad-roles")?;
                self.settle(account, self.roles[&account].without(roles))
            }
            Call::Renounce { roles } => {
                let left = self.roles[&by].without(Roles::from_bits(roles).unwrap());
                self.set_roles(by, left)
            }
            Call::Register { id, key, generation, signed } => {
                self.may(by, Roles::REGISTRAR)?;
                check(generation > 0, "bad-generation")?;
                check(signed, "bad-signature")?;
                self.register(id, key, generation)
            }
            Call::Rotate { id, key, generation, signed, old } => {
                let vouched = self.roles[&by].meets(Roles::ADMIN.with(Roles::REGISTRAR));
                let device = *self.alive(id)?;
                check(signed, "bad-signature")?;
                check(vouched || device.status != Some(Status::Quarantined), "wrong-state")?;
                check(vouched || old, "not-authorised")?;
                check(generation > device.generation, "bad-generation")?;
                check(!self.owners.contains_key(&key), "key-already-registered")?;
                self.replace_key(id, key, generation)
            }
            Call::Certify { id, cert } => {
                self.may(by, Roles::CA)?;
                check(cert != 0, "bad-certificate-hash")?;
                let device = self.alive(id)?;
                check(device.status != Some(Status::Quarantined), "wrong-state")?;
                (device.cert, device.status) = (cert, Some(Status::Active));
                device.seq += 1;
                DONE
            }
            Call::RevokeCertificate { id, reason } => {
                self.may(by, Roles::CA)?;
                check_reason(reason)?;
                let device = self.alive(id)?;
                check(device.cert != 0, "bad-certificate-hash")?;
                device.cert = 0;
                device.seq += 1;
                let place = if device.held.is_some() { &mut device.held } else { &mut device.status };
                *place = Some(Status::Registered);
                DONE
            }
            Call::Quarantine { id, reason } => {
                self.may(by, Roles::GUARD)?;
                check_reason(reason)?;
                let status = self.alive(id)?.status;
                check(status != Some(Status::Quarantined), "wrong-state")?;
                self.hold(id);
                DONE
            }
            Call::Release { id, reason } => {
                self.may(by, Roles::GUARD)?;
                check_reason(reason)?;
                let device = self.alive(id)?;
                check(device.status == Some(Status::Quarantined), "wrong-state")?;
                device.status = device.held.take();
                device.seq += 1;
                DONE
            }
            Call::Revoke { id, reason } => {
                self.may(by, Roles::CA.with(Roles::GUARD))?;
                self.end(id, Status::Revoked, reason)
            }
            Call::Retire { id, reason } => {
                self.may(by, Roles::REGISTRAR)?;
                self.end(id, Status::Retired, reason)
            }
            Call::Publish { manifest, image, component, sequence, min } => {
                self.may(by, Roles::PUBLISHER)?;
                check(manifest != 0 && image != 0 && min <= sequence, "bad-release")?;
                check(!self.images.contains_key(&manifest), "wrong-release")?;
                self.images.insert(manifest, Image { image, component, sequence, valid: true });
                let floor = self.min_sequence.entry(component).or_default();
                *floor = min.max(*floor);
                DONE
            }
            Call::Withdraw { manifest, reason } => {
                self.may(by, Roles::PUBLISHER)?;
                check_reason(reason)?;
                let published = self.images.get_mut(&manifest).filter(|image| image.valid);
                published.ok_or("wrong-release")?.valid = false;
                DONE
            }
            Call::Report { id, manifest, image, component, signed } => {
                self.alive(id)?;
                check(signed, "bad-signature")?;
                self.report(id, manifest, image, component)
            }
        }
    }

    fn register(&mut self, id: usize, key: usize, generation: u64) -> Verdict {
        let owner = self.owners.get(&key).copied();
        if let Entry::Vacant(place) = self.devices.entry(id) {
            if owner.is_some() {
                return conflict("key-already-registered");
            }
            let status = Some(Status::Registered);
            place.insert(Device { key, generation, status, seq: 1, ..Device::default() });
            self.owners.insert(key, id);
            return DONE;
        }
        let device = *self.alive(id)?;
        match owner {
            Some(owner) if owner != id => conflict("key-already-registered"),
            Some(_) if device.key == key => Ok(TxOutcome::Unchanged),
            None if generation > device.generation => self.replace_key(id, key, generation),
            _ => {
                self.hold(id);
                conflict("identity-already-registered")
            }
        }
    }

    fn report(&mut self, id: usize, manifest: u8, image: u8, component: u8) -> Verdict {
        let ran = self.firmware.get(&(id, component)).map_or(0, |(_, sequence)| *sequence);
        let least = self.min_sequence.get(&component).copied().unwrap_or_default();
        let fault = match self.images.get(&manifest) {
            None => "firmware-unknown",
            Some(published) if !published.valid => "firmware-withdrawn",
            Some(published) if (published.image, published.component) != (image, component) => {
                "firmware-mismatch"
            }
            Some(published) if published.sequence < ran.max(least) => "firmware-older",
            Some(published) => {
                self.firmware.insert((id, component), (manifest, published.sequence));
                self.devices.get_mut(&id).unwrap().seq += 1;
                return DONE;
            }
        };
        let device = self.devices.get_mut(&id).unwrap();
        if device.status == Some(Status::Quarantined) {
            device.seq += 1;
        } else {
            self.hold(id);
        }
        conflict(fault)
    }

    /// Who seals blocks.
    pub fn validators(&self) -> BTreeSet<usize> {
        let holders = self.roles.iter().filter(|(_, roles)| roles.contains(Roles::VALIDATOR));
        holders.map(|(account, _)| *account).collect()
    }
}
