//! Local profile management: GetProfilesInfo, EnableProfile, DisableProfile, DeleteProfile, eUICCMemoryReset and
//! SetNickname of ES10c (SGP.22 clauses 3.2 and 5.7.15 to 5.7.21).

use super::super::{Refresh, Uicc};
use super::Euicc;
use super::es10::Answer;
use super::events::EuiccRefusal;
use super::slots::{Aid, Slot, digits};
use crate::wire::rsp::{
    Fields, Icon, NotificationEvents, PolicyRules, ProfileClass, ProfileFilter, ProfileId, ProfileInfo,
    ProfileState, Switch, SwitchKind, boolean, int, result_response, tlv,
};
use crate::wire::tlv as codec;

const ENABLE: &str = "ES10c.EnableProfile";
const DISABLE: &str = "ES10c.DisableProfile";
const DELETE: &str = "ES10c.DeleteProfile";
const RESET: &str = "ES10c.eUICCMemoryReset";

/// What GetProfilesInfo returns where no tags are asked for: ICCID, AID, state, nickname, provider, name, icon with
/// its type, and class (SGP.22 clause 5.7.15).
const DEFAULT_TAGS: [u16; 9] = [0x5a, 0x4f, 0x9f70, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95];

/// Tag of `serviceSpecificDataStoredInEuicc`.
const SERVICE_DATA: u16 = 0xbf22;

const NOT_FOUND: u64 = 1;
const WRONG_STATE: u64 = 2;
const DISALLOWED: u64 = 3;
pub(super) const WRONG_REENABLING: u64 = 4;
const CAT_BUSY: u64 = 5;
pub(super) const UNDEFINED: u64 = 127;
/// Codes of EnableProfileResult and DeleteProfileResult of SGP.32.
pub(super) const ROLLBACK_NOT_AVAILABLE: u64 = 20;
const RETURN_FALLBACK_PROFILE: u64 = 21;

impl Euicc {
    /// ES10c.GetProfilesInfo.
    pub(super) fn profiles_info(&mut self, bytes: &[u8]) -> Answer {
        let filter = ProfileFilter::parse(bytes)?;
        let Some(tags) = tags(&filter.tags) else {
            let refusal = EuiccRefusal::new(1, "tag-list-malformed", "the list of tags ends inside a tag");
            let code = self.refuse("ES10c.GetProfilesInfo", refusal);
            return Ok(tlv(0xbf2d, &[&int(0x81, code)]));
        };
        Ok(ProfileInfo::response(&self.list(&filter, &tags)))
    }

    pub(super) fn list(&self, filter: &ProfileFilter, tags: &[u16]) -> Vec<ProfileInfo> {
        let wanted = |slot: &&Slot| {
            filter.profile.as_ref().is_none_or(|id| slot.is(id))
                && filter.class.is_none_or(|class| slot.metadata.class == class)
        };
        self.memory.slots.iter().filter(wanted).map(|slot| self.info(slot, tags)).collect()
    }

    fn info(&self, slot: &Slot, tags: &[u16]) -> ProfileInfo {
        let has = |tag| tags.contains(&tag);
        let enabled = self.memory.enabled == Some(slot.aid);
        let metadata = &slot.metadata;
        let icon = metadata.icon.as_ref().map(|icon| Icon {
            kind: icon.kind.filter(|_| has(0x93)),
            image: icon.image.clone().filter(|_| has(0x94)),
        });
        ProfileInfo {
            iccid: has(0x5a).then_some(metadata.iccid),
            aid: has(0x4f).then(|| slot.aid.to_vec()),
            state: has(0x9f70).then_some(if enabled {
                ProfileState::Enabled
            } else {
                ProfileState::Disabled
            }),
            nickname: slot.nickname.clone().filter(|_| has(0x90)),
            service_provider: has(0x91).then(|| metadata.service_provider.clone()),
            name: has(0x92).then(|| metadata.name.clone()),
            icon,
            class: has(0x95).then_some(metadata.class),
            notifications: if has(0xb6) { metadata.notifications.clone() } else { Vec::new() },
            owner: metadata.owner.clone().filter(|_| has(0xb7)),
            dp_proprietary: slot.proprietary.clone().filter(|_| has(0xb8)),
            rules: if has(0x99) { metadata.rules } else { PolicyRules::default() },
            further: [service_data(slot, tags), self.fallback_fields(slot, tags)].concat(),
        }
    }

    /// What SGP.32 adds: the fallback attribute, and whether the profile may have it.
    fn fallback_fields(&self, slot: &Slot, tags: &[u16]) -> Vec<u8> {
        let attribute = self.memory.fallback == Some(slot.aid);
        let mut fields = Vec::new();
        if attribute && tags.contains(&0x9f26) {
            fields.extend(boolean(0x9f26, true));
        }
        if tags.contains(&0x9f67) {
            fields.extend(boolean(0x9f67, slot.fallback_allowed));
        }
        fields
    }

    /// ES10c.EnableProfile, DisableProfile and DeleteProfile.
    pub(super) fn switch_profile(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let switch = Switch::parse(bytes)?;
        let (name, done) = match switch.kind {
            SwitchKind::Enable => (ENABLE, self.enable(card, &switch.profile, switch.refresh)),
            SwitchKind::Disable => (DISABLE, self.disable(card, &switch.profile, switch.refresh)),
            SwitchKind::Delete => (DELETE, self.delete(&switch.profile)),
        };
        let code = match done {
            Ok(()) => 0,
            Err(refusal) => match self.refuse(name, refusal) {
                // Codes of SGP.32 that SGP.22 does not have.
                ROLLBACK_NOT_AVAILABLE | RETURN_FALLBACK_PROFILE => UNDEFINED,
                code => code,
            },
        };
        Ok(Switch::response(switch.kind, code))
    }

    pub(super) fn find(&self, id: &ProfileId) -> Result<&Slot, EuiccRefusal> {
        self.memory.slots.iter().find(|slot| slot.is(id)).ok_or_else(|| {
            let named = match id {
                ProfileId::Aid(aid) => format!("AID {}", hex::encode_upper(aid)),
                ProfileId::Iccid(iccid) => format!("ICCID {}", digits(iccid)),
            };
            EuiccRefusal::new(NOT_FOUND, "profile-unknown", format!("there is no profile with {named}"))
        })
    }

    pub(super) fn enable(
        &mut self,
        card: &mut Uicc,
        id: &ProfileId,
        refresh: bool,
    ) -> Result<(), EuiccRefusal> {
        let slot = self.find(id)?;
        let target = slot.aid;
        if let Some(unusable) = &slot.unusable {
            let text = format!("this program cannot use the profile: {}", unusable.cause);
            return Err(EuiccRefusal::new(UNDEFINED, "profile-unusable", text));
        }
        if self.memory.enabled == Some(target) {
            return Err(EuiccRefusal::new(WRONG_STATE, "profile-enabled", "the profile is enabled already"));
        }
        self.check_change(target)?;
        self.check_free(card)?;
        self.change_to(card, Some(target), refresh);
        Ok(())
    }

    /// Whether `target` may take the place of what is enabled, whoever asks for it: the eUICC with LPA and IPA, an eIM,
    /// and the mechanisms of SGP.32 that enable a profile without an order of its own.
    pub(super) fn check_change(&self, target: Aid) -> Result<(), EuiccRefusal> {
        let slot = |aid: Aid| self.memory.slot(&aid);
        let Some(enabled) = self.memory.enabled.and_then(slot) else { return Ok(()) };
        let test = slot(target).is_some_and(|slot| slot.metadata.class == ProfileClass::Test);
        // A test profile takes the place of the other for a while only: PPR1 does not hinder it.
        if !test && enabled.metadata.rules.contains(PolicyRules::PPR1) {
            let text = "PPR1 of the enabled profile does not let it be disabled";
            return Err(EuiccRefusal::new(DISALLOWED, "policy-rule", text));
        }
        let back = self.memory.before_test.filter(|aid| *aid != target);
        if enabled.metadata.class == ProfileClass::Test && !test && back.is_some() {
            let text = "after a test profile, only what was enabled before it may be enabled";
            return Err(EuiccRefusal::new(WRONG_REENABLING, "wrong-profile", text));
        }
        Ok(())
    }

    pub(super) fn disable(
        &mut self,
        card: &mut Uicc,
        id: &ProfileId,
        refresh: bool,
    ) -> Result<(), EuiccRefusal> {
        let slot = self.find(id)?;
        let (aid, class) = (slot.aid, slot.metadata.class);
        if self.memory.enabled != Some(aid) {
            return Err(EuiccRefusal::new(
                WRONG_STATE,
                "profile-disabled",
                "the profile is disabled already",
            ));
        }
        if slot.metadata.rules.contains(PolicyRules::PPR1) {
            let text = "PPR1 of the profile does not let it be disabled";
            return Err(EuiccRefusal::new(DISALLOWED, "policy-rule", text));
        }
        self.check_free(card)?;
        let next = self.memory.before_test.filter(|_| class == ProfileClass::Test);
        self.change_to(card, next, refresh);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &ProfileId) -> Result<(), EuiccRefusal> {
        let slot = self.find(id)?;
        let aid = slot.aid;
        if self.memory.enabled == Some(aid) || self.memory.waiting == Some(Some(aid)) {
            return Err(EuiccRefusal::new(
                WRONG_STATE,
                "profile-enabled",
                "the profile is enabled; disable it first",
            ));
        }
        if slot.metadata.rules.contains(PolicyRules::PPR2) {
            let text = "PPR2 of the profile does not let it be deleted";
            return Err(EuiccRefusal::new(DISALLOWED, "policy-rule", text));
        }
        // What an eIM has granted, and the way back from the fallback profile, need it (SGP.32 clause 3.4.3).
        if self.memory.rollback.as_ref().is_some_and(|rollback| rollback.previous == aid) {
            let text = "an eIM has granted a rollback to the profile";
            return Err(EuiccRefusal::new(ROLLBACK_NOT_AVAILABLE, "rollback-profile", text));
        }
        if self.memory.before_fallback == Some(aid) && self.memory.enabled == self.memory.fallback {
            let text = "the eUICC has fallen back, and the profile is the one that it returns to";
            return Err(EuiccRefusal::new(RETURN_FALLBACK_PROFILE, "return-profile", text));
        }
        self.remove(&aid);
        Ok(())
    }

    /// Deletes a profile that is not enabled.
    fn remove(&mut self, aid: &Aid) {
        let Some(at) = self.memory.slots.iter().position(|slot| slot.aid == *aid) else { return };
        let slot = self.memory.slots.remove(at);
        let memory = &mut self.memory;
        for pointer in [&mut memory.before_test, &mut memory.fallback, &mut memory.before_fallback] {
            pointer.take_if(|pointer| pointer == aid);
        }
        memory.rollback.take_if(|rollback| rollback.previous == *aid);
        memory.waiting.take_if(|waiting| *waiting == Some(*aid));
        self.notify(&slot.metadata, NotificationEvents::DELETE, None);
        self.changed();
        self.tell(DELETE, "profile-deleted", format!("{:?} is deleted", slot.metadata.name));
    }

    /// A change of profile cannot begin while the terminal is busy with a proactive command. One that waits for a REFRESH
    /// which the terminal could not do gives way to another.
    pub(super) fn check_free(&self, card: &Uicc) -> Result<(), EuiccRefusal> {
        if card.toolkit.is_busy() {
            let text = "the terminal has still to do a proactive command of this card";
            return Err(EuiccRefusal::new(CAT_BUSY, "toolkit-busy", text));
        }
        Ok(())
    }

    /// Changes to another profile, or to none. With `refresh` it happens when the terminal has done REFRESH, or at
    /// the next reset. A terminal that has not sent its profile cannot be asked: then it happens at once.
    pub(super) fn change_to(&mut self, card: &mut Uicc, target: Option<Aid>, refresh: bool) {
        self.memory.waiting = Some(target);
        // Any other change than a return ends the time of the fallback profile, and any other than one that an eIM
        // has just ordered ends what it has granted (SGP.32 v1.2 clauses 3.4.5 and 5.9.15).
        self.memory.before_fallback = None;
        self.memory.rollback = None;
        self.changed();
        if refresh && card.toolkit.is_reachable() {
            card.request_refresh(Refresh::UiccReset);
        } else {
            self.finish_switch(card);
        }
    }

    /// Does the change of profile that waits.
    pub(super) fn finish_switch(&mut self, card: &mut Uicc) {
        let Some(target) = self.memory.waiting.take() else { return };
        self.changed();
        let class = |euicc: &Self, aid: Option<Aid>| {
            aid.and_then(|aid| euicc.memory.slot(&aid)).map(|slot| slot.metadata.class)
        };
        let test = class(self, target) == Some(ProfileClass::Test);
        let was_test = class(self, self.memory.enabled) == Some(ProfileClass::Test);
        self.memory.before_test = match (was_test, test) {
            (false, true) => self.memory.enabled,
            (true, true) => self.memory.before_test,
            (_, false) => None,
        };
        if let Some(metadata) = self.put_away(card) {
            self.notify(&metadata, NotificationEvents::DISABLE, None);
            self.tell(DISABLE, "profile-disabled", format!("{:?} is disabled", metadata.name));
        }
        if let Some(aid) = target
            && let Some(slot) = self.memory.slot_mut(&aid)
        {
            card.swap_profile(slot.profile.take());
            let metadata = slot.metadata.clone();
            self.memory.enabled = Some(aid);
            self.notify(&metadata, NotificationEvents::ENABLE, None);
            self.tell(ENABLE, "profile-enabled", format!("{:?} is enabled", metadata.name));
        }
    }

    /// Takes the enabled profile off the card. Channels on which an application of it is selected are closed
    /// (SGP.22 clause 5.7.16).
    fn put_away(&mut self, card: &mut Uicc) -> Option<crate::wire::rsp::ProfileMetadata> {
        let aid = self.memory.enabled.take()?;
        card.close_profile_channels();
        let profile = card.swap_profile(None);
        let slot = self.memory.slot_mut(&aid)?;
        slot.profile = profile;
        Some(slot.metadata.clone())
    }

    /// Enables a profile that the card is delivered with. No server hears of it.
    pub(super) fn deliver_enabled(&mut self, card: &mut Uicc, aid: Aid) {
        self.put_away(card);
        if let Some(slot) = self.memory.slot_mut(&aid) {
            card.swap_profile(slot.profile.take());
            self.memory.enabled = Some(aid);
        }
    }

    /// ES10c.eUICCMemoryReset. Policy rules do not hinder it.
    pub(super) fn memory_reset(&mut self, card: &mut Uicc, bytes: &[u8]) -> Answer {
        let options = Fields::open("EuiccMemoryResetRequest", 0xbf34, bytes)?.bits(0x82, "resetOptions")?;
        let code = match self.reset_memory(card, options) {
            Ok(()) => 0,
            Err(refusal) => self.refuse(RESET, refusal),
        };
        Ok(result_response(0xbf34, code))
    }

    fn reset_memory(&mut self, card: &mut Uicc, options: u8) -> Result<(), EuiccRefusal> {
        self.check_free(card)?;
        let goes = |class: ProfileClass, downloaded: bool| match class {
            ProfileClass::Operational => options & 0x80 != 0,
            ProfileClass::Test => options & 0x40 != 0 && downloaded,
            ProfileClass::Provisioning => false,
        };
        self.erase(card, goes, options & 0x20 != 0)
    }

    /// Deletes the profiles that `goes` picks by class and by whether they were downloaded, whatever their rules;
    /// with `address` the default SM-DP+ becomes that of delivery.
    pub(super) fn erase(
        &mut self,
        card: &mut Uicc,
        goes: impl Fn(ProfileClass, bool) -> bool,
        address: bool,
    ) -> Result<(), EuiccRefusal> {
        let gone = |slot: &&Slot| goes(slot.metadata.class, slot.downloaded);
        let gone: Vec<Aid> = self.memory.slots.iter().filter(gone).map(|slot| slot.aid).collect();
        let address = address && self.memory.default_smdp != self.config.default_smdp;
        if gone.is_empty() && !address {
            return Err(EuiccRefusal::new(1, "nothing-to-delete", "there is nothing of what is to be reset"));
        }
        if address {
            self.keep_default_smdp(self.config.default_smdp.clone());
        }
        if self.memory.enabled.is_some_and(|aid| gone.contains(&aid)) {
            self.put_away(card);
            if card.toolkit.is_reachable() {
                card.request_refresh(Refresh::UiccReset);
            }
        }
        gone.iter().for_each(|aid| self.remove(aid));
        Ok(())
    }

    /// ES10c.SetNickname. An empty one takes it away.
    pub(super) fn set_nickname(&mut self, bytes: &[u8]) -> Answer {
        let mut f = Fields::open("SetNicknameRequest", 0xbf29, bytes)?;
        let iccid = f.array(0x5a, "iccid")?;
        let nickname = f.text(0x90, "profileNickname")?;
        if nickname.chars().count() > 64 {
            return Err(f.wrong("profileNickname", "it has more than 64 characters").into());
        }
        let code = match self.find(&ProfileId::Iccid(iccid)).map(|slot| slot.aid) {
            Ok(aid) => {
                if let Some(slot) = self.memory.slot_mut(&aid) {
                    slot.nickname = Some(nickname).filter(|nickname| !nickname.is_empty());
                }
                self.changed();
                0
            }
            Err(refusal) => self.refuse("ES10c.SetNickname", refusal),
        };
        Ok(result_response(0xbf29, code))
    }
}

impl Slot {
    fn is(&self, id: &ProfileId) -> bool {
        match id {
            ProfileId::Aid(aid) => self.aid[..] == aid[..],
            ProfileId::Iccid(iccid) => self.metadata.iccid == *iccid,
        }
    }
}

/// The tags of a tag list; the default ones where it is empty. `None` where it ends inside a tag.
pub(super) fn tags(list: &[u8]) -> Option<Vec<u16>> {
    if list.is_empty() {
        return Some(DEFAULT_TAGS.to_vec());
    }
    let mut out = Vec::new();
    let mut rest = list;
    while let [first, after @ ..] = rest {
        if first & 0x1f == 0x1f {
            let [second, after @ ..] = after else { return None };
            out.push(u16::from_be_bytes([*first, *second]));
            rest = after;
        } else {
            out.push(u16::from(*first));
            rest = after;
        }
    }
    Some(out)
}

/// `serviceSpecificDataStoredInEuicc`, which came with the metadata.
fn service_data(slot: &Slot, tags: &[u16]) -> Vec<u8> {
    match codec::find(&slot.metadata.further, SERVICE_DATA) {
        Ok(data) if tags.contains(&SERVICE_DATA) => tlv(SERVICE_DATA, &[data]),
        _ => Vec::new(),
    }
}
