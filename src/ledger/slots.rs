//! The contract's records, read straight from its storage: which slot holds what is part of the interface, and stands
//! in the artefact.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;

use super::firmware::{FirmwareRecord, ReleaseRecord};
use super::registry::{DeviceRecord, Model, Status};
use super::roles::Roles;

/// The numbers of the contract's variables.
const ROLES_OF: u64 = 0;
const DEVICES: u64 = 1;
const ID_OF_KEY: u64 = 2;
const VALIDATOR_LIST: u64 = 5;
const RELEASES: u64 = 7;
const FIRMWARES: u64 = 8;
const MIN_SEQUENCES: u64 = 9;

/// How many places of the storage say everything of a release.
pub(super) const RELEASE_PLACES: usize = 5;

/// The most validators that are read.
const MAX_VALIDATORS: u64 = 1000;

/// A packed slot, from its low end.
struct Packed([u8; 32], usize);

impl Packed {
    fn new(slot: U256) -> Self {
        Self(slot.to_be_bytes(), 32)
    }

    /// The next number of so many bytes.
    fn take(&mut self, bytes: usize) -> u64 {
        let begin = self.1.saturating_sub(bytes);
        let number = self.0[begin..self.1].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.1 = begin;
        number
    }

    fn status(&mut self) -> Option<Status> {
        Status::from_number(u8::try_from(self.take(1)).ok()?)
    }
}

/// The record of a device. `slot` gives what the contract keeps at a place (zero where it keeps nothing). None if the
/// contract does not know the device.
pub(super) fn device(slot: impl Fn(U256) -> U256, id: &[u8; 32]) -> Option<DeviceRecord> {
    let base = mapping_slot(id, U256::from(DEVICES));
    let at = |offset: u64| slot(base.wrapping_add(U256::from(offset)));
    let word = |offset: u64| at(offset).to_be_bytes::<32>();
    let mut packed = Packed::new(at(4));
    let (status, held) = (packed.status()?, packed.status()?);
    let (seq, generation, updated_at) = (packed.take(8), packed.take(8), packed.take(5));
    if status == Status::None {
        return None;
    }
    let (x, y, cert_hash, model) = (word(0), word(1), word(2), Model::from_bytes(word(3)));
    Some(DeviceRecord { x, y, cert_hash, model, status, held, seq, generation, updated_at })
}

/// Which identity a key belongs to.
pub(super) fn id_of_key(slot: impl Fn(U256) -> U256, x: &[u8; 32], y: &[u8; 32]) -> Option<[u8; 32]> {
    let key_hash = keccak256([x.as_slice(), y].concat());
    let id = slot(mapping_slot(&key_hash, U256::from(ID_OF_KEY)));
    (!id.is_zero()).then(|| id.to_be_bytes())
}

/// The roles of an account.
pub(super) fn roles(slot: impl Fn(U256) -> U256, account: Address) -> Roles {
    let bits = slot(mapping_slot(&account.into_word(), U256::from(ROLES_OF)));
    u8::try_from(bits).ok().and_then(Roles::from_bits).unwrap_or_default()
}

/// Who has the role VALIDATOR, in ascending order.
pub(super) fn validators(slot: impl Fn(U256) -> U256) -> Vec<Address> {
    let list = U256::from(VALIDATOR_LIST);
    let count = u64::try_from(slot(list)).unwrap_or(u64::MAX).min(MAX_VALIDATORS);
    let base = U256::from_be_bytes(keccak256(list.to_be_bytes::<32>()).0);
    let at = |place: u64| slot(base.wrapping_add(U256::from(place)));
    let mut validators: Vec<_> = (0..count).map(|place| Address::from_word(at(place).into())).collect();
    validators.sort_unstable();
    validators
}

/// A release by the digest of its manifest; its URI is in the event alone.
pub(super) fn release(slot: impl Fn(U256) -> U256, manifest: &[u8; 32]) -> Option<ReleaseRecord> {
    let base = mapping_slot(manifest, U256::from(RELEASES));
    let at = |offset: u64| slot(base.wrapping_add(U256::from(offset)));
    let word = |offset: u64| at(offset).to_be_bytes::<32>();
    let mut packed = Packed::new(at(3));
    let (sequence, published_at, valid) = (packed.take(8), packed.take(5), packed.take(1) == 1);
    if published_at == 0 {
        return None;
    }
    let (model, component) = (Model::from_bytes(word(1)), Model::from_bytes(word(2)));
    Some(ReleaseRecord { image: word(0), model, component, sequence, published_at, valid })
}

/// The places that [`release`] and [`min_sequence`] read.
pub(super) fn places_of_release(
    manifest: &[u8; 32],
    model: &[u8; 32],
    component: &[u8; 32],
) -> [U256; RELEASE_PLACES] {
    let base = mapping_slot(manifest, U256::from(RELEASES));
    let at = |offset: u64| base.wrapping_add(U256::from(offset));
    [at(0), at(1), at(2), at(3), min_sequence_slot(model, component)]
}

/// What a component of a device runs, as it has reported.
pub(super) fn firmware(
    slot: impl Fn(U256) -> U256,
    id: &[u8; 32],
    component: &[u8; 32],
) -> Option<FirmwareRecord> {
    let base = mapping_slot(component, mapping_slot(id, U256::from(FIRMWARES)));
    let manifest = slot(base).to_be_bytes::<32>();
    let mut packed = Packed::new(slot(base.wrapping_add(U256::from(1))));
    let (sequence, reported_at) = (packed.take(8), packed.take(5));
    (reported_at != 0).then_some(FirmwareRecord { manifest, sequence, reported_at })
}

/// The least sequence number that an image for a component of a model may have.
pub(super) fn min_sequence(slot: impl Fn(U256) -> U256, model: &[u8; 32], component: &[u8; 32]) -> u64 {
    Packed::new(slot(min_sequence_slot(model, component))).take(8)
}

fn min_sequence_slot(model: &[u8; 32], component: &[u8; 32]) -> U256 {
    mapping_slot(component, mapping_slot(model, U256::from(MIN_SEQUENCES)))
}

fn mapping_slot(key: &[u8; 32], of: U256) -> U256 {
    U256::from_be_bytes(keccak256((B256::from(*key), of).abi_encode()).0)
}
