//! The protocol of vsmartcard's virtual reader (`vpcd`): a card that is the TCP client of a driver inside pcscd.
//!
//! A message is its length, 2 bytes big endian, and that many bytes. One byte from the reader is a control:
//! 0 power off, 1 power on, 2 reset, 4 ask for the Answer To Reset; more are a command APDU. The card answers
//! controls 0 to 2 with nothing, 4 with its ATR, and a command with the response APDU.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use rustix::net::sockopt;

/// The port of the first virtual reader, unless `/etc/reader.conf.d/vpcd` says otherwise.
const PORT: u16 = 35963;
/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Room for one command APDU with its length; longer messages make it grow.
const BUFFER: usize = 512;

/// Where a virtual reader listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Default for Address {
    /// The first reader of this machine.
    fn default() -> Self {
        Self { host: "localhost".to_owned(), port: PORT }
    }
}

impl Address {
    /// The reader that is `by` further: each listens on a port of its own. `None` past the last port.
    pub fn next(&self, by: u32) -> Option<Self> {
        let port = u32::from(self.port).checked_add(by)?;
        Some(Self { host: self.host.clone(), port: port.try_into().ok()? })
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT, as in localhost:{PORT}");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() { Err(wrong()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// What the reader asks of the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The card loses its power.
    PowerOff,
    /// The card gets power.
    PowerOn,
    /// A warm reset.
    Reset,
    /// The Answer To Reset is wanted.
    Atr,
    /// A command APDU, which wants a response.
    Command(Vec<u8>),
}

impl Request {
    /// What a message asks; `None` for one that asks nothing.
    fn read(message: &[u8]) -> Option<Self> {
        match message {
            [] => None,
            [0] => Some(Self::PowerOff),
            [1] => Some(Self::PowerOn),
            [2] => Some(Self::Reset),
            [4] => Some(Self::Atr),
            // A control that came after this was written: nothing is known that it wants.
            [_] => None,
            command => Some(Self::Command(command.to_vec())),
        }
    }
}

/// A card's connection to its virtual reader.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that were received and not yet taken out.
    filled: usize,
}

impl Link {
    /// Puts a card into the reader at `address`.
    ///
    /// # Errors
    /// Where nobody listens there, or nobody answers within 5 s.
    pub fn connect(address: &Address) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for one in (address.host.as_str(), address.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&one, CONNECT_MAX) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, buffer: vec![0; BUFFER], filled: 0 });
                }
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    /// A handle that pulls the card out, from another thread.
    ///
    /// # Errors
    /// Where the process is out of file descriptors.
    pub fn puller(&self) -> io::Result<Puller> {
        self.stream.try_clone().map(Puller)
    }

    /// Waits for the next request. `None` where the reader has gone.
    ///
    /// # Errors
    /// Where the connection fails, or ends in the middle of a message.
    pub fn receive(&mut self) -> io::Result<Option<Request>> {
        loop {
            while let Some(message) = self.take_message() {
                if let Some(request) = Request::read(&message) {
                    return Ok(Some(request));
                }
            }
            let count = self.fill()?;
            match (count, self.filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(ErrorKind::UnexpectedEof.into()),
                (count, _) => self.filled += count,
            }
        }
    }

    /// Answers a request, in one write: the reader must not wait for the rest.
    ///
    /// # Errors
    /// Where the connection fails, or the answer does not fit into a message.
    pub fn answer(&mut self, answer: &[u8]) -> io::Result<()> {
        let length = u16::try_from(answer.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut message = Vec::with_capacity(2 + answer.len());
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(answer);
        self.stream.write_all(&message)
    }

    /// The next whole message of what was received.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        let received = &self.buffer[..self.filled];
        let (length, rest) = received.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let message = rest.get(..length)?.to_vec();
        self.buffer.copy_within(2 + length..self.filled, 0);
        self.filled -= 2 + length;
        Some(message)
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(2 * self.filled, 0);
        }
        // vpcd writes length and body apart, and its kernel holds the body back until the length is
        // acknowledged: without this, which the kernel forgets at every read, a command takes 40 ms.
        sockopt::set_tcp_quickack(&self.stream, true)?;
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// Pulls a card out of its reader.
#[derive(Debug)]
pub struct Puller(TcpStream);

impl Puller {
    /// Pulls the card out: its [`Link`] ends.
    pub fn pull(&self) {
        // A connection that has ended already is what is wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A link, and the reader's end of it.
    fn pair() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let link = Link::connect(&address).unwrap();
        (link, listener.accept().unwrap().0)
    }

    #[test]
    fn addresses_are_host_and_port() {
        assert_eq!("localhost:35963".parse(), Ok(Address::default()));
        let six: Address = "[::1]:1".parse().unwrap();
        assert_eq!((six.host.as_str(), six.to_string().as_str()), ("::1", "[::1]:1"));
        for wrong in ["localhost", ":1", "localhost:", "localhost:65536", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong:?}");
        }
        let last = Address { host: "h".into(), port: 65535 };
        assert_eq!((last.next(0).is_some(), last.next(1), last.next(u32::MAX)), (true, None, None));
    }

    #[test]
    fn requests_are_read_however_they_are_cut() {
        let (mut link, mut reader) = pair();
        let bytes =
            [&[0, 1, 1, 0, 1, 4, 0, 0, 0, 1, 9, 0, 1, 2, 0, 4][..], &[0, 0xa4, 0, 4, 0, 1, 0]].concat();
        let writer = thread::spawn(move || {
            for byte in bytes {
                reader.write_all(&[byte]).unwrap();
            }
        });
        let command = Request::Command(vec![0, 0xa4, 0, 4]);
        for expected in [Request::PowerOn, Request::Atr, Request::Reset, command, Request::PowerOff] {
            assert_eq!(link.receive().unwrap(), Some(expected));
        }
        writer.join().unwrap();
        assert_eq!(link.receive().unwrap(), None);
    }

    #[test]
    fn long_messages_and_torn_ones() {
        let (mut link, mut reader) = pair();
        let long = [&[0xff, 0xff][..], &[7; 0xffff], &[0, 9, 1]].concat();
        let writer = thread::spawn(move || reader.write_all(&long));
        assert_eq!(link.receive().unwrap(), Some(Request::Command(vec![7; 0xffff])));
        writer.join().unwrap().unwrap();
        assert_eq!(link.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_card_that_is_pulled_out_stops_waiting() {
        let (mut link, mut reader) = pair();
        link.answer(&[0x90, 0x00]).unwrap();
        let mut answer = [0; 4];
        reader.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0, 2, 0x90, 0x00]);
        let puller = link.puller().unwrap();
        let waiting = thread::spawn(move || link.receive());
        puller.pull();
        assert!(matches!(waiting.join().unwrap(), Ok(None) | Err(_)));
    }
}
