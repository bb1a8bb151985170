//! `cellbed bench card`: what a command to the virtual card takes, in process and through pcscd.
//!
//! Both ways are measured in one run with the same commands, so that their ratio says what the way costs.

use std::thread;
use std::time::{Duration, Instant};

use super::super::args::CardBenchArgs;
use super::super::exit::Exit;
use super::super::limits::judge;
use super::super::terminal;
use super::serve::{Seat, ServeError, Stop};
use crate::card::{CardPort, CardSlot, Personalisation, PortError};
use crate::crypto::milenage::{Amf, K, Milenage, Opc, Rand, Sqn};
use crate::io::entropy;
use crate::io::pcsc::{self, PcscCard, PcscError};
use crate::io::vpcd::Address;
use crate::lab::catalogue;
use crate::world::served::ServedCard;

/// How long pcscd shows a card that is gone, at most.
const STALE_MAX: Duration = Duration::from_millis(600);
/// How long pcscd may take to see a card that was put in: it looks every 400 ms.
const NOTICE_MAX: Duration = Duration::from_secs(3);
/// The medians to stay below through pcscd, in microseconds.
const READ_US_MAX: f64 = 100.0;
const AUTHENTICATE_US_MAX: f64 = 300.0;

const SELECT_USIM: &[u8] = &[0x00, 0xa4, 0x04, 0x0c, 0x07, 0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
const SELECT_IMSI: &[u8] = &[0x00, 0xa4, 0x00, 0x0c, 0x02, 0x6f, 0x07];
const READ_IMSI: &[u8] = &[0x00, 0xb0, 0x00, 0x00, 0x09];

/// Why the card cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(
        "the sequence numbers of the profile are used up; give it a lower `sqn`, or measure fewer rounds"
    )]
    UsedUp,
    #[error("{command}: {cause}")]
    Port { command: &'static str, cause: PortError },
    #[error("{command}: the card answered {}", hex::encode_upper(response))]
    Refused { command: &'static str, response: Vec<u8> },
}

impl BenchError {
    /// What fails once there is something to measure is a fault of the bench.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Serve(_) | Self::UsedUp => Exit::SetUp,
            _ => Exit::Bench,
        }
    }
}

/// Median times of commands on one way to the card.
struct Figures {
    read: Duration,
    authenticate: Duration,
}

/// Measures and prints both ways.
///
/// # Errors
/// Where there is no card, or it does not do what it is asked. No pcscd is no error.
pub fn main(args: &CardBenchArgs) -> Result<Exit, BenchError> {
    let profile = catalogue::profile(&args.profile).map_err(ServeError::from)?;
    let personalisation = profile.personalise(0).map_err(ServeError::from)?;
    let card = || {
        let rng = entropy::fresh().map_err(ServeError::from)?;
        Ok::<_, ServeError>(ServedCard::plain(&personalisation, 1, &rng, &[])?)
    };
    let direct = measure(Box::new(card()?), &personalisation, args.rounds)?;
    let seat = Seat::new(1, card()?, None, args.vpcd.clone().unwrap_or_default(), false);
    let through = in_reader(seat, |card| measure(Box::new(card), &personalisation, args.rounds));
    match through {
        Ok(through) => report(args.rounds, &direct, Some(&through?)),
        Err(cause) => {
            report(args.rounds, &direct, None);
            terminal::line(format_args!("through pcscd: not measured: {cause}"));
        }
    }
    let us = direct.authenticate.as_secs_f64() * 1e6;
    Ok(judge(&[("us for AUTHENTICATE", us, args.max_us.is_some_and(|limit| us > limit))]))
}

/// Puts the card of `seat` into its virtual reader for as long as `work` takes.
fn in_reader<T>(seat: Seat, work: impl FnOnce(PcscCard) -> T) -> Result<T, String> {
    // A card that left just now may still be shown.
    thread::sleep(STALE_MAX);
    let before = pcsc::readers().map_err(|error| error.to_string())?;
    let address: Address = seat.address().clone();
    let stop = Stop::default();
    thread::scope(|scope| {
        let serving = scope.spawn(|| seat.run(&stop));
        let opened = new_card(&before).and_then(|name| match name {
            Some(name) => pcsc::open(&name).map_err(|error| error.to_string()),
            None => Err(format!("no reader shows the card that was offered at {address}")),
        });
        let result = opened.map(work);
        stop.request();
        // Without a state to keep there is nothing that can go wrong.
        let _ = serving.join();
        result
    })
}

/// The reader that has a card now and had none `before`.
fn new_card(before: &[pcsc::Reader]) -> Result<Option<String>, String> {
    let deadline = Instant::now() + NOTICE_MAX;
    while Instant::now() < deadline {
        let now = pcsc::readers().map_err(|error: PcscError| error.to_string())?;
        let new = |reader: &&pcsc::Reader| {
            let had = before.iter().any(|old| old.name == reader.name && old.card_present);
            reader.card_present && !reader.atr.is_empty() && !had
        };
        if let Some(reader) = now.iter().find(new) {
            return Ok(Some(reader.name.clone()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}

fn measure(
    port: Box<dyn CardPort>,
    subscriber: &Personalisation,
    rounds: u32,
) -> Result<Figures, BenchError> {
    let mut slot = CardSlot::new(port);
    slot.reset().map_err(|cause| BenchError::Port { command: "RESET", cause })?;
    send(&mut slot, "SELECT ADF.USIM", SELECT_USIM)?;
    send(&mut slot, "SELECT EF.IMSI", SELECT_IMSI)?;
    let read = median(rounds, |_| send(&mut slot, "READ BINARY", READ_IMSI))?;
    let milenage = Milenage::new(&K::new(&subscriber.k), &Opc::new(&subscriber.opc));
    let authenticate = median(rounds, |round| {
        let command = challenge(&milenage, subscriber, round)?;
        send(&mut slot, "AUTHENTICATE", &command)
    })?;
    Ok(Figures { read, authenticate })
}

/// AUTHENTICATE with the fresh challenge number `round`.
fn challenge(milenage: &Milenage, subscriber: &Personalisation, round: u32) -> Result<Vec<u8>, BenchError> {
    // One step of SEQ each; IND takes the five bits below it (TS 33.102 annex C.1.1.1).
    let next = subscriber.sqn.saturating_add((u64::from(round) + 1) << 5);
    let sqn = Sqn::try_from(next).map_err(|_| BenchError::UsedUp)?;
    let rand = [7; 16];
    let vector = milenage.authentication_vector(&Rand::new(&rand), &sqn, &Amf::new(&subscriber.amf));
    Ok([&[0x00, 0x88, 0x00, 0x81, 0x22, 0x10][..], &rand, &[0x10], vector.autn().as_octets()].concat())
}

/// Sends one command, with the GET RESPONSE that belongs to it, and returns how long that took.
fn send(slot: &mut CardSlot, command: &'static str, apdu: &[u8]) -> Result<Duration, BenchError> {
    let began = Instant::now();
    let response = slot.exchange(apdu).map_err(|cause| BenchError::Port { command, cause })?;
    let took = began.elapsed();
    slot.take_log();
    if response.ends_with(&[0x90, 0x00]) { Ok(took) } else { Err(BenchError::Refused { command, response }) }
}

fn median(
    rounds: u32,
    mut command: impl FnMut(u32) -> Result<Duration, BenchError>,
) -> Result<Duration, BenchError> {
    let mut times = (0..rounds).map(&mut command).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn report(rounds: u32, direct: &Figures, through: Option<&Figures>) {
    terminal::line(format_args!("virtual card, median of {rounds}"));
    terminal::line("                  in process   through pcscd   ratio");
    let row = |name: &str, direct: Duration, through: Option<Duration>, us_max: f64| {
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        let direct = us(direct);
        match through.map(us) {
            Some(through) => {
                let ratio = through / direct;
                let target = if through <= us_max { "within" } else { "ABOVE" };
                terminal::line(format_args!(
                    "  {name:14} {direct:8.1} us   {through:10.1} us {ratio:7.1}   {target} the target of {us_max} us"
                ));
            }
            None => terminal::line(format_args!("  {name:14} {direct:8.1} us            -")),
        }
    };
    row("READ BINARY", direct.read, through.map(|t| t.read), READ_US_MAX);
    row("AUTHENTICATE", direct.authenticate, through.map(|t| t.authenticate), AUTHENTICATE_US_MAX);
}
