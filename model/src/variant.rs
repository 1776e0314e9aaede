//! The forms of the protocol that are checked: the two of the product, and broken ones.

/// A form of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The product's: redeemed by compare-and-swap, never taken back; what is unknown is in doubt.
    Plain,
    /// The product's where the target can testify: the transaction is opened before the approval is used up, and its number
    /// kept with the redemption.
    Evidence,
    /// Broken: an approval whose owner's lease is lost goes back to approved, to be tried elsewhere.
    TakeBack,
    /// Broken: the same, and the target runs what carries the approval's mark only once.
    TakeBackMarked,
    /// Broken: a gateway takes the hint that an approval was granted for the grant.
    HintAlone,
    /// Broken: the number of one transaction is kept, and the command runs in another.
    OtherTransaction,
    /// Broken: a transaction that is still open is taken for one that did not run.
    OpenTakenForUndone,
    /// Broken: a gateway tells its client that the approval expired, by the clock and not by the record.
    ExpiredByTheClock,
    /// Broken: a gateway tells its client that the request was withdrawn without hearing whether it was.
    WithdrawnUnheard,
    /// Broken: a gateway that gave up says "not sent" of whatever is in doubt, its own redemption or another's.
    NotSentOfAnother,
}

impl Variant {
    /// Whether the number of an open transaction is kept with the redemption.
    pub(crate) const fn redeems_with_evidence(self) -> bool {
        matches!(self, Self::Evidence | Self::OtherTransaction | Self::OpenTakenForUndone)
    }

    /// Whether the loss of an owner puts its approval back to approved.
    pub(crate) const fn takes_back(self) -> bool {
        matches!(self, Self::TakeBack | Self::TakeBackMarked)
    }
}

/// How often each thing may go wrong in one run. Delays, races, lost and doubled hints, and losing a lease
/// after a crash are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Crashes of gateways and control-plane nodes, together.
    pub crashes: u8,
    /// Leases lost by gateways that are alive.
    pub leases: u8,
    /// Writes of which the writer does not learn whether they were done.
    pub writes: u8,
    /// Connections to the target that break, and bytes that never arrive.
    pub breaks: u8,
}
