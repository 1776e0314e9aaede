//! Reads the checkpoints of a log in order, and checks that each is signed and follows from the previous one.

use std::io::{self, BufRead};

use countersign_common::Digest;

use crate::checkpoint::{SignedCheckpoint, Tip, is_tips, tips_of};
use crate::line::{MalformedLine, NO_PREVIOUS};
use crate::log::read_line;
use crate::signing::PublicKey;

/// Reader of checkpoints with their tips.
pub(crate) struct CheckpointReader<R> {
    reader: R,
    keys: Vec<PublicKey>,
    /// Key that signed the first checkpoint; it must have signed all of them.
    key: Option<PublicKey>,
    next_seq: u64,
    prev: Digest,
    /// Log that the first checkpoint names.
    log: Option<String>,
}

/// Result of reading the next checkpoint.
pub(crate) enum Read {
    /// A valid checkpoint with its tips.
    Checkpoint(Box<SignedCheckpoint>, Vec<Tip>),
    /// An invalid checkpoint. Reading continues after it.
    Broken {
        /// Number that the checkpoint should have.
        number: u64,
        why: String,
    },
    /// The end. A partially written last line is not a checkpoint yet.
    End,
}

impl<R: BufRead> CheckpointReader<R> {
    /// Creates a reader that starts with the first checkpoint.
    pub(crate) fn new(reader: R, keys: &[PublicKey]) -> Self {
        Self { reader, keys: keys.to_vec(), key: None, next_seq: 0, prev: NO_PREVIOUS, log: None }
    }

    /// Creates a reader for the checkpoints after `last`, which start at the reader's position.
    pub(crate) fn after(reader: R, key: &PublicKey, last: &SignedCheckpoint) -> Self {
        let (next_seq, prev, log) = (last.checkpoint.seq + 1, last.hash, Some(last.checkpoint.log.clone()));
        Self { next_seq, prev, log, key: Some(*key), ..Self::new(reader, &[]) }
    }

    /// Identifier of the log, as named by its first checkpoint.
    pub(crate) fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// Number of checkpoints read, valid or not.
    pub(crate) const fn count(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn next(&mut self) -> io::Result<Read> {
        let Some(mut line) = self.line()? else { return Ok(Read::End) };
        let mut tips = None;
        if is_tips(&line) {
            let Some(checkpoint) = self.line()? else { return Ok(Read::End) };
            tips = Some(std::mem::replace(&mut line, checkpoint));
        }
        let number = self.next_seq;
        let checked = self.check(&line, tips.as_deref());
        self.next_seq += 1;
        self.prev = Digest::of(&line);
        Ok(match checked {
            Ok((signed, tips)) => Read::Checkpoint(Box::new(signed), tips),
            Err(MalformedLine(why)) => Read::Broken { number, why },
        })
    }

    /// Reads the next complete line, without its line feed.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        read_line(&mut self.reader, &mut line)?;
        Ok((line.pop() == Some(b'\n')).then_some(line))
    }

    fn check(
        &mut self,
        line: &[u8],
        tips: Option<&[u8]>,
    ) -> Result<(SignedCheckpoint, Vec<Tip>), MalformedLine> {
        let wrong = |why: String| Err(MalformedLine(why));
        let key = self.signer(line)?;
        let signed = SignedCheckpoint::parse(line, &key)?;
        let checkpoint = &signed.checkpoint;
        if checkpoint.seq != self.next_seq || checkpoint.prev != self.prev {
            let seq = checkpoint.seq;
            return wrong(format!("it does not follow the one before (it says to be number {seq})"));
        }
        let log = self.log.get_or_insert_with(|| checkpoint.log.clone());
        if *log != checkpoint.log {
            return wrong(format!("it is of the log {}, the ones before are of {log}", checkpoint.log));
        }
        if checkpoint.tips != tips.map(Digest::of) {
            return wrong("the streams before it are not those that it was signed with".into());
        }
        let tips = tips.map(tips_of).transpose()?.unwrap_or_default();
        Ok((signed, tips))
    }

    /// Returns the key that signs this log: the one that signed its first line. If none did, the first of all keys,
    /// so that the fault is reported against it.
    fn signer(&mut self, line: &[u8]) -> Result<PublicKey, MalformedLine> {
        if let Some(key) = self.key {
            return Ok(key);
        }
        let signed = |key: &&PublicKey| SignedCheckpoint::parse(line, key).is_ok();
        let found = self.keys.iter().find(signed).or(self.keys.first()).copied();
        let key = found.ok_or_else(|| MalformedLine("checkpoint: no key to check it with".into()))?;
        self.key = Some(key);
        Ok(key)
    }
}
