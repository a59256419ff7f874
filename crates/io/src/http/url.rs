//! The addresses that the client accepts.

use std::fmt;
use std::net::Ipv6Addr;

use rustls::pki_types::ServerName;

use crate::limits::URL_BYTES_MAX;

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Https,
    /// None: loopback only.
    Http,
}

/// An absolute `https` or `http` URL of a strict form: no user
/// information, no fragment, a DNS name or a whole IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

/// A text is no URL that the client accepts. Whoever wrote it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`URL_BYTES_MAX`].
    #[error("it is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// A character that a URL may not hold, or a `%` without two hex digits.
    #[error("it holds a character that must be percent-encoded")]
    BadCharacter,
    /// Neither `https://` nor `http://`.
    #[error("it does not begin with https:// or http://")]
    BadScheme,
    /// `user@host`.
    #[error("it names a user, which is not allowed")]
    UserInformation,
    /// `#...`: nothing that is sent.
    #[error("it has a fragment, which is not allowed")]
    Fragment,
    /// Neither a DNS name nor an IP address.
    #[error("its host is neither a DNS name nor an IP address")]
    BadHost,
    /// Not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    BadPort,
    /// A target that does not begin with `/`.
    #[error("a path must begin with /")]
    BadPath,
}

impl Url {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`UrlError`], by the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::BadScheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(UrlError::BadScheme),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::UserInformation);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => default_port(scheme),
            Some(digits) => parse_port(digits)?,
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: parse_host(host)?, port, target: format!("{slash}{target}") })
    }

    /// The same server with another path and query: `/.well-known/est/cacerts`.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn with_target(&self, target: &str) -> Result<Self, UrlError> {
        check_characters(target)?;
        if !target.starts_with('/') {
            return Err(UrlError::BadPath);
        }
        Ok(Self { target: target.to_owned(), ..self.clone() })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The DNS name in lower case, or the IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where the text left it out.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as they are sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Host and port as in a `Host` field; the default port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.scheme) { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether `other` is asked over the same connection.
    #[must_use]
    pub fn same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Https => 443,
        Scheme::Http => 80,
    }
}

/// Unreserved, reserved and percent-encoded characters.
fn check_characters(text: &str) -> Result<(), UrlError> {
    if text.len() > URL_BYTES_MAX {
        return Err(UrlError::TooLong);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    let bytes = text.as_bytes();
    for (place, byte) in bytes.iter().enumerate() {
        let good = match byte {
            b'%' => {
                (bytes.get(place + 1..place + 3)).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(byte),
        };
        if !good {
            return Err(UrlError::BadCharacter);
        }
    }
    Ok(())
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (_, after) = inner.split_once(']').ok_or(UrlError::BadHost)?;
        let host = &authority[..authority.len() - after.len()];
        return match after.strip_prefix(':') {
            None if after.is_empty() => Ok((host, None)),
            None => Err(UrlError::BadHost),
            Some(port) => Ok((host, Some(port))),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    // `u16::from_str` would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlError::BadPort);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(UrlError::BadPort),
        Ok(port) => Ok(port),
    }
}

fn parse_host(host: &str) -> Result<String, UrlError> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| UrlError::BadHost)?;
        return Ok(address.to_string());
    }
    match ServerName::try_from(host) {
        Ok(ServerName::DnsName(_)) => Ok(host.to_ascii_lowercase()),
        Ok(ServerName::IpAddress(_)) if !host.contains(':') => Ok(host.to_owned()),
        _ => Err(UrlError::BadHost),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_read_strictly() {
        let check = |text: &str, expect: Result<(&str, u16, &str), UrlError>| {
            let read = Url::parse(text);
            let got = (read.as_ref()).map(|u| (u.host(), u.port(), u.target()));
            assert_eq!(got.map_err(|e| *e), expect, "{text}");
        };
        check("https://example.com", Ok(("example.com", 443, "/")));
        check("HTTPS://Example.COM:8443/A?b=%20", Ok(("example.com", 8443, "/A?b=%20")));
        check("http://127.0.0.1?x", Ok(("127.0.0.1", 80, "/?x")));
        check("https://[::1]:65535/", Ok(("::1", 65535, "/")));
        check("https://[2001:DB8::1]", Ok(("2001:db8::1", 443, "/")));
        check("ftp://example.com", Err(UrlError::BadScheme));
        check("example.com", Err(UrlError::BadScheme));
        check("https:/example.com", Err(UrlError::BadScheme));
        check("https://", Err(UrlError::BadHost));
        check("https:///path", Err(UrlError::BadHost));
        check("https://127.1/", Err(UrlError::BadHost));
        check("https://0x7f.0.0.1/", Err(UrlError::BadHost));
        check("https://2130706433/", Err(UrlError::BadHost));
        check("https://[::1", Err(UrlError::BadHost));
        check("https://[::1]x", Err(UrlError::BadHost));
        check("https://[127.0.0.1]", Err(UrlError::BadHost));
        check("https://::1/", Err(UrlError::BadPort));
        check("https://a:0/", Err(UrlError::BadPort));
        check("https://a:/", Err(UrlError::BadPort));
        check("https://a:+1/", Err(UrlError::BadPort));
        check("https://a:65536/", Err(UrlError::BadPort));
        check("https://user@a/", Err(UrlError::UserInformation));
        check("https://a/#top", Err(UrlError::Fragment));
        check("https://a/ b", Err(UrlError::BadCharacter));
        check("https://a/\r\nX: y", Err(UrlError::BadCharacter));
        check("https://a/%2", Err(UrlError::BadCharacter));
        check("https://a/%zz", Err(UrlError::BadCharacter));
        check("https://a\\@b/", Err(UrlError::BadCharacter));
        check("https://\u{e4}.example/", Err(UrlError::BadCharacter));
        let long = format!("https://a/{}", "x".repeat(URL_BYTES_MAX));
        check(&long, Err(UrlError::TooLong));
    }

    #[test]
    fn another_path_keeps_the_server() {
        let url = Url::parse("https://[::1]:8443/a?b").expect("good");
        let other = url.with_target("/c").expect("good");
        assert_eq!(other.to_string(), "https://[::1]:8443/c");
        assert!(url.same_server(&other));
        assert_eq!(url.with_target("c"), Err(UrlError::BadPath));
        assert_eq!(url.with_target("/a b"), Err(UrlError::BadCharacter));
        let default = Url::parse("https://example.com:443/").expect("good");
        assert_eq!(default.authority(), "example.com");
        assert!(!url.same_server(&default));
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again(text in "[hH]ttps?://[a-z0-9.:\\[\\]-]{0,20}[/?]?[ -~]{0,10}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                let uri: hyper::Uri = url.target().parse().expect("hyper takes it too");
                prop_assert!(uri.path().starts_with('/'));
            }
        }
    }
}
