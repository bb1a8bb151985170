// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title DeviceRegistry
/// @notice Which device holds which key, what its certificate and its firmware are, and whether it may work.
///
/// An identity is a salted hash; no EID, IMSI or owner ever stands on the chain. The card proves that it holds
/// its key by a P-256 signature that this contract checks itself (EIP-7951, precompile at 0x100).
///
/// None -> Registered -> Active, each of the last two <-> Quarantined; from all three -> Revoked | Retired.
contract DeviceRegistry {
    enum Status {
        None,
        Registered,
        Active,
        Quarantined,
        Revoked,
        Retired
    }

    /// @notice What is wrong with an image that a device reports.
    enum Fault {
        None,
        Unknown,
        Withdrawn,
        Mismatch,
        Older
    }

    struct Device {
        bytes32 x;
        bytes32 y;
        bytes32 certHash;
        bytes32 model;
        Status status;
        // Where a release leads to; None but in quarantine.
        Status held;
        uint64 seq;
        uint64 generation;
        uint40 updatedAt;
    }

    struct Release {
        bytes32 imageDigest;
        bytes32 model;
        bytes32 component;
        uint64 sequence;
        uint40 publishedAt;
        bool valid;
        string uri;
    }

    struct Firmware {
        bytes32 manifestDigest;
        uint64 sequence;
        uint40 reportedAt;
    }

    struct Proposal {
        address by;
        uint8 roles;
        address secondedBy;
    }

    uint256 public constant ADMIN = 1;
    uint256 public constant REGISTRAR = 2;
    uint256 public constant CA = 4;
    uint256 public constant GUARD = 8;
    uint256 public constant PUBLISHER = 16;
    uint256 public constant VALIDATOR = 32;

    uint256 private constant ALL = 63;
    uint256 private constant MAX_URI = 256;
    /// @dev certificateHold of RFC 5280: the one reason that can be taken back.
    uint8 private constant HOLD = 6;

    /// @notice The roles of an account, one bit each.
    mapping(address account => uint256 roles) public rolesOf;

    mapping(bytes32 id => Device device) private devices;

    /// @notice The identity that a key belongs to, by keccak256(x || y); never another one again.
    mapping(bytes32 keyHash => bytes32 id) public idOfKey;

    /// @notice The roles that an account may accept.
    mapping(address account => Proposal proposal) public proposalOf;

    /// @notice How many accounts have the role ADMIN: never none.
    uint256 public admins;

    address[] private validatorList;
    /// @dev From 1; zero where the account is no validator.
    mapping(address account => uint256 place) private placeOfValidator;

    mapping(bytes32 manifestDigest => Release release) private releases;
    mapping(bytes32 id => mapping(bytes32 component => Firmware firmware)) private firmwares;

    /// @notice The least sequence number that an image may have, by model and component.
    mapping(bytes32 model => mapping(bytes32 component => uint64 sequence)) public minSequenceOf;

    /// @notice An administrator wants an account to have exactly these roles.
    event RolesProposed(address indexed account, uint256 roles, address indexed by);

    /// @notice Another administrator agrees.
    event RolesSeconded(address indexed account, uint256 roles, address indexed by);

    /// @notice The roles of an account were `from` and are `to`, by the act of `by`. `reason` is as in StatusChanged.
    event RolesChanged(address indexed account, uint256 from, uint256 to, address indexed by, uint8 reason);

    /// @notice A device changed its status. `reason` is a CRLReason of RFC 5280 clause 5.3.1, `evidence` the digest
    /// of what the decision rests on, `seq` the number of this change in the life of the device.
    event StatusChanged(
        bytes32 indexed id, Status from, Status to, uint8 reason, bytes32 evidence, uint64 seq
    );

    /// @notice A device has another key: the one before is over, and the certificate with it.
    event KeyRotated(
        bytes32 indexed id, bytes32 indexed keyHash, bytes32 x, bytes32 y, uint64 generation, address by, uint64 seq
    );

    /// @notice A certificate was issued for the device's key; `certHash` is the SHA-256 of what the CA signs of it.
    event CertificateRecorded(bytes32 indexed id, bytes32 certHash, uint64 seq);

    /// @notice The certificate is not valid any more, the device is. `reason` and `evidence` are as in StatusChanged.
    event CertificateRevoked(bytes32 indexed id, bytes32 certHash, uint8 reason, bytes32 evidence, uint64 seq);

    /// @notice A card proved to hold another key for an identity that is taken, and none that is newer: there are two
    /// of it. The device is quarantined.
    event RegistrationConflict(
        bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, uint64 generation
    );

    /// @notice A key that belongs to `holder` was presented for another identity.
    event KeyConflict(
        bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, bytes32 holder
    );

    /// @notice The same key asked for its own identity again; nothing changed.
    event RegistrationRepeated(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);

    /// @notice There is a new image for a component of a model. A device is to run none below `minSequence`.
    event FirmwarePublished(
        bytes32 indexed manifestDigest,
        bytes32 indexed model,
        bytes32 component,
        bytes32 imageDigest,
        uint64 sequence,
        uint64 minSequence,
        string uri
    );

    /// @notice An image is not to be run any more. `reason` and `evidence` are as in StatusChanged.
    event FirmwareWithdrawn(bytes32 indexed manifestDigest, uint8 reason, bytes32 evidence);

    /// @notice A device runs an image as published.
    event FirmwareReported(
        bytes32 indexed id, bytes32 indexed component, bytes32 manifestDigest, uint64 sequence, uint64 seq
    );

    /// @notice A device runs an image that it should not. It is quarantined.
    event FirmwareRefused(
        bytes32 indexed id,
        bytes32 indexed component,
        bytes32 manifestDigest,
        bytes32 imageDigest,
        Fault fault,
        uint64 seq
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
    error WrongState(bytes32 id, Status status);

    /// @notice Who deploys it administers it. One account may be named for several roles and has them all.
    constructor(address registrar, address ca, address guard, address publisher, address validator) {
        add(msg.sender, ADMIN);
        add(registrar, REGISTRAR);
        add(ca, CA);
        add(guard, GUARD);
        add(publisher, PUBLISHER);
        add(validator, VALIDATOR);
    }

    modifier only(uint256 roles) {
        if (rolesOf[msg.sender] & roles == 0) revert NotAuthorised(msg.sender, roles);
        _;
    }

    // Roles.

    /// @notice Says which roles an account is to have instead of its own.
    ///
    /// Nobody proposes for himself, and an administrator is given no other role. Where there are several
    /// administrators another one has to second it; then the account accepts. What only takes roles away waits for
    /// no acceptance.
    function proposeRoles(address account, uint256 roles) external only(ADMIN) {
        bool mixed = roles & ADMIN != 0 && roles != ADMIN;
        if (account == msg.sender || account == address(0) || roles & ~ALL != 0 || mixed) {
            revert BadRoles(account, roles);
        }
        emit RolesProposed(account, roles, msg.sender);
        if (admins == 1 && roles & ~rolesOf[account] == 0) {
            settle(account, roles);
        } else {
            proposalOf[account] = Proposal(msg.sender, uint8(roles), address(0));
        }
    }

    /// @notice Agrees to what another administrator has proposed for a third account.
    function secondRoles(address account, uint256 roles) external only(ADMIN) {
        Proposal storage proposal = proposalOf[account];
        checkProposal(account, roles);
        if (msg.sender == proposal.by || msg.sender == account) revert BadRoles(account, roles);
        proposal.secondedBy = msg.sender;
        emit RolesSeconded(account, roles, msg.sender);
        if (roles & ~rolesOf[account] == 0) settle(account, roles);
    }

    /// @notice Takes the roles that were proposed for the account which calls this.
    function acceptRoles(uint256 roles) external {
        checkProposal(msg.sender, roles);
        bool seconded = rolesOf[proposalOf[msg.sender].secondedBy] & ADMIN != 0;
        if (admins > 1 && !seconded) revert NotSeconded(msg.sender, roles);
        settle(msg.sender, roles);
    }

    /// @notice Takes roles away from an account at once. Administrators and validators are safe from one
    /// administrator alone.
    function removeRoles(address account, uint256 roles, uint8 reason) external only(ADMIN) {
        checkReason(reason);
        if (roles & (ADMIN | VALIDATOR) != 0) revert BadRoles(account, roles);
        delete proposalOf[account];
        setRoles(account, rolesOf[account] & ~roles, reason);
    }

    /// @notice Gives up roles of the account that calls this.
    function renounceRoles(uint256 roles) external {
        setRoles(msg.sender, rolesOf[msg.sender] & ~roles, 0);
    }

    /// @notice Who seals blocks; the order has no meaning.
    function validators() external view returns (address[] memory) {
        return validatorList;
    }

    // Keys.

    /// @notice Puts the key of a card on the chain, or a newer one in its place.
    ///
    /// What is taken does not revert: the event is the evidence that the chain keeps. The same key again changes
    /// nothing. Another key is a rotation if the card has made it after the one that stands here; otherwise there are
    /// two cards for one identity, and the device is quarantined until an operator has decided.
    /// @param generation How many keys the card has made, this one included.
    /// @param context What binds the signature to the conversation in which it was made; the registrar has checked it.
    /// @param r,s The card's signature over sha256("ztp/register/v2" || chain id || this contract || id || model || x
    /// || y || generation || context).
    /// @return registered Whether the key is new on the chain.
    function registerDevice(
        bytes32 id,
        bytes32 model,
        bytes32 x,
        bytes32 y,
        uint64 generation,
        bytes32 context,
        bytes32 r,
        bytes32 s
    ) external only(REGISTRAR) returns (bool registered) {
        if (id == 0) revert BadIdentity();
        if (generation == 0) revert BadGeneration(id, generation);
        {
            bytes memory message = abi.encodePacked(
                "ztp/register/v2", block.chainid, address(this), id, model, x, y, generation, context
            );
            if (!signed(sha256(message), r, s, x, y)) revert BadSignature();
        }
        Device storage device = devices[id];
        bytes32 keyHash = keccak256(abi.encodePacked(x, y));
        bytes32 holder = idOfKey[keyHash];
        if (device.status == Status.None) {
            if (holder != 0) {
                emit KeyConflict(id, keyHash, msg.sender, holder);
                return false;
            }
            idOfKey[keyHash] = id;
            device.x = x;
            device.y = y;
            device.model = model;
            device.generation = generation;
            change(id, device, Status.Registered, 0, 0);
            return true;
        }
        requireAlive(id, device.status);
        if (device.x == x && device.y == y) {
            emit RegistrationRepeated(id, keyHash, msg.sender);
            return false;
        }
        if (holder != 0 && holder != id) {
            emit KeyConflict(id, keyHash, msg.sender, holder);
            return false;
        }
        // A key that was given up does not come back, whatever is said of its generation.
        if (holder == id || generation <= device.generation) {
            emit RegistrationConflict(id, keyHash, msg.sender, generation);
            if (device.status != Status.Quarantined) hold(id, device, HOLD, keyHash);
            return false;
        }
        replaceKey(id, device, keyHash, x, y, generation);
        return true;
    }

    /// @notice Replaces the key of a device. The new key signs in any case; the old one signs as well, or ADMIN or
    /// REGISTRAR vouches for the device, who then gives zeros for `oldR` and `oldS`. In quarantine an operator decides.
    /// @param r,s,oldR,oldS Signatures of new and old key over sha256("ztp/rotate/v2" || chain id || this contract ||
    /// id || x || y || generation || seq), where `seq` is the one of the record before.
    function rotateKey(
        bytes32 id,
        bytes32 x,
        bytes32 y,
        uint64 generation,
        bytes32 r,
        bytes32 s,
        bytes32 oldR,
        bytes32 oldS
    ) external {
        Device storage device = devices[id];
        requireAlive(id, device.status);
        {
            bytes32 digest = sha256(
                abi.encodePacked(
                    "ztp/rotate/v2", block.chainid, address(this), id, x, y, generation, device.seq
                )
            );
            if (!signed(digest, r, s, x, y)) revert BadSignature();
            if (rolesOf[msg.sender] & (ADMIN | REGISTRAR) == 0) {
                if (device.status == Status.Quarantined) revert WrongState(id, device.status);
                if (!signed(digest, oldR, oldS, device.x, device.y)) {
                    revert NotAuthorised(msg.sender, ADMIN | REGISTRAR);
                }
            }
        }
        if (generation <= device.generation) revert BadGeneration(id, generation);
        bytes32 keyHash = keccak256(abi.encodePacked(x, y));
        bytes32 holder = idOfKey[keyHash];
        if (holder != 0) revert KeyTaken(keyHash, holder);
        replaceKey(id, device, keyHash, x, y, generation);
    }

    // Certificates.

    /// @notice Records the certificate that the CA issues for the device's key, the first one or a renewal.
    function recordCertificate(bytes32 id, bytes32 certHash) external only(CA) {
        if (certHash == 0) revert BadCertificate();
        Device storage device = devices[id];
        Status status = device.status;
        if (status != Status.Registered && status != Status.Active) revert WrongState(id, status);
        device.certHash = certHash;
        if (status == Status.Registered) {
            change(id, device, Status.Active, 0, certHash);
        } else {
            touch(device);
        }
        emit CertificateRecorded(id, certHash, device.seq);
    }

    /// @notice Ends a certificate; the device keeps its key and may ask for another one.
    function revokeCertificate(bytes32 id, uint8 reason, bytes32 evidence) external only(CA) {
        checkReason(reason);
        Device storage device = devices[id];
        requireAlive(id, device.status);
        bytes32 certHash = device.certHash;
        if (certHash == 0) revert BadCertificate();
        device.certHash = 0;
        if (device.status == Status.Active) {
            change(id, device, Status.Registered, reason, evidence);
        } else {
            device.held = Status.Registered;
            touch(device);
        }
        emit CertificateRevoked(id, certHash, reason, evidence, device.seq);
    }

    // Life.

    /// @notice Cuts a device off until it is released.
    function quarantine(bytes32 id, uint8 reason, bytes32 evidence) external only(GUARD) {
        checkReason(reason);
        Device storage device = devices[id];
        Status status = device.status;
        if (status != Status.Registered && status != Status.Active) revert WrongState(id, status);
        hold(id, device, reason, evidence);
    }

    /// @notice Gives a quarantined device back the status that it had.
    function release(bytes32 id, uint8 reason, bytes32 evidence) external only(GUARD) {
        checkReason(reason);
        Device storage device = devices[id];
        if (device.status != Status.Quarantined) revert WrongState(id, device.status);
        Status to = device.held;
        device.held = Status.None;
        change(id, device, to, reason, evidence);
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

    // Firmware.

    /// @notice Makes an image known. A release is named by the digest of its manifest and never changes.
    /// @param sequence The sequence number of the manifest.
    /// @param minSequence What the model is to run at least from now on; a lower one than before changes nothing.
    /// @param uri Where the manifest is, at most 256 bytes.
    function publishFirmware(
        bytes32 manifestDigest,
        bytes32 imageDigest,
        bytes32 model,
        bytes32 component,
        uint64 sequence,
        uint64 minSequence,
        string calldata uri
    ) external only(PUBLISHER) {
        if (manifestDigest == 0 || imageDigest == 0 || minSequence > sequence || bytes(uri).length > MAX_URI) {
            revert BadRelease();
        }
        if (releases[manifestDigest].publishedAt != 0) revert WrongRelease(manifestDigest);
        releases[manifestDigest] =
            Release(imageDigest, model, component, sequence, uint40(block.timestamp), true, uri);
        if (minSequence > minSequenceOf[model][component]) minSequenceOf[model][component] = minSequence;
        emit FirmwarePublished(manifestDigest, model, component, imageDigest, sequence, minSequence, uri);
    }

    /// @notice Takes a release back: who reports it from now on is quarantined.
    function withdrawFirmware(bytes32 manifestDigest, uint8 reason, bytes32 evidence)
        external
        only(PUBLISHER)
    {
        checkReason(reason);
        if (!releases[manifestDigest].valid) revert WrongRelease(manifestDigest);
        releases[manifestDigest].valid = false;
        emit FirmwareWithdrawn(manifestDigest, reason, evidence);
    }

    /// @notice Records what a device runs. Anybody may bring the report: the device's key has signed it.
    ///
    /// An image that is unknown, withdrawn, not the published one, or older than what the device or its model has to
    /// run quarantines the device.
    /// @param r,s The signature over sha256("ztp/firmware/v2" || chain id || this contract || id || component ||
    /// manifestDigest || imageDigest || seq), where `seq` is the one of the record before.
    /// @return accepted Whether the device may run it.
    function reportFirmware(
        bytes32 id,
        bytes32 component,
        bytes32 manifestDigest,
        bytes32 imageDigest,
        bytes32 r,
        bytes32 s
    ) external returns (bool accepted) {
        Device storage device = devices[id];
        requireAlive(id, device.status);
        bytes32 digest = sha256(
            abi.encodePacked(
                "ztp/firmware/v2",
                block.chainid,
                address(this),
                id,
                component,
                manifestDigest,
                imageDigest,
                device.seq
            )
        );
        if (!signed(digest, r, s, device.x, device.y)) revert BadSignature();
        Fault fault = faultOf(id, device.model, component, manifestDigest, imageDigest);
        if (fault == Fault.None) {
            touch(device);
            uint64 sequence = releases[manifestDigest].sequence;
            firmwares[id][component] = Firmware(manifestDigest, sequence, uint40(block.timestamp));
            emit FirmwareReported(id, component, manifestDigest, sequence, device.seq);
            return true;
        }
        emit FirmwareRefused(id, component, manifestDigest, imageDigest, fault, device.seq + 1);
        if (device.status == Status.Quarantined) {
            touch(device);
        } else {
            hold(id, device, HOLD, imageDigest);
        }
        return false;
    }

    /// @notice A release by the digest of its manifest; all zero if there is none.
    function releaseOf(bytes32 manifestDigest) external view returns (Release memory) {
        return releases[manifestDigest];
    }

    /// @notice What a component of a device runs as far as it has reported; all zero if it has not.
    function firmwareOf(bytes32 id, bytes32 component) external view returns (Firmware memory) {
        return firmwares[id][component];
    }

    function faultOf(
        bytes32 id,
        bytes32 model,
        bytes32 component,
        bytes32 manifestDigest,
        bytes32 imageDigest
    ) private view returns (Fault) {
        Release storage published = releases[manifestDigest];
        if (published.publishedAt == 0) return Fault.Unknown;
        if (!published.valid) return Fault.Withdrawn;
        if (
            published.imageDigest != imageDigest || published.model != model
                || published.component != component
        ) return Fault.Mismatch;
        uint64 sequence = published.sequence;
        if (sequence < firmwares[id][component].sequence) return Fault.Older;
        if (sequence < minSequenceOf[model][component]) return Fault.Older;
        return Fault.None;
    }

    function replaceKey(
        bytes32 id,
        Device storage device,
        bytes32 keyHash,
        bytes32 x,
        bytes32 y,
        uint64 generation
    ) private {
        idOfKey[keyHash] = id;
        device.x = x;
        device.y = y;
        device.generation = generation;
        device.certHash = 0;
        if (device.status == Status.Active) {
            change(id, device, Status.Registered, 0, keyHash);
        } else {
            if (device.held == Status.Active) device.held = Status.Registered;
            touch(device);
        }
        emit KeyRotated(id, keyHash, x, y, generation, msg.sender, device.seq);
    }

    function hold(bytes32 id, Device storage device, uint8 reason, bytes32 evidence) private {
        device.held = device.status;
        change(id, device, Status.Quarantined, reason, evidence);
    }

    function end(bytes32 id, Status to, uint8 reason, bytes32 evidence) private {
        checkReason(reason);
        Device storage device = devices[id];
        requireAlive(id, device.status);
        device.held = Status.None;
        change(id, device, to, reason, evidence);
    }

    function change(bytes32 id, Device storage device, Status to, uint8 reason, bytes32 evidence) private {
        Status from = device.status;
        device.status = to;
        touch(device);
        emit StatusChanged(id, from, to, reason, evidence, device.seq);
    }

    function touch(Device storage device) private {
        device.seq += 1;
        device.updatedAt = uint40(block.timestamp);
    }

    function requireAlive(bytes32 id, Status status) private pure {
        if (status == Status.None || status >= Status.Revoked) revert WrongState(id, status);
    }

    /// @dev CRLReason of RFC 5280 clause 5.3.1: 0 to 10, and 7 is not used.
    function checkReason(uint8 reason) private pure {
        if (reason > 10 || reason == 7) revert BadReason(reason);
    }

    /// @dev P256VERIFY answers 32 bytes with value 1 for a valid signature and nothing at all otherwise.
    function signed(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y) private view returns (bool) {
        (bool ok, bytes memory answer) = address(0x100).staticcall(abi.encodePacked(digest, r, s, x, y));
        return ok && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    /// @dev A proposal ends with the office of who made it.
    function checkProposal(address account, uint256 roles) private view {
        Proposal storage proposal = proposalOf[account];
        if (proposal.roles != roles || rolesOf[proposal.by] & ADMIN == 0) revert NoProposal(account, roles);
    }

    function settle(address account, uint256 roles) private {
        delete proposalOf[account];
        setRoles(account, roles, 0);
    }

    function add(address account, uint256 role) private {
        if (account == address(0)) revert BadRoles(account, role);
        setRoles(account, rolesOf[account] | role, 0);
    }

    function setRoles(address account, uint256 to, uint8 reason) private {
        uint256 from = rolesOf[account];
        rolesOf[account] = to;
        if (to & ~from & ADMIN != 0) admins += 1;
        if (from & ~to & ADMIN != 0) {
            if (admins == 1) revert LastOfRole(ADMIN);
            admins -= 1;
        }
        if (to & ~from & VALIDATOR != 0) {
            validatorList.push(account);
            placeOfValidator[account] = validatorList.length;
        }
        if (from & ~to & VALIDATOR != 0) removeValidator(account);
        emit RolesChanged(account, from, to, msg.sender, reason);
    }

    function removeValidator(address account) private {
        uint256 last = validatorList.length;
        if (last == 1) revert LastOfRole(VALIDATOR);
        uint256 place = placeOfValidator[account];
        address moved = validatorList[last - 1];
        validatorList[place - 1] = moved;
        placeOfValidator[moved] = place;
        delete placeOfValidator[account];
        validatorList.pop();
    }
}
