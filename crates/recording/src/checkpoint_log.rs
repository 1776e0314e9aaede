//! Reads the checkpoints of a log in their order, and checks that each is signed and follows from the one before.

use std::io::{self, BufRead};

use countersign_common::Digest;

use crate::checkpoint::{SignedCheckpoint, Tip, is_tips, tips_of};
use crate::line::{MalformedLine, NO_PREVIOUS};
use crate::log::read_line;
use crate::signing::PublicKey;

/// Reads checkpoints, each with its tips.
pub(crate) struct CheckpointReader<R> {
    reader: R,
    keys: Vec<PublicKey>,
    /// The key that signed the first; it has to sign all.
    key: Option<PublicKey>,
    next_seq: u64,
    prev: Digest,
    /// The log that the first one names.
    log: Option<String>,
}

/// What was read next.
pub(crate) enum Read {
    /// A checkpoint that is in order.
    Checkpoint(Box<SignedCheckpoint>, Vec<Tip>),
    /// Something that is not. The ones after it are read on.
    Broken {
        /// The place that it should have.
        number: u64,
        why: String,
    },
    /// All that there are. A last line that is half written is no checkpoint yet.
    End,
}

impl<R: BufRead> CheckpointReader<R> {
    /// From the first one on.
    pub(crate) fn new(reader: R, keys: &[PublicKey]) -> Self {
        Self { reader, keys: keys.to_vec(), key: None, next_seq: 0, prev: NO_PREVIOUS, log: None }
    }

    /// Those that follow this one, where the reader begins.
    pub(crate) fn after(reader: R, key: &PublicKey, last: &SignedCheckpoint) -> Self {
        let (next_seq, prev, log) = (last.checkpoint.seq + 1, last.hash, Some(last.checkpoint.log.clone()));
        Self { next_seq, prev, log, key: Some(*key), ..Self::new(reader, &[]) }
    }

    /// The id of the log, as its first checkpoint says.
    pub(crate) fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// How many places have been read.
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

    /// The next whole line, without its line feed.
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

    /// The key that signs this log: the one that signed its first line; the first of all when none did, so that the fault is
    /// reported against it.
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
