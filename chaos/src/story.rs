//! What every approval went through in the store, write by write, as etcd's own history tells it; and, from that, what
//! was open at a moment after which nothing of it was to run any more.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Stored, is_open, is_used};

/// How long a member may take until it tells the next piece of its history.
const PIECE_LIMIT: Duration = Duration::from_secs(30);

/// How many pieces wait to be read; a piece has a thousand writes at most.
const PIECES_MAX: usize = 4;

/// What an approval went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Whose it is.
    pub id: String,
    /// Who asked.
    pub subject: String,
    /// Each word for where it stood, with the revision from which on it stood there.
    pub states: Vec<(u64, String)>,
}

/// What all of them went through.
#[derive(Debug, Clone, Default)]
pub struct Story {
    courses: BTreeMap<String, Course>,
}

/// Something after which what was open then may not run: an access that was taken back, a bundle that forbids it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// What.
    pub what: String,
    /// The approvals that were open when it had been acknowledged, and are concerned.
    pub open: Vec<String>,
    /// The approvals that were used up when it held no longer.
    pub used_later: Vec<String>,
}

impl Course {
    /// Where it stood at a revision; `None`: it was not there yet.
    fn at(&self, revision: u64) -> Option<&str> {
        let stood = self.states.iter().rev().find(|(since, _)| *since <= revision);
        stood.map(|(_, state)| state.as_str())
    }
}

impl Story {
    /// As a member tells it, up to the write that has the revision `newest`.
    ///
    /// # Errors
    /// It does not answer, or what it says is no approval.
    pub(crate) fn read(member: &str, prefix: &str, newest: u64) -> Result<Self> {
        let mut story = Self::default();
        if newest == 0 {
            return Ok(story);
        }
        let (mut watching, pieces) = watch(member, prefix)?;
        let read = story.read_pieces(&pieces, newest);
        // It would go on watching; and it may have ended by itself.
        let _ = watching.kill();
        watching.wait().context("etcdctl does not end")?;
        read.map(|()| story)
    }

    fn read_pieces(&mut self, pieces: &mpsc::Receiver<String>, newest: u64) -> Result<()> {
        let mut revision = 0;
        while revision < newest {
            let piece = pieces.recv_timeout(PIECE_LIMIT).context("the history of the store breaks off")?;
            revision = self.add(&piece)?.max(revision);
        }
        Ok(())
    }

    /// A line of what etcdctl watches; the revision up to which it goes.
    fn add(&mut self, piece: &str) -> Result<u64> {
        let piece: Value = serde_json::from_str(piece).context("a piece of the history is not JSON")?;
        if piece.get("Canceled").and_then(Value::as_bool) == Some(true) {
            bail!("the history of the store is not whole: {piece}");
        }
        let events = piece.get("Events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut upto = 0;
        for event in events {
            let number = |name: &str| event.pointer(name).and_then(Value::as_u64);
            upto = number("/kv/mod_revision").context("a write without a revision")?;
            // What is deleted has no value.
            if let Some(value) = event.pointer("/kv/value").and_then(Value::as_str) {
                let value = String::from_utf8(BASE64_STANDARD.decode(value)?)?;
                self.note(upto, Stored::read(&value)?);
            }
        }
        Ok(upto)
    }

    fn note(&mut self, revision: u64, stored: Stored) {
        let Stored { id, subject, state, .. } = stored;
        let new = || Course { id: id.clone(), subject, states: Vec::new() };
        let course = self.courses.entry(id.clone()).or_insert_with(new);
        if course.states.last().is_none_or(|(_, last)| *last != state) {
            course.states.push((revision, state));
        }
    }

    /// What was open at one revision and used up at another, of the approvals of those who are concerned; `None`: it holds
    /// still.
    ///
    /// # Errors
    /// It ended before it began.
    pub fn barrier(
        &self,
        what: String,
        since: u64,
        until: Option<u64>,
        concerns: impl Fn(&str) -> bool,
    ) -> Result<Barrier> {
        ensure!(until.is_none_or(|until| since <= until), "{what}: it ended before it began");
        let ids = |revision: u64, wanted: fn(&str) -> bool| -> Vec<String> {
            let concerned = self.courses.values().filter(|course| concerns(&course.subject));
            concerned.filter(|one| one.at(revision).is_some_and(wanted)).map(|one| one.id.clone()).collect()
        };
        Ok(Barrier { what, open: ids(since, is_open), used_later: ids(until.unwrap_or(u64::MAX), is_used) })
    }

    /// All courses.
    #[must_use]
    pub fn into_courses(self) -> Vec<Course> {
        self.courses.into_values().collect()
    }
}

/// Every write under a prefix since the store began, a line of JSON for several at a time.
fn watch(member: &str, prefix: &str) -> Result<(Child, mpsc::Receiver<String>)> {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(["--endpoints", member, "watch", prefix, "--prefix"]);
    command.args(["--rev=1", "-w", "json"]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut watching = command.stdout(Stdio::piped()).spawn().context("cannot run etcdctl")?;
    let told = watching.stdout.take().context("etcdctl says nothing")?;
    let (sender, receiver) = mpsc::sync_channel(PIECES_MAX);
    std::thread::spawn(move || pass_on(told, &sender));
    Ok((watching, receiver))
}

/// Ends when etcdctl does, or when nobody listens any more.
fn pass_on(told: ChildStdout, to: &mpsc::SyncSender<String>) {
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        if to.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn stored(id: &str, subject: &str, state: &str) -> Stored {
        Stored {
            id: id.into(),
            subject: subject.into(),
            state: state.into(),
            expires_at: 1,
            decisions: Vec::new(),
            evidence: false,
        }
    }

    fn story(writes: &[(u64, &str, &str, &str)]) -> Story {
        let mut story = Story::default();
        for (revision, id, subject, state) in writes {
            story.note(*revision, stored(id, subject, state));
        }
        story
    }

    #[test]
    fn a_barrier_has_what_was_open_then_and_what_was_used_up_when_it_ended() {
        let story = story(&[
            (2, "apr_1", "a", "pending"),
            (3, "apr_2", "b", "pending"),
            (4, "apr_1", "a", "approved"),
            (6, "apr_1", "a", "redeemed"),
            (7, "apr_3", "a", "pending"),
            (8, "apr_1", "a", "done"),
        ]);
        let barrier = |since, until| story.barrier("stopped".into(), since, until, |who| who == "a").unwrap();
        for (since, open) in
            [(1, vec![]), (2, vec!["apr_1"]), (5, vec!["apr_1"]), (6, vec![]), (7, vec!["apr_3"])]
        {
            assert_eq!(barrier(since, None).open, open, "at {since}");
        }
        assert_eq!(barrier(2, Some(5)).used_later, Vec::<String>::new());
        assert_eq!(barrier(2, Some(6)).used_later, ["apr_1"]);
        assert_eq!(barrier(2, None).used_later, ["apr_1"]);
        assert!(story.barrier("x".into(), 3, Some(2), |_| true).is_err());
    }

    #[test]
    fn a_course_has_each_state_once_and_what_was_deleted_stays_told() {
        let value = |state: &str| {
            let value = format!(
                r#"{{"approval":{{"id":"apr_1","requester":{{"subject":"a"}},"state":{{"state":"{state}"}},
                "expires_at":17,"evidence":"none","decisions":[]}}}}"#
            );
            BASE64_STANDARD.encode(value)
        };
        let piece = format!(
            r#"{{"Events":[{{"kv":{{"mod_revision":2,"value":"{}"}}}},{{"kv":{{"mod_revision":3,"value":"{}"}}}},
            {{"kv":{{"mod_revision":5,"value":"{}"}}}},{{"type":1,"kv":{{"mod_revision":9}}}}],"Canceled":false}}"#,
            value("pending"),
            value("pending"),
            value("denied")
        );
        let mut story = Story::default();
        assert_eq!(story.add(&piece).unwrap(), 9);
        let courses = story.into_courses();
        let states: BTreeSet<_> = courses.iter().flat_map(|course| course.states.clone()).collect();
        assert_eq!(states, BTreeSet::from([(2, "pending".to_owned()), (5, "denied".to_owned())]));
        assert!(Story::default().add(r#"{"Canceled":true,"CompactRevision":7}"#).is_err());
    }
}
