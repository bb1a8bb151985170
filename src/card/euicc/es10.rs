//! Which function a command to the ISD-R calls: the tag of its data says it.

use super::super::Uicc;
use super::Euicc;
use super::events::EuiccRefusal;
use crate::wire::StatusWord;
use crate::wire::rsp::RspError;
use crate::wire::tlv;

/// Why there is no response data.
#[derive(Debug)]
pub(super) enum Failed {
    Malformed(RspError),
    Status(StatusWord),
}

impl From<RspError> for Failed {
    fn from(error: RspError) -> Self {
        Self::Malformed(error)
    }
}

/// What a function answers.
pub(super) type Answer = Result<Vec<u8>, Failed>;

/// A function of ES10.
struct Function {
    tag: u16,
    name: &'static str,
    run: fn(&mut Euicc, &mut Uicc, &[u8]) -> Answer,
}

const fn function(tag: u16, name: &'static str, run: fn(&mut Euicc, &mut Uicc, &[u8]) -> Answer) -> Function {
    Function { tag, name, run }
}

/// SGP.22 clauses 5.7.3 to 5.7.22, and SGP.32.
static FUNCTIONS: &[Function] = &[
    function(0xbf20, "ES10b.GetEUICCInfo1", |euicc, _, _| Ok(euicc.info1().to_bytes())),
    function(0xbf22, "ES10b.GetEUICCInfo2", |euicc, _, _| Ok(euicc.info2().to_bytes())),
    function(0xbf2e, "ES10b.GetEUICCChallenge", |euicc, _, _| Ok(euicc.get_challenge())),
    function(0xbf38, "ES10b.AuthenticateServer", |euicc, _, bytes| euicc.authenticate_server(bytes)),
    function(0xbf21, "ES10b.PrepareDownload", |euicc, _, bytes| euicc.prepare_download(bytes)),
    function(0xbf41, "ES10b.CancelSession", |euicc, _, bytes| euicc.cancel_session(bytes)),
    function(0xbf28, "ES10b.ListNotification", |euicc, _, bytes| euicc.list_notifications(bytes)),
    function(0xbf2b, "ES10b.RetrieveNotificationsList", |euicc, _, bytes| {
        euicc.retrieve_notifications(bytes)
    }),
    function(0xbf30, "ES10b.RemoveNotificationFromList", |euicc, _, bytes| euicc.remove_notification(bytes)),
    function(0xbf35, "ES10b.LoadCRL", |euicc, _, bytes| euicc.load_crl(bytes)),
    function(0xbf43, "ES10b.GetRAT", |euicc, _, _| Ok(euicc.rules_table(0xbf43))),
    function(0xbf3c, "ES10a.GetEuiccConfiguredAddresses", |euicc, _, _| Ok(euicc.addresses())),
    function(0xbf3f, "ES10a.SetDefaultDpAddress", |euicc, _, bytes| euicc.set_default_smdp(bytes)),
    function(0xbf2d, "ES10c.GetProfilesInfo", |euicc, _, bytes| euicc.profiles_info(bytes)),
    function(0xbf31, "ES10c.EnableProfile", |euicc, card, bytes| euicc.switch_profile(card, bytes)),
    function(0xbf32, "ES10c.DisableProfile", |euicc, card, bytes| euicc.switch_profile(card, bytes)),
    function(0xbf33, "ES10c.DeleteProfile", |euicc, card, bytes| euicc.switch_profile(card, bytes)),
    function(0xbf34, "ES10c.eUICCMemoryReset", |euicc, card, bytes| euicc.memory_reset(card, bytes)),
    function(0xbf3e, "ES10c.GetEID", |euicc, _, bytes| euicc.get_eid(bytes)),
    function(0xbf29, "ES10c.SetNickname", |euicc, _, bytes| euicc.set_nickname(bytes)),
    // SGP.32 v1.2 clause 5.9.
    function(0xbf51, "ES10b.LoadEuiccPackage", |euicc, card, bytes| euicc.load_euicc_package(card, bytes)),
    function(0xbf55, "ES10b.GetEimConfigurationData", |euicc, _, bytes| euicc.eim_configuration(bytes)),
    function(0xbf56, "ES10b.GetCerts", |euicc, _, bytes| euicc.certificates(bytes)),
    function(0xbf57, "ES10b.AddInitialEim", |euicc, _, bytes| euicc.add_initial_eim(bytes)),
    function(0xbf58, "ES10b.ProfileRollback", |euicc, card, bytes| euicc.roll_back(card, bytes)),
    function(0xbf59, "ES10b.ConfigureImmediateProfileEnabling", |euicc, _, bytes| {
        euicc.configure_immediate(bytes)
    }),
    function(0xbf5a, "ES10b.ImmediateEnable", |euicc, card, bytes| euicc.immediate_enable(card, bytes)),
    function(0xbf5d, "ES10b.ExecuteFallbackMechanism", |euicc, card, bytes| euicc.fall_back(card, bytes)),
    function(0xbf5e, "ES10b.ReturnFromFallback", |euicc, card, bytes| {
        euicc.return_from_fallback(card, bytes)
    }),
    function(0xbf64, "ES10b.EuiccMemoryReset", |euicc, card, bytes| euicc.memory_reset_iot(card, bytes)),
];

impl Euicc {
    /// Answers the data of a whole command.
    pub(super) fn es10(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let Ok((tag, ..)) = tlv::header(bytes) else {
            return Err(Failed::Status(StatusWord::INCORRECT_DATA));
        };
        // The pieces of a bound profile package have tags of their own.
        if tag == 0xbf36 || self.loading.is_some() && tag <= 0xff {
            return self.load_package(bytes);
        }
        let Some(function) = FUNCTIONS.iter().find(|function| function.tag == tag) else {
            let text = format!("tag {tag:02X} begins no function of this eUICC");
            self.refuse("ES10", EuiccRefusal::new(0x6a88, "function-unknown", text));
            return Err(Failed::Status(StatusWord::REFERENCED_DATA_NOT_FOUND));
        };
        let answer = (function.run)(self, card, bytes);
        if let Err(Failed::Malformed(error)) = &answer {
            self.refuse(function.name, EuiccRefusal::new(0x6a80, "command-malformed", error.to_string()));
        }
        answer
    }
}
