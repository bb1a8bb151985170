//! A controller and the switch that it is connected to.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::SocketError;
use crate::io::clock::Stopwatch;
use crate::kernel::Instant;
use crate::sdn::{Controller, ControllerConfig, ControllerInput, ControllerOutput, Policy, Session};
use crate::wire::openflow::Framer;

/// How long a read waits before it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(50);

/// Where a switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// At a socket in the file system, as `BRIDGE.mgmt` of Open vSwitch.
    Unix(PathBuf),
}

impl std::fmt::Display for SwitchAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(to: &SwitchAddress) -> io::Result<Self> {
        match to {
            SwitchAddress::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, Duration::from_secs(5))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LOOK))?;
                Ok(Self::Tcp(stream))
            }
            SwitchAddress::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(LOOK))?;
                Ok(Self::Unix(stream))
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(octets),
            Self::Unix(stream) => stream.write_all(octets),
        }
    }
}

/// A controller with its connection to a switch.
pub struct ControllerLink {
    at: String,
    controller: Controller,
    stream: Stream,
    framer: Framer,
    clock: Stopwatch,
}

impl ControllerLink {
    /// Connects to the switch, and writes to it what the controller knows already.
    ///
    /// # Errors
    /// Where it is not there, or does not answer as a switch does within `within`.
    pub fn connect(
        to: &SwitchAddress,
        config: ControllerConfig,
        within: Duration,
    ) -> Result<Self, SocketError> {
        let at = to.to_string();
        let stream = Stream::connect(to).map_err(|cause| SocketError::Connect { at: at.clone(), cause })?;
        let (controller, framer) = (Controller::new(config), Framer::default());
        let mut link = Self { at, controller, stream, framer, clock: Stopwatch::start() };
        link.take(ControllerInput::Connected)?;
        link.wait(within, |output| matches!(output, ControllerOutput::Synchronised { .. }))?;
        Ok(link)
    }

    /// A session is up.
    ///
    /// # Errors
    /// Where the connection ends.
    pub fn up(&mut self, session: Session) -> Result<(), SocketError> {
        self.take(ControllerInput::Up(session)).map(drop)
    }

    /// Many sessions are up: what is to be said of them is written at once.
    ///
    /// # Errors
    /// Where the connection ends.
    pub fn all_up(&mut self, sessions: impl IntoIterator<Item = Session>) -> Result<(), SocketError> {
        let mut out = Vec::new();
        for session in sessions {
            self.controller.handle(self.now(), ControllerInput::Up(session), &mut out)?;
        }
        self.put(out).map(drop)
    }

    /// Sets what a session may reach. What the switch says of it is for [`wait`](Self::wait).
    ///
    /// # Errors
    /// Where no session has the address, or the connection ends.
    pub fn set(&mut self, address: impl Into<IpAddr>, policy: Policy) -> Result<(), SocketError> {
        let mut out = Vec::new();
        self.controller.set(self.now(), address.into(), policy, &mut out)?;
        self.put(out).map(drop)
    }

    /// Gives a session back what its subscription lets it reach.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn release(&mut self, address: impl Into<IpAddr>) -> Result<(), SocketError> {
        let mut out = Vec::new();
        self.controller.release(self.now(), address.into(), &mut out)?;
        self.put(out).map(drop)
    }

    /// Waits until the switch has done everything that it was told so far.
    ///
    /// # Errors
    /// Where it does not within `within`, or the connection ends.
    pub fn applied(&mut self, address: impl Into<IpAddr>, within: Duration) -> Result<(), SocketError> {
        let address = address.into();
        self.wait(
            within,
            |output| matches!(output, ControllerOutput::Applied(applied) if applied.address == address),
        )
    }

    /// Reads what the switch says until the controller says what is waited for.
    ///
    /// # Errors
    /// Where it does not within `within`, or the connection ends.
    pub fn wait(
        &mut self,
        within: Duration,
        mut until: impl FnMut(&ControllerOutput) -> bool,
    ) -> Result<(), SocketError> {
        let watch = Stopwatch::start();
        let mut buffer = vec![0; 65_536];
        while watch.elapsed() < within {
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.broken("it has closed it")),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    continue;
                }
                Err(error) => return Err(self.broken(&error.to_string())),
            };
            self.framer.push(&buffer[..count]);
            let mut seen = false;
            while let Some(octets) =
                self.framer.next_message().map_err(|error| self.broken(&error.to_string()))?
            {
                let said = self.take(ControllerInput::Message(&octets))?;
                seen |= said.iter().any(&mut until);
            }
            if seen {
                return Ok(());
            }
        }
        Err(SocketError::Late { at: self.at.clone(), seconds: within.as_secs() })
    }

    /// How often the switch has refused something.
    pub fn refusals(&self) -> u64 {
        self.controller.refusals().map(|(_, count)| count).sum()
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.clock.elapsed()
    }

    fn take(&mut self, input: ControllerInput<'_>) -> Result<Vec<ControllerOutput>, SocketError> {
        let mut out = Vec::new();
        self.controller.handle(self.now(), input, &mut out)?;
        self.put(out)
    }

    /// Writes messages, and returns what else the controller has said.
    fn put(&mut self, outputs: Vec<ControllerOutput>) -> Result<Vec<ControllerOutput>, SocketError> {
        let (mut octets, mut said) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                ControllerOutput::Message { octets: message, .. } => octets.extend(message),
                ControllerOutput::Close => return Err(self.broken("it speaks no OpenFlow 1.3")),
                other => said.push(other),
            }
        }
        if !octets.is_empty() {
            self.stream.write_all(&octets).map_err(|error| self.broken(&error.to_string()))?;
        }
        Ok(said)
    }

    fn broken(&self, cause: &str) -> SocketError {
        SocketError::Broken { at: self.at.clone(), cause: cause.to_owned() }
    }
}
