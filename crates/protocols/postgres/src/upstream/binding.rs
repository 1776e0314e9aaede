//! The channel binding `tls-server-end-point`: a digest of the server's certificate, by the hash that the
//! certificate is signed with.
//!
//! # Source
//! RFC 5929, section 4.1: MD5 and SHA-1 are replaced by SHA-256; where the signature has no one hash
//! (Ed25519, RSA-PSS), the binding is not defined.

use aws_lc_rs::digest::{self, Algorithm};

/// The DER tag of a SEQUENCE.
const SEQUENCE: u8 = 0x30;
/// The DER tag of an OBJECT IDENTIFIER.
const OBJECT_IDENTIFIER: u8 = 0x06;

/// 1.2.840.113549.1.1 (PKCS #1) without its last arc.
const PKCS_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3 (ECDSA with SHA-2) without its last arc.
const ECDSA_SHA_2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.2.840.10045.4 (ECDSA) without its last arc.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The binding to a server that showed this certificate (DER); `None` where it is not defined.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = hash_of_signature(signature_algorithm(certificate)?)?;
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// The object identifier in `Certificate ::= SEQUENCE { tbs SEQUENCE, algorithm SEQUENCE { OID … } … }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (content, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = element(content, SEQUENCE)?;
    let (algorithm, _) = element(after_tbs, SEQUENCE)?;
    element(algorithm, OBJECT_IDENTIFIER).map(|(oid, _)| oid)
}

fn hash_of_signature(oid: &[u8]) -> Option<&'static Algorithm> {
    let (last, arcs) = oid.split_last()?;
    match (arcs, last) {
        // md5, sha1 and sha256 with RSA; ecdsa with SHA1 and SHA256.
        (PKCS_1, 4 | 5 | 11) | (ECDSA, 1) | (ECDSA_SHA_2, 2) => Some(&digest::SHA256),
        (PKCS_1, 12) | (ECDSA_SHA_2, 3) => Some(&digest::SHA384),
        (PKCS_1, 13) | (ECDSA_SHA_2, 4) => Some(&digest::SHA512),
        _ => None,
    }
}

/// Content of the DER element with this tag at the front, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |sum: usize, digit| (sum << 8) | usize::from(*digit)), rest)
    };
    if first != tag {
        return None;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, bytes) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate =
                rcgen::CertificateParams::new(["db".into()]).unwrap().self_signed(&key).unwrap();
            assert_eq!(server_end_point(certificate.der()).map(|digest| digest.len()), bytes);
        }
    }

    #[test]
    fn what_is_no_certificate_gives_no_binding() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0x31, 0]] {
            assert_eq!(server_end_point(bytes), None);
        }
    }
}
