//! What clients send after start-up, decoded on demand as views over the message's bytes.

use super::list::{Format, Formats, Oids, Values};
use super::reader::Reader;
use super::{Error, Fault, Tag};

/// A message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontend<'a> {
    /// `Q`: run this string of statements. Without its closing zero byte.
    Query(&'a [u8]),
    /// `P`: make a prepared statement.
    Parse(Parse<'a>),
    /// `B`: make a portal of a prepared statement and parameters.
    Bind(Bind<'a>),
    /// `D`: describe a statement or a portal.
    Describe(Subject<'a>),
    /// `E`: run a portal.
    Execute(Execute<'a>),
    /// `C`: forget a statement or a portal.
    Close(Subject<'a>),
    /// `S`: end of a pipeline's part; errors are skipped up to here.
    Sync,
    /// `H`: send what has been answered so far.
    Flush,
    /// `d`: a piece of COPY data.
    CopyData(&'a [u8]),
    /// `c`: COPY data has ended.
    CopyDone,
    /// `f`: COPY has failed, for this reason.
    CopyFail(&'a [u8]),
    /// `F`: call a function by its oid.
    FunctionCall(FunctionCall<'a>),
    /// `X`: the end.
    Terminate,
    /// `p`: an answer to an authentication request: a password, or a SASL message. Not taken apart here.
    Password(PasswordBody<'a>),
}

/// The body of a password message; not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordBody<'a>(pub &'a [u8]);

impl std::fmt::Debug for PasswordBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordBody(…)")
    }
}

/// Parse: make a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub name: &'a [u8],
    /// Its text.
    pub text: &'a [u8],
    /// Types of its parameters, as far as the client gives them.
    pub types: Oids<'a>,
}

/// Bind: make a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a [u8],
    /// The statement's name; empty for the unnamed one.
    pub statement: &'a [u8],
    /// How the parameters are written: none, one, or as many as there are parameters.
    pub formats: Formats<'a>,
    /// The parameters.
    pub parameters: Values<'a>,
    /// How the result's columns are to be written.
    pub result_formats: Formats<'a>,
}

/// Execute: run a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a [u8],
    /// Rows after which it is suspended; zero and below: all.
    pub max_rows: i32,
}

/// What Describe and Close are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A prepared statement, by name.
    Statement(&'a [u8]),
    /// A portal, by name.
    Portal(&'a [u8]),
}

/// FunctionCall: call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// The function's oid.
    pub function: u32,
    /// How the arguments are written.
    pub formats: Formats<'a>,
    /// The arguments.
    pub arguments: Values<'a>,
    /// How the result is to be written.
    pub result_format: Format,
}

impl<'a> Frontend<'a> {
    /// Decodes the body of a message with this tag.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for an unknown tag, [`Error::Malformed`] when the body does not fit its form.
    pub fn decode(tag: u8, body: &'a [u8]) -> Result<Self, Error> {
        match tag {
            b'Q' => single_string("Query", body).map(Self::Query),
            b'P' => Parse::decode(body).map(Self::Parse),
            b'B' => Bind::decode(body).map(Self::Bind),
            b'D' => Subject::decode("Describe", body).map(Self::Describe),
            b'E' => Execute::decode(body).map(Self::Execute),
            b'C' => Subject::decode("Close", body).map(Self::Close),
            b'S' => Reader::new("Sync", body).end().map(|()| Self::Sync),
            b'H' => Reader::new("Flush", body).end().map(|()| Self::Flush),
            b'd' => Ok(Self::CopyData(body)),
            b'c' => Reader::new("CopyDone", body).end().map(|()| Self::CopyDone),
            b'f' => single_string("CopyFail", body).map(Self::CopyFail),
            b'F' => FunctionCall::decode(body).map(Self::FunctionCall),
            b'X' => Reader::new("Terminate", body).end().map(|()| Self::Terminate),
            b'p' => Ok(Self::Password(PasswordBody(body))),
            _ => Err(Error::Unexpected { expected: "a frontend message", got: Tag(tag) }),
        }
    }

    /// The tag of this kind of message.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        Tag(match self {
            Self::Query(_) => b'Q',
            Self::Parse(_) => b'P',
            Self::Bind(_) => b'B',
            Self::Describe(_) => b'D',
            Self::Execute(_) => b'E',
            Self::Close(_) => b'C',
            Self::Sync => b'S',
            Self::Flush => b'H',
            Self::CopyData(_) => b'd',
            Self::CopyDone => b'c',
            Self::CopyFail(_) => b'f',
            Self::FunctionCall(_) => b'F',
            Self::Terminate => b'X',
            Self::Password(_) => b'p',
        })
    }
}

/// A body that is one string and nothing else. A zero byte inside would hide what follows it from the
/// server, so it is refused.
fn single_string<'a>(message: &'static str, body: &'a [u8]) -> Result<&'a [u8], Error> {
    let mut reader = Reader::new(message, body);
    let text = reader.string()?;
    reader.end()?;
    Ok(text)
}

impl<'a> Parse<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Parse", body);
        let parse = Self { name: reader.string()?, text: reader.string()?, types: Oids::read(&mut reader)? };
        reader.end()?;
        Ok(parse)
    }
}

impl<'a> Bind<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Bind", body);
        let bind = Self {
            portal: reader.string()?,
            statement: reader.string()?,
            formats: Formats::read(&mut reader)?,
            parameters: Values::read(&mut reader)?,
            result_formats: Formats::read(&mut reader)?,
        };
        check_formats(&reader, bind.formats, bind.parameters)?;
        reader.end()?;
        Ok(bind)
    }
}

impl<'a> Execute<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Execute", body);
        let execute = Self { portal: reader.string()?, max_rows: reader.i32()? };
        reader.end()?;
        Ok(execute)
    }
}

impl<'a> Subject<'a> {
    fn decode(message: &'static str, body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(message, body);
        let kind = reader.u8()?;
        let name = reader.string()?;
        let subject = match kind {
            b'S' => Self::Statement(name),
            b'P' => Self::Portal(name),
            _ => return Err(reader.fault(Fault::Code(kind.into()))),
        };
        reader.end()?;
        Ok(subject)
    }
}

impl<'a> FunctionCall<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("FunctionCall", body);
        let call = Self {
            function: reader.u32()?,
            formats: Formats::read(&mut reader)?,
            arguments: Values::read(&mut reader)?,
            result_format: Format::read(&mut reader)?,
        };
        check_formats(&reader, call.formats, call.arguments)?;
        reader.end()?;
        Ok(call)
    }
}

/// The server takes no other numbers of formats, and guessing which belongs to what would be unsafe.
fn check_formats(reader: &Reader<'_>, formats: Formats<'_>, values: Values<'_>) -> Result<(), Error> {
    match formats.len() {
        0 | 1 => Ok(()),
        count if count == values.len() => Ok(()),
        _ => Err(reader.fault(Fault::Count)),
    }
}
