//! An agent: sends commands through the front door, waits or leaves or cancels, and sends the same bytes again
//! when it was told to or does not know what became of them.

mod connection;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_testkit::Dsn;

use crate::answer::Answer;
use crate::command::{Effect, Form};
use crate::history::{Event, History};
use connection::Connection;

/// How often the same bytes are sent before an agent gives up.
const SENDINGS_MAX: u32 = 6;

/// How many commands may be unfinished at once.
const UNFINISHED_MAX: usize = 4;

/// After how many commands an agent takes its next token, so that no session grows without bound.
const COMMANDS_PER_TOKEN: u64 = 300;

/// How an error says that a token is not accepted, among its fields.
const BAD_TOKEN: &str = "C28P01";

/// What agents share.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where everything is written down.
    pub history: Arc<History>,
    /// Set when it is over.
    pub stop: Arc<AtomicBool>,
    /// How long an agent waits for the next byte.
    pub patience: Duration,
}

/// One of an agent's tokens.
#[derive(Debug, Clone)]
pub struct Door {
    /// Whom it stands for.
    pub subject: String,
    /// Where it opens.
    pub dsn: Dsn,
}

/// One agent.
#[derive(Debug)]
pub struct Agent {
    name: String,
    /// As whom and where it connects, once for each of its tokens.
    doors: Vec<Door>,
    /// Which of them it uses, for others to see.
    turn: Arc<AtomicUsize>,
    around: Surroundings,
    chance: fastrand::Rng,
    connection: Option<Connection>,
    unfinished: Vec<Unfinished>,
    commands: u64,
}

/// A command whose end the agent does not know yet.
#[derive(Debug, Clone)]
struct Unfinished {
    form: Form,
    effect: Option<Effect>,
    sendings: u32,
}

/// What an agent does while its command is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It waits.
    Waits,
    /// It hangs up after so long.
    Leaves(Duration),
    /// It asks for a cancel once it is told that somebody is asked.
    Cancels,
}

impl Agent {
    /// One that goes in by `doors`, one after the other.
    #[must_use]
    pub fn new(name: &str, doors: Vec<Door>, around: Surroundings, seed: u64) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        Self {
            name: name.to_owned(),
            doors,
            turn: Arc::default(),
            around,
            chance,
            connection: None,
            unfinished: Vec::new(),
            commands: 0,
        }
    }

    /// Which of its tokens it uses, as it goes on.
    #[must_use]
    pub fn turn(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.turn)
    }

    /// Works until it is over.
    pub fn work(mut self) {
        while !self.around.stop.load(Ordering::Acquire) {
            let next = self.next();
            self.send(next);
            std::thread::sleep(Duration::from_millis(self.chance.u64(10..150)));
        }
    }

    /// Something new, or what is unfinished.
    fn next(&mut self) -> Unfinished {
        let full = self.unfinished.len() >= UNFINISHED_MAX;
        if !self.unfinished.is_empty() && (full || self.chance.u8(0..100) < 40) {
            return self.unfinished.swap_remove(self.chance.usize(0..self.unfinished.len()));
        }
        self.commands += 1;
        if self.commands.is_multiple_of(COMMANDS_PER_TOKEN) {
            self.take_next_token();
        }
        let form = match self.chance.u8(0..100) {
            0..45 => Form::Simple,
            45..60 => Form::Extended,
            60..72 => Form::Committed,
            72..78 => Form::RolledBack,
            78..95 => Form::Read,
            _ => Form::Forbidden,
        };
        let inserts = !matches!(form, Form::Read | Form::Forbidden);
        let effect = inserts.then(|| Effect::new(&self.name, self.commands));
        Unfinished { form, effect, sendings: 0 }
    }

    /// What was unfinished stays with the token that it was sent under.
    fn take_next_token(&mut self) {
        let next = self.turn.load(Ordering::Acquire) + 1;
        if next < self.doors.len() {
            self.connection = None;
            self.unfinished.clear();
            self.turn.store(next, Ordering::Release);
        }
    }

    fn manner(&mut self, form: Form) -> Manner {
        if matches!(form, Form::Read | Form::Forbidden) {
            return Manner::Waits;
        }
        match self.chance.u8(0..100) {
            0..15 => Manner::Leaves(Duration::from_millis(self.chance.u64(0..1500))),
            15..22 => Manner::Cancels,
            _ => Manner::Waits,
        }
    }

    fn send(&mut self, mut command: Unfinished) {
        let manner = self.manner(command.form);
        let turn = self.turn.load(Ordering::Acquire);
        let Some(mut connection) = self.connected() else {
            // What could not be sent as somebody else is not sent at all.
            if turn == self.turn.load(Ordering::Acquire) {
                self.put_back(command);
            }
            return;
        };
        let Some(subject) = self.doors.get(turn).map(|door| door.subject.clone()) else { return };
        let Ok(()) = connection.prepare(command.form) else { return self.put_back(command) };
        let attempt = self.around.history.number();
        let note = |event| self.around.history.add(&self.name, event);
        note(Event::Sent { attempt, subject, form: command.form, effect: command.effect.clone() });
        let cancelled = || note(Event::Cancelled { attempt });
        let answer = connection.run(command.form, command.effect.as_ref(), manner, &cancelled);
        note(Event::Told { attempt, answer: answer.clone() });
        if connection.is_usable() && self.chance.u8(0..100) < 80 {
            self.connection = Some(connection);
        }
        command.sendings += 1;
        if command.sendings < SENDINGS_MAX && self.again(&answer) {
            self.put_back(command);
        }
    }

    /// The connection that it has, or a new one.
    fn connected(&mut self) -> Option<Connection> {
        if let Some(kept) = self.connection.take() {
            return Some(kept);
        }
        let door = self.doors.get(self.turn.load(Ordering::Acquire))?;
        match Connection::open(&door.dsn, self.around.patience) {
            Ok(connection) => Some(connection),
            Err(error) => {
                if format!("{error:#}").contains(BAD_TOKEN) {
                    self.around.history.add(&self.name, Event::TurnedAway { subject: door.subject.clone() });
                    self.take_next_token();
                }
                None
            }
        }
    }

    /// What was never finished is tried again later.
    fn put_back(&mut self, command: Unfinished) {
        if command.effect.is_some() {
            self.unfinished.push(command);
        }
    }

    /// Whether the same bytes are to be sent again.
    fn again(&mut self, answer: &Answer) -> bool {
        match answer {
            Answer::Ran | Answer::RolledBack => false,
            Answer::Refused(refusal) => match refusal.state.as_str() {
                "pending" | "running_elsewhere" => true,
                "unavailable" | "expired" | "limited" => self.chance.bool(),
                _ => false,
            },
            Answer::Failed { .. } => false,
            // An agent that does not know often just tries again; then people are asked again.
            Answer::Broken { .. } | Answer::Left => self.chance.u8(0..100) < 70,
        }
    }
}
