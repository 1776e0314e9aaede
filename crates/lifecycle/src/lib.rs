//! The road of a command, written once.
