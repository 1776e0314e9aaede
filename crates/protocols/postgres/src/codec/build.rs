//! Writes the messages that we say ourselves. What is only forwarded is never rebuilt.
//!
//! Texts of ours and of others go into strings that end at the first zero byte, so a zero byte inside
//! would let the rest pass as another field: messages to a server are refused then, messages to a client
//! are cut there.

use bytes::{BufMut, BytesMut};

use super::backend::TransactionStatus;
use super::frontend::Subject;
use super::list::Format;
use super::startup::{CANCEL_REQUEST, Protocol, SSL_REQUEST};
use super::{Error, Fault, SqlState};
use crate::cancel::CancelKey;

/// How grave an error or a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The command failed.
    Error,
    /// The session ends.
    Fatal,
    /// Worth knowing, probably wrong.
    Warning,
    /// Worth knowing.
    Notice,
    /// Asked for.
    Info,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
        }
    }
}

/// An error or a notice of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying<'a> {
    /// How grave it is.
    pub severity: Severity,
    /// Its code.
    pub sqlstate: SqlState,
    /// One line.
    pub message: &'a str,
    /// More, for programs: the refusal as JSON.
    pub detail: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
}

impl<'a> Saying<'a> {
    /// One line, without detail and hint.
    #[must_use]
    pub const fn new(severity: Severity, sqlstate: SqlState, message: &'a str) -> Self {
        Self { severity, sqlstate, message, detail: None, hint: None }
    }

    fn fields(&self, out: &mut BytesMut) {
        let severity = self.severity.as_str();
        let fields = [
            (b'S', Some(severity)),
            (b'V', Some(severity)),
            (b'C', Some(self.sqlstate.as_str())),
            (b'M', Some(self.message)),
            (b'D', self.detail),
            (b'H', self.hint),
        ];
        for (code, text) in fields {
            if let Some(text) = text {
                out.put_u8(code);
                put_cut(out, text.as_bytes());
            }
        }
        out.put_u8(0);
    }
}

/// `E`: an error of our own.
pub fn error_response(out: &mut BytesMut, saying: &Saying<'_>) {
    frame(out, b'E', |out| saying.fields(out));
}

/// `N`: a notice of our own.
pub fn notice_response(out: &mut BytesMut, saying: &Saying<'_>) {
    frame(out, b'N', |out| saying.fields(out));
}

/// `R` 0: let in.
pub fn authentication_ok(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_u32(0));
}

/// `R` 3: the password as it is.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_u32(3));
}

/// `S`: a setting and its value.
pub fn parameter_status(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    frame(out, b'S', |out| {
        put_cut(out, name);
        put_cut(out, value);
    });
}

/// `K`: the key by which this session is cancelled.
pub fn backend_key_data(out: &mut BytesMut, key: &CancelKey) {
    frame(out, b'K', |out| {
        out.put_u32(key.pid());
        out.put_slice(key.secret());
    });
}

/// `v`: the protocol that will be spoken, and the options that are not known.
pub fn negotiate_protocol_version<'a>(
    out: &mut BytesMut,
    protocol: Protocol,
    unknown: impl ExactSizeIterator<Item = &'a str>,
) {
    frame(out, b'v', |out| {
        out.put_u32(protocol.number());
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        for option in unknown {
            put_cut(out, option.as_bytes());
        }
    });
}

/// `Z`: ready for the next command.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    frame(out, b'Z', |out| out.put_u8(status.code()));
}

/// `C`: a command is done.
pub fn command_complete(out: &mut BytesMut, tag: &str) {
    frame(out, b'C', |out| put_cut(out, tag.as_bytes()));
}

/// A message without a body: `1` ParseComplete, `2` BindComplete, `3` CloseComplete, `n` NoData,
/// `I` EmptyQueryResponse, `S` Sync, `H` Flush, `X` Terminate, `c` CopyDone.
pub fn bare(out: &mut BytesMut, tag: u8) {
    frame(out, tag, |_| ());
}

/// `D`: a row.
pub fn data_row<'a>(out: &mut BytesMut, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) {
    frame(out, b'D', |out| {
        // A row has at most 1,664 columns.
        out.put_u16(u16::try_from(values.len()).unwrap_or(u16::MAX));
        for value in values {
            put_value(out, value);
        }
    });
}

/// The packet that asks for TLS.
pub fn ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(SSL_REQUEST);
}

/// The packet that cancels what the session with this key is doing.
pub fn cancel_request(out: &mut BytesMut, key: &CancelKey) {
    let length = key.secret().len().saturating_add(12);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_u32(CANCEL_REQUEST);
    out.put_u32(key.pid());
    out.put_slice(key.secret());
}

/// The packet that asks to be let in.
///
/// # Errors
/// [`Error::Malformed`] when a name is empty or a text has a zero byte.
pub fn startup<'a>(
    out: &mut BytesMut,
    protocol: Protocol,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Error> {
    let start = out.len();
    out.put_u32(0);
    out.put_u32(protocol.number());
    for (name, value) in parameters {
        if name.is_empty() {
            return Err(Error::Malformed { message: "StartupMessage", fault: Fault::String });
        }
        put_string(out, "StartupMessage", name.as_bytes())?;
        put_string(out, "StartupMessage", value.as_bytes())?;
    }
    out.put_u8(0);
    let length = out.len().saturating_sub(start);
    patch(out, start, length);
    Ok(())
}

/// `p`: a password.
///
/// # Errors
/// [`Error::Malformed`] when it has a zero byte.
pub fn password(out: &mut BytesMut, password: &[u8]) -> Result<(), Error> {
    try_frame(out, b'p', |out| put_string(out, "PasswordMessage", password))
}

/// `p`: the first message of a SASL exchange.
///
/// # Errors
/// [`Error::Malformed`] when the mechanism's name has a zero byte.
pub fn sasl_initial(out: &mut BytesMut, mechanism: &str, message: &[u8]) -> Result<(), Error> {
    try_frame(out, b'p', |out| {
        put_string(out, "SASLInitialResponse", mechanism.as_bytes())?;
        put_value(out, Some(message));
        Ok(())
    })
}

/// `p`: a further message of a SASL exchange.
pub fn sasl_response(out: &mut BytesMut, message: &[u8]) {
    frame(out, b'p', |out| out.put_slice(message));
}

/// `Q`: run this string of statements.
///
/// # Errors
/// [`Error::Malformed`] when it has a zero byte.
pub fn query(out: &mut BytesMut, text: &[u8]) -> Result<(), Error> {
    try_frame(out, b'Q', |out| put_string(out, "Query", text))
}

/// `P`: make a prepared statement.
///
/// # Errors
/// [`Error::Malformed`] when a text has a zero byte or there are more than 65,535 types.
pub fn parse(out: &mut BytesMut, name: &[u8], text: &[u8], types: &[u32]) -> Result<(), Error> {
    try_frame(out, b'P', |out| {
        put_string(out, "Parse", name)?;
        put_string(out, "Parse", text)?;
        put_count(out, "Parse", types.len())?;
        types.iter().for_each(|oid| out.put_u32(*oid));
        Ok(())
    })
}

/// What goes into a Bind besides the names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound<'a> {
    /// How the parameters are written: none, one, or one for each.
    pub formats: &'a [Format],
    /// The parameters; `None` is NULL.
    pub parameters: &'a [Option<&'a [u8]>],
    /// How the result is to be written: none, one, or one for each column.
    pub result_formats: &'a [Format],
}

/// `B`: make a portal.
///
/// # Errors
/// [`Error::Malformed`] when a name has a zero byte or there is too much of something.
pub fn bind(out: &mut BytesMut, portal: &[u8], statement: &[u8], bound: Bound<'_>) -> Result<(), Error> {
    try_frame(out, b'B', |out| {
        put_string(out, "Bind", portal)?;
        put_string(out, "Bind", statement)?;
        put_formats(out, "Bind", bound.formats)?;
        put_count(out, "Bind", bound.parameters.len())?;
        bound.parameters.iter().for_each(|value| put_value(out, *value));
        put_formats(out, "Bind", bound.result_formats)
    })
}

/// `D`: describe a statement or a portal.
///
/// # Errors
/// [`Error::Malformed`] when the name has a zero byte.
pub fn describe(out: &mut BytesMut, subject: Subject<'_>) -> Result<(), Error> {
    try_frame(out, b'D', |out| put_subject(out, "Describe", subject))
}

/// `C`: forget a statement or a portal.
///
/// # Errors
/// [`Error::Malformed`] when the name has a zero byte.
pub fn close(out: &mut BytesMut, subject: Subject<'_>) -> Result<(), Error> {
    try_frame(out, b'C', |out| put_subject(out, "Close", subject))
}

/// `E`: run a portal; `max_rows` 0: all.
///
/// # Errors
/// [`Error::Malformed`] when the name has a zero byte.
pub fn execute(out: &mut BytesMut, portal: &[u8], max_rows: i32) -> Result<(), Error> {
    try_frame(out, b'E', |out| {
        put_string(out, "Execute", portal)?;
        out.put_i32(max_rows);
        Ok(())
    })
}

/// `f`: COPY has failed, for this reason.
///
/// # Errors
/// [`Error::Malformed`] when the reason has a zero byte.
pub fn copy_fail(out: &mut BytesMut, reason: &[u8]) -> Result<(), Error> {
    try_frame(out, b'f', |out| put_string(out, "CopyFail", reason))
}

/// Writes a message with this tag: `body` writes what follows the length word.
pub fn frame(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = out.len().saturating_sub(start);
    patch(out, start, length);
}

/// The same for a body that may fail: nothing is written then.
fn try_frame(
    out: &mut BytesMut,
    tag: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), Error>,
) -> Result<(), Error> {
    let before = out.len();
    let mut outcome = Ok(());
    frame(out, tag, |out| outcome = body(out));
    if outcome.is_err() {
        out.truncate(before);
    }
    outcome
}

/// Puts the length in place. One beyond `u32` becomes a length that every peer refuses.
fn patch(out: &mut BytesMut, start: usize, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        *place = length;
    }
}

fn put_cut(out: &mut BytesMut, text: &[u8]) {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    out.put_slice(text.get(..end).unwrap_or_default());
    out.put_u8(0);
}

fn put_string(out: &mut BytesMut, message: &'static str, text: &[u8]) -> Result<(), Error> {
    if memchr::memchr(0, text).is_some() {
        return Err(Error::Malformed { message, fault: Fault::String });
    }
    out.put_slice(text);
    out.put_u8(0);
    Ok(())
}

fn put_value(out: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        None => out.put_i32(-1),
        Some(bytes) => {
            out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            out.put_slice(bytes);
        }
    }
}

fn put_count(out: &mut BytesMut, message: &'static str, count: usize) -> Result<(), Error> {
    let count = u16::try_from(count).map_err(|_| Error::Malformed { message, fault: Fault::Count })?;
    out.put_u16(count);
    Ok(())
}

fn put_formats(out: &mut BytesMut, message: &'static str, formats: &[Format]) -> Result<(), Error> {
    put_count(out, message, formats.len())?;
    formats.iter().for_each(|format| out.put_i16(format.code()));
    Ok(())
}

fn put_subject(out: &mut BytesMut, message: &'static str, subject: Subject<'_>) -> Result<(), Error> {
    let (kind, name) = match subject {
        Subject::Statement(name) => (b'S', name),
        Subject::Portal(name) => (b'P', name),
    };
    out.put_u8(kind);
    put_string(out, message, name)
}
