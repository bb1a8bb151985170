//! The cloud: lets MQTT clients in by their certificate and what the ledger says of it, and takes in what they report.

use super::chain::wrong_status;
use super::office::{Answer, Caller, Context, Office, Request, Response};
use super::{ServiceError, short};
use crate::ca::DeviceCertificate;
use crate::event::Actor;
use crate::ledger::{Engine, Status};
use crate::wire::Reason;
use crate::wire::http;
use crate::wire::registration::Problem;

/// The cloud.
#[derive(Debug, Default)]
pub struct Cloud {
    telemetry: u64,
}

impl Cloud {
    /// How many telemetry messages it has taken in.
    pub fn telemetry(&self) -> u64 {
        self.telemetry
    }
}

impl Office for Cloud {
    fn answer(
        &mut self,
        _: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        Ok(match request {
            Request::Connect { client_id, certificate } => {
                Answer::Now(match admit(client_id, *certificate, cx.chain.ledger()) {
                    Ok(id) => {
                        let change = "client admitted: certificate under the CA, active on the ledger";
                        cx.note(Actor::CLOUD, change, vec![("id", short(&id))]);
                        Response::Admitted { root: format!("devices/{client_id}") }
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

/// Whether the client may connect now: its certificate has to name it, and the ledger has to agree.
fn admit(
    client_id: &str,
    certificate: Option<&DeviceCertificate>,
    ledger: &Engine,
) -> Result<[u8; 32], Problem> {
    let certificate =
        certificate.filter(|certificate| hex::encode(certificate.device()) == client_id).ok_or_else(
            || Problem::new(403, Reason::ClientIdentityMismatch, "the certificate names another client"),
        )?;
    let id = *certificate.device();
    let record = ledger.device(&id).ok_or_else(|| {
        Problem::new(403, Reason::DeviceNotOnLedger, "the ledger has no record of this device")
    })?;
    if record.status != Status::Active {
        return Err(wrong_status(record.status));
    }
    if record.cert_hash != *certificate.fingerprint() {
        let detail = "the ledger has another certificate for this device";
        return Err(Problem::new(403, Reason::CertificateSuperseded, detail));
    }
    Ok(id)
}
