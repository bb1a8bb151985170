//! Profile metadata and local profile management: ES8+.StoreMetadata, and GetProfilesInfo, EnableProfile,
//! DisableProfile and DeleteProfile of ES10c (SGP.22 clauses 2.4.4, 5.5.3 and 5.7.15 to 5.7.18).

use super::fields::{Fields, bits, boolean, int, optional_text, tlv};
use super::{IccidBytes, NotificationEvents, PolicyRules, RspError};

/// Whether a profile is the one that the device sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileState {
    /// `disabled` (0): installed, and hidden from the device.
    Disabled,
    /// `enabled` (1).
    Enabled,
}

/// What a profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileClass {
    /// `test` (0): with test keys, for networks under test.
    Test,
    /// `provisioning` (1): connectivity only to fetch another profile.
    Provisioning,
    /// `operational` (2), which is meant where the class is absent.
    #[default]
    Operational,
}

impl ProfileClass {
    fn read(number: u64) -> Option<Self> {
        [Self::Test, Self::Provisioning, Self::Operational].get(usize::try_from(number).ok()?).copied()
    }
}

/// Which operator owns a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorId {
    /// As TS 24.008 clause 10.5.1.3 packs them.
    pub mcc_mnc: [u8; 3],
    /// `gid1`, tag `81`: the content of EF.GID1 (TS 31.102 clause 4.2.10).
    pub gid1: Option<Vec<u8>>,
    /// `gid2`, tag `82`: the content of EF.GID2 (TS 31.102 clause 4.2.11).
    pub gid2: Option<Vec<u8>>,
}

impl OperatorId {
    pub(crate) fn read(mut f: Fields<'_>) -> Result<Self, RspError> {
        // AUTOMATIC TAGS number the components from 0.
        Ok(Self {
            mcc_mnc: f.array(0x80, "mccMnc")?,
            gid1: f.optional(0x81, "gid1")?.map(<[u8]>::to_vec),
            gid2: f.optional(0x82, "gid2")?.map(<[u8]>::to_vec),
        })
    }

    /// The fields under `tag`.
    pub fn to_bytes(&self, tag: u16) -> Vec<u8> {
        let gid = |tag, gid: &Option<Vec<u8>>| gid.as_ref().map(|gid| tlv(tag, &[gid])).unwrap_or_default();
        tlv(tag, &[&tlv(0x80, &[&self.mcc_mnc]), &gid(0x81, &self.gid1), &gid(0x82, &self.gid2)])
    }
}

/// Which events a server wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationConfiguration {
    /// `profileManagementOperation`, tag `80`.
    pub events: NotificationEvents,
    /// FQDN.
    pub address: String,
}

fn read_notifications(mut list: Fields<'_>) -> Result<Vec<NotificationConfiguration>, RspError> {
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut f = list.nested(0x30, "notificationConfigurationInfo")?;
        out.push(NotificationConfiguration {
            events: NotificationEvents(f.bits(0x80, "profileManagementOperation")?),
            address: f.text(0x81, "notificationAddress")?,
        });
    }
    Ok(out)
}

fn push_notifications(list: &[NotificationConfiguration]) -> Vec<u8> {
    let one = |c: &NotificationConfiguration| {
        tlv(0x30, &[&bits(0x80, c.events.0), &tlv(0x81, &[c.address.as_bytes()])])
    };
    match list {
        [] => Vec::new(),
        list => tlv(0xb6, &[&list.iter().flat_map(one).collect::<Vec<u8>>()]),
    }
}

/// The picture of a profile. Each field may stand alone where only it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Icon {
    /// `iconType`, tag `93`: jpg (0) or png (1).
    pub kind: Option<u64>,
    /// `icon`, tag `94`: the file of that kind, 64 by 64 pixels.
    pub image: Option<Vec<u8>>,
}

impl Icon {
    fn read(f: &mut Fields<'_>) -> Result<Option<Self>, RspError> {
        let kind = f.optional_integer(0x93, "iconType")?;
        let image = f.optional(0x94, "icon")?.map(<[u8]>::to_vec);
        Ok((kind.is_some() || image.is_some()).then_some(Self { kind, image }))
    }

    fn to_bytes(icon: Option<&Self>) -> Vec<u8> {
        let Some(icon) = icon else { return Vec::new() };
        let kind = icon.kind.map(|kind| int(0x93, kind)).unwrap_or_default();
        [kind, icon.image.as_ref().map(|image| tlv(0x94, &[image])).unwrap_or_default()].concat()
    }
}

/// ES8+.StoreMetadata, `BF25`: what the eUICC keeps of a profile beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileMetadata {
    /// `iccid`, tag `5A`.
    pub iccid: IccidBytes,
    /// At most 32 characters.
    pub service_provider: String,
    /// At most 64 characters.
    pub name: String,
    /// `iconType` and `icon`, tags `93` and `94`.
    pub icon: Option<Icon>,
    /// `profileClass`, tag `95`.
    pub class: ProfileClass,
    /// `notificationConfigurationInfo`, tag `B6`: who wants to hear of which events.
    pub notifications: Vec<NotificationConfiguration>,
    /// `profileOwner`, tag `B7`.
    pub owner: Option<OperatorId>,
    /// `profilePolicyRules`, tag `99`.
    pub rules: PolicyRules,
    /// What follows behind: `serviceSpecificDataStoredInEuicc` (`BF22`), `serviceSpecificDataNotStoredInEuicc` (`BF23`),
    /// and what SGP.32 adds, as it was received.
    pub further: Vec<u8>,
}

impl ProfileMetadata {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("StoreMetadataRequest", 0xbf25, bytes)?;
        let iccid = f.array(0x5a, "iccid")?;
        let service_provider = f.text(0x91, "serviceProviderName")?;
        let name = f.text(0x92, "profileName")?;
        if service_provider.chars().count() > 32 || name.chars().count() > 64 {
            return Err(f.wrong("profileName", "a provider has at most 32 characters, a name 64"));
        }
        Ok(Self {
            iccid,
            service_provider,
            name,
            icon: Icon::read(&mut f)?,
            class: class(&mut f)?.unwrap_or_default(),
            notifications: match f.peek() {
                Some(0xb6) => read_notifications(f.nested(0xb6, "notificationConfigurationInfo")?)?,
                _ => Vec::new(),
            },
            owner: match f.peek() {
                Some(0xb7) => Some(OperatorId::read(f.nested(0xb7, "profileOwner")?)?),
                _ => None,
            },
            rules: rules(&mut f)?,
            further: f.rest().to_vec(),
        })
    }

    /// The whole message, `BF25`. The class operational, which is the DEFAULT, is not written (X.690 clause 11.5).
    pub fn to_bytes(&self) -> Vec<u8> {
        tlv(
            0xbf25,
            &[
                &tlv(0x5a, &[&self.iccid]),
                &tlv(0x91, &[self.service_provider.as_bytes()]),
                &tlv(0x92, &[self.name.as_bytes()]),
                &Icon::to_bytes(self.icon.as_ref()),
                &match self.class {
                    ProfileClass::Operational => Vec::new(),
                    class => int(0x95, class as u64),
                },
                &push_notifications(&self.notifications),
                &self.owner.as_ref().map(|owner| owner.to_bytes(0xb7)).unwrap_or_default(),
                &push_rules(self.rules),
                &self.further,
            ],
        )
    }
}

fn class(f: &mut Fields<'_>) -> Result<Option<ProfileClass>, RspError> {
    let number = f.optional_integer(0x95, "profileClass")?;
    let unknown = f.wrong("profileClass", "it is test (0), provisioning (1) or operational (2)");
    number.map(|number| ProfileClass::read(number).ok_or(unknown)).transpose()
}

fn rules(f: &mut Fields<'_>) -> Result<PolicyRules, RspError> {
    let value = f.optional(0x99, "profilePolicyRules")?;
    let value = value.map(|value| f.first_bits(value, "profilePolicyRules")).transpose()?;
    Ok(value.map(PolicyRules).unwrap_or_default())
}

fn push_rules(rules: PolicyRules) -> Vec<u8> {
    if rules.is_empty() { Vec::new() } else { bits(0x99, rules.0) }
}

/// How a request names a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileId {
    /// AID of its ISD-P, tag `4F`.
    Aid(Vec<u8>),
    /// Tag `5A`.
    Iccid(IccidBytes),
}

impl ProfileId {
    pub(crate) fn read(f: &mut Fields<'_>) -> Result<Self, RspError> {
        match f.peek() {
            Some(0x4f) => f.take(0x4f, "isdpAid").map(|aid| Self::Aid(aid.to_vec())),
            _ => f.array(0x5a, "iccid").map(Self::Iccid),
        }
    }

    /// The identifier with its tag, `4F` or `5A`.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Aid(aid) => tlv(0x4f, &[aid]),
            Self::Iccid(iccid) => tlv(0x5a, &[iccid]),
        }
    }
}

/// The three requests that change the state of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum SwitchKind {
    /// ES10c.EnableProfile.
    Enable = 0xbf31,
    /// ES10c.DisableProfile.
    Disable = 0xbf32,
    /// ES10c.DeleteProfile.
    Delete = 0xbf33,
}

/// ES10c.EnableProfile, DisableProfile or DeleteProfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Which of the three; its value is the tag of the request.
    pub kind: SwitchKind,
    /// `profileIdentifier`: in `A0` where there is a refresh flag, bare in DeleteProfile.
    pub profile: ProfileId,
    /// Whether the eUICC is to send REFRESH; nothing to DeleteProfile.
    pub refresh: bool,
}

impl Switch {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::of("profile management request", bytes);
        let kind = match f.peek() {
            Some(0xbf31) => SwitchKind::Enable,
            Some(0xbf32) => SwitchKind::Disable,
            Some(0xbf33) => SwitchKind::Delete,
            _ => return Err(f.wrong("the message", "it begins with none of BF31, BF32 and BF33")),
        };
        f = Fields::open("profile management request", kind as u16, bytes)?;
        if kind == SwitchKind::Delete {
            return Ok(Self { kind, profile: ProfileId::read(&mut f)?, refresh: false });
        }
        let profile = ProfileId::read(&mut f.nested(0xa0, "profileIdentifier")?)?;
        Ok(Self { kind, profile, refresh: f.boolean(0x81, "refreshFlag")? })
    }

    /// The whole request, with the tag of its kind.
    pub fn to_bytes(&self) -> Vec<u8> {
        let id = self.profile.to_bytes();
        match self.kind {
            SwitchKind::Delete => tlv(0xbf33, &[&id]),
            kind => tlv(kind as u16, &[&tlv(0xa0, &[&id]), &boolean(0x81, self.refresh)]),
        }
    }

    /// The response with the result: ok (0), iccidOrAidNotFound (1), profileNotInDisabledState or
    /// profileNotInEnabledState (2), disallowedByPolicy (3), wrongProfileReenabling (4), catBusy (5),
    /// undefinedError (127).
    pub fn response(kind: SwitchKind, result: u64) -> Vec<u8> {
        result_response(kind as u16, result)
    }
}

/// A response that is one result code under `80`, as most of ES10c are.
pub fn result_response(tag: u16, result: u64) -> Vec<u8> {
    tlv(tag, &[&int(0x80, result)])
}

/// The code of such a response.
///
/// # Errors
/// Where it is none.
pub fn parse_result(tag: u16, bytes: &[u8]) -> Result<u64, RspError> {
    Fields::open("result", tag, bytes)?.integer(0x80, "result")
}

/// What ES10c.GetProfilesInfo, `BF2D`, asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileFilter {
    /// `searchCriteria`, tag `A0`: the one profile that is meant.
    pub profile: Option<ProfileId>,
    /// `searchCriteria`, tag `A0`: the profiles of one class; it counts where `profile` is none.
    pub class: Option<ProfileClass>,
    /// The tags that are wanted; the specified default where it is empty.
    pub tags: Vec<u8>,
}

impl ProfileFilter {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileInfoListRequest", 0xbf2d, bytes)?;
        let mut filter = Self::default();
        if f.peek() == Some(0xa0) {
            let mut criterion = f.nested(0xa0, "searchCriteria")?;
            match criterion.peek() {
                Some(0x95) => filter.class = class(&mut criterion)?,
                _ => filter.profile = Some(ProfileId::read(&mut criterion)?),
            }
        }
        filter.tags = f.optional(0x5c, "tagList")?.unwrap_or_default().to_vec();
        Ok(filter)
    }

    /// The whole request, `BF2D`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let criterion = match (&self.profile, self.class) {
            (Some(profile), _) => tlv(0xa0, &[&profile.to_bytes()]),
            (None, Some(class)) => tlv(0xa0, &[&int(0x95, class as u64)]),
            (None, None) => Vec::new(),
        };
        let tags = if self.tags.is_empty() { Vec::new() } else { tlv(0x5c, &[&self.tags]) };
        tlv(0xbf2d, &[&criterion, &tags])
    }
}

/// One profile in the response of GetProfilesInfo, `E3`. A field that was not asked for is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileInfo {
    /// `iccid`, tag `5A`.
    pub iccid: Option<IccidBytes>,
    /// `isdpAid`, tag `4F`: AID of the profile's ISD-P.
    pub aid: Option<Vec<u8>>,
    /// `profileState`, tag `9F70`.
    pub state: Option<ProfileState>,
    /// `profileNickname`, tag `90`: at most 64 characters that the user has given.
    pub nickname: Option<String>,
    /// `serviceProviderName`, tag `91`.
    pub service_provider: Option<String>,
    /// `profileName`, tag `92`.
    pub name: Option<String>,
    /// `iconType` and `icon`, tags `93` and `94`.
    pub icon: Option<Icon>,
    /// `profileClass`, tag `95`.
    pub class: Option<ProfileClass>,
    /// `notificationConfigurationInfo`, tag `B6`.
    pub notifications: Vec<NotificationConfiguration>,
    /// `profileOwner`, tag `B7`.
    pub owner: Option<OperatorId>,
    /// The fields of `dpProprietaryData`.
    pub dp_proprietary: Option<Vec<u8>>,
    /// `profilePolicyRules`, tag `99`.
    pub rules: PolicyRules,
    /// What follows behind: the fallback attribute of SGP.32 and others, as it was received.
    pub further: Vec<u8>,
}

impl ProfileInfo {
    /// Reads one `E3` object.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(raw: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileInfo", 0xe3, raw)?;
        let iccid = f.optional(0x5a, "iccid")?;
        let read = Self {
            iccid: iccid.map(|iccid| f.exactly(iccid, "iccid")).transpose()?,
            aid: f.optional(0x4f, "isdpAid")?.map(<[u8]>::to_vec),
            state: f.optional_integer(0x9f70, "profileState")?.map(|state| match state {
                0 => ProfileState::Disabled,
                _ => ProfileState::Enabled,
            }),
            nickname: f.optional_text(0x90, "profileNickname")?,
            service_provider: f.optional_text(0x91, "serviceProviderName")?,
            name: f.optional_text(0x92, "profileName")?,
            icon: Icon::read(&mut f)?,
            class: class(&mut f)?,
            notifications: match f.peek() {
                Some(0xb6) => read_notifications(f.nested(0xb6, "notificationConfigurationInfo")?)?,
                _ => Vec::new(),
            },
            owner: match f.peek() {
                Some(0xb7) => Some(OperatorId::read(f.nested(0xb7, "profileOwner")?)?),
                _ => None,
            },
            dp_proprietary: f.optional(0xb8, "dpProprietaryData")?.map(<[u8]>::to_vec),
            rules: rules(&mut f)?,
            further: f.rest().to_vec(),
        };
        // A field behind its place would be taken for another one when it is written again.
        match f.peek() {
            Some(0x5a | 0x4f | 0x9f70 | 0x90..=0x95 | 0x99 | 0xb6..=0xb8) => {
                Err(f.wrong("a field", "it stands behind its place"))
            }
            _ => Ok(read),
        }
    }

    /// The object, `E3`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let optional = |tag, value: Option<&[u8]>| value.map(|value| tlv(tag, &[value])).unwrap_or_default();
        tlv(
            0xe3,
            &[
                &optional(0x5a, self.iccid.as_ref().map(|iccid| &iccid[..])),
                &optional(0x4f, self.aid.as_deref()),
                &self.state.map(|state| int(0x9f70, state as u64)).unwrap_or_default(),
                &optional_text(0x90, self.nickname.as_deref()),
                &optional_text(0x91, self.service_provider.as_deref()),
                &optional_text(0x92, self.name.as_deref()),
                &Icon::to_bytes(self.icon.as_ref()),
                &self.class.map(|class| int(0x95, class as u64)).unwrap_or_default(),
                &push_notifications(&self.notifications),
                &self.owner.as_ref().map(|owner| owner.to_bytes(0xb7)).unwrap_or_default(),
                &optional(0xb8, self.dp_proprietary.as_deref()),
                &push_rules(self.rules),
                &self.further,
            ],
        )
    }

    /// The response of GetProfilesInfo.
    pub fn response(list: &[Self]) -> Vec<u8> {
        let list: Vec<u8> = list.iter().flat_map(Self::to_bytes).collect();
        tlv(0xbf2d, &[&tlv(0xa0, &[&list])])
    }
}

/// The profiles in the response of GetProfilesInfo.
///
/// # Errors
/// Where it is none, or reports an error.
pub fn parse_profile_list(bytes: &[u8]) -> Result<Vec<ProfileInfo>, RspError> {
    let mut f = Fields::open("ProfileInfoListResponse", 0xbf2d, bytes)?;
    let mut list = f.nested(0xa0, "profileInfoListOk")?;
    let mut out = Vec::new();
    while !list.is_empty() {
        out.push(ProfileInfo::parse(list.take_raw(0xe3, "ProfileInfo")?)?);
    }
    Ok(out)
}

/// ES10a.GetEuiccConfiguredAddresses, `BF3C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredAddresses {
    /// FQDN of the SM-DP+ that is asked where nobody says another.
    pub default_smdp: Option<String>,
    /// FQDN of the root SM-DS.
    pub root_smds: String,
}

impl ConfiguredAddresses {
    /// The request for them.
    pub fn request() -> Vec<u8> {
        tlv(0xbf3c, &[])
    }

    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("EuiccConfiguredAddressesResponse", 0xbf3c, bytes)?;
        Ok(Self {
            default_smdp: f.optional_text(0x80, "defaultDpAddress")?,
            root_smds: f.text(0x81, "rootDsAddress")?,
        })
    }

    /// The response, `BF3C`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let smdp = optional_text(0x80, self.default_smdp.as_deref());
        tlv(0xbf3c, &[&smdp, &tlv(0x81, &[self.root_smds.as_bytes()])])
    }
}
