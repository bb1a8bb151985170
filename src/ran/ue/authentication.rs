//! EPS authentication and key agreement (TS 24.301 clause 5.4.2, TS 33.401 clause 6.1), computed by the card.

use super::refusals::Refused;
use super::{Emm, T3410, T3416, T3418, T3420, Timer, Ue, UeOutput, fault};
use crate::kernel::Instant;
use crate::ran::RanError;
use crate::ran::usim;
use crate::wire::Reason;
use crate::wire::authenticate::Outcome;
use crate::wire::nas::{Emm as Mobility, EmmCause, Kasme, Message};

/// How many wrong challenges in a row the UE takes before it leaves the cell.
const FAILURES: u8 = 3;

/// How far authentication has come in this attach.
#[derive(Debug, Default)]
pub(super) struct Progress {
    failures: u8,
    last_failure: Option<Reason>,
    /// The last challenge and its answer, until T3416: a repeated challenge does not reach the card.
    answered: Option<([u8; 16], Vec<u8>, Instant)>,
}

impl Progress {
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// The UE refused what the network wants.
    pub(super) fn failed(&mut self, reason: Reason) {
        self.last_failure = Some(reason);
    }

    /// What went wrong last.
    pub(super) fn last_failure(&self) -> Option<Reason> {
        self.last_failure.clone()
    }
}

impl Ue {
    pub(super) fn authentication_requested(
        &mut self,
        now: Instant,
        ksi: u8,
        (rand, autn): ([u8; 16], [u8; 16]),
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        self.timers.remove(&Timer::T3418);
        self.timers.remove(&Timer::T3420);
        let repeated =
            self.authentication.answered.as_ref().filter(|(known, _, until)| *known == rand && now < *until);
        if let Some((_, res, _)) = repeated {
            let res = res.clone();
            return self.answer_challenge(&res, out);
        }
        // The separation bit of AMF must be set for E-UTRAN (TS 33.401 clause 6.1.1).
        if autn[6] & 0x80 == 0 {
            return self.challenge_failed(now, EmmCause::NON_EPS_AUTHENTICATION_UNACCEPTABLE, None, out);
        }
        match self.with_card(out, |card| usim::authenticate(card, &rand, &autn))? {
            Outcome::Success { res, ck, ik, .. } => {
                let Some(serving) = self.radio.cell().map(|cell| cell.plmn) else { return Ok(()) };
                let kasme = Kasme::derive(&ck, &ik, serving, &autn).map_err(|e| fault("KASME", &e))?;
                self.nas.authenticated(ksi, kasme);
                self.authentication.failures = 0;
                self.authentication.last_failure = None;
                self.authentication.answered = Some((rand, res.clone(), now + T3416));
                if self.emm == Emm::RegisteredInitiated {
                    self.timers.entry(Timer::T3410).or_insert(now + T3410);
                }
                self.answer_challenge(&res, out)
            }
            Outcome::SynchronisationFailure { auts } => {
                self.challenge_failed(now, EmmCause::SYNCH_FAILURE, Some(auts), out)
            }
            Outcome::MacFailure => self.challenge_failed(now, EmmCause::MAC_FAILURE, None, out),
        }
    }

    fn answer_challenge(&mut self, res: &[u8], out: &mut Vec<UeOutput>) -> Result<(), RanError> {
        self.send(&Message::Emm(Mobility::AuthenticationResponse { res: res.to_vec() }), out)
    }

    /// Tells the network that its challenge failed (clause 5.4.2.6) and gives it T3418 or T3420 to do better.
    /// T3410 stops meanwhile.
    fn challenge_failed(
        &mut self,
        now: Instant,
        cause: EmmCause,
        auts: Option<[u8; 14]>,
        out: &mut Vec<UeOutput>,
    ) -> Result<(), RanError> {
        let (reason, timer, wait) = match cause {
            EmmCause::SYNCH_FAILURE => (Reason::SyncFailure, Timer::T3420, T3420),
            EmmCause::MAC_FAILURE => (Reason::MacFailure, Timer::T3418, T3418),
            _ => (Reason::NonEpsAuthentication, Timer::T3418, T3418),
        };
        self.authentication.failures += 1;
        self.authentication.failed(reason);
        self.authentication.answered = None;
        self.send(&Message::Emm(Mobility::AuthenticationFailure { cause, auts }), out)?;
        self.timers.remove(&Timer::T3410);
        if self.authentication.failures >= FAILURES {
            self.network_failed_authentication(now, out);
        } else {
            self.timers.insert(timer, now + wait);
        }
        Ok(())
    }

    /// AUTHENTICATION REJECT (clause 5.4.2.5). One without proof counts only while the UE waits for what the network says
    /// of its last answer (T3416, T3418 or T3420 runs), and is forgiven later (clause 5.3.7b).
    pub(super) fn authentication_rejected(&mut self, now: Instant, proved: bool, out: &mut Vec<UeOutput>) {
        let awaited = self.authentication.answered.as_ref().is_some_and(|(_, _, until)| now < *until)
            || [Timer::T3418, Timer::T3420].iter().any(|timer| self.timers.contains_key(timer));
        if self.emm != Emm::RegisteredInitiated {
            return;
        }
        if !proved && !awaited {
            return Self::note("emm", "authentication reject that nothing has led to", out);
        }
        let reason = self.authentication.last_failure().unwrap_or(Reason::AuthenticationReject);
        let detail = match reason {
            Reason::MacFailure => {
                "AUTHENTICATION REJECT after the card found the MAC of AUTN wrong: do the keys of HSS and card differ?"
            }
            Reason::SyncFailure => {
                "AUTHENTICATION REJECT after resynchronisation failed: do the keys of HSS and card differ?"
            }
            _ => "AUTHENTICATION REJECT: the network did not accept the card's answer",
        };
        self.refused(now, (Refused::Usim, proved), &reason, detail, out);
    }
}
