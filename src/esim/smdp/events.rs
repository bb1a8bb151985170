//! ES12 (SGP.22 clauses 3.6 and 5.8): tells an SM-DS that a profile waits for an eUICC, and when it no longer does.
//! What fails is tried again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::{HttpRequest, HttpResponse, JSON};
use super::order::Event;
use super::{Order, OrderState, Smdp};
use crate::id::{Eid, Iccid};

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
    /// The order that has ended with the event; none where the event is registered.
    ended: Option<Iccid>,
    request: HttpRequest,
}

/// What SM-DSs have to be told, by the event and by when it is due. Of an event only the last word counts: one that is
/// deleted before the SM-DS has heard of it is not registered afterwards.
#[derive(Debug, Default)]
pub(super) struct PendingEvents {
    pending: BTreeMap<EventName, PendingEvent>,
    /// By the SM-DS: one that does not answer holds nobody else up.
    due: BTreeMap<String, BTreeSet<(u64, u64, EventName)>>,
    /// What was handed out and no answer has come to yet, one for each SM-DS.
    under_way: BTreeMap<String, (EventName, u64)>,
    numbers: u64,
}

impl PendingEvents {
    /// When the first is due, Unix seconds.
    pub(super) fn due_unix_s(&self) -> Option<u64> {
        let idle = self.due.iter().filter(|(smds, _)| !self.under_way.contains_key(*smds));
        idle.filter_map(|(_, due)| due.first()).map(|(due_unix_s, ..)| *due_unix_s).min()
    }

    fn push(&mut self, event: Event, due_unix_s: u64, ended: Option<Iccid>, request: HttpRequest) {
        self.numbers += 1;
        let name = (event.smds, event.eid, event.id);
        self.insert(name, PendingEvent { number: self.numbers, due_unix_s, failures: 0, ended, request });
    }

    fn insert(&mut self, name: EventName, event: PendingEvent) {
        self.remove(&name);
        let of_smds = self.due.entry(name.0.clone()).or_default();
        of_smds.insert((event.due_unix_s, event.number, name.clone()));
        self.pending.insert(name, event);
    }

    fn remove(&mut self, name: &EventName) -> Option<PendingEvent> {
        let event = self.pending.remove(name)?;
        if let Some(of_smds) = self.due.get_mut(&name.0) {
            of_smds.remove(&(event.due_unix_s, event.number, name.clone()));
            if of_smds.is_empty() {
                self.due.remove(&name.0);
            }
        }
        Some(event)
    }

    fn next(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        let idle = self.due.iter().filter(|(smds, _)| !self.under_way.contains_key(*smds));
        let firsts = idle.filter_map(|(_, due)| due.first());
        let (due_unix_s, number, name) = firsts.min()?.clone();
        if due_unix_s > now_unix_s {
            return None;
        }
        let request = self.pending.get(&name)?.request.clone();
        self.under_way.insert(name.0.clone(), (name, number));
        Some(request)
    }

    /// What was under way to an SM-DS, no longer pending; `None` where nothing was, or something else is to be told by
    /// now.
    fn take_under_way(&mut self, smds: &str) -> Option<(EventName, PendingEvent)> {
        let (name, number) = self.under_way.remove(smds)?;
        self.pending.get(&name).filter(|event| event.number == number)?;
        let event = self.remove(&name)?;
        Some((name, event))
    }
}

impl Smdp {
    /// The next request to an SM-DS that is due, one at a time for each. Its answer goes to [`Smdp::resume`].
    pub fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        self.events.next(now_unix_s)
    }

    /// Takes the answer of the SM-DS at `smds` to the request of [`Smdp::poll`]; `None` where none came. Says what went
    /// wrong.
    ///
    /// # Errors
    /// A sentence for people; the request is made again later.
    pub fn resume(
        &mut self,
        now_unix_s: u64,
        smds: &str,
        response: Option<&HttpResponse>,
    ) -> Result<(), String> {
        let Some((name, mut event)) = self.events.take_under_way(smds) else { return Ok(()) };
        let problem = match response.map(executed) {
            Some(Ok(())) => return self.event_is_gone(&name, event.ended.as_ref()),
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

    /// The SM-DS has forgotten the event of an order that has ended.
    fn event_is_gone(&mut self, (smds, eid, id): &EventName, ended: Option<&Iccid>) -> Result<(), String> {
        let Some(mut order) = ended.and_then(|iccid| self.orders.get(iccid)).cloned() else { return Ok(()) };
        let before = order.ended_events.len();
        order.ended_events.retain(|event| (&event.smds, &event.eid, &event.id) != (smds, eid, id));
        if order.ended_events.len() == before {
            return Ok(());
        }
        // Else it is told once more after the next start.
        self.keep(order).map_err(|refusal| refusal.to_string())
    }

    /// Registers the event of a released order, where it names an SM-DS.
    pub(super) fn announce(&mut self, order: &Order, now_unix_s: u64) {
        if order.state != OrderState::Released {
            return;
        }
        if let Some(event) = order.event() {
            let body = json!({
                "header": header(&self.requester(), &event.id),
                "eid": event.eid,
                "rspServerAddress": self.settings.address,
                "eventId": event.id,
                "forwardingIndicator": false,
            });
            let request = request(&event.smds, "registerEvent", &body);
            self.events.push(event, now_unix_s, None, request);
        }
    }

    /// Deletes the event of an order, where it has one, and has the order remember that until the SM-DS has.
    pub(super) fn forget_event(&mut self, order: &mut Order) {
        if let Some(event) = order.event() {
            if !order.ended_events.contains(&event) {
                order.ended_events.push(event.clone());
            }
            self.delete_event(order.iccid.clone(), event);
        }
    }

    /// What an SM-DS knows this SM-DP+ by: the object identifier of its certificates.
    fn requester(&self) -> String {
        let oid = self.identities.values().next().map(|identity| identity.oid.to_string());
        oid.unwrap_or_else(|| self.settings.address.clone())
    }

    fn delete_event(&mut self, iccid: Iccid, event: Event) {
        let header = header(&self.requester(), &event.id);
        let body = json!({"header": header, "eid": event.eid, "eventId": event.id});
        let request = request(&event.smds, "deleteEvent", &body);
        self.events.push(event, 0, Some(iccid), request);
    }

    /// After a start: whether an SM-DS has heard of an order is not kept, so it is told again. It knows what it has
    /// been told before.
    pub(super) fn remember_events(&mut self) {
        let told = |order: &&Order| order.smds.is_some() || !order.ended_events.is_empty();
        let orders: Vec<Order> = self.orders.values().filter(told).cloned().collect();
        for order in orders {
            for event in order.ended_events.clone() {
                self.delete_event(order.iccid.clone(), event);
            }
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
