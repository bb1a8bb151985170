//! The identities of a UE (TS 24.301 clauses 9.9.2.3 and 9.9.3.12).

use oxirush_nas::nas_eps::{IdentityType, NasEpsMobileIdentity, NasMobileIdentity, ValueError};
use oxirush_security::Plmn as CodecPlmn;
use oxirush_security::identity::GutiEps;

use super::Error;
use crate::id::Plmn;
use crate::wire::bcd;

/// A Globally Unique Temporary Identity (TS 23.003 clause 2.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guti {
    /// The network of the MME.
    pub plmn: Plmn,
    /// The MME group ID (MMEGI).
    pub mme_group: u16,
    /// The MME code (MMEC), unique in its group.
    pub mme_code: u8,
    /// The M-TMSI, unique in its MME.
    pub tmsi: u32,
}

impl Guti {
    pub(super) fn of(guti: &GutiEps) -> Option<Self> {
        Some(Self {
            plmn: bcd::read_plmn(guti.plmn().to_nas_octets()).ok()?,
            mme_group: guti.mme_group_id(),
            mme_code: guti.mme_code(),
            tmsi: guti.m_tmsi(),
        })
    }

    pub(super) fn codec(&self) -> Result<GutiEps, Error> {
        Ok(GutiEps::new(codec_plmn(self.plmn)?, self.mme_group, self.mme_code, self.tmsi))
    }
}

/// A PLMN as the codec takes it. It has the same digits.
pub(super) fn codec_plmn(plmn: Plmn) -> Result<CodecPlmn, Error> {
    CodecPlmn::from_nas_octets(bcd::plmn(plmn)).map_err(|e| Error::Value(e.to_string()))
}

/// Which identity is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// International mobile subscriber identity.
    Imsi,
    /// International mobile equipment identity.
    Imei,
    /// International mobile equipment identity with the software version.
    Imeisv,
    /// Temporary mobile subscriber identity.
    Tmsi,
}

impl IdentityKind {
    pub(super) fn of(kind: IdentityType) -> Self {
        match kind {
            IdentityType::Imei => Self::Imei,
            IdentityType::Imeisv => Self::Imeisv,
            IdentityType::Tmsi => Self::Tmsi,
            // A receiver takes a reserved value for the IMSI (TS 24.008 table 10.5.142).
            _ => Self::Imsi,
        }
    }

    pub(super) fn codec(self) -> IdentityType {
        match self {
            Self::Imsi => IdentityType::Imsi,
            Self::Imei => IdentityType::Imei,
            Self::Imeisv => IdentityType::Imeisv,
            Self::Tmsi => IdentityType::Tmsi,
        }
    }
}

/// An identity of a UE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The digits, as they came: they may be too few for an [`Imsi`](crate::id::Imsi).
    Imsi(String),
    /// 15 digits.
    Imei(String),
    /// 16 digits: type allocation code, serial number, software version.
    Imeisv(String),
    /// The temporary identity that an MME has given.
    Guti(Guti),
    /// No identity, or none that can be read.
    None,
}

impl Identity {
    /// The identity of a message that takes an EPS mobile identity: IMSI, IMEI, GUTI.
    pub(super) fn of_eps(identity: &NasEpsMobileIdentity) -> Self {
        if let Some(imsi) = identity.as_imsi() {
            return Self::Imsi(imsi.as_str().to_owned());
        }
        if let Some(guti) = identity.as_guti().as_ref().and_then(Guti::of) {
            return Self::Guti(guti);
        }
        identity.as_imei().map_or(Self::None, |imei| Self::Imei(imei.as_str().to_owned()))
    }

    pub(super) fn eps_codec(&self) -> Result<NasEpsMobileIdentity, Error> {
        match self {
            Self::Imsi(digits) => NasEpsMobileIdentity::from_imsi(digits).map_err(refused),
            Self::Imei(digits) => NasEpsMobileIdentity::from_imei(digits).map_err(refused),
            Self::Guti(guti) => Ok(NasEpsMobileIdentity::from_guti(guti.codec()?)),
            Self::Imeisv(_) | Self::None => {
                Err(Error::Value("an EPS mobile identity is an IMSI, an IMEI or a GUTI".to_owned()))
            }
        }
    }

    /// The identity of a message that takes a mobile identity: IMSI, IMEI, IMEISV.
    pub(super) fn of_mobile(identity: &NasMobileIdentity) -> Self {
        if let Some(imsi) = identity.as_imsi() {
            return Self::Imsi(imsi.as_str().to_owned());
        }
        if let Some(imeisv) = identity.as_imeisv() {
            return Self::Imeisv(format!("{}{}{}", imeisv.tac(), imeisv.snr(), imeisv.svn()));
        }
        identity.as_imei().map_or(Self::None, |imei| Self::Imei(imei.as_str().to_owned()))
    }

    pub(super) fn mobile_codec(&self) -> Result<NasMobileIdentity, Error> {
        match self {
            Self::Imsi(digits) => NasMobileIdentity::from_imsi(digits).map_err(refused),
            Self::Imei(digits) => NasMobileIdentity::from_imei(digits).map_err(refused),
            Self::Imeisv(digits) => NasMobileIdentity::from_imeisv(digits).map_err(refused),
            Self::None => Ok(NasMobileIdentity::from_no_identity()),
            Self::Guti(_) => Err(Error::Value("a mobile identity is no GUTI".to_owned())),
        }
    }
}

fn refused(error: ValueError) -> Error {
    Error::Value(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_survive() {
        let guti =
            Guti { plmn: "310-410".parse().unwrap(), mme_group: 0x8001, mme_code: 2, tmsi: 0xc000_0001 };
        for identity in [
            Identity::Imsi("001010000000001".into()),
            Identity::Imei("490154203237518".into()),
            Identity::Guti(guti),
        ] {
            assert_eq!(Identity::of_eps(&identity.eps_codec().unwrap()), identity);
        }
        for identity in [
            Identity::Imsi("310410123456789".into()),
            Identity::Imei("490154203237518".into()),
            Identity::Imeisv("4901542032375101".into()),
            Identity::None,
        ] {
            assert_eq!(Identity::of_mobile(&identity.mobile_codec().unwrap()), identity);
        }
        assert!(Identity::Imsi("12x".into()).mobile_codec().is_err());
        assert!(Identity::None.eps_codec().is_err());
    }

    #[test]
    fn a_plmn_keeps_its_digits_in_the_codec() {
        let network: Plmn = "310-410".parse().unwrap();
        assert_eq!(codec_plmn(network).unwrap().to_nas_octets(), [0x13, 0x00, 0x14]);
    }
}
