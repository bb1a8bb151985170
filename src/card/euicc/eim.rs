//! What the eUICC knows of its eIMs: AddInitialEim, GetEimConfigurationData, GetCerts and the eIM configuration
//! operations of a package (SGP.32 clauses 2.11.1.1.1, 2.11.1.1.2, 5.9.4, 5.9.10 and 5.9.18).

use super::Euicc;
use super::es10::Answer;
use super::events::EuiccRefusal;
use crate::crypto::rsp_cert::{RspCertificate, RspPublicKey};
use crate::wire::rsp::iot::{
    AddEimResult, AddInitialEim, AddInitialEimResponse, Added, Certificates, Eco, EimConfigurationData,
    EimIdInfo, EimIdType, EimKey, EuiccResultData, ListEimResult, Operation, configuration_response,
    parse_certificates_request, parse_configuration_request,
};

const ADD_INITIAL: &str = "ES10b.AddInitialEim";
const PACKAGE: &str = "ES10b.LoadEuiccPackage";
/// eIMs that there is room for.
const EIMS_MAX: usize = 8;
/// The highest counter that a package may have.
pub(super) const COUNTER_MAX: u64 = 0x7f_ffff;

/// Codes that AddInitialEim, addEim and updateEim share.
const NOT_FOUND: u64 = 1;
const NO_MEMORY: u64 = 1;
const LAST_DELETED: u64 = 2;
const EXISTS: u64 = 2;
const CI_UNKNOWN: u64 = 3;
const INVALID_TOKEN: u64 = 5;
const COUNTER_OUT_OF_RANGE: u64 = 6;
const COMMAND_ERROR: u64 = 7;

impl Euicc {
    /// ES10b.AddInitialEim: all of them or none.
    pub(super) fn add_initial_eim(&mut self, bytes: &[u8]) -> Answer {
        let AddInitialEim(list) = AddInitialEim::parse(bytes)?;
        let response = match self.initial_eims(&list) {
            Ok(()) => AddInitialEimResponse::Ok(list.into_iter().map(|eim| self.add(eim)).collect()),
            Err(refusal) => AddInitialEimResponse::Error(self.refuse(ADD_INITIAL, refusal)),
        };
        Ok(response.to_bytes())
    }

    fn initial_eims(&self, list: &[EimConfigurationData]) -> Result<(), EuiccRefusal> {
        if !self.memory.eims.is_empty() {
            let text = "there is an eIM already; only an eIM may add another one";
            return Err(EuiccRefusal::new(EXISTS, "eim-exists", text));
        }
        if list.is_empty() {
            return Err(EuiccRefusal::new(COMMAND_ERROR, "eim-missing", "the list of eIMs is empty"));
        }
        for (at, eim) in list.iter().enumerate() {
            self.check_eim(eim, &list[..at])?;
        }
        Ok(())
    }

    /// Whether `eim` may be added to those that are there and `before`.
    fn check_eim(
        &self,
        eim: &EimConfigurationData,
        before: &[EimConfigurationData],
    ) -> Result<(), EuiccRefusal> {
        if self.memory.eims.len() + before.len() >= EIMS_MAX {
            return Err(EuiccRefusal::new(
                NO_MEMORY,
                "memory-insufficient",
                format!("{EIMS_MAX} eIMs are there"),
            ));
        }
        if self.memory.eims.iter().chain(before).any(|other| other.eim_id == eim.eim_id) {
            return Err(EuiccRefusal::new(
                EXISTS,
                "eim-exists",
                format!("there is an eIM {:?} already", eim.eim_id),
            ));
        }
        if eim.key.is_none() {
            return Err(EuiccRefusal::new(
                COMMAND_ERROR,
                "eim-key-missing",
                "an eIM without a key can order nothing",
            ));
        }
        if eim.counter.is_none() {
            let text = "an eIM begins with a counterValue";
            return Err(EuiccRefusal::new(COMMAND_ERROR, "eim-counter-missing", text));
        }
        if eim.association_token.is_some_and(|token| token != EimConfigurationData::CALCULATE_TOKEN) {
            let text = "an association token is asked for with -1; the eUICC calculates it";
            return Err(EuiccRefusal::new(INVALID_TOKEN, "association-token-invalid", text));
        }
        self.check_eim_fields(eim)
    }

    fn check_eim_fields(&self, eim: &EimConfigurationData) -> Result<(), EuiccRefusal> {
        if eim.key.as_ref().is_some_and(|key| public_key(key).is_none()) {
            let text = "the eIM's key is on no curve that is known here, or its certificate cannot be read";
            return Err(EuiccRefusal::new(COMMAND_ERROR, "eim-key-invalid", text));
        }
        if eim.counter.is_some_and(|counter| counter > COUNTER_MAX) {
            let text = format!("a counter beyond {COUNTER_MAX} leaves no package");
            return Err(EuiccRefusal::new(COUNTER_OUT_OF_RANGE, "counter-out-of-range", text));
        }
        if eim.ci_key_id.as_ref().is_some_and(|id| !self.config.signing_ci().starts_with(id)) {
            return Err(EuiccRefusal::new(
                CI_UNKNOWN,
                "ci-unknown",
                "the eUICC is certified under another CI",
            ));
        }
        Ok(())
    }

    /// Adds an eIM that was checked, with what the eUICC assigns where it says nothing (clause 5.9.4).
    fn add(&mut self, mut eim: EimConfigurationData) -> Added {
        self.changed();
        eim.id_type = eim.id_type.or(Some(EimIdType::Proprietary));
        eim.protocols = eim.protocols.or(Some(EimConfigurationData::PROPRIETARY));
        eim.ci_key_id = eim.ci_key_id.or_else(|| Some(self.config.signing_ci().to_vec()));
        let added = match eim.association_token {
            None => Added::Plain,
            Some(_) => {
                self.memory.association_tokens += 1;
                eim.association_token = i64::try_from(self.memory.association_tokens).ok();
                Added::Token(self.memory.association_tokens)
            }
        };
        self.tell(PACKAGE, "eim-added", format!("{:?} may manage this eUICC", eim.eim_id));
        self.memory.eims.push(eim);
        added
    }

    /// ES10b.GetEimConfigurationData. How far an eIM has counted it tells nobody (SGP.32 clause 5.9.18).
    pub(super) fn eim_configuration(&mut self, bytes: &[u8]) -> Answer {
        let wanted = parse_configuration_request(bytes)?;
        let matches = |eim: &&EimConfigurationData| wanted.as_ref().is_none_or(|id| eim.eim_id == *id);
        let told = |eim: &EimConfigurationData| EimConfigurationData { counter: None, ..eim.clone() };
        Ok(configuration_response(&self.memory.eims.iter().filter(matches).map(told).collect::<Vec<_>>()))
    }

    /// ES10b.GetCerts.
    pub(super) fn certificates(&mut self, bytes: &[u8]) -> Answer {
        let wanted = parse_certificates_request(bytes)?;
        let [euicc, eum] = &self.config.chain;
        let certificates = Certificates { eum: eum.der().to_vec(), euicc: euicc.der().to_vec() };
        if wanted.is_none_or(|id| self.config.signing_ci().starts_with(&id)) {
            return Ok(Certificates::response(Ok(&certificates)));
        }
        let refusal = EuiccRefusal::new(1, "ci-unknown", "the eUICC is certified under another CI");
        Ok(Certificates::response(Err(self.refuse("ES10b.GetCerts", refusal))))
    }

    /// Does one eIM configuration operation.
    pub(super) fn eco(&mut self, eco: &Eco) -> EuiccResultData {
        match eco {
            Eco::Add(eim) => EuiccResultData::AddEim(match self.check_eim(eim, &[]) {
                Ok(()) => match self.add(eim.clone()) {
                    Added::Token(token) => AddEimResult::Token(token),
                    Added::Plain => AddEimResult::Code(0),
                },
                Err(refusal) => AddEimResult::Code(self.refuse(PACKAGE, refusal)),
            }),
            Eco::Delete(eim_id) => {
                let before = self.memory.eims.len();
                self.memory.eims.retain(|eim| eim.eim_id != *eim_id);
                let code = match self.memory.eims.len() {
                    now if now == before => {
                        let text = format!("there is no eIM {eim_id:?}");
                        self.refuse(PACKAGE, EuiccRefusal::new(NOT_FOUND, "eim-unknown", text))
                    }
                    0 => LAST_DELETED,
                    _ => 0,
                };
                self.changed();
                EuiccResultData::Code(Operation::DeleteEim, code)
            }
            Eco::Update(eim) => {
                let code = match self.update_eim(eim) {
                    Ok(()) => 0,
                    Err(refusal) => self.refuse(PACKAGE, refusal),
                };
                EuiccResultData::Code(Operation::UpdateEim, code)
            }
            Eco::List => {
                let info = |eim: &EimConfigurationData| EimIdInfo {
                    eim_id: eim.eim_id.clone(),
                    id_type: eim.id_type.filter(|kind| *kind != EimIdType::Proprietary),
                };
                let list = self.memory.eims.iter().map(info).collect();
                EuiccResultData::ListEim(ListEimResult::Ok(list))
            }
            Eco::Unknown(_) => EuiccResultData::Code(Operation::Terminated, 2),
        }
    }

    /// Replaces what the update names, and leaves the rest. A token is given once and stays.
    fn update_eim(&mut self, update: &EimConfigurationData) -> Result<(), EuiccRefusal> {
        self.check_eim_fields(update)?;
        let Some(eim) = self.memory.eims.iter_mut().find(|eim| eim.eim_id == update.eim_id) else {
            let text = format!("there is no eIM {:?}", update.eim_id);
            return Err(EuiccRefusal::new(NOT_FOUND, "eim-unknown", text));
        };
        let update = update.clone();
        *eim = EimConfigurationData {
            eim_id: update.eim_id,
            fqdn: update.fqdn.or(eim.fqdn.take()),
            id_type: update.id_type.or(eim.id_type),
            counter: update.counter.or(eim.counter),
            association_token: eim.association_token,
            key: update.key.or(eim.key.take()),
            tls: update.tls.or(eim.tls.take()),
            protocols: update.protocols.or(eim.protocols),
            ci_key_id: update.ci_key_id.or(eim.ci_key_id.take()),
            indirect_download: update.indirect_download || eim.indirect_download,
        };
        self.changed();
        Ok(())
    }
}

/// The public key that packages of an eIM are verified with. Its certificate is trusted as it is: who adds an eIM
/// vouches for it.
pub(super) fn public_key(key: &EimKey) -> Option<RspPublicKey> {
    match key {
        EimKey::PublicKey(spki) => RspPublicKey::from_spki(spki).ok(),
        EimKey::Certificate(der) => RspCertificate::parse(der).ok().map(|certificate| *certificate.public()),
    }
}
