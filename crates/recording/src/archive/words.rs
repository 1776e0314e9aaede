//! Error texts for operators from the answers of an object store: the error code and a hint, or the reason why the
//! store is unreachable. Requests are signed in headers, so neither URLs nor answers contain a secret.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

/// Maximum length of a quoted answer, in characters.
const SAID_MAX: usize = 300;

/// Meaning of S3 error codes for the operator who configured the store.
const CODES: &[(&str, &str)] = &[
    ("NoSuchBucket", "there is no such bucket"),
    ("InvalidAccessKeyId", "the access key is not known there"),
    ("SignatureDoesNotMatch", "the secret access key is not the one of this access key"),
    ("AccessDenied", "access is denied; the key needs GetObject, PutObject and ListBucket"),
    ("RequestTimeTooSkewed", "its clock and the one of this machine are too far apart"),
    ("ExpiredToken", "the credentials have expired"),
    ("InvalidToken", "the session token is not valid"),
    ("AuthorizationHeaderMalformed", "`region` is another one"),
    ("PermanentRedirect", "the bucket is at another `endpoint` or in another `region`"),
    ("NotImplemented", "it does not know what is asked of it; conditional puts are needed"),
];

/// Describes the error on one line.
pub(super) fn of(error: &Error) -> String {
    if let Some(failed) = transport(error) {
        return match failed.kind() {
            HttpErrorKind::Unknown | HttpErrorKind::Decode => {
                format!("it cannot be spoken to: {}", innermost(failed))
            }
            _ => format!("it cannot be reached: {}", innermost(failed)),
        };
    }
    let said = error.to_string();
    if said.contains("redirect without LOCATION") {
        return "the bucket is in another `region`".into();
    }
    match (tagged(&said, "Code"), tagged(&said, "Message")) {
        (Some(code), message) => {
            let meant = CODES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning);
            cut(&format!("{} ({code})", meant.or(message).unwrap_or("it refuses")))
        }
        (None, _) => cut(&said),
    }
}

/// Returns `true` if a retry may succeed: the store is unreachable or reports a fault of its own.
pub(super) fn is_away(error: &Error) -> bool {
    match transport(error) {
        Some(failed) => !matches!(failed.kind(), HttpErrorKind::Unknown | HttpErrorKind::Decode),
        None => status(&error.to_string()).is_some_and(|status| matches!(status, 408 | 429 | 500..)),
    }
}

/// Returns `true` if the bucket is missing, and not only the object.
pub(super) fn is_bucket_missing(error: &Error) -> bool {
    tagged(&error.to_string(), "Code") == Some("NoSuchBucket")
}

/// Returns the transport error if no answer arrived.
fn transport(error: &Error) -> Option<&HttpError> {
    let mut at: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = at {
        if let Some(failed) = cause.downcast_ref() {
            return Some(failed);
        }
        at = cause.source();
    }
    None
}

fn innermost(failed: &HttpError) -> String {
    let mut at: &(dyn StdError + 'static) = failed;
    while let Some(cause) = at.source() {
        at = cause;
    }
    cut(&at.to_string())
}

/// HTTP status of an unsuccessful answer.
fn status(said: &str) -> Option<u16> {
    said.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// Text inside an XML element of the answer, regardless of the surrounding text.
fn tagged<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let rest = said.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

fn cut(text: &str) -> String {
    let printable = text.chars().map(|one| if one.is_control() { ' ' } else { one });
    printable.take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.into() }
    }

    fn failed(kind: HttpErrorKind) -> Error {
        let why = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        Error::Generic { store: "S3", source: Box::new(HttpError::new(kind, why)) }
    }

    #[test]
    fn an_answer_is_told_by_its_code_and_what_to_look_at() {
        let answer = "Error performing PUT http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: \
                      <Error><Code>RequestTimeTooSkewed</Code><Message>far</Message></Error>";
        let words = of(&said(answer));
        assert_eq!(words, "its clock and the one of this machine are too far apart (RequestTimeTooSkewed)");
        assert!(!is_away(&said(answer)));
        let unknown = "status code: 400 Bad Request: <Error><Code>Odd</Code><Message>a\nb</Message></Error>";
        assert_eq!(of(&said(unknown)), "a b (Odd)");
        assert_eq!(of(&said(&"x".repeat(999))).len(), SAID_MAX);
    }

    #[test]
    fn a_store_that_is_away_is_told_from_one_that_refuses() {
        for away in [
            failed(HttpErrorKind::Connect),
            failed(HttpErrorKind::Timeout),
            said("status code: 503 Service Unavailable"),
            said("status code: 429 Too Many Requests"),
        ] {
            assert!(is_away(&away), "{away}");
        }
        for refusal in [failed(HttpErrorKind::Unknown), said("status code: 404 Not Found"), said("no file")] {
            assert!(!is_away(&refusal), "{refusal}");
        }
        assert_eq!(of(&failed(HttpErrorKind::Connect)), "it cannot be reached: connection refused");
    }
}
