//! A client without a driver that knows what a held command looks like.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use countersign_testkit::{Dsn, Frame, RawClient, tagged, untagged};

use crate::stage::insert;

/// How long a client waits for the next frame; while it is held there is one every second.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a client waits for what comes of a command.
const OUTCOME_LIMIT: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Client {
    raw: RawClient,
    /// By what it is cancelled.
    key: Vec<u8>,
}

/// An error, as far as tests look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    /// The DETAIL, where it is a refusal's JSON.
    pub(crate) detail: Option<serde_json::Value>,
}

impl Client {
    pub(crate) fn login(dsn: &Dsn) -> Result<Self> {
        let (raw, greeting) = RawClient::login_within(dsn, PATIENCE)?;
        let key = greeting.into_iter().find(|frame| frame.tag == b'K').map(|frame| frame.body);
        Ok(Self { raw, key: key.unwrap_or_default() })
    }

    pub(crate) fn send(&mut self, sql: &str) -> Result<()> {
        self.raw.send(&tagged(b'Q', format!("{sql}\0").as_bytes()))
    }

    pub(crate) fn send_insert(&mut self, id: &str) {
        self.send(&insert(id)).unwrap();
    }

    /// The ticket that the client is given while it waits.
    pub(crate) fn ticket(&mut self) -> String {
        loop {
            let frame = self.raw.frame().unwrap();
            assert!(!b"EC".contains(&frame.tag), "not held: {frame:?}");
            let text = String::from_utf8_lossy(&frame.body).into_owned();
            if let Some(ticket) = text.strip_prefix("countersign.ticket\0").filter(|_| frame.tag == b'S') {
                return ticket.trim_end_matches('\0').to_owned();
            }
        }
    }

    /// What comes of the command: the tag of what was done, or the error; up to ReadyForQuery, unless the connection
    /// ends with the error.
    pub(crate) fn outcome(&mut self) -> Result<std::result::Result<String, Refused>> {
        let mut said = None;
        let start = Instant::now();
        loop {
            // A held command brings a notice every second, so that the wait for a frame alone never ends.
            ensure!(start.elapsed() < OUTCOME_LIMIT, "nothing came of the command for {OUTCOME_LIMIT:?}");
            let frame = match (self.raw.frame(), &said) {
                (Ok(frame), _) => frame,
                (Err(_), Some(_)) => return Ok(said.unwrap()),
                (Err(error), None) => return Err(error),
            };
            match frame.tag {
                b'C' => {
                    said = Some(Ok(String::from_utf8_lossy(&frame.body).trim_end_matches('\0').to_owned()))
                }
                b'E' => said = Some(Err(Refused::of(&frame))),
                b'Z' => match said {
                    Some(said) => return Ok(said),
                    None => bail!("nothing was said about the command"),
                },
                _ => {}
            }
        }
    }

    pub(crate) fn run(&mut self, sql: &str) -> Result<std::result::Result<String, Refused>> {
        self.send(sql)?;
        self.outcome()
    }

    pub(crate) fn expect_ran(&mut self) {
        assert_eq!(self.outcome().unwrap().unwrap(), "INSERT 0 1");
    }

    /// Asks that its command be cancelled, on a connection of its own through the same door.
    pub(crate) fn cancel(&self, dsn: &Dsn) {
        let mut other = RawClient::connect(&dsn.host, dsn.port).unwrap();
        other.send(&untagged(&[&80_877_102_u32.to_be_bytes(), self.key.as_slice()].concat())).unwrap();
        // The server hangs up when it has taken it.
        assert!(other.frame().is_err());
    }
}

impl Refused {
    fn of(frame: &Frame) -> Self {
        let field = |wanted: u8| {
            let mut fields = frame.body.split(|byte| *byte == 0);
            let found = fields.find_map(|field| field.strip_prefix(&[wanted])).unwrap_or_default();
            String::from_utf8_lossy(found).into_owned()
        };
        Self { sqlstate: field(b'C'), message: field(b'M'), detail: serde_json::from_str(&field(b'D')).ok() }
    }

    /// Whether it says that nothing was executed.
    pub(crate) fn says_not_executed(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail["executed"] == false)
    }
}
