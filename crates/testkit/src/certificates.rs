//! Certificates for tests: an authority of its own, a server on loopback, a client.

use std::path::PathBuf;

use tempfile::TempDir;

/// An authority, a certificate for servers on `localhost` and `127.0.0.1`, and one for a client, all as
/// PEM files in a temporary folder.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
}

impl Certificates {
    /// The authority's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The server's certificate.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.dir.path().join("server.pem")
    }

    /// The server's key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.dir.path().join("server.key")
    }

    /// The client's certificate; its common name is the role that was asked for.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.dir.path().join("client.pem")
    }

    /// The client's key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.dir.path().join("client.key")
    }
}

#[cfg(feature = "certificates")]
mod make {
    use anyhow::{Context, Result};
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose,
    };

    use super::Certificates;

    impl Certificates {
        /// Makes new ones, the client's for `client_role`.
        ///
        /// # Errors
        /// The files cannot be written.
        pub fn make(client_role: &str) -> Result<Self> {
            let dir = tempfile::Builder::new().prefix("cs").tempdir().context("no temporary folder")?;
            let made = Self { dir };
            let mut authority = CertificateParams::new(Vec::new())?;
            authority.distinguished_name.push(DnType::CommonName, "Countersign test authority");
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
            std::fs::write(made.ca(), authority.pem())?;

            let mut server = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])?;
            server.distinguished_name.push(DnType::CommonName, "localhost");
            server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let key = KeyPair::generate()?;
            std::fs::write(made.server(), server.signed_by(&key, &authority)?.pem())?;
            std::fs::write(made.server_key(), key.serialize_pem())?;

            let mut client = CertificateParams::new(Vec::new())?;
            client.distinguished_name.push(DnType::CommonName, client_role);
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate()?;
            std::fs::write(made.client(), client.signed_by(&key, &authority)?.pem())?;
            std::fs::write(made.client_key(), key.serialize_pem())?;
            make_private(&made)?;
            Ok(made)
        }
    }

    /// libpq refuses keys that others can read.
    fn make_private(made: &Certificates) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for key in [made.server_key(), made.client_key()] {
            std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }
}
