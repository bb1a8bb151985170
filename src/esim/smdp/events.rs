//! ES12 (SGP.22 clauses 3.6 and 5.8): tells an SM-DS that a profile waits for an eUICC, and when it no longer does.
//! What fails is tried again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::{HttpRequest, HttpResponse, JSON};
use super::{Order, OrderState, Smdp};
use crate::id::Eid;

/// After how long an SM-DS that did not answer is asked again, in seconds.
const RETRY_S: u64 = 60;
/// After how many failures an event is given up: about a day.
const FAILURES_MAX: u32 = 1_440;

/// Which event: the SM-DS, the EID, and the identifier of the event.
type EventName = (String, Eid, String);

/// Something that an SM-DS has to be told.
#[derive(Debug, Clone)]
struct PendingEvent {
    /// Counts what was ever to be told: what replaces something is another one.
    number: u64,
    due_unix_s: u64,
    failures: u32,
    request: HttpRequest,
}

/// What SM-DSs have to be told, by the event and by when it is due. Of an event only the last word counts: one that is
/// deleted before the SM-DS has heard of it is not registered afterwards.
#[derive(Debug, Default)]
pub(super) struct PendingEvents {
    pending: BTreeMap<EventName, PendingEvent>,
    due: BTreeSet<(u64, u64, EventName)>,
    /// What was handed out and no answer has come to yet.
    under_way: Option<(EventName, u64)>,
    numbers: u64,
}

impl PendingEvents {
    /// When the first is due, Unix seconds.
    pub(super) fn due_unix_s(&self) -> Option<u64> {
        self.due.first().map(|(due_unix_s, ..)| *due_unix_s)
    }

    fn push(&mut self, name: EventName, due_unix_s: u64, request: HttpRequest) {
        self.numbers += 1;
        self.insert(name, PendingEvent { number: self.numbers, due_unix_s, failures: 0, request });
    }

    fn insert(&mut self, name: EventName, event: PendingEvent) {
        self.remove(&name);
        self.due.insert((event.due_unix_s, event.number, name.clone()));
        self.pending.insert(name, event);
    }

    fn remove(&mut self, name: &EventName) -> Option<PendingEvent> {
        let event = self.pending.remove(name)?;
        self.due.remove(&(event.due_unix_s, event.number, name.clone()));
        Some(event)
    }

    fn next(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        if self.under_way.is_some() {
            return None;
        }
        let (_, number, name) = self.due.first().filter(|(due_unix_s, ..)| *due_unix_s <= now_unix_s)?;
        let request = self.pending.get(name)?.request.clone();
        self.under_way = Some((name.clone(), *number));
        Some(request)
    }

    /// What was under way, no longer pending; `None` where nothing was, or something else is to be told by now.
    fn take_under_way(&mut self) -> Option<(EventName, PendingEvent)> {
        let (name, number) = self.under_way.take()?;
        self.pending.get(&name).filter(|event| event.number == number)?;
        let event = self.remove(&name)?;
        Some((name, event))
    }
}

impl Smdp {
    /// The next request to an SM-DS that is due. Its answer goes to [`Smdp::resume`].
    pub fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        self.events.next(now_unix_s)
    }

    /// Takes the answer to the request of [`Smdp::poll`]; `None` where none came. Says what went wrong.
    ///
    /// # Errors
    /// A sentence for people; the request is made again later.
    pub fn resume(&mut self, now_unix_s: u64, response: Option<&HttpResponse>) -> Result<(), String> {
        let Some((name, mut event)) = self.events.take_under_way() else { return Ok(()) };
        let problem = match response.map(executed) {
            Some(Ok(())) => return Ok(()),
            Some(Err(problem)) => problem,
            None => "there was no answer".to_owned(),
        };
        event.failures += 1;
        event.due_unix_s = now_unix_s.saturating_add(RETRY_S);
        let text = format!("{}{}: {problem}", event.request.host, event.request.path);
        if event.failures < FAILURES_MAX {
            self.events.insert(name, event);
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
            let name = (smds.clone(), eid.clone(), id.clone());
            self.events.push(name, now_unix_s, request(smds, "registerEvent", &body));
        }
    }

    /// Deletes the event of an order, where it has one.
    pub(super) fn forget_event(&mut self, order: &Order) {
        if let (Some(smds), Some(eid), Some(id)) = (&order.smds, &order.eid, &order.matching_id) {
            let body = json!({"header": header(&self.settings.address, id), "eid": eid, "eventId": id});
            let name = (smds.clone(), eid.clone(), id.clone());
            self.events.push(name, 0, request(smds, "deleteEvent", &body));
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

fn request(smds: &str, function: &str, body: &serde_json::Value) -> HttpRequest {
    HttpRequest {
        host: smds.to_owned(),
        path: format!("/gsma/rsp2/es12/{function}"),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
    }
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
