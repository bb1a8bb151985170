//! LoadBoundProfilePackage (SGP.22 clauses 2.5.3 to 2.5.6, 5.5 and 5.7.6): the pieces of a bound profile package, one
//! command each, are opened as they come; the profile is installed when the last one is there.

use super::Euicc;
use super::es10::{Answer, Failed};
use super::events::EuiccRefusal;
use super::memory::Installing;
use super::package;
use super::slots::{Aid, Slot, Source, digits};
use crate::crypto::bsp::{Bsp, BspError, SessionKeys};
use crate::crypto::rsp_cert::RspKey;
use crate::wire::StatusWord;
use crate::wire::rsp::{
    BppCommand, ConfigureIsdp, Fields, FinalResult, InitialiseSecureChannel, InstallError,
    NotificationEvents, PolicyRules, ProfileClass, ProfileInstallationResultData, ProfileMetadata,
    ReplaceSessionKeys, RspError,
};
use crate::wire::tlv;

const LOAD: &str = "ES10b.LoadBoundProfilePackage";
/// Tag of `fallbackAllowed` in the metadata (SGP.32 v1.2).
const FALLBACK_ALLOWED: u16 = 0x9f67;
/// AES with keys of 16 bytes.
const KEY_LENGTH: u8 = 16;

/// A package that is being loaded.
pub(super) struct Loading {
    stage: Stage,
    /// Bytes of the sequence of segments that are still to come; none between sequences.
    left: Option<usize>,
    bsp: Bsp,
    /// What the segments of the sequence held.
    plain: Vec<u8>,
    /// The fields of `dpProprietaryData`.
    proprietary: Option<Vec<u8>>,
    metadata: Option<ProfileMetadata>,
    /// What SGP.32 adds to the metadata.
    fallback_allowed: bool,
    key: RspKey,
    free_bytes: usize,
}

/// Which sequence is under way or next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    ConfigureIsdp,
    StoreMetadata,
    /// After the metadata: keys or the profile.
    Either,
    ReplaceKeys,
    Profile,
}

impl Stage {
    /// The stage that the sequence with `tag` opens.
    fn opened_by(self, tag: u16) -> Option<Self> {
        match (self, tag) {
            (Self::ConfigureIsdp, 0xa0) => Some(Self::ConfigureIsdp),
            (Self::StoreMetadata, 0xa1) => Some(Self::StoreMetadata),
            (Self::Either, 0xa2) => Some(Self::ReplaceKeys),
            (Self::Either | Self::Profile, 0xa3) => Some(Self::Profile),
            _ => None,
        }
    }

    /// Tag of its segments.
    fn segment(self) -> u8 {
        match self {
            Self::ConfigureIsdp | Self::ReplaceKeys => 0x87,
            Self::StoreMetadata => 0x88,
            Self::Either | Self::Profile => 0x86,
        }
    }

    fn command(self) -> BppCommand {
        match self {
            Self::ConfigureIsdp => BppCommand::ConfigureIsdp,
            Self::StoreMetadata => BppCommand::StoreMetadata,
            Self::ReplaceKeys => BppCommand::ReplaceSessionKeys,
            Self::Either | Self::Profile => BppCommand::LoadProfileElements,
        }
    }
}

/// Why a package is not installed.
struct LoadError {
    command: BppCommand,
    refusal: EuiccRefusal,
    /// `EUICCResponse` where a profile element is at fault.
    response: Option<Vec<u8>>,
}

/// What a piece makes: at the end the ISD-P and its `EUICCResponse`.
type Loaded = Result<Option<(Aid, Vec<u8>)>, LoadError>;

fn refusal(reason: InstallError, name: &'static str, text: impl Into<String>) -> EuiccRefusal {
    EuiccRefusal::new(reason as u64, name, text)
}

fn at(command: BppCommand) -> impl Fn(EuiccRefusal) -> LoadError {
    move |refusal| LoadError { command, refusal, response: None }
}

fn malformed(error: RspError) -> EuiccRefusal {
    refusal(InstallError::IncorrectInputValues, "command-malformed", error.to_string())
}

fn structure(text: impl Into<String>) -> EuiccRefusal {
    refusal(InstallError::Scp03tStructureError, "segment-malformed", text)
}

impl Euicc {
    /// ES10b.LoadBoundProfilePackage: one piece. There is no response before the last piece or an error.
    pub(super) fn load_package(&mut self, bytes: &[u8]) -> Answer {
        let begins = tlv::header(bytes).is_ok_and(|(tag, ..)| tag == 0xbf36);
        let loaded = match (begins, self.loading.take()) {
            (false, Some(loading)) => self.feed(loading, bytes),
            (true, None) => self.begin_load(bytes)?,
            (true, Some(loading)) => Err(at(loading.stage.command())(refusal(
                InstallError::Interruption,
                "installation-interrupted",
                "another package begins before this one is complete",
            ))),
            (false, None) => return Err(Failed::Status(StatusWord::CONDITIONS_NOT_SATISFIED)),
        };
        match loaded {
            Ok(Some((aid, response))) => Ok(self.installed_result(aid, response)),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Ok(self.failed_result(error)),
        }
    }

    /// The first piece: the header of the package and InitialiseSecureChannel.
    fn begin_load(&mut self, bytes: &[u8]) -> Result<Loaded, Failed> {
        let Some(session) = &mut self.session else { return Err(self.no_session()) };
        let Some(prepared) = session.prepared.take() else { return Err(self.no_session()) };
        let transaction_id = session.transaction_id.clone();
        let (server_address, smdp_oid) = (session.server_address.clone(), session.oid());
        self.memory.installing = Some(Installing { transaction_id, server_address, smdp_oid, iccid: None });
        self.changed();
        let key = prepared.key.clone();
        let (_, _, value) = tlv::header(bytes).unwrap_or((0, 0, &[]));
        let mut fields = Fields::of("BoundProfilePackage", value);
        let begun = fields
            .take_raw(0xbf23, "initialiseSecureChannelRequest")
            .map_err(malformed)
            .and_then(|raw| self.secure_channel(raw, &prepared))
            .map_err(at(BppCommand::InitialiseSecureChannel));
        Ok(match begun {
            Err(error) => {
                self.forget_key(&key);
                Err(error)
            }
            Ok(bsp) => {
                let loading = Loading {
                    stage: Stage::ConfigureIsdp,
                    left: None,
                    bsp,
                    plain: Vec::new(),
                    proprietary: None,
                    metadata: None,
                    fallback_allowed: false,
                    key,
                    free_bytes: self.free_bytes(),
                };
                self.feed(loading, fields.rest())
            }
        })
    }

    fn no_session(&mut self) -> Failed {
        let text = "no download was prepared in this session";
        self.refuse(LOAD, EuiccRefusal::new(0x6985, "no-session", text));
        Failed::Status(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    /// ES8+.InitialiseSecureChannel (SGP.22 clause 5.5.1).
    fn secure_channel(&self, raw: &[u8], prepared: &super::session::Prepared) -> Result<Bsp, EuiccRefusal> {
        let request = InitialiseSecureChannel::parse(raw).map_err(malformed)?;
        let session_id = self.session.as_ref().map(|session| session.transaction_id.as_slice());
        if request.operation != InitialiseSecureChannel::INSTALL {
            let text = format!("remote operation {} is none of this eUICC", request.operation);
            return Err(refusal(InstallError::UnsupportedRemoteOperationType, "operation-unsupported", text));
        }
        if session_id != Some(&request.transaction_id) {
            let text = "the package is of another transaction than the session";
            return Err(refusal(InstallError::InvalidTransactionId, "transaction-mismatch", text));
        }
        if (request.key_type, request.key_length) != (InitialiseSecureChannel::AES, KEY_LENGTH) {
            let text = format!("key type {:02X} of {} bytes", request.key_type, request.key_length);
            return Err(refusal(InstallError::UnsupportedCrtValues, "keys-unsupported", text));
        }
        let signed = request.signed(&prepared.key.public().uncompressed());
        prepared.certificate.public().verify(&signed, &request.smdp_sign, &self.tally).map_err(|_| {
            refusal(InstallError::InvalidSignature, "signature-invalid", "smdpSign does not verify")
        })?;
        let shared = Self::agree(&prepared.key, &request.smdp_otpk)
            .map_err(|error| refusal(InstallError::IncorrectInputValues, "key-invalid", error.to_string()))?;
        let keys =
            SessionKeys::derive(&shared, request.key_type, request.key_length, &request.host_id, &self.eid);
        Ok(Bsp::new(&keys))
    }

    /// Takes what one piece holds: headers of sequences and whole segments.
    fn feed(&mut self, mut loading: Loading, bytes: &[u8]) -> Loaded {
        let key = loading.key.clone();
        let fed = self.take_objects(&mut loading, bytes);
        match &fed {
            Ok(None) => self.loading = Some(loading),
            Ok(Some(_)) | Err(_) => self.forget_key(&key),
        }
        fed
    }

    fn take_objects(&mut self, loading: &mut Loading, mut rest: &[u8]) -> Loaded {
        while let Some(first) = rest.first() {
            let fail = at(loading.stage.command());
            let (tag, length, value) = tlv::header(rest).map_err(|e| fail(structure(e.to_string())))?;
            let Some(left) = loading.left else {
                let Some(stage) = loading.stage.opened_by(tag) else {
                    return Err(fail(structure(format!("tag {tag:02X} is not what comes next"))));
                };
                (loading.stage, loading.left) = (stage, Some(length));
                loading.plain.clear();
                rest = value;
                continue;
            };
            let object = rest.len() - value.len() + length;
            if tag != u16::from(loading.stage.segment()) || value.len() < length || object > left {
                let text =
                    format!("the segment that begins with {first:02X} is cut off or of another sequence");
                return Err(fail(structure(text)));
            }
            loading.open(*first, &value[..length]).map_err(&fail)?;
            rest = &value[length..];
            loading.left = Some(left - object);
            if loading.left == Some(0) {
                loading.left = None;
                if let Some(installed) = self.sequence_complete(loading)? {
                    return Ok(Some(installed));
                }
            }
        }
        Ok(None)
    }

    /// What a complete sequence of segments does.
    fn sequence_complete(&mut self, loading: &mut Loading) -> Loaded {
        let fail = at(loading.stage.command());
        loading.stage = match loading.stage {
            Stage::ConfigureIsdp => {
                loading.proprietary = self.configure_isdp(&loading.plain).map_err(fail)?;
                Stage::StoreMetadata
            }
            Stage::StoreMetadata => {
                loading.metadata = Some(self.store_metadata(&loading.plain).map_err(fail)?);
                loading.fallback_allowed = tlv::find(&loading.plain, 0xbf25)
                    .and_then(|fields| tlv::find(fields, FALLBACK_ALLOWED))
                    .is_ok_and(|value| value.first().is_some_and(|flag| *flag != 0));
                Stage::Either
            }
            Stage::ReplaceKeys => {
                let keys = ReplaceSessionKeys::parse(&loading.plain).map_err(malformed).map_err(fail)?;
                loading.bsp = Bsp::new(&SessionKeys {
                    mac_chaining_value: keys.initial_mac_chaining_value,
                    enc: keys.ppk_enc,
                    mac: keys.ppk_cmac,
                });
                Stage::Profile
            }
            Stage::Either | Stage::Profile => return self.install(loading).map(Some),
        };
        Ok(None)
    }

    /// ES8+.ConfigureISDP (SGP.22 clause 5.5.2). Returns the fields of `dpProprietaryData`.
    fn configure_isdp(&self, plain: &[u8]) -> Result<Option<Vec<u8>>, EuiccRefusal> {
        let Some(data) = ConfigureIsdp::parse(plain).map_err(malformed)?.proprietary else {
            return Ok(None);
        };
        if self.memory.installing.as_ref().is_none_or(|installing| installing.smdp_oid != data.dp_oid) {
            let text = "dpOid is not that of the SM-DP+ of the session";
            return Err(refusal(InstallError::IncorrectInputValues, "oid-mismatch", text));
        }
        let fields = data.fields();
        if fields.len() > 126 {
            let text = format!("dpProprietaryData has {} bytes, 126 are possible", fields.len());
            return Err(refusal(InstallError::IncorrectInputValues, "data-too-long", text));
        }
        Ok(Some(fields))
    }

    /// ES8+.StoreMetadata (SGP.22 clause 5.5.3).
    fn store_metadata(&mut self, plain: &[u8]) -> Result<ProfileMetadata, EuiccRefusal> {
        let metadata = ProfileMetadata::parse(plain).map_err(malformed)?;
        if let Some(installing) = &mut self.memory.installing {
            installing.iccid = Some(metadata.iccid);
            self.changed();
        }
        self.check_new(&metadata)?;
        Ok(metadata)
    }

    /// Whether a profile with this metadata may come onto the eUICC.
    pub(super) fn check_new(&self, metadata: &ProfileMetadata) -> Result<(), EuiccRefusal> {
        if self.memory.slots.iter().any(|slot| slot.metadata.iccid == metadata.iccid) {
            let text = format!("a profile with ICCID {} is installed", digits(&metadata.iccid));
            return Err(refusal(InstallError::IccidAlreadyExists, "iccid-exists", text));
        }
        if metadata.rules.is_empty() {
            return Ok(());
        }
        if metadata.class == ProfileClass::Test {
            let text = "a test profile has no policy rules";
            return Err(refusal(InstallError::PprNotAllowed, "policy-rule-not-allowed", text));
        }
        self.rules_allowed(metadata.rules, metadata.owner.as_ref())?;
        let operational = |slot: &Slot| slot.metadata.class == ProfileClass::Operational;
        if metadata.rules.contains(PolicyRules::PPR1) && self.memory.slots.iter().any(operational) {
            let text = "PPR1 is possible only while no other operational profile is installed";
            return Err(refusal(InstallError::PprNotAllowed, "policy-rule-not-allowed", text));
        }
        Ok(())
    }

    /// Installs the profile: everything of it was verified.
    fn install(&mut self, loading: &mut Loading) -> Result<(Aid, Vec<u8>), LoadError> {
        let fail = at(BppCommand::LoadProfileElements);
        let plain = std::mem::take(&mut loading.plain);
        let Some(metadata) = loading.metadata.take() else {
            return Err(fail(structure("the package has no metadata")));
        };
        let number = self.memory.installs + 1;
        let made = self.made_from(&plain, number).map_err(|error| LoadError {
            command: BppCommand::LoadProfileElements,
            refusal: refusal(InstallError::PeProcessingError, "profile-element-refused", error.to_string()),
            response: Some(package::refused_response(&error)),
        })?;
        if made.iccid != metadata.iccid {
            let text = format!(
                "the profile has ICCID {}, its metadata {}",
                digits(&made.iccid),
                digits(&metadata.iccid)
            );
            return Err(fail(refusal(InstallError::IccidMismatch, "iccid-mismatch", text)));
        }
        made.identity.check(metadata.rules, metadata.owner.as_ref()).map_err(&fail)?;
        if metadata.class == ProfileClass::Test && !made.test_keys {
            let text = "a test profile may authenticate with the test algorithm or published test keys only";
            return Err(fail(refusal(InstallError::TestProfileInvalidNaaKey, "test-key-invalid", text)));
        }
        let aid = self.memory.free_aid();
        self.memory.installs = number;
        self.memory.slots.push(Slot {
            aid,
            nickname: None,
            proprietary: loading.proprietary.take(),
            source: Source::Package { number, package: plain },
            downloaded: true,
            fallback_allowed: loading.fallback_allowed,
            profile: Some(Box::new(made.profile)),
            unusable: None,
            metadata,
        });
        self.changed();
        Ok((aid, made.response))
    }

    fn installed_result(&mut self, aid: Aid, sima_response: Vec<u8>) -> Vec<u8> {
        let metadata = self.memory.slot(&aid).map(|slot| slot.metadata.clone());
        let name = metadata.as_ref().map(|metadata| metadata.name.clone()).unwrap_or_default();
        let session = self.session.take();
        let oid = session.as_ref().map(super::session::Session::oid).unwrap_or_default();
        let server = session.map(|session| session.server_address).unwrap_or_default();
        self.just_installed = Some((aid, oid, server.clone()));
        let result = self.record_result(FinalResult::Success { aid: aid.to_vec(), sima_response });
        // The SM-DP+ that has the result needs no second notification of the same.
        if let Some(metadata) = metadata {
            self.notify(&metadata, NotificationEvents::INSTALL, Some(&server));
        }
        self.tell(LOAD, "profile-installed", format!("{name:?} is installed and disabled"));
        result
    }

    fn failed_result(&mut self, error: LoadError) -> Vec<u8> {
        let LoadError { command, refusal, response } = error;
        self.session = None;
        let reason = self.refuse(LOAD, refusal);
        self.record_result(FinalResult::Error { command: command as u64, reason, sima_response: response })
    }

    /// Gives the result that an interrupted installation owes its SM-DP+.
    pub(super) fn record_interruption(&mut self, why: &str) {
        if self.memory.installing.is_some() {
            let text = format!("the installation was interrupted: {why}");
            let reason =
                self.refuse(LOAD, refusal(InstallError::Interruption, "installation-interrupted", text));
            let command = BppCommand::LoadProfileElements as u64;
            self.record_result(FinalResult::Error { command, reason, sima_response: None });
        }
    }

    /// Signs and keeps the result of the installation under way.
    fn record_result(&mut self, result: FinalResult) -> Vec<u8> {
        let Some(installing) = self.memory.installing.take() else { return Vec::new() };
        let notification =
            self.next_notification(NotificationEvents::INSTALL, installing.server_address, installing.iccid);
        let data = ProfileInstallationResultData {
            transaction_id: installing.transaction_id,
            notification,
            smdp_oid: Some(installing.smdp_oid),
            result,
        };
        self.keep_installation_result(&data)
    }
}

impl Loading {
    /// Opens one segment of the sequence under way.
    fn open(&mut self, tag: u8, value: &[u8]) -> Result<(), EuiccRefusal> {
        let opened = match self.stage {
            Stage::StoreMetadata => self.bsp.verify(tag, value),
            _ => self.bsp.open(tag, value),
        };
        let payload = opened.map_err(|error| match error {
            BspError::Mac => {
                refusal(InstallError::Scp03tSecurityError, "segment-mac-invalid", error.to_string())
            }
            other => structure(other.to_string()),
        })?;
        if self.plain.len() + payload.len() > self.free_bytes {
            let text = format!("the profile needs more than the {} bytes that are free", self.free_bytes);
            return Err(refusal(InstallError::InsufficientMemory, "memory-insufficient", text));
        }
        self.plain.extend_from_slice(&payload);
        Ok(())
    }
}
