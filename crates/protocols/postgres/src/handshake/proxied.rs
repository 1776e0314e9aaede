//! Connections that a proxy brings: where they really come from, as it says in the PROXY protocol, version 1 or 2.
//! Only proxies that are named are believed, and on a listener that asks for it nobody comes in without.
//!
//! # Source
//! HAProxy, `doc/proxy-protocol.txt`.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1.
const LINE_BYTES_MAX: usize = 107;
/// What every header of version 2 begins with: signature, command, family, length.
const FIXED_BYTES: usize = 16;
/// The longest header of version 2 that is read, in bytes: addresses and what a proxy adds to them.
const HEADER_BYTES_MAX: usize = 4096;

/// Proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their networks; loopback is believed always.
    pub from: Vec<IpNet>,
}

/// Why a connection was not taken from a proxy. There is nobody to tell: it is closed.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It comes from somebody who is no proxy of ours.
    #[error("`{0}` is not among the proxies that are believed")]
    Stranger(IpAddr),
    /// It does not begin with a header of the PROXY protocol.
    #[error("no valid header of the PROXY protocol")]
    Malformed,
    /// It ended before the header was whole.
    #[error("the connection failed before the header of the PROXY protocol was whole")]
    Broken(#[from] io::Error),
}

impl Proxies {
    fn believes(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.from.iter().any(|network| network.contains(&peer))
    }

    /// Reads the header, and not a byte more; answers with where the connection really comes from. A proxy that
    /// speaks for itself (`LOCAL`, `UNKNOWN`: its own checks of our health) is taken as it is.
    ///
    /// # Errors
    /// [`ProxyError`]; the connection has to be closed.
    ///
    /// # Cancel safety
    /// Not cancel safe: close the connection then.
    pub async fn origin<S>(&self, socket: &mut S, peer: SocketAddr) -> Result<SocketAddr, ProxyError>
    where
        S: AsyncRead + Unpin,
    {
        if !self.believes(peer.ip()) {
            return Err(ProxyError::Stranger(peer.ip()));
        }
        let first = socket.read_u8().await?;
        let origin = if v2::PROTOCOL_PREFIX.first() == Some(&first) {
            binary(socket, first).await?
        } else {
            line(socket, first).await?
        };
        Ok(origin.unwrap_or(peer))
    }
}

/// A header of version 2.
async fn binary<S: AsyncRead + Unpin>(socket: &mut S, first: u8) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = vec![0; FIXED_BYTES - 1];
    socket.read_exact(&mut header).await?;
    header.insert(0, first);
    let [.., high, low] = header.as_slice() else { return Err(ProxyError::Malformed) };
    let rest = usize::from(u16::from_be_bytes([*high, *low]));
    if !header.starts_with(v2::PROTOCOL_PREFIX) || FIXED_BYTES + rest > HEADER_BYTES_MAX {
        return Err(ProxyError::Malformed);
    }
    header.resize(FIXED_BYTES + rest, 0);
    socket.read_exact(header.get_mut(FIXED_BYTES..).unwrap_or_default()).await?;
    let header = v2::Header::try_from(header.as_slice()).map_err(|_| ProxyError::Malformed)?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    Ok(match header.addresses {
        v2::Addresses::IPv4(one) => Some((one.source_address, one.source_port).into()),
        v2::Addresses::IPv6(one) => Some((one.source_address, one.source_port).into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    })
}

/// A line of version 1. Read byte by byte: what stands behind it is the client's.
async fn line<S: AsyncRead + Unpin>(socket: &mut S, first: u8) -> Result<Option<SocketAddr>, ProxyError> {
    let mut line = vec![first];
    while !line.ends_with(b"\r\n") {
        // What cannot become a header any more is not waited for.
        let known = line.len().min(v1::PROTOCOL_PREFIX.len());
        let begins = line.get(..known) == v1::PROTOCOL_PREFIX.as_bytes().get(..known);
        if !begins || line.len() >= LINE_BYTES_MAX {
            return Err(ProxyError::Malformed);
        }
        line.push(socket.read_u8().await?);
    }
    let header = v1::Header::try_from(line.as_slice()).map_err(|_| ProxyError::Malformed)?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(one) => Some((one.source_address, one.source_port).into()),
        v1::Addresses::Tcp6(one) => Some((one.source_address, one.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "127.0.0.1:9";

    async fn read(from: &str, bytes: &[u8]) -> (Result<SocketAddr, ProxyError>, Vec<u8>) {
        let mut rest = bytes;
        let proxies = Proxies { from: vec!["10.0.0.0/8".parse().unwrap()] };
        let origin = proxies.origin(&mut rest, from.parse().unwrap()).await;
        (origin, rest.to_vec())
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, addresses, b"client"].concat()
    }

    #[tokio::test]
    async fn the_origin_is_what_the_proxy_says_and_what_follows_is_the_clients() {
        let four = version_2(1, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0x15, 0x38]);
        // With something that the proxy adds.
        let added = version_2(1, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0x15, 0x38, 4, 0, 1, 0]);
        let six = version_2(1, 0x21, &[&[0; 15][..], &[7], &[0; 16], &[0, 80, 0, 81]].concat());
        for (bytes, origin) in [
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 4660 5432\r\nclient".to_vec(), "1.2.3.4:4660"),
            (b"PROXY TCP6 ::7 ::8 80 81\r\nclient".to_vec(), "[::7]:80"),
            (b"PROXY UNKNOWN\r\nclient".to_vec(), PROXY),
            (four, "1.2.3.4:4660"),
            (added, "1.2.3.4:4660"),
            (six, "[::7]:80"),
            (version_2(0, 0, &[]), PROXY),
            (version_2(1, 0, &[]), PROXY),
        ] {
            let (read, rest) = read(PROXY, &bytes).await;
            assert_eq!(read.unwrap(), origin.parse().unwrap(), "{}", bytes.escape_ascii());
            assert_eq!(rest, b"client", "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_and_strangers_are_not_heard() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat();
        for bytes in [
            b"\0\0\0\x08\x04\xd2\x16\x2f".as_slice(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 4660\r\n",
            b"PROXY TCP4 300.2.3.4 5.6.7.8 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c............",
            &version_2(1, 0x11, &[1, 2, 3]),
            &version_2(9, 0x11, &[0; 12]),
            &version_2(1, 0x11, &[0; 5000]),
            &long,
        ] {
            assert!(
                matches!(read(PROXY, bytes).await.0, Err(ProxyError::Malformed)),
                "{}",
                bytes.escape_ascii()
            );
        }
        assert!(matches!(read(PROXY, b"PROXY TCP4").await.0, Err(ProxyError::Broken(_))));
        let header = b"PROXY TCP4 1.2.3.4 5.6.7.8 4660 5432\r\n";
        assert!(matches!(read("192.0.2.1:9", header).await.0, Err(ProxyError::Stranger(_))));
        assert!(read("10.9.9.9:9", header).await.0.is_ok());
        assert!(read("[::ffff:10.9.9.9]:9", header).await.0.is_ok());
    }
}
