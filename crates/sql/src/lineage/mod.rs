//! Lineage: from which columns the values come that a command returns, stores, or decides by.
//!
//! [`Reading::flows`](crate::Reading::flows) resolves a statement against the catalogue and returns [`Flows`].
//! Everything in them errs towards more sources (I6). Whether a source is masked for a principal is not known
//! here: the rules are applied by the caller.

pub(crate) mod build;
mod column_sources;
mod flows;
pub(crate) mod query;
mod reading_flows;
mod resolve;
mod watched;

pub use column_sources::{ColumnOrigin, StoredColumns};
pub use flows::{ColumnName, Flows, Place, Predicate, SideChannel, SideChannelKind, Sources, ValueCopy};
pub use watched::Watched;
