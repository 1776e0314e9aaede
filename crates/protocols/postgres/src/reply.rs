//! What we say to the client ourselves, in PostgreSQL's words: refusals with their SQLSTATE, the JSON in
//! DETAIL and the plain sentence in HINT; notices while people are being asked.

use bytes::{Bytes, BytesMut};
use countersign_common::refusal::{Refusal, State};
use countersign_lifecycle::Asked;
use countersign_masking::ValueFree;

use crate::codec::backend::TransactionStatus;
use crate::codec::build::{self, Saying, Severity};
use crate::codec::{Backend, SqlState};

/// The setting by which a client may read the ticket it waits for.
pub(crate) const TICKET_PARAMETER: &[u8] = b"countersign.ticket";

/// Frames that carry no value of the target's data: our own, and those of the server that only say how
/// things stand. DataRow, CopyData, FunctionCallResponse, ErrorResponse and NoticeResponse of the server are
/// not among them.
#[derive(Debug)]
pub(crate) struct Plain<'a>(&'a [u8]);

impl<'a> Plain<'a> {
    /// A frame of the server, when its kind carries no value.
    pub(crate) const fn of(message: &Backend<'_>, frame: &'a [u8]) -> Option<Self> {
        match message {
            Backend::DataRow(_)
            | Backend::CopyData(_)
            | Backend::FunctionCallResponse(_)
            | Backend::ErrorResponse(_)
            | Backend::NoticeResponse(_)
            | Backend::CopyBothResponse(_) => None,
            Backend::Authentication(_)
            | Backend::ParameterStatus { .. }
            | Backend::BackendKeyData { .. }
            | Backend::NegotiateProtocolVersion(_)
            | Backend::ReadyForQuery(_)
            | Backend::RowDescription(_)
            | Backend::CommandComplete(_)
            | Backend::NotificationResponse { .. }
            | Backend::ParameterDescription(_)
            | Backend::ParseComplete
            | Backend::BindComplete
            | Backend::CloseComplete
            | Backend::NoData
            | Backend::PortalSuspended
            | Backend::EmptyQueryResponse
            | Backend::CopyInResponse(_)
            | Backend::CopyOutResponse(_)
            | Backend::CopyDone => Some(Self(frame)),
        }
    }

    /// A frame of our own making.
    pub(crate) const fn ours(frame: &'a [u8]) -> Self {
        Self(frame)
    }
}

impl ValueFree for Plain<'_> {}

impl AsRef<[u8]> for Plain<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// The SQLSTATE of a refusal: design, "Waiting and resuming, as clients see it".
pub(crate) const fn sqlstate(state: State) -> SqlState {
    SqlState::new(*match state {
        State::Pending => b"55G01",
        State::RunningElsewhere => b"55G02",
        State::Expired => b"55G03",
        State::InDoubt => b"55G04",
        State::Unavailable => b"55G05",
        State::Limited => b"55G06",
        State::Denied => b"42G01",
        State::Blocked => b"42G02",
        State::Mismatch | State::Voided => b"42G03",
        // The client's own cancel: drivers know this code and raise what they raise for it.
        State::Withdrawn => b"57014",
    })
}

/// The ErrorResponse of a refusal.
pub(crate) fn refusal(refusal: &Refusal) -> Bytes {
    refusal_with(Severity::Error, refusal)
}

/// The same as the last words of a connection.
pub(crate) fn last_refusal(refusal: &Refusal) -> Bytes {
    refusal_with(Severity::Fatal, refusal)
}

/// The last words of a connection that the gateway ends: the error is the server's own when it goes down.
pub(crate) fn farewell(sqlstate: SqlState, refusal: &Refusal) -> Bytes {
    let (message, json, sentence) =
        (format!("countersign: {}", refusal.reason), refusal.json(), refusal.sentence());
    let mut saying = Saying::new(Severity::Fatal, sqlstate, &message);
    saying.detail = Some(&json);
    saying.hint = Some(&sentence);
    let mut out = BytesMut::new();
    build::error_response(&mut out, &saying);
    out.freeze()
}

fn refusal_with(severity: Severity, refusal: &Refusal) -> Bytes {
    let message = match refusal.state {
        State::Withdrawn => "canceling statement due to user request (countersign: withdrawn)".to_owned(),
        state => format!("countersign: {}: {}", state.as_str(), refusal.reason),
    };
    let (json, sentence) = (refusal.json(), refusal.sentence());
    let mut saying = Saying::new(severity, sqlstate(refusal.state), &message);
    saying.detail = Some(&json);
    saying.hint = Some(&sentence);
    let mut out = BytesMut::new();
    build::error_response(&mut out, &saying);
    out.freeze()
}

/// An error of our own that is no refusal, such as a violation of the protocol.
pub(crate) fn error(severity: Severity, sqlstate: SqlState, message: &str) -> Bytes {
    let mut out = BytesMut::new();
    build::error_response(&mut out, &Saying::new(severity, sqlstate, message));
    out.freeze()
}

/// ReadyForQuery.
pub(crate) fn ready(status: TransactionStatus) -> Bytes {
    let mut out = BytesMut::new();
    build::ready_for_query(&mut out, status);
    out.freeze()
}

/// The notice of a hold; the first time with the ticket as a parameter, for drivers that show no notices.
pub(crate) fn asking(asked: &Asked) -> Bytes {
    let approval = &asked.approval;
    let place = asked.url.as_deref().map_or_else(
        || format!("`countersign approve {}`", approval.id),
        |url| format!("{url} or `countersign approve {}`", approval.id),
    );
    let message = format!("countersign: waiting for approval: {}, by {place}", approval.need());
    let detail = format!(
        "{} ({}). This connection waits until {}; the request stays open until {}.",
        approval.terms.reason, approval.id, asked.waits_until, approval.expires_at
    );
    let mut saying = Saying::new(Severity::Notice, SqlState::new(*b"01G01"), &message);
    saying.detail = Some(&detail);
    saying.hint = Some("Cancel (Ctrl-C) to withdraw the request.");
    let mut out = BytesMut::new();
    build::notice_response(&mut out, &saying);
    if asked.repeat == 0 {
        build::parameter_status(&mut out, TICKET_PARAMETER, approval.id.to_string().as_bytes());
    }
    out.freeze()
}
