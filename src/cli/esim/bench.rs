//! `cellbed bench esim`: what a complete profile download costs, with card, device's application and SM-DP+ in one
//! process.
//!
//! Cards and orders are made before the clock runs. A download is everything from ES10b.GetEuiccChallenge to the
//! notification that the SM-DP+ has taken, over APDUs and the bodies of ES9+; HTTP and TLS are left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::args::EsimBenchArgs;
use super::super::exit::Exit;
use super::super::limits::judge;
use super::super::terminal;
use super::super::yardstick::{self, Cost};
use super::orders::ProfileSource;
use super::serve::ServeError;
use crate::card::{CardError, CardOp, CardSlot, EuiccConfig, Uicc};
use crate::crypto::{Op, Tally};
use crate::esim::lpa::{Download, DownloadOptions, Es10, LpaError, Source, Step, Transport};
use crate::esim::office::{Identities, Issue, Office, Opening, Reply, Server};
use crate::esim::smdp::{ConfirmOrder, DownloadOrder, OrderState, SmdpSettings};
use crate::esim::store::{Forgetful, Records};
use crate::esim::{Caller, FunctionRefusal, Pki};
use crate::id::{Eid, Iccid};
use crate::io::clock::{Stopwatch, thread_cpu_time};
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::wire::rsp::DeviceInfo;

const ADDRESS: &str = "smdp.example";
const SMDS_ADDRESS: &str = "smds.example";
const NOW: u64 = EPOCH_UNIX_S + 86_400;
/// The first EID: that of `sim-profiles/lte-test.toml`.
const EID: &str = "89049032123451234512345678901235";
const TAC: [u8; 4] = [0x35, 0x29, 0x06, 0x11];

/// Why the benchmark ended.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("the cards cannot be made: {0}")]
    Card(#[from] CardError),
    #[error("an order was refused: {0}")]
    Refused(#[from] FunctionRefusal),
    #[error("a download failed: {0}")]
    Download(#[from] LpaError),
    #[error("the identifiers run out: ask for fewer downloads")]
    PastEnd,
    #[error("profile {iccid} is {state} at the SM-DP+ after its download")]
    NotInstalled { iccid: Iccid, state: OrderState },
}

impl BenchError {
    /// What fails once there is something to measure is a fault of the bench.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Serve(_) | Self::PastEnd => Exit::SetUp,
            _ => Exit::Bench,
        }
    }
}

/// What all downloads took together.
#[derive(Debug, Default)]
struct Figures {
    commands: u64,
    /// To the card and from it, headers and status words included.
    card_bytes: [u64; 2],
    /// Bodies to the server and from it.
    server_bytes: [u64; 2],
}

/// Measures and reports.
pub fn main(args: &EsimBenchArgs) -> Result<Exit, BenchError> {
    let tally = Tally::new();
    let pki = Pki::lab().map_err(ServeError::from)?;
    let watch = Stopwatch::start();
    let (mut office, orders) = office(args, &pki, &tally)?;
    let ordered = watch.elapsed();
    let mut cards = cards(args.downloads, &pki, &tally)?;
    // What making all this took is not part of a download.
    let before = tally.snapshot();

    let (watch, cpu) = (Stopwatch::start(), thread_cpu_time().unwrap_or_default());
    let mut figures = Figures::default();
    for (card, (_, matching_id)) in cards.iter_mut().zip(&orders) {
        download(card, &mut office, matching_id, &mut figures)?;
    }
    let cpu = thread_cpu_time().unwrap_or_default().saturating_sub(cpu);
    let wall = watch.elapsed();

    for (iccid, _) in orders {
        let state = office.smdp().order(&iccid).map_or(OrderState::Unavailable, |order| order.state());
        if state != OrderState::Installed {
            return Err(BenchError::NotInstalled { iccid, state });
        }
    }
    let counters = tally
        .snapshot()
        .into_iter()
        .map(|(op, count)| (format!("crypto.{op}"), count - before.get(&op).copied().unwrap_or_default()));
    report(args.downloads, &figures, ordered, wall, cpu, &counters.collect());
    let rate = f64::from(args.downloads) / wall.as_secs_f64();
    Ok(judge(&[("downloads/s", rate, args.min_rate.is_some_and(|limit| rate < limit))]))
}

/// An office whose SM-DP+ has an order for each card.
fn office(
    args: &EsimBenchArgs,
    pki: &Pki,
    tally: &Tally,
) -> Result<(Office, Vec<(Iccid, String)>), BenchError> {
    let rng = RngTree::new(args.seed);
    let issue = Issue {
        pki,
        smdp_hosts: &[ADDRESS.to_owned()],
        smds_hosts: &[SMDS_ADDRESS.to_owned()],
        from_unix_s: EPOCH_UNIX_S,
        now_unix_s: NOW,
        rng: &rng,
        tally,
    };
    let opening = Opening {
        smdp: SmdpSettings { protect: !args.session_keys, ..SmdpSettings::new(ADDRESS) },
        smds_address: SMDS_ADDRESS,
        eim: None,
        identities: Identities::issue(&issue, None).map_err(ServeError::from)?,
        rng: &rng,
        store: &|| Box::new(Forgetful),
        records: &Records::new(),
        tally,
    };
    let mut office = Office::open(opening).map_err(ServeError::from)?;
    let smdp = office.smdp_mut();
    let source = ProfileSource::open(&args.profile, ADDRESS, rng.branch("subscribers"))?;
    let mut orders = Vec::new();
    for number in 0..args.downloads {
        let profile = source.profile(number)?.0;
        let iccid = profile.iccid.clone();
        smdp.add_profile(profile)?;
        smdp.download_order(&DownloadOrder { iccid: Some(iccid.clone()), ..DownloadOrder::default() })?;
        let confirm = ConfirmOrder {
            iccid: iccid.clone(),
            eid: None,
            matching_id: None,
            confirmation_code: None,
            smds: None,
            release: true,
        };
        let confirmed = smdp.confirm_order(NOW, &confirm)?;
        orders.push((iccid, confirmed.matching_id));
    }
    Ok((office, orders))
}

/// As many eUICCs without a profile, each of which counts its operations.
fn cards(count: u32, pki: &Pki, tally: &Tally) -> Result<Vec<CardSlot>, BenchError> {
    let first: Eid = EID.parse().map_err(|_| BenchError::PastEnd)?;
    (0..count)
        .map(|number| {
            let eid = first.plus(number).ok_or(BenchError::PastEnd)?;
            let rng = RngTree::new(7).branch("card").branch(number);
            let (key, chain) = pki.euicc(&eid, &rng).map_err(ServeError::from)?;
            let anchor = pki.anchor(None, &Tally::new()).map_err(ServeError::from)?;
            let counting = tally.clone();
            let card = Uicc::with_euicc(EuiccConfig::new(eid, key, chain, vec![anchor]), rng, Vec::new())?
                .with_tally(Arc::new(move |op| {
                    counting.count(match op {
                        CardOp::KeyGen => Op::P256KeyGen,
                        CardOp::Sign => Op::P256Sign,
                        CardOp::Verify => Op::P256Verify,
                        CardOp::Agree => Op::P256Agree,
                    });
                }));
            Ok(CardSlot::new(Box::new(card)))
        })
        .collect()
}

fn download(
    slot: &mut CardSlot,
    office: &mut Office,
    matching_id: &str,
    figures: &mut Figures,
) -> Result<(), BenchError> {
    let source = Source::Smdp { address: ADDRESS.to_owned(), matching_id: Some(matching_id.to_owned()) };
    let options = DownloadOptions::accepting(DeviceInfo::lte(TAC));
    let mut download = Download::new(source, Transport::Direct, options);
    let mut es10 = Es10::open(slot)?;
    let mut step = download.start(&mut es10);
    let mut deeds = Vec::new();
    loop {
        match step {
            Step::Send(request) => {
                let response = match office.handle(NOW, &Caller::House, Server::Smdp, &request, &mut deeds) {
                    Reply::Now(response) => response,
                    Reply::After(relay) => office.relayed(relay, Err("nobody else is here"), &mut deeds),
                };
                figures.server_bytes[0] += request.body.len() as u64;
                figures.server_bytes[1] += response.body.len() as u64;
                step = download.resume(&mut es10, &response);
            }
            Step::Done(_) => break,
            Step::Failed(error) => return Err(error.into()),
        }
    }
    es10.close()?;
    for exchange in slot.take_log() {
        figures.commands += 1;
        figures.card_bytes[0] += exchange.command.len() as u64;
        figures.card_bytes[1] += exchange.response.len() as u64;
    }
    Ok(())
}

fn report(
    downloads: u32,
    figures: &Figures,
    ordered: Duration,
    wall: Duration,
    cpu: Duration,
    counters: &BTreeMap<String, u64>,
) {
    let count = f64::from(downloads);
    let each = |total: u64| total as f64 / count;
    let rate = |time: Duration| count / time.as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1e3 / count;
    let line = |text: std::fmt::Arguments<'_>| terminal::line(text);
    line(format_args!("esim {downloads} downloads: pass"));
    line(format_args!(
        "  orders       {:8.2} s  {:9.1} orders/s: subscriber, package and its protection",
        ordered.as_secs_f64(),
        rate(ordered)
    ));
    line(format_args!("  wall clock   {:8.2} s  {:9.1} downloads/s", wall.as_secs_f64(), rate(wall)));
    line(format_args!(
        "  CPU          {:8.2} s  {:9.1} downloads/s per core, {:.3} ms each",
        cpu.as_secs_f64(),
        rate(cpu),
        ms(cpu)
    ));
    line(format_args!(
        "  card         {:8.1} APDUs, {:.0} bytes to it and {:.0} back, each download",
        each(figures.commands),
        each(figures.card_bytes[0]),
        each(figures.card_bytes[1])
    ));
    line(format_args!(
        "  server       {:8.0} bytes to it and {:.0} back, each download: bodies of ES9+",
        each(figures.server_bytes[0]),
        each(figures.server_bytes[1])
    ));
    let costs = yardstick::costs(counters);
    let alone: Duration = costs.iter().map(Cost::total).sum();
    line(format_args!(
        "  public-key   {:8.2} s  {:9.3} ms each  {:.1} % of the CPU time: the same operations alone",
        alone.as_secs_f64(),
        ms(alone),
        100.0 * alone.as_secs_f64() / cpu.as_secs_f64()
    ));
    for cost in costs {
        line(format_args!(
            "    {:18} {:6.1} x {:8.1} us each download",
            cost.op,
            each(cost.count),
            cost.unit.as_nanos() as f64 / 1e3
        ));
    }
    if cfg!(debug_assertions) {
        line(format_args!("  built with debug assertions: a release build is faster"));
    }
}
