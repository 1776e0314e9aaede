//! What servers send, decoded on demand as views over the message's bytes.

use super::list::{ErrorFields, Fields, Format, Formats, Oids, Values};
use super::reader::Reader;
use super::{Error, Fault, Tag};

/// A message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend<'a> {
    /// `R`: authentication is asked for, goes on, or has succeeded.
    Authentication(Authentication<'a>),
    /// `S`: a setting's name and value.
    ParameterStatus {
        /// The setting.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// `K`: what a cancel request has to give.
    BackendKeyData {
        /// Process id.
        pid: u32,
        /// Secret key: 4 bytes before protocol 3.2, up to 256 since.
        secret: SecretBody<'a>,
    },
    /// `v`: what the server did not take of the client's start-up.
    NegotiateProtocolVersion(NegotiateProtocolVersion<'a>),
    /// `Z`: ready for the next command.
    ReadyForQuery(TransactionStatus),
    /// `T`: the columns of the rows that follow.
    RowDescription(Fields<'a>),
    /// `D`: a row.
    DataRow(Values<'a>),
    /// `C`: a command is done; its tag, such as `UPDATE 3`.
    CommandComplete(&'a [u8]),
    /// `E`: an error.
    ErrorResponse(ErrorFields<'a>),
    /// `N`: a notice.
    NoticeResponse(ErrorFields<'a>),
    /// `A`: NOTIFY was called.
    NotificationResponse {
        /// Process id of the notifier.
        pid: u32,
        /// The channel.
        channel: &'a [u8],
        /// What was said.
        payload: &'a [u8],
    },
    /// `t`: types of a statement's parameters.
    ParameterDescription(Oids<'a>),
    /// `1`
    ParseComplete,
    /// `2`
    BindComplete,
    /// `3`
    CloseComplete,
    /// `n`: the statement or portal returns no rows.
    NoData,
    /// `s`: the row limit of Execute was reached.
    PortalSuspended,
    /// `I`: the string was empty.
    EmptyQueryResponse,
    /// `G`: send COPY data.
    CopyInResponse(CopyResponse<'a>),
    /// `H`: COPY data follows.
    CopyOutResponse(CopyResponse<'a>),
    /// `W`: COPY data both ways; replication only.
    CopyBothResponse(CopyResponse<'a>),
    /// `d`: a piece of COPY data.
    CopyData(&'a [u8]),
    /// `c`: COPY data has ended.
    CopyDone,
    /// `V`: result of a FunctionCall; `None` is NULL.
    FunctionCallResponse(Option<&'a [u8]>),
}

/// A secret key on the wire; not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretBody<'a>(pub &'a [u8]);

impl std::fmt::Debug for SecretBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBody(…)")
    }
}

/// What a server says about authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Done.
    Ok,
    /// Kerberos V5 is wanted; no server of today asks for it.
    KerberosV5,
    /// The password as it is.
    CleartextPassword,
    /// The password as MD5 with this salt.
    Md5Password {
        /// The salt.
        salt: [u8; 4],
    },
    /// GSSAPI is wanted.
    Gss,
    /// GSSAPI or SSPI goes on with this.
    GssContinue(&'a [u8]),
    /// SSPI is wanted.
    Sspi,
    /// SASL is wanted, by one of these mechanisms.
    Sasl(Mechanisms<'a>),
    /// SASL goes on with this.
    SaslContinue(&'a [u8]),
    /// SASL ends with this.
    SaslFinal(&'a [u8]),
}

/// Names of SASL mechanisms, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(&'a [u8]);

impl<'a> Mechanisms<'a> {
    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new("AuthenticationSASL", self.0);
        std::iter::from_fn(move || reader.string().ok())
    }
}

/// What the server did not take of the client's start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The protocol it will speak: major version in the upper, minor in the lower 16 bits.
    pub version: u32,
    /// Number of the protocol options it does not know.
    pub unknown_count: u32,
    unknown: &'a [u8],
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// The protocol options it does not know.
    pub fn unknown(self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new("NegotiateProtocolVersion", self.unknown);
        std::iter::from_fn(move || reader.string().ok())
    }
}

/// Where a session stands between commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Outside a transaction.
    Idle,
    /// Inside one.
    InTransaction,
    /// Inside one that has failed.
    Failed,
}

impl TransactionStatus {
    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// How COPY data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyResponse<'a> {
    /// The whole: text (and CSV) or binary.
    pub format: Format,
    /// Each column; as many as there are columns.
    pub columns: Formats<'a>,
}

impl<'a> CopyResponse<'a> {
    fn decode(message: &'static str, body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(message, body);
        let format = match reader.u8()? {
            0 => Format::Text,
            1 => Format::Binary,
            code => return Err(reader.fault(Fault::Code(code.into()))),
        };
        let columns = Formats::read(&mut reader)?;
        reader.end()?;
        Ok(Self { format, columns })
    }
}

impl<'a> Backend<'a> {
    /// Decodes the body of a message with this tag.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for an unknown tag, [`Error::Malformed`] when the body does not fit its form.
    pub fn decode(tag: u8, body: &'a [u8]) -> Result<Self, Error> {
        match tag {
            b'R' => Authentication::decode(body).map(Self::Authentication),
            b'S' => parameter_status(body),
            b'K' => key_data(body),
            b'v' => NegotiateProtocolVersion::decode(body).map(Self::NegotiateProtocolVersion),
            b'Z' => ready_for_query(body).map(Self::ReadyForQuery),
            b'T' => whole("RowDescription", body, Fields::read).map(Self::RowDescription),
            b'D' => whole("DataRow", body, Values::read).map(Self::DataRow),
            b'C' => whole("CommandComplete", body, Reader::string).map(Self::CommandComplete),
            b'E' => whole("ErrorResponse", body, ErrorFields::read).map(Self::ErrorResponse),
            b'N' => whole("NoticeResponse", body, ErrorFields::read).map(Self::NoticeResponse),
            b'A' => notification(body),
            b't' => whole("ParameterDescription", body, Oids::read).map(Self::ParameterDescription),
            b'1' => empty("ParseComplete", body, Self::ParseComplete),
            b'2' => empty("BindComplete", body, Self::BindComplete),
            b'3' => empty("CloseComplete", body, Self::CloseComplete),
            b'n' => empty("NoData", body, Self::NoData),
            b's' => empty("PortalSuspended", body, Self::PortalSuspended),
            b'I' => empty("EmptyQueryResponse", body, Self::EmptyQueryResponse),
            b'G' => CopyResponse::decode("CopyInResponse", body).map(Self::CopyInResponse),
            b'H' => CopyResponse::decode("CopyOutResponse", body).map(Self::CopyOutResponse),
            b'W' => CopyResponse::decode("CopyBothResponse", body).map(Self::CopyBothResponse),
            b'd' => Ok(Self::CopyData(body)),
            b'c' => empty("CopyDone", body, Self::CopyDone),
            b'V' => whole("FunctionCallResponse", body, Reader::value).map(Self::FunctionCallResponse),
            _ => Err(Error::Unexpected { expected: "a backend message", got: Tag(tag) }),
        }
    }

    /// The tag of this kind of message.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        Tag(match self {
            Self::Authentication(_) => b'R',
            Self::ParameterStatus { .. } => b'S',
            Self::BackendKeyData { .. } => b'K',
            Self::NegotiateProtocolVersion(_) => b'v',
            Self::ReadyForQuery(_) => b'Z',
            Self::RowDescription(_) => b'T',
            Self::DataRow(_) => b'D',
            Self::CommandComplete(_) => b'C',
            Self::ErrorResponse(_) => b'E',
            Self::NoticeResponse(_) => b'N',
            Self::NotificationResponse { .. } => b'A',
            Self::ParameterDescription(_) => b't',
            Self::ParseComplete => b'1',
            Self::BindComplete => b'2',
            Self::CloseComplete => b'3',
            Self::NoData => b'n',
            Self::PortalSuspended => b's',
            Self::EmptyQueryResponse => b'I',
            Self::CopyInResponse(_) => b'G',
            Self::CopyOutResponse(_) => b'H',
            Self::CopyBothResponse(_) => b'W',
            Self::CopyData(_) => b'd',
            Self::CopyDone => b'c',
            Self::FunctionCallResponse(_) => b'V',
        })
    }
}

/// A body that is one thing and nothing else.
fn whole<'a, T>(
    message: &'static str,
    body: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut reader = Reader::new(message, body);
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn empty<'a>(message: &'static str, body: &[u8], it: Backend<'a>) -> Result<Backend<'a>, Error> {
    Reader::new(message, body).end().map(|()| it)
}

fn parameter_status(body: &[u8]) -> Result<Backend<'_>, Error> {
    whole("ParameterStatus", body, |reader| {
        Ok(Backend::ParameterStatus { name: reader.string()?, value: reader.string()? })
    })
}

fn key_data(body: &[u8]) -> Result<Backend<'_>, Error> {
    let mut reader = Reader::new("BackendKeyData", body);
    Ok(Backend::BackendKeyData { pid: reader.u32()?, secret: SecretBody(reader.rest()) })
}

fn notification(body: &[u8]) -> Result<Backend<'_>, Error> {
    whole("NotificationResponse", body, |reader| {
        Ok(Backend::NotificationResponse {
            pid: reader.u32()?,
            channel: reader.string()?,
            payload: reader.string()?,
        })
    })
}

fn ready_for_query(body: &[u8]) -> Result<TransactionStatus, Error> {
    whole("ReadyForQuery", body, |reader| match reader.u8()? {
        b'I' => Ok(TransactionStatus::Idle),
        b'T' => Ok(TransactionStatus::InTransaction),
        b'E' => Ok(TransactionStatus::Failed),
        code => Err(reader.fault(Fault::Code(code.into()))),
    })
}

impl<'a> Authentication<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("Authentication", body);
        let code = reader.i32()?;
        let rest = reader.rest();
        let plain = |it: Self| reader.end().map(|()| it);
        match code {
            0 => plain(Self::Ok),
            2 => plain(Self::KerberosV5),
            3 => plain(Self::CleartextPassword),
            5 => {
                let salt = rest.try_into().map_err(|_| reader.fault(Fault::Short))?;
                Ok(Self::Md5Password { salt })
            }
            7 => plain(Self::Gss),
            8 => Ok(Self::GssContinue(rest)),
            9 => plain(Self::Sspi),
            10 => Mechanisms::decode(rest).map(Self::Sasl),
            11 => Ok(Self::SaslContinue(rest)),
            12 => Ok(Self::SaslFinal(rest)),
            _ => Err(reader.fault(Fault::Code(code))),
        }
    }
}

impl<'a> Mechanisms<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("AuthenticationSASL", body);
        let mut used = 0;
        while !reader.string()?.is_empty() {
            used = body.len().saturating_sub(reader.rest().len());
        }
        reader.end()?;
        Ok(Self(body.get(..used).unwrap_or_default()))
    }
}

impl<'a> NegotiateProtocolVersion<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("NegotiateProtocolVersion", body);
        let version = reader.u32()?;
        let unknown_count = reader.u32()?;
        let unknown = reader.rest();
        for _ in 0..unknown_count {
            reader.string()?;
        }
        reader.end()?;
        Ok(Self { version, unknown_count, unknown })
    }
}
