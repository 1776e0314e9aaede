//! Reads `limits.yaml`, the limits on open requests for approval.

use countersign_common::approval::RequestLimits;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::error::Fault;
use crate::files::Files;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    open_requests: Option<OpenRequests>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRequests {
    per_session: Option<Limit>,
    per_subject: Option<Limit>,
    per_target: Option<Limit>,
}

/// A number from 1 up, or `unlimited`.
#[derive(Debug, Clone, Copy)]
struct Limit(Option<u32>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let number = text.parse().ok().filter(|number: &u32| *number > 0);
        number.map(|number| Self(Some(number))).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a limit; write a number from 1 up, or `unlimited`"))
        })
    }
}

/// Reads the limits and fills in the defaults.
pub(crate) fn read(files: &Files, faults: &mut Vec<Fault>) -> RequestLimits {
    let document = super::read::<Limits>(files, "limits", faults);
    let given = document.and_then(|document| document.content.open_requests).unwrap_or_default();
    let default = RequestLimits::default();
    let or = |given: Option<Limit>, default: Option<u32>| given.map_or(default, |limit| limit.0);
    RequestLimits {
        per_session: or(given.per_session, default.per_session),
        per_subject: or(given.per_subject, default.per_subject),
        per_target: or(given.per_target, default.per_target),
    }
}
