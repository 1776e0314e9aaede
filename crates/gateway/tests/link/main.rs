//! The gateway's end of the link against a scripted control plane over real TLS.

mod chaos;
mod dice;
mod isolation;
mod orders;
mod plane;
mod records;
mod stage;
mod story;
mod words;
