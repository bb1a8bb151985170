//! The accounts that write to the ledger, and the transactions they sign (EIP-1559, secp256k1 with RFC 6979).

use std::sync::Arc;

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_sol_types::SolCall;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use zeroize::Zeroizing;

use super::abi::{self, FirstHolders, creation_code};
use super::count::{Counter, LedgerOp};
use super::firmware::{FirmwareReport, Release};
use super::registry::{Contract, Reason, Registration, Rotation};
use super::roles::Roles;

/// The gas that a call to the registry may take; a registration takes about 150,000.
const CALL_GAS: u64 = 250_000;
/// The gas that a release may take: its text is as long as it is.
const RELEASE_GAS: u64 = 600_000;
/// The gas that the deployment of the registry may take.
const DEPLOYMENT_GAS: u64 = 6_000_000;
/// The most that a transaction pays in wei per gas, base fee included; the base fee stands at 7.
const MAX_FEE: u128 = 1_000_000_000;

/// An account with its key. It counts its own nonces: each transaction is meant to be submitted, in order.
pub struct Account {
    secret: Zeroizing<[u8; 32]>,
    address: Address,
    nonce: u64,
    counter: Counter,
}

impl Account {
    /// Draws a key. A value outside the group's range (chance 2^-128) is drawn again.
    pub fn from_rng(rng: &mut ChaCha20Rng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        loop {
            rng.fill_bytes(secret.as_mut_slice());
            if let Some(address) = address_of(&secret) {
                return Self { secret, address, nonce: 0, counter: None };
            }
        }
    }

    /// The same account, to seal blocks with. It counts nonces of its own, and signs no transactions.
    pub(super) fn same_key(&self) -> Self {
        let (secret, counter) = (self.secret.clone(), self.counter.clone());
        Self { secret, address: self.address, nonce: self.nonce, counter }
    }

    /// Reports each signature to `count`.
    pub fn counted(mut self, count: Arc<dyn Fn(LedgerOp) + Send + Sync>) -> Self {
        self.counter = Some(count);
        self
    }

    /// The address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The nonce of the next transaction.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Goes on from what the ledger knows: `nonce` is `Ledger::nonce` of this account.
    pub fn resume(&mut self, nonce: u64) {
        self.nonce = nonce;
    }

    /// The deployment of the registry by its administrator, `self`.
    pub(super) fn deploy(&mut self, chain_id: u64, first: FirstHolders) -> Vec<u8> {
        self.sign(chain_id, TxKind::Create, DEPLOYMENT_GAS, creation_code(first))
    }

    /// ADMIN wants an account to have exactly these roles. The account has to accept them, and where there are several
    /// administrators another one has to second them; what only takes roles away waits for no acceptance.
    pub fn propose_roles(&mut self, contract: Contract, account: Address, roles: Roles) -> Vec<u8> {
        self.call(contract, &abi::proposeRolesCall { account, roles: bits(roles) })
    }

    /// Another ADMIN agrees to what one has proposed.
    pub fn second_roles(&mut self, contract: Contract, account: Address, roles: Roles) -> Vec<u8> {
        self.call(contract, &abi::secondRolesCall { account, roles: bits(roles) })
    }

    /// Takes the roles that were proposed for this account.
    pub fn accept_roles(&mut self, contract: Contract, roles: Roles) -> Vec<u8> {
        self.call(contract, &abi::acceptRolesCall { roles: bits(roles) })
    }

    /// ADMIN takes roles away at once; administrators and validators are safe from it.
    pub fn remove_roles(
        &mut self,
        contract: Contract,
        account: Address,
        roles: Roles,
        reason: Reason,
    ) -> Vec<u8> {
        self.call(contract, &abi::removeRolesCall { account, roles: bits(roles), reason: reason as u8 })
    }

    /// Gives up roles of this account.
    pub fn renounce_roles(&mut self, contract: Contract, roles: Roles) -> Vec<u8> {
        self.call(contract, &abi::renounceRolesCall { roles: bits(roles) })
    }

    /// REGISTRAR puts a key on the chain that a card has made.
    pub fn register_device(&mut self, contract: Contract, registration: &Registration) -> Vec<u8> {
        let (r, s) = halves(&registration.signature);
        self.call(
            contract,
            &abi::registerDeviceCall {
                id: registration.id.into(),
                model: registration.model.bytes().into(),
                x: registration.key.x.into(),
                y: registration.key.y.into(),
                generation: registration.key.generation,
                context: registration.context.into(),
                r,
                s,
            },
        )
    }

    /// Replaces the key of a device: ADMIN or REGISTRAR, or anybody with the signature of the old key.
    pub fn rotate_key(&mut self, contract: Contract, rotation: &Rotation) -> Vec<u8> {
        let (r, s) = halves(&rotation.signature);
        let (old_r, old_s) = halves(&rotation.old_signature.unwrap_or([0; 64]));
        self.call(
            contract,
            &abi::rotateKeyCall {
                id: rotation.id.into(),
                x: rotation.key.x.into(),
                y: rotation.key.y.into(),
                generation: rotation.key.generation,
                r,
                s,
                oldR: old_r,
                oldS: old_s,
            },
        )
    }

    /// CA records a certificate for the device's key: the SHA-256 of what it signs of it.
    pub fn record_certificate(&mut self, contract: Contract, id: [u8; 32], cert_hash: [u8; 32]) -> Vec<u8> {
        self.call(contract, &abi::recordCertificateCall { id: id.into(), certHash: cert_hash.into() })
    }

    /// CA ends the certificate of a device; the device keeps its key.
    pub fn revoke_certificate(
        &mut self,
        contract: Contract,
        id: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (id, evidence) = (id.into(), evidence.into());
        self.call(contract, &abi::revokeCertificateCall { id, reason: reason as u8, evidence })
    }

    /// GUARD cuts a registered or active device off.
    pub fn quarantine(
        &mut self,
        contract: Contract,
        id: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (id, evidence) = (id.into(), evidence.into());
        self.call(contract, &abi::quarantineCall { id, reason: reason as u8, evidence })
    }

    /// GUARD gives a quarantined device back the status that it had.
    pub fn release(
        &mut self,
        contract: Contract,
        id: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (id, evidence) = (id.into(), evidence.into());
        self.call(contract, &abi::releaseCall { id, reason: reason as u8, evidence })
    }

    /// CA or GUARD ends the life of a device that is not to be trusted any more.
    pub fn revoke(
        &mut self,
        contract: Contract,
        id: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (id, evidence) = (id.into(), evidence.into());
        self.call(contract, &abi::revokeCall { id, reason: reason as u8, evidence })
    }

    /// REGISTRAR takes a device out of service in good order.
    pub fn retire(
        &mut self,
        contract: Contract,
        id: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (id, evidence) = (id.into(), evidence.into());
        self.call(contract, &abi::retireCall { id, reason: reason as u8, evidence })
    }

    /// PUBLISHER makes an image known.
    pub fn publish_firmware(&mut self, contract: Contract, release: &Release) -> Vec<u8> {
        let call = abi::publishFirmwareCall {
            manifestDigest: release.manifest.into(),
            imageDigest: release.image.into(),
            model: release.model.bytes().into(),
            component: release.component.bytes().into(),
            sequence: release.sequence,
            minSequence: release.min_sequence,
            uri: release.uri.clone(),
        };
        let to = TxKind::Call(contract.address);
        self.sign(contract.chain_id, to, RELEASE_GAS, call.abi_encode().into())
    }

    /// PUBLISHER takes a release back.
    pub fn withdraw_firmware(
        &mut self,
        contract: Contract,
        manifest: [u8; 32],
        reason: Reason,
        evidence: [u8; 32],
    ) -> Vec<u8> {
        let (manifest, evidence) = (manifest.into(), evidence.into());
        let call = abi::withdrawFirmwareCall { manifestDigest: manifest, reason: reason as u8, evidence };
        self.call(contract, &call)
    }

    /// Brings what a device says that it runs: anybody may.
    pub fn report_firmware(&mut self, contract: Contract, report: &FirmwareReport) -> Vec<u8> {
        let (r, s) = halves(&report.signature);
        self.call(
            contract,
            &abi::reportFirmwareCall {
                id: report.id.into(),
                component: report.component.bytes().into(),
                manifestDigest: report.manifest.into(),
                imageDigest: report.image.into(),
                r,
                s,
            },
        )
    }

    /// A call of the registry whose bytes are made elsewhere: selector and arguments as the contract's ABI has them.
    pub fn call_encoded(&mut self, contract: Contract, input: Vec<u8>) -> Vec<u8> {
        self.sign(contract.chain_id, TxKind::Call(contract.address), CALL_GAS, input.into())
    }

    fn call(&mut self, contract: Contract, call: &impl SolCall) -> Vec<u8> {
        self.call_encoded(contract, call.abi_encode())
    }

    fn sign(&mut self, chain_id: u64, to: TxKind, gas_limit: u64, input: Bytes) -> Vec<u8> {
        let transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: 0,
            to,
            input,
            ..TxEip1559::default()
        };
        self.nonce += 1;
        let signature = self.signature(transaction.signature_hash());
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
    }

    /// Signs a digest: r || s || v, where v is 27 or 28.
    pub(super) fn sign_digest(&self, digest: [u8; 32]) -> [u8; 65] {
        self.signature(digest.into()).as_bytes()
    }

    fn signature(&self, digest: B256) -> Signature {
        if let Some(count) = &self.counter {
            count(LedgerOp::Secp256k1Sign);
        }
        sign_message(B256::from(*self.secret), digest).expect("the key was in range when it was drawn")
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, nonce {})", self.address, self.nonce)
    }
}

fn bits(roles: Roles) -> U256 {
    U256::from(roles.bits())
}

/// The two numbers of a signature.
fn halves(signature: &[u8; 64]) -> (B256, B256) {
    let (r, s) = signature.split_at(32);
    (B256::from_slice(r), B256::from_slice(s))
}

/// The address of a secret key; none if the key is out of range.
fn address_of(secret: &[u8; 32]) -> Option<Address> {
    let probe = TxEip1559::default();
    let signature = sign_message(B256::from(*secret), probe.signature_hash()).ok()?;
    TxEnvelope::from(probe.into_signed(signature)).recover_signer().ok()
}

/// The accounts that the registry knows, one per role.
#[derive(Debug)]
pub struct Operators {
    pub admin: Account,
    pub registrar: Account,
    pub ca: Account,
    pub guard: Account,
    pub publisher: Account,
    pub validator: Account,
}

impl Operators {
    /// Draws all keys, in the order of the fields.
    pub fn from_rng(rng: &mut ChaCha20Rng) -> Self {
        let mut draw = || Account::from_rng(rng);
        Self {
            admin: draw(),
            registrar: draw(),
            ca: draw(),
            guard: draw(),
            publisher: draw(),
            validator: draw(),
        }
    }

    /// Reports each signature of each account to `count`.
    pub fn counted(mut self, count: &Arc<dyn Fn(LedgerOp) + Send + Sync>) -> Self {
        for account in self.each() {
            account.counter = Some(Arc::clone(count));
        }
        self
    }

    /// Lets every account go on from what a ledger knows of it.
    pub fn resume(&mut self, nonce_of: impl Fn(Address) -> u64) {
        for account in self.each() {
            account.resume(nonce_of(account.address));
        }
    }

    fn each(&mut self) -> [&mut Account; 6] {
        let Self { admin, registrar, ca, guard, publisher, validator } = self;
        [admin, registrar, ca, guard, publisher, validator]
    }

    pub(super) fn all(&self) -> [&Account; 6] {
        let Self { admin, registrar, ca, guard, publisher, validator } = self;
        [admin, registrar, ca, guard, publisher, validator]
    }

    /// The deployment of the registry that gives each account its role.
    pub(super) fn deploy(&mut self, chain_id: u64) -> Vec<u8> {
        let first = FirstHolders {
            registrar: self.registrar.address,
            ca: self.ca.address,
            guard: self.guard.address,
            publisher: self.publisher.address,
            validator: self.validator.address,
        };
        self.admin.deploy(chain_id, first)
    }
}
