//! The accounts that write to the ledger, and the transactions they sign (EIP-1559, secp256k1 with RFC 6979).

use std::sync::Arc;

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use zeroize::Zeroizing;

use super::count::{Counter, LedgerOp};
use super::registry::{Contract, Reason, Registration, abi, creation_code};

/// The gas that any call to the registry may take; a registration takes about 150,000.
const CALL_GAS: u64 = 250_000;
/// The gas that the deployment of the registry may take.
const DEPLOYMENT_GAS: u64 = 3_000_000;
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
    pub(super) fn deploy(
        &mut self,
        chain_id: u64,
        registrar: Address,
        ca: Address,
        guard: Address,
        publisher: Address,
    ) -> Vec<u8> {
        self.sign(chain_id, TxKind::Create, DEPLOYMENT_GAS, creation_code(registrar, ca, guard, publisher))
    }

    /// ADMIN gives an account exactly these roles, one bit each as in the contract.
    pub fn grant(&mut self, contract: Contract, account: Address, roles: u64) -> Vec<u8> {
        self.call(contract, &abi::grantCall { account, roles: U256::from(roles) })
    }

    /// REGISTRAR binds a key to an identity.
    pub fn register_device(&mut self, contract: Contract, registration: &Registration) -> Vec<u8> {
        let (r, s) = registration.signature.split_at(32);
        self.call(
            contract,
            &abi::registerDeviceCall {
                id: registration.id.into(),
                model: registration.model.bytes().into(),
                x: registration.x.into(),
                y: registration.y.into(),
                r: B256::from_slice(r),
                s: B256::from_slice(s),
            },
        )
    }

    /// CA records the SHA-256 of a certificate that it issued for the device's key.
    pub fn record_certificate(&mut self, contract: Contract, id: [u8; 32], cert_hash: [u8; 32]) -> Vec<u8> {
        self.call(contract, &abi::recordCertificateCall { id: id.into(), certHash: cert_hash.into() })
    }

    /// GUARD cuts an active device off.
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

    /// GUARD lets a quarantined device work again.
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

    fn call(&mut self, contract: Contract, call: &impl SolCall) -> Vec<u8> {
        self.sign(contract.chain_id, TxKind::Call(contract.address), CALL_GAS, call.abi_encode().into())
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
        if let Some(count) = &self.counter {
            count(LedgerOp::Secp256k1Sign);
        }
        let signature = sign_message(B256::from(*self.secret), transaction.signature_hash())
            .expect("the key was in range when it was drawn");
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, nonce {})", self.address, self.nonce)
    }
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
}

impl Operators {
    /// Draws all keys, in the order of the fields.
    pub fn from_rng(rng: &mut ChaCha20Rng) -> Self {
        let mut draw = || Account::from_rng(rng);
        Self { admin: draw(), registrar: draw(), ca: draw(), guard: draw(), publisher: draw() }
    }

    /// Reports each signature of each account to `count`.
    pub fn counted(self, count: &Arc<dyn Fn(LedgerOp) + Send + Sync>) -> Self {
        let with = |account: Account| account.counted(Arc::clone(count));
        Self {
            admin: with(self.admin),
            registrar: with(self.registrar),
            ca: with(self.ca),
            guard: with(self.guard),
            publisher: with(self.publisher),
        }
    }

    /// Lets every account go on from what a ledger knows of it.
    pub fn resume(&mut self, nonce_of: impl Fn(Address) -> u64) {
        for account in
            [&mut self.admin, &mut self.registrar, &mut self.ca, &mut self.guard, &mut self.publisher]
        {
            account.resume(nonce_of(account.address));
        }
    }

    pub(super) fn all(&self) -> [&Account; 5] {
        [&self.admin, &self.registrar, &self.ca, &self.guard, &self.publisher]
    }

    /// The deployment of the registry that gives each account its role.
    pub(super) fn deploy(&mut self, chain_id: u64) -> Vec<u8> {
        let (registrar, ca) = (self.registrar.address, self.ca.address);
        let (guard, publisher) = (self.guard.address, self.publisher.address);
        self.admin.deploy(chain_id, registrar, ca, guard, publisher)
    }
}
