//! The logical channels, and what is read of a PDU of which only its channel is known.

use super::channel::{BcchBch, BcchDlSch, DlCcch, DlDcch, Pcch, UlCcch, UlDcch};
use super::error::Error;
use super::label::named;
use super::nb::{BcchBchNb, BcchDlSchNb, DlCcchNb, DlDcchNb, PcchNb, UlCcchNb, UlDcchNb};
use crate::wire::Label;

/// The channels: name here, in TS 36.331, and in Wireshark, which takes their messages apart.
macro_rules! channels {
    ($($(#[$meta:meta])* $channel:ident = $name:literal, $dissector:literal;)*) => {
        /// A logical channel with its direction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Channel { $($(#[$meta])* $channel,)* }

        impl Channel {
            /// Every channel.
            pub const ALL: &[Self] = &[$(Self::$channel),*];

            /// The name, as in `UL-DCCH`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$channel => $name,)* }
            }

            /// The name of Wireshark's dissector.
            pub fn dissector(self) -> &'static str {
                match self { $(Self::$channel => concat!("lte_rrc.", $dissector),)* }
            }

            /// All that a message of this channel says, a line for each value.
            pub fn text(self, octets: &[u8]) -> Result<String, Error> {
                match self { $(Self::$channel => $channel::decode(octets).map(|message| format!("{message:#?}")),)* }
            }

            /// Reads a message of this channel and writes it again.
            pub fn again(self, octets: &[u8]) -> Result<Vec<u8>, Error> {
                match self { $(Self::$channel => $channel::decode(octets)?.encode(),)* }
            }
        }

        /// The label of what may be a message of `channel`, which it names.
        pub fn label_of(channel: Channel, octets: &[u8]) -> Label {
            let label = match channel {
                $(Channel::$channel => $channel::decode(octets).map(|message| message.label()),)*
            };
            channel.named_in(label.unwrap_or_else(|error| named("Malformed Message").with("why", error)))
        }
    };
}

/// The field of a label that says on which channel a message was.
const FIELD: &str = "channel";

impl Channel {
    /// The same label with this channel.
    pub fn named_in(self, label: Label) -> Label {
        label.with(FIELD, self.name())
    }

    /// The channel that a label names.
    pub fn of(label: &Label) -> Option<Self> {
        let (_, name) = label.fields.iter().find(|(field, _)| *field == FIELD)?;
        Self::ALL.iter().copied().find(|channel| channel.name() == name)
    }
}

channels! {
    /// Broadcast: the master information block.
    BcchBch = "BCCH-BCH", "bcch_bch";
    /// Broadcast: all other system information.
    BcchDlSch = "BCCH-DL-SCH", "bcch_dl_sch";
    /// Paging.
    Pcch = "PCCH", "pcch";
    /// From the UE, before it has a connection.
    UlCcch = "UL-CCCH", "ul_ccch";
    /// To the UE, before it has a connection.
    DlCcch = "DL-CCCH", "dl_ccch";
    /// From the UE in its connection.
    UlDcch = "UL-DCCH", "ul_dcch";
    /// To the UE in its connection.
    DlDcch = "DL-DCCH", "dl_dcch";
    /// Broadcast: the master information block, in NB-IoT.
    BcchBchNb = "BCCH-BCH-NB", "bcch_bch.nb";
    /// Broadcast: all other system information, in NB-IoT.
    BcchDlSchNb = "BCCH-DL-SCH-NB", "bcch_dl_sch.nb";
    /// Paging, in NB-IoT.
    PcchNb = "PCCH-NB", "pcch.nb";
    /// From the UE, before it has a connection, in NB-IoT.
    UlCcchNb = "UL-CCCH-NB", "ul_ccch.nb";
    /// To the UE, before it has a connection, in NB-IoT.
    DlCcchNb = "DL-CCCH-NB", "dl_ccch.nb";
    /// From the UE in its connection, in NB-IoT.
    UlDcchNb = "UL-DCCH-NB", "ul_dcch.nb";
    /// To the UE in its connection, in NB-IoT.
    DlDcchNb = "DL-DCCH-NB", "dl_dcch.nb";
}
