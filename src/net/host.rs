//! An IP host without an operating system: addresses, TCP connections, answers to ICMP echo requests.
//!
//! The stack is smoltcp (RFC 791, RFC 792, RFC 8200, RFC 4443, RFC 9293) behind our own virtual time. A host costs little while
//! it is idle: a listening port is a table entry, and a socket with its buffers exists only from the SYN to
//! the end of a connection. Sequence numbers and ephemeral ports (RFC 6335, clause 6) are drawn from the
//! host's branch of the random tree.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use rand_core::RngCore;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::{
    HardwareAddress, IPV4_HEADER_LEN, IpAddress, IpCidr, IpProtocol, Ipv4Packet, Ipv6Packet, TCP_HEADER_LEN,
    TcpPacket,
};

use super::NetError;
use super::conn_id::ConnId;
use super::connection::{ACK_DELAY, BUFFERED_SEGMENTS, ConnState, Connection, Endpoint};
use crate::kernel::{Instant, RngTree};

/// How many addresses a host can have: what smoltcp was built for.
const MAX_ADDRESSES: usize = 8;
/// How many live connections a host holds at a time. A SYN beyond that is answered with RST.
const MAX_CONNECTIONS: usize = 16;
/// The datagram that every IPv4 host has to take (RFC 791, clause 3.1); no link offers less.
const MIN_MTU: u16 = 576;
/// The first of the dynamic ports (RFC 6335, clause 6).
const FIRST_EPHEMERAL: u16 = 49_152;

/// An IP host and its TCP connections.
///
/// Its owner gives it packets with [`receive`](Self::receive), then lets it work with
/// [`poll`](Self::poll), and comes back at its [`deadline`](Self::deadline).
pub struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
    listening: Vec<Endpoint>,
    inbound: VecDeque<Vec<u8>>,
    mtu: usize,
    next_id: u32,
    next_port: u16,
    /// Whether something was asked of the host since it was polled last.
    disturbed: bool,
    /// When the stack wants to be polled, as of the last poll.
    due: Option<Instant>,
}

impl Host {
    /// A host with one address, on a link that carries packets of up to `mtu` bytes.
    ///
    /// An address that no host can have (multicast, broadcast, unspecified) is left out.
    pub fn new(address: impl Into<IpAddr>, mtu: u16, rng: RngTree) -> Self {
        Self::of(&[address.into()], mtu, rng)
    }

    /// A host that answers for each of `addresses`.
    ///
    /// # Errors
    ///
    /// [`NetError::TooManyAddresses`] where they are more than a host can have.
    pub fn with_addresses<A: Into<IpAddr> + Copy>(
        addresses: &[A],
        mtu: u16,
        rng: RngTree,
    ) -> Result<Self, NetError> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| (*address).into()).collect();
        match addresses.len() {
            found if found > MAX_ADDRESSES => Err(NetError::TooManyAddresses { found, limit: MAX_ADDRESSES }),
            _ => Ok(Self::of(&addresses, mtu, rng)),
        }
    }

    fn of(addresses: &[IpAddr], mtu: u16, rng: RngTree) -> Self {
        let mtu = usize::from(mtu.max(MIN_MTU));
        let mut stream = rng.stream("tcp");
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = stream.next_u64();
        let next_port = FIRST_EPHEMERAL + (stream.next_u32() % (1 << 14)) as u16;
        let mut link = Link { mtu, inbound: None, outbound: &mut Vec::new() };
        let mut interface = Interface::new(config, &mut link, WireInstant::ZERO);
        interface.update_ip_addrs(|known| {
            for address in addresses.iter().filter(|a| is_unicast(**a)) {
                // The capacity is checked where there is more than one.
                let _ = known.push(alone(*address));
            }
        });
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            listening: Vec::new(),
            inbound: VecDeque::new(),
            mtu,
            next_id: 0,
            next_port,
            disturbed: false,
            due: None,
        }
    }

    /// Takes an IP packet from the link. Whatever is not a sound packet for this host is dropped.
    pub fn receive(&mut self, packet: Vec<u8>) {
        self.inbound.push_back(packet);
    }

    /// Works through what came in and what is due, and appends the packets to send to `out`.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        if !self.disturbed && self.inbound.is_empty() && self.due.is_none_or(|due| due > now) {
            return;
        }
        self.disturbed = false;
        while let Some(packet) = self.inbound.pop_front() {
            self.ingest(now, packet, out);
        }
        self.give_up(now);
        self.transmit(now, out);
        self.settle(now);
        self.due = self.next_due(now);
    }

    /// When to call [`poll`](Self::poll) again; `now` where there is work already.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.disturbed || !self.inbound.is_empty() { Some(now) } else { self.due.map(|due| due.max(now)) }
    }

    /// Answers for one more address from now on; what no host can have, or one too many, is left out.
    pub fn add_address(&mut self, address: impl Into<IpAddr>) {
        let address = address.into();
        if is_unicast(address) {
            self.interface.update_ip_addrs(|known| {
                let _ = known.push(alone(address));
            });
        }
    }

    /// What it answers for, in the order in which it came.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.interface.ip_addrs().iter().map(|known| known.address().into())
    }

    /// Accepts connections to `local` from now on.
    pub fn listen(&mut self, local: impl Into<Endpoint>) {
        let local = local.into();
        if !self.listening.contains(&local) {
            self.listening.push(local);
        }
    }

    /// The next connection that a peer has opened, with its local and its remote end.
    pub fn accept(&mut self) -> Option<(ConnId, Endpoint, Endpoint)> {
        let connection = self.connections.iter_mut().find(|c| !c.known && c.opened)?;
        connection.known = true;
        Some((connection.id, connection.local, connection.remote))
    }

    /// Starts to open a connection to `remote`; watch its [`state`](Self::state).
    ///
    /// # Errors
    ///
    /// Where this host has no address, the remote end is none, or too many connections are open.
    pub fn connect(&mut self, remote: impl Into<Endpoint>) -> Result<ConnId, NetError> {
        let remote: Endpoint = remote.into();
        if self.live_connections() >= MAX_CONNECTIONS {
            return Err(NetError::TooManyConnections { limit: MAX_CONNECTIONS });
        }
        let own = self.addresses().find(|own| own.is_ipv6() == remote.is_ipv6());
        let address = own.ok_or(NetError::NoAddress)?;
        let unaddressable = || NetError::Unaddressable { address: remote.ip(), port: remote.port() };
        if !is_unicast(remote.ip()) || remote.port() == 0 {
            return Err(unaddressable());
        }
        let local = Endpoint::new(address, self.ephemeral_port());
        let mut socket = self.new_socket();
        socket.connect(self.interface.context(), remote, local).map_err(|_| unaddressable())?;
        let handle = self.sockets.add(socket);
        Ok(self.track(handle, local, remote, true))
    }

    /// Where the connection stands; `Closed` for one that was removed.
    pub fn state(&self, id: ConnId) -> ConnState {
        self.find(id).map_or(ConnState::Closed, |c| c.state)
    }

    /// Hands over as much of `bytes` as the connection has room for, and says how much that is: zero while
    /// it is full or still connecting.
    ///
    /// # Errors
    ///
    /// Where the connection has failed, is closed on our side, or is unknown.
    pub fn send(&mut self, id: ConnId, bytes: &[u8]) -> Result<usize, NetError> {
        let connection = self.find(id).ok_or(NetError::NoConnection(id))?;
        match connection.state {
            ConnState::Connecting => return Ok(0),
            ConnState::Open | ConnState::PeerClosed => {}
            _ => return Err(connection.failure().unwrap_or(NetError::Closed(id))),
        }
        let Some(handle) = connection.socket else { return Err(NetError::Closed(id)) };
        let sent = self.sockets.get_mut::<tcp::Socket<'_>>(handle).send_slice(bytes);
        self.disturbed = true;
        sent.map_err(|_| NetError::Closed(id))
    }

    /// Appends what has come in to `into`, and says how much that is. Zero may mean "nothing yet" or "no
    /// more": the [`state`](Self::state) tells.
    ///
    /// # Errors
    ///
    /// Where nothing is left and the connection has failed, or is unknown.
    pub fn recv(&mut self, id: ConnId, into: &mut Vec<u8>) -> Result<usize, NetError> {
        let mut total = 0;
        // A ring buffer has its content in up to two pieces.
        loop {
            let taken = self.recv_with(id, |bytes| {
                into.extend_from_slice(bytes);
                bytes.len()
            });
            match taken {
                Ok(size) if size > 0 => total += size,
                Err(error) if total == 0 => return Err(error),
                _ => return Ok(total),
            }
        }
    }

    /// Ends our direction of the connection, after what was sent before. The other stays open.
    pub fn close(&mut self, id: ConnId) {
        self.with_socket(id, |connection, socket| {
            let connecting = connection.state == ConnState::Connecting;
            socket.close();
            if connecting {
                connection.state = ConnState::Closed;
            }
            connection.observe(socket.state());
        });
    }

    /// Ends the connection at once with RST.
    pub fn abort(&mut self, id: ConnId) {
        self.with_socket(id, |connection, socket| {
            if !connection.state.is_final() {
                socket.abort();
                connection.state = ConnState::Closed;
            }
        });
    }

    /// Forgets the connection; call it for each one in the end. One that is closing goes on to its end
    /// unseen; one that is open is aborted.
    pub fn remove(&mut self, id: ConnId) {
        if self.state(id) != ConnState::Closing {
            self.abort(id);
        }
        if let Some(connection) = self.connections.iter_mut().find(|c| c.id == id) {
            connection.abandoned = true;
            connection.unread = Vec::new();
            self.disturbed = true;
        }
    }

    /// The connection as a byte stream that never blocks.
    pub fn stream(&mut self, id: ConnId) -> ConnStream<'_> {
        ConnStream { host: self, id }
    }

    /// The error that a failed connection stands for.
    pub fn failure(&self, id: ConnId) -> Option<NetError> {
        self.find(id).and_then(Connection::failure)
    }

    /// Bytes of memory that this host holds now, its queues and buffers included.
    pub fn memory(&self) -> usize {
        let sockets = self.live_connections();
        let unread: usize = self.connections.iter().map(|c| c.unread.capacity()).sum();
        let queued: usize = self.inbound.iter().map(Vec::capacity).sum();
        size_of::<Self>()
            + sockets * (size_of::<tcp::Socket<'_>>() + 2 * self.buffer_size())
            + self.connections.capacity() * size_of::<Connection>()
            + self.listening.capacity() * size_of::<Endpoint>()
            + unread
            + queued
    }
}

/// How a packet is worked through.
impl Host {
    fn ingest(&mut self, now: Instant, packet: Vec<u8>, out: &mut Vec<Vec<u8>>) {
        let newcomer = match Segment::peek(&packet) {
            Some(segment) => self.expect(now, &segment),
            None => None,
        };
        let mut link = Link { mtu: self.mtu, inbound: Some(packet), outbound: out };
        self.interface.poll_ingress_single(wire_instant(now), &mut link, &mut self.sockets);
        if let Some((handle, segment)) = newcomer {
            self.admit(handle, &segment);
        }
        for connection in &mut self.connections {
            if let Some(handle) = connection.socket {
                let socket = self.sockets.get::<tcp::Socket<'_>>(handle);
                connection.observe(socket.state());
                if socket.is_listening() {
                    // The peer has taken its SYN back; the next one gets a socket of its own.
                    connection.retire(&mut self.sockets);
                }
            }
        }
    }

    /// Prepares for a segment: marks that its peer has spoken, or gives a SYN a socket to meet.
    fn expect(&mut self, now: Instant, segment: &Segment) -> Option<(SocketHandle, Segment)> {
        let mut peers =
            self.connections.iter_mut().filter(|c| c.local == segment.to && c.remote == segment.from);
        if let Some(connection) = peers.find(|c| c.socket.is_some()) {
            connection.heard(now);
            return None;
        }
        let wanted = segment.opens && self.listening.contains(&segment.to);
        if !wanted || self.live_connections() >= MAX_CONNECTIONS {
            return None;
        }
        let mut socket = self.new_socket();
        socket.listen(segment.to).ok()?;
        Some((self.sockets.add(socket), segment.clone()))
    }

    /// Keeps the socket of a SYN that was sound, drops the other.
    fn admit(&mut self, handle: SocketHandle, segment: &Segment) {
        if self.sockets.get::<tcp::Socket<'_>>(handle).is_listening() {
            self.sockets.remove(handle);
        } else {
            self.track(handle, segment.to, segment.from, false);
        }
    }

    fn give_up(&mut self, now: Instant) {
        for connection in &mut self.connections {
            if connection.expires().is_none_or(|at| at > now) {
                continue;
            }
            if connection.in_time_wait() {
                connection.retire(&mut self.sockets);
            } else if let Some(handle) = connection.socket {
                self.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
                if !connection.state.is_final() {
                    connection.state = ConnState::TimedOut;
                }
            }
        }
    }

    fn transmit(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        let mut link = Link { mtu: self.mtu, inbound: None, outbound: out };
        let at = wire_instant(now);
        while self.interface.poll_egress(at, &mut link, &mut self.sockets) != PollResult::None {}
    }

    /// Brings the records up to date with their sockets, and frees what has ended.
    fn settle(&mut self, now: Instant) {
        for connection in &mut self.connections {
            let Some(handle) = connection.socket else { continue };
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            connection.observe(socket.state());
            connection.watch(now, socket);
            if connection.abandoned && socket.is_active() && socket.can_recv() {
                // Nobody will ever read this, and the peer should know (RFC 1122, clause 4.2.2.13).
                socket.abort();
                self.disturbed = true;
            } else if !socket.is_active() && !connection.in_time_wait() && socket.remote_endpoint().is_none()
            {
                connection.retire(&mut self.sockets);
            }
        }
        self.connections.retain(|c| !c.is_forgotten());
    }

    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let stack = self
            .interface
            .poll_at(wire_instant(now), &self.sockets)
            .map(|at| Instant::from_nanos(u64::try_from(at.total_micros()).unwrap_or(0) * 1_000).max(now));
        let records = self.connections.iter().filter_map(Connection::expires).min();
        [stack, records].into_iter().flatten().min()
    }
}

/// Bookkeeping.
impl Host {
    fn find(&self, id: ConnId) -> Option<&Connection> {
        self.connections.iter().find(|c| c.id == id && !c.abandoned)
    }

    fn with_socket(&mut self, id: ConnId, f: impl FnOnce(&mut Connection, &mut tcp::Socket<'static>)) {
        let Some(connection) = self.connections.iter_mut().find(|c| c.id == id && !c.abandoned) else {
            return;
        };
        if let Some(handle) = connection.socket {
            f(connection, self.sockets.get_mut(handle));
            self.disturbed = true;
        }
    }

    /// Lets `f` take bytes from the front of what has come in; it says how many it took.
    fn recv_with(&mut self, id: ConnId, f: impl FnOnce(&[u8]) -> usize) -> Result<usize, NetError> {
        let connection = self
            .connections
            .iter_mut()
            .find(|c| c.id == id && !c.abandoned)
            .ok_or(NetError::NoConnection(id))?;
        if let Some(handle) = connection.socket {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            if socket.can_recv() {
                let took = socket.recv(|bytes| {
                    let took = f(bytes).min(bytes.len());
                    (took, took)
                });
                self.disturbed = true;
                return took.map_err(|_| NetError::Closed(id));
            }
        } else if !connection.unread.is_empty() {
            let took = f(&connection.unread).min(connection.unread.len());
            connection.unread.drain(..took);
            return Ok(took);
        }
        connection.failure().map_or(Ok(0), Err)
    }

    fn track(&mut self, handle: SocketHandle, local: Endpoint, remote: Endpoint, active: bool) -> ConnId {
        let id = ConnId(self.next_id);
        self.next_id += 1;
        self.connections.push(Connection::new(id, handle, local, remote, active));
        self.disturbed = true;
        id
    }

    fn live_connections(&self) -> usize {
        self.connections.iter().filter(|c| c.socket.is_some()).count()
    }

    fn new_socket(&self) -> tcp::Socket<'static> {
        let buffer = || tcp::SocketBuffer::new(vec![0; self.buffer_size()]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // Our writers hand over whole messages, which should leave at once.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(Some(ACK_DELAY.into()));
        socket
    }

    fn buffer_size(&self) -> usize {
        BUFFERED_SEGMENTS * (self.mtu - IPV4_HEADER_LEN - TCP_HEADER_LEN)
    }

    fn ephemeral_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_EPHEMERAL);
            if !self.connections.iter().any(|c| c.local.port() == port) {
                return port;
            }
        }
    }
}

/// A connection as a byte stream: reading gives `WouldBlock` where nothing has come in, and zero at the end.
pub struct ConnStream<'a> {
    host: &'a mut Host,
    id: ConnId,
}

impl io::Read for ConnStream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let took = self.host.recv_with(self.id, |bytes| {
            let took = bytes.len().min(into.len());
            into[..took].copy_from_slice(&bytes[..took]);
            took
        });
        match (took.map_err(io::Error::other)?, self.host.state(self.id)) {
            (0, ConnState::PeerClosed | ConnState::Closed) => Ok(0),
            (0, _) => Err(io::ErrorKind::WouldBlock.into()),
            (took, _) => Ok(took),
        }
    }
}

impl io::Write for ConnStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.host.send(self.id, bytes).map_err(io::Error::other)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            sent => Ok(sent),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What has to be known of a TCP segment before the stack sees it. Nothing is verified here.
#[derive(Clone)]
struct Segment {
    from: Endpoint,
    to: Endpoint,
    /// A SYN that begins a connection.
    opens: bool,
}

impl Segment {
    fn peek(packet: &[u8]) -> Option<Self> {
        let (from, to, protocol, payload) = match packet.first()? >> 4 {
            6 => {
                let ip = Ipv6Packet::new_checked(packet).ok()?;
                (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
            }
            _ => {
                let ip = Ipv4Packet::new_checked(packet).ok()?;
                (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
            }
        };
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(payload).ok()?;
        Some(Self {
            from: SocketAddr::new(from, tcp.src_port()),
            to: SocketAddr::new(to, tcp.dst_port()),
            opens: tcp.syn() && !tcp.ack() && !tcp.rst(),
        })
    }
}

/// The link as the stack sees it: at most one packet to take in, a list of those to send.
struct Link<'a> {
    mtu: usize,
    inbound: Option<Vec<u8>>,
    outbound: &'a mut Vec<Vec<u8>>,
}

struct Inbound(Vec<u8>);

struct Outbound<'a>(&'a mut Vec<Vec<u8>>);

impl phy::Device for Link<'_> {
    type RxToken<'b>
        = Inbound
    where
        Self: 'b;
    type TxToken<'b>
        = Outbound<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: WireInstant) -> Option<(Inbound, Outbound<'_>)> {
        Some((Inbound(self.inbound.take()?), Outbound(self.outbound)))
    }

    fn transmit(&mut self, _: WireInstant) -> Option<Outbound<'_>> {
        Some(Outbound(self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

impl phy::RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}

fn wire_instant(now: Instant) -> WireInstant {
    WireInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// An address with nobody else on the link.
fn alone(address: IpAddr) -> IpCidr {
    IpCidr::new(IpAddress::from(address), if address.is_ipv6() { 128 } else { 32 })
}

fn is_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

#[cfg(test)]
#[path = "host_tests.rs"]
pub(super) mod tests;
