//! A profile element of any kind, and a package, which is one element behind another.

use super::aka::{AkaParameter, CdmaParameter};
use super::application::{Application, NonStandard, Rfm, SecurityDomain};
use super::codes::{PinCodes, PukCodes};
use super::der::{Fault, Object, Raw, Writer, constructed};
use super::error::ElementRef;
use super::error::{PackageError, PeStatusCode};
use super::file::{GenericFiles, TemplateFiles};
use super::header::{Header, PeHeader};
use super::template;

/// Names of the elements, by the number of their tag.
#[rustfmt::skip]
const NAMES: [&str; 34] = [
    "header", "genericFileManagement", "pinCodes", "pukCodes", "akaParameter", "cdmaParameter",
    "securityDomain", "rfm", "application", "nonStandard", "end", "rfu1", "rfu2", "rfu3", "rfu4", "rfu5",
    "mf", "cd", "telecom", "usim", "opt-usim", "isim", "opt-isim", "phonebook", "gsm-access", "csim",
    "opt-csim", "eap", "df-5gs", "df-saip", "df-snpn", "df-5gprose", "iot", "opt-iot",
];

/// Tag numbers of the elements that make files from templates.
const TEMPLATE_ELEMENTS: std::ops::RangeInclusive<u8> = 16..=31;

/// A profile element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// `header`, tag `A0`: the first element of a package, and no other.
    Header(Header),
    /// `genericFileManagement`, tag `A1`.
    GenericFiles(GenericFiles),
    /// `pinCodes`, tag `A2`.
    PinCodes(PinCodes),
    /// `pukCodes`, tag `A3`.
    PukCodes(PukCodes),
    /// `akaParameter`, tag `A4`.
    AkaParameter(AkaParameter),
    /// `cdmaParameter`, tag `A5`.
    CdmaParameter(CdmaParameter),
    /// `securityDomain`, tag `A6`.
    SecurityDomain(SecurityDomain),
    /// `rfm`, tag `A7`.
    Rfm(Rfm),
    /// `application`, tag `A8`.
    Application(Application),
    /// `nonStandard`, tag `A9`.
    NonStandard(NonStandard),
    /// `end`, tag `AA`: its head alone, the last element of a package.
    End(PeHeader),
    /// `mf` to `df-5gprose`; the name says which.
    Template(&'static str, TemplateFiles),
    /// One that this program does not know. Its head, if it has one, is read.
    Unknown(Option<PeHeader>, Raw),
}

impl Element {
    /// Its name in the ASN.1 module.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Header(_) => NAMES[0],
            Self::GenericFiles(_) => NAMES[1],
            Self::PinCodes(_) => NAMES[2],
            Self::PukCodes(_) => NAMES[3],
            Self::AkaParameter(_) => NAMES[4],
            Self::CdmaParameter(_) => NAMES[5],
            Self::SecurityDomain(_) => NAMES[6],
            Self::Rfm(_) => NAMES[7],
            Self::Application(_) => NAMES[8],
            Self::NonStandard(_) => NAMES[9],
            Self::End(_) => NAMES[10],
            Self::Template(name, _) => name,
            Self::Unknown(_, raw) => name_of(raw.tag),
        }
    }

    /// Its head; the profile header has none.
    pub fn head(&self) -> Option<&PeHeader> {
        match self {
            Self::Header(_) => None,
            Self::GenericFiles(e) => Some(&e.header),
            Self::PinCodes(e) => Some(&e.header),
            Self::PukCodes(e) => Some(&e.header),
            Self::AkaParameter(e) => Some(&e.header),
            Self::CdmaParameter(e) => Some(&e.header),
            Self::SecurityDomain(e) => Some(&e.header),
            Self::Rfm(e) => Some(&e.header),
            Self::Application(e) => Some(&e.header),
            Self::NonStandard(e) => Some(&e.header),
            Self::End(head) => Some(head),
            Self::Template(_, e) => Some(&e.header),
            Self::Unknown(head, _) => head.as_ref(),
        }
    }

    fn read(object: Object<'_>) -> Result<Self, Fault> {
        let name = name_of(object.tag);
        Ok(match number_of(object.tag) {
            Some(0) => Self::Header(Header::read(object)?),
            Some(1) => Self::GenericFiles(GenericFiles::read(object)?),
            Some(2) => Self::PinCodes(PinCodes::read(object)?),
            Some(3) => Self::PukCodes(PukCodes::read(object)?),
            Some(4) => Self::AkaParameter(AkaParameter::read(object)?),
            Some(5) => Self::CdmaParameter(CdmaParameter::read(object)?),
            Some(6) => Self::SecurityDomain(SecurityDomain::read(object)?),
            Some(7) => Self::Rfm(Rfm::read(object)?),
            Some(8) => Self::Application(Application::read(object)?),
            Some(9) => Self::NonStandard(NonStandard::read(object)?),
            Some(10) => {
                let mut fields = object.fields()?;
                let head = PeHeader::first(&mut fields)?;
                super::header::no_more(fields)?;
                Self::End(head)
            }
            Some(number) if TEMPLATE_ELEMENTS.contains(&number) => {
                Self::Template(name, TemplateFiles::read(object, &template::names(name))?)
            }
            _ => Self::Unknown(head_of(object), object.raw()),
        })
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Unknown(_, raw) => out.raw(std::slice::from_ref(raw)),
            known => {
                let number = NAMES.iter().position(|name| *name == known.name()).unwrap_or(0);
                out.group(constructed(number as u8), |w| known.write_body(w));
            }
        }
    }

    fn write_body(&self, w: &mut Writer) {
        match self {
            Self::Header(e) => e.write(w),
            Self::GenericFiles(e) => e.write(w),
            Self::PinCodes(e) => e.write(w),
            Self::PukCodes(e) => e.write(w),
            Self::AkaParameter(e) => e.write(w),
            Self::CdmaParameter(e) => e.write(w),
            Self::SecurityDomain(e) => e.write(w),
            Self::Rfm(e) => e.write(w),
            Self::Application(e) => e.write(w),
            Self::NonStandard(e) => e.write(w),
            Self::End(head) => head.write(w),
            Self::Template(name, e) => e.write(w, &template::names(name)),
            Self::Unknown(_, raw) => w.0.extend_from_slice(&raw.value),
        }
    }
}

/// Why bytes that do not begin as a header does are no package, in words for who has handed in the wrong file.
fn strange_beginning(bytes: &[u8]) -> String {
    let is_text = |byte: &u8| matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r');
    if !bytes.iter().all(is_text) {
        return "a package begins with its header, tag A0; this does not".to_owned();
    }
    let digits = || bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    let form = if digits().all(u8::is_ascii_hexdigit) {
        "hexadecimal digits; `xxd -r -p` makes DER of them"
    } else if digits().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)) {
        "Base64; `base64 -d` makes DER of it"
    } else if bytes.windows(3).any(|part| part == b"::=") || bytes.contains(&b'{') {
        "ASN.1 value notation; its publisher has DER beside it"
    } else {
        "no form of DER"
    };
    format!("this is text, {form}; a package is in DER")
}

fn number_of(tag: u16) -> Option<u8> {
    (0..NAMES.len() as u8).find(|number| constructed(*number) == tag)
}

fn name_of(tag: u16) -> &'static str {
    number_of(tag).map_or("unknown element", |number| NAMES[usize::from(number)])
}

/// The head of an element that is not known otherwise.
fn head_of(object: Object<'_>) -> Option<PeHeader> {
    let first = *object.objects().ok()?.first()?;
    if first.tag == constructed(0) { PeHeader::read(first).ok() } else { None }
}

/// A profile package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// In the order in which a card processes them.
    pub elements: Vec<Element>,
}

impl Package {
    /// Reads a package. What is read is written back byte for byte by [`Package::encode`].
    ///
    /// # Errors
    /// Where the bytes are none: with the element that cannot be read, or what else they are.
    pub fn decode(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut elements = Vec::new();
        let mut rest = bytes;
        let strange = bytes.first().is_some_and(|first| u16::from(*first) != constructed(0));
        if let Some(cause) = strange.then(|| strange_beginning(bytes)) {
            let fault = Fault::new(PeStatusCode::INVALID_REQUEST_FORMAT, cause);
            return Err(refusal(ElementRef { index: 0, name: "header" }, None, fault));
        }
        while !rest.is_empty() {
            let index = elements.len();
            if let Some(Element::End(head)) = elements.last() {
                let (count, from) = (rest.len(), bytes.len() - rest.len());
                let cause = format!("{count} bytes stand behind the end of the package, from byte {from} on");
                let fault = Fault::new(PeStatusCode::INVALID_REQUEST_FORMAT, cause);
                return Err(refusal(
                    ElementRef { index: index - 1, name: NAMES[10] },
                    Some(head.identification),
                    fault,
                ));
            }
            let (object, behind) = Object::read(rest, 0)
                .map_err(|fault| refusal(ElementRef { index, name: "unreadable element" }, None, fault))?;
            let name = name_of(object.tag);
            let element = Element::read(object).map_err(|fault| {
                refusal(ElementRef { index, name }, head_of(object).map(|head| head.identification), fault)
            })?;
            elements.push(element);
            rest = behind;
        }
        if elements.is_empty() {
            let fault = Fault::new(PeStatusCode::INVALID_REQUEST_FORMAT, "the package is empty");
            return Err(refusal(ElementRef { index: 0, name: "header" }, None, fault));
        }
        Ok(Self { elements })
    }

    /// The header of the package in `bytes`, without a look at what follows; none where there is none.
    pub fn header_in(bytes: &[u8]) -> Option<Header> {
        let (object, _) = Object::read(bytes, 0).ok()?;
        if object.tag == constructed(0) { Header::read(object).ok() } else { None }
    }

    /// The package in DER.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.elements.iter().for_each(|element| element.write(&mut out));
        out.0
    }

    /// The profile header, where the package begins with one.
    pub fn header(&self) -> Option<&Header> {
        match self.elements.first() {
            Some(Element::Header(header)) => Some(header),
            _ => None,
        }
    }

    /// Each element with its place and name.
    pub fn numbered(&self) -> impl Iterator<Item = (ElementRef, &Element)> {
        let place = |(index, element): (usize, &Element)| ElementRef { index, name: element.name() };
        self.elements.iter().enumerate().map(move |(i, e)| (place((i, e)), e))
    }

    /// A fault of one of the elements, as the card answers it.
    pub(super) fn refuse(&self, element: ElementRef, fault: Fault) -> PackageError {
        let head = self.elements.get(element.index).and_then(Element::head);
        refusal(element, head.map(|head| head.identification), fault)
    }
}

fn refusal(element: ElementRef, identification: Option<u16>, fault: Fault) -> PackageError {
    PackageError {
        element,
        identification,
        path: fault.path,
        cause: fault.cause,
        status: fault.status,
        offset: fault.offset.and_then(|offset| u32::try_from(offset).ok()),
    }
}
