//! The file that says who may have certificates of an authority that is served.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::ca::served::{Client, Login, Roster};
use crate::ca::{CaError, Subject};
use crate::io::ca_folder::{self, CaFolderError};
use crate::io::files::{self, FileError};

/// Why a file of clients cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Mode(CaFolderError),
    #[error("{}: {cause}", path.display())]
    Content { path: PathBuf, cause: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    client: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    user: Option<String>,
    password: Option<String>,
    certificate_sha256: Option<String>,
}

/// Reads the file at `path`, which nobody but its owner may.
pub fn read(path: &Path) -> Result<Roster, ClientsError> {
    let text = Zeroizing::new(files::read_text(path)?);
    ca_folder::private(path).map_err(ClientsError::Mode)?;
    roster(&text).map_err(|cause| ClientsError::Content { path: path.to_owned(), cause })
}

fn roster(text: &str) -> Result<Roster, String> {
    // The message alone: the line that it would show may hold a password.
    let document: Document = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("line {}: {}", line.unwrap_or(1), error.message())
    })?;
    Roster::new(document.client.into_iter().map(client).collect::<Result<_, _>>()?)
}

fn client(entry: Entry) -> Result<Client, String> {
    let Entry { name, hosts, user, password, certificate_sha256 } = entry;
    let password = password.map(Zeroizing::new);
    let wrong = |cause: &str| Err(format!("client {name:?}: {cause}"));
    let login = match (user, password) {
        (Some(user), _) if user.is_empty() || user.contains(':') => {
            return wrong("a user name is not empty and has no colon (RFC 7617)");
        }
        (Some(_), Some(password)) if password.is_empty() => return wrong("its password is empty"),
        (Some(user), Some(password)) => Some(Login { user, password }),
        (None, None) => None,
        _ => return wrong("user and password come together"),
    };
    let certificate_sha256 = match certificate_sha256 {
        None => None,
        Some(digits) => match crate::wire::digits::array(&digits) {
            Ok(digest) => Some(digest),
            Err(cause) => return wrong(&format!("certificate_sha256: {cause}")),
        },
    };
    let subject =
        Subject::named(&name, &hosts).map_err(|error: CaError| format!("client {name:?}: {error}"))?;
    Ok(Client { subject, login, certificate_sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_read() {
        let text = format!(
            "[[client]]\nname = \"a\"\nuser = \"u\"\npassword = \"p\"\nhosts = [\"a.test\"]\n\n\
             [[client]]\nname = \"b\"\ncertificate_sha256 = \"{}\"\n",
            "AB:".repeat(31) + "ab"
        );
        assert_eq!(roster(&text).unwrap().len(), 2);
        assert!(roster("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_password() {
        for (text, cause) in [
            ("name = \"a\"", "line 1: unknown field"),
            ("[[client]]\nname = \"a\"\nuser = \"u\"", "user and password come together"),
            ("[[client]]\nname = \"a\"\nuser = \"u:v\"\npassword = \"secret\"", "no colon"),
            ("[[client]]\nname = \"a\"\nuser = \"u\"\npassword = \"\"", "its password is empty"),
            ("[[client]]\nname = \"\"", "1 to 64 characters"),
            ("[[client]]\nname = \"a\"\nhosts = [\"no host\"]", "not a DNS name"),
            (
                "[[client]]\nname = \"a\"\ncertificate_sha256 = \"12\"",
                "64 hexadecimal digits are expected: found 2",
            ),
            ("[[client]]\nname = \"a\"\npassword = \"secret\" x", "line 3: "),
        ] {
            let error = roster(text).unwrap_err();
            assert!(error.contains(cause) && !error.contains("secret"), "{error}");
        }
    }
}
