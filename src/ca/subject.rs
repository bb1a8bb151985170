//! Whom a certificate names: the subject, and the names in subjectAltName (RFC 5280 sections 4.1.2.6 and 4.2.1.6).

use std::fmt;
use std::net::Ipv4Addr;

use der::asn1::OctetString;
use der::{Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::x509::{self, common_name_of};
use super::{CaError, der_error};
use crate::id::DeviceName;

/// Whom a certificate names, or is asked to name.
#[derive(Debug, Clone)]
pub struct Subject {
    name: Name,
    alternatives: Vec<GeneralName>,
}

impl Subject {
    /// A device of the lab: its name is the common name, and the URI in subjectAltName.
    ///
    /// # Errors
    /// None that a name could cause.
    pub fn device(name: &DeviceName) -> Result<Self, CaError> {
        let uri = GeneralName::UniformResourceIdentifier(x509::ia5(&name.urn())?);
        Ok(Self { name: x509::common_name(&name.to_string())?, alternatives: vec![uri] })
    }

    /// Somebody with a common name and any number of DNS names.
    ///
    /// # Errors
    /// [`CaError::CommonName`] where the name is empty or over 64 characters, [`CaError::HostName`].
    pub fn named(common_name: &str, hosts: &[String]) -> Result<Self, CaError> {
        let hosts = hosts.iter().map(|host| dns_name(host)).collect::<Result<_, _>>()?;
        Ok(Self { name: x509::common_name(common_name)?, alternatives: hosts })
    }

    /// A server with DNS names, the first of which is its common name, and addresses.
    ///
    /// # Errors
    /// [`CaError::HostName`] where a name is no DNS name or there is none.
    pub fn server(hosts: &[&str], addresses: &[Ipv4Addr]) -> Result<Self, CaError> {
        let first = hosts.first().ok_or(CaError::HostName { name: String::new() })?;
        let mut alternatives = hosts.iter().map(|host| dns_name(host)).collect::<Result<Vec<_>, _>>()?;
        for address in addresses {
            let octets = OctetString::new(address.octets()).map_err(der_error("an address"))?;
            alternatives.push(GeneralName::IpAddress(octets));
        }
        Ok(Self { name: x509::common_name(first)?, alternatives })
    }

    /// What stands in a certificate or a request.
    pub(super) fn of(name: Name, alternatives: Option<SubjectAltName>) -> Self {
        Self { name, alternatives: alternatives.map(|names| names.0).unwrap_or_default() }
    }

    /// The distinguished name.
    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// The names in subjectAltName.
    pub(super) fn alternatives(&self) -> &[GeneralName] {
        &self.alternatives
    }

    /// Whether nobody is named at all.
    pub fn is_empty(&self) -> bool {
        self.name.0.is_empty() && self.alternatives.is_empty()
    }

    /// The first common name.
    pub fn common_name(&self) -> Option<&str> {
        common_name_of(&self.name)
    }

    /// Whether both name the same, subject and subjectAltName alike. Which of the character strings of X.520 holds a
    /// text makes no difference.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_rdns = self.name.0.len() == other.name.0.len()
            && self.name.0.iter().zip(&other.name.0).all(|(one, two)| {
                one.0.len() == two.0.len()
                    && one
                        .0
                        .iter()
                        .zip(two.0.iter())
                        .all(|(a, b)| a.oid == b.oid && same_text(&a.value, &b.value))
            });
        same_rdns && self.alternatives == other.alternatives
    }

    /// Whether a request that names `asked` can be for this: what it says is the same, and what it leaves open is open.
    pub fn covers(&self, asked: &Self) -> bool {
        let filled = Self {
            name: if asked.name.0.is_empty() { self.name.clone() } else { asked.name.clone() },
            alternatives: match asked.alternatives.is_empty() {
                true => self.alternatives.clone(),
                false => asked.alternatives.clone(),
            },
        };
        self.is_same(&filled)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.common_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.name),
        }
    }
}

fn same_text(one: &der::asn1::Any, two: &der::asn1::Any) -> bool {
    let is_text = |tag| matches!(tag, Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    one == two || (is_text(one.tag()) && is_text(two.tag()) && one.value() == two.value())
}

/// Takes what rustls would match a server name against: letters, digits and hyphens in labels.
fn dns_name(name: &str) -> Result<GeneralName, CaError> {
    match rustls::pki_types::DnsName::try_from(name) {
        Ok(_) => Ok(GeneralName::DnsName(x509::ia5(name)?)),
        Err(_) => Err(CaError::HostName { name: name.chars().take(253).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Subject {
        Subject::device(&DeviceName::from_random([7; 16])).unwrap()
    }

    #[test]
    fn a_request_may_leave_names_open_and_may_not_change_them() {
        let asked = |name: Option<&str>, hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let Subject { alternatives, .. } = Subject::named("x", &hosts).unwrap();
            let name = name.map_or_else(Name::default, |name| x509::common_name(name).unwrap());
            Subject { name, alternatives }
        };
        let meant = Subject::named("sensor-1", &["sensor-1.test".to_owned()]).unwrap();
        for right in [
            asked(None, &[]),
            asked(Some("sensor-1"), &[]),
            asked(None, &["sensor-1.test"]),
            asked(Some("sensor-1"), &["sensor-1.test"]),
        ] {
            assert!(meant.covers(&right), "{right:?}");
        }
        for wrong in [asked(Some("sensor-2"), &[]), asked(None, &["other.test"]), device()] {
            assert!(!meant.covers(&wrong), "{wrong:?}");
        }
        assert!(asked(None, &[]).is_empty());
        assert!(!meant.is_same(&asked(Some("sensor-1"), &[])), "a name is missing");
        assert!(device().is_same(&device()));
    }

    #[test]
    fn the_kind_of_string_makes_no_difference() {
        let mut printable = device();
        let value = printable.name.to_string().replace("CN=", "");
        let mut attribute = printable.name.0[0].0.get(0).unwrap().clone();
        attribute.value = der::asn1::Any::new(Tag::PrintableString, value.as_bytes()).unwrap();
        printable.name.0[0] = x509_cert::name::RelativeDistinguishedName(
            der::asn1::SetOfVec::try_from(vec![attribute]).unwrap(),
        );
        assert!(printable.is_same(&device()) && printable.name != device().name);
    }

    #[test]
    fn servers_need_a_host_name() {
        for names in [&[][..], &["not a name"], &["ok.test", ""]] {
            assert!(matches!(Subject::server(names, &[]), Err(CaError::HostName { .. })), "{names:?}");
        }
        assert!(matches!(Subject::named("", &[]), Err(CaError::CommonName { .. })));
    }
}
