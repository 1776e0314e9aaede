//! An agent's connection: the bytes of a command in each form, and what is heard of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use countersign_testkit::{Dsn, Frame, RawClient, tagged, untagged};

use super::Manner;
use crate::answer::Answer;
use crate::command::{Effect, Form};

/// The code that a cancel request begins with.
const CANCEL: u32 = 80_877_102;

/// A connection after its login.
#[derive(Debug)]
pub(super) struct Connection {
    client: RawClient,
    door: Dsn,
    /// Process and secret, as the server gave them.
    key: Vec<u8>,
    usable: bool,
}

/// What was heard up to ReadyForQuery, or to where it broke off.
struct Heard {
    answer: Answer,
    /// The tag of the command that was done.
    tag: String,
}

impl Connection {
    pub(super) fn open(door: &Dsn, patience: Duration) -> Result<Self> {
        let (client, greeting) = RawClient::login_within(door, patience)?;
        let key = greeting.into_iter().find(|frame| frame.tag == b'K').map(|frame| frame.body);
        Ok(Self { client, door: door.clone(), key: key.unwrap_or_default(), usable: true })
    }

    /// Whether another command can be sent.
    pub(super) const fn is_usable(&self) -> bool {
        self.usable
    }

    /// What goes before a command of this form.
    pub(super) fn prepare(&mut self, form: Form) -> Result<()> {
        if form.in_transaction() {
            let begun = self.query("BEGIN", Manner::Waits, &|| ());
            ensure!(begun.answer == Answer::Ran && self.usable, "no transaction: {:?}", begun.answer);
        }
        Ok(())
    }

    /// Sends a command, and what ends its transaction; what the agent knows of it then.
    pub(super) fn run(
        &mut self,
        form: Form,
        effect: Option<&Effect>,
        manner: Manner,
        cancelled: &dyn Fn(),
    ) -> Answer {
        let sql = form.sql(effect);
        let heard = match (form, effect) {
            (Form::Extended, Some(effect)) => self.exchange(&extended(&sql, effect), manner, cancelled),
            _ => self.query(&sql, manner, cancelled),
        };
        if form.in_transaction() { self.end_transaction(form, heard.answer) } else { heard.answer }
    }

    fn end_transaction(&mut self, form: Form, answer: Answer) -> Answer {
        match (&answer, form) {
            (Answer::Ran, Form::Committed) => {
                let heard = self.query("COMMIT", Manner::Waits, &|| ());
                // COMMIT of a transaction that has failed says ROLLBACK.
                if heard.tag == "ROLLBACK" { Answer::RolledBack } else { heard.answer }
            }
            // Nobody ever sent COMMIT: whatever the connection does now, nothing stays.
            (Answer::Ran | Answer::Broken { .. } | Answer::Left, _) => {
                self.query("ROLLBACK", Manner::Waits, &|| ());
                Answer::RolledBack
            }
            _ => {
                self.query("ROLLBACK", Manner::Waits, &|| ());
                answer
            }
        }
    }

    fn query(&mut self, sql: &str, manner: Manner, cancelled: &dyn Fn()) -> Heard {
        self.exchange(&tagged(b'Q', &[sql.as_bytes(), b"\0"].concat()), manner, cancelled)
    }

    fn exchange(&mut self, bytes: &[u8], manner: Manner, cancelled: &dyn Fn()) -> Heard {
        if !self.usable {
            return Heard::nothing(Answer::Broken { sent: false, why: "no connection any more".into() });
        }
        if let Err(error) = self.client.send(bytes) {
            self.usable = false;
            return Heard::nothing(broken(&error));
        }
        if let Manner::Leaves(after) = manner {
            return self.leave(after);
        }
        self.hear(manner, cancelled)
    }

    /// Everything up to ReadyForQuery. The first word about the command is the one that counts.
    fn hear(&mut self, manner: Manner, cancelled: &dyn Fn()) -> Heard {
        let mut first: Option<Heard> = None;
        let mut asked = false;
        loop {
            let frame = match self.client.frame() {
                Ok(frame) => frame,
                Err(error) => {
                    self.usable = false;
                    return first.unwrap_or_else(|| Heard::nothing(broken(&error)));
                }
            };
            match frame.tag {
                b'C' | b'E' => {
                    first.get_or_insert(Heard::of(&frame));
                }
                b'Z' => {
                    let nothing = "nothing was said about the command";
                    let silent = || Heard::nothing(Answer::Broken { sent: true, why: nothing.into() });
                    return first.unwrap_or_else(silent);
                }
                // The notice that somebody is asked.
                b'N' if manner == Manner::Cancels && !asked => {
                    asked = true;
                    cancelled();
                    // One that does not arrive is a cancel that does nothing.
                    let _ = self.cancel();
                }
                _ => {}
            }
        }
    }

    /// Hangs up after so long, with or without a farewell.
    fn leave(&mut self, after: Duration) -> Heard {
        self.usable = false;
        if !after.is_zero()
            && let Ok(frame) = self.client.frame_within(after)
            && matches!(frame.tag, b'C' | b'E')
        {
            return Heard::of(&frame);
        }
        if after.as_millis().is_multiple_of(2) {
            let _ = self.client.send(&tagged(b'X', b""));
        }
        Heard::nothing(Answer::Left)
    }

    /// Asks for a cancel, on a connection of its own as the protocol wants it.
    fn cancel(&self) -> Result<()> {
        let mut other = RawClient::connect_within(&self.door.host, self.door.port, Duration::from_secs(2))?;
        other.send(&untagged(&[&CANCEL.to_be_bytes(), self.key.as_slice()].concat()))?;
        // The server hangs up when it has taken it.
        other.frame().map(drop).context("no answer, as it should be")
    }
}

impl Heard {
    const fn nothing(answer: Answer) -> Self {
        Self { answer, tag: String::new() }
    }

    fn of(frame: &Frame) -> Self {
        if frame.tag == b'E' {
            return Self::nothing(Answer::of_error(frame));
        }
        let text = frame.body.strip_suffix(b"\0").unwrap_or(&frame.body);
        Self { answer: Answer::Ran, tag: String::from_utf8_lossy(text).into_owned() }
    }
}

fn broken(error: &anyhow::Error) -> Answer {
    Answer::Broken { sent: true, why: format!("{:#}", error) }
}

/// Parse, Bind, Execute, Sync.
fn extended(sql: &str, effect: &Effect) -> Vec<u8> {
    let value = effect.as_str().as_bytes();
    let length = u32::try_from(value.len()).unwrap_or(0).to_be_bytes();
    [
        tagged(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat()),
        tagged(b'B', &[b"\0\0\0\0\0\x01".as_slice(), &length, value, b"\0\0"].concat()),
        tagged(b'E', b"\0\0\0\0\0"),
        tagged(b'S', b""),
    ]
    .concat()
}
