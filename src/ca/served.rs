//! The office in front of an authority that is served to the world outside: who may have a certificate stands in a list
//! of clients, and a client shows who it is by HTTP or by a certificate (RFC 7030 sections 3.2.3 and 3.3.2).

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::csr::ChannelBinding;
use super::est::{self, Credentials, EstResponse, Failures, Linking, Operation, Refusal, Wanted};
use super::{Authority, CaError, ClientCertificate, Subject, status};
use crate::wire::Reason;
use crate::wire::http::{Request, Response};

/// Whose password is compared where nobody has the user name: how long an answer takes says nothing of who there is.
const NOBODY: &str = "there is no such user";

/// A client that may have certificates.
#[derive(Debug, Clone)]
pub struct Client {
    /// Whom its certificates name.
    pub subject: Subject,
    /// Its user name and password, where it may authenticate by HTTP.
    pub login: Option<Login>,
    /// SHA-256 of a certificate of another authority, where it may authenticate by that.
    pub certificate_sha256: Option<[u8; 32]>,
}

/// A user name and a password.
#[derive(Clone)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({:?})", self.user)
    }
}

/// The clients that may have certificates.
#[derive(Debug, Default)]
pub struct Roster {
    clients: Vec<Client>,
    by_name: BTreeMap<String, usize>,
    by_user: BTreeMap<String, usize>,
    by_certificate: BTreeMap<[u8; 32], usize>,
}

impl Roster {
    /// The list of `clients`.
    ///
    /// # Errors
    /// The name, user name or certificate that is there twice.
    pub fn new(clients: Vec<Client>) -> Result<Self, String> {
        let mut roster = Self::default();
        for (at, client) in clients.iter().enumerate() {
            let name = client.subject.to_string();
            if roster.by_name.insert(name.clone(), at).is_some() {
                return Err(format!("the name {name:?} is there twice"));
            }
            if let Some(login) = &client.login
                && roster.by_user.insert(login.user.clone(), at).is_some()
            {
                return Err(format!("the user {:?} is there twice", login.user));
            }
            if let Some(digest) = client.certificate_sha256
                && roster.by_certificate.insert(digest, at).is_some()
            {
                return Err(format!("the certificate {} is there twice", hex::encode(digest)));
            }
        }
        roster.clients = clients;
        Ok(roster)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    fn by_name(&self, name: &str) -> Option<&Client> {
        self.at(self.by_name.get(name))
    }

    fn by_user(&self, user: &str) -> Option<&Client> {
        self.at(self.by_user.get(user))
    }

    fn by_certificate(&self, sha256: &[u8; 32]) -> Option<&Client> {
        self.at(self.by_certificate.get(sha256))
    }

    fn at(&self, place: Option<&usize>) -> Option<&Client> {
        self.clients.get(*place?)
    }
}

/// A request, and what the connection says of who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// Where it comes from.
    pub from: IpAddr,
    /// The certificate, in DER, that the client has shown in the TLS handshake, which has checked chain and key.
    pub certificate: Option<&'a [u8]>,
    /// What the TLS session exports (RFC 9266), where it does.
    pub binding: Option<&'a ChannelBinding>,
}

/// What is answered, and a line of it for who runs the office.
pub type Answered = (Response, String);

/// An authority, and who may have certificates of it.
#[derive(Debug)]
pub struct Served {
    authority: Authority,
    roster: Roster,
    linking: Linking,
    failures: Failures,
}

impl Served {
    /// An office in front of `authority`.
    pub fn new(authority: Authority, roster: Roster, linking: Linking) -> Self {
        Self { authority, roster, linking, failures: Failures::default() }
    }

    /// The authority.
    pub fn authority_mut(&mut self) -> &mut Authority {
        &mut self.authority
    }

    /// Answers a request of EST, which has come over TLS.
    ///
    /// # Errors
    /// [`CaError::Kept`] and [`CaError::Time`]: nothing was issued.
    pub fn est(&mut self, now_unix_s: u64, asked: Asked<'_>) -> Result<Answered, CaError> {
        let operation = Operation::of(&asked.request.method, &asked.request.target);
        let (response, told) = match operation {
            Ok(Operation::CaCerts) => {
                (EstResponse::cacerts(&[self.authority.root_der()])?, "the root".to_owned())
            }
            Ok(Operation::CsrAttrs) => {
                (EstResponse::csrattrs(self.linking), "what a CSR should hold".to_owned())
            }
            Ok(Operation::SimpleEnroll) => self.enrol(now_unix_s, asked, false)?,
            Ok(Operation::SimpleReenroll) => self.enrol(now_unix_s, asked, true)?,
            Err(refusal) => refused(&refusal),
        };
        Ok((response.to_http(), told))
    }

    /// Answers a request for what is public, which need not have come over TLS.
    ///
    /// # Errors
    /// As [`Served::est`].
    pub fn status(&mut self, now_unix_s: u64, request: &Request) -> Result<Answered, CaError> {
        let response = status::answer(&mut self.authority, request, now_unix_s)?;
        let told = format!("{} octets", response.body.len());
        Ok((response, told))
    }

    fn enrol(
        &mut self,
        now_unix_s: u64,
        asked: Asked<'_>,
        again: bool,
    ) -> Result<(EstResponse, String), CaError> {
        // The subject is copied: who it is of may be out of the list when the certificate is signed.
        let client = match self.client(now_unix_s, asked, again) {
            Ok(client) => client,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let wanted =
            Wanted { subject: &client, in_full: again, linking: self.linking, binding: asked.binding };
        let kind = asked.request.headers.get("content-type");
        let csr = match est::request(kind, &asked.request.body, wanted) {
            Ok(csr) => csr,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let prepared = match self.authority.prepare(&csr, &client, now_unix_s) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(refused(&Refusal::of_request(error)?)),
        };
        let told = format!("{} for {client}", prepared.serial());
        Ok((EstResponse::enrolled(&self.authority.issue(prepared)?)?, told))
    }

    /// Who asks, by what he shows: a certificate, or a user name with its password.
    fn client(&mut self, now_unix_s: u64, asked: Asked<'_>, again: bool) -> Result<Subject, Refusal> {
        if asked.certificate.is_some() || again {
            return self.by_certificate(now_unix_s, asked.certificate, again);
        }
        let credentials = asked.request.headers.get("authorization").and_then(Credentials::parse);
        match credentials {
            Some(credentials) => self.by_password(now_unix_s, asked.from, &credentials),
            None => Err(unknown("a user name and its password, or a certificate, are needed")),
        }
    }

    /// The client that shows this certificate: one of this authority that is good now, or, for a first certificate of
    /// this authority, one of another authority that the list names.
    fn by_certificate(&self, now_unix_s: u64, shown: Option<&[u8]>, again: bool) -> Result<Subject, Refusal> {
        if let Some(der) = shown.filter(|_| !again)
            && let Some(client) = self.roster.by_certificate(&Sha256::digest(der).into())
        {
            return Ok(client.subject.clone());
        }
        let read = shown.map(ClientCertificate::parse).transpose();
        let read = read.map_err(|error| Refusal::Forbidden {
            reason: Reason::CertificateNotOurs,
            detail: error.to_string(),
        })?;
        let certificate = est::certificate_of(&self.authority, read.as_ref(), now_unix_s)?;
        let named = self.roster.by_name(&certificate.subject().to_string());
        named
            .map(|client| &client.subject)
            .filter(|subject| subject.is_same(certificate.subject()))
            .cloned()
            .ok_or_else(|| Refusal::Forbidden {
                reason: Reason::NotOnAllowList,
                detail: format!("{} is not on the list of clients any more", certificate.subject()),
            })
    }

    fn by_password(
        &mut self,
        now_unix_s: u64,
        from: IpAddr,
        given: &Credentials,
    ) -> Result<Subject, Refusal> {
        let (user, address) = (format!("user {}", given.user), format!("address {from}"));
        let wait = |who: &str| self.failures.wait_s(who, now_unix_s);
        let after_s = wait(&user).max(wait(&address));
        if after_s > 0 {
            let detail = format!("wrong credentials too often, come again in {after_s} s");
            return Err(Refusal::TooOften { reason: Reason::TooManyFailures, detail, after_s });
        }
        let client = self.roster.by_user(&given.user);
        let login = client.and_then(|client| client.login.as_ref());
        let right = given.has_password(login.map_or(NOBODY, |login| &login.password));
        match client.filter(|_| right) {
            Some(client) => {
                self.failures.clear(&user);
                Ok(client.subject.clone())
            }
            None => {
                self.failures.note(&user, now_unix_s);
                self.failures.note(&address, now_unix_s);
                Err(unknown("user name or password is wrong"))
            }
        }
    }
}

fn unknown(detail: &str) -> Refusal {
    let (reason, detail) = (Reason::NotAuthenticated, detail.to_owned());
    Refusal::NotAuthenticated { reason, detail, challenge: est::BASIC }
}

fn refused(refusal: &Refusal) -> (EstResponse, String) {
    (refusal.response(), format!("refused, {}", refusal.reason()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::ca::csr::CsrBuilder;
    use crate::ca::est::EstRequest;
    use crate::ca::{DeviceCertificate, RevocationReason};
    use crate::crypto::{SoftKey, Tally};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const BINDING: ChannelBinding = [5; 32];

    fn key(n: u64) -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(n).stream("client"))
    }

    fn subject(name: &str) -> Subject {
        Subject::named(name, &[]).unwrap()
    }

    fn client(name: &str) -> Client {
        let login = Login { user: name.to_owned(), password: Zeroizing::new(format!("{name} password")) };
        Client { subject: subject(name), login: Some(login), certificate_sha256: None }
    }

    fn served(linking: Linking) -> Served {
        let authority = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap();
        Served::new(authority, Roster::new(vec![client("sensor-1"), client("sensor-2")]).unwrap(), linking)
    }

    fn csr(named: Option<&str>, binding: Option<&ChannelBinding>) -> Vec<u8> {
        let named = named.map(subject);
        let builder = CsrBuilder::new(named.as_ref(), &key(1).public(), binding).unwrap();
        let signature = key(1).sign(builder.tbs());
        builder.finish(&signature).unwrap()
    }

    fn login(request: Request, user: &str, password: &str) -> Request {
        request.header("Authorization", &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn enrol(csr: &[u8]) -> Request {
        EstRequest::simple_enroll(csr).to_http("ca.test")
    }

    fn again(csr: &[u8]) -> Request {
        EstRequest::simple_reenroll(csr).to_http("ca.test")
    }

    struct Office(Served, u64);

    impl Office {
        /// The word of a refusal with its status, or the name in the certificate.
        fn ask(&mut self, request: &Request, certificate: Option<&[u8]>) -> String {
            let response = self.response(request, certificate);
            match self.certificate(&response) {
                Some(certificate) => certificate.subject().to_string(),
                None => {
                    let text = String::from_utf8(response.body).unwrap();
                    format!("{} {}", response.status, text.split(": ").next().unwrap())
                }
            }
        }

        fn response(&mut self, request: &Request, certificate: Option<&[u8]>) -> Response {
            let asked = Asked { request, from: HERE, certificate, binding: Some(&BINDING) };
            self.0.est(self.1, asked).unwrap().0
        }

        fn certificate(&self, response: &Response) -> Option<ClientCertificate> {
            let kind = response.headers.get("content-type");
            match est::read_enroll_response(response.status, kind, None, &response.body) {
                Ok(est::Enrolment::Issued(der)) => Some(ClientCertificate::parse(&der).unwrap()),
                _ => None,
            }
        }

        fn enrolled(&mut self) -> ClientCertificate {
            let response =
                self.response(&login(enrol(&csr(None, None)), "sensor-1", "sensor-1 password"), None);
            self.certificate(&response).unwrap()
        }
    }

    fn office() -> Office {
        Office(served(Linking::WherePresent), EPOCH_UNIX_S)
    }

    #[test]
    fn a_client_is_who_its_password_says() {
        let mut office = office();
        let sound = enrol(&csr(None, None));
        let bare = office.response(&sound, None);
        assert_eq!((bare.status, bare.headers.get("www-authenticate")), (401, Some(est::BASIC)));
        assert_eq!(office.ask(&login(sound.clone(), "sensor-1", "sensor-1 password"), None), "sensor-1");
        for (user, password) in [("sensor-1", "sensor-2 password"), ("sensor-3", NOBODY), ("", "")] {
            let told = office.ask(&login(sound.clone(), user, password), None);
            assert_eq!(told, "401 not-authenticated", "{user}");
        }
        let named = |name| login(enrol(&csr(Some(name), None)), "sensor-1", "sensor-1 password");
        assert_eq!(office.ask(&named("sensor-1"), None), "sensor-1");
        assert_eq!(office.ask(&named("sensor-2"), None), "403 name-mismatch");
    }

    #[test]
    fn a_password_is_not_found_by_trying() {
        let mut office = office();
        let sound = enrol(&csr(None, None));
        for _ in 0..5 {
            assert_eq!(office.ask(&login(sound.clone(), "sensor-1", "guess"), None), "401 not-authenticated");
        }
        // Not even with the right one, nor with another name from the same place; and by certificate as before.
        let right = login(sound.clone(), "sensor-1", "sensor-1 password");
        let response = office.response(&right, None);
        assert_eq!((response.status, response.headers.get("retry-after")), (429, Some("300")));
        assert_eq!(office.ask(&login(sound, "sensor-2", "sensor-2 password"), None), "429 too-many-failures");
        office.1 += 300;
        assert_eq!(office.ask(&right, None), "sensor-1");
    }

    #[test]
    fn a_certificate_of_this_authority_is_renewed_by_its_holder() {
        let mut office = office();
        let certificate = office.enrolled();
        let own = csr(Some("sensor-1"), None);
        assert_eq!(office.ask(&again(&own), Some(certificate.der())), "sensor-1");
        assert_eq!(
            office.ask(&enrol(&csr(None, None)), Some(certificate.der())),
            "sensor-1",
            "another key, by it"
        );
        // A password does not renew, and a certificate renews nobody else.
        let by_password = login(again(&own), "sensor-1", "sensor-1 password");
        assert_eq!(office.ask(&by_password, None), "401 client-certificate-required");
        for named in [Some("sensor-2"), None] {
            assert_eq!(office.ask(&again(&csr(named, None)), Some(certificate.der())), "403 name-mismatch");
        }
        office.0.roster = Roster::new(vec![client("sensor-2")]).unwrap();
        assert_eq!(office.ask(&again(&own), Some(certificate.der())), "403 not-on-allow-list");
    }

    #[test]
    fn what_is_revoked_expired_or_of_others_renews_nothing() {
        let mut office = office();
        let certificate = office.enrolled();
        let own = again(&csr(Some("sensor-1"), None));
        let mut other = Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap();
        let request = super::super::Csr::parse(&csr(None, None)).unwrap();
        let prepared = other.prepare(&request, &subject("sensor-1"), EPOCH_UNIX_S).unwrap();
        let foreign = other.issue(prepared).unwrap();
        assert_eq!(office.ask(&own, Some(&foreign)), "403 certificate-not-ours");
        assert_eq!(office.ask(&own, Some(b"no certificate")), "403 certificate-not-ours");
        office.1 = certificate.not_after_unix_s() + 1;
        assert_eq!(office.ask(&own, Some(certificate.der())), "403 certificate-expired");
        office.1 = EPOCH_UNIX_S;
        office.0.authority_mut().revoke(certificate.serial(), RevocationReason::KeyCompromise, 0).unwrap();
        assert_eq!(office.ask(&own, Some(certificate.der())), "403 certificate-revoked");
    }

    #[test]
    fn a_listed_certificate_of_others_gets_a_first_one_of_ours() {
        let foreign = b"as TLS has verified it".to_vec();
        let listed = Client {
            certificate_sha256: Some(Sha256::digest(&foreign).into()),
            login: None,
            ..client("gateway")
        };
        let mut office = office();
        office.0.roster = Roster::new(vec![listed]).unwrap();
        assert_eq!(office.ask(&enrol(&csr(None, None)), Some(&foreign)), "gateway");
        assert_eq!(
            office.ask(&again(&csr(Some("gateway"), None)), Some(&foreign)),
            "403 certificate-not-ours"
        );
        assert_eq!(office.ask(&login(enrol(&csr(None, None)), "gateway", ""), None), "401 not-authenticated");
    }

    #[test]
    fn linking_is_demanded_where_the_office_says_so() {
        let mut office = Office(served(Linking::Demanded), EPOCH_UNIX_S);
        let with = |binding| login(enrol(&csr(None, binding)), "sensor-1", "sensor-1 password");
        assert_eq!(office.ask(&with(Some(&BINDING)), None), "sensor-1");
        assert_eq!(office.ask(&with(Some(&[6; 32])), None), "400 csr-not-bound");
        assert_eq!(office.ask(&with(None), None), "400 csr-not-bound");
    }

    #[test]
    fn nothing_in_a_request_widens_a_certificate_or_gets_a_key() {
        let mut office = office();
        let certificate = office.enrolled();
        assert!(DeviceCertificate::parse(certificate.der()).is_err(), "it is no device of a lab");
        let ask = |path: &str| Request::new("POST", path, "ca.test").body("application/pkcs10", "x");
        assert_eq!(office.response(&ask("/.well-known/est/serverkeygen"), None).status, 501);
        assert_eq!(office.response(&ask("/.well-known/est/cacerts"), None).status, 405);
        assert_eq!(office.response(&ask("/"), None).status, 404);
        let mut unproved = csr(None, None);
        let last = unproved.len() - 1;
        unproved[last] ^= 1;
        let request = login(enrol(&unproved), "sensor-1", "sensor-1 password");
        assert_eq!(office.ask(&request, None), "400 bad-csr");
        let huge = vec![b'A'; est::REQUEST_MAX + 1];
        let huge = Request { body: huge, ..login(enrol(&csr(None, None)), "sensor-1", "sensor-1 password") };
        assert_eq!(office.response(&huge, None).status, 413);
        let text = login(
            Request::new("POST", Operation::SimpleEnroll.path(), "ca.test"),
            "sensor-1",
            "sensor-1 password",
        );
        assert_eq!(office.response(&text.body("text/plain", csr(None, None)), None).status, 415);
    }

    #[test]
    fn nobody_is_on_the_list_twice() {
        let twice = |one: Client, other: Client| Roster::new(vec![one, other]).unwrap_err();
        assert_eq!(twice(client("a"), client("a")), "the name \"a\" is there twice");
        let same_user = Client { login: client("a").login, ..client("b") };
        assert_eq!(twice(client("a"), same_user), "the user \"a\" is there twice");
        let with = |name| Client { certificate_sha256: Some([1; 32]), ..client(name) };
        assert!(twice(with("a"), with("b")).starts_with("the certificate 0101"));
        assert!(Roster::new(Vec::new()).unwrap().is_empty());
    }
}
