//! What a PostgreSQL statement does, read with the server's own grammar (libpg_query).
//!
//! [`Reader`] turns bytes into a [`Reading`]: names as they are written, what the session will be like
//! afterwards, which columns are mentioned. [`Reading::facts`] sets those names into a [`Session`] (its search
//! path, the [`Catalogue`] of the database) and answers with the [`Facts`](countersign_common::Facts) that
//! policies decide on. Pure: no I/O, no clock; whoever owns a connection fills the catalogue.
//!
//! What cannot be read is `unknown`, never a read (I7): every kind of node that is not handled by name, every
//! function that is on no list, every name that the catalogue does not have.

pub mod catalogue;
mod dependence;
mod filter;
mod functions;
mod grammar;
pub mod lineage;
mod name;
mod reader;
mod reading;
mod redefined;
mod resolve;
mod setting;
mod shape;
mod skeleton;
mod walk;

pub use catalogue::Catalogue;
pub use dependence::{Dependence, Private, Reach};
pub use name::Name;
pub use reader::{Lexing, Reader};
pub use reading::{Copy, CopySide, Effects, Mentions, Reading, Redefined, Transaction};
pub use resolve::Session;
pub use setting::is_allowed_at_login;
