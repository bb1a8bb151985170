//! What `cellbed euicc` prints: text for people, JSON for programs.

use serde_json::{Value, json};

use super::EuiccToolError;
use crate::cli::terminal;
use crate::esim::Pki;
use crate::esim::es9p::EventEntry;
use crate::esim::ipa::PollReport;
use crate::esim::lpa::{Delivered, DownloadReport, Es10};
use crate::kernel::Page;
use crate::kernel::text::row;
use crate::reader::identity::mask;
use crate::wire::bcd;
use crate::wire::rsp::iot::{Added, EimConfigurationData};
use crate::wire::rsp::{
    ConfiguredAddresses, EuiccInfo2, IccidBytes, NotificationMetadata, ProfileClass, ProfileInfo,
    ProfileState,
};
use crate::wire::tlv;

/// How it is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) json: bool,
    pub(super) show_identifiers: bool,
}

impl How {
    fn identifier(self, digits: &str) -> String {
        if self.show_identifiers { digits.to_owned() } else { mask(digits) }
    }

    fn iccid(self, iccid: Option<&IccidBytes>) -> String {
        let digits =
            iccid.map(|iccid| bcd::read_iccid(iccid).map_or_else(|_| hex::encode(iccid), |i| i.to_string()));
        digits.map_or_else(|| "-".to_owned(), |digits| self.identifier(&digits))
    }

    fn print(self, text: Page, json: Value) -> Printed {
        if self.json { Printed::Json(json) } else { Printed::Text(text) }
    }
}

/// What is to be printed, in the form that was asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Printed {
    Text(Page),
    Json(Value),
}

impl Printed {
    /// Prints it.
    pub(super) fn show(&self) {
        match self {
            Self::Text(page) => terminal::page(page),
            Self::Json(value) => terminal::json(value),
        }
    }
}

fn line(title: &str, value: impl std::fmt::Display) -> Page {
    Page::titled(16, title, value)
}

/// What an eUICC says of itself.
pub(super) struct Info {
    eid: String,
    info: EuiccInfo2,
    addresses: ConfiguredAddresses,
    eims: Vec<EimConfigurationData>,
}

impl Info {
    pub(super) fn read(es10: &mut Es10<'_>) -> Result<Self, EuiccToolError> {
        Ok(Self {
            eid: hex::encode(es10.eid()?),
            info: EuiccInfo2::parse(&es10.info2()?).map_err(crate::esim::lpa::LpaError::Card)?,
            addresses: es10.addresses()?,
            // An eUICC for consumers has no eIMs and does not know the question.
            eims: es10.eims().unwrap_or_default(),
        })
    }

    fn free_memory(&self) -> Option<u64> {
        let bytes = tlv::find(&self.info.ext_card_resource, 0x82).ok()?;
        Some(bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// The key identifier of the lab's CI.
fn lab_ci() -> Option<String> {
    Pki::lab().ok().map(|lab| hex::encode(lab.ci.certificate.key_id()))
}

pub(super) fn info(info: &Info, how: How) -> Printed {
    let version = |[major, minor, revision]: [u8; 3]| format!("{major}.{minor}.{revision}");
    let keys = |ids: &[Vec<u8>]| ids.iter().map(hex::encode).collect::<Vec<_>>();
    let svn = version(info.info.svn);
    let mut text = line("EID", how.identifier(&info.eid));
    text += line("SGP.22", &svn);
    text += line("profile package", version(info.info.profile_version));
    text += line("firmware", version(info.info.firmware));
    if let Some(free) = info.free_memory() {
        text += line("free memory", format!("{free} bytes"));
    }
    let default = info.addresses.default_smdp.clone().unwrap_or_default();
    text += line("default SM-DP+", if default.is_empty() { "none" } else { &default });
    text += line("root SM-DS", &info.addresses.root_smds);
    let public = lab_ci();
    let named = |id: String| match public.as_ref() == Some(&id) {
        true => format!("{id}, the lab's: its private key is public, and what it certifies proves nothing"),
        false => id,
    };
    for (n, id) in keys(&info.info.ci_for_verification).into_iter().enumerate() {
        text += line(if n == 0 { "trusts CI" } else { "" }, named(id));
    }
    for (n, id) in keys(&info.info.ci_for_signing).into_iter().enumerate() {
        text += line(if n == 0 { "signs under CI" } else { "" }, named(id));
    }
    for (n, eim) in info.eims.iter().enumerate() {
        let fqdn = eim.fqdn.as_deref().unwrap_or("no address");
        text += line(if n == 0 { "eIM" } else { "" }, format!("{} at {fqdn}", eim.eim_id));
    }
    let eims: Vec<Value> =
        info.eims.iter().map(|eim| json!({"id": eim.eim_id, "address": eim.fqdn})).collect();
    let json = json!({
        "eid": how.identifier(&info.eid),
        "svn": svn,
        "profile_version": version(info.info.profile_version),
        "firmware": version(info.info.firmware),
        "free_memory_bytes": info.free_memory(),
        "default_smdp": info.addresses.default_smdp,
        "root_smds": info.addresses.root_smds,
        "ci_for_verification": keys(&info.info.ci_for_verification),
        "ci_for_signing": keys(&info.info.ci_for_signing),
        "public_ci": public,
        "eims": eims,
    });
    how.print(text, json)
}

pub(super) fn profiles(list: &[ProfileInfo], how: How) -> Printed {
    let state = |info: &ProfileInfo| match info.state {
        Some(ProfileState::Enabled) => "enabled",
        Some(ProfileState::Disabled) => "disabled",
        None => "unknown",
    };
    let class = |info: &ProfileInfo| match info.class {
        Some(ProfileClass::Test) => "test",
        Some(ProfileClass::Provisioning) => "provisioning",
        _ => "operational",
    };
    let mut text = Page::new();
    for (n, info) in list.iter().enumerate() {
        let name = info.name.as_deref().unwrap_or_default();
        let provider = info.service_provider.as_deref().unwrap_or_default();
        let nickname = info.nickname.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        text += row!(
            "{:>3}  {:<20}  {:<8}  {:<12}  {provider}, {name}{nickname}",
            n + 1,
            how.iccid(info.iccid.as_ref()),
            state(info),
            class(info),
        );
    }
    if list.is_empty() {
        text += row!("no profile");
    }
    let one = |info: &ProfileInfo| {
        json!({
            "iccid": how.iccid(info.iccid.as_ref()),
            "isdp_aid": info.aid.as_ref().map(hex::encode),
            "state": state(info),
            "class": class(info),
            "name": info.name,
            "nickname": info.nickname,
            "service_provider": info.service_provider,
        })
    };
    how.print(text, Value::Array(list.iter().map(one).collect()))
}

fn of_notification(metadata: &NotificationMetadata, how: How) -> Value {
    json!({
        "sequence_number": metadata.sequence_number,
        "event": metadata.event.name(),
        "address": metadata.address,
        "iccid": how.iccid(metadata.iccid.as_ref()),
    })
}

pub(super) fn notifications(list: &[NotificationMetadata], how: How) -> Printed {
    let one = |metadata: &NotificationMetadata| {
        let (number, event) = (metadata.sequence_number, metadata.event.name());
        row!("{number:>5}  {event:<8}  {}  for {}", how.iccid(metadata.iccid.as_ref()), metadata.address)
    };
    let text = if list.is_empty() { row!("none waits") } else { list.iter().map(one).collect() };
    how.print(text, Value::Array(list.iter().map(|m| of_notification(m, how)).collect()))
}

pub(super) fn delivered(done: &Delivered, how: How) -> Printed {
    let mut text = row!("{} delivered, {} kept", done.delivered.len(), done.kept.len());
    for (metadata, why) in &done.kept {
        text += row!("{:>5}  {}: {why}", metadata.sequence_number, metadata.address);
    }
    let kept: Vec<Value> = done
        .kept
        .iter()
        .map(|(m, why)| json!({"notification": of_notification(m, how), "reason": why}))
        .collect();
    let sent: Vec<Value> = done.delivered.iter().map(|m| of_notification(m, how)).collect();
    how.print(text, json!({"delivered": sent, "kept": kept}))
}

pub(super) fn downloaded(report: &DownloadReport, how: How) -> Printed {
    let name = report.metadata.as_ref().map(|metadata| metadata.name.as_str()).unwrap_or_default();
    let iccid = how.iccid(report.iccid.as_ref());
    let mut text = row!("installed {iccid} ({name}) from {}", report.server);
    if let Some(why) = &report.notification_kept {
        text += row!("the SM-DP+ was not told yet: {why}");
    }
    let json = json!({
        "iccid": iccid,
        "name": name,
        "server": report.server,
        "notification_kept": report.notification_kept,
    });
    how.print(text, json)
}

pub(super) fn events(list: &[EventEntry], how: How) -> Printed {
    let one = |event: &EventEntry| row!("{}  at {}", event.event_id, event.server);
    let text = if list.is_empty() { row!("nothing waits") } else { list.iter().map(one).collect() };
    let json = list.iter().map(|event| json!({"event_id": event.event_id, "server": event.server})).collect();
    how.print(text, Value::Array(json))
}

pub(super) fn polled(report: &PollReport, how: How) -> Printed {
    let mut text: Page = report.done.iter().map(|line| row!("{line}")).collect();
    if report.done.is_empty() {
        text += row!("the eIM has nothing to do");
    }
    let json = json!({
        "done": report.done,
        "refused": report.refused,
        "profile_changed": report.profile_changed,
        "not_downloaded": report.not_downloaded.as_ref().map(ToString::to_string),
    });
    how.print(text, json)
}

pub(super) fn eims_added(eims: &[EimConfigurationData], added: &[Added], how: How) -> Printed {
    let token = |added: &Added| match added {
        Added::Token(token) => Some(*token),
        Added::Plain => None,
    };
    let both = || eims.iter().zip(added.iter().map(token));
    let text = both()
        .map(|(eim, token)| {
            let token = token.map(|token| format!(", association token {token}")).unwrap_or_default();
            row!("{} may manage this eUICC{token}", eim.eim_id)
        })
        .collect();
    let json = both().map(|(eim, token)| json!({"id": eim.eim_id, "association_token": token})).collect();
    how.print(text, Value::Array(json))
}

pub(super) fn done(sentence: &str, how: How) -> Printed {
    how.print(row!("{sentence}"), json!({"done": sentence}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{CardSlot, SimProfile};
    use crate::esim::pki::LAB_SEED;
    use crate::kernel::RngTree;
    use crate::world::euicc::{EuiccIssue, EuiccServers, virtual_euicc};

    const MASKED: How = How { json: false, show_identifiers: false };

    fn text(printed: Printed) -> Page {
        match printed {
            Printed::Text(page) => page,
            Printed::Json(json) => panic!("{json}"),
        }
    }

    fn with_card<T>(act: impl FnOnce(&mut Es10<'_>) -> T) -> T {
        let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
        let (personalisation, run) = (profile.personalise(0).unwrap(), RngTree::new(LAB_SEED));
        let (pki, servers) = (Pki::lab().unwrap(), EuiccServers::default());
        let issue = EuiccIssue { pki: &pki, servers: &servers, bootstrap: true, svn: None, identity: None };
        let card = virtual_euicc(&personalisation, 1, &run, &[], &issue).unwrap();
        let mut slot = CardSlot::new(Box::new(card));
        slot.reset().unwrap();
        act(&mut Es10::open(&mut slot).unwrap())
    }

    #[test]
    fn identifiers_are_masked_unless_asked_for() {
        let (said, list) = with_card(|es10| (Info::read(es10).unwrap(), super::super::listed(es10).unwrap()));
        let printed = text(info(&said, MASKED)) + text(profiles(&list, MASKED));
        for digits in [&said.eid, "8988211000000000011"] {
            assert!(!printed.contains(digits), "{printed}");
        }
        let shown = How { show_identifiers: true, json: true };
        let Printed::Json(json) = info(&said, shown) else { panic!("text") };
        assert_eq!(json["eid"], said.eid);
        let Printed::Json(json) = profiles(&list, shown) else { panic!("text") };
        assert_eq!(
            (json[0]["iccid"].as_str(), json[0]["state"].as_str()),
            (Some("8988211000000000011"), Some("enabled"))
        );
        insta::assert_snapshot!(text(profiles(&list, MASKED)));
    }

    #[test]
    fn lists_that_are_empty_say_so() {
        let lists = [profiles(&[], MASKED), notifications(&[], MASKED), events(&[], MASKED)];
        let said: Page = lists.into_iter().map(text).collect();
        assert_eq!(said.as_str(), "no profile\nnone waits\nnothing waits\n");
        assert_eq!(text(polled(&PollReport::default(), MASKED)).as_str(), "the eIM has nothing to do\n");
    }
}
