//! What may leave: masking rules, plans and the proof that bytes were masked.
