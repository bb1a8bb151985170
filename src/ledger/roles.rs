//! Who may do what in the registry.

use std::fmt;

/// A set of roles of the contract, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);
    /// Says who has which role.
    pub const ADMIN: Self = Self(1);
    /// Registers devices, vouches for new keys, retires devices.
    pub const REGISTRAR: Self = Self(2);
    /// Records and revokes certificates, revokes devices.
    pub const CA: Self = Self(4);
    /// Quarantines, releases and revokes devices.
    pub const GUARD: Self = Self(8);
    /// Publishes and withdraws firmware.
    pub const PUBLISHER: Self = Self(16);
    /// Seals blocks.
    pub const VALIDATOR: Self = Self(32);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::ADMIN, "ADMIN"),
        (Self::REGISTRAR, "REGISTRAR"),
        (Self::CA, "CA"),
        (Self::GUARD, "GUARD"),
        (Self::PUBLISHER, "PUBLISHER"),
        (Self::VALIDATOR, "VALIDATOR"),
    ];

    /// The roles of these bits; none if there is a bit that means nothing.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits < 64).then_some(Self(bits))
    }

    /// One bit for each role, as in the contract.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// These roles and the others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These roles but not the others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether each of the others is among these.
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is one that both have.
    pub fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            Self::NAMES.iter().filter(|(role, _)| self.contains(*role)).map(|(_, name)| *name).collect();
        f.pad(&if names.is_empty() { "none".to_owned() } else { names.join(" | ") })
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roles({self})")
    }
}
