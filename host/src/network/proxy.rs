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

/// Which proxy leads where.
#[derive(Debug, Default)]
pub struct Proxies(Option<Matcher>);

impl Proxies {
    /// As curl reads them: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters too.
    #[must_use]
    pub fn from_environment<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Self {
        let value = |name: &str| {
            lookup(name).or_else(|| lookup(&name.to_ascii_lowercase())).unwrap_or_default().trim().to_owned()
        };
        let (all, http, https) = (value(ALL_PROXY), value(HTTP_PROXY), value(HTTPS_PROXY));
        if [&all, &http, &https].iter().all(|proxy| proxy.is_empty()) {
            return Self(None);
        }
        Self(Some(Matcher::builder().all(all).http(http).https(https).no(value(NO_PROXY)).build()))
    }

    /// The proxy on the way to a host, where there is one.
    #[must_use]
    pub fn on_the_way_to(&self, route: &Route) -> Option<Proxy> {
        // What is on this machine no proxy knows, as everybody has it who asks one.
        if address_in(&route.host).is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let found = self.0.as_ref()?.intercept(&route.origin()?)?;
        let uri = found.uri();
        let scheme = uri.scheme_str().unwrap_or("http").to_ascii_lowercase();
        let host = uri.host()?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some(Proxy {
            route: Route { secure: scheme == "https", host, port },
            scheme,
            authorization: found.basic_auth().cloned(),
        })
    }
}

/// The variables with a proxy in them that says who asks it, with that as a URL: the password in it is a secret.
pub fn proxies_with_password<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Vec<(String, String)> {
    let names = [ALL_PROXY, HTTP_PROXY, HTTPS_PROXY];
    let names = names.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    names
        .filter_map(|name| {
            let value = lookup(&name)?.trim();
            let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            url::Url::parse(&url).ok()?.password().map(|_| (name, url.clone()))
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
}

impl Proxy {
    /// Where it is, without who asks it.
    #[must_use]
    pub fn place(&self) -> String {
        let Route { host, port, .. } = &self.route;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Whether it is one that can be asked.
    pub(super) fn check(&self) -> Result<(), SendError> {
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
