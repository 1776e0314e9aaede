//! Questions of our own on a session's connection, between its commands. They go by the extended protocol under
//! names of our own: a simple query would end the client's unnamed statement.

use bytes::BytesMut;

use super::expect::Expect;
use super::flow::{Broken, Flow};
use super::settings::Answer;
use crate::codec::build::{self, Bound};
use crate::codec::frontend::Subject;
use crate::codec::{self};

/// The statement and the portal of a question; they exist for that question only.
const NAME: &[u8] = b"countersign question";

/// A question of our own whose answer is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Open a transaction of our own, and say its number.
    Begin,
    /// Undo it.
    Rollback,
    /// Whether the session keeps something that a new connection would not have.
    Leftovers,
    /// Whether the session has used a sequence; fails when not.
    Sequences,
    /// Prepare the client's statements again, on a new connection.
    Prepare,
    /// Everything that an approval is bound to.
    Binding,
    /// The settings that give statements their meaning, in the middle of a batch.
    Settings,
}

/// Writes statements of our own, one after the other, and the message that has them answered: a Sync, or a Flush in the
/// middle of a client's batch.
///
/// # Errors
/// None in truth: no text of ours has a zero byte.
pub(crate) fn write(out: &mut BytesMut, texts: &[&str], end: u8) -> Result<(), codec::Error> {
    let none = Bound { formats: &[], parameters: &[], result_formats: &[] };
    // What is left of a question that failed; to close nothing is no error.
    build::close(out, Subject::Statement(NAME))?;
    for text in texts {
        build::parse(out, NAME, text.as_bytes(), &[])?;
        build::bind(out, NAME, NAME, none)?;
        build::execute(out, NAME, 0)?;
        build::close(out, Subject::Portal(NAME))?;
        build::close(out, Subject::Statement(NAME))?;
    }
    build::bare(out, end);
    Ok(())
}

impl Flow {
    /// Asks the server, behind everything that was sent before.
    pub(crate) fn ask(&mut self, question: Question, texts: &[&str]) {
        let mut frames = BytesMut::new();
        if write(&mut frames, texts, b'S').is_ok() {
            self.send_ours(frames);
            self.expected.push(Expect::Asked(question, Answer::default()));
        }
    }

    /// Asks what an approval is bound to; every row of the answer is kept. In the middle of a batch the batch goes on
    /// behind it.
    pub(crate) fn ask_gathering(&mut self, texts: &[&str], in_batch: bool) {
        if in_batch {
            return self.ask_in_batch(Question::Binding, texts, Answer::gathering());
        }
        let mut frames = BytesMut::new();
        if write(&mut frames, texts, b'S').is_ok() {
            self.send_ours(frames);
            self.expected.push(Expect::Asked(Question::Binding, Answer::gathering()));
        }
    }

    /// Asks the server in the middle of a batch of the client, which goes on behind the question.
    pub(super) fn ask_in_batch(&mut self, question: Question, texts: &[&str], answer: Answer) {
        let mut frames = BytesMut::new();
        if write(&mut frames, texts, b'H').is_ok() {
            self.send_ours(frames);
            // One for what may have been left, then a portal and a statement for each text.
            self.expected.push(Expect::AskedInBatch(question, answer, 1 + 2 * texts.len()));
        }
    }

    /// Waits until everything is answered. The client is not looked at meanwhile.
    ///
    /// # Errors
    /// [`Broken`] when the target is gone.
    ///
    /// # Cancel safety
    /// Not cancel safe: end the connection then.
    pub(crate) async fn settle(&mut self) -> Result<(), Broken> {
        while !self.expected.is_empty() {
            self.upstream_moved().await?;
            self.take_answers().await?;
        }
        Ok(())
    }
}
