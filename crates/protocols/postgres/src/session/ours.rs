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
}

/// Writes statements of our own, one after the other, and the Sync that ends them.
///
/// # Errors
/// None in truth: no text of ours has a zero byte.
pub(crate) fn write(out: &mut BytesMut, texts: &[&str]) -> Result<(), codec::Error> {
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
    build::bare(out, b'S');
    Ok(())
}

impl Flow {
    /// Asks the server, behind everything that was sent before.
    pub(crate) fn ask(&mut self, question: Question, texts: &[&str]) {
        let mut frames = BytesMut::new();
        if write(&mut frames, texts).is_ok() {
            self.send_ours(frames);
            self.expected.push(Expect::Asked(question, Answer::default()));
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
