//! The authority itself: a self-signed root on P-256 that signs server and client certificates (RFC 5280 profile) and
//! keeps an index of what it issued.
//!
//! A client's certificate is made in two parts, so that somebody else can agree in between: [`Authority::prepare`]
//! writes what is to be signed, and [`Authority::issue`] signs it. What nobody agrees to is never signed, and there is
//! no certificate to revoke.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::ext::Extensions;
use x509_cert::name::Name;
use x509_cert::time::Validity;

use super::crl::{self, LIST_LIFETIME_S};
use super::csr::Csr;
use super::extensions::{self, Leaf};
use super::index::{Index, IndexStore, Record, Status, Unkept};
use super::ocsp;
use super::publication::Publication;
use super::revocation::{Revocation, RevocationReason};
use super::subject::Subject;
use super::x509::{self, CLIENT_AUTH, SERVER_AUTH, Serial};
use super::{CaError, der_error};
use crate::crypto::{SoftKey, Tally};
use crate::kernel::RngTree;

/// What the common name of a root begins with whose key follows from a seed, and of one whose key does not. The rest tells
/// one root from another: two authorities of one name would be taken for one.
const TEST_ROOT: &str = "cellbed test root";
const OWN_ROOT: &str = "cellbed root";

const DAY_S: u64 = 86_400;
/// How long a root is valid, in seconds: ten years.
pub const ROOT_LIFETIME_S: u64 = 3_650 * DAY_S;
/// How long a server certificate is valid, in seconds: 90 days.
pub const SERVER_LIFETIME_S: u64 = 90 * DAY_S;
/// How long a client certificate is valid, in seconds: one year.
pub const CLIENT_LIFETIME_S: u64 = 365 * DAY_S;

const WHAT: &str = "certificate";

/// A certificate that is written and not signed.
#[derive(Debug)]
pub struct Prepared {
    tbs: TbsCertificate,
    der: Vec<u8>,
    record: Record,
}

impl Prepared {
    /// SHA-256 of what is to be signed: the certificate is known by it before it exists.
    pub fn tbs_digest(&self) -> &[u8; 32] {
        &self.record.tbs_sha256
    }

    /// The serial number that it is to have.
    pub fn serial(&self) -> Serial {
        self.record.serial
    }
}

/// A certificate authority with one root and no intermediates.
pub struct Authority {
    key: SoftKey,
    name: Name,
    root_der: Vec<u8>,
    serials: ChaCha20Rng,
    tally: Tally,
    publication: Option<Publication>,
    client_lifetime_s: u64,
    index: Index,
    store: Box<dyn IndexStore>,
    /// The last list, with its number and when it was signed.
    list: Option<List>,
    list_number: u64,
}

struct List {
    der: Vec<u8>,
    signed_unix_s: u64,
}

/// What differs from one certificate to the next.
struct Terms<'a> {
    subject: &'a Subject,
    public: [u8; 64],
    lifetime_s: u64,
    extensions: Extensions,
}

impl Authority {
    /// Draws a key from the stream "ca-key" of `rng` and signs a root with it, valid from `now_unix_s`, whose name says that it
    /// is for tests. Serial numbers come from the stream "ca-serial". Public-key operations are counted in `tally`.
    ///
    /// # Errors
    /// [`CaError::Time`] where the root would outlive the year 9999.
    pub fn new(rng: RngTree, tally: &Tally, now_unix_s: u64) -> Result<Self, CaError> {
        Self::called(TEST_ROOT, SoftKey::from_stream(&mut rng.stream("ca-key")), &rng, tally, now_unix_s)
    }

    /// The same with a key that is there already and that nobody else can draw.
    ///
    /// # Errors
    /// The same.
    pub fn of_key(key: SoftKey, rng: &RngTree, tally: &Tally, now_unix_s: u64) -> Result<Self, CaError> {
        Self::called(OWN_ROOT, key, rng, tally, now_unix_s)
    }

    fn called(
        begin: &str,
        key: SoftKey,
        rng: &RngTree,
        tally: &Tally,
        now_unix_s: u64,
    ) -> Result<Self, CaError> {
        let key = key.counted(tally);
        let public = key.public();
        let name = x509::common_name(&format!("{begin} {}", hex::encode(&public[..4])))?;
        let mut authority = Self {
            name: name.clone(),
            key,
            root_der: Vec::new(),
            serials: rng.stream("ca-serial"),
            tally: tally.clone(),
            publication: None,
            client_lifetime_s: CLIENT_LIFETIME_S,
            index: Index::default(),
            store: Box::new(Unkept),
            list: None,
            list_number: 0,
        };
        let subject = Subject::of(name, None);
        let extensions = extensions::of_root(&public)?;
        let terms = Terms { subject: &subject, public, lifetime_s: ROOT_LIFETIME_S, extensions };
        let serial = Serial::draw(&mut authority.serials);
        let tbs = authority.tbs(serial, terms, now_unix_s)?;
        let signature = authority.key.sign(&tbs.to_der().map_err(der_error(WHAT))?);
        authority.root_der = x509::certificate(tbs, &signature)?;
        Ok(authority)
    }

    /// The authority whose key is `key` and whose root is `root_der`, with what it has issued so far and the number of
    /// its last revocation list. Serial numbers come from the stream "ca-serial" of `rng`, which must not have given
    /// any before.
    ///
    /// # Errors
    /// [`CaError::Der`] where the root is no certificate, [`CaError::OtherKey`] where it is of another key.
    pub fn open(
        key: SoftKey,
        root_der: Vec<u8>,
        rng: &RngTree,
        tally: &Tally,
        index: Index,
        list_number: u64,
    ) -> Result<Self, CaError> {
        let root = Certificate::from_der(&root_der).map_err(der_error(WHAT))?.tbs_certificate;
        if x509::public_of(WHAT, &root.subject_public_key_info)? != key.public() {
            return Err(CaError::OtherKey);
        }
        Ok(Self {
            key: key.counted(tally),
            name: root.subject,
            root_der,
            serials: rng.stream("ca-serial"),
            tally: tally.clone(),
            publication: None,
            client_lifetime_s: CLIENT_LIFETIME_S,
            index,
            store: Box::new(Unkept),
            list: None,
            list_number,
        })
    }

    /// The same, whose certificates say where to ask for their status.
    pub fn published(mut self, publication: Publication) -> Self {
        self.publication = Some(publication);
        self
    }

    /// The same, whose certificates for clients are valid for so many seconds, in the place of a
    /// year.
    pub fn for_clients_s(mut self, lifetime_s: u64) -> Self {
        self.client_lifetime_s = lifetime_s;
        self
    }

    /// The same, whose index is kept in `store` from now on.
    pub fn kept(mut self, store: Box<dyn IndexStore>) -> Self {
        self.store = store;
        self
    }

    /// The root certificate in DER: the trust anchor of every party.
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Issues a server certificate for the public point `X || Y`: DNS names and addresses in
    /// subjectAltName, the first name as common name. Returns DER.
    ///
    /// # Errors
    /// [`CaError::HostName`] where a name is no DNS name or there is none, [`CaError::Time`], [`CaError::Kept`].
    pub fn issue_server(
        &mut self,
        names: &[&str],
        addresses: &[Ipv4Addr],
        public: &[u8; 64],
        now_unix_s: u64,
    ) -> Result<Vec<u8>, CaError> {
        let subject = Subject::server(names, addresses)?;
        let prepared = self.prepared(&subject, public, SERVER_AUTH, SERVER_LIFETIME_S, now_unix_s)?;
        self.issue(prepared)
    }

    /// Writes the certificate of a client for the key that `csr` proves to hold. Who the client is has been decided by
    /// the caller: `subject` is named, whatever the request says.
    ///
    /// # Errors
    /// [`CaError::Crypto`] where the request is not signed with its own key, [`CaError::Time`].
    pub fn prepare(&mut self, csr: &Csr, subject: &Subject, now_unix_s: u64) -> Result<Prepared, CaError> {
        csr.verify(&self.tally)?;
        self.prepared(subject, csr.public(), CLIENT_AUTH, self.client_lifetime_s, now_unix_s)
    }

    /// Signs what was prepared. The index has it before anybody else does. Returns DER.
    ///
    /// # Errors
    /// [`CaError::Kept`] where the index cannot be kept: there is no certificate then.
    pub fn issue(&mut self, prepared: Prepared) -> Result<Vec<u8>, CaError> {
        self.store.put(&prepared.record).map_err(|cause| CaError::Kept { cause })?;
        self.index.put(prepared.record);
        let signature = self.key.sign(&prepared.der);
        x509::certificate(prepared.tbs, &signature)
    }

    /// The certificates issued so far; the root is not among them.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Revokes the certificate with this serial number, and returns whether that changed anything: one that is revoked
    /// for good keeps its first date and reason, and one that is on hold takes the new reason.
    ///
    /// # Errors
    /// [`CaError::UnknownSerial`] where this authority did not issue it, [`CaError::Kept`].
    pub fn revoke(
        &mut self,
        serial: Serial,
        reason: RevocationReason,
        now_unix_s: u64,
    ) -> Result<bool, CaError> {
        if self.index.status(&serial) == Status::Unknown {
            return Err(CaError::UnknownSerial { serial });
        }
        let changed = self.index.revoked(&serial, Revocation { reason, since_unix_s: now_unix_s });
        self.change(changed)
    }

    /// Takes the certificate with this serial number off hold, and returns whether it was on hold.
    ///
    /// # Errors
    /// [`CaError::Kept`].
    pub fn release(&mut self, serial: &Serial) -> Result<bool, CaError> {
        let changed = self.index.released(serial);
        self.change(changed)
    }

    fn change(&mut self, changed: Option<Record>) -> Result<bool, CaError> {
        let Some(record) = changed else { return Ok(false) };
        self.store.put(&record).map_err(|cause| CaError::Kept { cause })?;
        self.index.put(record);
        self.list = None;
        Ok(true)
    }

    /// Takes over what somebody else has found out: exactly the certificates in `revoked` are revoked. Nothing is kept,
    /// since it is kept already.
    pub fn adopt(&mut self, revoked: &BTreeMap<Serial, Revocation>) {
        let changed: Vec<Record> = self
            .index
            .records()
            .filter(|record| record.revoked.as_ref() != revoked.get(&record.serial))
            .map(|record| Record { revoked: revoked.get(&record.serial).copied(), ..record.clone() })
            .collect();
        if !changed.is_empty() {
            self.list = None;
        }
        changed.into_iter().for_each(|record| self.index.put(record));
    }

    /// The revocation list (RFC 5280 section 5) in DER, which is valid for a day. A new one, with a higher number, is
    /// signed where something has changed since the last, and after half its life.
    ///
    /// # Errors
    /// [`CaError::Time`] where the list would end after the year 9999, [`CaError::Kept`].
    pub fn revocation_list(&mut self, now_unix_s: u64) -> Result<&[u8], CaError> {
        let stands = |list: &List| now_unix_s < list.signed_unix_s.saturating_add(LIST_LIFETIME_S / 2);
        let list = match self.list.take().filter(stands) {
            Some(list) => list,
            None => {
                // Numbers rise over restarts as well, although the last one was not kept.
                let number = self.list_number.saturating_add(1).max(now_unix_s);
                let key = &self.key;
                let der =
                    crl::sign_list(&self.index, number, &self.name, &key.public(), now_unix_s, |tbs| {
                        key.sign(tbs)
                    })?;
                self.store.put_list(number, &der).map_err(|cause| CaError::Kept { cause })?;
                self.list_number = number;
                List { der, signed_unix_s: now_unix_s }
            }
        };
        Ok(&self.list.insert(list).der)
    }

    /// Answers an OCSP request in DER with a response in DER (RFC 6960), signed by the authority itself.
    pub fn ocsp(&self, request: &[u8], now_unix_s: u64) -> Vec<u8> {
        let responder = ocsp::Responder { name: &self.name, key: &self.key };
        responder.answer(request, &self.index, now_unix_s)
    }

    fn prepared(
        &mut self,
        subject: &Subject,
        public: &[u8; 64],
        purpose: ObjectIdentifier,
        lifetime_s: u64,
        now_unix_s: u64,
    ) -> Result<Prepared, CaError> {
        let leaf = Leaf {
            public,
            purpose,
            alternatives: subject.alternatives(),
            issuer: &self.key.public(),
            publication: self.publication.as_ref(),
        };
        let extensions = leaf.extensions()?;
        let terms = Terms { subject, public: *public, lifetime_s, extensions };
        let serial = Serial::draw(&mut self.serials);
        let tbs = self.tbs(serial, terms, now_unix_s)?;
        let der = tbs.to_der().map_err(der_error(WHAT))?;
        let spki = tbs.subject_public_key_info.to_der().map_err(der_error(WHAT))?;
        let record = Record {
            serial,
            subject: subject.to_string(),
            spki_sha256: Sha256::digest(&spki).into(),
            tbs_sha256: Sha256::digest(&der).into(),
            not_before_unix_s: now_unix_s,
            not_after_unix_s: now_unix_s.saturating_add(lifetime_s),
            revoked: None,
        };
        Ok(Prepared { tbs, der, record })
    }

    fn tbs(&self, serial: Serial, terms: Terms<'_>, now_unix_s: u64) -> Result<TbsCertificate, CaError> {
        Ok(TbsCertificate {
            version: Version::V3,
            serial_number: serial.to_x509()?,
            signature: x509::signature_algorithm(),
            issuer: self.name.clone(),
            validity: Validity {
                not_before: x509::time(now_unix_s)?,
                not_after: x509::time(now_unix_s.saturating_add(terms.lifetime_s))?,
            },
            subject: terms.subject.name().clone(),
            subject_public_key_info: x509::spki(&terms.public)?,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(terms.extensions),
        })
    }
}

impl fmt::Debug for Authority {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({:?})", self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ca::{CsrBuilder, DeviceCertificate};
    use crate::crypto::{CryptoError, Op};
    use crate::id::DeviceName;
    use crate::kernel::EPOCH_UNIX_S;

    fn authority(seed: u64) -> (Authority, Tally) {
        let tally = Tally::new();
        (Authority::new(RngTree::new(seed).branch("ca"), &tally, EPOCH_UNIX_S).unwrap(), tally)
    }

    #[test]
    fn a_root_whose_key_nobody_can_draw_is_not_called_one_for_tests() {
        let named = |root: &[u8], name: &[u8]| root.windows(name.len()).any(|at| at == name);
        let (drawn, tally) = authority(1);
        assert!(named(drawn.root_der(), b"cellbed test root "));
        let own = Authority::of_key(device_key(), &RngTree::new(1), &tally, EPOCH_UNIX_S).unwrap();
        assert!(named(own.root_der(), b"cellbed root ") && !named(own.root_der(), b"test root"));
    }

    fn csr(key: &SoftKey) -> Csr {
        let as_it_likes = Subject::named("as I like", &[]).unwrap();
        let builder = CsrBuilder::new(Some(&as_it_likes), &key.public(), None).unwrap();
        let signature = key.sign(builder.tbs());
        Csr::parse(&builder.finish(&signature).unwrap()).unwrap()
    }

    fn device_key() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
    }

    fn name() -> DeviceName {
        DeviceName::from_random([1; 16])
    }

    fn prepare(ca: &mut Authority) -> Prepared {
        ca.prepare(&csr(&device_key()), &Subject::device(&name()).unwrap(), EPOCH_UNIX_S).unwrap()
    }

    fn issue(ca: &mut Authority) -> Vec<u8> {
        let prepared = prepare(ca);
        ca.issue(prepared).unwrap()
    }

    /// What is put, or why nothing can be.
    #[derive(Clone, Default)]
    struct Watched(Arc<Mutex<Vec<Record>>>, Option<&'static str>);

    impl IndexStore for Watched {
        fn put(&mut self, record: &Record) -> Result<(), String> {
            self.1.map_or(Ok(()), |cause| Err(cause.to_owned()))?;
            self.0.lock().unwrap().push(record.clone());
            Ok(())
        }

        fn put_list(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
            self.1.map_or(Ok(()), |cause| Err(cause.to_owned()))
        }
    }

    #[test]
    fn certificates_are_a_function_of_the_seed() {
        let made = |seed| {
            let mut ca = authority(seed).0;
            let server = ca.issue_server(&["est.cellbed.test"], &[], &device_key().public(), EPOCH_UNIX_S);
            (ca.root_der().to_vec(), server.unwrap(), issue(&mut ca))
        };
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn the_authority_names_the_device_and_the_request_does_not() {
        let (mut ca, tally) = authority(7);
        let certificate = DeviceCertificate::parse(&issue(&mut ca)).unwrap();
        assert_eq!((certificate.name(), certificate.public()), (name(), &device_key().public()));
        // The root's and the device's signature; the request's proof.
        assert_eq!((tally.of(Op::P256Sign), tally.of(Op::P256Verify)), (2, 1));
    }

    #[test]
    fn what_is_prepared_and_not_issued_is_no_certificate() {
        let (mut ca, tally) = authority(7);
        let refused = prepare(&mut ca);
        // Nothing is signed but the root, and nothing is known of it.
        assert_eq!((tally.of(Op::P256Sign), ca.index().records().count()), (1, 0));
        assert_eq!(ca.index().status(&refused.serial()), Status::Unknown);
        drop(refused);
        let agreed = prepare(&mut ca);
        let digest = *agreed.tbs_digest();
        let certificate = DeviceCertificate::parse(&ca.issue(agreed).unwrap()).unwrap();
        assert_eq!(certificate.tbs_digest(), &digest, "the ledger has agreed to this one");
        let record = ca.index().get(&certificate.serial()).unwrap();
        assert_eq!((record.tbs_sha256, record.subject.as_str()), (digest, name().to_string().as_str()));
        assert_eq!(record.spki_sha256, <[u8; 32]>::from(Sha256::digest(certificate.spki())));
        assert_eq!(
            (record.not_before_unix_s, record.not_after_unix_s),
            (certificate.not_before_unix_s(), certificate.not_after_unix_s())
        );
    }

    #[test]
    fn no_certificate_without_proof_of_possession() {
        let (mut ca, _) = authority(7);
        let builder = CsrBuilder::new(None, &device_key().public(), None).unwrap();
        let unproved = Csr::parse(&builder.finish(&device_key().sign(b"else")).unwrap()).unwrap();
        assert!(matches!(
            ca.prepare(&unproved, &Subject::device(&name()).unwrap(), EPOCH_UNIX_S),
            Err(CaError::Crypto { source: CryptoError::BadSignature, .. })
        ));
    }

    #[test]
    fn revocation_is_by_serial_number() {
        let (mut ca, _) = authority(7);
        let [one, two] = [(), ()].map(|()| DeviceCertificate::parse(&issue(&mut ca)).unwrap().serial());
        assert_eq!(ca.revoke(one, RevocationReason::Superseded, EPOCH_UNIX_S + 1), Ok(true));
        assert_eq!(ca.revoke(one, RevocationReason::KeyCompromise, EPOCH_UNIX_S + 2), Ok(false));
        assert_eq!(ca.revoke(two, RevocationReason::CertificateHold, EPOCH_UNIX_S + 3), Ok(true));
        assert_eq!((ca.release(&two), ca.release(&one)), (Ok(true), Ok(false)));
        assert!(matches!(ca.index().status(&one), Status::Revoked(_)));
        assert_eq!(ca.index().status(&two), Status::Good);
        let (mut other, _) = authority(8);
        assert_eq!(
            other.revoke(one, RevocationReason::Superseded, EPOCH_UNIX_S),
            Err(CaError::UnknownSerial { serial: one })
        );
    }

    #[test]
    fn lists_have_rising_numbers_and_are_signed_when_something_has_changed() {
        let (mut ca, tally) = authority(7);
        let serial = DeviceCertificate::parse(&issue(&mut ca)).unwrap().serial();
        let number = |ca: &mut Authority, now| crl::list_number(ca.revocation_list(now).unwrap()).unwrap();
        let first = number(&mut ca, EPOCH_UNIX_S);
        let signed = tally.of(Op::P256Sign);
        assert_eq!(number(&mut ca, EPOCH_UNIX_S + 1), first);
        assert_eq!(tally.of(Op::P256Sign), signed);
        ca.revoke(serial, RevocationReason::Superseded, EPOCH_UNIX_S).unwrap();
        let second = number(&mut ca, EPOCH_UNIX_S);
        assert!(second > first);
        assert!(number(&mut ca, EPOCH_UNIX_S + LIST_LIFETIME_S / 2) > second, "half its life is over");
    }

    #[test]
    fn an_authority_is_opened_with_what_it_knew() {
        let (mut ca, tally) = authority(7);
        let store = Watched::default();
        ca = ca.kept(Box::new(store.clone()));
        let serial = DeviceCertificate::parse(&issue(&mut ca)).unwrap().serial();
        ca.revoke(serial, RevocationReason::Superseded, EPOCH_UNIX_S).unwrap();
        let records = store.0.lock().unwrap().clone();
        assert_eq!(records.len(), 2, "each change is kept");
        let open = |key: SoftKey| {
            let rng = RngTree::new(9);
            Authority::open(key, ca.root_der.clone(), &rng, &tally, Index::new(records.clone()), 5)
        };
        let again = open(ca.key.clone()).unwrap();
        assert!(matches!(again.index().status(&serial), Status::Revoked(_)));
        assert!(matches!(open(device_key()), Err(CaError::OtherKey)));
    }

    #[test]
    fn what_others_revoke_is_taken_over() {
        let (mut ca, _) = authority(7);
        let [one, two] = [(), ()].map(|()| DeviceCertificate::parse(&issue(&mut ca)).unwrap().serial());
        let number =
            |ca: &mut Authority| crl::list_number(ca.revocation_list(EPOCH_UNIX_S).unwrap()).unwrap();
        let first = number(&mut ca);
        let revocation = Revocation { reason: RevocationReason::KeyCompromise, since_unix_s: EPOCH_UNIX_S };
        ca.adopt(&[(one, revocation)].into());
        assert_eq!(
            (ca.index().status(&one), ca.index().status(&two)),
            (Status::Revoked(revocation), Status::Good)
        );
        let second = number(&mut ca);
        assert!(second > first, "the list says it");
        ca.adopt(&[(one, revocation)].into());
        assert_eq!(number(&mut ca), second, "nothing has changed");
        ca.adopt(&BTreeMap::new());
        assert_eq!(ca.index().status(&one), Status::Good);
    }

    #[test]
    fn what_cannot_be_kept_is_not_issued() {
        let (ca, tally) = authority(7);
        let mut ca = ca.kept(Box::new(Watched(Arc::default(), Some("the disk is full"))));
        let prepared = prepare(&mut ca);
        let signed = tally.of(Op::P256Sign);
        assert_eq!(ca.issue(prepared), Err(CaError::Kept { cause: "the disk is full".to_owned() }));
        assert_eq!((tally.of(Op::P256Sign), ca.index().records().count()), (signed, 0));
        assert!(matches!(ca.revocation_list(EPOCH_UNIX_S), Err(CaError::Kept { .. })));
    }
}
