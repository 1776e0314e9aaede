//! Bundles and verdicts: who may run what, decided with Cedar.
