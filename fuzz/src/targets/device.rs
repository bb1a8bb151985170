//! A device with an eUICC that asks servers which answer what they like: its LPA and its IPA end, nothing panics, and no
//! profile is on the card that the SM-DP+ of the hierarchy has not bound for it.

use cellbed::card::{CardSlot, Uicc};
use cellbed::esim::ipa::{Ipa, IpaOptions, IpaStep};
use cellbed::esim::lpa::{Download, DownloadOptions, Es10, Source, Step, Transport};
use cellbed::esim::{ASN1, HttpResponse, JSON};
use cellbed::kernel::RngTree;
use cellbed::wire::rsp::{DeviceInfo, ProfileFilter};
use cellbed::world::euicc::{EuiccIssue, EuiccServers, virtual_euicc};

use super::frames::frames;
use super::servers::{MATCHING_ID, PKI, SMDP, card};

/// The most answers of one run.
const ANSWERS_MAX: usize = 20;

/// The eUICC.
pub fn euicc() -> Uicc {
    let run = RngTree::new(7);
    let servers = EuiccServers::lab(&PKI, &run, true).expect("the lab's servers");
    let issue = EuiccIssue { pki: &PKI, servers: &servers, bootstrap: true, svn: None, identity: None };
    virtual_euicc(&card(), 1, &run, &[], &issue).expect("an eUICC")
}

/// A download by the code of the one order.
pub fn download() -> Download {
    let source = Source::Smdp { address: SMDP.to_owned(), matching_id: Some(MATCHING_ID.to_owned()) };
    Download::new(
        source,
        Transport::Direct,
        DownloadOptions::accepting(DeviceInfo::lte([0x35, 0x29, 0x06, 0x11])),
    )
}

/// An IPA whose eIM is the lab's.
pub fn ipa() -> Ipa {
    Ipa::new(IpaOptions {
        eim: super::servers::EIM.to_owned(),
        device: DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]),
        indirect: true,
        immediate_enable: false,
        plmn: None,
    })
}

/// Frames of answers: the lowest bit of the first kind says who asks, that of the others whether the answer is JSON.
pub fn run(bytes: &[u8]) {
    let mut slot = CardSlot::new(Box::new(euicc()));
    let mut es10 = Es10::open(&mut slot).expect("an eUICC");
    let mut answers = frames(bytes).take(ANSWERS_MAX);
    let Some((who, first)) = answers.next() else { return };
    let mut answers = std::iter::once((who >> 1, first)).chain(answers).map(|(kind, body)| HttpResponse {
        status: if kind & 2 == 0 { 200 } else { 204 },
        content_type: (if kind & 1 == 0 { JSON } else { ASN1 }).to_owned(),
        body: body.to_vec(),
    });
    if who & 1 == 0 {
        let mut download = download();
        let mut step = download.start(&mut es10);
        while let Step::Send(_) = step {
            step = match answers.next() {
                Some(answer) => download.resume(&mut es10, &answer),
                None => download.failed("there is no way to it"),
            };
        }
    } else {
        let mut ipa = ipa();
        let mut step = ipa.start(&mut es10);
        for _ in 0..2 * ANSWERS_MAX {
            step = match step {
                IpaStep::Send(_) => match answers.next() {
                    Some(answer) => ipa.resume(&mut es10, &answer),
                    None => ipa.failed(&mut es10, "there is no way to it"),
                },
                IpaStep::ProfileChanged => ipa.resume_after_refresh(&mut es10, true),
                IpaStep::Idle(_) | IpaStep::Failed(_) => break,
            };
        }
    }
    let profiles = es10.profiles(&ProfileFilter::default()).expect("the eUICC goes on");
    assert_eq!(profiles.len(), 1, "a profile came from nobody");
}
