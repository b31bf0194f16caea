//! Files of a public corpus: from addresses and archives to plain files on the disk.
//!
//! This module ignores what the files contain. Everything that arrives is checked before it gets its name, so a
//! file that is there is complete: an interrupted call leaves parts under other names, and the
//! next one goes on with them.

pub mod archive;
pub mod checksum;
pub mod compression;
pub mod download;
mod download_attempt;
pub mod lock;
pub mod progress;

pub use download::{Cache, Policy};
pub use progress::Progress;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// One file to download: a text, or an archive of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Name of the file in the recipe, if the file is a text and not an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For an archive: the name of each text in the recipe, with the path of the text in the archive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
    /// Addresses of the same content, the preferred one first. Archives may be packed differently.
    pub mirrors: Vec<Mirror>,
}

impl Download {
    /// Returns the names of the files that it contains, as the recipe states them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.name.iter().chain(self.members.keys()).map(String::as_str)
    }
}

/// An address, with size and checksum of the file there. If the checksum is absent, the first download records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Address of the file, http or https. A name and password in it are sent to the server and written nowhere.
    #[serde(serialize_with = "serialize_public")]
    pub url: String,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 checksum of the file, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// MD5 checksum of the file, 32 hexadecimal digits, if no SHA-256 checksum is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
}

impl Mirror {
    /// Creates a mirror of which only the address is known.
    pub fn at(url: &str) -> Self {
        Mirror { url: url.into(), bytes: None, sha256: None, md5: None }
    }

    /// The address without the name and password that it may hold, for messages and paths.
    pub fn public_url(&self) -> String {
        without_credentials(&self.url)
    }

    /// The file's name: the last part of the address's path.
    pub fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

/// An address without `user:password@`.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.into(),
    }
}

/// Writes an address [without credentials](without_credentials), because others may read the output.
pub fn serialize_public<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_credentials(url))
}

/// Does the same for an address that may be absent.
pub fn serialize_public_option<S: Serializer>(
    url: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    url.as_deref().map(without_credentials).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_of_an_address_and_nothing_else_is() {
        for (url, public) in [
            ("https://me:se@cret@example.org:8080/a@b?c=d@e", "https://example.org:8080/a@b?c=d@e"),
            ("http://token@example.org", "http://example.org"),
            ("http://example.org/@/a", "http://example.org/@/a"),
            ("http://example.org?a@b", "http://example.org?a@b"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_credentials(url), public);
        }
        let written = serde_json::to_string(&Mirror::at("https://me:secret@example.org/a")).unwrap();
        assert_eq!(written, r#"{"url":"https://example.org/a"}"#);
    }
}
