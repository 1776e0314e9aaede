//! What the tests of this crate share: certificates, and a way to write bytes so that people read them.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

pub mod postgres;

use std::path::{Path, PathBuf};

use countersign_common::target::{Tls, TlsMode};
use countersign_postgres::codec::backend::Authentication;
use countersign_postgres::codec::{Backend, ErrorFields, Frame, Side, Walker};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate authority, and certificates by it, in PEM files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key for this host, or for this user when it is a client's.
    pub fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&files.0, certificate.pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// TLS settings of a target without files.
pub fn tls(mode: TlsMode) -> Tls {
    Tls { mode, ca_file: None, certificate_file: None, key_file: None }
}

/// The same with this authority.
pub fn tls_by(mode: TlsMode, ca_file: &Path) -> Tls {
    Tls { ca_file: Some(ca_file.to_owned()), ..tls(mode) }
}

/// What a server said, a message a line.
pub fn spoken(bytes: &[u8]) -> String {
    let mut walker = Walker::new(Side::Backend);
    let mut frames = walker.walk(bytes);
    let mut lines = Vec::new();
    while let Some(frame) = frames.next().expect("messages of a server") {
        match frame {
            Frame::Whole { header, body, .. } => {
                lines.push(line(&Backend::decode(header.tag, body).unwrap()))
            }
            other => panic!("not whole: {other:?}"),
        }
    }
    assert_eq!(frames.position(), bytes.len(), "bytes after the last message");
    lines.join("\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line(message: &Backend<'_>) -> String {
    match message {
        Backend::Authentication(Authentication::Ok) => "let in".into(),
        Backend::Authentication(request) => format!("authentication {request:?}"),
        Backend::ParameterStatus { name, value } => format!("{} = {}", text(name), text(value)),
        Backend::BackendKeyData { pid, secret } => format!("key {pid}, {} bytes", secret.0.len()),
        Backend::ReadyForQuery(status) => format!("ready {status:?}"),
        Backend::ErrorResponse(fields) => error(*fields),
        Backend::NegotiateProtocolVersion(offer) => {
            let unknown: Vec<_> = offer.unknown().map(text).collect();
            format!("speaks {}.{}, not {unknown:?}", offer.version >> 16, offer.version & 0xffff)
        }
        other => format!("{other:?}"),
    }
}

fn error(fields: ErrorFields<'_>) -> String {
    let field = |code| text(fields.get(code).unwrap_or_default());
    assert_eq!(field(b'S'), field(b'V'));
    format!("{} {}: {}", field(b'S'), field(b'C'), field(b'M'))
}
