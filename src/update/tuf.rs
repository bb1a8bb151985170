//! What a vendor offers as a TUF repository (TUF specification 1.0.34), for programs that read nothing else: a view of the
//! releases, which no device of ours trusts. One key holds all four roles, so that it shows the format and not how keys
//! are kept apart.
//!
//! ```text
//! metadata/1.root.json  metadata/timestamp.json  metadata/N.snapshot.json  metadata/N.targets.json
//! targets/<sha256>.<name>
//! ```

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::crypto::rsp_cert::pem;
use crate::crypto::{CryptoError, SoftKey, key};

const SPECIFICATION: &str = "1.0.34";

/// Something that a repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TufTarget {
    /// Its name, a path without a folder above.
    pub name: String,
    /// What it is.
    pub content: Vec<u8>,
    /// Facts about it, in words of the vendor.
    pub custom: Vec<(&'static str, String)>,
}

/// How long the metadata of a repository stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TufVersion {
    /// The version of targets, snapshot and timestamp; each is newer than the one before.
    pub number: u64,
    /// When all of it expires, in seconds since the Unix epoch.
    pub expires_unix_s: u64,
}

/// The files of a repository with these targets: paths, and what stands there.
///
/// # Errors
/// Where the key cannot sign.
pub fn repository(
    targets: &[TufTarget],
    version: TufVersion,
    signer: &SoftKey,
) -> Result<Vec<(String, Vec<u8>)>, CryptoError> {
    let expires = rfc3339(version.expires_unix_s);
    let public = json!({
        "keytype": "ecdsa",
        "scheme": "ecdsa-sha2-nistp256",
        "keyval": { "public": public_pem(&signer.public()) },
    });
    let key_id = hex::encode(Sha256::digest(canonical(&public)));
    let signed = |role: Value| -> Result<Vec<u8>, CryptoError> {
        let signature = key::signature_to_der(&signer.sign(&canonical(&role)))?;
        let whole =
            json!({ "signatures": [{ "keyid": key_id, "sig": hex::encode(signature) }], "signed": role });
        // What is signed is in canonical form; what is written is JSON, where a text has no line breaks.
        Ok(whole.to_string().into_bytes())
    };
    let head = |kind: &str, number: u64| {
        let mut head = Map::new();
        head.insert("_type".into(), kind.into());
        head.insert("spec_version".into(), SPECIFICATION.into());
        head.insert("version".into(), number.into());
        head.insert("expires".into(), expires.clone().into());
        head
    };
    let with = |mut head: Map<String, Value>, key: &str, value: Value| {
        head.insert(key.into(), value);
        Value::Object(head)
    };
    let mut files = Vec::new();
    let mut listed = Map::new();
    for target in targets {
        let digest = hex::encode(Sha256::digest(&target.content));
        let custom: Map<String, Value> =
            target.custom.iter().map(|(key, value)| ((*key).into(), value.clone().into())).collect();
        let entry =
            json!({ "length": target.content.len(), "hashes": { "sha256": digest }, "custom": custom });
        listed.insert(target.name.clone(), entry);
        files.push((format!("targets/{digest}.{}", target.name), target.content.clone()));
    }
    let number = version.number;
    let of_file = |bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        json!({ "version": number, "length": bytes.len(), "hashes": { "sha256": digest } })
    };
    let targets = signed(with(head("targets", number), "targets", Value::Object(listed)))?;
    let meta = json!({ "targets.json": of_file(&targets) });
    let snapshot = signed(with(head("snapshot", number), "meta", meta))?;
    let meta = json!({ "snapshot.json": of_file(&snapshot) });
    let timestamp = signed(with(head("timestamp", number), "meta", meta))?;
    let role = json!({ "keyids": [key_id], "threshold": 1 });
    let roles = json!({ "root": role, "targets": role, "snapshot": role, "timestamp": role });
    let mut root = head("root", 1);
    root.insert("consistent_snapshot".into(), true.into());
    root.insert("keys".into(), json!({ key_id.clone(): public }));
    let root = signed(with(root, "roles", roles))?;
    files.push(("metadata/1.root.json".into(), root));
    files.push((format!("metadata/{number}.targets.json"), targets));
    files.push((format!("metadata/{number}.snapshot.json"), snapshot));
    files.push(("metadata/timestamp.json".into(), timestamp));
    Ok(files)
}

/// A public key as PEM.
fn public_pem(public: &[u8; 64]) -> String {
    let text = pem::write("PUBLIC KEY", &key::spki_der(public));
    text.trim_end().to_owned()
}

/// JSON in its canonical form (OLPC): keys in order, no spaces, and in texts nothing escaped but quotes and backslashes.
fn canonical(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    let text = |text: &str, out: &mut String| {
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    };
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (place, (key, value)) in keys.into_iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                text(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        Value::String(one) => text(one, out),
        other => out.push_str(&other.to_string()),
    }
}

/// A moment as TUF writes it, in UTC to the second (RFC 3339).
fn rfc3339(unix_s: u64) -> String {
    let seconds = i64::try_from(unix_s).unwrap_or(i64::MAX);
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_repository_is_whole_and_signed() {
        let signer = SoftKey::from_scalar(&[7; 32]).unwrap();
        let target = TufTarget {
            name: "app-2.suit".into(),
            content: b"manifest".to_vec(),
            custom: vec![("suit-digest", "ab".into())],
        };
        let version = TufVersion { number: 3, expires_unix_s: 1_800_000_000 };
        let files: BTreeMap<_, _> = repository(&[target], version, &signer).unwrap().into_iter().collect();
        let json = |name: &str| serde_json::from_slice::<Value>(&files[name]).unwrap();
        for name in ["1.root", "3.targets", "3.snapshot", "timestamp"] {
            let whole = json(&format!("metadata/{name}.json"));
            let signature = hex::decode(whole["signatures"][0]["sig"].as_str().unwrap()).unwrap();
            let signature = key::signature_from_der(&signature).unwrap();
            let over = canonical(&whole["signed"]);
            key::verify(&signer.public(), &over, &signature)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(whole["signed"]["expires"], "2027-01-15T08:00:00Z");
        }
        let listed = &json("metadata/3.targets.json")["signed"]["targets"]["app-2.suit"];
        let digest = listed["hashes"]["sha256"].as_str().unwrap();
        assert_eq!(files[&format!("targets/{digest}.app-2.suit")], b"manifest");
        let told = &json("metadata/timestamp.json")["signed"]["meta"]["snapshot.json"];
        let digest = hex::encode(Sha256::digest(&files["metadata/3.snapshot.json"]));
        assert_eq!((&told["hashes"]["sha256"], &told["version"]), (&json!(digest), &json!(3)));
    }

    #[test]
    fn canonical_json_has_one_form() {
        let value = json!({ "b": [1, true, null], "a": { "z": "x\"\\\n", "y": -1 } });
        let text = String::from_utf8(canonical(&value)).unwrap();
        assert_eq!(text, "{\"a\":{\"y\":-1,\"z\":\"x\\\"\\\\\n\"},\"b\":[1,true,null]}");
    }
}
