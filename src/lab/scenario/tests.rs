//! What the author of a scenario is told.

use proptest::prelude::*;

use super::*;
use crate::services::esim::EsimTrigger;

const VALID: &str = r#"
summary = "Two devices and a clone"
rat = "lte"
seed = 7
time_limit_s = 60
steps = ["attach", "keys", "enrol"]

[network]
plmn = "001-01"
integrity = ["eia2", "eia1"]
ciphering = ["eea2", "eea0"]

[[device]]
profile = "lte-test"
count = 2

[[device]]
clone_of = 1
start_ms = 10_000
allow = false

[[fault]]
kind = "hss-sqn-behind"
device = 1

[[expect]]
device = 3
step = "enrol"
outcome = "refused"
reason = "not-on-allow-list"

[[expect]]
seen = "EMM Authentication Failure"
"#;

fn profiles() -> BTreeMap<String, ProfileInfo> {
    [("lte-test", "001010000000001"), ("nb-test", "001010000000006"), ("full", "001019999999999")]
        .into_iter()
        .map(|(name, imsi)| (name.to_owned(), ProfileInfo::counting_from(imsi.parse().unwrap())))
        .collect()
}

fn read(source: &str) -> Result<Scenario, Vec<Diagnostic>> {
    check(source, "lab/scenarios/trial.toml", &profiles())
}

/// What the author of `source` sees, without colour.
fn told(source: &str) -> String {
    let problems = read(source).expect_err("something is wrong");
    problems.iter().map(|problem| problem.render(false, 90)).collect()
}

/// The messages alone.
pub(super) fn messages(source: &str) -> Vec<String> {
    read(source).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn updates_come_with_their_section() {
    let source = "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n";
    let with = |more: &str| read(&format!("{source}{more}"));
    assert!(!with("").unwrap().steps.contains(&Entry::Step(Step::Update)));
    let scenario = with("[update.campaign]\nwaves = [1, 10]").unwrap();
    assert!(scenario.steps.contains(&Entry::Step(Step::Update)));
    let setup = crate::services::UpdateSetup::from(scenario.update.as_ref().unwrap());
    assert_eq!(setup.campaign.unwrap().waves, [1, 10, 0], "the last wave has all that are left");
    let fault = "[[fault]]\nkind = \"update-withdrawn\"\ndevice = 1\n";
    assert!(with(&format!("[update]\n{fault}")).is_ok());
    let told = with(fault).unwrap_err();
    assert!(told[0].to_string().contains("this fault is of an update, and nobody offers one"), "{told:?}");
}

#[test]
fn null_integrity_is_refused_with_its_reason() {
    let problems = read(&VALID.replace("\"eia1\"", "\"eia0\"")).unwrap_err();
    let help = problems[0].help.as_deref().unwrap();
    assert!(help.contains("TS 33.401 clause 5.1.4.1") && !help.contains("did you mean"), "{help}");
    // Another word is still answered with the nearest.
    assert!(told(&VALID.replace("\"eia1\"", "\"eia9\"")).contains("did you mean"));
}

#[test]
fn t3412_has_a_field_with_an_end() {
    let with = |seconds: u32| read(&VALID.replace("[network]", &format!("[network]\nt3412_s = {seconds}")));
    assert!(with(11_160).is_ok());
    let problems = with(11_161).unwrap_err();
    assert_eq!(problems[0].to_string(), "`t3412_s` is 11161, it takes 2 to 11160");
}

#[test]
fn a_valid_file_is_read_with_its_defaults() {
    let scenario = read(VALID).unwrap();
    assert_eq!(scenario.name, "trial");
    assert_eq!(scenario.network.integrity, [Integrity::Eia2, Integrity::Eia1]);
    assert_eq!(scenario.fault_of(1), Some(FaultKind::HssSqnBehind));
    assert_eq!(scenario.fault_of(2), None);
    let least = read("summary = \"x\"\n[[device]]\nprofile = \"lte-test\"").unwrap();
    assert_eq!((least.seed, least.time_limit_s, least.steps.len()), (7, 120, 6));
    assert_eq!(least.network, Network::default());
}

#[test]
fn groups_count_on_through_their_profile_and_clones_share_an_identity() {
    let scenario = read(VALID).unwrap();
    let devices = scenario.devices();
    let identities: Vec<_> = devices.iter().map(|d| (d.number, &*d.profile, d.index, d.clone_of)).collect();
    assert_eq!(identities, [(1, "lte-test", 0, None), (2, "lte-test", 1, None), (3, "lte-test", 0, Some(1))]);
    assert_eq!(devices[2].start, Duration::from_secs(10));
    assert!(!devices[2].allow && devices[2].subscribed);
}

#[test]
fn the_number_of_devices_is_set_from_outside_only_where_they_are_alike() {
    let one = || read("summary = \"x\"\n[[device]]\nprofile = \"lte-test\"").unwrap();
    let thousand = one().with_devices(1000).unwrap();
    assert_eq!(thousand.devices().len(), 1000);
    // The last is switched on 20 ms after the one before, and has the time that one device has.
    assert_eq!((one().time_limit_s, thousand.time_limit_s), (120, 140));
    assert!(one().with_devices(0).is_err());
    let refused = read(VALID).unwrap().with_devices(5).unwrap_err().to_string();
    assert!(refused.contains("2 groups of devices"), "{refused}");
    let named = VALID.replace("clone_of = 1", "profile = \"full\"").replace("count = 2", "");
    assert!(read(&named.replace("device = 3", "device = 2")).unwrap().with_devices(2).is_err());
    let told_of_one = "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n[[fault]]\nkind = \"hss-wrong-mac\"\ndevice = 1";
    assert!(read(told_of_one).unwrap().with_devices(1).is_ok());
    assert!(read(told_of_one).unwrap().with_devices(30).is_err());
}

/// A scenario with these EUMs and this device.
fn fleet(eums: &str, device: &str) -> String {
    format!(
        "summary = \"x\"\n[esim]\nprofile = \"nb-test\"\n{eums}\n[[device]]\nprofile = \"lte-test\"\n{device}\n"
    )
}

#[test]
fn makers_are_described_where_devices_name_them() {
    let two = "[[esim.eum]]\nname = \"a\"\n[[esim.eum]]\nname = \"b\"\nci = \"x\"\nsvn = \"2.2.2\"\n";
    let scenario =
        read(&fleet(two, "eum = \"b\"\nmodel = \"m-1\"\niot_safe = { signs = \"hash\" }")).unwrap();
    let device = &scenario.devices()[0];
    assert_eq!((device.eum.as_deref(), device.model.as_deref()), (Some("b"), Some("m-1")));
    let eum = &scenario.esim.as_ref().unwrap().eum[1];
    assert_eq!((eum.version(), eum.trusted, eum.revoked), (Some([2, 2, 2]), true, false));
    for (eums, device, message) in [
        (two, "eum = \"c\"", "there is no EUM `c`"),
        ("", "eum = \"a\"", "there is no EUM `a`"),
        ("[[esim.eum]]\nname = \"a\"\n[[esim.eum]]\nname = \"a\"", "", "there are two EUMs of the name `a`"),
        ("[[esim.eum]]\nname = \"a\"\nsvn = \"2.300.0\"", "", "`svn` is no version of SGP.22"),
        ("[[esim.eum]]\nname = \"a\"\ntrusted = false", "", "the lab's own CI is trusted by its servers"),
        (
            &format!("{two}[[esim.eum]]\nname = \"c\"\nci = \"x\"\ntrusted = false"),
            "",
            "CI `x` is trusted for one EUM and not for another",
        ),
        ("", "model = \"a b\"", "`model` cannot be recorded"),
        (
            "",
            "iot_safe = { aid = \"thales\" }",
            "the applet of an operational profile has the AID of the GSMA alone",
        ),
    ] {
        let told = messages(&fleet(eums, device));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(message), "{told:?}");
    }
}

#[test]
fn what_is_about_an_esim_profile_needs_one_to_come() {
    let with =
        |more: &str| format!("summary = \"x\"\n{more}\n[[device]]\nprofile = \"lte-test\"\ncount = 2\n");
    let plan = |profile: &str| with(&format!("[esim]\nprofile = \"{profile}\""));
    let scenario = read(&plan("nb-test")).unwrap();
    let all = Step::ALL.into_iter().filter(|step| *step != Step::Update);
    assert_eq!(scenario.steps, all.map(Entry::Step).collect::<Vec<_>>());
    assert_eq!(scenario.esim.unwrap().trigger, EsimTrigger::ActivationCode);
    assert!(!read(&with("")).unwrap().step_ids().iter().any(|id| id.step.is_esim()));
    let fault = "[[fault]]\nkind = \"smdp-wrong-eid\"\ndevice = 1";
    assert_eq!(
        messages(&format!("{}{fault}", with("steps = [\"attach\", \"download\"]"))),
        [
            "step `download` needs an eSIM profile to come from somewhere",
            "this fault happens to the download of an eSIM profile"
        ]
    );
    assert_eq!(messages(&plan("nb-tset")), ["there is no SIM profile `nb-tset`"]);
    assert_eq!(messages(&plan("full")), ["profile `full` runs out of IMSIs before device 2"]);
    assert_eq!(
        messages(&plan("lte-test")),
        ["the operational profile has IMSIs that bootstrap profile `lte-test` has"]
    );
}

#[test]
fn unknown_keys_are_named_all_at_once_with_their_nearest() {
    insta::assert_snapshot!(told(
        "summary = \"x\"\nseeds = 3\n\n[[device]]\nprofil = \"lte-test\"\ncont = 2\n"
    ), @r##"
     × unknown key `seeds` in the file
      ╭─[lab/scenarios/trial.toml:2:1]
    1 │ summary = "x"
    2 │ seeds = 3
      · ──┬──
      ·   ╰── not a key here
    3 │ 
      ╰────
     help: did you mean `seed`? known here: `summary`, `rat`, `way`, `seed`,
           `time_limit_s`, `steps`, `network`, `esim`, `update`, `servers_on_ledger`,
           `device`, `guard`, `peer`, `fault`, `operator`, `staff`, `work`, `expect`
     × the device has no `profile`
      ╭─[lab/scenarios/trial.toml:4:1]
    3 │ 
    4 │ [[device]]
      · ─────┬────
      ·      ╰── it belongs here
    5 │ profil = "lte-test"
      ╰────
     help: name a file of sim-profiles/: `full`, `lte-test`, `nb-test`
     × unknown key `profil` in `device` 1
      ╭─[lab/scenarios/trial.toml:5:1]
    4 │ [[device]]
    5 │ profil = "lte-test"
      · ───┬──
      ·    ╰── not a key here
    6 │ cont = 2
      ╰────
     help: did you mean `profile`? known here: `profile`, `count`, `allow`, `subscribed`,
           `start_ms`, `interval_ms`, `clone_of`, `card_of`, `eum`, `model`, `tac`,
           `iot_safe`, `kind`, `own_guard`, `apn`, `pdn_type`, `subscribed_pdn`
     × unknown key `cont` in `device` 1
      ╭─[lab/scenarios/trial.toml:6:1]
    5 │ profil = "lte-test"
    6 │ cont = 2
      · ──┬─
      ·   ╰── not a key here
      ╰────
     help: did you mean `count`? known here: `profile`, `count`, `allow`, `subscribed`,
           `start_ms`, `interval_ms`, `clone_of`, `card_of`, `eum`, `model`, `tac`,
           `iot_safe`, `kind`, `own_guard`, `apn`, `pdn_type`, `subscribed_pdn`
    "##);
}

#[test]
fn wrong_types_and_values_say_what_is_taken() {
    insta::assert_snapshot!(told(
        "summary = 5\nrat = \"lt\"\nseed = \"7\"\nsteps = [\"attach\", \"enroll\"]\n\n[device]\nprofile = \"lte-test\"\n"
    ), @r##"
     × `summary` takes a string, not an integer
      ╭─[lab/scenarios/trial.toml:1:11]
    1 │ summary = 5
      ·           ┬
      ·           ╰── this is an integer
    2 │ rat = "lt"
      ╰────
     help: write it in quotes
     × `rat` cannot be "lt"
      ╭─[lab/scenarios/trial.toml:2:7]
    1 │ summary = 5
    2 │ rat = "lt"
      ·       ──┬─
      ·         ╰── unknown value
    3 │ seed = "7"
      ╰────
     help: the only one known here is `lte`
     × `seed` takes an integer, not a string
      ╭─[lab/scenarios/trial.toml:3:8]
    2 │ rat = "lt"
    3 │ seed = "7"
      ·        ─┬─
      ·         ╰── this is a string
    4 │ steps = ["attach", "enroll"]
      ╰────
     help: write it without quotes
     × `steps` 2 cannot be "enroll"
      ╭─[lab/scenarios/trial.toml:4:20]
    3 │ seed = "7"
    4 │ steps = ["attach", "enroll"]
      ·                    ────┬───
      ·                        ╰── unknown value
    5 │ 
      ╰────
     help: did you mean `enrol`? known here: `attach`, `download`, `enable`, `keys`,
           `register`, `enrol`, `ready`, `update`, `detach`
     × `device` takes an array, not a table
      ╭─[lab/scenarios/trial.toml:6:1]
    5 │ 
    6 │ [device]
      · ────┬───
      ·     ╰── this is a table
    7 │ profile = "lte-test"
      ╰────
     help: write the header with two brackets: [[device]]
    "##);
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    insta::assert_snapshot!(told("summary = \"x\nseed = = 3\n[[device]\n"), @r##"
     × invalid basic string, expected `"`
      ╭─[lab/scenarios/trial.toml:1:13]
    1 │ summary = "x
      ·             ▲
      ·             ╰── not TOML
    2 │ seed = = 3
      ╰────
     × extra `=`, expected nothing
      ╭─[lab/scenarios/trial.toml:2:8]
    1 │ summary = "x
    2 │ seed = = 3
      ·        ┬
      ·        ╰── not TOML
    3 │ [[device]
      ╰────
     × unexpected key or value, expected newline, `#`
      ╭─[lab/scenarios/trial.toml:2:10]
    1 │ summary = "x
    2 │ seed = = 3
      ·          ▲
      ·          ╰── not TOML
    3 │ [[device]
      ╰────
     × unclosed array table, expected `]`
      ╭─[lab/scenarios/trial.toml:3:10]
    2 │ seed = = 3
    3 │ [[device]
      ·          ▲
      ·          ╰── not TOML
      ╰────
    "##);
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    insta::assert_snapshot!(told("summary = \"x\"\n[[device]]\nprofile = \"lte_test\"\n"), @r##"
     × there is no SIM profile `lte_test`
      ╭─[lab/scenarios/trial.toml:3:11]
    2 │ [[device]]
    3 │ profile = "lte_test"
      ·           ─────┬────
      ·                ╰── unknown
      ╰────
     help: did you mean `lte-test`? known here: `full`, `lte-test`, `nb-test`
    "##);
}

#[test]
fn an_identity_belongs_to_one_device() {
    insta::assert_snapshot!(told(
        "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\ncount = 6\n[[device]]\nprofile = \"nb-test\"\n"
    ), @r##"
     × IMSI 001010000000006 would belong to two devices
      ╭─[lab/scenarios/trial.toml:6:11]
    5 │ [[device]]
    6 │ profile = "nb-test"
      ·           ────┬────
      ·               ╰── this profile reaches it
      ╰────
     help: profile `lte-test` of device group 1 reaches it too; use fewer devices, another
           profile, or `clone_of` for a clone on purpose
    "##);
    assert_eq!(
        messages("summary = \"x\"\n[[device]]\nprofile = \"full\"\ncount = 2\n"),
        ["profile `full` runs out of IMSIs at its card 2"]
    );
}

#[test]
fn a_clone_is_of_its_originals_profile() {
    let of = |profile: &str| {
        messages(&format!(
            "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n[[device]]\nprofile = \"{profile}\"\nclone_of = 1"
        ))
    };
    assert_eq!(of("lte-test"), [] as [&str; 0]);
    assert_eq!(of("nb-test"), ["the card of device 1 cannot be of profile `nb-test`"]);
}

#[test]
fn deep_nesting_is_refused() {
    for deep in ["a = ".to_owned() + &"[".repeat(100_000), "a.".repeat(100_000) + "a = 1"] {
        assert!(!messages(&deep).is_empty());
    }
}

#[test]
fn what_refers_to_nothing_is_named() {
    let source = "summary = \"x\"\nsteps = [\"detach\", \"keys\", \"attach\"]\n\
        [[device]]\nclone_of = 2\n[[device]]\nclone_of = 1\n[[device]]\n\
        [[fault]]\nkind = \"hss-wrong-key\"\ndevice = 9\n\
        [[expect]]\nstep = \"ready\"\noutcome = \"done\"\n\
        [[expect]]\nstep = \"keys\"\noutcome = \"refused\"\n\
        [[expect]]\nstep = \"attach\"\noutcome = \"done\"\nreason = \"emm-cause-8\"\n\
        [[expect]]\nstep = \"attach\"\n\
        [[expect]]\ndevice = 4\n\
        [[expect]]\nseen = \"EMN Attach Reject\"\n";
    insta::assert_debug_snapshot!(messages(source), @r##"
    [
        "step `detach` comes while the device is detached",
        "`clone_of` is 2, which is no earlier device",
        "the device has no `profile`",
        "there is no device 9",
        "step `ready` is not run",
        "`refused` lacks its `reason`",
        "`reason` goes with outcome = \"refused\" only",
        "the expectation lacks `outcome`",
        "step `attach` is already spoken of",
        "the expectation says neither `step` nor `seen`",
        "there is no device 4",
        "\"EMN Attach Reject\" names no message",
    ]
    "##);
}

#[test]
fn a_reason_that_nobody_gives_is_named_with_the_nearest_that_somebody_does() {
    let of = |reason: &str| {
        let head = "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\n";
        messages(&format!(
            "{head}[[expect]]\nstep = \"attach\"\noutcome = \"refused\"\nreason = \"{reason}\"\n"
        ))
    };
    for known in ["emm-cause-8", "esm-cause-27", "mac-failure", "tls-bad-certificate", "device-revoked"] {
        assert_eq!(of(known), [] as [&str; 0], "{known}");
    }
    for unknown in ["emm-cause-08", "mac-failur", "tls-bad-day", ""] {
        assert_eq!(of(unknown), ["no refusal has this reason"], "{unknown}");
    }
}

#[test]
fn counts_have_bounds() {
    let of = |count: &str| {
        messages(&format!("summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\ncount = {count}"))
    };
    assert_eq!(of("0"), ["`count` is 0, it takes 1 to 100000"]);
    assert_eq!(of("100_001"), ["`count` is 100001, it takes 1 to 100000"]);
    assert_eq!(of("-3"), ["`count` is -3, it takes 1 to 100000"]);
    assert_eq!(of("99999999999999999999999999999999999999999999999").len(), 1);
    let both = "summary = \"x\"\n[[device]]\nprofile = \"lte-test\"\ncount = 60_000\n\
        [[device]]\nprofile = \"lte-test\"\ncount = 60_000\n";
    assert_eq!(messages(both), ["the scenario has more than 100000 devices"]);
    assert_eq!(messages("summary = \"x\"\ndevice = []"), ["`device` is empty"]);
    assert_eq!(messages("summary = \" \""), ["the file lacks `device`", "`summary` is empty"]);
}

proptest! {
    #[test]
    fn any_text_is_answered(source in "\\PC{0,200}") {
        // A line has no room for a device.
        let problems = read(&source).unwrap_err();
        prop_assert!(!problems.is_empty());
        for problem in problems {
            prop_assert!(problem.render(false, 80).contains("trial.toml"));
        }
    }

    #[test]
    fn any_damage_to_a_valid_file_is_answered(at in 0..VALID.len(), cut in 0usize..40, put in "[\\PC\n]{0,8}") {
        let end = (at + cut).min(VALID.len());
        if let Err(problems) = read(&format!("{}{put}{}", &VALID[..at], &VALID[end..])) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.render(true, 80).contains("trial.toml"));
            }
        }
    }
}

/// A scenario of two devices with these steps.
fn with_steps(steps: &str) -> String {
    format!("summary = \"x\"\nsteps = [{steps}]\n[[device]]\nprofile = \"lte-test\"\ncount = 2\n")
}

#[test]
fn steps_repeat_in_any_order_that_makes_sense() {
    let scenario = read(&with_steps(
        "\"keys\", \"attach\", { until = { device = 2, step = \"keys\" } }, \"enrol\", \"ready\", \"detach\", \
         { wait_ms = 5000 }, \"attach\", \"ready\", { power_cut = true }, \"keys\", \"attach\", \"ready\"",
    ))
    .unwrap();
    let ids: Vec<String> = scenario.step_ids().iter().map(StepId::to_string).collect();
    assert_eq!(ids.join(" "), "keys attach enrol ready detach attach#2 ready#2 keys#2 attach#3 ready#3");
    let between: Vec<Act> = scenario.plan().into_iter().filter(|act| act.step().is_none()).collect();
    let keys = Condition { device: 2, step: StepId::first(Step::Keys) };
    assert_eq!(between, [Act::Until(keys), Act::Wait(Duration::from_secs(5)), Act::PowerCut]);
}

#[test]
fn what_a_device_could_never_do_is_refused() {
    for (steps, message) in [
        ("\"attach\", \"attach\"", "step `attach` comes again while the device is attached"),
        ("\"attach\", \"detach\", \"detach\"", "step `detach` comes while the device is detached"),
        ("\"attach\", { power_cut = true }, \"detach\"", "step `detach` comes while the device is detached"),
        ("\"attach\", \"keys\", \"ready\"", "step `ready` comes without `enrol`"),
        ("\"attach\", \"keys\", \"update\"", "step `update` comes without `enrol`"),
        ("\"attach\", \"enrol\", \"update\"", "step `update` comes without an `update` section"),
        ("\"attach\", \"ready\", \"enrol\"", "step `ready` cannot come before `enrol`"),
        ("\"attach\", \"enrol\", \"keys\"", "step `enrol` cannot come before `keys`"),
        ("\"keys\", \"register\"", "step `register` needs the network, and the device is detached there"),
        (
            "\"attach\", { power_cut = true }, \"enrol\"",
            "step `enrol` needs the network, and the device is detached there",
        ),
        ("\"attach\", {}", "the entry says nothing"),
        ("\"attach\", { wait_ms = 1, power_cut = true }", "the entry says two things at once"),
        ("\"attach\", { power_cut = false }", "`power_cut` is false, which says nothing"),
        ("\"attach\", { wait_ms = 0 }", "`wait_ms` is 0, it takes 1 to 86400000"),
        ("\"attach\", { wait = 5 }", "unknown key `wait` in `steps` 2"),
        ("{ wait_ms = 5 }", "`steps` has no step"),
        ("\"attach\", { until = { device = 3, step = \"attach\" } }", "there is no device 3"),
        ("\"attach\", { until = { device = 2, step = \"ready\" } }", "step `ready` is not run"),
        ("\"attach\", { until = { device = 2, step = \"attach\", nth = 2 } }", "step `attach` is run once"),
        (
            "{ until = { device = 2, step = \"attach\" } }, { until = { device = 1, step = \"attach\" } }, \"attach\"",
            "device 1 would wait for ever: the other one waits for it",
        ),
        ("\"attach\", 5", "`steps` 2 takes a string, not an integer"),
        ("\"attach\", \"redy\"", "`steps` 2 cannot be \"redy\""),
    ] {
        let found = messages(&with_steps(steps));
        assert!(found.iter().any(|one| one == message), "{steps}: {found:?}");
    }
    let twice = "summary = \"x\"\nsteps = [\"attach\", \"download\", \"enable\", \"download\"]\n\
        [[device]]\nprofile = \"lte-test\"\n[esim]\nprofile = \"nb-test\"";
    assert_eq!(messages(twice), ["step `download` stands twice"]);
}

#[test]
fn work_is_somebodys_and_takes_some_time() {
    let with = |steps: &str, by: &str, usual: u32| {
        format!(
            "{}[[staff]]\nname = \"clerk\"\n[[work]]\nname = \"enter\"\nby = \"{by}\"\nlow_s = 1\nusual_s = {usual}\nhigh_s = 9\n\
             source = \"x\"\n",
            with_steps(steps)
        )
    };
    let scenario = read(&with("{ work = \"enter\" }, \"attach\"", "clerk", 5)).unwrap();
    assert_eq!(scenario.plan()[0], Act::Work(0));
    let [work] = &scenario.works()[..] else { panic!("one") };
    assert_eq!((&*work.name, work.by, work.takes.mean()), ("enter", 0, Duration::from_secs(5)));
    for (steps, by, usual, message) in [
        ("{ work = \"entre\" }, \"attach\"", "clerk", 5, "there is no work `entre`"),
        ("{ work = \"enter\" }, \"attach\"", "clark", 5, "there is no staff `clark`"),
        ("\"attach\"", "clerk", 10, "the usual time of 10 s is not between 1 and 9"),
    ] {
        assert_eq!(messages(&with(steps, by, usual)), [message]);
    }
    let twice = with("\"attach\"", "clerk", 5).replace("[[work]]", "[[staff]]\nname = \"clerk\"\n[[work]]");
    assert_eq!(messages(&twice), ["staff `clerk` stands twice"]);
}

#[test]
fn the_traditional_way_knows_no_ledger_and_no_other_profile() {
    let with = |steps: &str| format!("way = \"traditional\"\n{}", with_steps(steps));
    let scenario = read(&with("\"attach\", \"keys\", \"enrol\", \"ready\"")).unwrap();
    assert_eq!(scenario.way, Way::Traditional);
    let source = "summary = \"x\"\nway = \"traditional\"\n[[device]]\nprofile = \"lte-test\"";
    let steps: Vec<_> = read(source).unwrap().step_ids().iter().map(StepId::to_string).collect();
    assert_eq!(steps.join(" "), "attach keys enrol ready detach");
    let found = messages(&with("\"attach\", \"keys\", \"register\", \"enrol\""));
    assert_eq!(found, ["step `register` is none of the traditional way"]);
    let vouched = messages(&source.replace("\n[[device]]", "\nservers_on_ledger = true\n[[device]]"));
    assert_eq!(vouched, ["in the traditional way devices know no ledger"]);
}

#[test]
fn a_refused_order_says_where_and_what_to_do() {
    insta::assert_snapshot!(told(&with_steps("\"attach\", \"keys\", \"attach\"")), @r##"
     × step `attach` comes again while the device is attached
      ╭─[lab/scenarios/trial.toml:2:28]
    1 │ summary = "x"
    2 │ steps = ["attach", "keys", "attach"]
      ·                            ────┬───
      ·                                ╰── attached already
    3 │ [[device]]
      ╰────
     help: put `detach` or `{ power_cut = true }` before it
    "##);
}

#[test]
fn faults_and_expectations_speak_of_one_time_of_a_step() {
    let with = |rest: &str| {
        let steps = "\"attach\", \"detach\", \"attach\"";
        format!("{}{rest}", with_steps(steps))
    };
    let cut = |rest: &str| with(&format!("[[fault]]\nkind = \"power-cut\"\ndevice = 1\n{rest}"));
    let scenario = read(&cut("step = \"attach\"\nnth = 2\nafter_messages = 3")).unwrap();
    let [found] = scenario.power_cuts_of(1)[..] else { panic!("one cut is said") };
    assert_eq!((found.step, found.after), (StepId { step: Step::Attach, nth: 2 }, 3));
    assert_eq!((scenario.power_cuts_of(2), scenario.fault_of(1)), (Vec::new(), None));
    assert_eq!(messages(&cut("")), ["`power-cut` lacks its `step`"]);
    assert_eq!(messages(&cut("step = \"ready\"")), ["step `ready` is not run"]);
    assert_eq!(messages(&cut("step = \"attach\"\nnth = 3")), ["step `attach` is run 2 times"]);
    let two = "step = \"attach\"\n[[fault]]\nkind = \"power-cut\"\ndevice = 1\nstep = \"attach\"";
    assert_eq!(messages(&cut(two)), ["device 1 has two power cuts in one step"]);
    let other = with("[[fault]]\nkind = \"hss-wrong-mac\"\ndevice = 1\nafter_messages = 3");
    assert_eq!(messages(&other), ["`after_messages` goes with kind = \"power-cut\" only"]);
    let expect = |rest: &str| with(&format!("[[expect]]\n{rest}\noutcome = \"done\""));
    assert!(read(&expect("step = \"attach\"\nnth = 2")).is_ok());
    assert_eq!(messages(&expect("step = \"attach\"\nnth = 0")), ["`nth` is 0, it takes 1 to 65535"]);
    assert_eq!(messages(&expect("step = \"attach\"\nnth = 3")), ["step `attach` is run 2 times"]);
}
