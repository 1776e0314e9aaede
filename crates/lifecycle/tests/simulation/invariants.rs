//! The invariants, each as a function over the account of one run.

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::approval::{Approval, Evidence, Outcome, State, Vote};
use countersign_common::principal::Kind;
use countersign_common::refusal::State as Word;
use countersign_recording::{Ending, VerdictWord};

use crate::account::{Account, Begun, Story};
use crate::world::everyone;

/// Returns a description of the violation, if any.
pub(crate) type Check = fn(&Account) -> Result<(), String>;

/// All checks with their names.
pub(crate) const ALL: &[(&str, Check)] = &[
    ("i1_once", i1_once),
    ("i2_same", i2_same),
    ("i3_no_means_no", i3_no_means_no),
    ("i3_nothing_goes_after_the_stop_button", i3_nothing_goes_after_the_stop_button),
    ("i4_separate", i4_separate),
    ("i5_recorded_first", i5_recorded_first),
    ("i5_nothing_is_used_up_that_cannot_go", i5_nothing_is_used_up_that_cannot_go),
    ("i5_answered_after_accepted", i5_answered_after_accepted),
    ("i5_one_end", i5_one_end),
    ("i7_unknown_is_not_safe", i7_unknown_is_not_safe),
    ("i8_closed", i8_closed),
    ("i9_terminal", i9_terminal),
    ("i10_reported", i10_reported),
    ("i10_the_target_can_be_asked", i10_the_target_can_be_asked),
    ("truthful", truthful),
    ("told", told),
    ("live", live),
];

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Commands with the verdict hold, and the bytes that the target received of them.
fn held_and_sent(account: &Account) -> impl Iterator<Item = (&Story, &crate::account::Upstream)> {
    let held = account.stories.values().filter(|story| story.verdict == Some(VerdictWord::Hold));
    held.filter_map(|story| story.upstream.as_ref().map(|upstream| (story, upstream)))
}

/// An approval releases at most one command. Checked at the target against the redemptions written by the control
/// plane, and again by the approval of each released command.
fn i1_once(account: &Account) -> Result<(), String> {
    let mut used = BTreeSet::new();
    for (story, upstream) in held_and_sent(account) {
        let redeemed = account.approvals.values().flatten().filter(|one| {
            one.place < upstream.place
                && one.approval.digest == upstream.digest
                && matches!(one.approval.state, State::Redeemed { .. })
        });
        let earlier = held_and_sent(account)
            .filter(|(_, other)| other.digest == upstream.digest && other.place <= upstream.place);
        let (redeemed, sent) = (redeemed.count(), earlier.count());
        require(sent <= redeemed, || format!("sent {sent} times on {redeemed} redemptions: {story:?}"))?;
        if let Some(approval) = &story.redeemed {
            require(used.insert(approval.id), || format!("{} was used twice", approval.id))?;
        }
    }
    Ok(())
}

/// The received bytes, in the context of their connection, are what was approved.
fn i2_same(account: &Account) -> Result<(), String> {
    for (story, upstream) in held_and_sent(account) {
        let approved = story.redeemed.as_ref().map(|approval| approval.digest);
        require(approved == Some(upstream.digest), || format!("approved {approved:?}, sent {upstream:?}"))?;
    }
    let whole =
        |story: &Story| story.upstream.as_ref().is_none_or(|up| up.bytes == story.sent.text || story.killed);
    for story in account.stories.values() {
        require(whole(story), || format!("the target received other bytes: {story:?}"))?;
    }
    Ok(())
}

/// Commands that were refused, and commands whose approval ended denied or not run, have no effect.
fn i3_no_means_no(account: &Account) -> Result<(), String> {
    for story in account.stories.values().filter(|story| story.upstream.is_some()) {
        require(story.refusal.is_none(), || format!("refused and sent: {story:?}"))?;
        require(story.released.is_some(), || format!("not let go and sent: {story:?}"))?;
        require(story.verdict != Some(VerdictWord::Block), || format!("blocked and sent: {story:?}"))?;
    }
    for (story, _) in held_and_sent(account) {
        let approval = story.redeemed.as_ref().and_then(|approval| account.last(approval.id));
        let yes = approval.is_some_and(|approval| {
            matches!(approval.state, State::Redeemed { .. } | State::Done { .. } | State::InDoubt { .. })
                || (matches!(approval.state, State::NotRun { .. }) && account.is_undone(approval))
        });
        require(yes, || format!("sent on {approval:?}: {story:?}"))?;
    }
    Ok(())
}

/// A connection that knows that its session was revoked releases nothing.
fn i3_nothing_goes_after_the_stop_button(account: &Account) -> Result<(), String> {
    let mut stories = account.stories.values();
    let late = stories.find(|story| story.released_when_revoked);
    require(late.is_none(), || format!("let go although its session was stopped: {late:?}"))
}

/// Every redeemed approval was decided by people in the groups of the stage, each counted once, none of them in the
/// requester's delegation chain.
fn i4_separate(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let Some(approval) = &story.redeemed else { continue };
        agreed(approval).map_err(|what| format!("{what}: {approval:?}"))?;
    }
    Ok(())
}

fn agreed(approval: &Approval) -> Result<(), String> {
    let everyone: BTreeMap<_, _> = everyone().into_iter().map(|one| (one.subject.clone(), one)).collect();
    let mut seen = BTreeSet::new();
    for decision in &approval.decisions {
        let by = &everyone[&decision.approver];
        let own = by.chain().any(|one| approval.requester.involves(one));
        let eligible = !by.groups.is_disjoint(&approval.terms.stages[decision.stage].groups);
        let counts = by.kind == Kind::Human && !own && eligible && decision.vote == Vote::Approve;
        require(counts && seen.insert(&decision.approver), || format!("{by:?} decided"))?;
    }
    for (index, stage) in approval.terms.stages.iter().enumerate() {
        let yes = approval.decisions.iter().filter(|one| one.stage == index).count();
        require(yes >= stage.quorum as usize, || format!("{yes} of {} agreed", stage.quorum))?;
    }
    Ok(())
}

/// The begin record of a command that changes something, and every redemption, is synced before the first byte is
/// sent.
fn i5_recorded_first(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let Some(upstream) = &story.upstream else { continue };
        let Some(begun) = &story.begun else { return Err(format!("sent and not begun: {story:?}")) };
        if story.sent.changes || story.sent.reads_synced || story.verdict == Some(VerdictWord::Hold) {
            require(begun.position <= upstream.synced, || format!("sent before it was synced: {story:?}"))?;
        }
        if story.verdict == Some(VerdictWord::Hold) {
            let recorded = story.redeem_recorded.is_some_and(|position| position <= upstream.synced);
            require(recorded, || format!("sent before its redemption was synced: {story:?}"))?;
            require(begun.digest == Some(upstream.digest), || format!("begun as something else: {story:?}"))?;
        }
    }
    Ok(())
}

/// An approval is redeemed only after the begin record is synced and the command is prepared. A command that cannot
/// be sent does not use its approval up.
fn i5_nothing_is_used_up_that_cannot_go(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        if let Some((synced, prepared)) = &story.asked_to_use {
            let recorded = story.begun.as_ref().is_some_and(|begun| begun.position <= *synced);
            require(recorded, || format!("asked for before it was synced: {story:?}"))?;
            require(prepared.is_some(), || format!("asked for before it could go: {story:?}"))?;
        }
        let cost = story.not_prepared && story.asked_to_use.is_some();
        require(!cost, || format!("could not go, and was asked for: {story:?}"))?;
    }
    Ok(())
}

/// The answer leaves only after the begin record is accepted.
fn i5_answered_after_accepted(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        if let (Some(accepted), Some(begun)) = (story.accepted_when_answered, &story.begun) {
            require(begun.position <= accepted, || format!("answered before it was accepted: {story:?}"))?;
        }
    }
    Ok(())
}

/// Every begun command has exactly one end record, and its outcome is true.
fn i5_one_end(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let Some(Begun { endings, .. }) = &story.begun else { continue };
        let ends = endings.len();
        require(ends == 1 || (ends == 0 && account.journal_failed), || format!("{ends} ends: {story:?}"))?;
        let sent = story.upstream.is_some();
        let wrong = endings.iter().find(|ending| match ending {
            Ending::Refused(_) => sent,
            Ending::Completed(_) => !story.ran,
            Ending::Failed(_) => !sent || story.ran,
            Ending::Lost => false,
        });
        require(wrong.is_none(), || format!("ended as {wrong:?}: {story:?}"))?;
        if !story.killed && !account.journal_failed {
            require(story.endings_when_over == Some(1), || format!("not ended when it was over: {story:?}"))?;
            let refused = matches!(endings.as_slice(), [Ending::Refused(_)]);
            require(refused || story.released.is_some(), || {
                format!("refused and not recorded so: {story:?}")
            })?;
        }
    }
    Ok(())
}

/// A command that could not be parsed is never treated as a plain read.
fn i7_unknown_is_not_safe(account: &Account) -> Result<(), String> {
    for story in account.stories.values().filter(|story| story.sent.text == b"garbled") {
        let first = story.upstream.as_ref().zip(story.begun.as_ref());
        let synced = first.is_none_or(|(upstream, begun)| begun.position <= upstream.synced);
        require(synced, || format!("unknown, and sent before it was synced: {story:?}"))?;
    }
    Ok(())
}

/// Without a verdict, a record or a redemption, no command is sent and the client is refused.
fn i8_closed(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let may = match story.verdict {
            Some(VerdictWord::Allow) => story.begun.is_some(),
            Some(VerdictWord::Hold) => story.begun.is_some() && story.redeemed.is_some(),
            Some(VerdictWord::Block) | None => false,
        };
        require(may || story.released.is_none(), || format!("let go: {story:?}"))?;
        require(may || story.upstream.is_none(), || format!("sent: {story:?}"))?;
        // A command that has waited for its record or for approval is not released on an expired lease.
        let alone = story.released_alone && story.sent.changes;
        require(!alone, || format!("let go after the lease: {story:?}"))?;
    }
    Ok(())
}

/// Revisions grow by one, and nothing follows a terminal state.
fn i9_terminal(account: &Account) -> Result<(), String> {
    for revisions in account.approvals.values() {
        let approvals: Vec<_> = revisions.iter().map(|revision| &revision.approval).collect();
        for (one, next) in approvals.iter().zip(approvals.iter().skip(1)) {
            let grows = next.revision == one.revision + 1 && !one.state.is_terminal();
            require(grows, || format!("{one:?} became {next:?}"))?;
        }
    }
    Ok(())
}

/// A live gateway that knows of its redemption reports the outcome, and reports it truthfully.
fn i10_reported(account: &Account) -> Result<(), String> {
    for story in account.stories.values().filter(|story| !story.killed) {
        let Some(approval) = story.redeemed.as_ref().and_then(|approval| account.last(approval.id)) else {
            continue;
        };
        let sent = story.upstream.is_some();
        let holds = match &approval.state {
            State::Done { .. } => sent,
            State::NotRun { .. } => !sent || account.is_undone(approval),
            State::InDoubt { .. } => true,
            // Dropped with its connection: the control plane finds the owner lost.
            State::Redeemed { .. } => {
                let lost = |begun: &Begun| begun.endings.iter().all(|ending| *ending == Ending::Lost);
                story.begun.as_ref().is_some_and(lost)
            }
            _ => false,
        };
        require(holds, || format!("{approval:?} after {story:?}"))?;
    }
    Ok(())
}

/// Evidence is stored with the redemption, and is unique to one command. The final state of the approval agrees with
/// the answer of the target.
fn i10_the_target_can_be_asked(account: &Account) -> Result<(), String> {
    let mut used = BTreeSet::new();
    for revision in account.approvals.values().flatten() {
        let approval = &revision.approval;
        if let (State::Redeemed { .. }, Evidence::Presented(evidence)) = (&approval.state, &approval.evidence)
        {
            require(used.insert(evidence), || format!("{evidence} stands for two commands: {approval:?}"))?;
        }
    }
    for story in account.stories.values() {
        let (Some(redeemed), Some(prepared)) = (&story.redeemed, &story.prepared) else { continue };
        let told = prepared.clone().map_or(Evidence::None, Evidence::Presented);
        require(redeemed.evidence == told, || format!("{redeemed:?} is not remembered so: {story:?}"))?;
    }
    for approval in account.approvals.keys().filter_map(|id| account.last(*id)) {
        let Evidence::Presented(evidence) = &approval.evidence else { continue };
        let committed = account.committed.get(evidence) == Some(&true);
        let so = match &approval.state {
            State::Done { outcome: Outcome::Completed } => committed,
            State::Done { outcome: Outcome::Failed { .. } } | State::NotRun { .. } => !committed,
            _ => true,
        };
        require(so, || format!("the target says committed: {committed} of {approval:?}"))?;
    }
    Ok(())
}

/// Every refusal is true.
fn truthful(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let Some((refusal, at)) = &story.refusal else { continue };
        let ever = |like: fn(&State) -> bool| account.ever(refusal.ticket, |approval| like(&approval.state));
        let so = match refusal.state {
            Word::Pending => {
                ever(State::is_open) && !account.long_ended(refusal.ticket, *at, story.sent.slack_ms)
            }
            Word::Denied => {
                ever(|state| matches!(state, State::Denied | State::Revoked { .. }))
                    || story.stopped_at.is_some()
            }
            Word::Blocked => {
                story.verdict == Some(VerdictWord::Block)
                    || ever(|state| matches!(state, State::Voided { .. }))
            }
            // INVARIANT: I2, I3. "voided" is reported only if the approval's state says so, and the command never
            // runs then.
            Word::Voided => ever(|state| matches!(state, State::Voided { .. })) && !ever(was_used),
            Word::Expired => {
                account.ever(refusal.ticket, |approval| approval.expires_at <= *at) && !ever(was_used)
            }
            Word::InDoubt => ever(|state| matches!(state, State::InDoubt { .. })),
            Word::Mismatch => story.context_changed || story.drifted,
            Word::Unavailable => {
                let not_run = ever(|state| matches!(state, State::NotRun { .. }));
                let nobody = story.verdict.is_none() || account.journal_failed;
                story.fault || nobody || not_run
            }
            Word::RunningElsewhere => ever(|state| matches!(state, State::Redeemed { .. })),
            // The simulation sets no limits.
            Word::Limited => false,
            // The withdrawal must be stored; a cancel request alone is not enough.
            Word::Withdrawn => ever(|state| *state == State::Withdrawn) && !ever(was_used),
        };
        require(so, || format!("told `{}`: {story:?}", refusal.state.as_str()))?;
        let unknown = refusal.state == Word::InDoubt;
        let executed = if unknown { None } else { Some(false) };
        require(refusal.executed == executed, || format!("says executed {:?}: {story:?}", refusal.executed))?;
    }
    Ok(())
}

const fn was_used(state: &State) -> bool {
    matches!(state, State::Redeemed { .. } | State::Done { .. } | State::InDoubt { .. })
}

/// Every command ends within its promised wait plus the time that messages take.
fn live(account: &Account) -> Result<(), String> {
    for story in account.stories.values().filter(|story| !story.killed) {
        let Some(over) = story.over_at else { return Err(format!("never ended: {story:?}")) };
        let took = story.sent_at.until(over).as_millis();
        require(took <= u128::from(story.sent.limit_ms), || format!("took {took} ms: {story:?}"))?;
        for since in story.stopped_at.iter().chain(&story.cancelled_at) {
            let took = since.until(over).as_millis();
            require(took <= u128::from(story.sent.slack_ms), || {
                format!("{took} ms after it had to stop: {story:?}")
            })?;
        }
    }
    Ok(())
}

/// A client that waited for approval was notified of it.
fn told(account: &Account) -> Result<(), String> {
    for story in account.stories.values() {
        let Some((refusal, at)) = &story.refusal else { continue };
        let waited = story.sent_at.until(*at).as_millis() > u128::from(story.sent.slack_ms);
        let ticket = waited && refusal.state == Word::Pending;
        require(!ticket || story.asked > 0, || format!("waited and was not told: {story:?}"))?;
    }
    Ok(())
}
