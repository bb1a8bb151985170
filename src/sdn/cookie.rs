//! Cookies: whose a flow is. They make a flow's owner, kind, age and session one number, so that a switch removes with one
//! message what belongs together.
//!
//! ```text
//! owner 8 | class 8 | generation 8 | session 40
//! ```

/// The owner that our controller writes.
pub const OWNER: u8 = 0xce;
/// The bits of the owner.
pub const OWNER_MASK: u64 = 0xff << 56;
/// The bits of owner and class.
pub const CLASS_MASK: u64 = 0xffff << 48;
/// The bits of the session.
const SESSION_MASK: u64 = (1 << 40) - 1;
const GENERATION_SHIFT: u32 = 40;

/// What flows there are, by the class in their cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Shared by all sessions of a policy.
    Shared = 1,
    /// Says which policy a session has.
    Session = 2,
    /// Cuts a session off.
    Isolate = 3,
}

/// A cookie of our controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cookie(pub u64);

impl Cookie {
    /// The cookie of a flow of this kind, written in `generation`, of `session`, of which 40 bits count.
    pub fn new(kind: Kind, generation: u8, session: u64) -> Self {
        let head = u64::from(OWNER) << 56 | (kind as u64) << 48 | u64::from(generation) << GENERATION_SHIFT;
        Self(head | session & SESSION_MASK)
    }

    /// The session, in 40 bits.
    pub fn session(self) -> u64 {
        self.0 & SESSION_MASK
    }

    /// Whether our controller has written it.
    pub fn is_ours(self) -> bool {
        self.0 & OWNER_MASK == u64::from(OWNER) << 56
    }

    /// Cookies and masks of everything of ours that is not of `generation`: one pair for each bit that may differ.
    pub fn of_other_generations(generation: u8) -> impl Iterator<Item = (u64, u64)> {
        (0..8).map(move |bit| {
            let owner = u64::from(OWNER) << 56;
            let place = 1_u64 << (GENERATION_SHIFT + bit);
            let other = u64::from(!generation) << GENERATION_SHIFT & place;
            (owner | other, OWNER_MASK | place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_generations_are_all_but_one() {
        for own in [0, 1, 7, 128, 255] {
            for generation in 0..=255 {
                let cookie = Cookie::new(Kind::Session, generation, 7).0;
                let caught =
                    Cookie::of_other_generations(own).any(|(value, mask)| (cookie ^ value) & mask == 0);
                assert_eq!(caught, generation != own, "{generation} seen from {own}");
                let foreign = cookie ^ 1 << 56;
                assert!(Cookie::of_other_generations(own).all(|(value, mask)| (foreign ^ value) & mask != 0));
            }
        }
    }

    #[test]
    fn a_cookie_has_its_parts_in_their_places() {
        let cookie = Cookie::new(Kind::Isolate, 5, 0x1_2345_6789_abcd);
        assert_eq!(cookie.0, 0xce03_0545_6789_abcd);
        assert_eq!(cookie.session(), 0x45_6789_abcd);
        assert!(cookie.is_ours() && !Cookie(0).is_ours());
    }
}
