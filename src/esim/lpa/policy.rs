//! The rules authorisation table: which operators may use which profile policy rules on an eUICC (SGP.22 clauses
//! 2.9.2.1 and 5.7.22).

use crate::wire::bcd;
use crate::wire::rsp::{Fields, OperatorId, PolicyRules, RspError};

/// One rule of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// The rules that it allows.
    pub rules: PolicyRules,
    /// `E` digits in the codes stand for any.
    pub operators: Vec<OperatorId>,
    /// Whether the user has to agree.
    pub consent_required: bool,
}

/// The table, the first rule first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyTable(pub Vec<Authorisation>);

impl PolicyTable {
    /// Reads the response of ES10b.GetRAT, `BF43`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("GetRatResponse", 0xbf43, bytes)?;
        let mut list = f.nested(0xa0, "rat")?;
        let mut table = Vec::new();
        while !list.is_empty() {
            let mut f = list.nested(0x30, "ProfilePolicyAuthorisationRule")?;
            let rules = PolicyRules(f.bits(0x80, "pprIds")?);
            let mut operators = Vec::new();
            let mut allowed = f.nested(0xa1, "allowedOperators")?;
            while !allowed.is_empty() {
                operators.push(OperatorId::read(allowed.nested(0x30, "OperatorId")?)?);
            }
            let consent_required = f.bits(0x82, "pprFlags")? & 0x80 != 0;
            table.push(Authorisation { rules, operators, consent_required });
        }
        Ok(Self(table))
    }

    /// Whether the owner of a profile may use all its rules, and if so whether the user has to agree. The first rule
    /// of the table that speaks of both decides (SGP.22 clause 2.9.2.1).
    pub fn allows(&self, rules: PolicyRules, owner: Option<&OperatorId>) -> Result<bool, &'static str> {
        let mut consent = false;
        for (rule, name) in [(PolicyRules::PPR1, "PPR1"), (PolicyRules::PPR2, "PPR2")] {
            if !rules.contains(rule) {
                continue;
            }
            let speaks = |authorisation: &&Authorisation| {
                authorisation.rules.contains(rule)
                    && authorisation.operators.iter().any(|o| matches(o, owner))
            };
            consent |= self.0.iter().find(speaks).ok_or(name)?.consent_required;
        }
        Ok(consent)
    }
}

/// Whether an entry of the table means this owner: `E` is any digit, an empty GID any value.
fn matches(entry: &OperatorId, owner: Option<&OperatorId>) -> bool {
    let any = entry.mcc_mnc == [0xee; 3];
    let Some(owner) = owner else { return any };
    let codes = bcd::nibbles(&entry.mcc_mnc)
        .zip(bcd::nibbles(&owner.mcc_mnc))
        .all(|(entry, owner)| entry == 0x0e || entry == owner);
    let group = |entry: &Option<Vec<u8>>, owner: &Option<Vec<u8>>| match entry {
        Some(entry) if entry.is_empty() => true,
        entry => any || entry == owner,
    };
    codes && group(&entry.gid1, &owner.gid1) && group(&entry.gid2, &owner.gid2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(mcc_mnc: [u8; 3]) -> OperatorId {
        OperatorId { mcc_mnc, gid1: None, gid2: None }
    }

    #[test]
    fn the_first_rule_for_the_owner_decides() {
        // PPR2 for 001-01 without consent, PPR1 and PPR2 for anybody with consent.
        let table = hex::decode(concat!(
            "bf4327a025",
            "3010",
            "80020520",
            "a10730058003",
            "00f110",
            "820100",
            "3011",
            "80020560",
            "a10730058003",
            "eeeeee",
            "82020780"
        ))
        .unwrap();
        let table = PolicyTable::parse(&table).unwrap();
        let home = operator([0x00, 0xf1, 0x10]);
        assert_eq!(table.allows(PolicyRules::PPR2, Some(&home)), Ok(false));
        assert_eq!(table.allows(PolicyRules::PPR2, Some(&operator([0x62, 0xf2, 0x10]))), Ok(true));
        assert_eq!(table.allows(PolicyRules::PPR1, Some(&home)), Ok(true));
        assert_eq!(table.allows(PolicyRules::default(), None), Ok(false));
        assert_eq!(PolicyTable::default().allows(PolicyRules::PPR1, Some(&home)), Err("PPR1"));
    }
}
