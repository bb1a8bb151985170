//! The command packet (TS 102 225 clause 5.1): `CPL CHL SPI KIc KID TAR CNTR PCNTR RC/CC data padding`.

use super::keys::Protection;
use super::packet::{Outer, seal};
use super::{Counter, Header, KeySet, OtaError, Spi};

/// Octets of SPI, KIc, KID and TAR.
const HEAD: usize = 7;

/// A command packet as it came: its head can be read, and nothing of it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandPacket<'a> {
    header: Header,
    outer: Outer<'a>,
}

impl<'a> CommandPacket<'a> {
    /// Takes the octets from CPL on.
    ///
    /// # Errors
    /// Where they are no command packet or not all of it.
    pub fn read(bytes: &'a [u8]) -> Result<Self, OtaError> {
        let outer = Outer::read(bytes, HEAD)?;
        let &[spi1, spi2, kic, kid, t1, t2, t3] = outer.head else {
            return Err(OtaError::Header { found: bytes.len() });
        };
        Ok(Self { header: Header { spi: Spi([spi1, spi2]), kic, kid, tar: [t1, t2, t3] }, outer })
    }

    /// What stands in clear. It is covered by the checksum, if there is one.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Deciphers, and checks the checksum. The counter is not looked at: what it has to be knows who keeps the last.
    ///
    /// # Errors
    /// Where the keys do not fit the head, or anything was changed.
    pub fn open(&self, keys: Option<&KeySet>) -> Result<Command, OtaError> {
        let protection = Protection::of_command(&self.header, keys)?;
        let (counter, [], data) = self.outer.open(&protection, &[])?;
        Ok(Command { header: self.header, counter, data })
    }
}

/// What a command packet carries.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// What stands in clear: SPI, KIc, KID and TAR.
    pub header: Header,
    /// CNTR, five octets.
    pub counter: Counter,
    /// The script for the application.
    pub data: Vec<u8>,
}

impl Command {
    /// The packet, from CPL on.
    ///
    /// # Errors
    /// Where the keys do not fit the head, or the data is longer than a packet.
    pub fn seal(&self, keys: Option<&KeySet>) -> Result<Vec<u8>, OtaError> {
        let Header { spi: Spi([spi1, spi2]), kic, kid, tar: [t1, t2, t3] } = self.header;
        let protection = Protection::of_command(&self.header, keys)?;
        let head = [spi1, spi2, kic, kid, t1, t2, t3];
        seal(&protection, &[], &head, self.counter, &[], &self.data)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "command of {} octets for {}", self.data.len(), hex::encode(self.header.tar))
    }
}
