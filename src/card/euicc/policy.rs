//! Profile policy rules against the rules authorisation table, and the owner whom they name against the files of the
//! profile (SGP.22 clauses 2.9 and 5.5.3).

use super::EuiccConfig;
use super::events::EuiccRefusal;
use crate::wire::bcd;
use crate::wire::rsp::{OperatorId, PolicyRules};
use crate::wire::saip::{FileKind, Image};

/// pprNotAllowed of ErrorReason.
const NOT_ALLOWED: u64 = 15;
/// The digit that stands for any in the table.
const WILDCARD: u8 = 0x0e;

/// Whether a profile of `owner` may have `rules`: each of them has to be in a line of the table that names the
/// owner, and none may be forbidden.
pub(super) fn allowed(
    config: &EuiccConfig,
    rules: PolicyRules,
    owner: Option<&OperatorId>,
) -> Result<(), EuiccRefusal> {
    for (rule, name) in [(PolicyRules::PPR1, "PPR1"), (PolicyRules::PPR2, "PPR2")] {
        if !rules.contains(rule) {
            continue;
        }
        let refused = |text: String| Err(EuiccRefusal::new(NOT_ALLOWED, "policy-rule-not-allowed", text));
        if config.forbidden_rules.contains(rule) {
            return refused(format!("{name} is forbidden on this eUICC"));
        }
        let Some(owner) = owner else {
            return refused(format!("a profile with {name} has to say who owns it"));
        };
        if owner.mcc_mnc.iter().any(|byte| byte & 0x0f == WILDCARD || byte >> 4 == WILDCARD) {
            return refused(format!("the owner of a profile with {name} is one, without E in its codes"));
        }
        let names = |line: &&super::RatRule| {
            line.rules.contains(rule) && line.operators.iter().any(|operator| covers(operator, owner))
        };
        if !config.rules.iter().any(|line| names(&line)) {
            return refused(format!("the rules authorisation table does not allow {name} to this owner"));
        }
    }
    Ok(())
}

/// Whether `pattern` of the table names `owner`: digits may be `E` for any, and a GID that the pattern lacks may be
/// anything.
fn covers(pattern: &OperatorId, owner: &OperatorId) -> bool {
    let mut digits = bcd::nibbles(&pattern.mcc_mnc).zip(bcd::nibbles(&owner.mcc_mnc));
    let gid = |pattern: &Option<Vec<u8>>, owner: &Option<Vec<u8>>| match pattern {
        None => true,
        Some(wanted) => wanted == owner.as_deref().unwrap_or_default(),
    };
    digits.all(|(wanted, found)| wanted == WILDCARD || wanted == found)
        && gid(&pattern.gid1, &owner.gid1)
        && gid(&pattern.gid2, &owner.gid2)
}

/// Whose subscriber a profile is, as its files say.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The digits of EF.IMSI, the MCC first.
    imsi: Vec<u8>,
    gid1: Vec<u8>,
    gid2: Vec<u8>,
}

impl Identity {
    /// That of the USIM of `image`; empty where it has none.
    pub(super) fn of(image: &Image) -> Self {
        let usim = image.adf(&[0xa0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02]);
        let content = |id| {
            let place = image.child(usim?, id)?;
            let place = match image.files[place].kind {
                FileKind::Link { to } => to,
                _ => place,
            };
            Some(image.files.get(place)?.content.clone())
        };
        let imsi = content(0x6f07).unwrap_or_default();
        let digits = bcd::imsi_octets(&imsi).map(|octets| bcd::nibbles(octets).skip(1).collect());
        Self {
            imsi: digits.unwrap_or_default(),
            gid1: content(0x6f3e).unwrap_or_default(),
            gid2: content(0x6f3f).unwrap_or_default(),
        }
    }

    /// Refuses rules of an `owner` who is not that of the profile.
    pub(super) fn check(&self, rules: PolicyRules, owner: Option<&OperatorId>) -> Result<(), EuiccRefusal> {
        if rules.is_empty() {
            return Ok(());
        }
        let Some(owner) = owner else { return Ok(()) };
        // MCC1, MCC2, MCC3, MNC3, MNC1, MNC2 (TS 24.008 clause 10.5.1.13).
        let codes: Vec<u8> = bcd::nibbles(&owner.mcc_mnc).collect();
        let order = [0, 1, 2, 4, 5, 3].map(|at| codes.get(at).copied().unwrap_or(0x0f));
        let home = order.split(|digit| *digit == 0x0f).next().unwrap_or_default();
        let holds = |content: &[u8], wanted: &Option<Vec<u8>>| {
            let of_file = |wanted: &Vec<u8>| match content.strip_prefix(&wanted[..]) {
                Some(rest) => !wanted.is_empty() && rest.iter().all(|byte| *byte == 0xff),
                None => false,
            };
            wanted.as_ref().is_none_or(of_file)
        };
        let file = match () {
            () if !self.imsi.starts_with(home) => "EF.IMSI",
            () if !holds(&self.gid1, &owner.gid1) => "EF.GID1",
            () if !holds(&self.gid2, &owner.gid2) => "EF.GID2",
            () => return Ok(()),
        };
        let text = format!("{file} of the profile is not that of the owner whose rules it has");
        Err(EuiccRefusal::new(NOT_ALLOWED, "owner-mismatch", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(mcc_mnc: [u8; 3], gid1: Option<u8>) -> OperatorId {
        OperatorId { mcc_mnc, gid1: gid1.map(|gid| vec![gid]), gid2: None }
    }

    #[test]
    fn wildcards_cover_digits_and_absent_groups_cover_all() {
        let owner = operator([0x00, 0xf1, 0x10], Some(1));
        for (pattern, covered) in [
            (operator([0xee, 0xee, 0xee], None), true),
            (operator([0x00, 0xf1, 0x10], None), true),
            (operator([0x00, 0xe1, 0xee], Some(1)), true),
            (operator([0x00, 0xf1, 0x10], Some(2)), false),
            (operator([0x00, 0xf1, 0x11], None), false),
        ] {
            assert_eq!(covers(&pattern, &owner), covered, "{pattern:?}");
        }
        assert!(!covers(&operator([0xee; 3], Some(1)), &operator([0x00, 0xf1, 0x10], None)));
    }

    #[test]
    fn rules_are_of_the_owner_whom_the_files_name() {
        let profile = Identity { imsi: vec![0, 0, 1, 0, 1, 0, 9], gid1: vec![7, 0xff], gid2: Vec::new() };
        let check = |owner: &OperatorId| profile.check(PolicyRules::PPR2, Some(owner)).map_err(|r| r.text);
        assert_eq!(check(&operator([0x00, 0xf1, 0x10], None)), Ok(()), "001-01");
        assert_eq!(check(&operator([0x00, 0x01, 0x10], None)), Ok(()), "001-010");
        assert_eq!(check(&operator([0x00, 0xf1, 0x10], Some(7))), Ok(()));
        for (owner, file) in [
            (operator([0x00, 0xf1, 0x20], None), "EF.IMSI"),
            (operator([0x00, 0x11, 0x10], None), "EF.IMSI"),
            (operator([0x00, 0xf1, 0x10], Some(8)), "EF.GID1"),
            (OperatorId { gid2: Some(vec![1]), ..operator([0x00, 0xf1, 0x10], None) }, "EF.GID2"),
        ] {
            let text = check(&owner).unwrap_err();
            assert!(text.starts_with(file), "{owner:?}: {text}");
        }
        assert!(profile.check(PolicyRules::default(), Some(&operator([0x99; 3], None))).is_ok(), "no rules");
    }
}
