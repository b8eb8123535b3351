//! A URL, taken apart as far as a capability needs it.

use crate::Capability;
use crate::capability::HttpRequest;
use std::str::FromStr;

/// Where a request goes. Run-time holes such as `${deployment.version}` may stand in the path and the query, and nowhere
/// else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `https` or `http`.
    pub scheme: String,
    /// The name or address, in lower case, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, also where the URL leaves it to the scheme.
    pub port: u16,
    /// The path, from its `/`, without the query.
    pub path: String,
    /// What follows the `?`, where there is one.
    pub query: Option<String>,
}

/// Why a text is not a URL that a request can be sent to. The text itself is left to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATarget(String);

impl std::fmt::Display for NotATarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NotATarget {}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let no = |why: &str| Err(NotATarget(why.into()));
        let Some((scheme, rest)) = text.split_once("://") else { return no("it has no scheme such as `https://`") };
        let default_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return no("its scheme is neither `https` nor `http`"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, rest) = split_authority(rest);
        if authority.contains("${") {
            return no("a host or a port cannot be known only at run time");
        }
        if authority.contains('@') {
            return no("it holds a user name or a password");
        }
        let (host, port) = split_port(authority).map_err(|why| NotATarget(why.into()))?;
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(NotATarget(format!("`{port}` is not a port"))),
            },
        };
        if !outside_holes(rest).all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\')) {
            return no("its path or query holds a character that has to be percent-encoded");
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        Ok(Self { scheme: scheme.into(), host: host.to_ascii_lowercase(), port, path, query })
    }
}

impl Target {
    /// Take apart `host:port`, as a TCP check has it.
    ///
    /// # Errors
    /// Where it is not that.
    pub fn host_and_port(text: &str) -> Result<(String, u16), NotATarget> {
        if text.contains("${") {
            return Err(NotATarget("a host or a port cannot be known only at run time".into()));
        }
        let (host, port) = split_port(text).map_err(|why| NotATarget(why.into()))?;
        match port.and_then(|port| port.parse().ok()) {
            Some(port) if port > 0 => Ok((host.to_ascii_lowercase(), port)),
            _ => Err(NotATarget("it has no port such as `:5432`".into())),
        }
    }

    /// Scheme, host and port, the port only where it is not the scheme's own, for example `https://slack.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme.as_str(), self.port) {
            ("https", 443) | ("http", 80) => format!("{}://{host}", self.scheme),
            (scheme, port) => format!("{scheme}://{host}:{port}"),
        }
    }

    /// Ask for `GET` requests to exactly this path.
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        Capability::http(&self.scheme, &self.host, self.port).path(&self.path)
    }
}

/// The classes of addresses to ask for: what the configuration says, or `loopback` where the host is the loopback by its
/// very name, or else nothing, which means `public`.
#[must_use]
pub fn addresses(host: &str, configured: &[String]) -> Vec<String> {
    let loopback = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if configured.is_empty() && loopback { vec!["loopback".into()] } else { configured.to_vec() }
}

/// Where the authority ends, which a hole with a `/` or a `?` in its name does not change.
fn split_authority(text: &str) -> (&str, &str) {
    let end = text.find(['/', '?']).unwrap_or(text.len());
    text.split_at(end)
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("its `[` has no `]`")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "what stands in `[` and `]` is not an IPv6 address")?;
            (host, rest)
        }
        None => {
            let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if host.is_empty() {
                return Err("it has no host");
            }
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
                return Err("its host is not a name or an address in ASCII");
            }
            (host, rest)
        }
    };
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err("something stands between its host and its port"),
    }
}

/// The bytes that are not part of a hole.
fn outside_holes(text: &str) -> impl Iterator<Item = u8> {
    let mut inside = false;
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter_map(move |(at, &byte)| {
        if !inside && byte == b'$' && bytes.get(at + 1) == Some(&b'{') {
            inside = true;
        }
        let outside = !inside;
        if inside && byte == b'}' {
            inside = false;
        }
        outside.then_some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::{Target, addresses};

    fn target(text: &str) -> Target {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_url_comes_apart() {
        for (text, origin, path, query) in [
            ("https://Shop.Example", "https://shop.example", "/", None),
            ("http://shop.example:80/a", "http://shop.example", "/a", None),
            ("https://shop.example:80/", "https://shop.example:80", "/", None),
            ("http://[::1]:8080/health?deep=1#top", "http://[::1]:8080", "/health", Some("deep=1")),
            ("https://shop.example?x", "https://shop.example", "/", Some("x")),
            ("https://shop.example/${deployment.version}/a", "https://shop.example", "/${deployment.version}/a", None),
            ("https://shop.example/?v=${env.A B}", "https://shop.example", "/", Some("v=${env.A B}")),
        ] {
            let target = target(text);
            assert_eq!(target.origin(), origin, "{text}");
            assert_eq!(target.path, path, "{text}");
            assert_eq!(target.query.as_deref(), query, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_says_why() {
        for (text, why) in [
            ("shop.example/health", "no scheme"),
            ("ftp://shop.example", "neither"),
            ("https://", "no host"),
            ("https:///health", "no host"),
            ("https://${env.HOST}/health", "at run time"),
            ("https://shop.example:${env.PORT}/", "at run time"),
            ("https://user:secret@shop.example/", "a password"),
            ("https://shop.example:0/", "not a port"),
            ("https://shop.example:70000/", "not a port"),
            ("https://shöp.example/", "in ASCII"),
            ("https://[::1/", "no `]`"),
            ("https://[::g]/", "IPv6"),
            ("https://[::1]x/", "between"),
            ("https://shop.example/a b", "percent-encoded"),
            ("https://shop.example/ä", "percent-encoded"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_tcp_check_names_host_and_port() {
        assert_eq!(Target::host_and_port("DB.example:5432"), Ok(("db.example".into(), 5432)));
        assert_eq!(Target::host_and_port("[::1]:1"), Ok(("::1".into(), 1)));
        for wrong in ["db.example", ":5432", "db.example:x", "db.example:0", "${env.X}:1", "::1:1"] {
            assert!(Target::host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_loopback_name_means_loopback_unless_something_is_said() {
        for host in ["localhost", "shop.localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(addresses(host, &[]), ["loopback"], "{host}");
        }
        for host in ["shop.example", "10.0.0.1", "localhost.example", "notlocalhost"] {
            assert!(addresses(host, &[]).is_empty(), "{host}");
        }
        assert_eq!(addresses("localhost", &["public".into()]), ["public"]);
    }
}
