//! An eUICC for the Internet of Things: the functions that SGP.32 adds, written from the card's side of the
//! specification, around the eUICC of SGP.22. So that eIM and IPA are not only tested against the card of the house.

use std::sync::{Arc, Mutex};

use cellbed::card::{CardPort, PortError, Uicc};
use cellbed::crypto::Tally;
use cellbed::crypto::rsp_cert::{RspCertificate, RspKey};
use cellbed::wire::rsp::iot::{
    AddInitialEim, AddInitialEimResponse, Added, Certificates, Eco, EimConfigurationData, EimIdInfo, EimKey,
    EuiccPackage, EuiccPackageErrorData, EuiccPackageRequest, EuiccPackageResult, EuiccPackageResultData,
    EuiccPackageSigned, EuiccResultData, ListEimResult, Operation, ProfileRollback, Psmo, Retrieved,
    configuration_response, with_token,
};
use cellbed::wire::rsp::{
    EidBytes, IccidBytes, ProfileFilter, ProfileId, ProfileState, RetrieveNotifications, Switch, SwitchKind,
    parse_profile_list, parse_result,
};

/// Sequence numbers of results, apart from those of notifications.
const FIRST_RESULT: u64 = 5000;

/// What is in the card beside what the eUICC of SGP.22 holds.
pub struct Inside {
    pub eims: Vec<EimConfigurationData>,
    pub results: Vec<(u64, Vec<u8>)>,
    next: u64,
    /// What to go back to, and the package that allowed it.
    rollback: Option<(Option<IccidBytes>, EuiccPackageSigned)>,
    /// Changes every signature that the card makes from now on.
    pub forge: bool,
}

pub struct IotCard {
    pub inner: Uicc,
    key: RspKey,
    chain: [RspCertificate; 2],
    eid: EidBytes,
    pub inside: Arc<Mutex<Inside>>,
    chain_of_commands: Vec<Vec<u8>>,
}

impl IotCard {
    pub fn new(inner: Uicc, key: RspKey, chain: [RspCertificate; 2], eid: EidBytes) -> Self {
        let inside = Inside {
            eims: Vec::new(),
            results: Vec::new(),
            next: FIRST_RESULT,
            rollback: None,
            forge: false,
        };
        Self { inner, key, chain, eid, inside: Arc::new(Mutex::new(inside)), chain_of_commands: Vec::new() }
    }

    /// One function of the eUICC inside, on the channel of `class`.
    fn inner(&mut self, class: u8, request: &[u8]) -> Vec<u8> {
        let blocks: Vec<&[u8]> = request.chunks(255).collect();
        let mut response = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let p1 = if number + 1 == blocks.len() { 0x91 } else { 0x11 };
            let head = [class, 0xe2, p1, number as u8, block.len() as u8];
            response = self.inner.transmit(&[&head[..], block].concat()).unwrap();
        }
        let mut data = Vec::new();
        loop {
            let (body, sw) = response.split_last_chunk::<2>().unwrap();
            data.extend_from_slice(body);
            match sw {
                [0x61, more] => response = self.inner.transmit(&[class & 0x0f, 0xc0, 0, 0, *more]).unwrap(),
                _ => return data,
            }
        }
    }

    fn function(&mut self, class: u8, request: &[u8]) -> Option<Vec<u8>> {
        let inside = self.inside.clone();
        match request.get(..2)? {
            [0xbf, 0x57] => {
                let AddInitialEim(list) = AddInitialEim::parse(request).unwrap();
                let mut inside = inside.lock().unwrap();
                if !inside.eims.is_empty() {
                    return Some(AddInitialEimResponse::Error(2).to_bytes());
                }
                let added = |mut eim: EimConfigurationData| {
                    eim.association_token = eim.association_token.map(|_| 7);
                    let added = eim.association_token.map_or(Added::Plain, Added::Token);
                    inside.eims.push(eim);
                    added
                };
                Some(AddInitialEimResponse::Ok(list.into_iter().map(added).collect()).to_bytes())
            }
            [0xbf, 0x55] => Some(configuration_response(&inside.lock().unwrap().eims)),
            [0xbf, 0x56] => {
                let [euicc, eum] = &self.chain;
                let certificates = Certificates { eum: eum.der().to_vec(), euicc: euicc.der().to_vec() };
                Some(Certificates::response(Ok(&certificates)))
            }
            [0xbf, 0x51] => Some(self.load_package(class, request).to_bytes()),
            [0xbf, 0x58] => Some(self.roll_back(class).to_bytes()),
            [0xbf, 0x2b]
                if RetrieveNotifications::parse(request)
                    == Ok(RetrieveNotifications::EuiccPackageResults) =>
            {
                let results: Vec<_> =
                    inside.lock().unwrap().results.iter().map(|(_, raw)| raw.clone()).collect();
                Some(Retrieved::package_results_response(&results))
            }
            [0xbf, 0x30] => {
                let number = request[5..].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
                let results = &mut inside.lock().unwrap().results;
                let before = results.len();
                results.retain(|(of, _)| *of != number);
                (results.len() < before).then(|| vec![0xbf, 0x30, 3, 0x80, 1, 0])
            }
            _ => None,
        }
    }

    fn enabled(&mut self, class: u8) -> Option<IccidBytes> {
        let list = parse_profile_list(&self.inner(class, &ProfileFilter::default().to_bytes())).unwrap();
        list.into_iter().find(|info| info.state == Some(ProfileState::Enabled)).and_then(|info| info.iccid)
    }

    fn switch(&mut self, class: u8, kind: SwitchKind, iccid: IccidBytes) -> u64 {
        let switch = Switch { kind, profile: ProfileId::Iccid(iccid), refresh: kind != SwitchKind::Delete };
        parse_result(kind as u16, &self.inner(class, &switch.to_bytes())).unwrap()
    }

    fn sign(&self, data: &[u8], token: Option<u64>) -> [u8; 64] {
        let mut signature = self.key.sign(&with_token(data, token));
        if self.inside.lock().unwrap().forge {
            signature[5] ^= 1;
        }
        signature
    }

    fn load_package(&mut self, class: u8, request: &[u8]) -> EuiccPackageResult {
        let request = EuiccPackageRequest::parse(request).unwrap();
        let signed = EuiccPackageSigned::parse(&request.signed).unwrap();
        let known = self.inside.lock().unwrap().eims.iter().find(|eim| eim.eim_id == signed.eim_id).cloned();
        let unsigned = EuiccPackageResult::ErrorUnsigned {
            eim_id: signed.eim_id.clone(),
            transaction_id: signed.transaction_id.clone(),
            association_token: known.as_ref().and_then(|eim| eim.association_token),
            code: Some(127),
        };
        let Some(eim) = known else { return unsigned };
        let Some(EimKey::Certificate(der)) = &eim.key else { return unsigned };
        let certificate = RspCertificate::parse(der).unwrap();
        let covered = with_token(&request.signed, eim.association_token);
        if certificate.public().verify(&covered, &request.signature, &Tally::new()).is_err() {
            return unsigned;
        }
        let error = |code| {
            let data = EuiccPackageErrorData {
                eim_id: signed.eim_id.clone(),
                counter: signed.counter,
                transaction_id: signed.transaction_id.clone(),
                code,
            }
            .to_bytes();
            EuiccPackageResult::ErrorSigned { signature: self.sign(&data, eim.association_token), data }
        };
        if signed.eid != self.eid {
            return error(3);
        }
        if eim.counter.is_some_and(|counter| signed.counter <= counter) {
            return error(4);
        }
        let set = |eim: &mut EimConfigurationData| eim.counter = Some(signed.counter);
        self.inside.lock().unwrap().eims.iter_mut().filter(|e| e.eim_id == eim.eim_id).for_each(set);
        let mut results = Vec::new();
        match &signed.package {
            EuiccPackage::Psmo(list) => {
                for psmo in list {
                    let before = self.enabled(class);
                    let result = self.psmo(class, psmo);
                    if matches!(psmo, Psmo::Enable { rollback: true, .. }) && result.is_ok() {
                        self.inside.lock().unwrap().rollback = Some((before, signed.clone()));
                    }
                    results.push(result);
                }
            }
            EuiccPackage::Eco(list) => {
                let eims = &self.inside.lock().unwrap().eims;
                let info = |eim: &EimConfigurationData| EimIdInfo {
                    eim_id: eim.eim_id.clone(),
                    id_type: eim.id_type,
                };
                results.extend(list.iter().map(|eco| match eco {
                    Eco::List => EuiccResultData::ListEim(ListEimResult::Ok(eims.iter().map(info).collect())),
                    _ => EuiccResultData::Code(Operation::Terminated, 2),
                }));
            }
        }
        self.result(&signed, eim.association_token, results)
    }

    fn psmo(&mut self, class: u8, psmo: &Psmo) -> EuiccResultData {
        match psmo {
            Psmo::Enable { iccid, .. } => {
                EuiccResultData::Code(Operation::Enable, self.switch(class, SwitchKind::Enable, *iccid))
            }
            Psmo::Disable(iccid) => {
                EuiccResultData::Code(Operation::Disable, self.switch(class, SwitchKind::Disable, *iccid))
            }
            Psmo::Delete(iccid) => {
                EuiccResultData::Code(Operation::Delete, self.switch(class, SwitchKind::Delete, *iccid))
            }
            Psmo::ListProfileInfo(filter) => {
                EuiccResultData::ListProfileInfo(self.inner(class, &filter.to_bytes()))
            }
            _ => EuiccResultData::Code(Operation::Terminated, 2),
        }
    }

    fn result(
        &self,
        signed: &EuiccPackageSigned,
        token: Option<u64>,
        results: Vec<EuiccResultData>,
    ) -> EuiccPackageResult {
        let number = {
            let inside = &mut *self.inside.lock().unwrap();
            inside.next += 1;
            inside.next
        };
        let data = EuiccPackageResultData {
            eim_id: signed.eim_id.clone(),
            counter: signed.counter,
            transaction_id: signed.transaction_id.clone(),
            sequence_number: number,
            results,
        }
        .to_bytes();
        let result = EuiccPackageResult::Signed { signature: self.sign(&data, token), data };
        self.inside.lock().unwrap().results.push((number, result.to_bytes()));
        result
    }

    fn roll_back(&mut self, class: u8) -> ProfileRollback {
        let taken = self.inside.lock().unwrap().rollback.take();
        let Some((Some(before), signed)) = taken else { return ProfileRollback { code: 1, result: None } };
        let code = self.switch(class, SwitchKind::Enable, before);
        let token = self.inside.lock().unwrap().eims[0].association_token;
        let result = self.result(&signed, token, vec![EuiccResultData::Code(Operation::Rollback, code)]);
        ProfileRollback { code, result: Some(result.to_bytes()) }
    }
}

impl CardPort for IotCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        let [class, 0xe2, p1, _, _, ..] = command else { return self.inner.transmit(command) };
        self.chain_of_commands.push(command.to_vec());
        if *p1 == 0x11 {
            return Ok(vec![0x90, 0x00]);
        }
        let chain = std::mem::take(&mut self.chain_of_commands);
        let request: Vec<u8> = chain.iter().flat_map(|command| command[5..].to_vec()).collect();
        match self.function(*class, &request) {
            Some(mut response) => {
                response.extend([0x90, 0x00]);
                Ok(response)
            }
            None => chain.iter().try_fold(Vec::new(), |_, command| self.inner.transmit(command)),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.chain_of_commands.clear();
        self.inner.reset()
    }
}
