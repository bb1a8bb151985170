//! What became of an eUICC package, signed by the eUICC (SGP.32 clause 2.11.2.1).

use super::super::fields::{Fields, int, tlv};
use super::super::{RspError, Signature};
use super::configuration::EimIdType;
use super::{any_raw, eim_id, optional_bytes, optional_id};

/// The operations whose result is one number, with the tag of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Operation {
    /// `enableResult`.
    Enable = 0x83,
    /// `disableResult`.
    Disable = 0x84,
    /// `deleteResult`.
    Delete = 0x85,
    /// `configureImmediateEnableResult`.
    ConfigureImmediateEnable = 0x87,
    /// `deleteEimResult`.
    DeleteEim = 0x89,
    /// `updateEimResult`.
    UpdateEim = 0x8a,
    /// `rollbackResult`: of ES10b.ProfileRollback, which no package orders.
    Rollback = 0x8c,
    /// `setFallbackAttributeResult`.
    SetFallbackAttribute = 0x8d,
    /// `unsetFallbackAttributeResult`.
    UnsetFallbackAttribute = 0x8e,
    /// `processingTerminated`: nothing behind it was done.
    Terminated = 0x02,
    /// `setDefaultDpAddressResult`, whose code stands under `80` inside.
    SetDefaultDpAddress = 0xbf65,
}

impl Operation {
    const ALL: [Self; 11] = [
        Self::Enable,
        Self::Disable,
        Self::Delete,
        Self::ConfigureImmediateEnable,
        Self::DeleteEim,
        Self::UpdateEim,
        Self::Rollback,
        Self::SetFallbackAttribute,
        Self::UnsetFallbackAttribute,
        Self::Terminated,
        Self::SetDefaultDpAddress,
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::ConfigureImmediateEnable => "configureImmediateEnable",
            Self::DeleteEim => "deleteEim",
            Self::UpdateEim => "updateEim",
            Self::Rollback => "rollback",
            Self::SetFallbackAttribute => "setFallbackAttribute",
            Self::UnsetFallbackAttribute => "unsetFallbackAttribute",
            Self::Terminated => "processing terminated",
            Self::SetDefaultDpAddress => "setDefaultDpAddress",
        }
    }

    /// What `code` means, as a stable word.
    pub fn word(self, code: u64) -> &'static str {
        use Operation as O;
        match (self, code) {
            (O::Terminated, 1) => "result-size-overflow",
            (O::Terminated, 2) => "unknown-or-damaged-command",
            (O::Terminated, 3) => "interruption",
            (_, 0) => "ok",
            (O::Enable | O::Disable | O::Delete | O::SetFallbackAttribute, 1) => "iccid-or-aid-not-found",
            (O::Enable | O::Delete, 2) => "profile-not-in-disabled-state",
            (O::Disable, 2) => "profile-not-in-enabled-state",
            (O::Enable | O::Disable | O::Delete, 3) => "disallowed-by-policy",
            (O::Enable | O::Disable, 5) => "cat-busy",
            (O::Enable | O::Delete, 20) => "rollback-not-available",
            (O::Delete, 21) => "return-fallback-profile",
            (O::ConfigureImmediateEnable, 1) => "insufficient-memory",
            (O::DeleteEim | O::UpdateEim, 1) => "eim-not-found",
            (O::DeleteEim, 2) => "last-eim-deleted",
            (O::UpdateEim, 3) => "ci-pk-unknown",
            (O::UpdateEim, 6) => "counter-value-out-of-range",
            (O::SetFallbackAttribute, 2) => "fallback-not-allowed",
            (O::UnsetFallbackAttribute, 2) => "no-fallback-attribute",
            (O::SetFallbackAttribute | O::UnsetFallbackAttribute, 3) => "fallback-profile-enabled",
            (O::ConfigureImmediateEnable | O::DeleteEim | O::UpdateEim | O::UnsetFallbackAttribute, 7) => {
                "command-error"
            }
            _ => "undefined-error",
        }
    }
}

/// The result of addEim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddEimResult {
    /// Added, with the token that every signature from now on covers.
    Token(u64),
    /// ok (0), insufficientMemory (1), associatedEimAlreadyExists (2), ciPKUnknown (3), invalidAssociationToken
    /// (5), counterValueOutOfRange (6), commandError (7), undefinedError (127).
    Code(u64),
}

/// One eIM in the result of listEim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EimIdInfo {
    /// `eimId`, tag `80`: 1 to 128 bytes.
    pub eim_id: String,
    /// `eimIdType`, tag `82`: there for an OID and for an FQDN, not for what is proprietary.
    pub id_type: Option<EimIdType>,
}

/// The result of listEim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEimResult {
    /// `eimIdList`, tag `A0`.
    Ok(Vec<EimIdInfo>),
    /// `listEimError`, tag `81`: undefinedError (127).
    Error(u64),
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EuiccResultData {
    /// A number for the operation; [`Operation::word`] says what it means.
    Code(Operation, u64),
    /// The response of GetProfilesInfo, `BF2D`, as it was received.
    ListProfileInfo(Vec<u8>),
    /// The content of the RulesAuthorisationTable.
    Rat(Vec<u8>),
    /// `addEimResult`, tag `A8`.
    AddEim(AddEimResult),
    /// `listEimResult`, tag `AB`.
    ListEim(ListEimResult),
}

impl EuiccResultData {
    fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::of("EuiccResultData", raw);
        let tag = f.peek().ok_or_else(|| f.wrong("EuiccResultData", "its tag is cut off"))?;
        Ok(match tag {
            0xbf2d => Self::ListProfileInfo(raw.to_vec()),
            0xa6 => Self::Rat(f.take(tag, "getRATResult")?.to_vec()),
            0xa8 => {
                let mut f = f.nested(tag, "addEimResult")?;
                Self::AddEim(match f.peek() {
                    Some(0x84) => AddEimResult::Token(f.integer(0x84, "associationToken")?),
                    _ => AddEimResult::Code(f.integer(0x02, "addEimResultCode")?),
                })
            }
            0xab => Self::ListEim(read_eim_list(f.nested(tag, "listEimResult")?)?),
            0xbf65 => {
                let code = f.nested(tag, "setDefaultDpAddressResult")?.integer(0x80, "result")?;
                Self::Code(Operation::SetDefaultDpAddress, code)
            }
            tag => {
                let operation = Operation::ALL.into_iter().find(|operation| *operation as u16 == tag);
                let unknown = f.wrong("EuiccResultData", "no operation has such a result");
                Self::Code(operation.ok_or(unknown)?, f.integer(tag, "result")?)
            }
        })
    }

    /// The result with the tag of its operation.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Code(Operation::SetDefaultDpAddress, code) => tlv(0xbf65, &[&int(0x80, *code)]),
            Self::Code(operation, code) => int(*operation as u16, *code),
            Self::ListProfileInfo(raw) => raw.clone(),
            Self::Rat(table) => tlv(0xa6, &[table]),
            Self::AddEim(AddEimResult::Token(token)) => tlv(0xa8, &[&int(0x84, *token)]),
            Self::AddEim(AddEimResult::Code(code)) => tlv(0xa8, &[&int(0x02, *code)]),
            Self::ListEim(ListEimResult::Error(code)) => tlv(0xab, &[&int(0x81, *code)]),
            Self::ListEim(ListEimResult::Ok(list)) => {
                let one = |info: &EimIdInfo| {
                    let kind = info.id_type.map(|kind| int(0x82, kind as u64)).unwrap_or_default();
                    tlv(0x30, &[&tlv(0x80, &[info.eim_id.as_bytes()]), &kind])
                };
                tlv(0xab, &[&tlv(0xa0, &[&list.iter().flat_map(one).collect::<Vec<u8>>()])])
            }
        }
    }

    /// Whether the operation was done.
    pub fn is_ok(&self) -> bool {
        match self {
            Self::Code(Operation::Terminated, _) => false,
            Self::Code(_, code) | Self::AddEim(AddEimResult::Code(code)) => *code == 0,
            Self::ListEim(list) => matches!(list, ListEimResult::Ok(_)),
            Self::ListProfileInfo(raw) => super::super::parse_profile_list(raw).is_ok(),
            Self::Rat(_) | Self::AddEim(AddEimResult::Token(_)) => true,
        }
    }
}

fn read_eim_list(mut f: Fields<'_>) -> Result<ListEimResult, RspError> {
    if f.peek() == Some(0x81) {
        return f.integer(0x81, "listEimError").map(ListEimResult::Error);
    }
    let mut list = f.nested(0xa0, "eimIdList")?;
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut f = list.nested(0x30, "EimIdInfo")?;
        let eim_id = eim_id(&mut f)?;
        // v1.0 has the type under 84.
        let id_type = EimIdType::read(&mut f, 0x82)?.or(EimIdType::read(&mut f, 0x84)?);
        out.push(EimIdInfo { eim_id, id_type });
    }
    Ok(ListEimResult::Ok(out))
}

/// What an eUICC signs of a package that it has executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccPackageResultData {
    /// `eimId`, tag `80`, of the eIM that ordered the package.
    pub eim_id: String,
    /// `counterValue`, tag `81`, of the package.
    pub counter: u64,
    /// `eimTransactionId`, tag `82`, of the package, where it had one: 1 to 16 bytes.
    pub transaction_id: Option<Vec<u8>>,
    /// By which the eIM acknowledges the result.
    pub sequence_number: u64,
    /// `euiccResult`: one result for each operation that was tried, in the package's order.
    pub results: Vec<EuiccResultData>,
}

impl EuiccPackageResultData {
    /// Reads `euiccPackageResultDataSigned`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccPackageResultDataSigned", 0x30, raw)?;
        let eim_id = eim_id(&mut f)?;
        let counter = f.integer(0x81, "counterValue")?;
        let transaction_id = optional_id(&mut f, 0x82)?;
        let sequence_number = f.integer(0x83, "seqNumber")?;
        let mut list = f.nested(0x30, "euiccResult")?;
        let mut results = Vec::new();
        while !list.is_empty() {
            results.push(EuiccResultData::parse(any_raw(&mut list, "EuiccResultData")?)?);
        }
        Ok(Self { eim_id, counter, transaction_id, sequence_number, results })
    }

    /// `euiccPackageResultDataSigned` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let results: Vec<u8> = self.results.iter().flat_map(EuiccResultData::to_bytes).collect();
        tlv(
            0x30,
            &[
                &tlv(0x80, &[self.eim_id.as_bytes()]),
                &int(0x81, self.counter),
                &optional_bytes(0x82, self.transaction_id.as_deref()),
                &int(0x83, self.sequence_number),
                &tlv(0x30, &[&results]),
            ],
        )
    }
}

/// What an eUICC signs of a package that it has refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EuiccPackageErrorData {
    /// `eimId`, tag `80`, of the eIM that ordered the package.
    pub eim_id: String,
    /// `counterValue`, tag `81`, of the package.
    pub counter: u64,
    /// `eimTransactionId`, tag `82`, of the package, where it had one: 1 to 16 bytes.
    pub transaction_id: Option<Vec<u8>>,
    /// invalidEid (3), replayError (4), counterValueOutOfRange (6), sizeOverflow (15), ecallActive (104),
    /// undefinedError (127).
    pub code: u64,
}

/// What the code of a refused package means, as a stable word.
pub fn package_error_name(code: u64) -> &'static str {
    match code {
        3 => "invalid-eid",
        4 => "replay-error",
        6 => "counter-value-out-of-range",
        15 => "size-overflow",
        104 => "ecall-active",
        _ => "undefined-error",
    }
}

impl EuiccPackageErrorData {
    /// Reads `euiccPackageErrorDataSigned`, the SEQUENCE.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccPackageErrorDataSigned", 0x30, raw)?;
        Ok(Self {
            eim_id: eim_id(&mut f)?,
            counter: f.integer(0x81, "counterValue")?,
            transaction_id: optional_id(&mut f, 0x82)?,
            code: f.integer(0x02, "euiccPackageErrorCode")?,
        })
    }

    /// `euiccPackageErrorDataSigned` as it is signed and sent, the SEQUENCE `30`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let id = optional_bytes(0x82, self.transaction_id.as_deref());
        let eim_id = tlv(0x80, &[self.eim_id.as_bytes()]);
        tlv(0x30, &[&eim_id, &int(0x81, self.counter), &id, &int(0x02, self.code)])
    }
}

/// The response of ES10b.LoadEuiccPackage, `BF51`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EuiccPackageResult {
    /// `euiccPackageResultSigned`, tag `A0`: the package was executed.
    Signed {
        /// [`EuiccPackageResultData`] as it was received.
        data: Vec<u8>,
        /// Over [`super::with_token`] of it.
        signature: Signature,
    },
    /// `euiccPackageErrorSigned`, tag `A1`: the package was verified, and refused.
    ErrorSigned {
        /// [`EuiccPackageErrorData`] as it was received.
        data: Vec<u8>,
        /// Over [`super::with_token`] of it.
        signature: Signature,
    },
    /// The package could not be verified: the eIM is not known, or the signature is not its own.
    ErrorUnsigned {
        /// `eimId`, tag `80`, as the package names it.
        eim_id: String,
        /// `eimTransactionId`, tag `82`, as the package names it: 1 to 16 bytes.
        transaction_id: Option<Vec<u8>>,
        /// `associationToken`, tag `84`, that the eUICC holds for this eIM, where it knows it.
        association_token: Option<u64>,
        /// sizeOverflow (15), undefinedError (127).
        code: Option<u64>,
    },
}

impl EuiccPackageResult {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccPackageResult", 0xbf51, bytes)?;
        match f.peek() {
            Some(0xa1) => {
                let mut f = f.nested(0xa1, "euiccPackageErrorSigned")?;
                let data = f.take_raw(0x30, "euiccPackageErrorDataSigned")?.to_vec();
                Ok(Self::ErrorSigned { data, signature: f.array(0x5f37, "euiccSignEPE")? })
            }
            Some(0xa2) => {
                let mut f = f.nested(0xa2, "euiccPackageErrorUnsigned")?;
                Ok(Self::ErrorUnsigned {
                    eim_id: eim_id(&mut f)?,
                    transaction_id: optional_id(&mut f, 0x82)?,
                    association_token: f.optional_integer(0x84, "associationToken")?,
                    code: f.optional_integer(0x8f, "euiccPackageUnsignedErrorCode")?,
                })
            }
            _ => {
                let mut f = f.nested(0xa0, "euiccPackageResultSigned")?;
                let data = f.take_raw(0x30, "euiccPackageResultDataSigned")?.to_vec();
                Ok(Self::Signed { data, signature: f.array(0x5f37, "euiccSignEPR")? })
            }
        }
    }

    /// The whole response, `BF51`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = match self {
            Self::Signed { data, signature } => tlv(0xa0, &[data, &tlv(0x5f37, &[signature])]),
            Self::ErrorSigned { data, signature } => tlv(0xa1, &[data, &tlv(0x5f37, &[signature])]),
            Self::ErrorUnsigned { eim_id, transaction_id, association_token, code } => {
                let number = |tag, number: &Option<u64>| number.map(|n| int(tag, n)).unwrap_or_default();
                let id = optional_bytes(0x82, transaction_id.as_deref());
                let eim_id = tlv(0x80, &[eim_id.as_bytes()]);
                tlv(0xa2, &[&eim_id, &id, &number(0x84, association_token), &number(0x8f, code)])
            }
        };
        tlv(0xbf51, &[&body])
    }
}
