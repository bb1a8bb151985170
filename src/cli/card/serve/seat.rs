//! One virtual card and its virtual reader: answers what is asked, keeps what must not be forgotten, and waits for
//! the reader where it is not there.

use std::io;
use std::time::{Duration, Instant};

use super::super::keeper::Keeper;
use super::super::trace::Trace;
use super::stop::Stop;
use crate::card::CardPort;
use crate::cli::terminal;
use crate::io::card_state::CardStateError;
use crate::io::vpcd::{Address, Link, Request};
use crate::world::served::ServedCard;

/// How long to wait before looking for the reader again: at first, so that pcscd, which looks every 400 ms,
/// notices that the card is out; and at most.
const PAUSE_MIN: Duration = Duration::from_millis(600);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often the reader may look at the card without switching it on: pcscd that has not noticed the card before
/// leave never does.
const LOOKS_MAX: u32 = 4;

/// One card, and where its reader is.
pub struct Seat {
    number: u32,
    uicc: ServedCard,
    atr: Vec<u8>,
    keeper: Option<Keeper>,
    address: Address,
    trace: Option<Trace>,
}

/// How a stay in a reader ended.
enum Left {
    /// The reader has gone; why, if it did not say good-bye.
    Reader(Option<io::Error>),
    /// The card must not go on.
    State(CardStateError),
}

impl Seat {
    pub fn new(number: u32, uicc: ServedCard, keeper: Option<Keeper>, address: Address, trace: bool) -> Self {
        let trace = trace.then(|| Trace::new(number));
        Self { number, uicc, atr: Vec::new(), keeper, address, trace }
    }

    /// Where its reader is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Puts the card into its reader, again and again, until the program ends.
    ///
    /// # Errors
    /// Where the card's state cannot be kept.
    pub fn run(mut self, stop: &Stop) -> Result<(), CardStateError> {
        let (mut pause, mut waiting) = (PAUSE_MIN, false);
        while !stop.requested() {
            match Link::connect(&self.address).and_then(|link| Ok((link.puller()?, link))) {
                Ok((puller, link)) => {
                    stop.pull_with(self.number, puller);
                    let mut arrived = false;
                    let left = self.stay(link, &mut arrived);
                    if arrived {
                        (pause, waiting) = (PAUSE_MIN, false);
                    }
                    match left {
                        Left::State(error) => return Err(error),
                        Left::Reader(_) if stop.requested() => break,
                        Left::Reader(cause) if arrived => self.tell_left(cause.as_ref()),
                        Left::Reader(_) => {}
                    }
                }
                Err(cause) if !waiting => {
                    waiting = true;
                    self.tell_waiting(&cause);
                }
                Err(_) => {}
            }
            stop.wait(pause);
            pause = (2 * pause).min(PAUSE_MAX);
        }
        Ok(())
    }

    /// Answers until the reader goes. It is there when it has asked something: a connection alone may be waiting
    /// for another card to leave.
    fn stay(&mut self, mut link: Link, arrived: &mut bool) -> Left {
        self.power_up();
        // How often the reader has looked; none once it has switched the card on.
        let mut looks = Some(0);
        loop {
            let request = match link.receive() {
                Ok(Some(request)) => request,
                Ok(None) => return Left::Reader(None),
                Err(cause) => return Left::Reader(Some(cause)),
            };
            if !std::mem::replace(arrived, true) {
                terminal::line(format_args!("card{} is in the reader at {}", self.number, self.address));
            }
            match (&request, &mut looks) {
                (Request::Atr, Some(LOOKS_MAX)) => return Left::Reader(None),
                (Request::Atr, Some(looks)) => *looks += 1,
                (Request::Atr, None) | (Request::PowerOff, _) => {}
                (Request::PowerOn | Request::Reset | Request::Command(_), _) => looks = None,
            }
            if let Err(left) = self.answer(&mut link, request) {
                return left;
            }
        }
    }

    fn answer(&mut self, link: &mut Link, request: Request) -> Result<(), Left> {
        let sent = match request {
            Request::PowerOff => Ok(()),
            Request::PowerOn | Request::Reset => {
                self.power_up();
                Ok(())
            }
            Request::Atr => link.answer(&self.atr),
            Request::Command(command) => {
                let asked = Instant::now();
                let response = self.uicc.transmit(&command).unwrap_or_default();
                if let Some(keeper) = self.keeper.as_ref().filter(|_| self.uicc.dirty()) {
                    keeper.save(&self.uicc).map_err(Left::State)?;
                }
                let sent = link.answer(&response);
                if let Some(trace) = &mut self.trace {
                    trace.exchange(&command, &response, asked.elapsed());
                }
                sent
            }
        };
        sent.map_err(|cause| Left::Reader(Some(cause)))
    }

    fn power_up(&mut self) {
        // A virtual card always answers to reset.
        self.atr = self.uicc.reset().unwrap_or_default();
        if let Some(trace) = &mut self.trace {
            trace.reset();
        }
    }

    fn tell_waiting(&self, cause: &io::Error) {
        terminal::line(format_args!(
            "card{} waits for a virtual reader at {} ({cause}): is pcscd running, with vsmartcard-vpcd installed?",
            self.number, self.address
        ));
    }

    fn tell_left(&self, cause: Option<&io::Error>) {
        let why = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        terminal::line(format_args!(
            "card{}: the reader at {} has gone{why}; waiting for it",
            self.number, self.address
        ));
    }
}
