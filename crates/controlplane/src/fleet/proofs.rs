//! By what a gateway shows that a session is its to speak for: a token of it was presented there. The node that opened the
//! session gives a proof, and every node can check it, because all have the key of the fleet's authority; nothing is stored.
//!
//! Without that a gateway could hold, redeem, withdraw and read for sessions that never came near it: it would need nothing
//! but their ids.

use aws_lc_rs::hmac;
use countersign_common::id::{SessionId, TargetName};
use countersign_common::{Digest, Principal};

use super::authority::Authority;
use super::member::Member;

/// What the key is for, so that it is used for nothing else; a new form of proofs gets a new one.
const PURPOSE: &str = "countersign session proof 1";

/// The same for proofs that a gateway may record a session.
const RECORD_PURPOSE: &str = "countersign record proof 1";

/// Makes proofs, and checks them.
pub(super) struct Proofs {
    session: hmac::Key,
    record: hmac::Key,
}

impl Proofs {
    pub(super) fn new(authority: &Authority) -> Self {
        Self { session: authority.key_for(PURPOSE), record: authority.key_for(RECORD_PURPOSE) }
    }

    /// That this gateway, through all its starts, may speak for this session.
    pub(super) fn of(&self, member: &Member, session: SessionId) -> Vec<u8> {
        hmac::sign(&self.session, &what(member, session)).as_ref().to_vec()
    }

    /// That this gateway may record this session, as one of exactly this principal at this target. The check needs nothing
    /// but the record, so a record that is sent again long after its session was swept still passes.
    pub(super) fn of_record(
        &self,
        member: &Member,
        session: SessionId,
        principal: &Principal,
        target: &TargetName,
    ) -> Vec<u8> {
        let bytes = recorded(member, session, principal, target);
        hmac::sign(&self.record, &bytes).as_ref().to_vec()
    }

    /// Whether it is such a proof.
    pub(super) fn are_of_record(
        &self,
        member: &Member,
        session: SessionId,
        principal: &Principal,
        target: &TargetName,
        proof: &[u8],
    ) -> bool {
        hmac::verify(&self.record, &recorded(member, session, principal, target), proof).is_ok()
    }

    /// Whether it is such a proof. Takes as long for a wrong one.
    pub(super) fn are_of(&self, member: &Member, session: SessionId, proof: &[u8]) -> bool {
        hmac::verify(&self.session, &what(member, session), proof).is_ok()
    }
}

/// Both parts have one length each: no two pairs make the same bytes.
fn what(member: &Member, session: SessionId) -> Vec<u8> {
    let mut bytes = session.to_bytes().to_vec();
    bytes.extend_from_slice(member.id.as_bytes());
    bytes
}

/// Four parts of fixed lengths: the digests keep a principal and a target from being read as each other.
fn recorded(member: &Member, session: SessionId, principal: &Principal, target: &TargetName) -> Vec<u8> {
    let mut bytes = what(member, session);
    // Both serialise the same on every node: a principal's groups are a sorted set.
    bytes.extend_from_slice(Digest::of(&crate::encode(principal)).as_bytes());
    bytes.extend_from_slice(Digest::of(target.as_str().as_bytes()).as_bytes());
    bytes
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs")
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::time::SystemClock;

    use super::*;
    use crate::fleet::authority::AuthorityFiles;

    #[test]
    fn a_proof_is_good_for_one_gateway_and_one_session_on_every_node() {
        let dir = tempfile::tempdir().unwrap();
        let files = AuthorityFiles::in_directory(dir.path());
        let here = Proofs::new(&files.read_or_create(&SystemClock).unwrap());
        let there = Proofs::new(&files.read_or_create(&SystemClock).unwrap());
        let [one, other] = [(); 2].map(|()| Member::new("gateway".parse().unwrap()).unwrap());
        let (session, another) = (SessionId::generate(), SessionId::generate());
        let proof = here.of(&one, session);
        assert!(there.are_of(&one, session, &proof));
        assert!(!there.are_of(&other, session, &proof));
        assert!(!there.are_of(&one, another, &proof));
        assert!(!there.are_of(&one, session, b""));
        let (agent, shop) = (crate::testing::agent(), crate::testing::target("shop"));
        let recorded = here.of_record(&one, session, &agent, &shop);
        assert!(there.are_of_record(&one, session, &agent, &shop, &recorded));
        let somebody = Principal { subject: crate::testing::subject("mallory"), ..agent.clone() };
        assert!(!there.are_of_record(&one, session, &somebody, &shop, &recorded));
        assert!(!there.are_of_record(&one, session, &agent, &crate::testing::target("bank"), &recorded));
        assert!(!there.are_of_record(&one, another, &agent, &shop, &recorded));
        assert!(!there.are_of_record(&other, session, &agent, &shop, &recorded));
        // Neither stands for the other.
        assert!(!there.are_of_record(&one, session, &agent, &shop, &proof));
        assert!(!there.are_of(&one, session, &recorded));
        let elsewhere = tempfile::tempdir().unwrap();
        let files = AuthorityFiles::in_directory(elsewhere.path());
        let stranger = Proofs::new(&files.read_or_create(&SystemClock).unwrap());
        assert!(!stranger.are_of(&one, session, &proof));
    }
}
