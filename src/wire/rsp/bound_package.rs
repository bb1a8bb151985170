//! The bound profile package and what is in it: ES8+ (SGP.22 clauses 2.5.3 to 2.5.5 and 5.5).

use super::authentication::transaction_id;
use super::fields::{Fields, int, tlv};
use super::{RspError, Signature};
use crate::wire::tlv as codec;

/// ES8+.InitialiseSecureChannel, `BF23`: the SM-DP+'s half of the key agreement, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialiseSecureChannel {
    /// installBoundProfilePackage (1).
    pub operation: u64,
    /// `transactionId`, tag `80`: 1 to 16 bytes, the one of the session that authenticated both.
    pub transaction_id: Vec<u8>,
    /// `88`: AES.
    pub key_type: u8,
    /// `10`: 16 bytes.
    pub key_length: u8,
    /// 1 to 16 bytes.
    pub host_id: Vec<u8>,
    /// The SM-DP+'s one-time public key, `04 X Y`.
    pub smdp_otpk: Vec<u8>,
    /// Over [`signed`](Self::signed).
    pub smdp_sign: Signature,
}

impl InitialiseSecureChannel {
    /// `remoteOpId` of installBoundProfilePackage, the only one there is.
    pub const INSTALL: u64 = 1;
    /// `keyType` of AES in the control reference template (GlobalPlatform Card Specification table 11-16).
    pub const AES: u8 = 0x88;

    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("InitialiseSecureChannelRequest", 0xbf23, bytes)?;
        let operation = f.integer(0x82, "remoteOpId")?;
        let transaction_id = transaction_id(&mut f)?;
        let mut crt = f.nested(0xa6, "controlRefTemplate")?;
        let one = |f: &Fields<'_>, value: &[u8], field| match value {
            [byte] => Ok(*byte),
            _ => Err(f.wrong(field, "it has one byte")),
        };
        let key_type = crt.take(0x80, "keyType")?;
        let key_length = crt.take(0x81, "keyLen")?;
        let host_id = crt.take(0x84, "hostId")?;
        if !(1..=16).contains(&host_id.len()) {
            return Err(crt.wrong("hostId", "it has 1 to 16 bytes"));
        }
        Ok(Self {
            operation,
            transaction_id,
            key_type: one(&crt, key_type, "keyType")?,
            key_length: one(&crt, key_length, "keyLen")?,
            host_id: host_id.to_vec(),
            smdp_otpk: f.take(0x5f49, "smdpOtpk")?.to_vec(),
            smdp_sign: f.array(0x5f37, "smdpSign")?,
        })
    }

    /// What `smdpSign` covers: the fields before it, and the eUICC's one-time public key (SGP.22 clause 5.5.1).
    pub fn signed(&self, euicc_otpk: &[u8]) -> Vec<u8> {
        [self.unsigned(), tlv(0x5f49, &[euicc_otpk])].concat()
    }

    /// The whole message, `BF23`.
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(0xbf23, &[&self.unsigned(), &tlv(0x5f37, &[&self.smdp_sign])])
    }

    fn unsigned(&self) -> Vec<u8> {
        let crt = tlv(
            0xa6,
            &[
                &tlv(0x80, &[&[self.key_type]]),
                &tlv(0x81, &[&[self.key_length]]),
                &tlv(0x84, &[&self.host_id]),
            ],
        );
        let id = tlv(0x80, &[&self.transaction_id]);
        [int(0x82, self.operation), id, crt, tlv(0x5f49, &[&self.smdp_otpk])].concat()
    }
}

/// ES8+.ConfigureISDP, `BF24`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigureIsdp {
    /// `dpProprietaryData`, tag `B8`: what the SM-DP+ keeps on the eUICC.
    pub proprietary: Option<DpProprietaryData>,
}

/// DpProprietaryData: what an SM-DP+ keeps of a profile on the eUICC. The module has AUTOMATIC TAGS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpProprietaryData {
    /// `dpOid`, tag `80`: the OID of the SM-DP+, the content of the OBJECT IDENTIFIER.
    pub dp_oid: Vec<u8>,
    /// Data objects of the SM-DP+'s own behind it, as they were received.
    pub further: Vec<u8>,
}

impl ConfigureIsdp {
    /// The request of the SM-DP+ with this OID (the content of the OBJECT IDENTIFIER).
    pub fn of(dp_oid: &[u8]) -> Self {
        Self { proprietary: Some(DpProprietaryData { dp_oid: dp_oid.to_vec(), further: Vec::new() }) }
    }

    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ConfigureISDPRequest", 0xbf24, bytes)?;
        let proprietary = match f.peek() {
            Some(0xb8) => {
                let mut data = f.nested(0xb8, "dpProprietaryData")?;
                let dp_oid = data.take(DP_OID, "dpOid")?.to_vec();
                Some(DpProprietaryData { dp_oid, further: data.rest().to_vec() })
            }
            _ => None,
        };
        Ok(Self { proprietary })
    }

    /// The whole message, `BF24`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let data = self.proprietary.as_ref().map(|data| tlv(0xb8, &[&data.fields()])).unwrap_or_default();
        tlv(0xbf24, &[&data])
    }
}

/// Tag of `dpOid`.
const DP_OID: u16 = 0x80;

impl DpProprietaryData {
    /// The fields, as they stand under `B8` here and in a ProfileInfo.
    pub fn fields(&self) -> Vec<u8> {
        [tlv(DP_OID, &[&self.dp_oid]), self.further.clone()].concat()
    }
}

/// ES8+.ReplaceSessionKeys, `BF26`: the keys that protect the profile itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplaceSessionKeys {
    /// `initialMacChainingValue`, tag `80`: with it the chain of MACs begins anew.
    pub initial_mac_chaining_value: [u8; 16],
    /// `ppkEnc`, tag `81`: the AES key that encrypts the profile.
    pub ppk_enc: [u8; 16],
    /// `ppkCmac`, tag `82`: the AES key of its MACs.
    pub ppk_cmac: [u8; 16],
}

impl ReplaceSessionKeys {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ReplaceSessionKeysRequest", 0xbf26, bytes)?;
        Ok(Self {
            initial_mac_chaining_value: f.array(0x80, "initialMacChainingValue")?,
            ppk_enc: f.array(0x81, "ppkEnc")?,
            ppk_cmac: f.array(0x82, "ppkCmac")?,
        })
    }

    /// The whole message, `BF26`; these are keys in the clear, to be put into protected segments only.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mcv = tlv(0x80, &[&self.initial_mac_chaining_value]);
        tlv(0xbf26, &[&mcv, &tlv(0x81, &[&self.ppk_enc]), &tlv(0x82, &[&self.ppk_cmac])])
    }
}

/// Protected segments: the values of `86`, `87` or `88` objects, MAC included.
pub type Segments = Vec<Vec<u8>>;

/// A bound profile package, `BF36`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundProfilePackage {
    /// [`InitialiseSecureChannel`] as it was received.
    pub initialise_secure_channel: Vec<u8>,
    /// ConfigureISDP, encrypted: `87` under `A0`.
    pub configure_isdp: Segments,
    /// StoreMetadata, with a MAC only: `88` under `A1`.
    pub store_metadata: Segments,
    /// ReplaceSessionKeys, encrypted, where the package is protected with its own keys: `87` under `A2`.
    pub replace_session_keys: Option<Segments>,
    /// The profile: `86` under `A3`.
    pub profile: Segments,
}

impl BoundProfilePackage {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("BoundProfilePackage", 0xbf36, bytes)?;
        let initialise_secure_channel = f.take_raw(0xbf23, "initialiseSecureChannelRequest")?.to_vec();
        let configure_isdp = segments(f.nested(0xa0, "firstSequenceOf87")?, 0x87)?;
        let store_metadata = segments(f.nested(0xa1, "sequenceOf88")?, 0x88)?;
        let replace_session_keys = match f.peek() {
            Some(0xa2) => Some(segments(f.nested(0xa2, "secondSequenceOf87")?, 0x87)?),
            _ => None,
        };
        let profile = segments(f.nested(0xa3, "sequenceOf86")?, 0x86)?;
        Ok(Self { initialise_secure_channel, configure_isdp, store_metadata, replace_session_keys, profile })
    }

    /// The whole package, `BF36`, the protected segments under their four sequences.
    pub fn to_bytes(&self) -> Vec<u8> {
        let second =
            self.replace_session_keys.as_ref().map(|s| tlv(0xa2, &[&joined(0x87, s)])).unwrap_or_default();
        tlv(
            0xbf36,
            &[
                &self.initialise_secure_channel,
                &tlv(0xa0, &[&joined(0x87, &self.configure_isdp)]),
                &tlv(0xa1, &[&joined(0x88, &self.store_metadata)]),
                &second,
                &tlv(0xa3, &[&joined(0x86, &self.profile)]),
            ],
        )
    }

    /// The pieces in which ES10b.LoadBoundProfilePackage sends it: each is a chain of STORE DATA commands of its own
    /// (SGP.22 clause 2.5.5).
    pub fn pieces(&self) -> Vec<Vec<u8>> {
        let whole = self.to_bytes();
        let in_sequence = |tag, inner, segments: &Segments| {
            let body = joined(inner, segments);
            let whole = tlv(tag, &[&body]);
            whole[..whole.len() - body.len()].to_vec()
        };
        // The header of the package goes with its first field.
        let header = codec::header(&whole).map_or(0, |(_, _, value)| whole.len() - value.len());
        let mut pieces = vec![[&whole[..header], &self.initialise_secure_channel].concat()];
        pieces.push(tlv(0xa0, &[&joined(0x87, &self.configure_isdp)]));
        pieces.push(in_sequence(0xa1, 0x88, &self.store_metadata));
        pieces.extend(self.store_metadata.iter().map(|segment| tlv(0x88, &[segment])));
        pieces.extend(self.replace_session_keys.iter().map(|s| tlv(0xa2, &[&joined(0x87, s)])));
        pieces.push(in_sequence(0xa3, 0x86, &self.profile));
        pieces.extend(self.profile.iter().map(|segment| tlv(0x86, &[segment])));
        pieces
    }
}

fn segments(mut f: Fields<'_>, tag: u16) -> Result<Segments, RspError> {
    let mut out = Vec::new();
    while !f.is_empty() {
        out.push(f.take(tag, "segment")?.to_vec());
    }
    Ok(out)
}

fn joined(tag: u16, segments: &Segments) -> Vec<u8> {
    segments.iter().flat_map(|segment| tlv(tag, &[segment])).collect()
}
