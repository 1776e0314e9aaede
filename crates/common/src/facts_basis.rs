//! What the facts of a held command rest on, besides the command itself.

use serde::{Deserialize, Serialize};

/// What the facts of a held command rest on. The control plane derives them from the command; what names mean it has from
/// gateways alone, since nobody else reaches the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactsBasis {
    /// Who vouches for the definitions of the database.
    pub catalogue: CatalogueStanding,
    /// The gateway stated less than the command does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub understated: bool,
}

/// Who vouches for what a target's database defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogueStanding {
    /// Two gateways or more have read the same.
    Agreed,
    /// One gateway says so.
    Claimed,
    /// It is not known: every name may mean anything.
    Unknown,
}

impl CatalogueStanding {
    /// The word for it in metrics and lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
        }
    }
}

impl FactsBasis {
    /// For approvers, one sentence each.
    #[must_use]
    pub fn sentences(self) -> Vec<&'static str> {
        let catalogue = match self.catalogue {
            CatalogueStanding::Agreed => "definitions of the database: two gateways agree on them",
            CatalogueStanding::Claimed => "definitions of the database: claimed by one gateway",
            CatalogueStanding::Unknown => "definitions of the database: not known",
        };
        let understated = "warning: the gateway stated less than this command does";
        [catalogue].into_iter().chain(self.understated.then_some(understated)).collect()
    }
}
