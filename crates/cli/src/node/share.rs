//! A share of something: a number from 0 to 1.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A share, from 0 (nothing) to 1 (all).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Share(pub(crate) f64);

/// All.
impl Default for Share {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("{number} is not from 0 to 1"))
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>().map_err(|error| error.to_string())?.try_into()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_nothing_to_all() {
        assert_eq!("0.25".parse(), Ok(Share(0.25)));
        assert_eq!(serde_json::from_str::<Share>("1").unwrap(), Share::default());
        for bad in ["-0.1", "1.5", "NaN", "many"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
