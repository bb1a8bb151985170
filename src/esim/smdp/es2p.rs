//! ES2+ (SGP.22 clauses 5.3 and 6.5.2): how the operator places orders. The same functions as plain calls.

use rand_core::RngCore;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::caller::check_requester;
use super::super::json::{self as binding, Body};
use super::super::{Caller, Client, FunctionRefusal, HttpResponse, Reason, Served};
use super::{Order, OrderState, Outcome, Smdp, done, served};
use crate::id::{Eid, Iccid};

/// What a matching identifier may consist of (SGP.22 clause 4.1.1), and how long it may be here.
const MATCHING_ID_MAX: usize = 64;

/// ES2+.DownloadOrder: reserves a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownloadOrder {
    /// The eUICC that it is for, where that is known already.
    pub eid: Option<Eid>,
    /// A profile of the inventory; without it one of `profile_type` is taken.
    pub iccid: Option<Iccid>,
    /// The kind of profile.
    pub profile_type: Option<String>,
}

/// ES2+.ConfirmOrder: gives a reserved profile its matching identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfirmOrder {
    /// The profile that was reserved.
    pub iccid: Iccid,
    /// The eUICC that it is for, where that is known.
    pub eid: Option<Eid>,
    /// Made by the SM-DP+ where there is none; empty where the EID alone decides.
    pub matching_id: Option<String>,
    /// What the user has to type, where that is wanted.
    pub confirmation_code: Option<String>,
    /// The SM-DS that is told when the profile is released.
    pub smds: Option<String>,
    /// Whether it may be downloaded from now on.
    pub release: bool,
}

impl std::fmt::Debug for ConfirmOrder {
    /// Not what the user has to type.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfirmOrder")
            .field("iccid", &self.iccid)
            .field("eid", &self.eid)
            .field("matching_id", &self.matching_id)
            .field("smds", &self.smds)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

/// What ES2+.ConfirmOrder returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The eUICC that it is for, where that is known.
    pub eid: Option<Eid>,
    /// By which the download names the order.
    pub matching_id: String,
}

impl Smdp {
    pub(super) fn es2p(&mut self, now_unix_s: u64, caller: &Caller, function: &str, body: &[u8]) -> Served {
        let name = match function {
            "downloadOrder" => "DownloadOrder",
            "confirmOrder" => "ConfirmOrder",
            "cancelOrder" => "CancelOrder",
            "releaseProfile" => "ReleaseProfile",
            _ => return Served::refused(function, &Reason::UnknownFunction.into(), None),
        };
        let outcome: Outcome =
            self.es2p_function(now_unix_s, caller, function, body).map_err(|refusal| (refusal, None));
        served(format!("ES2+.{name}"), outcome)
    }

    fn es2p_function(
        &mut self,
        now_unix_s: u64,
        caller: &Caller,
        function: &str,
        body: &[u8],
    ) -> Result<(HttpResponse, String), FunctionRefusal> {
        let owner = match caller {
            Caller::House | Caller::Peer { client: Client::NotAsked, .. } => None,
            Caller::Peer { client: Client::Operator(name), .. } => Some(name),
            Caller::Peer { client: Client::Smdp(name), .. } => {
                let detail = format!("The certificate of {} is not an operator's.", name.name);
                return Err(FunctionRefusal::new(Reason::NotAuthenticated, detail));
            }
            Caller::Peer { client: Client::Nobody(why), .. } => {
                return Err(FunctionRefusal::new(Reason::NotAuthenticated, why));
            }
        };
        let body = Body::parse(body)?;
        check_requester(&body, owner)?;
        let owner = owner.map(|name| name.name.as_str());
        let iccid: Option<Iccid> = body.parsed("iccid")?;
        let eid: Option<Eid> = body.parsed("eid")?;
        let text = |name| body.optional_text(name).map(|text| text.map(str::to_owned));
        if function == "downloadOrder" {
            let order = DownloadOrder { eid, iccid, profile_type: text("profileType")? };
            let iccid = self.download_order_of(owner, &order)?;
            let note = format!("profile {iccid}");
            return Ok((binding::executed(vec![("iccid", Value::String(iccid.into()))]), note));
        }
        let iccid = iccid.ok_or_else(|| FunctionRefusal::new(Reason::FieldMissing, "iccid is not there."))?;
        let note = format!("profile {iccid}");
        if let (Some(owner), Some(order)) = (owner, self.orders.get(&iccid))
            && order.owner.as_deref() != Some(owner)
        {
            return Err(Reason::NotTheOwner.into());
        }
        match function {
            "confirmOrder" => {
                let smds = text("smdsAddress")?.filter(|address| !address.is_empty());
                let told =
                    |smds: &String| self.settings.smds.iter().any(|own| own.eq_ignore_ascii_case(smds));
                if let Some(smds) = smds.as_ref().filter(|smds| !told(smds)) {
                    return Err(FunctionRefusal::new(Reason::SmdsNotAllowed, format!("It is {smds}.")));
                }
                let confirmed = self.confirm_order(
                    now_unix_s,
                    &ConfirmOrder {
                        iccid,
                        eid,
                        matching_id: text("matchingId")?,
                        confirmation_code: text("confirmationCode")?,
                        smds,
                        release: body.flag("releaseFlag")?,
                    },
                )?;
                let mut fields = vec![("matchingId", json!(confirmed.matching_id))];
                fields.extend(confirmed.eid.map(|eid| ("eid", Value::String(eid.into()))));
                fields.push(("smdpAddress", json!(self.settings.address)));
                Ok((binding::executed(fields), note))
            }
            "cancelOrder" => {
                let matching_id = text("matchingId")?;
                let available = match body.text("finalProfileStatusIndicator")? {
                    "Available" => true,
                    "Unavailable" => false,
                    other => {
                        let detail =
                            format!("finalProfileStatusIndicator is Available or Unavailable, not {other}.");
                        return Err(FunctionRefusal::new(Reason::Malformed, detail));
                    }
                };
                self.cancel_order(&iccid, eid.as_ref(), matching_id.as_deref(), available)?;
                Ok((done(), note))
            }
            _ => {
                self.release_profile(now_unix_s, &iccid)?;
                Ok((done(), note))
            }
        }
    }

    /// Reserves a profile of the inventory (clause 5.3.1).
    ///
    /// # Errors
    /// [`Reason::IccidUnknown`], [`Reason::IccidInUse`], [`Reason::TypeMismatch`], [`Reason::TypeUnknown`],
    /// [`Reason::TypeExhausted`], [`Reason::FieldMissing`] where neither ICCID nor type is given.
    pub fn download_order(&mut self, request: &DownloadOrder) -> Result<Iccid, FunctionRefusal> {
        self.download_order_of(None, request)
    }

    /// The same for an operator.
    fn download_order_of(
        &mut self,
        owner: Option<&str>,
        request: &DownloadOrder,
    ) -> Result<Iccid, FunctionRefusal> {
        let order = match (&request.iccid, &request.profile_type) {
            (Some(iccid), wanted) => {
                let order = self.orders.get(iccid).ok_or(Reason::IccidUnknown)?;
                if wanted.as_ref().is_some_and(|wanted| *wanted != order.profile_type) {
                    return Err(Reason::TypeMismatch.into());
                }
                if order.state != OrderState::Available {
                    return Err(Reason::IccidInUse.into());
                }
                order
            }
            (None, Some(wanted)) => {
                let available = self.available.get(wanted).ok_or(Reason::TypeUnknown)?;
                let first = available.first().and_then(|iccid| self.orders.get(iccid));
                first.ok_or(Reason::TypeExhausted)?
            }
            (None, None) => {
                return Err(FunctionRefusal::new(
                    Reason::FieldMissing,
                    "Neither iccid nor profileType is there.",
                ));
            }
        };
        let mut order = order.clone();
        order.state = if request.eid.is_some() { OrderState::Linked } else { OrderState::Allocated };
        order.eid.clone_from(&request.eid);
        order.owner = owner.map(str::to_owned);
        let iccid = order.iccid.clone();
        self.keep(order)?;
        Ok(iccid)
    }

    /// Gives a reserved profile its matching identifier (clause 5.3.2).
    ///
    /// # Errors
    /// [`Reason::IccidUnknown`], [`Reason::WrongState`], [`Reason::EidOther`], [`Reason::EidMissing`],
    /// [`Reason::MatchingIdInUse`], [`Reason::Malformed`].
    pub fn confirm_order(
        &mut self,
        now_unix_s: u64,
        request: &ConfirmOrder,
    ) -> Result<Confirmed, FunctionRefusal> {
        let mut order = self.orders.get(&request.iccid).cloned().ok_or(Reason::IccidUnknown)?;
        if !matches!(order.state, OrderState::Allocated | OrderState::Linked) {
            return Err(wrong_state(&order));
        }
        if let (Some(before), Some(now)) = (&order.eid, &request.eid)
            && before != now
        {
            return Err(Reason::EidOther.into());
        }
        order.eid = order.eid.or_else(|| request.eid.clone());
        let matching_id = match &request.matching_id {
            Some(id) => checked_matching_id(id)?.to_owned(),
            None => self.new_matching_id(),
        };
        if order.eid.is_none() && (matching_id.is_empty() || request.smds.is_some()) {
            return Err(Reason::EidMissing.into());
        }
        if self.by_matching_id.contains_key(&matching_id) {
            return Err(Reason::MatchingIdInUse.into());
        }
        order.matching_id = Some(matching_id.clone());
        order.code_hash = request
            .confirmation_code
            .as_ref()
            .filter(|code| !code.is_empty())
            .map(|code| Sha256::digest(code.as_bytes()).into());
        order.smds.clone_from(&request.smds);
        order.state = OrderState::Confirmed;
        if request.release {
            self.release(&mut order, now_unix_s);
        }
        let confirmed = Confirmed { eid: order.eid.clone(), matching_id };
        self.keep(order.clone())?;
        self.announce(&order, now_unix_s);
        Ok(confirmed)
    }

    /// Lets a confirmed profile be downloaded (clause 5.3.5).
    ///
    /// # Errors
    /// [`Reason::IccidUnknown`], [`Reason::WrongState`].
    pub fn release_profile(&mut self, now_unix_s: u64, iccid: &Iccid) -> Result<(), FunctionRefusal> {
        let mut order = self.orders.get(iccid).cloned().ok_or(Reason::IccidUnknown)?;
        if order.state != OrderState::Confirmed {
            return Err(wrong_state(&order));
        }
        self.release(&mut order, now_unix_s);
        self.keep(order.clone())?;
        self.announce(&order, now_unix_s);
        Ok(())
    }

    /// Takes an order back (clause 5.3.3). The profile goes back into the inventory where `available` says so and no
    /// eUICC has had its package.
    ///
    /// # Errors
    /// [`Reason::IccidUnknown`], [`Reason::EidOther`], [`Reason::MatchingIdOther`]; [`Reason::WrongState`] where the
    /// profile is installed, or would be available although an eUICC has had its package.
    pub fn cancel_order(
        &mut self,
        iccid: &Iccid,
        eid: Option<&Eid>,
        matching_id: Option<&str>,
        available: bool,
    ) -> Result<(), FunctionRefusal> {
        let mut order = self.orders.get(iccid).cloned().ok_or(Reason::IccidUnknown)?;
        if eid.is_some() && order.eid.as_ref() != eid {
            return Err(Reason::EidOther.into());
        }
        if matching_id.is_some() && order.matching_id.as_deref() != matching_id {
            return Err(Reason::MatchingIdOther.into());
        }
        let handed_out = order.downloads > 0;
        if matches!(order.state, OrderState::Available | OrderState::Installed) || available && handed_out {
            return Err(wrong_state(&order));
        }
        self.forget_event(&mut order);
        order.owner = if available { None } else { order.owner };
        order.state = if available { OrderState::Available } else { OrderState::Unavailable };
        order.eid = if available { None } else { order.eid };
        order.matching_id = None;
        order.smds = None;
        order.code_hash = None;
        order.code_failures = 0;
        order.expires_unix_s = None;
        order.problem = None;
        self.keep(order)
    }

    fn release(&mut self, order: &mut Order, now_unix_s: u64) {
        self.released += 1;
        order.released = self.released;
        order.state = OrderState::Released;
        order.expires_unix_s = self.settings.order_s.map(|s| now_unix_s.saturating_add(s));
    }

    /// A token that nobody guesses: 80 bits in groups of four letters and digits.
    fn new_matching_id(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let mut bits = [0; 16];
        self.rng.fill_bytes(&mut bits);
        let letters: Vec<char> = bits.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        groups.join("-")
    }
}

fn checked_matching_id(id: &str) -> Result<&str, FunctionRefusal> {
    let usable = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    if id.len() <= MATCHING_ID_MAX && id.bytes().all(usable) {
        return Ok(id);
    }
    let detail = format!("A matching identifier has at most {MATCHING_ID_MAX} of A-Z, 0-9 and -.");
    Err(FunctionRefusal::new(Reason::Malformed, detail))
}

fn wrong_state(order: &Order) -> FunctionRefusal {
    FunctionRefusal::new(Reason::WrongState, format!("It is {}.", order.state))
}
