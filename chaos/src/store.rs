//! The control plane's store, read past the control plane: what etcd itself has, now and at any moment before.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::story::Story;

/// Where approvals lie.
const APPROVALS: &str = "/cs/approvals/";

/// etcd, by the addresses of its members.
#[derive(Debug, Clone)]
pub struct Store {
    members: Vec<String>,
}

/// An approval, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub subject: String,
    /// The word for where it stands.
    pub state: String,
    /// When it ends by itself, in microseconds since 1970.
    pub expires_at: u64,
    /// Who decided, and at which stage.
    pub decisions: Vec<(String, u64)>,
    /// Whether the target remembers by something whether the command ran.
    pub evidence: bool,
}

impl Stored {
    /// Whether it may still be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        is_open(&self.state)
    }

    pub(crate) fn read(line: &str) -> Result<Self> {
        let stored: Value = serde_json::from_str(line).context("a stored approval is not JSON")?;
        let missing = || anyhow!("not a stored approval: {line}");
        let text = |path: &str| Some(stored.pointer(path)?.as_str()?.to_owned());
        let decision = |decision: &Value| {
            Some((decision.get("approver")?.as_str()?.to_owned(), decision.get("stage")?.as_u64()?))
        };
        let decisions =
            stored.pointer("/approval/decisions").and_then(Value::as_array).ok_or_else(missing)?;
        let evidence = stored.pointer("/approval/evidence").is_some_and(|evidence| evidence != "none");
        Ok(Self {
            id: text("/approval/id").ok_or_else(missing)?,
            subject: text("/approval/requester/subject").ok_or_else(missing)?,
            state: text("/approval/state/state").ok_or_else(missing)?,
            expires_at: stored.pointer("/approval/expires_at").and_then(Value::as_u64).ok_or_else(missing)?,
            decisions: decisions.iter().map(decision).collect::<Option<_>>().ok_or_else(missing)?,
            evidence,
        })
    }
}

/// Whether an approval that stands so may still be used.
pub(crate) fn is_open(state: &str) -> bool {
    matches!(state, "pending" | "approved")
}

/// Whether an approval that stands so was used up.
pub(crate) fn is_used(state: &str) -> bool {
    matches!(state, "redeemed" | "done" | "in_doubt" | "not_run")
}

impl Store {
    /// With these members; any of them answers.
    #[must_use]
    pub const fn new(members: Vec<String>) -> Self {
        Self { members }
    }

    /// The revision of the newest write: everything that was acknowledged before is in it.
    ///
    /// # Errors
    /// No member answers, such as while there is no majority.
    pub fn revision(&self) -> Result<u64> {
        let answer: Value = serde_json::from_str(&self.get(&["/cs/", "-w", "json"])?)?;
        answer.pointer("/header/revision").and_then(Value::as_u64).context("no revision in the answer")
    }

    /// Every approval as it is now.
    ///
    /// # Errors
    /// No member answers, or what it says is no approval.
    pub fn approvals(&self) -> Result<Vec<Stored>> {
        let found = self.get(&[APPROVALS, "--prefix", "--print-value-only"])?;
        found.lines().filter(|line| !line.is_empty()).map(Stored::read).collect()
    }

    /// Everything that approvals went through since the store began; it must not have been compacted, and nobody may be
    /// writing approvals any more.
    ///
    /// # Errors
    /// No member answers to the end, or what it says is no approval.
    pub fn story(&self) -> Result<Story> {
        let newest = self.newest()?;
        let mut last = anyhow!("no member");
        for member in &self.members {
            match Story::read(member, APPROVALS, newest) {
                Ok(story) => return Ok(story),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The revision at which an approval was written last; 0: there is none.
    fn newest(&self) -> Result<u64> {
        let answer: Value =
            serde_json::from_str(&self.get(&[APPROVALS, "--prefix", "--keys-only", "-w", "json"])?)?;
        let keys = answer.get("kvs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(keys.iter().filter_map(|key| key.get("mod_revision")?.as_u64()).max().unwrap_or_default())
    }

    /// The nodes of the fleet that count as alive: name, and how many starts of it there are.
    ///
    /// # Errors
    /// No member answers, or what it says is no node.
    pub fn nodes(&self) -> Result<BTreeMap<String, u64>> {
        let mut nodes = BTreeMap::new();
        for line in self.get(&["/cs/nodes/", "--prefix", "--print-value-only"])?.lines() {
            if line.is_empty() {
                continue;
            }
            let node: Value = serde_json::from_str(line).context("a stored node is not JSON")?;
            let name = node.get("name").and_then(Value::as_str).context("a node without a name")?;
            *nodes.entry(name.to_owned()).or_default() += 1;
        }
        Ok(nodes)
    }

    /// What the first member that does its part says to a read that a majority has agreed on.
    fn get(&self, words: &[&str]) -> Result<String> {
        let mut last = anyhow!("no member");
        for member in &self.members {
            let mut command = Command::new("etcdctl");
            command.env("ETCDCTL_API", "3").args(["--command-timeout=3s", "--endpoints", member, "get"]);
            let output = command.args(words).stdin(Stdio::null()).output().context("cannot run etcdctl")?;
            match String::from_utf8(output.stdout) {
                Ok(said) if output.status.success() => return Ok(said),
                _ => last = anyhow!("etcdctl: {}", String::from_utf8_lossy(&output.stderr).trim()),
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_read_as_the_control_plane_writes_it() {
        let line = r#"{"attempt":"x","approval":{"id":"apr_1","requester":{"subject":"agent-1-0"},
            "state":{"state":"in_doubt","owner":"n","fence":3},"expires_at":17,"evidence":{"presented":"xid:7"},
            "decisions":[{"approver":"dora","stage":0,"vote":"approve"}]}}"#;
        let stored = Stored::read(line).unwrap();
        assert_eq!((stored.id.as_str(), stored.subject.as_str()), ("apr_1", "agent-1-0"));
        assert_eq!((stored.state.as_str(), stored.expires_at), ("in_doubt", 17));
        assert_eq!(stored.decisions, [("dora".to_owned(), 0)]);
        assert!(stored.evidence && is_used(&stored.state) && !stored.is_open());
        assert!(Stored::read("{}").is_err());
    }
}
