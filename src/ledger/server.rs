//! Certificates of servers on the ledger. An operator has the certificate that one of its servers shows recorded, so that a
//! device may take no other, whoever has signed it.
//!
//! The contract has one list of digests that somebody vouches for and may take back: a certificate stands there as a release
//! does, with the server's name in the place of the model, and `tls-server` as the component. The same proof proves it.

use super::firmware::{Component, Release};
use super::proof::{LightAnchors, ReleaseProof};
use super::registry::{BadModel, Model};

/// What stands in the place of a component.
const COMPONENT: &str = "tls-server";

/// What the ledger says of the certificate of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvedServer {
    /// The SHA-256 of the certificate, DER.
    pub certificate: [u8; 32],
    /// The number of the block after which it is so.
    pub height: u64,
    /// When that block was sealed, in milliseconds since the Unix epoch.
    pub sealed_ms: u64,
    /// Whether it is vouched for.
    pub standing: ServerStanding,
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStanding {
    /// The operator vouches for it.
    Vouched,
    /// Nobody has recorded it for this server.
    Unknown,
    /// It was taken back.
    Withdrawn,
    /// The operator asks for a newer one.
    Superseded,
}

/// The record of a certificate with the SHA-256 `certificate`, which the server `name` shows: the `sequence`-th of that server,
/// after which no earlier one counts.
///
/// # Errors
/// Where the name is longer than 32 characters, or has others than graphic ASCII.
pub fn server_record(name: &str, certificate: [u8; 32], sequence: u64) -> Result<Release, BadModel> {
    Ok(Release {
        manifest: certificate,
        image: certificate,
        model: Model::new(name)?,
        component: component()?,
        sequence,
        min_sequence: sequence,
        uri: format!("tls://{name}"),
    })
}

/// What a proof would be of: the server as the contract calls it.
///
/// # Errors
/// As [`server_record`].
pub fn server_key(name: &str) -> Result<(Model, Component), BadModel> {
    Ok((Model::new(name)?, component()?))
}

fn component() -> Result<Component, BadModel> {
    Model::new(COMPONENT)
}

/// What an answer tells and proves of the certificate of the server `name`: its SHA-256, and a proof behind it.
///
/// # Errors
/// A text that says what is wrong with the answer.
pub fn proved_server(anchors: &LightAnchors, name: &str, answer: &[u8]) -> Result<ProvedServer, String> {
    let (certificate, proof) = answer.split_first_chunk::<32>().ok_or("no digest and no proof")?;
    let (model, component) = server_key(name).map_err(|error| error.to_string())?;
    let proved = ReleaseProof::parse(proof)?.verify(anchors, certificate, model, component)?;
    let standing = match proved.release {
        Some(release) if (release.model, release.component) != (model, component) => ServerStanding::Unknown,
        None => ServerStanding::Unknown,
        Some(release) if !release.valid => ServerStanding::Withdrawn,
        Some(release) if release.sequence < proved.min_sequence => ServerStanding::Superseded,
        Some(_) => ServerStanding::Vouched,
    };
    Ok(ProvedServer {
        certificate: *certificate,
        height: proved.height,
        sealed_ms: proved.sealed_ms,
        standing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::ledger::{Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore, Operators, Reason};

    const NAME: &str = "mqtt.cellbed.test";

    struct Lab(Ledger, Operators, u64);

    impl Lab {
        fn new() -> Self {
            let rng = RngTree::new(7);
            let mut operators = Operators::from_rng(&mut rng.stream("operators"));
            let keys = LedgerKeys::lab(&rng, &operators, Box::new(MemorySignerState::default())).unwrap();
            let genesis = Genesis::new(4242, EPOCH_UNIX_S - 1, [3; 32], &operators, &keys);
            let store = Box::new(MemoryStore::default());
            let ledger = Ledger::create(&genesis, &mut operators, keys, store).unwrap();
            Self(ledger, operators, EPOCH_UNIX_S)
        }

        fn write(&mut self, raw: &[u8]) {
            self.2 += 10;
            self.0.submit(raw).unwrap();
            self.0.seal(self.2 * 1_000).unwrap();
        }

        fn record(&mut self, name: &str, certificate: [u8; 32], sequence: u64) {
            let record = server_record(name, certificate, sequence).unwrap();
            let raw = self.1.publisher.publish_firmware(self.0.contract(), &record);
            self.write(&raw);
        }

        /// What whoever hands out records would answer for `certificate`, whatever that is.
        fn answer(&self, certificate: [u8; 32]) -> Vec<u8> {
            let (model, component) = server_key(NAME).unwrap();
            let proof = self.0.prove_release(&certificate, model, component).unwrap();
            [&certificate[..], &proof.to_bytes()].concat()
        }

        fn standing(&self, certificate: [u8; 32]) -> ServerStanding {
            let answer = self.answer(certificate);
            let proved = proved_server(&self.0.light_anchors(), NAME, &answer).unwrap();
            assert_eq!((proved.certificate, proved.sealed_ms), (certificate, self.2 * 1_000));
            proved.standing
        }
    }

    #[test]
    fn a_certificate_counts_where_it_was_recorded_for_this_server_until_it_is_withdrawn_or_superseded() {
        let mut lab = Lab::new();
        lab.record(NAME, [1; 32], 1);
        lab.record("registrar.cellbed.test", [2; 32], 1);
        assert_eq!(lab.standing([1; 32]), ServerStanding::Vouched);
        assert_eq!(lab.standing([2; 32]), ServerStanding::Unknown, "it is of another server");
        assert_eq!(lab.standing([3; 32]), ServerStanding::Unknown);
        lab.record(NAME, [4; 32], 2);
        assert_eq!(lab.standing([1; 32]), ServerStanding::Superseded);
        assert_eq!(lab.standing([4; 32]), ServerStanding::Vouched);
        let raw =
            lab.1.publisher.withdraw_firmware(lab.0.contract(), [4; 32], Reason::KeyCompromise, [0; 32]);
        lab.write(&raw);
        assert_eq!(lab.standing([4; 32]), ServerStanding::Withdrawn);
    }

    #[test]
    fn a_release_of_firmware_vouches_for_no_server() {
        let mut lab = Lab::new();
        let release =
            Release { component: Model::new("app").unwrap(), ..server_record(NAME, [1; 32], 1).unwrap() };
        let raw = lab.1.publisher.publish_firmware(lab.0.contract(), &release);
        lab.write(&raw);
        assert_eq!(lab.standing([1; 32]), ServerStanding::Unknown);
    }

    #[test]
    fn an_answer_that_was_put_together_otherwise_proves_nothing() {
        let mut lab = Lab::new();
        lab.record(NAME, [1; 32], 1);
        let (anchors, answer) = (lab.0.light_anchors(), lab.answer([1; 32]));
        assert!(proved_server(&anchors, NAME, &answer).is_ok());
        // The proof of the operator's certificate, with the digest of another one before it.
        let mut forged = answer.clone();
        forged[..32].copy_from_slice(&[5; 32]);
        assert!(proved_server(&anchors, NAME, &forged).is_err());
        assert!(proved_server(&anchors, "other.cellbed.test", &answer).is_err());
        assert!(proved_server(&anchors, NAME, &answer[..40]).is_err());
        assert!(proved_server(&anchors, NAME, &[]).is_err());
        let mut foreign = anchors.clone();
        foreign.chain.genesis[0] ^= 1;
        assert!(proved_server(&foreign, NAME, &answer).is_err());
    }
}
