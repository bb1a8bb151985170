//! The traditional way to a certificate: a central server that knows a secret of each device, which the factory has burned
//! into it. Whoever has the secret is the device. There is no ledger, and nobody asks the network or the card.

use std::collections::BTreeMap;
use std::time::Duration;

use super::office::{Caller, Context};
use super::rate::Rate;
use crate::ca::est::{self, Credentials, EstResponse, Linking, Refusal, Wanted};
use crate::ca::{Authority, CaError, DeviceCertificate, Subject};
use crate::event::Actor;
use crate::id::DeviceName;
use crate::wire::Reason;
use crate::wire::http::Request;

/// How a device comes to its identity.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Its card makes a key, the ledger has it, and ledger, network and owner agree on the certificate.
    #[default]
    ZeroTouch,
    /// The factory has burned a secret into it, its host makes a key, and a central server that knows the secret has the
    /// certificate issued. The card is a SIM with a fixed profile.
    Traditional,
}

impl Way {
    /// Whether it is the one that nobody asks for.
    pub fn is_zero_touch(&self) -> bool {
        *self == Self::ZeroTouch
    }
}

/// A device of the lab signs for the session that it has.
const LINKING: Linking = Linking::Demanded;
/// How many tries each device has at once, and after which time one more.
const TRIES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_secs(60);

/// The devices that people have entered at the central server, each with the secret that was burned into it.
pub struct Central {
    /// Password and name by the serial number on the device.
    devices: BTreeMap<String, (String, DeviceName)>,
    rate: Rate,
}

impl Default for Central {
    fn default() -> Self {
        Self { devices: BTreeMap::new(), rate: Rate::new(TRIES, TRY_EVERY) }
    }
}

impl Central {
    /// Enters a device.
    pub fn enter(&mut self, serial: String, password: String, name: DeviceName) {
        self.devices.insert(serial, (password, name));
    }

    /// What `authority` answers to a request for a certificate; with a certificate that is to be renewed where `again`.
    ///
    /// # Errors
    /// Where the authority cannot sign or keep what it has signed.
    pub fn enrol(
        &mut self,
        authority: &mut Authority,
        who: &Caller<'_>,
        request: &Request,
        again: bool,
        cx: &mut Context<'_>,
    ) -> Result<EstResponse, CaError> {
        let now = cx.now.unix_s();
        let named = match again {
            true => renewed(authority, who, now),
            false => self.by_secret(who, request, cx),
        };
        let asked = named.and_then(|name| {
            let forbidden = |error: CaError| Refusal::Forbidden {
                reason: Reason::NameMismatch,
                detail: error.to_string(),
            };
            let subject = Subject::device(&name).map_err(forbidden)?;
            let binding = who.channel_binding.as_ref();
            let wanted = Wanted { subject: &subject, in_full: again, linking: LINKING, binding };
            let csr = est::request(request.headers.get("content-type"), &request.body, wanted)?;
            Ok((csr, subject, name))
        });
        let (csr, subject, name) = match asked {
            Ok(asked) => asked,
            Err(refusal) => {
                cx.note(Actor::CA, "enrolment refused", vec![("reason", refusal.reason())]);
                return Ok(refusal.response());
            }
        };
        let prepared = match authority.prepare(&csr, &subject, now) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Refusal::of_request(error)?.response()),
        };
        let fields = vec![("serial", prepared.serial().to_string()), ("name", name.to_string())];
        let der = authority.issue(prepared)?;
        cx.note(Actor::CA, "certificate signed for whoever has the secret", fields);
        EstResponse::enrolled(&der)
    }

    /// The device whose secret the request shows.
    fn by_secret(
        &mut self,
        who: &Caller<'_>,
        request: &Request,
        cx: &Context<'_>,
    ) -> Result<DeviceName, Refusal> {
        self.rate.take(cx.now, who.device).map_err(|wait| Refusal::TooOften {
            reason: Reason::TooManyFailures,
            detail: "too many requests of one device".to_owned(),
            after_s: wait.as_secs().max(1),
        })?;
        let given = request.headers.get("authorization").and_then(Credentials::parse);
        let known = given.and_then(|given| {
            let (password, name) = self.devices.get(&given.user)?;
            given.has_password(password).then_some(*name)
        });
        known.ok_or_else(|| Refusal::NotAuthenticated {
            reason: Reason::NotAuthenticated,
            detail: "nobody has entered a device with this secret".to_owned(),
            challenge: est::BASIC,
        })
    }
}

/// The device whose certificate the caller has shown.
fn renewed(authority: &Authority, who: &Caller<'_>, now_unix_s: u64) -> Result<DeviceName, Refusal> {
    let shown = est::certificate_of(authority, who.certificate, now_unix_s)?;
    let certificate = DeviceCertificate::parse(shown.der())
        .map_err(|error| Refusal::Forbidden { reason: Reason::NameMismatch, detail: error.to_string() })?;
    Ok(certificate.name())
}
