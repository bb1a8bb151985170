//! From a package to what a card installs: every element in its turn, with templates, defaults, patterns, paths and
//! links resolved (TCA profile interoperability clauses 7 and 8).

mod content;
mod files;
mod keys;
mod links;

use super::der::Fault;
use super::element::{Element, Package};
use super::error::{ElementRef, PackageError, PeStatusCode};
use super::image::{
    AppletInstance, CdmaImage, Image, LoadPackage, RfmImage, SecurityDomainImage, SecurityDomainKey,
};
use super::services::Services;
use super::toolkit::ToolkitParameters;
use super::{application, header::Header, template};

/// Versions of the specification whose packages are understood.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=3;

/// Identifiers of a path.
fn identifiers(path: &[u8]) -> Vec<u16> {
    path.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).collect()
}

impl Package {
    /// Applies all templates. An error names the element that a card could not install, and what the card
    /// answers.
    pub fn image(&self) -> Result<Image, PackageError> {
        super::rules::order(self)?;
        let mut assembly = Assembly::default();
        for (place, element) in self.numbered() {
            assembly.at = place;
            let installed = assembly.element(element);
            let unknown = matches!(element, Element::Unknown(..) | Element::NonStandard(_));
            match installed.map_err(|fault| self.refuse(place, fault)) {
                Ok(()) => {}
                Err(error) if unknown && element.head().is_some_and(|head| !head.mandated) => {
                    assembly.image.left_out.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        let finished = assembly.finish();
        finished.map_err(|(place, fault)| self.refuse(place, fault))
    }
}

/// A fault that shows only when all elements are known, with the element that it is in.
type Late = (ElementRef, Fault);

/// An image in the making.
struct Assembly {
    image: Image,
    /// The element that is being installed.
    at: ElementRef,
    /// Identifiers of links, and of what they show, by place of the link.
    links: Vec<(usize, Vec<u8>)>,
    /// The directory that codes are for: the first one that the last element with directories made.
    codes_for: Option<usize>,
    /// The ADF that was made last.
    application: Option<usize>,
    /// Key references that directories list, by place of the directory.
    listed: Vec<(usize, Vec<u8>)>,
}

impl Default for Assembly {
    fn default() -> Self {
        let image = Image {
            version: (0, 0),
            profile_type: None,
            iccid: [0xff; 10],
            header: ElementRef { index: 0, name: "header" },
            mandatory_services: Services::default(),
            mandatory_aids: Vec::new(),
            files: Vec::new(),
            pins: Vec::new(),
            shared_pins: Vec::new(),
            puks: Vec::new(),
            subscriptions: Vec::new(),
            applets: Vec::new(),
            load_packages: Vec::new(),
            security_domains: Vec::new(),
            rfm: Vec::new(),
            cdma: Vec::new(),
            left_out: Vec::new(),
        };
        let at = ElementRef { index: 0, name: "header" };
        Self { image, at, links: Vec::new(), codes_for: None, application: None, listed: Vec::new() }
    }
}

impl Assembly {
    fn element(&mut self, element: &Element) -> Result<(), Fault> {
        match element {
            Element::Header(header) => self.header(header),
            Element::Template(_, files) => self.template(files),
            Element::GenericFiles(files) => self.generic(files),
            Element::PinCodes(codes) => self.pins(codes),
            Element::PukCodes(codes) => self.puks(codes),
            Element::AkaParameter(aka) => self.aka(aka),
            Element::CdmaParameter(parameter) => {
                let adf = self.adf("cdmaParameter")?;
                self.image.cdma.push(CdmaImage { element: self.at, adf, parameter: parameter.clone() });
                Ok(())
            }
            Element::SecurityDomain(domain) => {
                let instance = self.instance(&domain.instance)?;
                self.image.security_domains.push(SecurityDomainImage {
                    element: self.at,
                    instance,
                    keys: domain.keys.iter().flatten().map(key).collect(),
                    data: domain.data.clone().unwrap_or_default(),
                });
                Ok(())
            }
            Element::Application(application) => {
                if let Some(code) = &application.code {
                    self.image.load_packages.push(LoadPackage {
                        element: self.at,
                        aid: code.aid.clone(),
                        security_domain: code.security_domain.clone(),
                        block: code.block.clone(),
                    });
                }
                for instance in application.instances.iter().flatten() {
                    let instance = self.instance(instance)?;
                    self.image.applets.push(instance);
                }
                Ok(())
            }
            Element::Rfm(rfm) => {
                self.image.rfm.push(RfmImage {
                    element: self.at,
                    instance: rfm.instance.clone(),
                    security_domain: rfm.security_domain.clone(),
                    tars: rfm.tars.clone().unwrap_or_default(),
                    minimum_security_level: rfm.minimum_security_level,
                    access_domain: rfm.access.clone(),
                    admin_access_domain: rfm.admin_access.clone(),
                    adf: rfm.adf.clone(),
                });
                Ok(())
            }
            Element::NonStandard(content) => Err(Fault::new(
                PeStatusCode::PE_NOT_SUPPORTED,
                format!("content that only cards of issuer {} understand", content.issuer),
            )),
            Element::Unknown(..) => {
                Err(Fault::new(PeStatusCode::PE_NOT_SUPPORTED, "an element that is not known here"))
            }
            Element::End(_) => Ok(()),
        }
    }

    fn header(&mut self, header: &Header) -> Result<(), Fault> {
        if !VERSIONS.contains(&header.major_version) {
            let cause = format!("version {} of the specification is not known here", header.major_version);
            return Err(Fault::new(PeStatusCode::UNSUPPORTED_PROFILE_VERSION, cause).within("major-version"));
        }
        if let Some(unknown) = header.mandatory_templates.iter().find(|oid| template::find(oid).is_none()) {
            let cause = format!("template {unknown} is not known here");
            let fault = Fault::new(PeStatusCode::TEMPLATE_NOT_SUPPORTED, cause);
            return Err(fault.within("eUICC-Mandatory-GFSTEList"));
        }
        self.image.version = (header.major_version, header.minor_version);
        self.image.profile_type.clone_from(&header.profile_type);
        self.image.iccid = header.iccid.map(|byte| byte.rotate_left(4));
        self.image.header = self.at;
        self.image.mandatory_services = header.mandatory_services.clone();
        self.image.mandatory_aids = header.mandatory_aids.clone().unwrap_or_default();
        Ok(())
    }

    fn instance(&self, instance: &application::Instance) -> Result<AppletInstance, Fault> {
        Ok(AppletInstance {
            element: self.at,
            load_package: instance.load_package.clone(),
            class: instance.class.clone(),
            instance: instance.instance.clone(),
            security_domain: instance.security_domain.clone(),
            privileges: instance.privileges.clone(),
            life_cycle: instance.life_cycle.unwrap_or(0x07),
            parameters: instance.parameters.clone(),
            toolkit: ToolkitParameters::of(instance)?,
            data: instance.data.clone().unwrap_or_default(),
        })
    }

    /// The application that keys are for.
    fn adf(&self, what: &str) -> Result<usize, Fault> {
        self.application.ok_or_else(|| {
            let cause = format!("{what} stands before any application; it belongs behind the one it is for");
            Fault::new(PeStatusCode::INVALID_PARAMETER, cause)
        })
    }

    /// What can be judged only now: links, references to codes, the ICCID.
    fn finish(mut self) -> Result<Image, Late> {
        self.resolve_links()?;
        self.check_codes()?;
        self.pin_status();
        let iccid = self.image.find(&[0x2fe2]).map(|place| &self.image.files[place].content);
        if let Some(iccid) = iccid.and_then(|content| <[u8; 10]>::try_from(&content[..]).ok())
            && iccid != [0xff; 10]
        {
            self.image.iccid = iccid;
        }
        Ok(self.image)
    }
}

fn key(key: &application::Key) -> SecurityDomainKey {
    let component =
        |c: &application::KeyComponent| (c.key_type.clone(), c.value.clone(), c.mac_length.unwrap_or(8));
    SecurityDomainKey {
        usage: key.usage.clone(),
        access: key.access.unwrap_or(0),
        identifier: key.identifier,
        version: key.version,
        counter: key.counter.clone(),
        components: key.components.iter().map(component).collect(),
    }
}
