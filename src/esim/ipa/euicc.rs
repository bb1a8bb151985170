//! What the IPA reads out of the eUICC, out of its results and out of packages for it.

use super::Ipa;
use crate::esim::lpa::{Es10, LpaError};
use crate::wire::rsp::iot::{
    EimConfigurationData, EimPackageResult, EuiccData, EuiccPackage, EuiccPackageRequest, EuiccPackageResult,
    EuiccPackageResultData, EuiccPackageSigned, EuiccResultData, IpaCapabilities, IpaEuiccDataRequest,
    IpaEuiccDataResponse, Operation, Psmo,
};
use crate::wire::rsp::{PendingNotification, RetrieveNotifications};
use crate::wire::tlv;

/// EimPackageResultErrorCode (SGP.32 clause 6.3.2.7).
const INVALID_FORMAT: u64 = 1;
const UNKNOWN_PACKAGE: u64 = 2;

impl Ipa {
    pub(super) fn euicc_data(
        &self,
        es10: &mut Es10<'_>,
        request: &IpaEuiccDataRequest,
    ) -> Result<IpaEuiccDataResponse, LpaError> {
        let mut data = EuiccData { transaction_id: request.transaction_id.clone(), ..EuiccData::default() };
        if request.wants(0xbf20) {
            data.euicc_info1 = Some(es10.info1()?);
        }
        if request.wants(0xbf22) {
            data.euicc_info2 = Some(es10.info2()?);
        }
        if request.wants(0x81) || request.wants(0x83) {
            let addresses = es10.addresses()?;
            data.default_smdp = addresses.default_smdp.filter(|_| request.wants(0x81));
            data.root_smds = Some(addresses.root_smds).filter(|_| request.wants(0x83));
        }
        if request.wants(0xa5) || request.wants(0xa6) {
            let certificates = match es10.certificates(request.ci_key_id.as_deref()) {
                Ok(certificates) => certificates,
                Err(LpaError::Euicc { .. }) => {
                    let transaction_id = request.transaction_id.clone();
                    return Ok(IpaEuiccDataResponse::Error { transaction_id, code: 5 });
                }
                Err(error) => return Err(error),
            };
            data.eum_certificate = Some(certificates.eum).filter(|_| request.wants(0xa5));
            data.euicc_certificate = Some(certificates.euicc).filter(|_| request.wants(0xa6));
        }
        if request.wants(0x84) {
            let eims = es10.eims()?;
            let own = eims.iter().find(|eim| eim.fqdn.as_deref() == Some(&self.options.eim));
            data.association_token = own.or(eims.first()).and_then(EimConfigurationData::token);
        }
        if request.wants(0xa0) {
            data.notifications = Some(waiting_notifications(es10)?.0);
        }
        if request.wants(0xa2) {
            let results = es10.retrieve(RetrieveNotifications::EuiccPackageResults)?;
            data.package_results = Some(results.package_results);
        }
        if request.wants(0xa8) {
            let way = if self.options.indirect { IpaCapabilities::INDIRECT } else { IpaCapabilities::DIRECT };
            let features = way | IpaCapabilities::EIM_DOWNLOAD_DATA;
            data.capabilities = Some(IpaCapabilities { features, protocols: Some(0x80) });
        }
        if request.wants(0xa9) {
            let device = self.options.device.to_bytes(0xa9);
            data.device = crate::wire::tlv::find(&device, 0xa9).ok().map(<[u8]>::to_vec);
        }
        Ok(IpaEuiccDataResponse::Ok(Box::new(data)))
    }
}

/// The notifications that wait in the eUICC, and their sequence numbers.
pub(super) fn waiting_notifications(es10: &mut Es10<'_>) -> Result<(Vec<Vec<u8>>, Vec<u64>), LpaError> {
    let notifications = es10.retrieve(RetrieveNotifications::All)?.notifications;
    let number = |raw: &Vec<u8>| Ok(PendingNotification::parse(raw)?.metadata()?.sequence_number);
    let numbers = notifications.iter().map(number).collect::<Result<Vec<u64>, LpaError>>()?;
    Ok((notifications, numbers))
}

/// What an eUICC has done with a package.
pub(super) struct Executed {
    /// Whether another profile is enabled now.
    pub(super) changed: bool,
    /// Whether all or part of it was not done.
    pub(super) refused: bool,
    /// For people.
    pub(super) sentence: String,
}

/// What a result says.
pub(super) fn executed(result: &[u8]) -> Executed {
    let refused = |sentence: &str| Executed { changed: false, refused: true, sentence: sentence.to_owned() };
    let results = match EuiccPackageResult::parse(result) {
        Ok(EuiccPackageResult::Signed { data, .. }) => {
            EuiccPackageResultData::parse(&data).map(|d| d.results)
        }
        Ok(EuiccPackageResult::ErrorSigned { .. } | EuiccPackageResult::ErrorUnsigned { .. }) => {
            return refused("the eUICC refused a package of the eIM");
        }
        Err(error) => Err(error),
    };
    let Ok(results) = results else {
        return refused("the eUICC gave a result that does not read");
    };
    let switches = |result: &EuiccResultData| {
        matches!(result, EuiccResultData::Code(Operation::Enable | Operation::Disable, 0))
    };
    let done = results.iter().filter(|result| result.is_ok()).count();
    Executed {
        changed: results.iter().any(switches),
        refused: done < results.len(),
        sentence: format!("executed a package of the eIM: {done} of {} done", results.len()),
    }
}

pub(super) fn allows_rollback(request: &[u8]) -> bool {
    let package = EuiccPackageRequest::parse(request)
        .and_then(|request| EuiccPackageSigned::parse(&request.signed))
        .map(|signed| signed.package);
    let allows = |psmo: &Psmo| matches!(psmo, Psmo::Enable { rollback: true, .. });
    matches!(package, Ok(EuiccPackage::Psmo(list)) if list.iter().any(allows))
}

/// By which the eUICC keeps the result of a package.
pub(super) fn kept_under(result: &EimPackageResult) -> Option<u64> {
    let EimPackageResult::Euicc { result, .. } = result else { return None };
    match EuiccPackageResult::parse(result).ok()? {
        EuiccPackageResult::Signed { data, .. } => {
            Some(EuiccPackageResultData::parse(&data).ok()?.sequence_number)
        }
        _ => None,
    }
}

/// The `eimPackageError` for a package that the eUICC cannot read.
pub(super) fn not_executed(request: &[u8]) -> EimPackageResult {
    let signed = EuiccPackageRequest::parse(request).and_then(|read| EuiccPackageSigned::parse(&read.signed));
    let transaction_id = signed.ok().and_then(|signed| signed.transaction_id);
    EimPackageResult::Error { transaction_id, code: INVALID_FORMAT }
}

/// The `eimPackageError` for an answer with a package that does not read, where it is one at all.
pub(super) fn unreadable(answer: &[u8]) -> Option<EimPackageResult> {
    let package = tlv::find(answer, 0xbf4f).ok()?;
    let (tag, ..) = tlv::header(package).ok()?;
    // The transaction stands where the kind of package has it.
    let field = |tag| tlv::find(package, tag).ok();
    let (code, transaction_id) = match tag {
        0xbf51 => return Some(not_executed(package)),
        0xbf52 => (INVALID_FORMAT, field(tag).and_then(|inner| tlv::find(inner, 0x83).ok())),
        0xbf54 => (INVALID_FORMAT, field(tag).and_then(|inner| tlv::find(inner, 0x82).ok())),
        0x02 => return None,
        _ => (UNKNOWN_PACKAGE, None),
    };
    let transaction_id = transaction_id.filter(|id| (1..=16).contains(&id.len())).map(<[u8]>::to_vec);
    Some(EimPackageResult::Error { transaction_id, code })
}
