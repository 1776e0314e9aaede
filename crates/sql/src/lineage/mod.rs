//! Lineage: from which columns the values come that a command returns, stores, or decides by.
//!
//! [`Reading::flows`](crate::Reading::flows) resolves a statement against the catalogue and returns [`Flows`].
//! Everything in them errs towards more sources (I6). Whether a source is masked for a principal is not known
//! here: the rules are applied by the caller.

mod carry;
mod flows;
mod reading_flows;
mod watched;

pub use flows::{ColumnName, Flows, Place, Predicate, SideChannel, SideChannelKind, Sources, ValueCopy};
pub use watched::Watched;
