//! The cloud: lets MQTT clients in by their certificate and what the ledger says of it, and takes in what they report.

use super::ServiceError;
use super::central::Way;
use super::chain::wrong_status;
use super::office::{Answer, Caller, Context, Office, Request, Response};
use crate::ca::{ClientCertificate, DeviceCertificate};
use crate::crypto::key::halves;
use crate::event::Actor;
use crate::id::DeviceName;
use crate::ledger::{DeviceRecord, Engine, Status};
use crate::wire::Reason;
use crate::wire::http;
use crate::wire::registration::Problem;

/// The cloud.
#[derive(Debug, Default)]
pub struct Cloud {
    telemetry: u64,
    way: Way,
}

impl Cloud {
    /// A cloud that asks the ledger, or in the traditional way nobody but the authority.
    pub fn new(way: Way) -> Self {
        Self { telemetry: 0, way }
    }

    /// How many telemetry messages it has taken in.
    pub fn telemetry(&self) -> u64 {
        self.telemetry
    }
}

impl Office for Cloud {
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        Ok(match request {
            Request::Connect { client_id } => {
                let admitted = who.may_be_served();
                let admitted =
                    admitted.and_then(|()| admit(client_id, who.certificate, self.way, cx.chain.ledger()));
                Answer::Now(match admitted {
                    Ok(name) => {
                        let change = match self.way {
                            Way::ZeroTouch => {
                                "client admitted: certificate under the CA, active on the ledger"
                            }
                            Way::Traditional => "client admitted: certificate under the CA",
                        };
                        cx.note(Actor::CLOUD, change, vec![("name", name.to_string())]);
                        Response::Admitted { root: format!("devices/{name}") }
                    }
                    Err(problem) => {
                        cx.note(
                            Actor::CLOUD,
                            "client turned away",
                            vec![("reason", problem.reason.to_string())],
                        );
                        Response::TurnedAway
                    }
                })
            }
            Request::Publish { payload } => {
                self.telemetry += 1;
                let fields = vec![("octets", payload.len().to_string())];
                cx.note(Actor::CLOUD, "telemetry received", fields);
                Answer::Now(Response::Taken)
            }
            Request::Http(_) => http::Response::new(404).into(),
        })
    }
}

/// Whether the client may connect now: its certificate has to name it, and the ledger has to agree. The ledger knows the
/// device by the key that the certificate is for; what it calls the device is nothing that the cloud needs.
fn admit(
    client_id: &str,
    certificate: Option<&ClientCertificate>,
    way: Way,
    ledger: &Engine,
) -> Result<DeviceName, Problem> {
    let device = certificate.and_then(|certificate| DeviceCertificate::parse(certificate.der()).ok());
    let certificate = device.filter(|device| device.name().to_string() == client_id).ok_or_else(|| {
        Problem::new(403, Reason::ClientIdentityMismatch, "the certificate names another client")
    })?;
    if way == Way::ZeroTouch {
        certified_device(&certificate, &[Status::Active], ledger)?;
    }
    Ok(certificate.name())
}

/// The device with this certificate, by what the ledger calls it, and its record there.
///
/// # Errors
/// Where the ledger does not know its key, has it in none of the states that are `served`, or has another certificate for
/// it.
pub(super) fn certified_device(
    certificate: &DeviceCertificate,
    served: &[Status],
    ledger: &Engine,
) -> Result<([u8; 32], DeviceRecord), Problem> {
    let (x, y) = halves(certificate.public());
    let found = ledger.id_of_key(&x, &y).and_then(|id| Some((id, ledger.device(&id)?)));
    let (id, record) = found.ok_or_else(|| {
        Problem::new(403, Reason::DeviceNotOnLedger, "the ledger has no record of this device's key")
    })?;
    if !served.contains(&record.status) {
        return Err(wrong_status(record.status));
    }
    if record.cert_hash != *certificate.tbs_digest() {
        let detail = "the ledger has another certificate for this device";
        return Err(Problem::new(403, Reason::CertificateSuperseded, detail));
    }
    Ok((id, record))
}
