//! Event retrieval: what an SM-DS knows for this eUICC (SGP.22 clauses 3.6.2 and 5.8).

use super::super::HttpResponse;
use super::super::es9p::{self, EventEntry, Service};
use super::download::authenticate_server;
use super::es10::Es10;
use super::transport::Transport;
use super::{LpaError, Step};
use crate::wire::rsp::DeviceInfo;

enum State {
    Begin,
    Initiating,
    Authenticating,
}

/// One question to an SM-DS.
pub struct Discovery {
    /// FQDN; the root SM-DS that the eUICC names where it is none.
    address: Option<String>,
    event_id: Option<String>,
    device: DeviceInfo,
    state: State,
}

type Advance = Result<Step<Vec<EventEntry>>, LpaError>;

impl Discovery {
    /// A question to the SM-DS at `address`, or to the root one; for one event, or for all.
    pub fn new(address: Option<String>, event_id: Option<String>, device: DeviceInfo) -> Self {
        Self { address, event_id, device, state: State::Begin }
    }

    /// Begins.
    pub fn start(&mut self, es10: &mut Es10<'_>) -> Step<Vec<EventEntry>> {
        self.initiate(es10).unwrap_or_else(Step::Failed)
    }

    /// Takes the answer to what was sent.
    pub fn resume(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Step<Vec<EventEntry>> {
        let step = match std::mem::replace(&mut self.state, State::Begin) {
            State::Begin => Err(LpaError::Ended),
            State::Initiating => self.initiated(es10, response),
            State::Authenticating => es9p::events(response).map(Step::Done).map_err(Into::into),
        };
        step.unwrap_or_else(Step::Failed)
    }

    /// Takes that there was no answer.
    pub fn failed(&mut self, problem: &str) -> Step<Vec<EventEntry>> {
        self.state = State::Begin;
        let host = self.address.clone().unwrap_or_default();
        Step::Failed(LpaError::Network { host, problem: problem.to_owned() })
    }

    fn initiate(&mut self, es10: &mut Es10<'_>) -> Advance {
        let server = match &self.address {
            Some(address) => address.clone(),
            None => es10.addresses()?.root_smds,
        };
        super::activation::check_address(&server)?;
        let info1 = es10.info1()?;
        let challenge = es10.challenge()?;
        let request = Transport::Direct.initiate(Service::Smds, Some(&server), challenge, info1);
        self.address = Some(server);
        self.state = State::Initiating;
        Ok(Step::Send(request))
    }

    fn initiated(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Advance {
        let ok = es9p::initiated(response)?;
        let server = self.address.as_deref();
        let authentication = authenticate_server(es10, &ok, server, self.event_id.clone(), &self.device)?;
        self.state = State::Authenticating;
        Ok(Step::Send(es9p::authenticate_client(
            Service::Smds,
            &authentication.server_address,
            &authentication.transaction_id,
            &authentication.response,
        )))
    }
}
