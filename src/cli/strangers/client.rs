//! The client that the servers know nothing bad of: it asks, waits, and comes again where its connection was lost.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::figures::Waits;
use super::server::{Server, ServerError};
use crate::wire::http::{Limits, ResponseParser};

/// How long a request is tried for before it counts as unserved.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long it rests between two requests: it is a client and no crowd.
const REST: Duration = Duration::from_millis(2);

pub struct Client<'a> {
    server: &'a Server,
    address: SocketAddr,
    request: Vec<u8>,
}

impl<'a> Client<'a> {
    pub fn new(server: &'a Server) -> Result<Self, ServerError> {
        server.tls()?;
        Ok(Self { server, address: server.address(), request: server.request() })
    }

    /// Makes `requests` requests, one after another, and more while `goes_on` says so. Each has a connection of its own,
    /// with a TLS handshake of its own, as that of a newcomer has.
    pub fn ask(&mut self, requests: u32, goes_on: &dyn Fn() -> bool, at_most: Duration) -> Waits {
        let (mut waits, mut again, mut unserved) = (Vec::new(), 0, 0);
        let begun = Instant::now();
        let mut made = 0;
        while (made < requests || goes_on()) && begun.elapsed() < at_most {
            made += 1;
            let asked = Instant::now();
            loop {
                if self.attempt().is_ok() {
                    waits.push(asked.elapsed());
                    break;
                }
                if asked.elapsed() > PATIENCE {
                    unserved += 1;
                    break;
                }
                again += 1;
            }
            std::thread::sleep(REST);
        }
        Waits::of(waits, again, unserved)
    }

    /// Connects, asks and reads the answer. Both requests that are made change nothing, so that they may be repeated.
    fn attempt(&self) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&self.address, ATTEMPT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ATTEMPT))?;
        stream.set_write_timeout(Some(ATTEMPT))?;
        let tls: ClientConnection = self.server.tls().map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, stream);
        stream.write_all(&self.request)?;
        let mut parser = ResponseParser::new(Limits::default());
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => parser.push(&chunk[..read]),
            }
            if let Some(response) = parser.next_response().map_err(io::Error::other)? {
                return if response.status < 500 { Ok(()) } else { Err(ErrorKind::Other.into()) };
            }
        }
    }
}
