//! What scenario and bench mean for the set-up of a world.

use super::super::bench::{
    AirVendor, CaVendor, CardVendor, CoreVendor, LedgerVendor, ModemVendor, Roles, SwitchVendor,
};
use super::super::scenario::{
    Ciphering, DeviceKind, EsimDownload, EsimPlan, FaultKind, Integrity, Operation, Scenario, StaffSection,
};
use super::Run;
use crate::corenet::HssFault;
use crate::crypto::Tally;
use crate::crypto::tls::KeyLogSink;
use crate::device::plan::{Counted, Cut};
use crate::event::{Step, StepId};
use crate::id::Imei;
use crate::io::clock;
use crate::ran::AirModel;
use crate::services::enrolment::EstFault;
use crate::services::esim::{EsimSetup, SmdpFault};
use crate::wire::ota::Counter;
use crate::world::factory::Mischief;
use crate::world::setup::{DeviceSetup, RogueCloud, Setup};

/// How many STORE DATA commands go through before a card loses its power: in the middle of the profile.
const STORE_DATA_BEFORE_CUT: u32 = 30;

impl Run {
    fn esim(&self, plan: &EsimPlan) -> Option<EsimSetup> {
        Some(EsimSetup {
            profile: self.profiles.get(&plan.profile)?.clone(),
            profile_name: plan.profile.clone(),
            package: self.package.clone(),
            trigger: plan.trigger,
            indirect: plan.download == EsimDownload::Indirect,
            subscribed: plan.subscribed,
            eums: plan.eum.iter().map(Into::into).collect(),
        })
    }

    /// Cards that are made for the run have counted nothing. One in a reader has counted the packets of every run before,
    /// of which nothing is kept here: the time is always further on, at up to 64 packets a second.
    fn ota_counter(&self) -> Counter {
        match self.bench.roles.card {
            CardVendor::Virtual => Counter::default(),
            CardVendor::Pcsc(_) => clock::unix_s().checked_mul(64).and_then(Counter::new).unwrap_or_default(),
        }
    }

    /// What the world is to be, for the device numbers, seeds and vendors of scenario and bench.
    pub(super) fn setup(&self, key_log: Option<KeyLogSink>, tally: Tally) -> Setup {
        let scenario = &self.scenario;
        // What has one vendor has nothing to choose; a second one does not compile until it is chosen here.
        let Roles { card: _, modem, base_station: _, core, switch, air, ledger, ca } = &self.bench.roles;
        let (ModemVendor::Protocol, CoreVendor::Embedded) = (modem, core);
        let (LedgerVendor::Embedded, CaVendor::Embedded) = (ledger, ca);
        let SwitchVendor::Embedded = switch;
        let devices = scenario.devices().into_iter().filter_map(|device| {
            let profile = self.profiles.get(&*device.profile)?.clone();
            Some(DeviceSetup {
                profile,
                index: device.index,
                allowed: device.allow,
                subscribed: device.subscribed,
                start: device.start,
                fault: scenario.fault_of(device.number).map_or(HssFault::None, hss_fault),
                power_cuts: power_cuts(scenario, device.number),
                smdp_fault: scenario.fault_of(device.number).and_then(smdp_fault),
                clone: device.original().is_some(),
                secret_of: device.original().unwrap_or(device.number),
                card_of: device.card_of,
                mischief: scenario.fault_of(device.number).map_or(Mischief::None, mischief),
                eum: device.eum,
                model: device.model,
                tac: device.tac.unwrap_or(Imei::TEST_TAC),
                rogue_cloud: scenario.fault_of(device.number).and_then(rogue_cloud),
                est_fault: scenario.fault_of(device.number).and_then(est_fault),
                dialect: device.iot_safe,
                update_fault: scenario.fault_of(device.number).and_then(FaultKind::of_update),
                kind: device.kind.map(DeviceKind::life),
                own_guard: device.own_guard,
                apn: device.apn.map(String::from),
                pdn_type: device.pdn_type.pdn_type(),
                pdn: device.subscribed_pdn,
            })
        });
        Setup {
            name: format!("{} on {}, {} devices", scenario.name, self.bench.name, scenario.device_count()),
            seed: scenario.seed,
            hiding: None,
            air: match air {
                AirVendor::Model => AirModel::of(scenario.rat),
            },
            plmn: scenario.network.plmn,
            inactivity: scenario
                .network
                .inactivity_ms
                .map(|time| std::time::Duration::from_millis(u64::from(time.get()))),
            t3412: scenario.network.t3412_s.map(|time| std::time::Duration::from_secs(u64::from(time.get()))),
            integrity: scenario.network.integrity.iter().map(|one| integrity(*one)).collect(),
            ciphering: scenario.network.ciphering.iter().map(|one| ciphering(*one)).collect(),
            plan: scenario.plan(),
            way: scenario.way,
            esim: scenario.esim.as_ref().and_then(|plan| self.esim(plan)),
            devices: devices.collect(),
            stations: self.bench.stations(),
            links: self.bench.links(),
            key_log,
            tally,
            card: None,
            certificates: None,
            registration: self.bench.registration,
            quarantine: self.bench.quarantine,
            slices: self.bench.slice.iter().map(|slice| (slice.apn.clone(), slice.reach)).collect(),
            guarded: scenario.guard,
            relying: scenario.peer.as_ref().map(Into::into),
            servers_on_ledger: scenario.servers_on_ledger,
            acts: scenario.operator.iter().map(Operation::planned).collect(),
            works: scenario.works(),
            staff: scenario.staff.iter().map(StaffSection::people).collect(),
            certificate_validity_s: self.bench.certificate_validity_s,
            updates: scenario.update.as_ref().map(Into::into),
            ota_counter: self.ota_counter(),
        }
    }
}

/// What the SM-DP+ has to do with a fault of the scenario.
fn smdp_fault(kind: FaultKind) -> Option<SmdpFault> {
    match kind {
        FaultKind::SmdpRogue => Some(SmdpFault::RogueSmdp),
        FaultKind::SmdpReplayedChallenge => Some(SmdpFault::ReplayedChallenge),
        FaultKind::SmdpWrongEid => Some(SmdpFault::WrongEid),
        FaultKind::SmdpTamperedSegment => Some(SmdpFault::TamperedSegment),
        _ => None,
    }
}

/// Who has taken the cloud's place.
fn rogue_cloud(kind: FaultKind) -> Option<RogueCloud> {
    match kind {
        FaultKind::CloudRogue => Some(RogueCloud::OtherAuthority),
        FaultKind::CloudImpostor => Some(RogueCloud::SameAuthority),
        _ => None,
    }
}

/// What EST has to do with it.
fn est_fault(kind: FaultKind) -> Option<EstFault> {
    match kind {
        FaultKind::EstPending => Some(EstFault::Pending),
        FaultKind::EstUnavailable => Some(EstFault::Unavailable),
        _ => None,
    }
}

/// What the HSS has to do with it.
fn hss_fault(kind: FaultKind) -> HssFault {
    match kind {
        FaultKind::HssWrongMac => HssFault::WrongMac,
        FaultKind::HssWrongKey => HssFault::WrongKey,
        FaultKind::HssSqnBehind => HssFault::SqnBehind,
        _ => HssFault::None,
    }
}

fn mischief(kind: FaultKind) -> Mischief {
    match kind {
        FaultKind::HostSoftKey => Mischief::SoftKey,
        FaultKind::HostOtherCard => Mischief::OtherCard,
        FaultKind::HostNewKeys => Mischief::NewKeys,
        FaultKind::CardNoOtaKeys => Mischief::NoOtaKeys,
        _ => Mischief::None,
    }
}

/// Where the power of device `number` is cut: where the scenario says, and once in the middle of the profile where the
/// card loses it.
fn power_cuts(scenario: &Scenario, number: u32) -> Vec<Cut> {
    let in_download = Cut {
        step: StepId::first(Step::Download),
        after: STORE_DATA_BEFORE_CUT,
        counted: Counted::StoreData,
    };
    let of_card = scenario.fault_of(number).filter(|kind| *kind == FaultKind::CardPowerCut);
    scenario.power_cuts_of(number).into_iter().chain(of_card.map(|_| in_download)).collect()
}

fn integrity(algorithm: Integrity) -> u8 {
    match algorithm {
        Integrity::Eia1 => 1,
        Integrity::Eia2 => 2,
        Integrity::Eia3 => 3,
    }
}

fn ciphering(algorithm: Ciphering) -> u8 {
    match algorithm {
        Ciphering::Eea0 => 0,
        Ciphering::Eea1 => 1,
        Ciphering::Eea2 => 2,
        Ciphering::Eea3 => 3,
    }
}
