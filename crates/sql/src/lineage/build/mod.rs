//! From the parse tree of libpg_query to the compact tree of the lineage.
//!
//! A kind of node that is not handled by name becomes `Opaque`: its value may come from anywhere (I7).

mod expression;
mod from;
mod query;
mod statement;

pub(crate) use query::has_position;
pub(crate) use statement::statement;
