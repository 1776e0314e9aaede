//! The last third of the story: what happened is replayed, verified, and one changed byte is found.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};
use countersign_testkit::{Account, Folder, binary};

use super::stage::Stage;
use super::teller::Teller;

/// Replays the agent's session as text.
pub(super) fn replay(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("Everything that happened is replayed.");
    let sessions = stage.gateway.cli_as_operator(&["sessions", "ls"])?;
    let listed = sessions.get("sessions").unwrap_or(&sessions).as_array().cloned().unwrap_or_default();
    let session = listed.iter().find(|session| session.to_string().contains("support-agent"));
    let id = session
        .and_then(|session| session.get("id")?.as_str())
        .context("the agent's session is not listed")?;
    teller.typed("auditor", &format!("countersign replay {id}"));
    let output = operator(stage, &["replay", id, "--format", "text"])?;
    let text = printed(&output);
    teller.seen(&text);
    teller.shows(
        "every statement is there",
        ["SELECT name", "DROP TABLE", "UPDATE customers"].iter().all(|sql| text.contains(sql)),
    )?;
    let secrets = stage.server.sql("SELECT email, card FROM customers WHERE id = 7")?;
    teller
        .shows("what was masked is masked here too", !secrets.split('|').any(|secret| text.contains(secret)))
}

/// Verifies the recording while everything runs.
pub(super) fn verify(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("The recording is verified.");
    teller.typed("auditor", "countersign audit verify");
    let output = operator(stage, &["audit", "verify"])?;
    teller.seen(&printed(&output));
    teller.shows("nothing was changed, dropped or cut off", output.status.success())
}

/// Changes one byte of a copy, which then no longer verifies.
pub(super) fn tamper(stage: Stage, teller: &mut Teller) -> Result<()> {
    teller.step("Somebody with access to the disk changes one byte of the recording.");
    let Stage { mut gateway, .. } = stage;
    gateway.stop()?;
    let folder = Folder::new(Account::Own)?;
    let copy = folder.path().join("data");
    let copied =
        Command::new("cp").arg("-a").args([gateway.data(), &copy]).status().context("cannot run cp")?;
    anyhow::ensure!(copied.success(), "cannot copy the data");
    let segment = segment_with(&copy, b"DROP TABLE payments")?.context("no recording holds the DROP")?;
    let recording = segment.parent().unwrap_or(&copy);
    // The auditor has kept the newest checkpoint where nobody else writes.
    let kept = std::fs::read_to_string(recording.join("checkpoints.jsonl"))?;
    let anchor = folder.path().join("checkpoint");
    std::fs::write(&anchor, kept.lines().last().context("no checkpoint")?)?;
    let untouched = offline(&copy, recording, &anchor)?;
    teller.shows("an untouched copy verifies offline", untouched.status.success())?;

    let mut bytes = std::fs::read(&segment)?;
    let at = position(&bytes, b"DROP TABLE payments").context("no DROP")?;
    if let Some(byte) = bytes.get_mut(at) {
        *byte = b'd';
    }
    std::fs::write(&segment, bytes)?;
    let name = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
    teller.typed("intruder", &format!("(changes one D of `DROP` to d in {name})"));
    teller.typed("auditor", "countersign audit verify DIR --anchor CHECKPOINT");
    let output = offline(&copy, recording, &anchor)?;
    let said = printed(&output);
    teller.seen(&said);
    teller.shows("it no longer verifies", !output.status.success())?;
    teller.shows("it says where", said.contains(&name) || said.contains("segment"))
}

fn operator(stage: &Stage, arguments: &[&str]) -> Result<Output> {
    let token = stage.gateway.operator()?;
    stage.gateway.command_for_people(&token, arguments)?.output().context("cannot run countersign")
}

/// Verifies a folder against a checkpoint that was kept elsewhere, with the key in `data` and without asking anybody.
fn offline(data: &Path, recording: &Path, anchor: &Path) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.args(["audit", "verify"]).arg(recording).arg("--anchor").arg(anchor);
    command.env("COUNTERSIGN_DATA", data);
    command.output().context("cannot run countersign")
}

pub(super) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The file under `folder` that holds these bytes.
fn segment_with(folder: &Path, bytes: &[u8]) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = segment_with(&path, bytes)? {
                return Ok(Some(found));
            }
        } else if path.extension().is_some_and(|extension| extension == "jsonl")
            && position(&std::fs::read(&path)?, bytes).is_some()
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
