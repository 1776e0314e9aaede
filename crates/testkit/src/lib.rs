//! For tests: real servers on free ports, certificates, scripts.
