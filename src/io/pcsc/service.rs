//! [`super`] on the `pcsc` crate.
//!
//! The service's calls block without a limit, so they are made on a thread of their own; whoever waits for it
//! gives up in time. A thread that the service never answers stays behind until the program ends.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Attribute, Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

use super::{PcscError, Reader};
use crate::card::{CardPort, PortError};

/// The longest short response APDU: 256 bytes and a status word.
const RESPONSE_MAX: usize = 258;
/// How long a card may take for one command: what cards take to make a key pair, with room to spare.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the service itself may take to answer.
const SERVICE_MAX: Duration = Duration::from_secs(10);
/// How long the service may take to let go of a card.
const RELEASE_MAX: Duration = Duration::from_secs(1);
/// How long the service takes at most to notice that a card or a reader is gone: it polls every 400 ms.
const NOTICE_MAX: Duration = Duration::from_millis(1500);

/// A card in a reader, for this program alone where no other used it.
#[derive(Debug)]
pub struct PcscCard {
    reader: String,
    atr: Vec<u8>,
    requests: Sender<Request>,
    answers: Receiver<Answer>,
}

enum Request {
    Transmit(Vec<u8>),
    Reset,
}

type Answer = Result<Vec<u8>, PortError>;

pub(super) fn readers() -> Result<Vec<Reader>, PcscError> {
    in_time(|| {
        let context = establish()?;
        let mut states: Vec<ReaderState> =
            names(&context)?.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
        if !states.is_empty() {
            let asked = context.get_status_change(Duration::ZERO, &mut states);
            asked.map_err(|cause| service_error("say what is in its readers", cause))?;
        }
        Ok(states.iter().map(reader).collect())
    })
}

fn reader(state: &ReaderState) -> Reader {
    Reader {
        name: state.name().to_string_lossy().into_owned(),
        card_present: state.event_state().contains(State::PRESENT),
        atr: state.atr().to_vec(),
    }
}

pub(super) fn open(reader: &str) -> Result<PcscCard, PcscError> {
    let name = CString::new(reader).map_err(|_| PcscError::NoCard { reader: reader.to_owned() })?;
    let (seat, atr) = in_time(move || Seat::take(name))?;
    let (requests, inbox) = mpsc::channel();
    let (outbox, answers) = mpsc::channel();
    thread::spawn(move || seat.serve(&inbox, &outbox));
    Ok(PcscCard { reader: reader.to_owned(), atr, requests, answers })
}

impl PcscCard {
    /// The name of the reader.
    pub fn reader(&self) -> &str {
        &self.reader
    }

    /// The card's last Answer To Reset.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn ask(&mut self, request: Request) -> Answer {
        let gone = || PortError::Reader("it was given up after the card had not answered".to_owned());
        self.requests.send(request).map_err(|_| gone())?;
        match self.answers.recv_timeout(ANSWER_MAX) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                // An answer that comes late must not be taken for that of the next command.
                self.requests = mpsc::channel().0;
                Err(PortError::Mute { seconds: ANSWER_MAX.as_secs() })
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl Drop for PcscCard {
    /// Waits until the service has let go of the card, so that whoever takes it next, or pulls it out, does not
    /// meet it half reset.
    fn drop(&mut self) {
        self.requests = mpsc::channel().0;
        // Nothing comes any more; the wait ends with the thread.
        let _ = self.answers.recv_timeout(RELEASE_MAX);
    }
}

impl CardPort for PcscCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        self.ask(Request::Transmit(command.to_vec()))
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.atr = self.ask(Request::Reset)?;
        Ok(self.atr.clone())
    }
}

/// The connection to a card, on the thread that may wait for it.
struct Seat {
    context: Context,
    name: CString,
    card: Card,
    share: ShareMode,
    /// Whether the reader sends protocol units of T=0 as they are, rather than whole APDUs.
    units: bool,
}

impl Seat {
    /// Connects, and resets the card, so that nothing of what another program did with it is left.
    fn take(name: CString) -> Result<(Self, Vec<u8>), PcscError> {
        let context = establish()?;
        let refused = |cause| connect_error(&name, cause);
        let (card, share) = match context.connect(&name, ShareMode::Exclusive, Protocols::T0) {
            Err(Error::SharingViolation) => (
                context.connect(&name, ShareMode::Shared, Protocols::T0).map_err(refused)?,
                ShareMode::Shared,
            ),
            other => (other.map_err(refused)?, ShareMode::Exclusive),
        };
        // Every driver of hardware says whose reader it is; that of virtual readers knows no vendor, and hands
        // APDUs on whole.
        let units = card.get_attribute_owned(Attribute::VendorName) != Err(Error::UnsupportedFeature);
        let mut seat = Self { context, name: name.clone(), card, share, units };
        let atr = seat.reset().map_err(refused)?;
        Ok((seat, atr))
    }

    fn serve(mut self, requests: &Receiver<Request>, answers: &Sender<Answer>) {
        for request in requests {
            let done = match request {
                Request::Transmit(command) => self.transmit(&command),
                Request::Reset => self.reset(),
            };
            if answers.send(done.map_err(|cause| self.explain(cause))).is_err() {
                return;
            }
        }
    }

    fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut response = [0; RESPONSE_MAX];
        let command = if self.units { unit_of(command) } else { Cow::Borrowed(command) };
        match self.card.transmit(&command, &mut response)? {
            // So does the driver of virtual readers report that the card left meanwhile.
            cut if cut.len() < 2 => Err(Error::NotTransacted),
            response => Ok(response.to_vec()),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, Error> {
        self.card.reconnect(self.share, Protocols::T0, Disposition::ResetCard)?;
        Ok(self.card.status2_owned()?.atr().to_vec())
    }

    /// What `cause` means. Readers report a card that is pulled out in the middle of a command as a failed
    /// transmission, so the service is asked what it sees now.
    fn explain(&self, cause: Error) -> PortError {
        match cause {
            Error::RemovedCard | Error::NoSmartcard => return PortError::Removed,
            Error::UnknownReader | Error::ReaderUnavailable => return reader_gone(),
            Error::NoService | Error::ServiceStopped => return service_gone(),
            _ => {}
        }
        let mut state = [ReaderState::new(self.name.clone(), State::UNAWARE)];
        let deadline = Instant::now() + NOTICE_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.context.get_status_change(left, &mut state) {
                Ok(()) => {}
                Err(Error::UnknownReader | Error::ReaderUnavailable) => return reader_gone(),
                Err(Error::NoService | Error::ServiceStopped | Error::InvalidHandle) => {
                    return service_gone();
                }
                Err(_) => return PortError::Reader(cause.to_string()),
            }
            let seen = state[0].event_state();
            if seen.intersects(State::UNKNOWN | State::UNAVAILABLE) {
                return reader_gone();
            }
            if seen.contains(State::EMPTY) {
                return PortError::Removed;
            }
            state[0].sync_current_state();
        }
    }
}

/// The command as protocol T=0 carries it (ISO/IEC 7816-3 clause 12.2): a command with data has no Le, the
/// length of its answer comes as `61xx`; a command with nothing has P3 zero.
fn unit_of(command: &[u8]) -> Cow<'_, [u8]> {
    match command {
        [_, _, _, _] => Cow::Owned([command, &[0]].concat()),
        [_, _, _, _, lc, rest @ ..] if *lc > 0 && rest.len() == usize::from(*lc) + 1 => {
            Cow::Borrowed(&command[..command.len() - 1])
        }
        _ => Cow::Borrowed(command),
    }
}

fn reader_gone() -> PortError {
    PortError::Reader("it was unplugged".to_owned())
}

fn service_gone() -> PortError {
    PortError::Reader("the PC/SC service has stopped".to_owned())
}

fn establish() -> Result<Context, PcscError> {
    Context::establish(Scope::User).map_err(|cause| service_error("be reached", cause))
}

fn names(context: &Context) -> Result<Vec<CString>, PcscError> {
    match context.list_readers_owned() {
        Err(Error::NoReadersAvailable) => Ok(Vec::new()),
        other => other.map_err(|cause| service_error("list its readers", cause)),
    }
}

fn service_error(what: &'static str, cause: Error) -> PcscError {
    match cause {
        Error::NoService | Error::ServiceStopped => PcscError::NotRunning,
        other => PcscError::Service { what, cause: other.to_string() },
    }
}

fn connect_error(name: &CStr, cause: Error) -> PcscError {
    let reader = name.to_string_lossy().into_owned();
    match cause {
        Error::NoSmartcard | Error::RemovedCard => PcscError::NoCard { reader },
        Error::UnresponsiveCard | Error::UnpoweredCard => PcscError::Mute { reader },
        Error::SharingViolation => PcscError::Busy { reader },
        Error::ProtoMismatch => PcscError::Protocol { reader },
        Error::UnknownReader => PcscError::NoSuchReader { wanted: reader, there: Vec::new() },
        other => service_error("connect to the card", other),
    }
}

/// Does `work`, which asks the service, unless that takes too long.
fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PcscError> + Send + 'static,
) -> Result<T, PcscError> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(work());
    });
    result.recv_timeout(SERVICE_MAX).unwrap_or(Err(PcscError::Hangs { seconds: SERVICE_MAX.as_secs() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_as_protocol_units() {
        let select = hex::decode("00a40004023f0000").unwrap();
        assert_eq!(*unit_of(&select), select[..7]);
        assert_eq!(*unit_of(&select[..7]), select[..7]);
        assert_eq!(*unit_of(&[0, 0xb0, 0, 0, 9]), [0, 0xb0, 0, 0, 9]);
        assert_eq!(*unit_of(&[0x80, 0xf2, 0, 0x0c]), [0x80, 0xf2, 0, 0x0c, 0]);
        assert!(unit_of(&[]).is_empty());
    }
}
