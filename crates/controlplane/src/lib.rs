//! Approvals, sessions, bundles and audit: what must last.
