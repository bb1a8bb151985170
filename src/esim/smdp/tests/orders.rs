//! ES2+, and ES12 towards the SM-DS.

use super::*;
use crate::esim::smds::Smds;

fn es2p(smdp: &mut Smdp, function: &str, body: &Value) -> (Option<Reason>, Value) {
    es2p_of(smdp, &Caller::House, function, body)
}

/// The same in the name of somebody; a header is put in where there is none.
fn es2p_of(smdp: &mut Smdp, caller: &Caller, function: &str, body: &Value) -> (Option<Reason>, Value) {
    let mut body = body.clone();
    body.as_object_mut().unwrap().entry("header").or_insert_with(header);
    let request = HttpRequest {
        host: ADDRESS.to_owned(),
        path: format!("/gsma/rsp2/es2plus/{function}"),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
    };
    let served = smdp.handle_for(NOW, caller, &request);
    (served.refusal, serde_json::from_slice(&served.response.body).unwrap())
}

fn header() -> Value {
    json!({"functionRequesterIdentifier": "2.999.1", "functionCallIdentifier": "1"})
}

#[test]
fn an_order_goes_its_way_over_es2p() {
    let mut bench = Bench::new();
    let smdp = &mut bench.smdp;
    let body = json!({"header": header(), "profileType": "lte", "eid": EID});
    let (refusal, answer) = es2p(smdp, "downloadOrder", &body);
    assert_eq!((refusal, &answer["iccid"]), (None, &json!(ICCID)));
    assert_eq!(smdp.order(&iccid(0)).unwrap().state(), OrderState::Linked);
    let body = json!({"header": header(), "iccid": ICCID, "releaseFlag": false});
    let (refusal, answer) = es2p(smdp, "confirmOrder", &body);
    assert_eq!((refusal, &answer["eid"]), (None, &json!(EID)));
    assert_eq!(answer["smdpAddress"], ADDRESS);
    let matching_id = answer["matchingId"].as_str().unwrap().to_owned();
    assert_eq!(matching_id.len(), 19, "{matching_id}");
    assert_eq!(smdp.order(&iccid(0)).unwrap().state(), OrderState::Confirmed);
    let (refusal, _) = es2p(smdp, "releaseProfile", &json!({"header": header(), "iccid": ICCID}));
    assert_eq!(refusal, None);
    assert_eq!(bench.download(Some(&matching_id), false).package, profile(0).package);
}

#[test]
fn es2p_refuses() {
    let settings = SmdpSettings { smds: vec!["smds.example".to_owned()], ..SmdpSettings::new(ADDRESS) };
    let mut bench = Bench::with(settings, Box::new(Forgetful));
    let smdp = &mut bench.smdp;
    let other = EID.parse::<Eid>().unwrap().plus(1).unwrap();
    let mut refused = |function: &str, body: Value, expected: Reason| {
        let (refusal, answer) = es2p(smdp, function, &body);
        assert_eq!(refusal, Some(expected), "{answer}");
    };
    refused("downloadOrder", json!({}), Reason::FieldMissing);
    refused("downloadOrder", json!({"profileType": "nr"}), Reason::TypeUnknown);
    refused("downloadOrder", json!({"iccid": iccid(5)}), Reason::IccidUnknown);
    refused("downloadOrder", json!({"iccid": "12"}), Reason::Malformed);
    refused("downloadOrder", json!({"iccid": ICCID, "profileType": "nr"}), Reason::TypeMismatch);
    refused("confirmOrder", json!({"iccid": ICCID}), Reason::WrongState);
    refused("releaseProfile", json!({"iccid": ICCID}), Reason::WrongState);
    let available = "Available";
    refused(
        "cancelOrder",
        json!({"iccid": ICCID, "finalProfileStatusIndicator": available}),
        Reason::WrongState,
    );
    bench.release(0, "M-1", Some(EID), None);
    bench.smdp.add_profile(profile(1)).unwrap();
    let smdp = &mut bench.smdp;
    let mut refused = |function: &str, body: Value, expected: Reason| {
        let (refusal, answer) = es2p(smdp, function, &body);
        assert_eq!(refusal, Some(expected), "{answer}");
    };
    refused("downloadOrder", json!({"iccid": ICCID}), Reason::IccidInUse);
    let mut cancel = json!({"iccid": ICCID, "finalProfileStatusIndicator": available, "eid": other});
    refused("cancelOrder", cancel.clone(), Reason::EidOther);
    cancel["eid"] = json!(EID);
    cancel["matchingId"] = json!("M-2");
    refused("cancelOrder", cancel.clone(), Reason::MatchingIdOther);
    cancel["matchingId"] = json!("M-1");
    cancel["finalProfileStatusIndicator"] = json!("Gone");
    refused("cancelOrder", cancel.clone(), Reason::Malformed);
    cancel["finalProfileStatusIndicator"] = json!(available);

    es2p(smdp, "downloadOrder", &json!({"iccid": iccid(1)}));
    let mut confirm = |body: Value, expected: Reason| {
        let (refusal, answer) = es2p(smdp, "confirmOrder", &body);
        assert_eq!(refusal, Some(expected), "{answer}");
    };
    confirm(json!({"iccid": iccid(1), "matchingId": "M-1"}), Reason::MatchingIdInUse);
    confirm(json!({"iccid": iccid(1), "matchingId": "m 1"}), Reason::Malformed);
    confirm(json!({"iccid": iccid(1), "matchingId": ""}), Reason::EidMissing);
    confirm(json!({"iccid": iccid(1), "smdsAddress": "smds.example"}), Reason::EidMissing);
    let (refusal, _) = es2p(smdp, "downloadOrder", &json!({"profileType": "lte"}));
    assert_eq!(refusal, Some(Reason::TypeExhausted));
    assert_eq!(es2p(smdp, "cancelOrder", &cancel).0, None);
    assert_eq!(smdp.order(&iccid(0)).unwrap().state(), OrderState::Available);
    assert_eq!(es2p(smdp, "downloadOrder", &json!({"iccid": ICCID})).0, None);
}

#[test]
fn what_was_handed_out_does_not_become_available_again() {
    let mut bench = Bench::new();
    bench.release(0, "M-1", None, None);
    bench.download(Some("M-1"), false);
    let again = bench.smdp.cancel_order(&iccid(0), None, None, true);
    assert_eq!(again.unwrap_err().reason, Reason::WrongState);
    bench.smdp.cancel_order(&iccid(0), None, None, false).unwrap();
    assert_eq!(bench.state(0), OrderState::Unavailable);
}

/// An SM-DS under the same CI.
fn smds(pki: &Pki) -> Smds {
    let tally = Tally::new();
    let anchor = pki.anchor(Some(NOW), &tally).unwrap();
    let oid = "2.999.15".parse().unwrap();
    let identity = pki.smds(&oid, &["smds.example".to_owned()], NOW - 60, &RngTree::new(7)).unwrap();
    let rng = RngTree::new(7).stream("smds");
    Smds::new("smds.example", vec![(anchor, identity)], rng, Box::new(Forgetful), &Records::new(), &tally)
        .unwrap()
}

/// Carries what the SM-DP+ has to say to the SM-DS.
fn deliver(bench: &mut Bench, smds: &mut Smds) {
    while let Some(request) = bench.smdp.poll(NOW) {
        assert_eq!(request.host, "smds.example");
        let served = smds.handle(NOW, &request);
        bench.smdp.resume(NOW, "smds.example", Some(&served.response)).unwrap();
    }
}

#[test]
fn an_euicc_finds_its_profile_through_the_smds() {
    let mut bench = Bench::new();
    let mut smds = smds(&bench.pki);
    let order = DownloadOrder { eid: Some(EID.parse().unwrap()), iccid: Some(iccid(0)), profile_type: None };
    bench.smdp.download_order(&order).unwrap();
    let confirm = ConfirmOrder {
        iccid: iccid(0),
        eid: None,
        matching_id: None,
        confirmation_code: None,
        smds: Some("smds.example".to_owned()),
        release: true,
    };
    let matching_id = bench.smdp.confirm_order(NOW, &confirm).unwrap().matching_id;
    // Nobody answers; the event is told later.
    assert!(bench.smdp.poll(NOW).is_some());
    assert!(bench.smdp.poll(NOW).is_none());
    assert!(bench.smdp.resume(NOW, "smds.example", None).is_err());
    assert_eq!(bench.smdp.deadline_unix_s(), Some(NOW + 60));
    let request = bench.smdp.poll(NOW + 60).unwrap();
    let served = smds.handle(NOW, &request);
    bench.smdp.resume(NOW, "smds.example", Some(&served.response)).unwrap();
    assert_eq!(smds.handle(NOW, &request).refusal, None, "told twice");

    let ask = |bench: &mut Bench, smds: &mut Smds, matching_id: Option<&str>| {
        let mut call = |path: &str, body: &Value| {
            let request = HttpRequest {
                host: "smds.example".to_owned(),
                path: path.to_owned(),
                content_type: JSON.to_owned(),
                body: body.to_string().into_bytes(),
            };
            let served = smds.handle(NOW, &request);
            (served.refusal, serde_json::from_slice::<Value>(&served.response.body).unwrap())
        };
        let mut body = bench.card.initiate("smds.example");
        body["smdsAddress"] = body.as_object_mut().unwrap().remove("smdpAddress").unwrap();
        let (refusal, answer) = call("/gsma/rsp2/es11/initiateAuthentication", &body);
        assert_eq!(refusal, None);
        let response = bench.card.authenticate(Role::DsAuth, &answer, matching_id);
        let body = json!({
            "transactionId": answer["transactionId"],
            "authenticateServerResponse": STANDARD.encode(response),
        });
        call("/gsma/rsp2/es11/authenticateClient", &body)
    };
    let (refusal, answer) = ask(&mut bench, &mut smds, None);
    assert_eq!(refusal, None);
    assert_eq!(answer["eventEntries"], json!([{"eventId": matching_id, "rspServerAddress": ADDRESS}]));
    assert_eq!(ask(&mut bench, &mut smds, Some(&matching_id)).1["eventEntries"], answer["eventEntries"]);
    assert_eq!(ask(&mut bench, &mut smds, Some("OTHER")).0, Some(Reason::EventUnknown));

    let installed = bench.download(Some(&matching_id), false);
    let result = bench.card.result(&installed.metadata, success());
    bench.notify(&result);
    deliver(&mut bench, &mut smds);
    assert_eq!(smds.events().count(), 0);
    assert_eq!(ask(&mut bench, &mut smds, None).1["eventEntries"], json!([]));
}

#[test]
fn of_an_event_only_the_last_word_counts() {
    let mut bench = Bench::new();
    let mut smds = smds(&bench.pki);
    let eid: Eid = EID.parse().unwrap();
    let order = |bench: &mut Bench, id: &str| {
        let order = DownloadOrder { eid: Some(eid.clone()), iccid: Some(iccid(0)), profile_type: None };
        bench.smdp.download_order(&order).unwrap();
        let confirm = ConfirmOrder {
            iccid: iccid(0),
            eid: None,
            matching_id: Some(id.to_owned()),
            confirmation_code: None,
            smds: Some("smds.example".to_owned()),
            release: true,
        };
        bench.smdp.confirm_order(NOW, &confirm).unwrap();
    };
    // Cancelled before the SM-DS has heard of it.
    order(&mut bench, "E-1");
    bench.smdp.cancel_order(&iccid(0), None, None, true).unwrap();
    deliver(&mut bench, &mut smds);
    assert_eq!(smds.events().count(), 0);
    // Cancelled while the SM-DS is being told: what comes of that does not bring it back.
    order(&mut bench, "E-2");
    assert!(bench.smdp.poll(NOW).is_some());
    bench.smdp.cancel_order(&iccid(0), None, None, true).unwrap();
    bench.smdp.resume(NOW, "smds.example", None).unwrap();
    deliver(&mut bench, &mut smds);
    assert_eq!((smds.events().count(), bench.smdp.deadline_unix_s()), (0, None));
}

#[test]
fn the_next_profile_of_a_type_is_the_first_that_is_left() {
    let mut bench = Bench::new();
    let wanted =
        |name: &str| DownloadOrder { profile_type: Some(name.to_owned()), ..DownloadOrder::default() };
    let kind = bench.smdp.orders().next().unwrap().profile_type().to_owned();
    let all: Vec<Iccid> = bench.smdp.orders().map(|order| order.iccid().clone()).collect();
    for expected in &all {
        assert_eq!(bench.smdp.download_order(&wanted(&kind)).as_ref(), Ok(expected));
    }
    let reason = |bench: &mut Bench, name: &str| bench.smdp.download_order(&wanted(name)).unwrap_err().reason;
    assert_eq!(reason(&mut bench, &kind), Reason::TypeExhausted);
    assert_eq!(reason(&mut bench, "no such type"), Reason::TypeUnknown);
    bench.smdp.cancel_order(&all[0], None, None, true).unwrap();
    assert_eq!(bench.smdp.download_order(&wanted(&kind)).as_ref(), Ok(&all[0]));
}

fn peer(client: Client) -> Caller {
    Caller::Peer { address: "192.0.2.1".to_owned(), client }
}

fn operator(oid: &str) -> Caller {
    peer(Client::Operator(ClientName { name: oid.to_owned(), oid: Some(oid.to_owned()) }))
}

#[test]
fn es2p_is_for_operators_and_each_touches_its_own_orders() {
    let mut bench = Bench::new();
    let smdp = &mut bench.smdp;
    let order = json!({"profileType": "lte"});
    let name = || ClientName { name: "2.999.10".to_owned(), oid: None };
    for (caller, expected) in [
        (peer(Client::Nobody("no certificate".to_owned())), Some(Reason::NotAuthenticated)),
        (peer(Client::Smdp(name())), Some(Reason::NotAuthenticated)),
        // The header names another requester than the certificate.
        (operator("2.999.77"), Some(Reason::NotAuthenticated)),
        (operator("2.999.1"), None),
    ] {
        assert_eq!(es2p_of(smdp, &caller, "downloadOrder", &order).0, expected, "{caller:?}");
    }
    let other = json!({"functionRequesterIdentifier": "2.999.2", "functionCallIdentifier": "1"});
    let cancel = json!({"iccid": ICCID, "finalProfileStatusIndicator": "Available"});
    let mut of_other = cancel.clone();
    of_other["header"] = other.clone();
    for (function, body) in [
        ("cancelOrder", of_other),
        ("confirmOrder", json!({"iccid": ICCID, "header": other})),
        ("releaseProfile", json!({"iccid": ICCID, "header": other})),
    ] {
        let (refusal, answer) = es2p_of(smdp, &operator("2.999.2"), function, &body);
        assert_eq!(refusal, Some(Reason::NotTheOwner), "{answer}");
    }
    let own = operator("2.999.1");
    let elsewhere = json!({"iccid": ICCID, "eid": EID, "smdsAddress": "127.0.0.1:9"});
    assert_eq!(es2p_of(smdp, &own, "confirmOrder", &elsewhere).0, Some(Reason::SmdsNotAllowed));
    assert_eq!(es2p_of(smdp, &own, "cancelOrder", &cancel).0, None);
    // What the house has ordered is the house's.
    assert_eq!(es2p(smdp, "downloadOrder", &order).0, None);
    assert_eq!(es2p_of(smdp, &own, "cancelOrder", &cancel).0, Some(Reason::NotTheOwner));
    assert_eq!(es2p(smdp, "cancelOrder", &cancel).0, None);
}

#[test]
fn the_header_of_es2p_is_checked() {
    let mut bench = Bench::new();
    for (header, expected) in [
        (json!(null), Reason::FieldMissing),
        (json!({}), Reason::FieldMissing),
        (json!({"functionRequesterIdentifier": "2.999.1"}), Reason::FieldMissing),
        (json!({"functionCallIdentifier": "1"}), Reason::FieldMissing),
        (json!({"functionRequesterIdentifier": "", "functionCallIdentifier": "1"}), Reason::Malformed),
        (json!({"functionRequesterIdentifier": 7, "functionCallIdentifier": "1"}), Reason::Malformed),
    ] {
        let body = json!({"header": header, "profileType": "lte"});
        assert_eq!(es2p(&mut bench.smdp, "downloadOrder", &body).0, Some(expected), "{body}");
    }
}

#[test]
fn events_are_for_the_smdp_that_has_registered_them() {
    let mut smds = smds(&pki());
    let smdp = |oid: &str| peer(Client::Smdp(ClientName { name: oid.to_owned(), oid: Some(oid.to_owned()) }));
    let mut call = |caller: &Caller, requester: &str, function: &str, event: &str| {
        let header = json!({"functionRequesterIdentifier": requester, "functionCallIdentifier": "1"});
        let body = json!({"header": header, "eid": EID, "eventId": event, "rspServerAddress": "a.example"});
        let request = HttpRequest {
            host: "smds.example".to_owned(),
            path: format!("/gsma/rsp2/es12/{function}"),
            content_type: JSON.to_owned(),
            body: body.to_string().into_bytes(),
        };
        smds.handle_for(NOW, caller, &request).refusal
    };
    let nobody = peer(Client::Nobody("no certificate".to_owned()));
    for caller in [&nobody, &operator("2.999.1")] {
        for function in ["registerEvent", "deleteEvent"] {
            assert_eq!(call(caller, "2.999.1", function, "E1"), Some(Reason::NotAuthenticated));
        }
    }
    let (one, two) = (smdp("2.999.10"), smdp("2.999.12"));
    assert_eq!(call(&one, "2.999.10", "registerEvent", "E1"), None);
    assert_eq!(call(&two, "2.999.10", "registerEvent", "E2"), Some(Reason::NotAuthenticated));
    assert_eq!(call(&two, "2.999.12", "registerEvent", "E1"), Some(Reason::EventInUse));
    assert_eq!(call(&two, "2.999.12", "deleteEvent", "E1"), Some(Reason::NotTheOwner));
    assert_eq!(call(&one, "2.999.10", "deleteEvent", "E1"), None);
    // One SM-DP+ does not lock an EID out for the others.
    let refused = (0..100).filter(|n| call(&two, "2.999.12", "registerEvent", &format!("J{n}")).is_some());
    assert!(refused.count() > 0);
    assert_eq!(call(&one, "2.999.10", "registerEvent", "E1"), None);
    assert_eq!(call(&Caller::House, "2.999.10", "registerEvent", "E9"), None);
}

#[test]
fn an_event_that_is_to_be_deleted_is_deleted_after_a_restart() {
    let memory = MemoryStore::default();
    let mut bench = Bench::with(SmdpSettings::new(ADDRESS), Box::new(memory.clone()));
    let mut smds = smds(&bench.pki);
    let eid: Eid = EID.parse().unwrap();
    let order = DownloadOrder { eid: Some(eid), iccid: Some(iccid(0)), profile_type: None };
    bench.smdp.download_order(&order).unwrap();
    let confirm = ConfirmOrder {
        iccid: iccid(0),
        eid: None,
        matching_id: Some("E-1".to_owned()),
        confirmation_code: None,
        smds: Some("smds.example".to_owned()),
        release: true,
    };
    bench.smdp.confirm_order(NOW, &confirm).unwrap();
    deliver(&mut bench, &mut smds);
    assert_eq!(smds.events().count(), 1);
    let restart = |bench: &mut Bench, seed: u64| {
        let (settings, store) = (SmdpSettings::new(ADDRESS), Box::new(memory.clone()));
        bench.smdp = smdp_with(&bench.pki, settings, store, &memory.records(), seed);
    };
    bench.smdp.cancel_order(&iccid(0), None, None, true).unwrap();
    restart(&mut bench, 50);
    deliver(&mut bench, &mut smds);
    assert_eq!(smds.events().count(), 0);
    // Once is enough.
    restart(&mut bench, 51);
    assert_eq!(bench.smdp.deadline_unix_s(), None);
}

#[test]
fn an_smds_that_does_not_answer_holds_no_other_up() {
    let mut bench = Bench::new();
    let eid: Eid = EID.parse().unwrap();
    for (n, smds) in [(0, "dead.example"), (1, "dead.example"), (2, "smds.example")] {
        if n > 0 {
            bench.smdp.add_profile(profile(n)).unwrap();
        }
        let order = DownloadOrder { eid: Some(eid.clone()), iccid: Some(iccid(n)), profile_type: None };
        bench.smdp.download_order(&order).unwrap();
        let confirm = ConfirmOrder {
            iccid: iccid(n),
            eid: None,
            matching_id: Some(format!("E-{n}")),
            confirmation_code: None,
            smds: Some(smds.to_owned()),
            release: true,
        };
        bench.smdp.confirm_order(NOW, &confirm).unwrap();
    }
    let asked: Vec<String> =
        std::iter::from_fn(|| bench.smdp.poll(NOW)).map(|request| request.host).collect();
    assert_eq!(asked, ["dead.example", "smds.example"]);
    assert!(bench.smdp.resume(NOW, "dead.example", None).is_err());
    assert_eq!(bench.smdp.poll(NOW).unwrap().host, "dead.example", "the other event");
}
