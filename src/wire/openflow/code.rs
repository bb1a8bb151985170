//! What an ERROR says: its type and its code (clause 7.4.4), and why octets are no message.

use std::fmt;

/// Type and code of an ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// `ofp_error_type`.
    pub kind: u16,
    /// The code, whose meaning depends on the type.
    pub code: u16,
}

/// Declares codes with the names that the specification gives them, without their prefixes.
macro_rules! codes {
    ($($(#[$what:meta])* $name:ident = $kind:literal / $code:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$what])* pub const $name: Self = Self { kind: $kind, code: $code };)*

            /// The name, where it is one of those that are spoken here.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        pub(super) const KNOWN: &[Code] = &[$(Code::$name),*];
    };
}

codes! {
    /// No version that both speak.
    INCOMPATIBLE = 0 / 0, "hello-incompatible";
    /// The header has another version than the one agreed on.
    BAD_VERSION = 1 / 0, "bad-version";
    /// No such message, or none that is served here.
    BAD_TYPE = 1 / 1, "bad-type";
    /// No such multipart, or none that is served here.
    BAD_MULTIPART = 1 / 2, "bad-multipart";
    /// An experimenter that is not known here.
    BAD_EXPERIMENTER = 1 / 3, "bad-experimenter";
    /// The length does not fit what the message is.
    BAD_LEN = 1 / 6, "bad-length";
    /// A buffer that nobody holds.
    BUFFER_UNKNOWN = 1 / 8, "buffer-unknown";
    /// No such table.
    BAD_TABLE_ID = 1 / 9, "bad-table";
    /// A slave may not change anything.
    IS_SLAVE = 1 / 10, "is-slave";
    /// No such port.
    BAD_PORT = 1 / 11, "bad-port";
    /// The frame of a PACKET_OUT is none.
    BAD_PACKET = 1 / 12, "bad-packet";
    /// A multipart request in more parts than are taken.
    MULTIPART_OVERFLOW = 1 / 13, "multipart-overflow";
    /// An action that is not known or not served.
    ACTION_TYPE = 2 / 0, "bad-action-type";
    /// An action of a length that it does not have.
    ACTION_LEN = 2 / 1, "bad-action-length";
    /// Output to a port that there is not.
    ACTION_OUT_PORT = 2 / 4, "bad-out-port";
    /// More actions than are taken.
    ACTION_TOO_MANY = 2 / 7, "too-many-actions";
    /// An instruction that is not known.
    INSTRUCTION_UNKNOWN = 3 / 0, "unknown-instruction";
    /// An instruction that is not served, in this table or anywhere.
    INSTRUCTION_UNSUPPORTED = 3 / 1, "unsupported-instruction";
    /// Goto-Table to a table that does not come later.
    INSTRUCTION_TABLE = 3 / 2, "bad-goto-table";
    /// An instruction of a length that it does not have.
    INSTRUCTION_LEN = 3 / 7, "bad-instruction-length";
    /// A match that is not of OXM fields.
    MATCH_TYPE = 4 / 0, "bad-match-type";
    /// A match or a field of a length that it does not have.
    MATCH_LEN = 4 / 1, "bad-match-length";
    /// A value with bits that its mask leaves out.
    MATCH_WILDCARDS = 4 / 5, "bad-wildcards";
    /// A field that is not known here.
    MATCH_FIELD = 4 / 6, "bad-match-field";
    /// A value that the field cannot have.
    MATCH_VALUE = 4 / 7, "bad-match-value";
    /// A mask on a field that takes none.
    MATCH_MASK = 4 / 8, "bad-match-mask";
    /// A field without the fields that it depends on.
    MATCH_PREREQUISITE = 4 / 9, "bad-match-prerequisite";
    /// A field twice.
    MATCH_DUPLICATE = 4 / 10, "duplicate-match-field";
    /// No room for another flow.
    TABLE_FULL = 5 / 1, "table-full";
    /// A FLOW_MOD for a table that there is not.
    FLOW_TABLE = 5 / 2, "bad-flow-table";
    /// A flow overlaps one of the same priority, and the sender has asked.
    OVERLAP = 5 / 3, "overlap";
    /// A command that FLOW_MOD does not have.
    FLOW_COMMAND = 5 / 6, "bad-flow-command";
    /// A flag that FLOW_MOD does not have.
    FLOW_FLAGS = 5 / 7, "bad-flow-flags";
    /// There are no groups here.
    NO_GROUPS = 6 / 3, "no-groups";
    /// Ports cannot be changed here.
    PORT_MOD_REFUSED = 7 / 4, "port-mod-not-permitted";
    /// A flag that a configuration does not have.
    CONFIG_FLAGS = 10 / 0, "bad-config-flags";
    /// A role request that is older than another one.
    ROLE_STALE = 11 / 0, "stale-role";
    /// No such role.
    ROLE_UNKNOWN = 11 / 2, "bad-role";
    /// There are no meters here.
    NO_METERS = 12 / 10, "no-meters";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("{}/{}", self.kind, self.code)),
        }
    }
}

/// Why octets are no message of OpenFlow 1.3, or a message does not fit into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenflowError {
    /// The octets are none, and the sender is to be told with an ERROR of this code.
    #[error("OpenFlow: {what} ({code}); the message is refused")]
    Refused {
        /// What the sender is told.
        code: Code,
        /// What is wrong.
        what: &'static str,
    },
    /// A header with a length below 8: where the next message begins is not known.
    #[error(
        "OpenFlow: a header says a length of {length}, which is less than its own 8; the connection ends"
    )]
    Unframed {
        /// What the header says.
        length: u16,
    },
    /// A message of more octets than the 65,535 that its header can say.
    #[error("OpenFlow: a message of {length} octets does not fit, since a header says at most 65,535")]
    TooLong {
        /// How long it would be.
        length: usize,
    },
}

impl OpenflowError {
    pub(super) const fn refused(code: Code, what: &'static str) -> Self {
        Self::Refused { code, what }
    }

    /// The code of the ERROR that answers it; `None` where nothing can be answered.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Unframed { .. } | Self::TooLong { .. } => None,
        }
    }
}
