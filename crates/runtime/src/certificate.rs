//! Expiry of the certificates that a process presents, for operators: one that is not renewed in time locks out all
//! clients at once.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_common::Timestamp;
use countersign_common::metric::Metric;
use metrics::gauge;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

const EXPIRY: Metric = Metric::gauge(
    "countersign_certificate_expiry_timestamp_seconds",
    &["certificate"],
    "When the certificate ends that this process shows, in seconds since 1970: listener (to clients; of several the first \
     to end), api (to people's tools), fleet (to gateways), gateway (to the control plane)",
);

/// All metrics of this module.
pub const ALL: &[Metric] = &[EXPIRY];

/// Peers to which a certificate is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Clients of the data path.
    Listener,
    /// Users' tools such as the CLI.
    Api,
    /// Gateways that connect to a control-plane node.
    Fleet,
    /// The control plane, presented by a gateway.
    Gateway,
}

impl Shown {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Api => "api",
            Self::Fleet => "fleet",
            Self::Gateway => "gateway",
        }
    }
}

/// Sets the expiry of the certificate that is presented from now on.
pub fn ends(shown: Shown, at: Timestamp) {
    let seconds = std::time::Duration::from_micros(at.as_micros()).as_secs_f64();
    gauge!(EXPIRY.name, "certificate" => shown.as_str()).set(seconds);
}

/// Registers a certificate file whose first certificate (PEM) is presented. If there are several, the earliest expiry
/// is reported. An unreadable file is ignored here; the user of the certificate reports it.
pub fn one_ends(shown: Shown, file: &Path) {
    let mut all = all_files();
    all.retain(|one| (one.shown, &*one.file) != (shown, file));
    all.push(FromFile { shown, file: file.to_owned(), ends_at: end_of(file) });
    first_ends(shown, &all);
}

/// Reads the expiry again after the file has changed, for every purpose it is registered for.
pub(crate) fn renewed(file: &Path) {
    let mut all = all_files();
    let ends_at = end_of(file);
    for number in 0..all.len() {
        let Some(one) = all.get_mut(number).filter(|one| one.file == file) else { continue };
        one.ends_at = ends_at;
        let shown = one.shown;
        first_ends(shown, &all);
    }
}

/// A certificate that is read from a file.
#[derive(Debug)]
struct FromFile {
    shown: Shown,
    file: PathBuf,
    ends_at: Option<Timestamp>,
}

fn all_files() -> MutexGuard<'static, Vec<FromFile>> {
    static ALL_FILES: Mutex<Vec<FromFile>> = Mutex::new(Vec::new());
    ALL_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_ends(shown: Shown, all: &[FromFile]) {
    if let Some(first) = all.iter().filter(|one| one.shown == shown).filter_map(|one| one.ends_at).min() {
        ends(shown, first);
    }
}

/// Expiry of the first certificate in a PEM file.
fn end_of(file: &Path) -> Option<Timestamp> {
    end(&CertificateDer::from_pem_file(file).ok()?)
}

/// Returns the expiry of a certificate; `None` if it cannot be parsed.
#[must_use]
pub fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn certificate(dir: &Path, name: &str, year: i32) -> std::path::PathBuf {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let file = dir.join(name);
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        file
    }

    #[test]
    fn of_several_certificates_the_first_to_end_is_shown() {
        let metrics = Metrics::begin(&[ALL]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        one_ends(Shown::Listener, &certificate(dir.path(), "later.pem", 2041));
        one_ends(Shown::Listener, &certificate(dir.path(), "first.pem", 2039));
        one_ends(Shown::Api, &certificate(dir.path(), "api.pem", 2038));
        one_ends(Shown::Listener, &dir.path().join("missing.pem"));
        let scrape = metrics.render();
        let shown = |line: &str| assert!(scrape.contains(line), "{scrape}");
        shown("countersign_certificate_expiry_timestamp_seconds{certificate=\"listener\"} 2177452800\n");
        shown("countersign_certificate_expiry_timestamp_seconds{certificate=\"api\"} 2145916800\n");
        // The earliest one is replaced, so the other is now the earliest.
        renewed(&certificate(dir.path(), "first.pem", 2049));
        let scrape = metrics.render();
        let later = "countersign_certificate_expiry_timestamp_seconds{certificate=\"listener\"} 2240611200\n";
        assert!(scrape.contains(later), "{scrape}");
    }
}
