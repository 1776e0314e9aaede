//! `redis` in the configuration of a control plane: where Redis is, and how we get in.

use std::path::{Path, PathBuf};

use countersign_common::Secret;
use countersign_controlplane::redis::{RedisOptions, RedisTls};
use serde::Deserialize;

use crate::node::config::Document;

/// `redis`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisConfig {
    /// `url`: `redis://host:port`, or `rediss://…` over TLS; several, separated by commas, of which the first that answers
    /// is used. A password may not stand here.
    url: Option<String>,
    /// `url_file`: a file with the same, where `user:password@` may stand before the first host.
    url_file: Option<PathBuf>,
    /// `tls`: whom to trust. Default: whom this machine trusts. For `rediss` alone.
    tls: Option<RedisTlsConfig>,
    /// `user`: the ACL user.
    user: Option<RedisUser>,
    /// `sentinel`: the addresses are those of sentinels.
    sentinel: Option<Sentinel>,
    /// `cluster`: the addresses are those of a cluster's nodes. For hints, not for the journal. Default false.
    #[serde(default)]
    cluster: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisTlsConfig {
    /// The authority that signed the servers' certificates, PEM.
    ca: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisUser {
    /// Its name.
    name: String,
    /// The file that holds its password, and nothing else; white space around it is left out.
    password_file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentinel {
    /// The name by which the sentinels know the master.
    master: String,
}

/// What a URL says. Its text is a secret until it is known that none stands in it.
#[derive(Debug)]
struct Place {
    is_tls: bool,
    user: Option<(String, Secret<String>)>,
    endpoints: Vec<String>,
}

impl RedisConfig {
    pub(super) fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// How Redis is reached; faults go to the document.
    pub(super) fn options(&self, document: &mut Document) -> Option<RedisOptions> {
        match self.read() {
            Ok(options) => Some(options),
            Err(reason) => {
                document.fault(format!("`redis`: {reason}"));
                None
            }
        }
    }

    fn read(&self) -> Result<RedisOptions, String> {
        let place = match (&self.url, &self.url_file) {
            (Some(url), None) => {
                let place = Place::read(url)?;
                if place.user.is_some() {
                    return Err("a password stands in `url`; put it into `url_file`, or give `user`".into());
                }
                place
            }
            (None, Some(file)) => Place::read(&read_secret(file)?)?,
            _ => return Err("give one of `url` and `url_file`".into()),
        };
        let mut options = RedisOptions::new(place.endpoints);
        options.tls = match (place.is_tls, &self.tls) {
            (false, None) => RedisTls::Off,
            (true, None) => RedisTls::System,
            (true, Some(tls)) => RedisTls::Authority(tls.ca.clone()),
            (false, Some(_)) => return Err("`tls` is for rediss://".into()),
        };
        let user = match (&self.user, place.user) {
            (Some(_), Some(_)) => return Err("a user stands in the URL and in `user`".into()),
            (Some(user), None) => Some((user.name.clone(), Secret::new(read_secret(&user.password_file)?))),
            (None, user) => user,
        };
        if let Some((name, password)) = user {
            options.username = (!name.is_empty()).then_some(name);
            options.password = Some(password);
        }
        if self.cluster && self.sentinel.is_some() {
            return Err("`cluster` and `sentinel` exclude each other".into());
        }
        options.sentinel_master = self.sentinel.as_ref().map(|sentinel| sentinel.master.clone());
        Ok(options)
    }
}

impl Place {
    fn read(url: &str) -> Result<Self, String> {
        let wanted = || "a URL is redis://host:port or rediss://host:port".to_owned();
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(wanted)?;
        let is_tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wanted()),
        };
        let (user, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => (Some(credentials(user)?), hosts),
            None => (None, rest),
        };
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        let is_endpoint = |text: &str| {
            text.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
            })
        };
        let endpoints: Vec<String> = hosts.split(',').map(|host| host.trim().to_owned()).collect();
        match endpoints.iter().all(|endpoint| is_endpoint(endpoint)) {
            true => Ok(Self { is_tls, user, endpoints }),
            false => Err(wanted()),
        }
    }
}

/// `user:password`, where `%xx` stands for a byte. Never repeated in an error.
fn credentials(text: &str) -> Result<(String, Secret<String>), String> {
    let (user, password) = text.split_once(':').ok_or("a user without a password")?;
    let decoded = |text| percent_decoded(text).ok_or("a `%` in user or password is written %25");
    Ok((decoded(user)?, Secret::new(decoded(password)?)))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.extend(hex::decode(code).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn read_secret(file: &Path) -> Result<String, String> {
    let read = std::fs::read_to_string(file);
    read.map(|text| text.trim().to_owned())
        .map_err(|error| format!("cannot read `{}`: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RedisOptions, String> {
        serde_json::from_str::<RedisConfig>(json).map_err(|error| error.to_string())?.read()
    }

    #[test]
    fn a_url_names_the_endpoints() {
        let options = read(r#"{"url": "redis://a:1,b:2/"}"#).unwrap();
        assert_eq!(
            (options.endpoints, options.tls),
            (vec!["a:1".to_owned(), "b:2".to_owned()], RedisTls::Off)
        );
        let options = read(r#"{"url": "rediss://a:1", "sentinel": {"master": "m"}}"#).unwrap();
        assert_eq!((options.tls, options.sentinel_master.as_deref()), (RedisTls::System, Some("m")));
    }

    #[test]
    fn secrets_come_from_files_and_show_in_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        std::fs::write(&file, "rediss://cs:p%40ss%25@h:6379\n").unwrap();
        let options = read(&format!(r#"{{"url_file": "{}"}}"#, file.display())).unwrap();
        assert_eq!(options.username.as_deref(), Some("cs"));
        assert_eq!(options.password.unwrap().expose(), "p@ss%");
        for bad in [
            "redis://cs:hunter2@h:1",
            "redis://cs:hunter2%@h:1",
            "redis://hunter2@h",
            "http://cs:hunter2@h:1",
        ] {
            let error = read(&format!(r#"{{"url": "{bad}"}}"#)).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for bad in [
            "{}",
            r#"{"url": "redis://h:1", "url_file": "/x"}"#,
            r#"{"url": "redis://h:1", "tls": {"ca": "/x"}}"#,
            r#"{"url": "redis://h:1", "cluster": true, "sentinel": {"master": "m"}}"#,
            r#"{"url": "redis://h"}"#,
            r#"{"url": "redis://h:1/0"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
