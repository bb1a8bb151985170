//! ES10a, ES10b and ES10c: the functions of the ISD-R, carried by STORE DATA on a logical channel (SGP.22 clauses
//! 5.7.1 and 5.7.2; SGP.32 clause 5.9).

use super::error::LpaError;
use super::policy::PolicyTable;
use crate::card::CardSlot;
use crate::wire::rsp::iot::{
    self, AddInitialEim, AddInitialEimResponse, Certificates, EimConfigurationData,
    ImmediateEnableConfiguration, MemoryReset, MemoryResetOptions, ProfileRollback, Retrieved,
};
use crate::wire::rsp::{
    AuthenticateServerRequest, CancelSessionRequest, ConfiguredAddresses, EidBytes, EuiccInfo1, EuiccInfo2,
    Fields, IccidBytes, ListNotificationRequest, NotificationMetadata, PrepareDownloadRequest, ProfileFilter,
    ProfileInfo, RetrieveNotifications, Switch, SwitchKind, challenge_request, notification_sent,
    parse_challenge_response, parse_notification_list, parse_profile_list, parse_result, tlv,
};
use crate::wire::{Command, StatusWord};

/// AID of the ISD-R (SGP.22 annex H).
const ISD_R: [u8; 16] =
    [0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89, 0x00, 0x00, 0x01, 0x00];
/// The device speaks to the eUICC through an LPA of its own (TS 102 221 clause 11.1.19; SGP.22 clause 3.4.2).
const TERMINAL_CAPABILITY: [u8; 5] = [0xa9, 0x03, 0x83, 0x01, 0x07];
const MORE_BLOCKS: u8 = 0x11;
const LAST_BLOCK: u8 = 0x91;
/// What one chain of STORE DATA can carry: the block number is one byte.
const BLOCKS_MAX: usize = 256;

/// The logical channel on which the ISD-R is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    number: u8,
    /// How much one STORE DATA carries, 1 to 255 bytes.
    block: u8,
}

impl Channel {
    /// The same channel with other blocks, of 1 to 255 bytes: some readers and modems do not pass the longest.
    pub fn with_block(self, bytes: u8) -> Self {
        Self { block: bytes.max(1), ..self }
    }
}

/// What ES10c.eUICCMemoryReset resets, as bits (SGP.22 clause 5.7.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetOptions(pub u8);

impl ResetOptions {
    /// Every operational profile is deleted.
    pub const OPERATIONAL_PROFILES: u8 = 0x80;
    /// Test profiles that were downloaded are deleted.
    pub const FIELD_LOADED_TEST_PROFILES: u8 = 0x40;
    /// The address of the default SM-DP+ is as it was delivered.
    pub const DEFAULT_SMDP_ADDRESS: u8 = 0x20;
}

/// The ISD-R of the card in a slot.
pub struct Es10<'a> {
    slot: &'a mut CardSlot,
    channel: Channel,
    refresh_pending: bool,
}

impl<'a> Es10<'a> {
    /// Opens a logical channel and selects the ISD-R on it.
    ///
    /// # Errors
    /// [`LpaError::NoChannel`], [`LpaError::NoEuicc`], [`LpaError::Port`].
    pub fn open(slot: &'a mut CardSlot) -> Result<Self, LpaError> {
        Self::open_at(slot, &ISD_R)
    }

    /// The same where the ISD-R has another AID, as removable eUICCs have.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(slot: &'a mut CardSlot, isd_r: &[u8]) -> Result<Self, LpaError> {
        // A card that does not know the command is none the worse for it.
        exchange(
            slot,
            "TERMINAL CAPABILITY",
            Command::new(0x80, 0xaa, 0, 0).with_data(&TERMINAL_CAPABILITY),
        )?;
        let (data, status) =
            exchange(slot, "MANAGE CHANNEL", Command::new(0x00, 0x70, 0, 0).with_expected(1))?;
        let number = match data[..] {
            [number @ 1..=19] if done(status) => number,
            _ => return Err(LpaError::NoChannel { status }),
        };
        let class = Command::class_on(0x00, number);
        let (_, status) = exchange(slot, "SELECT", Command::new(class, 0xa4, 4, 0).with_data(isd_r))?;
        if !done(status) {
            // What was opened is closed; that the card has no ISD-R is what matters.
            let _ = exchange(slot, "MANAGE CHANNEL", Command::new(0x00, 0x70, 0x80, number));
            return Err(LpaError::NoEuicc { status });
        }
        Ok(Self { slot, channel: Channel { number, block: 255 }, refresh_pending: false })
    }

    /// The ISD-R that was selected on `channel` before, with the card not reset since.
    pub fn attach(slot: &'a mut CardSlot, channel: Channel) -> Self {
        Self { slot, channel, refresh_pending: false }
    }

    /// The same with blocks of at most `bytes`.
    #[must_use]
    pub fn with_block(mut self, bytes: u8) -> Self {
        self.channel = self.channel.with_block(bytes);
        self
    }

    /// To attach to later.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Closes the channel.
    ///
    /// # Errors
    /// [`LpaError::Port`], [`LpaError::Status`].
    pub fn close(self) -> Result<(), LpaError> {
        let close = Command::new(0x00, 0x70, 0x80, self.channel.number);
        let (_, status) = exchange(self.slot, "MANAGE CHANNEL", close)?;
        if done(status) { Ok(()) } else { Err(LpaError::Status { function: "MANAGE CHANNEL", status }) }
    }

    /// Whether a proactive command waits since this was asked last: after a change of profiles, REFRESH.
    pub fn take_refresh_pending(&mut self) -> bool {
        std::mem::take(&mut self.refresh_pending)
    }

    /// Sends one function as a chain of STORE DATA commands, and returns its response.
    ///
    /// # Errors
    /// [`LpaError::Port`], [`LpaError::Status`].
    pub fn call(&mut self, function: &'static str, request: &[u8]) -> Result<Vec<u8>, LpaError> {
        let class = Command::class_on(0x80, self.channel.number);
        let blocks: Vec<&[u8]> = request.chunks(usize::from(self.channel.block)).collect();
        if blocks.len() > BLOCKS_MAX {
            return Err(LpaError::Card(crate::wire::rsp::RspError::Value {
                message: "STORE DATA",
                field: "the chain",
                problem: "it has more than 256 blocks; take longer ones",
            }));
        }
        let mut response = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let p1 = if number + 1 == blocks.len() { LAST_BLOCK } else { MORE_BLOCKS };
            let command = Command::new(class, 0xe2, p1, number as u8).with_data(block);
            let (data, status) = exchange(self.slot, function, command)?;
            if !done(status) {
                return Err(LpaError::Status { function, status });
            }
            self.refresh_pending |= status.0 >> 8 == 0x91;
            response = data;
        }
        Ok(response)
    }

    /// A function whose response is one code under `80`.
    fn coded(
        &mut self,
        function: &'static str,
        request: &[u8],
        word: fn(u64) -> &'static str,
    ) -> Result<(), LpaError> {
        let (tag, ..) = crate::wire::tlv::header(request).unwrap_or_default();
        let response = self.call(function, request)?;
        match parse_result(tag, &response)? {
            0 => Ok(()),
            code => Err(LpaError::Euicc { function, code, word: word(code) }),
        }
    }

    /// ES10a.GetEuiccConfiguredAddresses.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn addresses(&mut self) -> Result<ConfiguredAddresses, LpaError> {
        let response = self.call("GetEuiccConfiguredAddresses", &ConfiguredAddresses::request())?;
        Ok(ConfiguredAddresses::parse(&response)?)
    }

    /// ES10a.SetDefaultDpAddress; empty removes it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn set_default_smdp(&mut self, address: &str) -> Result<(), LpaError> {
        let request = tlv(0xbf3f, &[&tlv(0x80, &[address.as_bytes()])]);
        self.coded("SetDefaultDpAddress", &request, other)
    }

    /// ES10b.GetEUICCChallenge.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn challenge(&mut self) -> Result<[u8; 16], LpaError> {
        let response = self.call("GetEUICCChallenge", &challenge_request())?;
        Ok(parse_challenge_response(&response)?)
    }

    /// EUICCInfo1 of ES10b.GetEUICCInfo, as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn info1(&mut self) -> Result<Vec<u8>, LpaError> {
        let response = self.call("GetEUICCInfo1", &EuiccInfo1::request())?;
        EuiccInfo1::parse(&response)?;
        Ok(response)
    }

    /// EUICCInfo2 of ES10b.GetEUICCInfo, as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn info2(&mut self) -> Result<Vec<u8>, LpaError> {
        let response = self.call("GetEUICCInfo2", &EuiccInfo2::request())?;
        EuiccInfo2::parse(&response)?;
        Ok(response)
    }

    /// ES10b.AuthenticateServer; the response as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn authenticate_server(&mut self, request: &AuthenticateServerRequest) -> Result<Vec<u8>, LpaError> {
        self.call("AuthenticateServer", &request.to_bytes())
    }

    /// ES10b.PrepareDownload; the response as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn prepare_download(&mut self, request: &PrepareDownloadRequest) -> Result<Vec<u8>, LpaError> {
        self.call("PrepareDownload", &request.to_bytes())
    }

    /// One piece of ES10b.LoadBoundProfilePackage; what it gives is empty, or the result of the installation.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn load_piece(&mut self, piece: &[u8]) -> Result<Vec<u8>, LpaError> {
        self.call("LoadBoundProfilePackage", piece)
    }

    /// ES10b.CancelSession; the response as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn cancel_session(&mut self, transaction_id: &[u8], reason: u64) -> Result<Vec<u8>, LpaError> {
        let request = CancelSessionRequest { transaction_id: transaction_id.to_vec(), reason };
        self.call("CancelSession", &request.to_bytes())
    }

    /// ES10b.ListNotification.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn notifications(&mut self) -> Result<Vec<NotificationMetadata>, LpaError> {
        let response = self.call("ListNotification", &ListNotificationRequest { filter: None }.to_bytes())?;
        Ok(parse_notification_list(&response)?)
    }

    /// ES10b.RetrieveNotificationsList.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn retrieve(&mut self, which: RetrieveNotifications) -> Result<Retrieved, LpaError> {
        let response = self.call("RetrieveNotificationsList", &which.to_bytes())?;
        Ok(Retrieved::parse(&response)?)
    }

    /// ES10b.RemoveNotificationFromList. That there is none with this number is no error.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn remove_notification(&mut self, sequence_number: u64) -> Result<(), LpaError> {
        let function = "RemoveNotificationFromList";
        let response = self.call(function, &notification_sent(sequence_number))?;
        match parse_result(0xbf30, &response)? {
            0 | 1 => Ok(()),
            code => Err(LpaError::Euicc { function, code, word: "undefined-error" }),
        }
    }

    /// ES10b.GetRAT.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn rules(&mut self) -> Result<PolicyTable, LpaError> {
        let response = self.call("GetRAT", &tlv(0xbf43, &[]))?;
        Ok(PolicyTable::parse(&response)?)
    }

    /// ES10c.GetProfilesInfo.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn profiles(&mut self, filter: &ProfileFilter) -> Result<Vec<ProfileInfo>, LpaError> {
        let function = "GetProfilesInfo";
        let response = self.call(function, &filter.to_bytes())?;
        let mut f = Fields::open("ProfileInfoListResponse", 0xbf2d, &response)?;
        if f.peek() == Some(0x81) {
            let code = f.integer(0x81, "profileInfoListError")?;
            return Err(LpaError::Euicc { function, code, word: list_error(code) });
        }
        Ok(parse_profile_list(&response)?)
    }

    /// ES10c.EnableProfile, DisableProfile or DeleteProfile.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn switch(&mut self, switch: &Switch) -> Result<(), LpaError> {
        let (function, word): (_, fn(u64) -> &'static str) = match switch.kind {
            SwitchKind::Enable => ("EnableProfile", enable_error),
            SwitchKind::Disable => ("DisableProfile", disable_error),
            SwitchKind::Delete => ("DeleteProfile", enable_error),
        };
        self.coded(function, &switch.to_bytes(), word)
    }

    /// ES10c.eUICCMemoryReset.
    ///
    /// # Errors
    /// [`LpaError`]; that there is nothing to delete is one, too.
    pub fn memory_reset(&mut self, options: ResetOptions) -> Result<(), LpaError> {
        let bits = [options.0.trailing_zeros().min(7) as u8, options.0];
        self.coded("eUICCMemoryReset", &tlv(0xbf34, &[&tlv(0x82, &[&bits])]), reset_error)
    }

    /// ES10c.GetEID.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn eid(&mut self) -> Result<EidBytes, LpaError> {
        let response = self.call("GetEID", &tlv(0xbf3e, &[&tlv(0x5c, &[&[0x5a]])]))?;
        Ok(Fields::open("GetEuiccDataResponse", 0xbf3e, &response)?.array(0x5a, "eidValue")?)
    }

    /// ES10c.SetNickname, of at most 64 characters; empty removes it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn set_nickname(&mut self, iccid: &IccidBytes, nickname: &str) -> Result<(), LpaError> {
        let request = tlv(0xbf29, &[&tlv(0x5a, &[iccid]), &tlv(0x90, &[nickname.as_bytes()])]);
        self.coded("SetNickname", &request, nickname_error)
    }

    /// ES10b.LoadEuiccPackage; the result as the eUICC gives it.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn load_euicc_package(&mut self, package: &[u8]) -> Result<Vec<u8>, LpaError> {
        self.call("LoadEuiccPackage", package)
    }

    /// ES10b.AddInitialEim.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn add_initial_eim(&mut self, eims: &AddInitialEim) -> Result<Vec<iot::Added>, LpaError> {
        let function = "AddInitialEim";
        let response = self.call(function, &eims.to_bytes())?;
        match AddInitialEimResponse::parse(&response)? {
            AddInitialEimResponse::Ok(added) => Ok(added),
            AddInitialEimResponse::Error(code) => {
                Err(LpaError::Euicc { function, code, word: add_eim_error(code) })
            }
        }
    }

    /// ES10b.GetEimConfigurationData, of all eIMs.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn eims(&mut self) -> Result<Vec<EimConfigurationData>, LpaError> {
        let response = self.call("GetEimConfigurationData", &iot::configuration_request(None))?;
        Ok(iot::parse_configuration_response(&response)?)
    }

    /// ES10b.GetCerts.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn certificates(&mut self, ci_key_id: Option<&[u8]>) -> Result<Certificates, LpaError> {
        let function = "GetCerts";
        let response = self.call(function, &iot::certificates_request(ci_key_id))?;
        let word = |code| if code == 1 { "invalid-ci-pk-id" } else { "undefined-error" };
        iot::parse_certificates_response(&response)?.map_err(|code| LpaError::Euicc {
            function,
            code,
            word: word(code),
        })
    }

    /// ES10b.ProfileRollback; the result for the eIM where the eUICC gives one.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn rollback(&mut self, refresh: bool) -> Result<Option<Vec<u8>>, LpaError> {
        let function = "ProfileRollback";
        let response = ProfileRollback::parse(&self.call(function, &iot::rollback_request(refresh))?)?;
        let word = match response.code {
            0 => return Ok(response.result),
            1 => "rollback-not-allowed",
            5 => "cat-busy",
            7 => "command-error",
            _ => "undefined-error",
        };
        Err(LpaError::Euicc { function, code: response.code, word })
    }

    /// ES10b.ImmediateEnable.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn immediate_enable(&mut self, refresh: bool) -> Result<(), LpaError> {
        let request = iot::refresh_request(iot::IMMEDIATE_ENABLE, refresh);
        self.coded("ImmediateEnable", &request, immediate_enable_error)
    }

    /// ES10b.ConfigureImmediateProfileEnabling.
    ///
    /// # Errors
    /// [`LpaError`].
    pub fn configure_immediate_enable(&mut self, to: &ImmediateEnableConfiguration) -> Result<(), LpaError> {
        self.coded("ConfigureImmediateProfileEnabling", &to.to_bytes(0xbf59), add_eim_error)
    }

    /// ES10b.EuiccMemoryReset of SGP.32.
    ///
    /// # Errors
    /// [`LpaError`]; that there is nothing to delete is one, too.
    pub fn iot_memory_reset(&mut self, options: MemoryResetOptions) -> Result<MemoryReset, LpaError> {
        let function = "EuiccMemoryReset";
        let reset = MemoryReset::parse(&self.call(function, &options.to_bytes())?)?;
        match reset.code {
            0 => Ok(reset),
            code => Err(LpaError::Euicc { function, code, word: reset_error(code) }),
        }
    }
}

fn exchange(
    slot: &mut CardSlot,
    function: &'static str,
    command: Command<'_>,
) -> Result<(Vec<u8>, StatusWord), LpaError> {
    let port = |source| LpaError::Port { function, source };
    // Blocks have at most 255 bytes, so that every command has an encoding.
    let bytes = command.encode().unwrap_or_default();
    let mut response = slot.exchange(&bytes).map_err(port)?;
    let Some((_, status)) = StatusWord::split(&response) else {
        return Err(port(crate::card::PortError::Reader("a response has no status word".to_owned())));
    };
    response.truncate(response.len() - 2);
    Ok((response, status))
}

/// Normal ending, also with a proactive command waiting (TS 102 221 clause 10.2.1.1).
fn done(status: StatusWord) -> bool {
    matches!(status.0 >> 8, 0x90..=0x92)
}

fn other(_: u64) -> &'static str {
    "undefined-error"
}

fn enable_error(code: u64) -> &'static str {
    match code {
        1 => "iccid-or-aid-not-found",
        2 => "profile-not-in-disabled-state",
        3 => "disallowed-by-policy",
        4 => "wrong-profile-reenabling",
        5 => "cat-busy",
        _ => "undefined-error",
    }
}

fn disable_error(code: u64) -> &'static str {
    if code == 2 { "profile-not-in-enabled-state" } else { enable_error(code) }
}

fn list_error(code: u64) -> &'static str {
    match code {
        1 => "incorrect-input-values",
        11 => "profile-change-ongoing",
        _ => "undefined-error",
    }
}

fn reset_error(code: u64) -> &'static str {
    match code {
        1 => "nothing-to-delete",
        5 => "cat-busy",
        104 => "ecall-active",
        _ => "undefined-error",
    }
}

fn nickname_error(code: u64) -> &'static str {
    if code == 1 { "iccid-not-found" } else { "undefined-error" }
}

fn immediate_enable_error(code: u64) -> &'static str {
    match code {
        1 => "immediate-enable-not-available",
        4 => "no-session-context",
        5 => "cat-busy",
        _ => "undefined-error",
    }
}

fn add_eim_error(code: u64) -> &'static str {
    match code {
        1 => "insufficient-memory",
        2 => "associated-eim-already-exists",
        3 => "ci-pk-unknown",
        5 => "invalid-association-token",
        6 => "counter-value-out-of-range",
        7 => "command-error",
        _ => "undefined-error",
    }
}
