//! Where to connect to and where to listen, in the words of Open vSwitch: `ssl:HOST:PORT`,
//! `ptcp:PORT:IP`, `unix:PATH` and the like.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// Whether what is said over TCP is hidden from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    Tcp,
    Tls,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `unix:PATH`
    Unix(PathBuf),
    /// `tcp:HOST:PORT` or `ssl:HOST:PORT`; IPv6 addresses are in brackets.
    Network {
        network: Network,
        /// An address or a name.
        host: String,
        port: u16,
    },
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listen {
    /// `punix:PATH`
    Unix(PathBuf),
    /// `ptcp:PORT[:IP]` or `pssl:PORT[:IP]`; without an address on all of IPv4, as Open vSwitch does.
    Network {
        network: Network,
        /// 0: any that is free.
        port: u16,
        address: IpAddr,
    },
}

/// A text that is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "'{0}' is nothing to connect to; expected is unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, with IPv6 addresses \
         in brackets"
    )]
    Connect(String),
    #[error(
        "'{0}' is nothing to listen on; expected is punix:PATH, ptcp:PORT[:IP] or pssl:PORT[:IP], with IPv6 \
         addresses in brackets"
    )]
    Listen(String),
    #[error(
        "'{0}' names no port; write it as in ssl:HOST:6640 (OVSDB) or ssl:HOST:6653 (OpenFlow)"
    )]
    Port(String),
}

impl Target {
    /// The same target with this port if it has none of its own: Open vSwitch lets `ssl:HOST` stand
    /// for its default port, which differs between OVSDB (6640) and OpenFlow (6653).
    ///
    /// # Errors
    /// What is no target.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, TargetError> {
        Self::read(text, Some(default_port))
    }

    fn read(text: &str, default_port: Option<u16>) -> Result<Self, TargetError> {
        let refuse = || TargetError::Connect(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(refuse)?;
        let network = match scheme {
            "unix" if !rest.is_empty() => return Ok(Self::Unix(rest.into())),
            "tcp" => Network::Tcp,
            "ssl" => Network::Tls,
            _ => return Err(refuse()),
        };
        let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or_else(refuse)?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or_else(refuse)?)),
            }
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let unfit = |character: char| character.is_whitespace() || "[]/".contains(character);
        if host.is_empty() || host.contains(unfit) {
            return Err(refuse());
        }
        let port = match port {
            Some(port) => number(port).filter(|&port| port != 0).ok_or_else(refuse)?,
            None => default_port.ok_or_else(|| TargetError::Port(text.to_owned()))?,
        };
        Ok(Self::Network {
            network,
            host: host.to_owned(),
            port,
        })
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::read(text, None)
    }
}

impl FromStr for Listen {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refuse = || TargetError::Listen(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(refuse)?;
        let network = match scheme {
            "punix" if !rest.is_empty() => return Ok(Self::Unix(rest.into())),
            "ptcp" => Network::Tcp,
            "pssl" => Network::Tls,
            _ => return Err(refuse()),
        };
        let (port, address) = match rest.split_once(':') {
            Some((port, address)) => (port, Some(address)),
            None => (rest, None),
        };
        let address = match address {
            None | Some("") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(address) => {
                let bare = address
                    .strip_prefix('[')
                    .and_then(|address| address.strip_suffix(']'))
                    .unwrap_or(address);
                bare.parse().map_err(|_| refuse())?
            }
        };
        Ok(Self::Network {
            network,
            port: number(port).ok_or_else(refuse)?,
            address,
        })
    }
}

/// Digits alone: a sign or a space is a slip.
fn number(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Network {
                network,
                host,
                port,
            } => {
                let scheme = match network {
                    Network::Tcp => "tcp",
                    Network::Tls => "ssl",
                };
                if host.contains(':') {
                    write!(formatter, "{scheme}:[{host}]:{port}")
                } else {
                    write!(formatter, "{scheme}:{host}:{port}")
                }
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "punix:{}", path.display()),
            Self::Network {
                network,
                port,
                address,
            } => {
                let scheme = match network {
                    Network::Tcp => "ptcp",
                    Network::Tls => "pssl",
                };
                match address {
                    IpAddr::V4(Ipv4Addr::UNSPECIFIED) => write!(formatter, "{scheme}:{port}"),
                    IpAddr::V4(address) => write!(formatter, "{scheme}:{port}:{address}"),
                    IpAddr::V6(address) => write!(formatter, "{scheme}:{port}:[{address}]"),
                }
            }
        }
    }
}
