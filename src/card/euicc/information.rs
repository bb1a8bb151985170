//! What the eUICC says of itself (SGP.22 clauses 5.7.3, 5.7.8, 5.7.20 and 5.7.22) and the few settings that the
//! device may change.

use super::Euicc;
use super::es10::Answer;
use super::events::EuiccRefusal;
use crate::card::capabilities;
use crate::crypto::rsp_cert::{Crl, RspCertError};
use crate::wire::rsp::{
    ConfiguredAddresses, EuiccInfo1, EuiccInfo2, Fields, PolicyRules, Version, bits, int, result_response,
    tlv,
};

/// The version of the profile package specification.
const PROFILE_VERSION: Version = [3, 3, 1];
/// Further profiles, revocation lists, test profiles: a BIT STRING. Fields of the device information that are not
/// known are not handed on.
const RSP_CAPABILITY: [u8; 2] = [4, 0xd0];
/// The version of SGP.32, and that its fallback mechanism is there, go into `iotSpecificInfo`.
const IOT_VERSION: Version = [1, 2, 0];
/// `ipaMode`: the IPA is in the device.
const IPAD: u64 = 0;
/// Volatile memory in bytes, for who wants to know it.
const RAM_BYTES: u64 = 64 * 1024;

impl Euicc {
    pub(super) fn info1(&self) -> EuiccInfo1 {
        EuiccInfo1 {
            svn: self.config.svn,
            ci_for_verification: self.ci_key_ids(),
            ci_for_signing: vec![self.config.signing_ci().to_vec()],
        }
    }

    pub(super) fn info2(&self) -> EuiccInfo2 {
        EuiccInfo2 {
            profile_version: PROFILE_VERSION,
            svn: self.config.svn,
            firmware: [0, 1, 0],
            ext_card_resource: [
                int(0x81, self.memory.slots.len() as u64),
                int(0x82, self.free_bytes() as u64),
                int(0x83, RAM_BYTES),
            ]
            .concat(),
            uicc_capability: capabilities::services().capability(),
            ts102241_version: None,
            globalplatform_version: Some([2, 3, 0]),
            rsp_capability: RSP_CAPABILITY.to_vec(),
            ci_for_verification: self.ci_key_ids(),
            ci_for_signing: vec![self.config.signing_ci().to_vec()],
            category: Some(1),
            forbidden_rules: Some(bits(0x99, self.config.forbidden_rules.0)[2..].to_vec()),
            pp_version: [1, 0, 0],
            sas_accreditation_number: "CELLBED-TESTBED".to_owned(),
            further: if self.config.iot_info { iot_info() } else { Vec::new() },
        }
    }

    fn ci_key_ids(&self) -> Vec<Vec<u8>> {
        self.anchors.iter().map(|ci| ci.key_id().to_vec()).collect()
    }

    /// Bytes of profile packages that there is room for.
    pub(super) fn free_bytes(&self) -> usize {
        let used: usize = self.memory.slots.iter().map(|slot| slot.bytes()).sum();
        self.config.memory_bytes.saturating_sub(used)
    }

    /// ES10c.GetEID.
    pub(super) fn get_eid(&mut self, bytes: &[u8]) -> Answer {
        let mut f = Fields::open("GetEuiccDataRequest", 0xbf3e, bytes)?;
        match f.take(0x5c, "tagList")? {
            [0x5a] => Ok(tlv(0xbf3e, &[&tlv(0x5a, &[&self.eid])])),
            _ => Err(f.wrong("tagList", "only the EID, 5A, can be asked for").into()),
        }
    }

    pub(super) fn addresses(&self) -> Vec<u8> {
        let (default_smdp, root_smds) = (self.memory.default_smdp.clone(), self.config.root_smds.clone());
        ConfiguredAddresses { default_smdp, root_smds }.to_bytes()
    }

    /// ES10a.SetDefaultDpAddress. An empty address takes it away.
    pub(super) fn set_default_smdp(&mut self, bytes: &[u8]) -> Answer {
        let address =
            Fields::open("SetDefaultDpAddressRequest", 0xbf3f, bytes)?.text(0x80, "defaultDpAddress")?;
        self.keep_default_smdp(Some(address).filter(|address| !address.is_empty()));
        Ok(result_response(0xbf3f, 0))
    }

    pub(super) fn keep_default_smdp(&mut self, address: Option<String>) {
        if self.memory.default_smdp != address {
            self.memory.default_smdp = address;
            self.changed();
        }
    }

    /// The rules authorisation table under `tag`.
    pub(super) fn rules_table(&self, tag: u16) -> Vec<u8> {
        tlv(tag, &[&tlv(0xa0, &[&self.rules_lines()])])
    }

    pub(super) fn rules_lines(&self) -> Vec<u8> {
        let line = |rule: &super::RatRule| {
            let operators: Vec<u8> =
                rule.operators.iter().flat_map(|operator| operator.to_bytes(0x30)).collect();
            let flags = if rule.consent_required { 0x80 } else { 0 };
            tlv(0x30, &[&bits(0x80, rule.rules.0), &tlv(0xa1, &[&operators]), &bits(0x82, flags)])
        };
        self.config.rules.iter().flat_map(line).collect()
    }

    /// ES10b.LoadCRL: takes a revocation list of a trusted CI that is newer than the one it has.
    pub(super) fn load_crl(&mut self, bytes: &[u8]) -> Answer {
        // The module has automatic tags, so that the list's own SEQUENCE goes by A0.
        let raw = Fields::open("LoadCRLRequest", 0xbf35, bytes)?.take_raw(0xa0, "crl")?;
        let der = [&[0x30], &raw[1..]].concat();
        Ok(match self.take_crl(&der) {
            Ok(()) => tlv(0xbf35, &[&tlv(0xa0, &[])]),
            Err(refusal) => tlv(0xbf35, &[&int(0x81, self.refuse("ES10b.LoadCRL", refusal))]),
        })
    }

    fn take_crl(&mut self, der: &[u8]) -> Result<(), EuiccRefusal> {
        let crl =
            Crl::parse(der).map_err(|error| EuiccRefusal::new(2, "crl-malformed", error.to_string()))?;
        let issuer = crl.authority_key_id().map(<[u8]>::to_vec);
        let of = |ci: &crate::crypto::rsp_cert::TrustAnchor| {
            ci.ci().subject() == crl.issuer() && issuer.as_deref().is_none_or(|id| id == ci.key_id())
        };
        let Some(at) = self.anchors.iter().position(of) else {
            let text = format!("{} is no CI that is trusted here", crl.issuer());
            return Err(EuiccRefusal::new(4, "crl-issuer-unknown", text));
        };
        let newest = self.memory.crls.get(&at).and_then(|der| Crl::parse(der).ok());
        if let Some(newest) = newest.filter(|held| held.number() > crl.number()) {
            let text = format!("list {} is older than {}, which is loaded", crl.number(), newest.number());
            return Err(EuiccRefusal::new(5, "crl-older", text));
        }
        self.anchors[at].take_crl(&crl, None, &self.tally).map_err(|error| match error {
            RspCertError::CrlSignature { .. } => EuiccRefusal::new(1, "signature-invalid", error.to_string()),
            other => EuiccRefusal::new(127, "crl-refused", other.to_string()),
        })?;
        self.memory.crls.insert(at, der.to_vec());
        self.changed();
        Ok(())
    }

    /// Whether the table allows `rules` to profiles of `owner` (SGP.22 clause 2.9.2.4), and no rule is forbidden.
    pub(super) fn rules_allowed(
        &self,
        rules: PolicyRules,
        owner: Option<&crate::wire::rsp::OperatorId>,
    ) -> Result<(), EuiccRefusal> {
        super::policy::allowed(&self.config, rules, owner)
    }
}

/// What SGP.32 adds to EUICCInfo2.
fn iot_info() -> Vec<u8> {
    let versions = tlv(0xa0, &[&tlv(0x04, &[&IOT_VERSION])]);
    [int(0x90, IPAD), tlv(0xb4, &[&versions, &tlv(0x82, &[])])].concat()
}
