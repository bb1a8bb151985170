//! PUT PUBLIC KEY and COMPUTE DH (GSMA IoT.05 clause 3): the key of a peer comes in, a shared secret goes out.

use p256::ProjectivePoint;
use p256::elliptic_curve::point::AffineCoordinates;

use super::signature::verifying_key;
use super::{Applet, Content, objects};
use crate::card::{CardOp, Reply};
use crate::wire::{Command, StatusWord};

/// Public key data is `34 45 49 43 86 41 04 X Y`.
const HEAD: [u8; 7] = [0x34, 0x45, 0x49, 0x43, 0x86, 0x41, 0x04];

/// A public key that is on its way in, on one channel.
pub(super) struct Import {
    session: u8,
    /// Place of the container in the store.
    key: usize,
    data: Vec<u8>,
}

impl Applet {
    /// PUT PUBLIC KEY INIT: P1 opens (`00`) or closes (`01`) session P2; the data names the container.
    pub(super) fn put_public_key_init(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        if usize::from(c.p2) >= super::objects::SESSIONS || c.p1 > 1 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        // Another channel has its own.
        self.imports.remove(&channel);
        if c.p1 == 1 {
            return Ok(Vec::new());
        }
        let (key, spec) = self.public_key(c.data)?;
        if spec.public_access & objects::UPDATE == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.imports.insert(channel, Import { session: c.p2, key, data: Vec::new() });
        Ok(Vec::new())
    }

    /// PUT PUBLIC KEY UPDATE: public key data, in one command or several; P1 `80` marks the last.
    pub(super) fn put_public_key_update(&mut self, channel: usize, c: &Command<'_>) -> Reply {
        if c.p1 & 0x7f != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let import = self.imports.remove(&channel).filter(|import| import.session == c.p2);
        let mut import = import.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        import.data.extend_from_slice(c.data);
        if import.data.len() > HEAD.len() + 64 {
            return Err(StatusWord::INCORRECT_DATA);
        }
        if c.p1 == 0 {
            self.imports.insert(channel, import);
            return Ok(Vec::new());
        }
        let point = import.data.strip_prefix(&HEAD).and_then(|point| <[u8; 64]>::try_from(point).ok());
        let public = point.ok_or(StatusWord::INCORRECT_DATA)?;
        verifying_key(&public)?;
        self.changes += 1;
        self.sessions.end_all_with(import.key);
        self.keys[import.key] =
            Content { private: None, public: Some(Box::new(public)), ..Content::default() };
        Ok(Vec::new())
    }

    /// COMPUTE DH: the X coordinate of the product of private key 84 and public key 85 (ECKA-DH).
    pub(super) fn compute_dh(&mut self, c: &Command<'_>) -> Reply {
        super::no_parameters(c)?;
        let (own, own_spec) = self.private_key(c.data)?;
        let (peer, peer_spec) = self.public_key(c.data)?;
        if own_spec.functions & peer_spec.functions & objects::KEY_AGREEMENT == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let (Some(private), Some(public)) = (&self.keys[own].private, &self.keys[peer].public) else {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        let point = ProjectivePoint::from(*verifying_key(public)?.as_affine());
        let shared = (point * private.as_nonzero_scalar().as_ref()).to_affine().x();
        self.tally(CardOp::Agree);
        Ok(shared.to_vec())
    }
}
