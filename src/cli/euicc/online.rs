//! The verbs of `cellbed euicc` that speak to servers.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{DiscoverArgs, DownloadArgs, NotificationsArgs, PollArgs};
use super::show::{self, How};
use super::{Done, EuiccToolError, Inserted, insert, open, with_euicc, with_outcome};
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::crypto::rsp_cert::pem;
use crate::esim::ipa::{Ipa, IpaOptions, IpaStep};
use crate::esim::lpa::{
    ActivationCode, Delivery, Discovery, Download, DownloadOptions, Es10, LpaError, Source, Step, Transport,
    is_standard_token,
};
use crate::esim::{HttpRequest, HttpResponse, UserAgent};
use crate::io::files;
use crate::io::https_client::HttpsClient;
use crate::wire::rsp::DeviceInfo;

/// The type allocation code of a device that is a computer with a reader: one for tests (TS.06).
const TAC: [u8; 4] = [0x35, 0x29, 0x06, 0x11];

pub(super) fn download(args: &DownloadArgs, how: How) -> Done {
    let source = match (&args.code, &args.smdp) {
        (Some(code), _) => Source::ActivationCode(code.parse::<ActivationCode>().map_err(LpaError::from)?),
        (None, Some(address)) => {
            Source::Smdp { address: address.clone(), matching_id: args.matching_id.clone() }
        }
        (None, None) => Source::DefaultSmdp,
    };
    let token = match &source {
        Source::ActivationCode(code) => Some(code.token.clone()),
        Source::Smdp { matching_id, .. } => matching_id.clone(),
        _ => None,
    };
    let unusual = token.filter(|token| !is_standard_token(token));
    let mut client = client(&args.network.ca, args.network.timeout)?;
    with_euicc(&args.local, |es10| {
        let mut options = DownloadOptions::accepting(DeviceInfo::lte(TAC));
        options.confirmation_code.clone_from(&args.confirmation_code);
        let mut download = Download::new(source, Transport::Direct, options);
        let mut step = download.start(es10);
        let report = loop {
            step = match step {
                Step::Send(request) => match client.send(&request) {
                    Ok(response) => download.resume(es10, &response),
                    Err(problem) => download.failed(&problem.to_string()),
                },
                Step::Done(report) => break report,
                Step::Failed(error) => {
                    if let (LpaError::Server(_), Some(token)) = (&error, unusual) {
                        terminal::note(format_args!(
                            "the matching identifier {token:?} was sent as it is; SGP.22 clause 4.1 has capital letters, \
                             digits and hyphens: look at its spelling"
                        ));
                    }
                    return Err(error.into());
                }
            };
        };
        Ok(show::downloaded(&report, how))
    })
}

pub(super) fn discover(args: &DiscoverArgs, how: How) -> Done {
    let mut client = client(&args.network.ca, args.network.timeout)?;
    with_euicc(&args.local, |es10| {
        let mut discovery = Discovery::new(args.smds.clone(), None, DeviceInfo::lte(TAC));
        let mut step = discovery.start(es10);
        let events = loop {
            step = match step {
                Step::Send(request) => match client.send(&request) {
                    Ok(response) => discovery.resume(es10, &response),
                    Err(problem) => discovery.failed(&problem.to_string()),
                },
                Step::Done(events) => break events,
                Step::Failed(error) => return Err(error.into()),
            };
        };
        Ok(show::events(&events, how))
    })
}

pub(super) fn notifications(args: &NotificationsArgs, how: How) -> Done {
    if !args.send {
        return with_euicc(&args.local, |es10| Ok(show::notifications(&es10.notifications()?, how)));
    }
    let mut client = client(&args.ca, 30)?;
    with_outcome(&args.local, |es10| {
        let mut unreachable = false;
        let mut delivery = Delivery::new(Transport::Direct);
        let mut step = delivery.start(es10);
        let delivered = loop {
            step = match step {
                Step::Send(request) => match client.send(&request) {
                    Ok(response) => delivery.resume(es10, &response),
                    Err(problem) => {
                        unreachable = true;
                        delivery.failed(es10, &problem.to_string())
                    }
                },
                Step::Done(delivered) => break delivered,
                Step::Failed(error) => return Err(error.into()),
            };
        };
        let exit = match (delivered.kept.is_empty(), unreachable) {
            (true, _) => Exit::Pass,
            (false, true) => Exit::SetUp,
            (false, false) => Exit::Failed,
        };
        Ok((show::delivered(&delivered, how), exit))
    })
}

/// An IPA until the eIM has nothing more to do. There is no modem here: after a change of profile the card is reset,
/// and the way to the eIM is the computer's own.
pub(super) fn poll(args: &PollArgs, how: How) -> Done {
    let mut client = client(&args.network.ca, args.network.timeout)?.speaking_as(UserAgent::Ipa);
    let Inserted { mut slot, .. } = insert(&args.local)?;
    let mut ipa = Ipa::new(IpaOptions {
        eim: args.eim.clone(),
        device: DeviceInfo::lte(TAC),
        indirect: args.indirect,
        immediate_enable: false,
        plmn: None,
    });
    let mut es10 = open(&mut slot, &args.local)?;
    let mut step = ipa.start(&mut es10);
    let mut channel = es10.channel();
    let report = loop {
        step = match step {
            IpaStep::Send(request) => {
                let answer: Result<HttpResponse, String> = send(&mut client, &request);
                let mut es10 = Es10::attach(&mut slot, channel);
                match answer {
                    Ok(response) => ipa.resume(&mut es10, &response),
                    Err(problem) => ipa.failed(&mut es10, &problem),
                }
            }
            IpaStep::ProfileChanged => {
                slot.reset().map_err(|source| LpaError::Port { function: "reset", source })?;
                let mut es10 = open(&mut slot, &args.local)?;
                channel = es10.channel();
                ipa.resume_after_refresh(&mut es10, true)
            }
            IpaStep::Idle(report) => break report,
            IpaStep::Failed(error) => return Err(error.into()),
        };
    };
    show::polled(&report, how).show();
    Ok(match &report.not_downloaded {
        _ if !report.refused.is_empty() => Exit::Failed,
        Some(LpaError::Network { .. }) => Exit::SetUp,
        Some(_) => Exit::Failed,
        None => Exit::Pass,
    })
}

fn send(client: &mut HttpsClient, request: &HttpRequest) -> Result<HttpResponse, String> {
    client.send(request).map_err(|error| error.to_string())
}

fn client(ca: &[PathBuf], timeout_s: u64) -> Result<HttpsClient, EuiccToolError> {
    let mut roots = Vec::new();
    for path in ca {
        let wrong = |problem| EuiccToolError::Root { path: path.display().to_string(), problem };
        roots.extend(pem::certificates(&files::read_bytes(path)?).map_err(wrong)?);
    }
    Ok(HttpsClient::new(&roots, Duration::from_secs(timeout_s))?)
}
