//! The interface of the DeviceRegistry contract and its bytecode.
//!
//! The source is `contracts/DeviceRegistry.sol`; the bytecode is the committed artefact beside it.

use std::sync::LazyLock;

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolConstructor, sol};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    contract DeviceRegistry {
        constructor(address registrar, address ca, address guard, address publisher, address validator);

        event RolesProposed(address indexed account, uint256 roles, address indexed by);
        event RolesSeconded(address indexed account, uint256 roles, address indexed by);
        event RolesChanged(
            address indexed account, uint256 from, uint256 to, address indexed by, uint8 reason
        );
        event StatusChanged(
            bytes32 indexed id, uint8 from, uint8 to, uint8 reason, bytes32 evidence, uint64 seq
        );
        event KeyRotated(
            bytes32 indexed id, bytes32 indexed keyHash, bytes32 x, bytes32 y, uint64 generation, address by,
            uint64 seq
        );
        event CertificateRecorded(bytes32 indexed id, bytes32 certHash, uint64 seq);
        event CertificateRevoked(
            bytes32 indexed id, bytes32 certHash, uint8 reason, bytes32 evidence, uint64 seq
        );
        event RegistrationConflict(
            bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, uint64 generation
        );
        event KeyConflict(
            bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, bytes32 holder
        );
        event RegistrationRepeated(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);
        event FirmwarePublished(
            bytes32 indexed manifestDigest, bytes32 indexed model, bytes32 component, bytes32 imageDigest,
            uint64 sequence, uint64 minSequence, string uri
        );
        event FirmwareWithdrawn(bytes32 indexed manifestDigest, uint8 reason, bytes32 evidence);
        event FirmwareReported(
            bytes32 indexed id, bytes32 indexed component, bytes32 manifestDigest, uint64 sequence, uint64 seq
        );
        event FirmwareRefused(
            bytes32 indexed id, bytes32 indexed component, bytes32 manifestDigest, bytes32 imageDigest,
            uint8 fault, uint64 seq
        );

        error NotAuthorised(address account, uint256 roles);
        error BadSignature();
        error BadIdentity();
        error BadGeneration(bytes32 id, uint64 generation);
        error BadCertificate();
        error BadReason(uint8 reason);
        error BadRelease();
        error BadRoles(address account, uint256 roles);
        error KeyTaken(bytes32 keyHash, bytes32 holder);
        error LastOfRole(uint256 role);
        error NoProposal(address account, uint256 roles);
        error NotSeconded(address account, uint256 roles);
        error WrongRelease(bytes32 manifestDigest);
        error WrongState(bytes32 id, uint8 status);

        function proposeRoles(address account, uint256 roles) external;
        function secondRoles(address account, uint256 roles) external;
        function acceptRoles(uint256 roles) external;
        function removeRoles(address account, uint256 roles, uint8 reason) external;
        function renounceRoles(uint256 roles) external;
        function registerDevice(
            bytes32 id, bytes32 model, bytes32 x, bytes32 y, uint64 generation, bytes32 context, bytes32 r, bytes32 s
        ) external returns (bool registered);
        function rotateKey(
            bytes32 id, bytes32 x, bytes32 y, uint64 generation, bytes32 r, bytes32 s, bytes32 oldR, bytes32 oldS
        ) external;
        function recordCertificate(bytes32 id, bytes32 certHash) external;
        function revokeCertificate(bytes32 id, uint8 reason, bytes32 evidence) external;
        function quarantine(bytes32 id, uint8 reason, bytes32 evidence) external;
        function release(bytes32 id, uint8 reason, bytes32 evidence) external;
        function revoke(bytes32 id, uint8 reason, bytes32 evidence) external;
        function retire(bytes32 id, uint8 reason, bytes32 evidence) external;
        function publishFirmware(
            bytes32 manifestDigest, bytes32 imageDigest, bytes32 model, bytes32 component, uint64 sequence,
            uint64 minSequence, string uri
        ) external;
        function withdrawFirmware(bytes32 manifestDigest, uint8 reason, bytes32 evidence) external;
        function reportFirmware(
            bytes32 id, bytes32 component, bytes32 manifestDigest, bytes32 imageDigest, bytes32 r, bytes32 s
        ) external returns (bool accepted);
    }
}

pub(super) use DeviceRegistry::*;

/// The compiled contract, as `contracts/compile.js` writes it.
struct Artefact {
    creation: Bytes,
    runtime: Bytes,
}

static ARTEFACT: LazyLock<Artefact> = LazyLock::new(|| {
    let text = include_str!("../../contracts/DeviceRegistry.json");
    let json: serde_json::Value = serde_json::from_str(text).expect("the committed artefact is JSON");
    let code = |name: &str| {
        let code = json[name].as_str().expect("the committed artefact has both codes");
        code.parse().expect("the committed codes are hexadecimal")
    };
    Artefact { creation: code("creation"), runtime: code("runtime") }
});

/// The code that deploys the contract, its constructor arguments included.
pub(super) fn creation_code(first: FirstHolders) -> Bytes {
    let FirstHolders { registrar, ca, guard, publisher, validator } = first;
    let arguments = constructorCall { registrar, ca, guard, publisher, validator };
    let mut code = ARTEFACT.creation.to_vec();
    code.extend(SolConstructor::abi_encode(&arguments));
    code.into()
}

/// The code of the deployed contract.
pub(super) fn runtime_code() -> &'static Bytes {
    &ARTEFACT.runtime
}

/// Who has which role when the contract begins; one account may have several.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstHolders {
    pub registrar: Address,
    pub ca: Address,
    pub guard: Address,
    pub publisher: Address,
    pub validator: Address,
}
