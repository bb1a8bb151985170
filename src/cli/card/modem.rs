//! `cellbed card modem`: a virtual card behind a serial line, for programs that reach their card through a modem.

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::args::CardModemArgs;
use super::super::terminal;
use super::keeper::{self, Keeper};
use super::serve::{self, ServeError};
use super::trace::Trace;
use crate::card::{CardPort, Modem, PortError};
use crate::io::card_state::CardStateError;
use crate::io::pty::{Line, Link};
use crate::world::served::ServedCard;

/// Serves the card until a signal ends it.
pub fn main(args: &CardModemArgs) -> ExitCode {
    serve::ended(run(args))
}

fn run(args: &CardModemArgs) -> Result<(), ServeError> {
    let Some((mut uicc, keeper)) = keeper::cards(&args.card, 1)?.pop() else {
        return Ok(());
    };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let line = Line::open()?;
    let link = args.link.as_deref().map(|path| Link::make(path, &line)).transpose()?;
    let place = args.link.as_deref().unwrap_or(line.path());
    terminal::line(format_args!("card1 is behind the modem at {}", place.display()));
    // A virtual card always answers to reset.
    let _ = uicc.reset();
    let card = Kept { uicc, keeper, trace: args.card.trace.then(|| Trace::new(1)), lost: None };
    let handle = signals.handle();
    // It waits for characters when the program ends, and is not waited for: what it keeps is whole at any moment.
    let serving = thread::spawn(move || {
        let outcome = serve_line(line, card);
        handle.close();
        outcome
    });
    let asked_to_end = signals.forever().next().is_some();
    drop(link);
    if asked_to_end {
        terminal::line(format_args!("the modem was switched off"));
        return Ok(());
    }
    serving.join().unwrap_or(Ok(()))
}

fn serve_line(mut line: Line, mut card: Kept) -> Result<(), ServeError> {
    let (mut modem, mut buffer) = (Modem::default(), [0; 1024]);
    loop {
        let count = line.receive(&mut buffer).map_err(ServeError::Line)?;
        let answer = modem.receive(&buffer[..count], &mut card);
        if let Some(error) = card.lost.take() {
            return Err(error.into());
        }
        line.send(&answer).map_err(ServeError::Line)?;
    }
}

/// A card whose state is kept before an answer leaves it.
struct Kept {
    uicc: ServedCard,
    keeper: Option<Keeper>,
    trace: Option<Trace>,
    /// Why the state could not be kept: such a card must not go on.
    lost: Option<CardStateError>,
}

impl CardPort for Kept {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let asked = Instant::now();
        let response = self.uicc.transmit(command)?;
        if let Some(keeper) = self.keeper.as_ref().filter(|_| self.uicc.dirty())
            && let Err(error) = keeper.save(&self.uicc)
        {
            self.lost = Some(error);
            return Err(PortError::Removed);
        }
        if let Some(trace) = &mut self.trace {
            trace.exchange(command, &response, asked.elapsed());
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.uicc.reset()
    }
}
