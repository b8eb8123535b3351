//! What of a plan is behind a proxy.

use crate::network::Route;
use crate::plugin::Services;
use crate::policy::{Capability, Http, Secret, SecretUse};
use std::collections::{BTreeMap, BTreeSet};

/// For each proxy on the way to what these let be asked: that whose addresses nobody here can judge.
pub(super) fn proxied<'a>(services: &Services, capabilities: impl IntoIterator<Item = &'a Capability>) -> Vec<String> {
    let mut behind: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for capability in capabilities {
        let found = match capability {
            Capability::Http(Http { scheme, host, port, .. }) => {
                let route = Route { secure: scheme == "https", host: host.to_ascii_lowercase(), port: *port };
                Some((route, format!("`{host}`")))
            }
            // Its host is a part of the secret.
            Capability::Secret(Secret { name, usage: SecretUse::Url { .. }, .. }) => services
                .secrets
                .get(name)
                .and_then(|secret| Route::of(&secret.expose().trim().parse().ok()?).ok())
                .map(|route| (route, format!("the host in the secret `{name}`"))),
            _ => None,
        };
        if let Some((route, name)) = found
            && let Some(proxy) = services.client.proxy(&route)
        {
            behind.entry(proxy.place()).or_default().insert(name);
        }
    }
    let line = |(proxy, names): (String, BTreeSet<String>)| {
        let names: Vec<String> = names.into_iter().collect();
        format!("through the proxy `{proxy}`: only the name of {} can be checked", names.join(", "))
    };
    behind.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::proxied;
    use crate::network::{Client, Proxies, Trust};
    use crate::plugin::Services;
    use crate::policy::{Capability, Http, Phase, Secret, SecretUse};
    use crate::secret::Secrets;

    fn http(scheme: &str, host: &str, port: u16) -> Capability {
        Capability::Http(Http {
            scheme: scheme.into(),
            host: host.into(),
            port,
            methods: vec!["GET".into()],
            path: "/".into(),
            addresses: vec![],
            phases: [Phase::Apply].into(),
        })
    }

    #[test]
    fn each_proxy_has_a_line_with_what_is_behind_it() {
        let variables = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://me:pass-word@secure.example:3128"),
            "HTTP_PROXY" => Some("http://plain.example:3129"),
            "NO_PROXY" => Some("inside.example"),
            _ => None,
        };
        let hook = Secrets::of(vec![("HOOK".into(), "https://hooks.example/s3cr3t".into())]);
        let client = Client::new(Trust::default(), Proxies::from_environment(variables));
        let services = Services { client, secrets: hook, ..Services::default() };
        let capabilities = [
            http("https", "b.example", 443),
            http("https", "a.example", 443),
            http("https", "a.example", 8443),
            http("http", "c.example", 80),
            http("https", "deep.inside.example", 443),
            Capability::Secret(Secret {
                name: "HOOK".into(),
                usage: SecretUse::Url { methods: vec!["POST".into()], addresses: vec![] },
                phases: [Phase::Apply].into(),
            }),
        ];
        assert_eq!(
            proxied(&services, &capabilities),
            [
                "through the proxy `plain.example:3129`: only the name of `c.example` can be checked",
                "through the proxy `secure.example:3128`: only the name of `a.example`, `b.example`, the host in the secret \
                 `HOOK` can be checked",
            ]
        );
        assert_eq!(proxied(&Services::default(), &capabilities), Vec::<String>::new());
    }
}
