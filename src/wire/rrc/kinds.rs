//! The kinds of values that messages are made of. A value of a kind with bounds is within them by construction.

use std::ops::Deref;

use super::coder::{Code, Coder};
use super::error::{Cause, Error};

/// INTEGER (LEAST..MOST).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int<const LEAST: i32, const MOST: i32>(i32);

impl<const LEAST: i32, const MOST: i32> Int<LEAST, MOST> {
    /// `value` where it is within the bounds.
    pub const fn new(value: i32) -> Option<Self> {
        if value >= LEAST && value <= MOST { Some(Self(value)) } else { None }
    }

    /// `value`, or the bound that it is beyond.
    pub const fn clamped(value: i32) -> Self {
        if value < LEAST {
            Self(LEAST)
        } else if value > MOST {
            Self(MOST)
        } else {
            Self(value)
        }
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl<const LEAST: i32, const MOST: i32> Default for Int<LEAST, MOST> {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl<const LEAST: i32, const MOST: i32> Code for Int<LEAST, MOST> {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut value = (i64::from(self.0) - i64::from(LEAST)) as u64;
        c.one_of((i64::from(MOST) - i64::from(LEAST) + 1) as u64, &mut value)?;
        self.0 = (value as i64 + i64::from(LEAST)) as i32;
        Ok(())
    }
}

/// ENUMERATED with COUNT values, as the place of one from 0 in the list of TS 36.331.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Index<const COUNT: u8>(u8);

impl<const COUNT: u8> Index<COUNT> {
    /// The value at `place`, or the last.
    pub const fn clamped(place: u8) -> Self {
        if place < COUNT { Self(place) } else { Self(COUNT - 1) }
    }

    /// Its place from 0.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl<const COUNT: u8> Code for Index<COUNT> {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut value = u64::from(self.0);
        c.one_of(u64::from(COUNT), &mut value)?;
        self.0 = value as u8;
        Ok(())
    }
}

/// ENUMERATED with COUNT values that may get more: a place of COUNT or above is one of the additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OpenIndex<const COUNT: u8>(u8);

impl<const COUNT: u8> OpenIndex<COUNT> {
    /// How many additions there can be before their numbers take another form.
    const ADDITIONS: u8 = 64;

    /// The value at `place`, or the last addition.
    pub const fn clamped(place: u8) -> Self {
        let last = COUNT + Self::ADDITIONS - 1;
        if place < last { Self(place) } else { Self(last) }
    }

    /// Its place from 0.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl<const COUNT: u8> Code for OpenIndex<COUNT> {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut added = self.0 >= COUNT;
        c.bit(&mut added)?;
        let mut value = u64::from(self.0);
        if added {
            value = value.saturating_sub(u64::from(COUNT));
            c.first_only(1, "an enumeration with more than 64 additions")?;
            c.one_of(u64::from(Self::ADDITIONS), &mut value)?;
            value += u64::from(COUNT);
        } else {
            c.one_of(u64::from(COUNT), &mut value)?;
        }
        self.0 = value as u8;
        Ok(())
    }
}

/// BIT STRING (SIZE (COUNT)), at most 64 bits, as the last of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bits<const COUNT: u32>(u64);

impl<const COUNT: u32> Bits<COUNT> {
    /// The last bits of `value`.
    pub const fn of(value: u64) -> Self {
        Self(if COUNT < u64::BITS { value & ((1 << COUNT) - 1) } else { value })
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const COUNT: u32> Code for Bits<COUNT> {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        c.bits(COUNT, &mut self.0)
    }
}

/// BOOLEAN.
impl Code for bool {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        c.bit(self)
    }
}

/// NULL, an ENUMERATED with one value, or a SEQUENCE without components.
impl Code for () {
    fn code(&mut self, _: &mut Coder<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// OCTET STRING.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Octets(pub Vec<u8>);

impl Code for Octets {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        c.octets(&mut self.0)
    }
}

/// SEQUENCE (SIZE (LEAST..MOST)) OF.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct List<T, const LEAST: u8, const MOST: u8>(Vec<T>);

impl<T, const LEAST: u8, const MOST: u8> List<T, LEAST, MOST> {
    /// `elements` where there are as many as there can be.
    pub fn new(elements: Vec<T>) -> Option<Self> {
        (usize::from(LEAST)..=usize::from(MOST)).contains(&elements.len()).then_some(Self(elements))
    }

    /// One element. There must be such a list, which the compiler sees.
    pub fn one(element: T) -> Self {
        const { assert!(LEAST <= 1 && MOST >= 1) };
        Self(vec![element])
    }
}

impl<T: Default, const LEAST: u8, const MOST: u8> Default for List<T, LEAST, MOST> {
    fn default() -> Self {
        Self((0..LEAST).map(|_| T::default()).collect())
    }
}

impl<T, const LEAST: u8, const MOST: u8> Deref for List<T, LEAST, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Code, const LEAST: u8, const MOST: u8> Code for List<T, LEAST, MOST> {
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut more = (self.0.len() as u64).wrapping_sub(u64::from(LEAST));
        c.one_of(u64::from(MOST - LEAST) + 1, &mut more)?;
        if c.reads() {
            self.0.clear();
            for _ in 0..more + u64::from(LEAST) {
                let mut element = T::default();
                element.code(c)?;
                self.0.push(element);
            }
            return Ok(());
        }
        self.0.iter_mut().try_for_each(|element| element.code(c))
    }
}

/// An OPTIONAL component, or one with a DEFAULT value that is not always left out.
impl<T: Code> Code for Option<T> {
    fn flag(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut present = self.is_some();
        c.bit(&mut present)?;
        if c.reads() {
            *self = present.then(T::default);
        }
        Ok(())
    }

    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        self.as_mut().map_or(Ok(()), |value| value.code(c))
    }
}

/// An OPTIONAL component, or an alternative, that is not spoken here: never written, refused where it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Unspoken;

impl Code for Unspoken {
    fn flag(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        c.no_extension("this field")
    }

    fn code(&mut self, _: &mut Coder<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// The same as an alternative of a CHOICE, which has no flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UnspokenChoice;

impl Code for UnspokenChoice {
    fn code(&mut self, _: &mut Coder<'_>) -> Result<(), Error> {
        Err(Cause::Unspoken("this alternative").into())
    }
}

/// `nonCriticalExtension`: the fields of later releases at the end of a message. A SEQUENCE of them has no bit that says how
/// long it is, so that whoever does not know it can only keep what is left of the message, and write it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Later(Option<Vec<bool>>);

impl Later {
    /// Whether there are any.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

impl Code for Later {
    fn flag(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        let mut present = self.0.is_some();
        c.bit(&mut present)?;
        if c.reads() {
            self.0 = present.then(Vec::new);
        }
        Ok(())
    }

    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
        self.0.as_mut().map_or(Ok(()), |bits| c.rest(bits))
    }
}

/// A SEQUENCE: its preamble, then its components in order. `extensible`: with a bit for additions, which are passed over.
macro_rules! sequence {
    ($($(#[$meta:meta])* $name:ident $($extensible:ident)? { $($(#[$about:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        #[allow(missing_docs, reason = "a field is that of TS 36.331 with the same name")]
        pub struct $name { $($(#[$about])* pub $field: $kind,)* }

        impl Code for $name {
            fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
                $(let extended = sequence!(@ $extensible c);)?
                $(self.$field.flag(c).map_err(|error| error.within(stringify!($field)))?;)*
                $(self.$field.code(c).map_err(|error| error.within(stringify!($field)))?;)*
                $(sequence!(@@ $extensible c, extended);)?
                Ok(())
            }
        }
    )*};
    (@ extensible $c:ident) => { $c.extended()? };
    (@@ extensible $c:ident, $extended:ident) => { $c.skip_additions($extended)? };
}

/// A message, with the fields of the one critical extension that is spoken: whether it has a transaction identifier, and how
/// wide `criticalExtensions` is.
macro_rules! message {
    ($($(#[$meta:meta])* $name:ident [$($transaction:ident)?] $width:literal { $($(#[$about:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        #[allow(missing_docs, reason = "a field is that of TS 36.331 with the same name")]
        pub struct $name {
            $(
                /// Tells the answers to several requests apart (clause 6.3.6).
                pub $transaction: Int<0, 3>,
            )?
            $($(#[$about])* pub $field: $kind,)*
        }

        impl Code for $name {
            fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
                $(self.$transaction.code(c)?;)?
                c.first_only($width, "another critical extension")?;
                $(self.$field.flag(c).map_err(|error| error.within(stringify!($field)))?;)*
                $(self.$field.code(c).map_err(|error| error.within(stringify!($field)))?;)*
                Ok(())
            }
        }
    )*};
}

/// A CHOICE: which alternative, then the alternative. `extensible`: with a bit for later ones, which are refused.
macro_rules! choice {
    ($($(#[$meta:meta])* $name:ident $($extensible:ident)? { $first:ident($first_kind:ty) $(, $alternative:ident($kind:ty))* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "an alternative is that of TS 36.331 with the same name")]
        pub enum $name { $first($first_kind), $($alternative($kind),)* }

        impl Default for $name {
            fn default() -> Self {
                Self::$first(Default::default())
            }
        }

        impl Code for $name {
            fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
                $(choice!(@ $extensible c, $name);)?
                let names = [stringify!($first) $(, stringify!($alternative))*];
                let own = match self {
                    Self::$first(_) => stringify!($first),
                    $(Self::$alternative(_) => stringify!($alternative),)*
                };
                let mut index = names.iter().position(|name| *name == own).unwrap_or(0) as u64;
                c.one_of(names.len() as u64, &mut index)?;
                let name = names[index as usize];
                if c.reads() {
                    $(if name == stringify!($alternative) {
                        *self = Self::$alternative(Default::default());
                    })*
                    if name == stringify!($first) {
                        *self = Self::$first(Default::default());
                    }
                }
                match self {
                    Self::$first(value) => value.code(c),
                    $(Self::$alternative(value) => value.code(c),)*
                }
                .map_err(|error| error.within(name))
            }
        }
    )*};
    (@ extensible $c:ident, $name:ident) => {
        $c.no_extension(concat!("a later alternative of ", stringify!($name)))?
    };
}

/// An ENUMERATED with names. `extensible`: with a bit for later values, which are refused.
macro_rules! enumerated {
    ($($(#[$meta:meta])* $name:ident $($extensible:ident)? { $($(#[$about:meta])* $value:ident),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[allow(missing_docs, reason = "a value is that of TS 36.331 with the same name")]
        pub enum $name { #[default] $($(#[$about])* $value,)* }

        impl Code for $name {
            fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error> {
                $(choice!(@ $extensible c, $name);)?
                let values = [$(Self::$value),*];
                let mut index = values.iter().position(|value| value == self).unwrap_or(0) as u64;
                c.one_of(values.len() as u64, &mut index)?;
                *self = values[index as usize];
                Ok(())
            }
        }
    )*};
}

/// What travels on a logical channel: a prefix of bits for each message, and the names of those that are not spoken.
macro_rules! channel {
    ($($(#[$meta:meta])* $name:ident $padded:literal {
        $($(#[$about:meta])* $message:ident($kind:ty) = $width:literal, $prefix:literal;)*
    } unspoken { $($other_width:literal, $other:literal => $other_name:literal;)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the type of each says what it is")]
        pub enum $name { $($(#[$about])* $message($kind),)* }

        impl $name {
            /// Reads the octets of a PDU.
            pub fn decode(octets: &[u8]) -> Result<Self, Error> {
                let mut reader = Coder::reader(octets)?;
                let c = &mut reader;
                let message = Self::read(c).map_err(|error| error.within(stringify!($name)))?;
                c.end($padded).map_err(|error| error.within(stringify!($name)))?;
                Ok(message)
            }

            fn read(c: &mut Coder<'_>) -> Result<Self, Error> {
                $(if c.matches($width, $prefix) {
                    let mut message = <$kind>::default();
                    message.code(c).map_err(|error| error.within(stringify!($message)))?;
                    return Ok(Self::$message(message));
                })*
                $(if c.matches($other_width, $other) {
                    return Err(Cause::Unspoken($other_name).into());
                })*
                Err(if c.left() < 6 { Cause::Truncated } else { Cause::Unspoken("a later message") }.into())
            }

            /// The octets of the PDU. Fails on values that their fields cannot have.
            pub fn encode(&self) -> Result<Vec<u8>, Error> {
                let mut writer = Coder::writer();
                let c = &mut writer;
                match self {
                    $(Self::$message(message) => {
                        c.bits($width, &mut $prefix.clone())?;
                        // Writing changes nothing, but one function does both.
                        message.clone().code(c).map_err(|error| error.within(stringify!($message)))?;
                    })*
                }
                writer.written()
            }

            #[cfg(test)]
            pub(in crate::wire::rrc) fn drawn(octets: &[u8]) -> Option<Self> {
                let which = usize::from(*octets.first()?);
                let mut c = Coder::drawing(&octets[1..]);
                let drawn: Vec<fn(&mut Coder<'_>) -> Result<Self, Error>> = vec![$(|c| {
                    let mut message = <$kind>::default();
                    message.code(c).map(|()| Self::$message(message))
                }),*];
                drawn[which % drawn.len()](&mut c).ok()
            }
        }

        $(impl From<$kind> for $name {
            fn from(message: $kind) -> Self {
                Self::$message(message)
            }
        })*
    )*};
}

pub(super) use {channel, choice, enumerated, message, sequence};
