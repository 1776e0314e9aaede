//! The packets that come before the first message: they have a length but no tag.

use std::fmt;

use super::reader::Reader;
use super::{Error, Fault};
use crate::cancel::CancelKey;
use crate::parameters::StartupParameters;

/// The largest start-up packet, in bytes with its length word; the server's own limit
/// (`MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// Length word and code.
const STARTUP_BYTES_MIN: usize = 8;
/// The longest secret key that protocol 3.2 allows, in bytes.
const CANCEL_KEY_BYTES_MAX: usize = 256;

/// The code of a CancelRequest.
pub(crate) const CANCEL_REQUEST: u32 = 80_877_102;
/// The code of an SSLRequest.
pub(crate) const SSL_REQUEST: u32 = 80_877_103;
/// The code of a GSSENCRequest.
const GSSENC_REQUEST: u32 = 80_877_104;

const MESSAGE: &str = "startup packet";

/// A version of the protocol that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// 3.0: since PostgreSQL 7.4.
    #[default]
    V3_0,
    /// 3.2: since PostgreSQL 18; cancel keys of up to 256 bytes.
    V3_2,
}

impl Protocol {
    /// Major version in the upper, minor in the lower 16 bits.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V3_0 => 3 << 16,
            Self::V3_2 => (3 << 16) | 2,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_0 => "3.0",
            Self::V3_2 => "3.2",
        })
    }
}

/// A version number as a client sends it, known to us or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// The major version.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.0 >> 16
    }

    /// The minor version.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.0 & 0xffff
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A packet that a client may begin with.
#[derive(Debug, Clone)]
pub enum Startup {
    /// May we speak TLS?
    Ssl,
    /// May we speak GSSAPI encryption?
    Gssenc,
    /// Stop what the session with this key is doing.
    Cancel(CancelKey),
    /// Let me in.
    Message(StartupMessage),
}

/// StartupMessage: a client that wants to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupMessage {
    /// The version that the client asks for; its major version is not checked here.
    pub version: Version,
    /// Everything that the client gave, in order.
    pub parameters: StartupParameters,
}

impl Startup {
    /// Reads a packet from the front of `buffer`: the packet and its length in bytes, or `None` when not
    /// all of it is there yet.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a length outside 8 to [`STARTUP_BYTES_MAX`], said as soon as the length
    /// is known, and for a body that does not fit its form.
    pub fn read(buffer: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some(length) = buffer.first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(STARTUP_BYTES_MIN..=STARTUP_BYTES_MAX).contains(&length) {
            return Err(Error::Malformed { message: MESSAGE, fault: Fault::Count });
        }
        match buffer.get(4..length) {
            Some(body) => Ok(Some((Self::decode(body)?, length))),
            None => Ok(None),
        }
    }

    fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(MESSAGE, body);
        match reader.u32()? {
            SSL_REQUEST => reader.end().map(|()| Self::Ssl),
            GSSENC_REQUEST => reader.end().map(|()| Self::Gssenc),
            CANCEL_REQUEST => {
                let Ok(pid) = reader.u32() else { return Err(reader.fault(Fault::Count)) };
                let secret = reader.rest();
                if secret.is_empty() || secret.len() > CANCEL_KEY_BYTES_MAX {
                    return Err(reader.fault(Fault::Count));
                }
                Ok(Self::Cancel(CancelKey::new(pid, secret.to_vec())))
            }
            // Only of version 3 is the layout of what follows known; the caller refuses the others.
            version if Version(version).major() != 3 => {
                let version = Version(version);
                Ok(Self::Message(StartupMessage { version, parameters: StartupParameters::default() }))
            }
            version => {
                let parameters = startup_parameters(reader)?;
                Ok(Self::Message(StartupMessage { version: Version(version), parameters }))
            }
        }
    }
}

/// Names and values up to a single zero byte.
fn startup_parameters(mut reader: Reader<'_>) -> Result<StartupParameters, Error> {
    let mut parameters = StartupParameters::default();
    loop {
        let name = text(&mut reader)?;
        if name.is_empty() {
            break;
        }
        parameters.push(name, text(&mut reader)?);
    }
    reader.end()?;
    Ok(parameters)
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Error> {
    let bytes = reader.string()?;
    std::str::from_utf8(bytes).map_err(|_| reader.fault(Fault::Encoding))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::codec::build;

    #[test]
    fn a_length_outside_the_bounds_is_refused_before_the_body_has_come() {
        for length in [0u32, 7, 10_001, u32::MAX] {
            assert!(Startup::read(&length.to_be_bytes()).is_err(), "{length}");
        }
        assert!(Startup::read(&8u32.to_be_bytes()).unwrap().is_none());
    }

    #[test]
    fn a_start_up_message_survives_its_wire_form() {
        let mut parameters = StartupParameters::default();
        parameters.push("user", "app@shop");
        parameters.push("options", "-c search_path=a\\ b");
        let mut out = BytesMut::new();
        build::startup(&mut out, Protocol::V3_2, parameters.iter()).unwrap();
        let (packet, used) = Startup::read(&out).unwrap().unwrap();
        assert_eq!(used, out.len());
        match packet {
            Startup::Message(message) => {
                assert_eq!(message.version, Version(Protocol::V3_2.number()));
                assert_eq!(message.parameters, parameters);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_after_the_last_parameter_are_refused() {
        let mut out = BytesMut::new();
        build::startup(&mut out, Protocol::V3_0, [("user", "a")]).unwrap();
        out.extend_from_slice(b"x");
        let length = u32::try_from(out.len()).unwrap();
        out[..4].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(Startup::read(&out), Err(Error::Malformed { fault: Fault::Long, .. })));
    }

    #[test]
    fn a_cancel_request_carries_a_key_of_1_to_256_bytes() {
        for (length, fits) in [(0, false), (4, true), (32, true), (256, true), (257, false)] {
            let mut out = BytesMut::new();
            build::cancel_request(&mut out, &CancelKey::new(7, vec![9; length]));
            assert_eq!(Startup::read(&out).is_ok(), fits, "{length}");
        }
    }
}
