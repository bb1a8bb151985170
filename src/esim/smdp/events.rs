//! ES12 (SGP.22 clauses 3.6 and 5.8): tells an SM-DS that a profile waits for an eUICC, and when it no longer does.
//! What fails is tried again.

use serde_json::json;

use super::super::{HttpRequest, HttpResponse, JSON};
use super::{Order, OrderState, Smdp};

/// After how long an SM-DS that did not answer is asked again, in seconds.
const RETRY_S: u64 = 60;
/// After how many failures an event is given up: about a day.
const FAILURES_MAX: u32 = 1_440;

/// Something that an SM-DS has to be told.
#[derive(Debug, Clone)]
pub(super) struct PendingEvent {
    pub(super) due_unix_s: u64,
    failures: u32,
    request: HttpRequest,
    /// Whether it was handed out and no answer has come yet.
    under_way: bool,
}

impl Smdp {
    /// The next request to an SM-DS that is due. Its answer goes to [`Smdp::resume`].
    pub fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        if self.events.iter().any(|event| event.under_way) {
            return None;
        }
        let event = self.events.iter_mut().find(|event| event.due_unix_s <= now_unix_s)?;
        event.under_way = true;
        Some(event.request.clone())
    }

    /// Takes the answer to the request of [`Smdp::poll`]; `None` where none came. Says what went wrong.
    ///
    /// # Errors
    /// A sentence for people; the request is made again later.
    pub fn resume(&mut self, now_unix_s: u64, response: Option<&HttpResponse>) -> Result<(), String> {
        let Some(at) = self.events.iter().position(|event| event.under_way) else { return Ok(()) };
        let problem = match response.map(executed) {
            Some(Ok(())) => {
                self.events.remove(at);
                return Ok(());
            }
            Some(Err(problem)) => problem,
            None => "there was no answer".to_owned(),
        };
        let event = &mut self.events[at];
        event.under_way = false;
        event.failures += 1;
        event.due_unix_s = now_unix_s.saturating_add(RETRY_S);
        let text = format!("{}{}: {problem}", event.request.host, event.request.path);
        if event.failures >= FAILURES_MAX {
            self.events.remove(at);
        }
        Err(text)
    }

    /// Registers the event of a released order, where it names an SM-DS.
    pub(super) fn announce(&mut self, order: &Order, now_unix_s: u64) {
        if order.state != OrderState::Released {
            return;
        }
        if let (Some(smds), Some(eid), Some(id)) = (&order.smds, &order.eid, &order.matching_id) {
            let body = json!({
                "header": header(&self.settings.address, id),
                "eid": eid,
                "rspServerAddress": self.settings.address,
                "eventId": id,
                "forwardingIndicator": false,
            });
            self.events.push(event(now_unix_s, smds, "registerEvent", &body));
        }
    }

    /// Deletes the event of an order, where it has one.
    pub(super) fn forget_event(&mut self, order: &Order) {
        if let (Some(smds), Some(eid), Some(id)) = (&order.smds, &order.eid, &order.matching_id) {
            let body = json!({"header": header(&self.settings.address, id), "eid": eid, "eventId": id});
            self.events.push(event(0, smds, "deleteEvent", &body));
        }
    }

    /// After a start: whether an SM-DS has heard of an order is not kept, so it is told again. It knows what it has
    /// been told before.
    pub(super) fn remember_events(&mut self) {
        let waiting: Vec<Order> =
            self.orders.values().filter(|order| order.smds.is_some()).cloned().collect();
        for order in waiting {
            self.announce(&order, 0);
        }
    }
}

fn header(requester: &str, call: &str) -> serde_json::Value {
    json!({"functionRequesterIdentifier": requester, "functionCallIdentifier": call})
}

fn event(due_unix_s: u64, smds: &str, function: &str, body: &serde_json::Value) -> PendingEvent {
    let request = HttpRequest {
        host: smds.to_owned(),
        path: format!("/gsma/rsp2/es12/{function}"),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
    };
    PendingEvent { due_unix_s, failures: 0, request, under_way: false }
}

/// Whether the answer says that the function was executed, or that there was nothing to do.
fn executed(response: &HttpResponse) -> Result<(), String> {
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let status = &body["header"]["functionExecutionStatus"];
    let codes = &status["statusCodeData"];
    // Deleted before, by whatever hand.
    let gone = codes["subjectCode"] == "8.9.5" && codes["reasonCode"] == "3.9";
    if status["status"] == "Executed-Success" || gone {
        return Ok(());
    }
    Err(codes["message"].as_str().map_or_else(|| format!("HTTP status {}", response.status), str::to_owned))
}
