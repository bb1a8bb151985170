//! What an application of a UICC says of its place in the toolkit when it is installed: its toolkit application
//! references and how well a packet for it has to be protected (ETSI TS 102 226 clauses 8.2.1.3.2.1 and 8.2.1.3.2.2).

use super::application::Instance;
use super::der::Fault;
use super::error::PeStatusCode;

/// Tag of the parameters of a SIM toolkit applet among the system parameters: the form before that of the UICC.
const SIM_PARAMETERS: u16 = 0xca;
/// The kind of a minimum security level that is a first octet of an SPI.
const OF_SPI: u8 = 0x01;

/// How an application is reached over the air.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolkitParameters {
    /// Minimum security level, in the form of the first octet of an SPI (ETSI TS 102 225 clause 5.1.1).
    pub minimum_security_level: u8,
    /// Toolkit application references. Without any, the AID of the instance says it.
    pub tars: Vec<[u8; 3]>,
}

impl ToolkitParameters {
    /// The parameters in the form that a UICC takes: no timer, no menu, no channel.
    pub fn encode(&self) -> Vec<u8> {
        let tars = self.tars.concat();
        let level: &[u8] = &[2, OF_SPI, self.minimum_security_level];
        // Priority, timers, text of a menu item, menu items, channels; in the end services of others.
        [&[1, 0, 0, 0, 0], level, &[tars.len() as u8], &tars, &[0]].concat()
    }

    /// What an instance of a package says; `None` where it is no application of the toolkit.
    pub(super) fn of(instance: &Instance) -> Result<Option<Self>, Fault> {
        if let Some(toolkit) = instance.uicc.as_ref().and_then(|uicc| uicc.toolkit.as_deref()) {
            return Self::parse(toolkit).map(Some).map_err(|fault| fault.within("applicationParameters"));
        }
        let system = instance.system.iter().flatten();
        let Some(of_sim) = system.into_iter().find(|object| object.tag == SIM_PARAMETERS) else {
            return Ok(None);
        };
        // It begins with the access domain, which is that of the file system of a SIM.
        let mut rest = &of_sim.value[..];
        counted(&mut rest, 1, "access domain")
            .and_then(|_| Self::parse(rest))
            .map(Some)
            .map_err(|fault| fault.within("systemSpecificParameters"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut rest = bytes;
        let mut made = Self::default();
        // Priority, timers, the longest text of a menu item.
        for what in ["priority", "timers", "text length"] {
            one(&mut rest, what)?;
        }
        // A menu item is its position and its identifier.
        counted(&mut rest, 2, "menu")?;
        // What follows came with later releases.
        if !rest.is_empty() {
            one(&mut rest, "channels")?;
        }
        if !rest.is_empty()
            && let [OF_SPI, level, ..] = counted(&mut rest, 1, "minimum security level")?
        {
            made.minimum_security_level = *level;
        }
        if !rest.is_empty() {
            let tars = counted(&mut rest, 1, "TAR")?;
            let (tars, left) = tars.as_chunks::<3>();
            if !left.is_empty() {
                return Err(bad("its references are no whole number of three octets each"));
            }
            made.tars = tars.to_vec();
        }
        Ok(made)
    }
}

fn bad(cause: impl Into<String>) -> Fault {
    Fault::new(PeStatusCode::BAD_VALUES, cause)
}

fn one(rest: &mut &[u8], what: &str) -> Result<u8, Fault> {
    let (first, behind) =
        rest.split_first().ok_or_else(|| bad(format!("it is cut off before its {what}")))?;
    *rest = behind;
    Ok(*first)
}

/// What follows a count of things of `size` octets.
fn counted<'a>(rest: &mut &'a [u8], size: usize, what: &str) -> Result<&'a [u8], Fault> {
    let octets = usize::from(one(rest, what)?) * size;
    let (part, behind) =
        rest.split_at_checked(octets).ok_or_else(|| bad(format!("it is cut off inside its {what}")))?;
    *rest = behind;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(hex: &str) -> Result<(u8, Vec<String>), String> {
        let parameters = ToolkitParameters::parse(&hex::decode(hex).unwrap());
        parameters
            .map(|p| (p.minimum_security_level, p.tars.iter().map(hex::encode).collect()))
            .map_err(|fault| fault.cause)
    }

    #[test]
    fn parameters_of_public_packages() {
        // The MNO-SD of GSMA TS.48 v7, and the one and the other domain that pySim makes.
        for (hex, level, tars) in [
            ("010000000002010206b2010000000000", 0x02, &["b20100", "000000"][..]),
            ("0100000100000002011203b2010000", 0x12, &["b20100"]),
            ("01000001000000020112036c756500", 0x12, &["6c7565"]),
            ("0100000000", 0x00, &[]),
            ("0100000000020112", 0x12, &[]),
            ("01000000000000", 0x00, &[]),
        ] {
            let tars = tars.iter().map(|tar| (*tar).to_owned()).collect();
            assert_eq!(parsed(hex), Ok((level, tars)), "{hex}");
        }
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for hex in ["", "01", "01000002", "010000000002", "010000000002011203b201"] {
            let cause = parsed(hex).unwrap_err();
            assert!(cause.contains("cut off"), "{hex}: {cause}");
        }
        let cause = parsed("01000000000201120400b20100").unwrap_err();
        assert!(cause.contains("three octets"), "{cause}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            minimum_security_level: u8,
            tars in proptest::collection::vec(any::<[u8; 3]>(), 0..20),
        ) {
            let parameters = ToolkitParameters { minimum_security_level, tars };
            prop_assert_eq!(ToolkitParameters::parse(&parameters.encode()).ok(), Some(parameters));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(parameters) = ToolkitParameters::parse(&bytes) {
                prop_assert!(parameters.tars.len() * 3 <= bytes.len());
            }
        }
    }
}
