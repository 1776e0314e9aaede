//! The approval protocol, model-checked.
