//! What was done: records, hash chain, segments, verification and replay.
