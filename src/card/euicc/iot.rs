//! eUICC packages and the other functions for devices without a user: LoadEuiccPackage, ProfileRollback, immediate
//! enabling, the fallback mechanism and EuiccMemoryReset (SGP.32 v1.2 clauses 2.11, 3.3, 3.4 and 5.9).

use super::super::{Refresh, Uicc};
use super::Euicc;
use super::eim::{COUNTER_MAX, public_key};
use super::es10::Answer;
use super::events::EuiccRefusal;
use super::management::{ROLLBACK_NOT_AVAILABLE, UNDEFINED, WRONG_REENABLING};
use super::memory::Rollback;
use super::slots::Aid;
use crate::wire::rsp::iot::{
    self, EimConfigurationData, EuiccPackage, EuiccPackageErrorData, EuiccPackageRequest, EuiccPackageResult,
    EuiccPackageResultData, EuiccPackageSigned, EuiccResultData, ImmediateEnableConfiguration, MemoryReset,
    MemoryResetOptions, Operation, ProfileRollback, Psmo, with_token,
};
use crate::wire::rsp::{ProfileClass, ProfileId, ProfileInfo, int, result_response, tlv};

const PACKAGE: &str = "ES10b.LoadEuiccPackage";
const ROLLBACK: &str = "ES10b.ProfileRollback";
const IMMEDIATE: &str = "ES10b.ImmediateEnable";
const FALLBACK: &str = "ES10b.ExecuteFallbackMechanism";
const RETURN: &str = "ES10b.ReturnFromFallback";

/// Results of packages that are kept until they are acknowledged. The oldest go.
const RESULTS_MAX: usize = 32;
/// Codes of EuiccPackageErrorDataSigned.
const INVALID_EID: u64 = 3;
const REPLAY: u64 = 4;
const OUT_OF_RANGE: u64 = 6;
/// processingTerminated: unknownOrDamagedCommand.
const UNKNOWN_COMMAND: u64 = 2;
const FALLBACK_NOT_AVAILABLE: u64 = 6;

impl Euicc {
    /// ES10b.LoadEuiccPackage: verifies a package, does what it orders, and signs what became of it.
    pub(super) fn load_euicc_package(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let request = EuiccPackageRequest::parse(bytes)?;
        let signed = EuiccPackageSigned::parse(&request.signed)?;
        let Some(eim) = self.memory.eims.iter().find(|eim| eim.eim_id == signed.eim_id) else {
            let text = format!("{:?} is no eIM of this eUICC", signed.eim_id);
            self.refuse(PACKAGE, EuiccRefusal::new(127, "eim-unknown", text));
            return Ok(unsigned(&signed, None));
        };
        let (token, counter) = (eim.token(), eim.counter.unwrap_or(0));
        let key = eim.key.as_ref().and_then(public_key);
        let message = with_token(&request.signed, token);
        if key.is_none_or(|key| key.verify(&message, &request.signature, &self.tally).is_err()) {
            let text = "eimSignature does not verify over the package and the association token";
            self.refuse(PACKAGE, EuiccRefusal::new(127, "signature-invalid", text));
            return Ok(unsigned(&signed, token));
        }
        if let Err(refusal) = self.acceptable(&signed, counter) {
            let data = EuiccPackageErrorData {
                eim_id: signed.eim_id,
                counter: signed.counter,
                transaction_id: signed.transaction_id,
                code: self.refuse(PACKAGE, refusal),
            }
            .to_bytes();
            let signature = self.config.key.sign(&with_token(&data, token));
            return Ok(EuiccPackageResult::ErrorSigned { data, signature }.to_bytes());
        }
        if let Some(eim) = self.memory.eims.iter_mut().find(|eim| eim.eim_id == signed.eim_id) {
            eim.counter = Some(signed.counter);
        }
        // What an earlier package has granted ends with the next one.
        self.memory.rollback = None;
        self.changed();
        let enabled = self.memory.enabled;
        let results = self.execute(card, &signed);
        let sequence_number = self.memory.next_sequence;
        let response =
            self.sign_result(&signed.eim_id, token, signed.counter, signed.transaction_id, results);
        if self.memory.enabled != enabled && card.toolkit.is_reachable() {
            card.request_refresh(Refresh::UiccReset);
        }
        let orders = signed.package.names().join(", ");
        self.tell(
            PACKAGE,
            "package-executed",
            format!("{orders}: result {sequence_number} is signed and kept"),
        );
        Ok(response)
    }

    fn acceptable(&self, signed: &EuiccPackageSigned, counter: u64) -> Result<(), EuiccRefusal> {
        if signed.eid != self.eid {
            return Err(EuiccRefusal::new(INVALID_EID, "eid-mismatch", "the package is for another eUICC"));
        }
        if signed.counter > COUNTER_MAX {
            let text = format!("counter {} is beyond {COUNTER_MAX}", signed.counter);
            return Err(EuiccRefusal::new(OUT_OF_RANGE, "counter-out-of-range", text));
        }
        if signed.counter <= counter {
            let text = format!("counter {} is used up: {counter} was the last one", signed.counter);
            return Err(EuiccRefusal::new(REPLAY, "package-replayed", text));
        }
        Ok(())
    }

    fn execute(&mut self, card: &mut Uicc, signed: &EuiccPackageSigned) -> Vec<EuiccResultData> {
        let mut results = Vec::new();
        match &signed.package {
            EuiccPackage::Psmo(list) => {
                for psmo in list {
                    let result = self.psmo(card, psmo, signed);
                    let ends = matches!(result, EuiccResultData::Code(Operation::Terminated, _));
                    results.push(result);
                    if ends {
                        break;
                    }
                }
            }
            EuiccPackage::Eco(list) => {
                for eco in list {
                    let result = self.eco(eco);
                    let ends = matches!(result, EuiccResultData::Code(Operation::Terminated, _));
                    results.push(result);
                    if ends {
                        break;
                    }
                }
            }
        }
        results
    }

    /// Signs and keeps the result of a package.
    fn sign_result(
        &mut self,
        eim_id: &str,
        token: Option<u64>,
        counter: u64,
        transaction_id: Option<Vec<u8>>,
        results: Vec<EuiccResultData>,
    ) -> Vec<u8> {
        let sequence_number = self.memory.next_sequence;
        self.memory.next_sequence += 1;
        let eim_id = eim_id.to_owned();
        let data =
            EuiccPackageResultData { eim_id, counter, transaction_id, sequence_number, results }.to_bytes();
        let signature = self.config.key.sign(&with_token(&data, token));
        let response = EuiccPackageResult::Signed { data, signature }.to_bytes();
        if self.memory.package_results.len() == RESULTS_MAX {
            self.memory.package_results.remove(0);
        }
        self.memory.package_results.push((sequence_number, response.clone()));
        self.changed();
        response
    }

    /// Does one profile state management operation.
    fn psmo(&mut self, card: &mut Uicc, psmo: &Psmo, signed: &EuiccPackageSigned) -> EuiccResultData {
        let (operation, done) = match psmo {
            Psmo::Enable { iccid, rollback } => {
                (Operation::Enable, self.enable_for_eim(card, *iccid, *rollback, signed))
            }
            Psmo::Disable(iccid) => {
                (Operation::Disable, self.disable(card, &ProfileId::Iccid(*iccid), false))
            }
            Psmo::Delete(iccid) => (Operation::Delete, self.delete(&ProfileId::Iccid(*iccid))),
            Psmo::ListProfileInfo(filter) => {
                let list = match super::management::tags(&filter.tags) {
                    Some(tags) => ProfileInfo::response(&self.list(filter, &tags)),
                    None => tlv(0xbf2d, &[&int(0x81, 1)]),
                };
                return EuiccResultData::ListProfileInfo(list);
            }
            Psmo::GetRat => return EuiccResultData::Rat(self.rules_lines()),
            Psmo::ConfigureImmediateEnable(configuration) => {
                self.keep_immediate(configuration.clone());
                (Operation::ConfigureImmediateEnable, Ok(()))
            }
            Psmo::SetFallbackAttribute(iccid) => {
                (Operation::SetFallbackAttribute, self.set_fallback(&ProfileId::Iccid(*iccid)))
            }
            Psmo::UnsetFallbackAttribute => (Operation::UnsetFallbackAttribute, self.unset_fallback()),
            Psmo::SetDefaultDpAddress(address) => {
                self.keep_default_smdp(Some(address.clone()).filter(|address| !address.is_empty()));
                (Operation::SetDefaultDpAddress, Ok(()))
            }
            Psmo::Unknown(_) => {
                let text = "an operation of the package is not known or damaged; nothing behind it is done";
                (Operation::Terminated, Err(EuiccRefusal::new(UNKNOWN_COMMAND, "operation-unknown", text)))
            }
        };
        let code = match done {
            Ok(()) => 0,
            Err(refusal) => match self.refuse(PACKAGE, refusal) {
                // SGP.22 alone has it.
                WRONG_REENABLING if operation == Operation::Enable => UNDEFINED,
                code => code,
            },
        };
        EuiccResultData::Code(operation, code)
    }

    fn enable_for_eim(
        &mut self,
        card: &mut Uicc,
        iccid: [u8; 10],
        rollback: bool,
        signed: &EuiccPackageSigned,
    ) -> Result<(), EuiccRefusal> {
        let before = self.memory.enabled;
        if rollback && before.is_none() {
            let text = "no profile is enabled that a rollback could go back to";
            return Err(EuiccRefusal::new(ROLLBACK_NOT_AVAILABLE, "rollback-not-available", text));
        }
        self.enable(card, &ProfileId::Iccid(iccid), false)?;
        self.memory.rollback = before.filter(|_| rollback).map(|previous| Rollback {
            previous,
            eim_id: signed.eim_id.clone(),
            counter: signed.counter,
            transaction_id: signed.transaction_id.clone(),
        });
        self.changed();
        Ok(())
    }

    /// ES10b.ProfileRollback: back to the profile before, where the eIM has granted that.
    pub(super) fn roll_back(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let refresh = iot::parse_refresh_request(0xbf58, bytes)?;
        let known = |rollback: &Rollback| self.memory.slot(&rollback.previous).is_some();
        let Some(rollback) = self.memory.rollback.clone().filter(known) else {
            let refusal = EuiccRefusal::new(1, "rollback-not-allowed", "no eIM has granted a rollback");
            return Ok(ProfileRollback { code: self.refuse(ROLLBACK, refusal), result: None }.to_bytes());
        };
        let changeable = self.check_change(rollback.previous).and_then(|()| self.check_free(card));
        if let Err(refusal) = changeable {
            let code = self.without_order(ROLLBACK, refusal);
            return Ok(ProfileRollback { code, result: None }.to_bytes());
        }
        self.change_now(card, Some(rollback.previous), refresh);
        let eim = self.memory.eims.iter().find(|eim| eim.eim_id == rollback.eim_id);
        let token = eim.and_then(EimConfigurationData::token);
        let results = vec![EuiccResultData::Code(Operation::Rollback, 0)];
        let result =
            self.sign_result(&rollback.eim_id, token, rollback.counter, rollback.transaction_id, results);
        self.tell(ROLLBACK, "profile-rolled-back", "the profile before is enabled again".to_owned());
        Ok(ProfileRollback { code: 0, result: Some(result) }.to_bytes())
    }

    /// What is answered where a mechanism that enables a profile without an order is refused: policy rules and the order of
    /// test profiles have no code there.
    fn without_order(&mut self, function: &'static str, refusal: EuiccRefusal) -> u64 {
        let policy = ["policy-rule", "wrong-profile"].contains(&refusal.name);
        let code = self.refuse(function, refusal);
        if policy { UNDEFINED } else { code }
    }

    /// Changes the profile at once and has the terminal read the card again.
    fn change_now(&mut self, card: &mut Uicc, target: Option<Aid>, refresh: bool) {
        self.change_to(card, target, false);
        if refresh && card.toolkit.is_reachable() {
            card.request_refresh(Refresh::UiccReset);
        }
    }

    /// ES10b.ConfigureImmediateProfileEnabling, which is open until an eIM is there.
    pub(super) fn configure_immediate(&mut self, bytes: &[u8]) -> Answer {
        let configuration = ImmediateEnableConfiguration::parse(bytes)?;
        let code = if self.memory.eims.is_empty() {
            self.keep_immediate(configuration);
            0
        } else {
            let refusal =
                EuiccRefusal::new(2, "eim-exists", "there is an eIM: only a package of it may change this");
            self.refuse("ES10b.ConfigureImmediateProfileEnabling", refusal)
        };
        Ok(result_response(0xbf59, code))
    }

    fn keep_immediate(&mut self, configuration: ImmediateEnableConfiguration) {
        self.memory.immediate = configuration;
        self.changed();
    }

    /// ES10b.ImmediateEnable: enables the profile that was installed last in this session, where that was allowed
    /// for its SM-DP+.
    pub(super) fn immediate_enable(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let refresh = iot::parse_refresh_request(iot::IMMEDIATE_ENABLE, bytes)?;
        let code = match self.immediately_enabled(card, refresh) {
            Ok(()) => 0,
            Err(refusal) => self.without_order(IMMEDIATE, refusal),
        };
        Ok(result_response(iot::IMMEDIATE_ENABLE, code))
    }

    fn immediately_enabled(&mut self, card: &mut Uicc, refresh: bool) -> Result<(), EuiccRefusal> {
        let allowed = self.memory.immediate.clone();
        let Some((aid, oid, address)) = self.just_installed.clone() else {
            return Err(EuiccRefusal::new(4, "no-session", "no profile was installed in this session"));
        };
        let smdp = allowed.smdp_oid.is_none_or(|allowed| allowed == oid)
            && allowed.smdp_address.is_none_or(|allowed| allowed == address);
        if !allowed.enabled || !smdp {
            let text = "immediate enabling is not configured for this SM-DP+";
            return Err(EuiccRefusal::new(1, "immediate-enable-not-available", text));
        }
        self.check_change(aid)?;
        self.check_free(card)?;
        self.just_installed = None;
        self.change_to(card, Some(aid), refresh);
        Ok(())
    }

    fn set_fallback(&mut self, id: &ProfileId) -> Result<(), EuiccRefusal> {
        let slot = self.find(id)?;
        let aid = slot.aid;
        if !slot.fallback_allowed {
            let text = "the metadata of the profile does not allow the fallback attribute";
            return Err(EuiccRefusal::new(2, "fallback-not-allowed", text));
        }
        self.check_fallback_idle()?;
        self.memory.fallback = Some(aid);
        self.changed();
        Ok(())
    }

    fn unset_fallback(&mut self) -> Result<(), EuiccRefusal> {
        if self.memory.fallback.is_none() {
            return Err(EuiccRefusal::new(
                2,
                "no-fallback-attribute",
                "no profile has the fallback attribute",
            ));
        }
        self.check_fallback_idle()?;
        self.memory.fallback = None;
        self.changed();
        Ok(())
    }

    /// The attribute stays where it is while the eUICC has fallen back to it.
    fn check_fallback_idle(&self) -> Result<(), EuiccRefusal> {
        if self.memory.before_fallback.is_some() {
            let text = "the eUICC has fallen back to the profile with the attribute";
            return Err(EuiccRefusal::new(3, "fallback-profile-enabled", text));
        }
        Ok(())
    }

    /// ES10b.ExecuteFallbackMechanism.
    pub(super) fn fall_back(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let refresh = iot::parse_refresh_request(iot::FALLBACK, bytes)?;
        let code = match self.fallen_back(card, refresh) {
            Ok(()) => 0,
            Err(refusal) => self.without_order(FALLBACK, refusal),
        };
        Ok(result_response(iot::FALLBACK, code))
    }

    fn fallen_back(&mut self, card: &mut Uicc, refresh: bool) -> Result<(), EuiccRefusal> {
        let Some(aid) = self.memory.fallback else {
            let text = "no profile has the fallback attribute";
            return Err(EuiccRefusal::new(FALLBACK_NOT_AVAILABLE, "no-fallback-attribute", text));
        };
        if self.memory.enabled == Some(aid) {
            return Err(EuiccRefusal::new(2, "profile-enabled", "the fallback profile is enabled already"));
        }
        self.check_change(aid)?;
        self.check_free(card)?;
        let before = self.memory.enabled;
        self.change_to(card, Some(aid), refresh);
        self.memory.before_fallback = before;
        self.tell(FALLBACK, "fallback-executed", "the fallback profile takes over".to_owned());
        Ok(())
    }

    /// ES10b.ReturnFromFallback.
    pub(super) fn return_from_fallback(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let refresh = iot::parse_refresh_request(iot::RETURN_FROM_FALLBACK, bytes)?;
        let returned = match self.memory.before_fallback.filter(|aid| self.memory.slot(aid).is_some()) {
            None => {
                let text = "the eUICC has not fallen back, or the profile before is gone";
                Err(EuiccRefusal::new(FALLBACK_NOT_AVAILABLE, "no-fallback", text))
            }
            Some(aid) => self.check_change(aid).and_then(|()| self.check_free(card)).map(|()| {
                self.change_to(card, Some(aid), refresh);
            }),
        };
        let code = match returned {
            Ok(()) => 0,
            Err(refusal) => self.without_order(RETURN, refusal),
        };
        Ok(result_response(iot::RETURN_FROM_FALLBACK, code))
    }

    /// ES10b.EuiccMemoryReset of SGP.32.
    pub(super) fn memory_reset_iot(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let MemoryResetOptions(options) = MemoryResetOptions::parse(bytes)?;
        let mut reset = MemoryReset::default();
        if let Err(refusal) = self.check_free(card) {
            reset.code = self.refuse("ES10b.EuiccMemoryReset", refusal);
            return Ok(reset.to_bytes());
        }
        let goes = |class: ProfileClass, downloaded: bool| match class {
            ProfileClass::Operational => options & MemoryResetOptions::OPERATIONAL_PROFILES != 0,
            ProfileClass::Test if downloaded => options & MemoryResetOptions::FIELD_LOADED_TEST_PROFILES != 0,
            ProfileClass::Test => options & MemoryResetOptions::PRE_LOADED_TEST_PROFILES != 0,
            ProfileClass::Provisioning => options & MemoryResetOptions::PROVISIONING_PROFILES != 0,
        };
        let address = options & MemoryResetOptions::DEFAULT_SMDP_ADDRESS != 0;
        let profiles =
            options & !(MemoryResetOptions::EIM_CONFIGURATION | MemoryResetOptions::IMMEDIATE_ENABLE);
        if profiles != 0
            && let Err(refusal) = self.erase(card, goes, address)
        {
            reset.code = self.refuse("ES10b.EuiccMemoryReset", refusal);
        }
        if options & MemoryResetOptions::EIM_CONFIGURATION != 0 {
            reset.eim = Some(u64::from(self.memory.eims.is_empty()));
            self.memory.eims.clear();
            self.memory.package_results.clear();
            self.memory.rollback = None;
            self.changed();
        }
        if options & MemoryResetOptions::IMMEDIATE_ENABLE != 0 {
            reset.immediate_enable = Some(0);
            self.keep_immediate(ImmediateEnableConfiguration::default());
        }
        Ok(reset.to_bytes())
    }
}

/// What is said where the signature of a package does not verify: nothing that the eUICC signs.
fn unsigned(signed: &EuiccPackageSigned, association_token: Option<u64>) -> Vec<u8> {
    EuiccPackageResult::ErrorUnsigned {
        eim_id: signed.eim_id.clone(),
        transaction_id: signed.transaction_id.clone(),
        association_token,
        code: Some(127),
    }
    .to_bytes()
}
