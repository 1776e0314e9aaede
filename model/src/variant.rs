//! The checked variants of the protocol: the two of the product, and broken ones.

/// A variant of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The product: redeemed by compare-and-swap and never taken back; an unknown outcome is in doubt.
    Plain,
    /// The product if the target keeps evidence: the transaction is opened before the redeem, and its number is
    /// stored with the redemption.
    Evidence,
    /// Broken: an approval whose owner lost its lease returns to `Approved`, to be tried elsewhere.
    TakeBack,
    /// Broken: like `TakeBack`, and the target runs a command with the approval's mark only once.
    TakeBackMarked,
    /// Broken: a gateway mistakes the hint that an approval was granted for the grant.
    HintAlone,
    /// Broken: the number of one transaction is stored, and the command runs in another.
    OtherTransaction,
    /// Broken: a transaction that is still open is regarded as not run.
    OpenTakenForUndone,
    /// Broken: a gateway tells its client that the approval expired, by the clock instead of the record.
    ExpiredByTheClock,
    /// Broken: a gateway tells its client that the request was withdrawn, without a confirmation.
    WithdrawnUnheard,
    /// Broken: a gateway that gave up reports "not sent" for any redemption, its own or another's.
    NotSentOfAnother,
}

impl Variant {
    /// Returns `true` if the number of an open transaction is stored with the redemption.
    pub(crate) const fn redeems_with_evidence(self) -> bool {
        matches!(self, Self::Evidence | Self::OtherTransaction | Self::OpenTakenForUndone)
    }

    /// Returns `true` if the approval of a lost owner returns to `Approved`.
    pub(crate) const fn takes_back(self) -> bool {
        matches!(self, Self::TakeBack | Self::TakeBackMarked)
    }
}

/// Number of faults of each kind in one run. Delays, races, lost and duplicate hints, and the loss of a lease after a
/// crash are unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Crashes of gateways and control-plane nodes, in total.
    pub crashes: u8,
    /// Leases lost by running gateways.
    pub leases: u8,
    /// Writes whose result the writer does not learn.
    pub writes: u8,
    /// Broken connections to the target, and lost bytes.
    pub breaks: u8,
}
