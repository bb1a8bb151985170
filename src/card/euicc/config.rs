//! What an eUICC is made with.

use super::super::{CardError, Personalisation, capabilities};
use crate::crypto::rsp_cert::{RspCertificate, RspKey, TrustAnchor};
use crate::id::Eid;
use crate::wire::bcd;
use crate::wire::rsp::iot::EimConfigurationData;
use crate::wire::rsp::{EidBytes, OperatorId, PolicyRules, ProfileMetadata, Version};

/// The version of SGP.22 that is implemented.
const SVN: Version = [2, 5, 0];

/// Who an eUICC is: SK.EUICC.ECDSA, CERT.EUICC.ECDSA and CERT.EUM.ECDSA.
#[derive(Clone)]
pub struct EuiccIdentity {
    /// SK.EUICC.ECDSA.
    pub key: RspKey,
    /// CERT.EUICC.ECDSA and CERT.EUM.ECDSA.
    pub chain: [RspCertificate; 2],
}

/// What an eUICC is made with.
#[derive(Clone)]
pub struct EuiccConfig {
    /// Its identifier (SGP.29).
    pub eid: Eid,
    /// SK.EUICC.ECDSA.
    pub key: RspKey,
    /// CERT.EUICC.ECDSA and CERT.EUM.ECDSA.
    pub chain: [RspCertificate; 2],
    /// The CIs that it trusts. It signs under the one that certified its EUM.
    pub anchors: Vec<TrustAnchor>,
    /// FQDN of the SM-DP+ that is asked where nobody says another.
    pub default_smdp: Option<String>,
    /// FQDN of the root SM-DS.
    pub root_smds: String,
    /// Bytes of profile packages that it has room for.
    pub memory_bytes: usize,
    /// Rules that no profile may have.
    pub forbidden_rules: PolicyRules,
    /// The eIMs that it is delivered with.
    pub eims: Vec<EimConfigurationData>,
    /// The DER certificate that an IoT SAFE applet of a downloaded profile is delivered with.
    pub trust_anchor: Vec<u8>,
    /// The version of SGP.22 that it says it supports (`svn`).
    pub svn: Version,
    /// Whether EUICCInfo2 says what SGP.32 adds: `ipaMode` and `iotSpecificInfo`.
    pub iot_info: bool,
    /// Rules authorisation table (SGP.22 clause 2.9.2): which operators' profiles may have which rules.
    pub rules: Vec<RatRule>,
}

/// A line of the rules authorisation table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatRule {
    /// The rules that the line allows.
    pub rules: PolicyRules,
    /// MCC and MNC may have `E` for any digit.
    pub operators: Vec<OperatorId>,
    /// Whether the user has to agree.
    pub consent_required: bool,
}

/// A profile that an eUICC is delivered with.
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Delivered {
    /// A personalised profile as a plain card has it. `trust_anchor` is what its applet is delivered with, DER.
    Personalised { personalisation: Box<Personalisation>, trust_anchor: Vec<u8>, metadata: ProfileMetadata },
    /// A profile package in DER.
    Package { package: Vec<u8>, metadata: ProfileMetadata },
}

impl EuiccConfig {
    /// Room for 512 kB of profiles and no server; rules are allowed to every operator.
    pub fn new(eid: Eid, key: RspKey, chain: [RspCertificate; 2], anchors: Vec<TrustAnchor>) -> Self {
        let anybody = OperatorId { mcc_mnc: [0xee; 3], gid1: None, gid2: None };
        Self {
            eid,
            key,
            chain,
            anchors,
            default_smdp: None,
            root_smds: "lpa.ds.gsma.com".to_owned(),
            memory_bytes: capabilities::MEMORY_BYTES,
            forbidden_rules: PolicyRules::default(),
            eims: Vec::new(),
            trust_anchor: Vec::new(),
            svn: SVN,
            iot_info: true,
            rules: vec![RatRule {
                rules: PolicyRules(PolicyRules::PPR1.0 | PolicyRules::PPR2.0),
                operators: vec![anybody],
                consent_required: false,
            }],
        }
    }

    /// Key, certificates and EID have to belong together. Whether the chain verifies is the servers' question.
    pub(super) fn check(&self) -> Result<(), CardError> {
        let [euicc, eum] = &self.chain;
        let wrong = |what| Err(CardError::Euicc { what });
        if euicc.public() != self.key.public() {
            return wrong("the eUICC's certificate is not on its key");
        }
        if euicc.eid() != Some(self.eid.as_str()) {
            return wrong("the eUICC's certificate names another EID");
        }
        if euicc.authority_key_id() != Some(eum.key_id()) {
            return wrong("the EUM's certificate is not that of the eUICC's issuer");
        }
        if !self.anchors.iter().any(|ci| Some(ci.key_id()) == eum.authority_key_id()) {
            return wrong("the CI that certified the EUM is not among the trusted ones");
        }
        Ok(())
    }

    pub(super) fn eid_bytes(&self) -> EidBytes {
        bcd::eid(&self.eid)
    }

    /// Place of the CI under which this eUICC signs.
    pub(super) fn signing_ci(&self) -> &[u8] {
        self.chain[1].authority_key_id().unwrap_or_default()
    }
}
