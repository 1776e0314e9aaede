//! A small story in which all is well, and a violation planted into it for every check: each is found, and
//! nothing else.

use super::*;
use crate::answer::{Answer, Refusal};
use crate::collect::{Approval, Row, State};
use crate::command::{Effect, Form};
use crate::history::{Entry, Event, VoteOutcome};
use crate::recordings::{Record, Said};
use crate::remains::Remains;
use crate::store::Stored;
use crate::story::{Barrier, Course};

/// As whom everything is sent.
const SUBJECT: &str = "agent-1-0";

/// What a story is told with: everything that belongs to one command, in one line.
struct Plot {
    name: u64,
    form: Form,
    answer: Answer,
    vote: bool,
    state: State,
    rows: usize,
}

fn refused(state: &str, executed: Option<bool>, ticket: &str) -> Answer {
    let (sqlstate, state) = ("55G00".to_owned(), state.to_owned());
    Answer::Refused(Refusal { sqlstate, state, executed, ticket: Some(ticket.to_owned()) })
}

impl Plot {
    fn ticket(&self) -> String {
        format!("apr_{}", self.name)
    }

    fn tell(self, into: &mut Aftermath) {
        let (ticket, effect, id) = (self.ticket(), Effect::new("a", self.name), self.name);
        let mut note = |who: &str, event| into.history.push(Entry { at_ms: id, who: who.into(), event });
        note(
            "a",
            Event::Sent {
                attempt: id,
                subject: SUBJECT.into(),
                form: self.form,
                effect: Some(effect.clone()),
            },
        );
        note("dora", Event::Voted { vote: 100 + id, ticket: ticket.clone(), yes: self.vote });
        note("dora", Event::VoteTold { vote: 100 + id, outcome: VoteOutcome::Counted });
        note("a", Event::Told { attempt: id, answer: self.answer });
        let xid = (700 + id).to_string();
        let row = Row { effect: effect.clone(), xid: xid.clone() };
        into.rows.extend(std::iter::repeat_n(row, self.rows));
        let store = into.store.get_or_insert_default();
        store.approvals.push(Stored {
            id: ticket.clone(),
            subject: SUBJECT.into(),
            state: self.state.word().into(),
            expires_at: 1,
            decisions: vec![("dora".into(), 0)],
            evidence: false,
        });
        store.nodes.insert("gateway-1".into(), 1);
        store.read_at = 2_000_000;
        into.approvals.push(Approval {
            id: ticket.clone(),
            effect: Some(effect.clone()),
            state: self.state,
            decisions: vec![("dora".into(), self.vote)],
            xid: (self.vote && !self.form.in_transaction()).then_some(xid),
        });
        let seq = 3 * id;
        let record = |said| Record { stream: "str_1".into(), seq, command: format!("cmd_{id}"), said };
        into.records.push(record(Said::Begun(Some(effect))));
        if self.vote {
            into.records.push(record(Said::Redeemed(ticket)));
        }
        into.records.push(record(Said::Ended { completed: self.rows > 0 }));
    }
}

fn good() -> Aftermath {
    let mut told = Aftermath::default();
    let simple = Form::Simple;
    let broken = Answer::Broken { sent: true, why: "reset".into() };
    let no = refused("denied", Some(false), "apr_2");
    let doubt = refused("in_doubt", None, "apr_4");
    for plot in [
        Plot { name: 1, form: simple, answer: Answer::Ran, vote: true, state: State::Done, rows: 1 },
        Plot { name: 2, form: simple, answer: no, vote: false, state: State::Denied, rows: 0 },
        Plot { name: 3, form: simple, answer: broken, vote: true, state: State::NotRun, rows: 0 },
        Plot { name: 4, form: simple, answer: doubt, vote: true, state: State::InDoubt, rows: 1 },
        Plot {
            name: 5,
            form: Form::RolledBack,
            answer: Answer::RolledBack,
            vote: true,
            state: State::Done,
            rows: 0,
        },
    ] {
        plot.tell(&mut told);
    }
    told
}

/// The rules that `plant` breaks in the good story.
fn broken_by(plant: impl FnOnce(&mut Aftermath)) -> Vec<Rule> {
    let mut told = good();
    plant(&mut told);
    let mut rules: Vec<Rule> = check(&told).into_iter().map(|violation| violation.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

fn answer(told: &mut Aftermath, wanted: u64) -> &mut Answer {
    let found = told.history.iter_mut().find_map(|entry| match &mut entry.event {
        Event::Told { attempt, answer } if *attempt == wanted => Some(answer),
        _ => None,
    });
    found.unwrap()
}

fn store(told: &mut Aftermath) -> &mut Remains {
    told.store.as_mut().unwrap()
}

/// Lets an approval stand so, in the store as well.
fn stands(told: &mut Aftermath, index: usize, state: State) {
    told.approvals[index].state = state;
    store(told).approvals[index].state = state.word().into();
}

/// One more yes of dora's, and what became of it.
fn votes(told: &mut Aftermath, ticket: &str, outcome: VoteOutcome) {
    let voted = Event::Voted { vote: 300, ticket: ticket.into(), yes: true };
    let known = Event::VoteTold { vote: 300, outcome };
    told.history.extend([voted, known].map(|event| Entry { at_ms: 9, who: "dora".into(), event }));
}

fn outcome(told: &mut Aftermath, wanted: u64) -> &mut VoteOutcome {
    let found = told.history.iter_mut().find_map(|entry| match &mut entry.event {
        Event::VoteTold { vote, outcome } if *vote == wanted => Some(outcome),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn a_story_in_which_all_is_well_breaks_no_rule() {
    assert_eq!(check(&good()), []);
}

#[test]
fn an_effect_that_nobody_countersigned_is_found() {
    let row = |told: &mut Aftermath| {
        told.rows.push(Row { effect: Effect::new("z", 9), xid: "9".into() });
    };
    assert_eq!(broken_by(row), [Rule::Unapproved, Rule::Untruthful, Rule::RecordsWrong]);
    // Its approval claims votes that nobody gave.
    let votes = |told: &mut Aftermath| {
        told.history.retain(|entry| !matches!(&entry.event, Event::Voted { vote: 101, .. }));
    };
    assert_eq!(broken_by(votes), [Rule::Unapproved, Rule::VoteFalsified]);
}

#[test]
fn a_double_effect_is_found() {
    let twice = |told: &mut Aftermath| {
        let row = told.rows[0].clone();
        told.rows.push(row);
    };
    assert_eq!(broken_by(twice), [Rule::Doubled, Rule::Untruthful, Rule::RecordsWrong]);
    // The same, and the agent had sent it twice and hung up: only the approvals tell.
    let unseen = |told: &mut Aftermath| {
        twice(told);
        let effect = Some(Effect::new("a", 1));
        let sent =
            Event::Sent { attempt: 50, subject: SUBJECT.into(), form: Form::Simple, effect: effect.clone() };
        let left = Event::Told { attempt: 50, answer: Answer::Left };
        told.history.extend([sent, left].map(|event| Entry { at_ms: 9, who: "a".into(), event }));
        let record = |said| Record { stream: "str_1".into(), seq: 150, command: "cmd_50".into(), said };
        told.records.extend([
            record(Said::Begun(effect)),
            record(Said::Redeemed("apr_50".into())),
            record(Said::Ended { completed: true }),
        ]);
    };
    assert_eq!(broken_by(unseen), [Rule::Doubled]);
    let redeemed = |told: &mut Aftermath| {
        let record = told.records.iter().find(|record| matches!(record.said, Said::Redeemed(_)));
        let record = record.unwrap().clone();
        told.records.push(record);
    };
    assert_eq!(broken_by(redeemed), [Rule::Doubled]);
}

#[test]
fn an_effect_after_a_no_is_found() {
    let row = |told: &mut Aftermath| {
        told.rows.push(Row { effect: Effect::new("a", 2), xid: "9".into() });
    };
    assert_eq!(broken_by(row), [Rule::NoMeansNo, Rule::Untruthful, Rule::RecordsWrong]);
    // By the transaction that the approval itself had presented.
    let not_run =
        |told: &mut Aftermath| told.rows.push(Row { effect: Effect::new("a", 3), xid: "703".into() });
    assert_eq!(broken_by(not_run), [Rule::NoMeansNo]);
    // The row has its countersign; and yet it is the transaction of one that had expired.
    let of_another = |told: &mut Aftermath| {
        let expired = Approval { id: "apr_50".into(), decisions: Vec::new(), ..told.approvals[0].clone() };
        told.approvals.push(expired);
        let stored = Stored { id: "apr_50".into(), ..store(told).approvals[0].clone() };
        store(told).approvals.push(stored);
        stands(told, 5, State::Expired);
    };
    assert_eq!(broken_by(of_another), [Rule::NoMeansNo]);
    let undone = |told: &mut Aftermath| stands(told, 1, State::Expired);
    assert_eq!(broken_by(undone), [Rule::NoMeansNo]);
    let taken_back = |told: &mut Aftermath| {
        let event = Event::TakenBack { ticket: "apr_1".into() };
        told.history.push(Entry { at_ms: 9, who: "dora".into(), event });
    };
    assert_eq!(broken_by(taken_back), [Rule::NoMeansNo]);
}

#[test]
fn an_effect_that_is_not_there_is_found() {
    let gone = |told: &mut Aftermath| drop(told.rows.remove(0));
    assert_eq!(broken_by(gone), [Rule::EffectLost]);
    let unclaimed = |told: &mut Aftermath| {
        gone(told);
        *answer(told, 1) = Answer::Left;
        told.approvals[0].xid = None;
    };
    assert_eq!(broken_by(unclaimed), [Rule::EffectLost]);
    let another = |told: &mut Aftermath| told.rows[0].xid = "1".into();
    assert_eq!(broken_by(another), [Rule::EffectLost]);
    let told_only = |told: &mut Aftermath| {
        *answer(told, 5) = Answer::Ran;
    };
    assert_eq!(broken_by(told_only), [Rule::EffectLost]);
}

#[test]
fn a_lost_approval_is_found() {
    let gone = |told: &mut Aftermath| {
        told.approvals.remove(1);
        store(told).approvals.remove(1);
    };
    assert_eq!(broken_by(gone), [Rule::ApprovalLost]);
    // A ticket that only its client was told, and one that only an approver had.
    let told_only = |told: &mut Aftermath| *answer(told, 2) = refused("pending", Some(false), "apr_77");
    assert_eq!(broken_by(told_only), [Rule::ApprovalLost]);
    let voted_only = |told: &mut Aftermath| votes(told, "apr_88", VoteOutcome::Rejected("late".into()));
    assert_eq!(broken_by(voted_only), [Rule::ApprovalLost]);
    for state in [State::Pending, State::Approved, State::Redeemed] {
        let endless = |told: &mut Aftermath| {
            stands(told, 2, state);
            store(told).approvals[2].expires_at = u64::MAX;
        };
        assert_eq!(broken_by(endless), [Rule::ApprovalLost], "{state:?}");
    }
}

#[test]
fn a_falsified_vote_is_found() {
    let gone = |told: &mut Aftermath| {
        told.approvals[1].decisions.clear();
    };
    assert_eq!(broken_by(gone), [Rule::VoteFalsified]);
    let invented = |told: &mut Aftermath| told.approvals[0].decisions.push(("eve".into(), true));
    assert_eq!(broken_by(invented), [Rule::VoteFalsified]);
    let rejected = |told: &mut Aftermath| *outcome(told, 101) = VoteOutcome::Rejected("late".into());
    assert_eq!(broken_by(rejected), [Rule::VoteFalsified]);
    // The same person's other vote counts.
    let again = |told: &mut Aftermath| {
        rejected(told);
        votes(told, "apr_1", VoteOutcome::Counted);
    };
    assert_eq!(broken_by(again), []);
    // Who said yes did not say no.
    let turned = |told: &mut Aftermath| told.approvals[0].decisions.push(("dora".into(), false));
    assert_eq!(broken_by(turned), [Rule::VoteFalsified]);
    // No answer came: it may count or not.
    let unknown = |told: &mut Aftermath| *outcome(told, 101) = VoteOutcome::Unknown("reset".into());
    assert_eq!(broken_by(unknown), []);
}

#[test]
fn an_untruthful_answer_is_found() {
    let ran_all_the_same = |told: &mut Aftermath| {
        *answer(told, 1) = refused("unavailable", Some(false), "apr_1");
    };
    assert_eq!(broken_by(ran_all_the_same), [Rule::Untruthful]);
    let failed = |told: &mut Aftermath| {
        *answer(told, 1) = Answer::Failed { sqlstate: "40001".into(), message: String::new() };
    };
    assert_eq!(broken_by(failed), [Rule::Untruthful]);
    for (state, executed) in [("denied", None), ("denied", Some(true)), ("in_doubt", Some(false))] {
        let impossible = |told: &mut Aftermath| *answer(told, 2) = refused(state, executed, "apr_2");
        assert_eq!(broken_by(impossible), [Rule::Untruthful], "{state} {executed:?}");
    }
    let forbidden = |told: &mut Aftermath| {
        let sent = Event::Sent { attempt: 60, subject: SUBJECT.into(), form: Form::Forbidden, effect: None };
        let ran = Event::Told { attempt: 60, answer: Answer::Ran };
        told.history.extend([sent, ran].map(|event| Entry { at_ms: 9, who: "a".into(), event }));
    };
    assert_eq!(broken_by(forbidden), [Rule::Untruthful]);
    let breaks_off = |told: &mut Aftermath| {
        told.history.retain(|entry| !matches!(entry.event, Event::Told { attempt: 2, .. }));
    };
    assert_eq!(broken_by(breaks_off), [Rule::Untruthful]);
}

#[test]
fn a_command_that_did_not_end_exactly_once_is_found() {
    let last = |told: &Aftermath| told.records[2].clone();
    let never = |told: &mut Aftermath| drop(told.records.remove(2));
    let twice = |told: &mut Aftermath| {
        let end = last(told);
        told.records.push(end);
    };
    let elsewhere = |told: &mut Aftermath| told.records[2].stream = "str_2".into();
    let without_beginning = |told: &mut Aftermath| drop(told.records.remove(3));
    assert_eq!(broken_by(never), [Rule::RecordsWrong]);
    assert_eq!(broken_by(twice), [Rule::RecordsWrong]);
    assert_eq!(broken_by(elsewhere), [Rule::RecordsWrong]);
    assert_eq!(broken_by(without_beginning), [Rule::RecordsWrong]);
}

#[test]
fn an_effect_without_a_record_and_a_broken_chain_are_found() {
    let unrecorded = |told: &mut Aftermath| told.records.retain(|record| record.command != "cmd_1");
    assert_eq!(broken_by(unrecorded), [Rule::RecordsWrong]);
    let broken = |told: &mut Aftermath| told.faults.push("str_1: record 3 is missing".into());
    assert_eq!(broken_by(broken), [Rule::ChainBroken]);
}

#[test]
fn what_ran_for_somebody_who_had_been_stopped_is_found() {
    let stop = |told: &mut Aftermath, acknowledged| {
        let event = Event::Stopped { subject: SUBJECT.into(), acknowledged, revision: None };
        told.history.push(Entry { at_ms: acknowledged, who: "operator".into(), event });
    };
    // Commands are sent at the millisecond of their number, and the first ran.
    assert_eq!(broken_by(|told| stop(told, 0)), [Rule::RanAfterStop]);
    assert_eq!(broken_by(|told| stop(told, 10)), []);
    let read = |sent| {
        move |told: &mut Aftermath| {
            stop(told, 10);
            let event = Event::Sent { attempt: 70, subject: SUBJECT.into(), form: Form::Read, effect: None };
            told.history.push(Entry { at_ms: sent, who: "a".into(), event });
            let event = Event::Told { attempt: 70, answer: Answer::Ran };
            told.history.push(Entry { at_ms: sent, who: "a".into(), event });
        }
    };
    assert_eq!(broken_by(read(5_000)), []);
    assert_eq!(broken_by(read(60_000)), [Rule::RanAfterStop]);
    let barrier = |used: &str| {
        let used_later = vec![used.to_owned()];
        Barrier { what: "stopped".into(), open: vec!["apr_2".into(), "apr_3".into()], used_later }
    };
    assert_eq!(broken_by(|told| store(told).barriers.push(barrier("apr_3"))), [Rule::RanAfterStop]);
    assert_eq!(broken_by(|told| store(told).barriers.push(barrier("apr_1"))), []);
}

#[test]
fn a_store_that_has_something_else_is_found() {
    let other = |told: &mut Aftermath| store(told).approvals[1].state = "expired".into();
    assert_eq!(broken_by(other), [Rule::StoreWrong]);
    let more = |told: &mut Aftermath| {
        let mut unknown = store(told).approvals[1].clone();
        unknown.id = "apr_unknown".into();
        store(told).approvals.push(unknown);
    };
    assert_eq!(broken_by(more), [Rule::StoreWrong]);
    let less = |told: &mut Aftermath| drop(store(told).approvals.remove(1));
    assert_eq!(broken_by(less), [Rule::StoreWrong]);
    // The deadline is long past.
    assert_eq!(broken_by(|told| stands(told, 2, State::Approved)), [Rule::ApprovalLost, Rule::StoreWrong]);
    let of_one_who_was_stopped = |told: &mut Aftermath| {
        stands(told, 2, State::Approved);
        store(told).approvals[2].expires_at = u64::MAX;
        let event = Event::Stopped { subject: SUBJECT.into(), acknowledged: 10, revision: None };
        told.history.push(Entry { at_ms: 10, who: "operator".into(), event });
    };
    assert_eq!(broken_by(of_one_who_was_stopped), [Rule::ApprovalLost, Rule::StoreWrong]);
    let resolvable = |told: &mut Aftermath| store(told).approvals[3].evidence = true;
    assert_eq!(broken_by(resolvable), [Rule::StoreWrong]);
    let twice = |told: &mut Aftermath| store(told).approvals[0].decisions.push(("dora".into(), 0));
    assert_eq!(broken_by(twice), [Rule::StoreWrong]);
    let course = |words: &[&str]| {
        let words = words.iter().zip(1..).map(|(word, revision)| (revision, (*word).to_owned()));
        let course = Course { id: "apr_2".into(), subject: SUBJECT.into(), states: words.collect() };
        broken_by(|told| store(told).courses.push(course))
    };
    for well in [
        ["pending", "denied"].as_slice(),
        &["pending", "expired"],
        &["pending", "approved", "revoked"],
        &["pending", "approved", "redeemed", "in_doubt", "not_run"],
        &["pending", "approved", "redeemed", "done"],
    ] {
        assert_eq!(course(well), [], "{well:?}");
    }
    for back in [
        ["pending", "denied", "approved"].as_slice(),
        &["pending", "redeemed"],
        &["pending", "approved", "pending"],
        &["pending", "approved", "denied"],
        &["pending", "approved", "redeemed", "approved"],
        &["pending", "approved", "redeemed", "expired"],
        &["pending", "approved", "redeemed", "in_doubt", "redeemed"],
        &["pending", "approved", "redeemed", "not_run", "done"],
    ] {
        assert_eq!(course(back), [Rule::StoreWrong], "{back:?}");
    }
    let ghost = |told: &mut Aftermath| {
        store(told).nodes.insert("gateway-1".into(), 2);
    };
    assert_eq!(broken_by(ghost), [Rule::StoreWrong]);
}

#[test]
fn a_fork_is_accepted_only_of_a_node_that_nobody_could_reach() {
    let place =
        |node: &str| format!("/tmp/x/{node}/recordings segment 1 line 2 stream str_1 record 7: fork: taken");
    let story = |fault: String, deed: &'static str| {
        move |told: &mut Aftermath| {
            told.faults.push(fault);
            told.lost.insert("str_1".into());
            let event = Event::Nemesis { deed: deed.into() };
            told.history.push(Entry { at_ms: 9, who: "nemesis".into(), event });
        }
    };
    for deed in [
        "cut off zone 2",
        "lose what zone 2 is sent",
        "kill control-2",
        "stop control-2",
        "cut off control-2",
    ] {
        assert_eq!(broken_by(story(place("control-2"), deed)), [], "{deed}");
        assert_eq!(broken_by(story(place("control-1"), deed)), [Rule::ChainBroken], "{deed}");
    }
    for deed in ["cut control-2 to etcd-1, Both", "heal control-2", "reset gateway-1 to control-2"] {
        assert_eq!(broken_by(story(place("control-2"), deed)), [Rule::ChainBroken], "{deed}");
    }
    // In what was drained out of Redis it may be of any node.
    let drained = place("archive/ab12").replace("/recordings", "/drained");
    assert_eq!(broken_by(story(drained.clone(), "stop control-3")), []);
    assert_eq!(broken_by(story(drained.clone(), "stop gateway-3")), [Rule::ChainBroken]);
    assert_eq!(broken_by(story(place("archive/ab12"), "stop control-3")), [Rule::ChainBroken]);
    // Nobody had ended this stream for a lost gateway.
    let of_none = |told: &mut Aftermath| {
        story(drained, "stop control-3")(told);
        told.lost.clear();
    };
    assert_eq!(broken_by(of_none), [Rule::ChainBroken]);
    let other = place("control-2").replace("fork", "gap");
    assert_eq!(broken_by(story(other, "cut off zone 2")), [Rule::ChainBroken]);
    // What stands behind it on that side is told of, too; the same of another stream is none of it.
    let behind = |node: &str, stream: &str| {
        place(node)
            .replace(
                "record 7: fork: taken",
                "record 8: the closing record is not the last, or does not count 8",
            )
            .replace("str_1", stream)
    };
    let both = |node: &'static str, stream: &'static str| {
        move |told: &mut Aftermath| {
            story(place("control-2"), "kill control-2")(told);
            told.faults.push(behind(node, stream));
        }
    };
    assert_eq!(broken_by(both("control-2", "str_1")), []);
    assert_eq!(broken_by(both("control-2", "str_2")), [Rule::ChainBroken]);
    assert_eq!(broken_by(both("control-1", "str_1")), [Rule::ChainBroken]);
    // Its stream has another end then, but never none.
    let ended = |end: bool| {
        move |told: &mut Aftermath| {
            story(place("control-2"), "kill control-2")(told);
            let last = told.records.remove(2);
            told.records.extend(std::iter::repeat_n(last, if end { 2 } else { 0 }));
        }
    };
    assert_eq!(broken_by(ended(true)), []);
    assert_eq!(broken_by(ended(false)), [Rule::RecordsWrong]);
    // What began behind it, on the side that nobody went on with, may have none.
    let began_at = |seq: u64| {
        move |told: &mut Aftermath| {
            ended(false)(told);
            told.records[0].seq = seq;
        }
    };
    assert_eq!(broken_by(began_at(8)), []);
    assert_eq!(broken_by(began_at(7)), []);
    assert_eq!(broken_by(began_at(6)), [Rule::RecordsWrong]);
}

/// What a run left, checked again: `COUNTERSIGN_AFTERMATH` names its file.
#[test]
fn a_kept_aftermath_is_checked_again() {
    let Some(file) = std::env::var_os("COUNTERSIGN_AFTERMATH") else { return };
    let aftermath: Aftermath = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(check(&aftermath), []);
}
