//! The folder, and what is said where it cannot be served.

use std::os::unix::fs::PermissionsExt;

use crate::serving::{Place, Serving, cellbed};

#[test]
fn a_folder_is_made_once_with_a_key_for_its_owner() {
    let (place, other) = (Place::new(), Place::new());
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca"), mode("ca/ca.key"), mode("ca/ca.pem")), (0o700, 0o600, 0o644));
    // Keys come from the system: no two are alike.
    assert_ne!(place.get("ca/ca.key"), other.get("ca/ca.key"));
    let before = place.get("ca/ca.key");
    let (code, said) = place.ca("new", &[]);
    assert!(code == 96 && said.contains("is already there"), "{said}");
    assert_eq!(place.get("ca/ca.key"), before);
    let (code, said) = place.ca("list", &[]);
    assert!(code == 0 && said == "0 certificates\n", "{said}");
}

#[test]
fn what_cannot_be_served_is_said() {
    let place = Place::new();
    let clients = place.path("clients.toml");
    let clients = clients.to_str().unwrap();
    let serve = |more: &[&str]| place.ca("serve", more);
    // Beyond loopback only where somebody says so, and with clients.
    for more in
        [&["--listen", "0.0.0.0:0"][..], &["--status", "0.0.0.0:0"], &["--listen", "0.0.0.0:0", "--outside"]]
    {
        let (code, said) = serve(more);
        assert!(code == 96 && said.contains("--outside"), "{said}");
    }
    let (code, said) = serve(&["--listen", "0.0.0.0:0", "--clients", clients]);
    assert!(code == 96 && said.contains("--outside"), "{said}");
    std::fs::set_permissions(clients, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = serve(&["--clients", clients]);
    assert!(code == 96 && said.contains("chmod 600"), "{said}");
    let (code, said) = serve(&["--host", "not a name"]);
    assert!(code == 96 && said.contains("not a DNS name"), "{said}");
    let (code, said) = cellbed(&["ca", "serve", "/nonexistent"]);
    assert!(code == 96 && said.contains("/nonexistent"), "{said}");
    let (code, said) = place.ca("revoke", &[&"4".repeat(32)]);
    assert!(code == 96 && said.contains("ca list"), "{said}");
    let (code, _) = place.ca("revoke", &["12"]);
    assert_eq!(code, 96);
}

#[test]
fn a_folder_is_served_once_at_a_time() {
    let serving = Serving::start(&[]);
    let (code, said) = serving.place.ca("serve", &["--listen", "127.0.0.1:0", "--status", "127.0.0.1:0"]);
    assert!(code == 96 && said.contains("is being served by another process"), "{said}");
    let place = serving.interrupt();
    Serving::of(place, &[]).interrupt();
}
