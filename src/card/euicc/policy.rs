//! Profile policy rules against the rules authorisation table (SGP.22 clause 2.9).

use super::EuiccConfig;
use super::events::EuiccRefusal;
use crate::wire::bcd;
use crate::wire::rsp::{OperatorId, PolicyRules};

/// pprNotAllowed of ErrorReason.
const NOT_ALLOWED: u64 = 15;

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
    digits.all(|(wanted, found)| wanted == 0x0e || wanted == found)
        && gid(&pattern.gid1, &owner.gid1)
        && gid(&pattern.gid2, &owner.gid2)
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
}
