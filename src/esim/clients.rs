//! Who a TLS client of ES2+ or ES12 is, by its certificate (SGP.22 clauses 2.6.7.1, 5.3 and 5.9; RFC 8446).
//!
//! That a chain leads to a root that is trusted, TLS has verified. Here it is seen which role the certificate has under
//! the CI, that it is not revoked, and what it calls its holder.

use super::{Client, ClientName};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{Role, RspCertificate, TrustAnchor};

/// Who counts as a client.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The CI, under which SM-DP+s and operators are certified; none where everybody has its key.
    ci: Option<TrustAnchor>,
    /// Whether operators may be certified by somebody else as well.
    others: bool,
    tally: Tally,
}

impl Clients {
    /// SM-DP+s and operators under `ci`; with `others` whoever else TLS lets through is an operator.
    pub fn new(ci: Option<TrustAnchor>, others: bool, tally: &Tally) -> Self {
        Self { ci, others, tally: tally.clone() }
    }

    /// Who has shown this certificate (DER), at `now_unix_s`.
    pub fn who(&self, certificate: Option<&[u8]>, now_unix_s: u64) -> Client {
        let Some(der) = certificate else {
            return Client::Nobody("ES2+ and ES12 need a client certificate".to_owned());
        };
        let certificate = match RspCertificate::parse(der) {
            Ok(certificate) => certificate,
            Err(error) => return Client::Nobody(format!("the client certificate does not read: {error}")),
        };
        let name = ClientName {
            name: certificate.registered_id().map_or_else(|| certificate.subject_text(), ToString::to_string),
            oid: certificate.registered_id().map(ToString::to_string),
        };
        let own = |ci: &&TrustAnchor| certificate.authority_key_id() == Some(ci.key_id());
        let Some(ci) = self.ci.as_ref().filter(own) else {
            return match self.others {
                true => Client::Operator(name),
                false => Client::Nobody(format!("{} is certified by nobody who counts here", name.name)),
            };
        };
        let role = match certificate.role() {
            Some(role @ (Role::DpTls | Role::Operator)) => role,
            other => {
                let role = other.map_or_else(|| "of no role".to_owned(), |role| format!("of {role}"));
                return Client::Nobody(format!(
                    "the client certificate is {role}, not of an operator or DPtls"
                ));
            }
        };
        match ci.verify_chain(&[&certificate], role, Some(now_unix_s), &self.tally) {
            Ok(()) if role == Role::DpTls => Client::Smdp(name),
            Ok(()) => Client::Operator(name),
            Err(error) => Client::Nobody(format!("the client certificate does not verify: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esim::pki::{Deployment, PkiOptions};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use x509_cert::ext::pkix::CrlReason;

    const NOW: u64 = EPOCH_UNIX_S + 86_400;

    fn made(seed: u64) -> Deployment {
        Deployment::new(&RngTree::new(seed), &PkiOptions::default(), &["a.example".to_owned()]).unwrap()
    }

    #[test]
    fn a_certificate_says_who_its_holder_is() {
        let mut own = made(1);
        let tally = Tally::new();
        let clients =
            |own: &Deployment| Clients::new(Some(own.pki.anchor(Some(NOW), &tally).unwrap()), false, &tally);
        let name = |oid: &str| ClientName { name: oid.to_owned(), oid: Some(oid.to_owned()) };
        let operator = own.operator[0].certificate.clone();
        let smdp = own.smdp[0].tls.certificate.clone();
        let who = |own: &Deployment, der: &[u8]| clients(own).who(Some(der), NOW);
        assert_eq!(who(&own, operator.der()), Client::Operator(name("2.999.20")));
        assert_eq!(who(&own, smdp.der()), Client::Smdp(name("2.999.10")));
        for nobody in [
            // Other roles, the same of another CI, and what is no certificate.
            own.smds[0].tls.certificate.der(),
            own.smdp[0].auth.certificate.der(),
            own.eim[0].certificate.der(),
            made(2).operator[0].certificate.der(),
            b"no certificate",
        ] {
            assert!(matches!(who(&own, nobody), Client::Nobody(_)));
        }
        assert!(matches!(clients(&own).who(None, NOW), Client::Nobody(_)));
        // Too late, and revoked.
        let late = NOW + 400 * 86_400;
        assert!(matches!(clients(&own).who(Some(operator.der()), late), Client::Nobody(_)));
        own.pki.revoke(&operator, CrlReason::KeyCompromise, NOW).unwrap();
        assert!(matches!(who(&own, operator.der()), Client::Nobody(why) if why.contains("revoked")));
    }
}
