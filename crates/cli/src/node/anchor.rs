//! `anchor`: where checkpoints go as they are signed, outside of the control plane: a path, a URL, or `{ url: … }` with how the
//! endpoint is reached.

use std::path::PathBuf;

use countersign_controlplane::journal::{AnchorEndpoint, AnchorPlace, Anchoring};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{CliError, Exit};

/// `anchor`, where it is a map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorConfig {
    /// `file`: checkpoints are appended to it, a line each.
    file: Option<PathBuf>,
    /// `url`: each checkpoint is the body of a POST to it; an answer of 2xx takes it.
    url: Option<String>,
    /// `ca_file`: the authority that signed the endpoint's certificate, PEM. Default: those that this machine trusts.
    ca_file: Option<PathBuf>,
    /// `token_file`: a file with the token that is sent as `Authorization: Bearer`. Default none.
    token_file: Option<PathBuf>,
    /// `witness_key`: the public key of a witness, 64 hex digits: its answer has to be its signature over the checkpoint.
    witness_key: Option<String>,
}

/// The place that a configuration means.
pub(crate) fn place(value: Value) -> Result<AnchorPlace, String> {
    let config = match value {
        Value::String(text) => return of_text(&text),
        value => serde_json::from_value::<AnchorConfig>(value).map_err(|error| error.to_string())?,
    };
    let AnchorConfig { file, url, ca_file, token_file, witness_key } = config;
    match (file, url) {
        (Some(file), None) if ca_file.is_none() && token_file.is_none() && witness_key.is_none() => {
            Ok(AnchorPlace::File(file))
        }
        (Some(_), None) => Err("`ca_file`, `token_file` and `witness_key` go with `url`".into()),
        (None, Some(url)) => {
            let witness_key = witness_key.map(|key| key.parse()).transpose();
            let witness_key = witness_key.map_err(|error| format!("`witness_key`: {error}"))?;
            let endpoint = AnchorEndpoint { url: checked(&url)?, ca_file, token_file, witness_key };
            Ok(AnchorPlace::Endpoint(endpoint))
        }
        _ => Err("one of `file` and `url`".into()),
    }
}

/// A path, or a URL.
pub(crate) fn of_text(text: &str) -> Result<AnchorPlace, String> {
    match text.split_once("://") {
        None if text.is_empty() => Err("a path, or a URL".into()),
        None => Ok(AnchorPlace::File(text.into())),
        Some(_) => {
            let (ca_file, token_file, witness_key) = (None, None, None);
            let endpoint = AnchorEndpoint { url: checked(text)?, ca_file, token_file, witness_key };
            Ok(AnchorPlace::Endpoint(endpoint))
        }
    }
}

fn checked(url: &str) -> Result<String, String> {
    match url.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() => Ok(url.to_owned()),
        _ => Err(format!("`{url}` begins with neither http:// nor https://")),
    }
}

/// Begins to serve it, where there is one.
pub(crate) fn begin(place: Option<AnchorPlace>) -> Result<Option<Anchoring>, CliError> {
    let begun = place.map(Anchoring::begin).transpose();
    begun.map_err(|error| CliError::because(Exit::Unsound, "`anchor`", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_path_or_a_url_or_a_map() {
        let read = |text: &str| place(serde_json::from_str(text).unwrap());
        assert!(matches!(read("\"/mnt/worm/anchors\"").unwrap(), AnchorPlace::File(_)));
        assert!(matches!(read("{\"file\": \"/mnt/worm/anchors\"}").unwrap(), AnchorPlace::File(_)));
        assert!(matches!(read("\"https://anchor.example/append\"").unwrap(), AnchorPlace::Endpoint(_)));
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let witness =
            format!("{{\"url\": \"https://w.example\", \"witness_key\": \"{key}\", \"token_file\": \"/t\"}}");
        let AnchorPlace::Endpoint(endpoint) = read(&witness).unwrap() else { panic!("no endpoint") };
        assert!(endpoint.witness_key.is_some() && endpoint.token_file.is_some());
        for wrong in [
            "\"\"",
            "\"ftp://anchor.example\"",
            "{}",
            "{\"file\": \"/a\", \"url\": \"https://a\"}",
            "{\"file\": \"/a\", \"token_file\": \"/t\"}",
            "{\"url\": \"https://a\", \"witness_key\": \"ab\"}",
            "{\"path\": \"/a\"}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
