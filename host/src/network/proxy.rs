//! The proxies of a company: who is asked to make a connection where the way out leads through one.
//!
//! A proxy resolves names by itself. So behind one only what a name says can be judged, and not where it leads: an address
//! that is written as one, a name of this machine, and the names under which clouds hand out credentials.

use super::address::{AddressClass, Addresses, Refusal};
use super::error::{ConnectError, SendError};
use super::http::Route;
use crate::variable::{ALL_PROXY, HTTP_PROXY, HTTPS_PROXY, NO_PROXY};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncRead, AsyncWrite};

/// Names under which clouds hand out credentials to whoever asks from within. Their addresses are in [`AddressClass`].
const METADATA: [&str; 8] = [
    // GCP
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    // AWS
    "instance-data",
    "instance-data.ec2.internal",
    // IBM
    "api.metadata.cloud.ibm.com",
    // Tencent
    "metadata.tencentyun.com",
    // Azure
    "metadata.azure.internal",
];

/// Stands for a proxy of which the variable cannot be read, so that what it was meant for does not go past it.
const UNREADABLE: &str = "http://unreadable.invalid";

/// Which proxy leads where.
#[derive(Debug, Default)]
pub struct Proxies {
    matcher: Option<Matcher>,
    /// The variables that say the proxy for `http` and for `https`, where what they say is none.
    unreadable: [Option<&'static str>; 2],
}

impl Proxies {
    /// As curl reads them: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters too. What goes by one that
    /// cannot be read fails, and goes no other way.
    #[must_use]
    pub fn from_environment<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Self {
        let value = |name: &str| {
            lookup(name).or_else(|| lookup(&name.to_ascii_lowercase())).unwrap_or_default().trim().to_owned()
        };
        let said = |name| Some((name, value(name))).filter(|(_, value)| !value.is_empty());
        let chosen = [HTTP_PROXY, HTTPS_PROXY].map(|name| said(name).or_else(|| said(ALL_PROXY)));
        if chosen.iter().all(Option::is_none) {
            return Self::default();
        }
        let unreadable =
            [0, 1].map(|scheme| chosen[scheme].as_ref().filter(|(_, value)| !is_proxy(value)).map(|(name, _)| *name));
        let [http, https] = chosen.map(|said| match said {
            Some((_, value)) if is_proxy(&value) => value,
            Some(_) => UNREADABLE.to_owned(),
            None => String::new(),
        });
        Self { matcher: Some(Matcher::builder().http(http).https(https).no(value(NO_PROXY)).build()), unreadable }
    }

    /// The proxy on the way to a host, where there is one.
    #[must_use]
    pub fn on_the_way_to(&self, route: &Route) -> Option<Proxy> {
        // What is on this machine no proxy knows, as everybody has it who asks one.
        if address_in(&route.host).is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let found = self.matcher.as_ref()?.intercept(&route.origin()?)?;
        let uri = found.uri();
        let scheme = uri.scheme_str().unwrap_or("http").to_ascii_lowercase();
        let host = uri.host()?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some(Proxy {
            route: Route { secure: scheme == "https", host, port },
            scheme,
            authorization: found.basic_auth().cloned(),
            unreadable: self.unreadable[usize::from(route.secure)],
        })
    }
}

/// Whether a variable says a proxy that can be understood.
fn is_proxy(value: &str) -> bool {
    let found = Matcher::builder().all(value).build().intercept(&Uri::from_static("http://host.example"));
    // What stands after the host may be no number.
    found
        .as_ref()
        .and_then(|found| found.uri().authority())
        .is_some_and(|authority| authority.as_str() == authority.host() || authority.port_u16().is_some())
}

/// The variables with a proxy in them that says who asks it, with that as a URL: the password in it is a secret.
pub fn proxies_with_password<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Vec<(String, String)> {
    let names = [ALL_PROXY, HTTP_PROXY, HTTPS_PROXY];
    let names = names.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    names
        .filter_map(|name| {
            let value = lookup(&name)?.trim();
            let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            match url::Url::parse(&url) {
                Ok(parsed) => parsed.password().map(|_| (name, url.clone())),
                // What is no URL may have a password in it all the same.
                Err(_) => {
                    let (who, _) = url.rsplit_once('@')?;
                    let (_, password) = who.split_once("://")?.1.split_once(':')?;
                    Some((name, password.to_owned()))
                }
            }
        })
        .collect()
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(super) route: Route,
    scheme: String,
    /// Secret, and not shown: it is marked as sensitive.
    authorization: Option<HeaderValue>,
    /// The variable that says it and cannot be read.
    unreadable: Option<&'static str>,
}

impl Proxy {
    /// Where it is, without who asks it; the variable, where that cannot be read.
    #[must_use]
    pub fn place(&self) -> String {
        if let Some(variable) = self.unreadable {
            return variable.into();
        }
        let Route { host, port, .. } = &self.route;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Whether it is one that can be asked.
    pub(super) fn check(&self) -> Result<(), SendError> {
        if self.unreadable.is_some() {
            return Err(
                self.failed("what this variable says is not the URL of a proxy; write it as `http://HOST:PORT`")
            );
        }
        if matches!(self.scheme.as_str(), "http" | "https") {
            return Ok(());
        }
        Err(self.failed(format!("it is one for `{}`; only `http` and `https` are spoken", self.scheme)))
    }

    pub(super) fn failed(&self, reason: impl std::fmt::Display) -> SendError {
        SendError::Proxy { proxy: self.place(), reason: reason.to_string() }
    }

    /// For a request that the proxy itself reads.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.clone().map(|mut value| {
            value.set_sensitive(true);
            value
        })
    }

    /// What the proxy passes on to `route` and back.
    pub(super) async fn tunnel<S>(&self, stream: S, route: &Route) -> Result<TokioIo<Upgraded>, SendError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let whom = route.authority();
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(8192)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(error))?;
        tokio::spawn(connection.with_upgrades());
        let target: Uri = whom.parse().map_err(|_| SendError::Url("its host is no name"))?;
        let host = HeaderValue::try_from(whom).map_err(|_| SendError::Url("its host is no name"))?;
        let mut request = Request::new(Empty::new());
        (*request.method_mut(), *request.uri_mut()) = (Method::CONNECT, target);
        request.headers_mut().insert(header::HOST, host);
        if let Some(authorization) = self.authorization() {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
        }
        let answer = sender.send_request(request).await.map_err(|error| self.failed(error))?;
        if !answer.status().is_success() {
            return Err(self.failed(format!("it answered {}", answer.status())));
        }
        hyper::upgrade::on(answer).await.map(TokioIo::new).map_err(|error| self.failed(error))
    }
}

/// Judges what a name says, which is all that can be judged where somebody else resolves it.
///
/// # Errors
/// Where it says an address that is not granted, or is a name of a cloud's metadata.
pub(super) fn judge(host: &str, addresses: &Addresses) -> Result<(), ConnectError> {
    let refused = |refusal: Refusal| ConnectError::Refused { host: host.into(), refusal };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    if METADATA.contains(&name.as_str()) {
        return Err(ConnectError::RefusedName { host: host.into(), class: AddressClass::Metadata });
    }
    address_in(&name).map_or(Ok(()), |address| addresses.allows(address).map_err(refused))
}

/// The address that a host's name is or stands for, whatever way it is written in: `127.1`, `0x7f000001`, `2130706433`.
fn address_in(host: &str) -> Option<IpAddr> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match (name.parse::<IpAddr>(), url::Host::parse(&name)) {
        (Ok(address), _) => Some(address),
        (_, Ok(url::Host::Ipv4(address))) => Some(address.into()),
        (_, Ok(url::Host::Ipv6(address))) => Some(address.into()),
        _ if name == "localhost" || name.ends_with(".localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxies, judge, proxies_with_password};
    use crate::network::{Addresses, Route};

    fn proxies(variables: &'static [(&'static str, &'static str)]) -> Proxies {
        Proxies::from_environment(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| *value))
    }

    fn to(proxies: &Proxies, url: &str) -> Option<String> {
        let route = Route::of(&url.parse().expect("a URL")).expect("a route");
        proxies.on_the_way_to(&route).map(|proxy| proxy.place())
    }

    #[test]
    fn proxies_are_read_as_others_read_them() {
        let none = proxies(&[("NO_PROXY", "*")]);
        assert_eq!(to(&none, "https://a.example/"), None);
        let both = proxies(&[
            ("HTTPS_PROXY", "http://secure:3128"),
            ("http_proxy", "plain:3129"),
            ("NO_PROXY", ".inside.example, 10.0.0.0/8,::1"),
        ]);
        for (url, expected) in [
            ("https://a.example/", Some("secure:3128")),
            ("http://a.example/", Some("plain:3129")),
            ("https://inside.example/", None),
            ("https://deep.inside.example/", None),
            ("https://notinside.example/", Some("secure:3128")),
            ("http://10.1.2.3/", None),
            ("http://[::1]/", None),
            ("http://11.1.2.3/", Some("plain:3129")),
        ] {
            assert_eq!(to(&both, url).as_deref(), expected, "{url}");
        }
        let all = proxies(&[("ALL_PROXY", "https://user:password@proxy.example")]);
        assert_eq!(to(&all, "http://a.example/").as_deref(), Some("proxy.example:443"));
    }

    #[test]
    fn who_asks_a_proxy_is_not_shown() {
        let all = proxies(&[("HTTPS_PROXY", "http://user:pass-word@proxy.example:3128")]);
        let route = Route::of(&"https://a.example/".parse().expect("a URL")).expect("a route");
        let proxy = all.on_the_way_to(&route).expect("a proxy");
        assert_eq!(proxy.authorization().expect("who asks"), "Basic dXNlcjpwYXNzLXdvcmQ=");
        let shown = format!("{proxy:?} {} {all:?}", proxy.failed("it is away"));
        assert!(!shown.contains("pass-word") && !shown.contains("dXNlc"), "{shown}");
    }

    #[test]
    fn a_proxy_with_a_password_is_a_secret() {
        let lookup = |name: &str| match name {
            "HTTPS_PROXY" => Some("me:pass-word@proxy.example:3128"),
            "http_proxy" => Some("http://proxy.example"),
            "ALL_PROXY" => Some("http://me@proxy.example"),
            _ => None,
        };
        let expected = ("HTTPS_PROXY".to_owned(), "http://me:pass-word@proxy.example:3128".to_owned());
        assert_eq!(proxies_with_password(lookup), [expected]);
    }

    #[test]
    fn what_is_no_proxy_is_not_passed_over() {
        for broken in ["http://me:pass word@proxy.example:3128", "socks://proxy.example", "http://proxy.example:port"] {
            let proxies = Proxies::from_environment(|name| match name {
                "HTTPS_PROXY" => Some(broken),
                "NO_PROXY" => Some("inside.example"),
                _ => None,
            });
            let to = |url: &str| {
                let route = Route::of(&url.parse().expect("a URL")).expect("a route");
                proxies.on_the_way_to(&route)
            };
            let proxy = to("https://a.example/").expect("a proxy");
            let refused = proxy.check().expect_err("it cannot be asked").to_string();
            assert!(refused.contains("HTTPS_PROXY") && refused.contains("not the URL of a proxy"), "{refused}");
            assert!(!format!("{refused}{proxy:?}{proxies:?}").contains("pass word"), "{proxy:?} {proxies:?}");
            assert!(to("https://inside.example/").is_none() && to("http://a.example/").is_none());
        }
        // As desktops set them: the one for everything is not asked where each has one of its own.
        let desktop =
            proxies(&[("all_proxy", "socks://a:1"), ("http_proxy", "http://a:2"), ("https_proxy", "http://a:3")]);
        assert_eq!(to(&desktop, "https://a.example/").as_deref(), Some("a:3"));
        let lookup = |name: &str| (name == "HTTPS_PROXY").then_some("http://me:pass word@proxy.example:port");
        assert_eq!(proxies_with_password(lookup), [("HTTPS_PROXY".to_owned(), "pass word".to_owned())]);
    }

    #[test]
    fn a_name_is_judged_by_what_it_says() {
        let words = |words: &[&str]| {
            Addresses::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).expect("words")
        };
        let (public, everything) = (words(&[]), words(&["public", "private", "loopback", "0.0.0.0/0", "::/0"]));
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9.254.43518",
            "169.254.169.254.",
            "::ffff:169.254.169.254",
            "Metadata.Google.Internal.",
            "metadata",
            "instance-data.ec2.internal",
        ] {
            assert!(judge(host, &everything).is_err(), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "::1",
            "localhost",
            "a.localhost.",
            "10.1.2.3",
            "64:ff9b::a00:1",
        ] {
            assert!(judge(host, &public).is_err(), "{host}");
            assert!(judge(host, &everything).is_ok(), "{host}");
        }
        for host in ["api.example.com", "1.1.1.1", "metadata.example.com", "localhost.example"] {
            assert!(judge(host, &public).is_ok(), "{host}");
        }
    }
}
