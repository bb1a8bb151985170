// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title DeviceRegistry
/// @notice Which device holds which key, what its certificate is, and whether it may work.
///
/// An identity is a salted hash; no EID, IMSI or owner ever stands on the chain. The card proves that it holds
/// its key by a P-256 signature that this contract checks itself (EIP-7951, precompile at 0x100).
///
/// None -> Registered -> Active <-> Quarantined; from each of the last three -> Revoked | Retired.
contract DeviceRegistry {
    enum Status {
        None,
        Registered,
        Active,
        Quarantined,
        Revoked,
        Retired
    }

    struct Device {
        bytes32 x;
        bytes32 y;
        bytes32 certHash;
        bytes32 model;
        Status status;
        uint64 seq;
        uint64 updatedAt;
    }

    uint256 public constant ADMIN = 1;
    uint256 public constant REGISTRAR = 2;
    uint256 public constant CA = 4;
    uint256 public constant GUARD = 8;
    uint256 public constant PUBLISHER = 16;

    /// @notice The roles of an account, one bit each.
    mapping(address account => uint256 roles) public rolesOf;

    mapping(bytes32 id => Device device) private devices;

    /// @notice The identity that a key belongs to, by keccak256(x || y); never another one again.
    mapping(bytes32 keyHash => bytes32 id) public idOfKey;

    /// @notice The roles of an account are now these.
    event RolesChanged(address indexed account, uint256 roles);

    /// @notice A device changed its status. `reason` is a CRLReason of RFC 5280 clause 5.3.1, `evidence` the digest
    /// of what the decision rests on, `seq` the number of this change in the life of the device.
    event StatusChanged(
        bytes32 indexed id, Status from, Status to, uint8 reason, bytes32 evidence, uint64 seq
    );

    /// @notice A certificate was issued for the device's key; `certHash` is the SHA-256 of its DER form.
    event CertificateRecorded(bytes32 indexed id, bytes32 certHash, uint64 seq);

    /// @notice Somebody proved to hold another key and asked for an identity that is taken: a clone, or a mistake.
    event RegistrationConflict(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);

    /// @notice A key that belongs to `holder` was presented for another identity.
    event KeyConflict(
        bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, bytes32 holder
    );

    /// @notice The same key asked for its own identity again; nothing changed.
    event RegistrationRepeated(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);

    error NotAuthorised(address account, uint256 roles);
    error BadSignature();
    error BadIdentity();
    error WrongState(bytes32 id, Status status);

    constructor(address registrar, address ca, address guard, address publisher) {
        setRoles(msg.sender, ADMIN);
        setRoles(registrar, REGISTRAR);
        setRoles(ca, CA);
        setRoles(guard, GUARD);
        setRoles(publisher, PUBLISHER);
    }

    modifier only(uint256 roles) {
        if (rolesOf[msg.sender] & roles == 0) revert NotAuthorised(msg.sender, roles);
        _;
    }

    /// @notice Gives an account exactly these roles.
    function grant(address account, uint256 roles) external only(ADMIN) {
        setRoles(account, roles);
    }

    /// @notice Binds a key to an identity: once and for ever.
    ///
    /// A taken identity or a taken key does not revert: the event of it is the evidence that the chain keeps.
    /// @param r,s The card's signature over
    /// sha256("ztp/register/v1" || chain id || this contract || id || model || x || y).
    /// @return registered Whether the identity is new on the chain.
    function registerDevice(bytes32 id, bytes32 model, bytes32 x, bytes32 y, bytes32 r, bytes32 s)
        external
        only(REGISTRAR)
        returns (bool registered)
    {
        if (id == 0) revert BadIdentity();
        bytes32 digest =
            sha256(abi.encodePacked("ztp/register/v1", block.chainid, address(this), id, model, x, y));
        if (!signed(digest, r, s, x, y)) revert BadSignature();

        Device storage device = devices[id];
        bytes32 keyHash = keccak256(abi.encodePacked(x, y));
        bytes32 holder = idOfKey[keyHash];
        if (holder == id) {
            requireAlive(id, device.status);
            emit RegistrationRepeated(id, keyHash, msg.sender);
            return false;
        }
        if (device.status != Status.None) {
            emit RegistrationConflict(id, keyHash, msg.sender);
            return false;
        }
        if (holder != 0) {
            emit KeyConflict(id, keyHash, msg.sender, holder);
            return false;
        }
        idOfKey[keyHash] = id;
        device.x = x;
        device.y = y;
        device.model = model;
        change(id, device, Status.Registered, 0, 0);
        return true;
    }

    /// @notice Records the certificate that the CA issued for the device's key, the first one or a renewal.
    function recordCertificate(bytes32 id, bytes32 certHash) external only(CA) {
        Device storage device = devices[id];
        Status status = device.status;
        if (status != Status.Registered && status != Status.Active) revert WrongState(id, status);
        device.certHash = certHash;
        if (status == Status.Registered) {
            change(id, device, Status.Active, 0, certHash);
        } else {
            device.seq += 1;
            device.updatedAt = uint64(block.timestamp);
        }
        emit CertificateRecorded(id, certHash, device.seq);
    }

    /// @notice Cuts an active device off until it is released.
    function quarantine(bytes32 id, uint8 reason, bytes32 evidence) external only(GUARD) {
        move(id, Status.Active, Status.Quarantined, reason, evidence);
    }

    /// @notice Lets a quarantined device work again.
    function release(bytes32 id, uint8 reason, bytes32 evidence) external only(GUARD) {
        move(id, Status.Quarantined, Status.Active, reason, evidence);
    }

    /// @notice Ends the life of a device that is not to be trusted any more.
    function revoke(bytes32 id, uint8 reason, bytes32 evidence) external only(CA | GUARD) {
        end(id, Status.Revoked, reason, evidence);
    }

    /// @notice Ends the life of a device that is taken out of service in good order.
    function retire(bytes32 id, uint8 reason, bytes32 evidence) external only(REGISTRAR) {
        end(id, Status.Retired, reason, evidence);
    }

    /// @notice The record of a device; all zero if there is none.
    function deviceOf(bytes32 id) external view returns (Device memory) {
        return devices[id];
    }

    function move(bytes32 id, Status from, Status to, uint8 reason, bytes32 evidence) private {
        Device storage device = devices[id];
        if (device.status != from) revert WrongState(id, device.status);
        change(id, device, to, reason, evidence);
    }

    function end(bytes32 id, Status to, uint8 reason, bytes32 evidence) private {
        Device storage device = devices[id];
        requireAlive(id, device.status);
        change(id, device, to, reason, evidence);
    }

    function change(bytes32 id, Device storage device, Status to, uint8 reason, bytes32 evidence) private {
        Status from = device.status;
        uint64 seq = device.seq + 1;
        device.status = to;
        device.seq = seq;
        device.updatedAt = uint64(block.timestamp);
        emit StatusChanged(id, from, to, reason, evidence, seq);
    }

    function requireAlive(bytes32 id, Status status) private pure {
        if (status == Status.None || status >= Status.Revoked) revert WrongState(id, status);
    }

    /// @dev P256VERIFY answers 32 bytes with value 1 for a valid signature and nothing at all otherwise.
    function signed(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) private view returns (bool) {
        (bool ok, bytes memory answer) = address(0x100).staticcall(abi.encodePacked(digest, r, s, x, y));
        return ok && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    function setRoles(address account, uint256 roles) private {
        rolesOf[account] = roles;
        emit RolesChanged(account, roles);
    }
}
