//! How the memory of an eUICC is written down and read back: objects of the card's state (see `card::state`).

use super::super::state::{ICCID, Stored, Writer, damaged, exactly};
use super::super::{CardError, InstalledProfile, Uicc};
use super::memory::{Installing, Memory, OneTimeKey, Rollback, StoredNotification};
use super::slots::{Aid, Slot, Source, Unusable};
use super::{CHALLENGES, Euicc, EuiccIdentity, ONE_TIME_KEYS};
use crate::crypto::rsp_cert::{Crl, Curve, RspCertificate, RspKey};
use crate::wire::rsp::iot::{AddInitialEim, ImmediateEnableConfiguration};
use crate::wire::rsp::{NotificationEvents, ProfileMetadata};

/// Tags of the objects.
const PROFILE: u16 = 0xb0;
const NOTIFICATION: u16 = 0xb1;
const SETTINGS: u16 = 0xb2;
const ONE_TIME_KEY: u16 = 0xb3;
const CRL: u16 = 0xb4;
const INSTALLING: u16 = 0xb5;
const EIM: u16 = 0xb6;
const PACKAGE_RESULT: u16 = 0xb7;
const ROLLBACK: u16 = 0xb8;
const IOT: u16 = 0xb9;
const IDENTITY: u16 = 0xbe;

/// What may be absent is written with a byte in front; nothing where it is.
fn maybe<T: AsRef<[u8]>>(value: Option<T>) -> Vec<u8> {
    value.map(|value| [&[1], value.as_ref()].concat()).unwrap_or_default()
}

fn maybe_of(part: &[u8]) -> Option<&[u8]> {
    part.split_first().map(|(_, value)| value)
}

fn text(part: &[u8]) -> Result<String, CardError> {
    String::from_utf8(part.to_vec()).map_err(|_| damaged("a text of the eUICC is not UTF-8"))
}

fn number(part: &[u8]) -> Result<u64, CardError> {
    exactly(part).map(u64::from_be_bytes)
}

fn stored_key(curve: &[u8], scalar: &[u8]) -> Result<RspKey, CardError> {
    let curve = if curve == [1] { Curve::BrainpoolP256r1 } else { Curve::P256 };
    RspKey::from_scalar(curve, &exactly(scalar)?).map_err(|_| damaged("a key of the eUICC is none"))
}

/// Who the eUICC of a state is. States of older programs do not say.
fn identity(stored: Stored<'_>) -> Result<Option<EuiccIdentity>, CardError> {
    let Some(parts) = stored.all_parts::<4>(IDENTITY).next() else { return Ok(None) };
    let [curve, scalar, euicc, eum] = parts?;
    let certificate =
        |der| RspCertificate::parse(der).map_err(|_| damaged("a certificate of the eUICC cannot be read"));
    let chain = [certificate(euicc)?, certificate(eum)?];
    Ok(Some(EuiccIdentity { key: stored_key(curve, scalar)?, chain }))
}

impl EuiccIdentity {
    /// Who the eUICC of `state` is, where it is one and says it: whoever makes the card anew makes it with this.
    ///
    /// # Errors
    /// Where the state is damaged.
    pub fn of_state(state: &[u8]) -> Result<Option<Self>, CardError> {
        identity(Stored::open(state)?)
    }
}

impl Euicc {
    /// Writes the whole card down; `enabled` is the profile that the card has.
    pub(in crate::card) fn save(&self, enabled: &InstalledProfile) -> Vec<u8> {
        let mut out = Writer::new();
        let memory = &self.memory;
        out.put(ICCID, self.config.eid.as_str().as_bytes());
        let curve = [u8::from(self.config.key.curve() == Curve::BrainpoolP256r1)];
        let [euicc, eum] = &self.config.chain;
        out.put_parts(IDENTITY, &[&curve, self.config.key.scalar(), euicc.der(), eum.der()]);
        out.put_parts(
            SETTINGS,
            &[
                &memory.next_sequence.to_be_bytes(),
                &memory.installs.to_be_bytes(),
                &maybe(memory.default_smdp.as_ref()),
                &maybe(memory.enabled),
                &maybe(memory.before_test),
                &maybe(memory.waiting.map(maybe)),
            ],
        );
        for slot in &memory.slots {
            let state = match &slot.unusable {
                Some(unusable) => unusable.state.clone(),
                None => slot.profile.as_deref().unwrap_or(enabled).save(),
            };
            let (place, package) = match &slot.source {
                Source::Delivered(place) => (*place as u64, None),
                Source::Package { number, package } => (*number, Some(package)),
            };
            out.put_parts(
                PROFILE,
                &[
                    &slot.aid,
                    &place.to_be_bytes(),
                    &maybe(package),
                    &slot.metadata.to_bytes(),
                    &maybe(slot.nickname.as_ref()),
                    &maybe(slot.proprietary.as_ref()),
                    &[u8::from(slot.downloaded), u8::from(slot.fallback_allowed)],
                    &state,
                ],
            );
        }
        for stored in &memory.notifications {
            let sequence = stored.sequence.to_be_bytes();
            out.put_parts(
                NOTIFICATION,
                &[&sequence, &[stored.event.0], &stored.content, &maybe(stored.signature)],
            );
        }
        for kept in &memory.one_time_keys {
            let curve = u8::from(kept.key.curve() == Curve::BrainpoolP256r1);
            out.put_parts(ONE_TIME_KEY, &[&kept.smdp_oid, &[curve], kept.key.scalar()]);
        }
        for (at, der) in &memory.crls {
            out.put_parts(CRL, &[&(*at as u64).to_be_bytes(), der]);
        }
        if let Some(installing) = &memory.installing {
            let Installing { transaction_id, server_address, smdp_oid, iccid } = installing;
            out.put_parts(
                INSTALLING,
                &[transaction_id, server_address.as_bytes(), smdp_oid, &maybe(iccid.as_ref())],
            );
        }
        for eim in &memory.eims {
            out.put_parts(EIM, &[&AddInitialEim(vec![eim.clone()]).to_bytes()]);
        }
        for (sequence, result) in &memory.package_results {
            out.put_parts(PACKAGE_RESULT, &[&sequence.to_be_bytes(), result]);
        }
        if let Some(Rollback { previous, eim_id, counter, transaction_id }) = &memory.rollback {
            let id = maybe(transaction_id.as_ref());
            out.put_parts(ROLLBACK, &[previous, eim_id.as_bytes(), &counter.to_be_bytes(), &id]);
        }
        out.put_parts(
            IOT,
            &[
                &memory.association_tokens.to_be_bytes(),
                &memory.immediate.to_bytes(0xbf59),
                &maybe(memory.fallback),
                &maybe(memory.before_fallback),
            ],
        );
        out.put_stream(CHALLENGES, &self.challenges);
        out.put_stream(ONE_TIME_KEYS, &self.one_time_keys);
        out.finish()
    }

    /// Makes this eUICC, new and delivered with the same profiles, what another was when it was saved.
    pub(in crate::card) fn restore(&mut self, card: &mut Uicc, state: &[u8]) -> Result<(), CardError> {
        let stored = Stored::open(state)?;
        let found = stored.all(ICCID).next().unwrap_or_default();
        if found != self.config.eid.as_str().as_bytes() {
            let found = String::from_utf8_lossy(found).into_owned();
            return Err(CardError::StateForeign { found, card: self.config.eid.to_string() });
        }
        if let Some(kept) = identity(stored)? {
            let ([kept, _], [own, _]) = (&kept.chain, &self.config.chain);
            if kept.public() != own.public() {
                let named = |certificate: &RspCertificate| hex::encode(certificate.fingerprint());
                return Err(CardError::StateIdentity { found: named(kept), card: named(own) });
            }
        }
        let mut memory = self.stored_memory(stored)?;
        for parts in stored.all_parts::<8>(PROFILE) {
            memory.slots.push(self.stored_profile(card, parts?)?);
        }
        self.check_profiles(&memory)?;
        // What cannot be used is not enabled either; the device finds a card without a profile, or enables another.
        if memory.enabled.and_then(|aid| memory.slot(&aid)).is_some_and(|slot| slot.unusable.is_some()) {
            memory.enabled = None;
        }
        let mut anchors = self.config.anchors.clone();
        for (at, der) in &memory.crls {
            let wrong = || damaged("a revocation list of the eUICC is not one of its CIs");
            let crl = Crl::parse(der).map_err(|_| wrong())?;
            let anchor = anchors.get_mut(*at).ok_or_else(wrong)?;
            anchor.take_crl(&crl, None, &self.tally).map_err(|_| wrong())?;
        }
        let (mut challenges, mut one_time_keys) = (self.challenges.clone(), self.one_time_keys.clone());
        stored.forward(CHALLENGES, &mut challenges)?;
        stored.forward(ONE_TIME_KEYS, &mut one_time_keys)?;
        (self.memory, self.anchors) = (memory, anchors);
        (self.challenges, self.one_time_keys) = (challenges, one_time_keys);
        self.changed();
        let enabled = self.memory.enabled.and_then(|aid| self.memory.slot_mut(&aid)?.profile.take());
        card.swap_profile(enabled);
        Ok(())
    }

    /// Everything but the profiles.
    fn stored_memory(&self, stored: Stored<'_>) -> Result<Memory, CardError> {
        let settings = stored.all_parts::<6>(SETTINGS).next();
        let [sequence, installs, smdp, enabled, before_test, waiting] =
            settings.ok_or(damaged("the settings of the eUICC are missing"))??;
        let aid = |part: &[u8]| maybe_of(part).map(exactly::<16>).transpose();
        let mut memory = Memory {
            next_sequence: number(sequence)?,
            // No profile may draw the random numbers of another one, also after an older state comes back.
            installs: number(installs)?.max(self.memory.installs),
            default_smdp: maybe_of(smdp).map(text).transpose()?,
            enabled: aid(enabled)?,
            before_test: aid(before_test)?,
            waiting: maybe_of(waiting).map(aid).transpose()?,
            ..Memory::new(&self.config)
        };
        for parts in stored.all_parts::<4>(NOTIFICATION) {
            let [sequence, event, content, signature] = parts?;
            memory.notifications.push(StoredNotification {
                sequence: number(sequence)?,
                event: NotificationEvents(exactly::<1>(event)?[0]),
                content: content.to_vec(),
                signature: maybe_of(signature).map(exactly).transpose()?,
            });
        }
        for parts in stored.all_parts::<3>(ONE_TIME_KEY) {
            let [oid, curve, scalar] = parts?;
            let key = stored_key(curve, scalar)?;
            memory.one_time_keys.push(OneTimeKey { smdp_oid: oid.to_vec(), key });
        }
        for parts in stored.all_parts::<2>(CRL) {
            let [at, der] = parts?;
            let at = usize::try_from(number(at)?).map_err(|_| damaged("there is no such CI"))?;
            memory.crls.insert(at, der.to_vec());
        }
        for parts in stored.all_parts::<4>(INSTALLING) {
            let [transaction_id, address, oid, iccid] = parts?;
            memory.installing = Some(Installing {
                transaction_id: transaction_id.to_vec(),
                server_address: text(address)?,
                smdp_oid: oid.to_vec(),
                iccid: maybe_of(iccid).map(exactly).transpose()?,
            });
        }
        self.stored_iot(stored, &mut memory)?;
        Ok(memory)
    }

    /// What SGP.32 adds.
    fn stored_iot(&self, stored: Stored<'_>, memory: &mut Memory) -> Result<(), CardError> {
        let wrong = || damaged("what the eUICC knows of its eIMs cannot be read");
        let aid = |part: &[u8]| maybe_of(part).map(exactly::<16>).transpose();
        memory.eims.clear();
        for parts in stored.all_parts::<1>(EIM) {
            let [eim] = parts?;
            memory.eims.extend(AddInitialEim::parse(eim).map_err(|_| wrong())?.0);
        }
        for parts in stored.all_parts::<2>(PACKAGE_RESULT) {
            let [sequence, result] = parts?;
            memory.package_results.push((number(sequence)?, result.to_vec()));
        }
        for parts in stored.all_parts::<4>(ROLLBACK) {
            let [previous, eim_id, counter, transaction_id] = parts?;
            memory.rollback = Some(Rollback {
                previous: exactly(previous)?,
                eim_id: text(eim_id)?,
                counter: number(counter)?,
                transaction_id: maybe_of(transaction_id).map(<[u8]>::to_vec),
            });
        }
        let [tokens, immediate, fallback, before_fallback] =
            stored.all_parts::<4>(IOT).next().ok_or_else(wrong)??;
        memory.association_tokens = number(tokens)?;
        memory.immediate = ImmediateEnableConfiguration::parse(immediate).map_err(|_| wrong())?;
        (memory.fallback, memory.before_fallback) = (aid(fallback)?, aid(before_fallback)?);
        Ok(())
    }

    fn stored_profile(&self, card: &Uicc, parts: [&[u8]; 8]) -> Result<Slot, CardError> {
        let [aid, place, package, metadata, nickname, proprietary, flags, state] = parts;
        let [downloaded, fallback_allowed] = exactly::<2>(flags)?.map(|flag| flag == 1);
        let place = number(place)?;
        let source = match maybe_of(package) {
            Some(package) => Source::Package { number: place, package: package.to_vec() },
            None => {
                Source::Delivered(usize::try_from(place).map_err(|_| damaged("there is no such profile"))?)
            }
        };
        let made = self.restored_profile(card, &source, state);
        let (profile, unusable) = match made {
            Ok(profile) => (Some(Box::new(profile)), None),
            Err(cause) => (None, Some(Unusable { cause, state: state.to_vec() })),
        };
        Ok(Slot {
            aid: exactly(aid)?,
            metadata: ProfileMetadata::parse(metadata)
                .map_err(|_| damaged("the metadata of a profile cannot be read"))?,
            nickname: maybe_of(nickname).map(text).transpose()?,
            proprietary: maybe_of(proprietary).map(<[u8]>::to_vec),
            source,
            downloaded,
            fallback_allowed,
            profile,
            unusable,
        })
    }

    /// The profile of `source` as `state` has it.
    fn restored_profile(
        &self,
        card: &Uicc,
        source: &Source,
        state: &[u8],
    ) -> Result<InstalledProfile, CardError> {
        let mut profile = self.made_again(source)?;
        // Random numbers that the profile has given do not come again: first what it is now, then the state.
        if let Some(now) = self.memory.slots.iter().find(|slot| slot.source == *source) {
            let now = now.profile.as_deref().or(card.profile());
            if let Some(now) = now.filter(|now| now.iccid() == profile.iccid()) {
                profile.restore(&now.save())?;
            }
        }
        profile.restore(state)?;
        Ok(profile)
    }

    /// AIDs and ICCIDs occur once, and what is enabled is there.
    fn check_profiles(&self, memory: &Memory) -> Result<(), CardError> {
        let once = memory.slots.iter().enumerate().all(|(at, slot)| {
            let other = |other: &&Slot| other.aid == slot.aid || other.metadata.iccid == slot.metadata.iccid;
            !memory.slots[..at].iter().any(|before| other(&before))
        });
        let known = |aid: Option<Aid>| aid.is_none_or(|aid| memory.slot(&aid).is_some());
        let waiting = memory.waiting.flatten();
        if once && known(memory.enabled) && known(memory.before_test) && known(waiting) {
            return Ok(());
        }
        Err(damaged("its profiles contradict each other"))
    }
}
