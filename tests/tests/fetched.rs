//! Plugins by `https` URL and by `oci` reference: what is locked is what runs, and what was fetched once needs no network.

use e2e::fetching::Fetching;
use e2e::guest;
use e2e::proxy::Proxy;
use e2e::registry::{Registry, digest};
use e2e::secure::Secure;
use e2e::server::{Answer, Server};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

fn noop() -> Vec<u8> {
    std::fs::read(guest("noop")).expect("a guest")
}

/// Another plugin than the one that was locked.
fn probe() -> Vec<u8> {
    std::fs::read(guest("probe")).expect("a guest")
}

/// A server whose component can be changed.
fn server() -> (Arc<Mutex<Vec<u8>>>, Server, Secure) {
    let component = Arc::new(Mutex::new(noop()));
    let given = Arc::clone(&component);
    let server = Server::start(move |request| match request.path.as_str() {
        "/noop.wasm" => Answer::new(200, given.lock().expect("no panic").clone()),
        "/1" => Answer::new(302, "").header("location", "/2"),
        "/2" => Answer::new(307, "").header("location", "deep/../3?with=query"),
        "/3?with=query" => {
            let host = request.header("host").unwrap_or_default();
            Answer::new(301, "").header("location", &format!("https://{host}/noop.wasm"))
        }
        _ => Answer::new(404, "no"),
    });
    let secure = Secure::before(server.port());
    (component, server, secure)
}

#[test]
fn what_a_url_leads_to_is_pinned_and_runs_without_a_network_from_then_on() {
    let (_, server, secure) = server();
    let fetching = Fetching::new(&secure.url("/noop.wasm"), &secure);
    // Nothing is fetched that no lock names, also where it is only asked whether it does.
    for words in ["run", "check", "lock --check"] {
        fetching.refused(words, 22, "does not say which component that is, and without that it is not fetched");
    }
    assert_eq!(server.received().len(), 0);
    let output = fetching.project.windlass("lock").exits(0);
    let sha256 = digest(&noop()).replace("sha256:", "sha256 ");
    let pinned = format!("pinned {}@0.1.0: [digest]", secure.url("/noop.wasm"));
    assert!(output.stderr.contains(&pinned.replace("[digest]", "sha256 [digest]")), "{}", output.stderr);
    assert!(fetching.project.read("deploy.lock").contains(&sha256.replace(' ', " = \"")));
    assert_eq!(server.received().len(), 1);
    assert_eq!(fetching.kept().len(), 1);
    fetching.runs();
    let _ = fetching.project.windlass("lock --check").exits(0);
    let _ = fetching.project.windlass("check").exits(0);
    assert_eq!(server.received().len(), 1, "what is kept is not fetched again");
    let schema = fetching.project.windlass(&format!("schema {}", secure.url("/noop.wasm"))).exits(0);
    assert!(schema.stdout.contains("\"changes\""), "{}", schema.stdout);
    drop((server, secure));
    fetching.runs();
    // What was kept is what its name says, or it is not there.
    std::fs::write(&fetching.kept()[0], probe()).expect("written");
    fetching.refused("run", 2, "cannot be fetched");
}

#[test]
fn redirects_on_the_same_host_are_followed() {
    let (_, server, secure) = server();
    let fetching = Fetching::new(&secure.url("/1"), &secure);
    let _ = fetching.project.windlass("lock").exits(0);
    let paths: Vec<String> = server.received().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/1", "/2", "/3?with=query", "/noop.wasm"]);
    fetching.runs();
}

#[test]
fn what_changed_where_it_was_is_not_used_before_that_is_locked() {
    let (component, server, secure) = server();
    let fetching = Fetching::new(&secure.url("/noop.wasm"), &secure);
    let _ = fetching.project.windlass("lock").exits(0);
    *component.lock().expect("no panic") = probe();
    // What is kept is what was locked.
    fetching.runs();
    std::fs::remove_dir_all(fetching.components()).expect("removed");
    for words in ["run", "lock --check"] {
        fetching.refused(words, 22, "is not the file that was accepted");
        assert_eq!(fetching.kept(), Vec::<PathBuf>::new());
    }
    let before = server.received().len();
    let output = fetching.project.windlass("lock").exits(0);
    assert!(output.stdout.contains("@1.2.3") && output.stdout.contains("1 line more"), "{}", output.stdout);
    assert_eq!(server.received().len(), before + 1);
}

#[test]
fn a_component_in_a_registry_is_pinned_by_what_it_is_and_not_by_its_tag() {
    let registry = Registry::start();
    let manifest = registry.push("1", &noop());
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    let _ = fetching.project.windlass("lock").exits(0);
    let asked = registry.asked();
    assert_eq!(
        asked,
        [
            "GET /v2/",
            "GET /token",
            "GET /v2/acme/noop/manifests/1",
            &format!("GET /v2/acme/noop/blobs/{}", digest(&noop()))
        ]
    );
    fetching.runs();
    assert_eq!(registry.asked().len(), asked.len(), "what is kept is not fetched again");
    // The tag moves.
    let _ = registry.push("1", &probe());
    fetching.runs();
    std::fs::remove_dir_all(fetching.components()).expect("removed");
    fetching.refused("run", 22, "is not the file that was accepted");
    assert_eq!(fetching.kept(), Vec::<PathBuf>::new());
    // A digest does not.
    let pinned = Fetching::new(&registry.reference(&format!("noop@{manifest}")), registry.secure());
    let _ = pinned.project.windlass("lock").exits(0);
    pinned.runs();
}

#[test]
fn a_layer_may_be_called_as_it_was_before() {
    let registry = Registry::start();
    let bytes = noop();
    let old = "application/vnd.wasm.content.layer.v1+wasm";
    let _ = registry.push_layers("1", &[(old, &bytes, bytes.len() as u64)]);
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    let _ = fetching.project.windlass("lock").exits(0);
    fetching.runs();
}

#[test]
fn who_is_logged_in_to_a_registry_pulls_from_it_and_is_that_to_nobody_else() {
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    let host = registry.secure().host();
    let new = || Fetching::new(&registry.reference("noop:1"), registry.secure());
    registry.state().account = Some(("me".into(), "the-pass-word".into()));
    new().refused("lock", 2, "does not give it to whoever asks");
    new().logged_in("other.example").refused("lock", 2, "does not give it to whoever asks");
    let fetching = new().logged_in(&host);
    let _ = fetching.project.windlass("lock").exits(0);
    fetching.runs();
    // The registry asks for the account elsewhere: at another host, or where all can read it.
    for (realm, part) in [
        (format!("https://{}/token", host.replace("localhost", "127.0.0.1")), "is for no other host"),
        (format!("http://{host}/token"), "only `https` is followed"),
    ] {
        registry.state().realm = Some(realm);
        let before = registry.asked().len();
        new().logged_in(&host).refused("lock", 2, part);
        assert!(!registry.asked()[before..].contains(&"GET /token".to_owned()), "{part}");
    }
}

#[test]
fn a_login_that_cannot_be_read_is_told_where_nobody_may_do_it() {
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    let host = registry.secure().host();
    let new = || Fetching::new(&registry.reference("noop:1"), registry.secure());
    let broken = "{ \"auths\": the-pass-word";
    let helped = json!({ "auths": { &host: {} }, "credsStore": "desktop" }).to_string();
    let damaged = json!({ "auths": { &host: { "auth": "the-pass-word" } } }).to_string();
    // Whoever may pull needs no login.
    let fetching = new().docker(broken);
    let _ = fetching.project.windlass("lock").exits(0);
    registry.state().account = Some(("me".into(), "the-pass-word".into()));
    for (text, why) in [
        (broken, "docker/config.json`: it is no JSON: expected ident at line 1 column 13".to_owned()),
        (
            &helped,
            format!("docker/config.json`: the account for `{host}` is kept by a helper program, and none is asked"),
        ),
        (&damaged, format!("docker/config.json`: its `auth` for `{host}` is damaged")),
    ] {
        let fetching = new().docker(text);
        for part in ["does not give it to whoever asks; nobody is logged in by `", &why] {
            fetching.refused("lock", 2, part);
        }
        assert!(!fetching.project.windlass("lock").everything().contains("the-pass-word"), "{text}");
    }
    // What is not there is there for nobody.
    registry.state().account = None;
    let fetching = Fetching::new(&registry.reference("noop:2"), registry.secure()).docker(&helped);
    let output = fetching.project.windlass("lock").exits(2);
    assert!(!output.stderr.contains("nobody is logged in"), "{}", output.all());
}

#[test]
fn a_registry_that_says_the_password_again_is_not_repeated() {
    let registry = Registry::start();
    registry.state().account = Some(("me".into(), "the-pass-word".into()));
    let said = r#"{"errors":[{"code":"UNKNOWN","message":"wrong: the-pass-word","detail":null}]}"#;
    registry.state().manifest = Some(Answer::new(404, said));
    let host = registry.secure().host();
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure()).logged_in(&host);
    let output = fetching.project.windlass("lock").exits(2);
    assert!(output.stderr.contains("wrong: ***") && !output.everything().contains("the-pass-word"), "{}", output.all());
}

#[test]
fn where_a_proxy_is_the_only_way_out_it_is_the_way_to_plugins_too() {
    let (_, server, _secure) = server();
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    for (port, locator) in
        [(server.port(), "https://plugins.invalid/noop.wasm"), (registry.port(), "oci://plugins.invalid/acme/noop:1")]
    {
        let proxy = Proxy::to(port, "plugins.invalid");
        let Fetching { project, cache } = Fetching::trusting(locator, proxy.authority());
        let fetching = Fetching { project: project.variable("HTTPS_PROXY", &proxy.url()), cache };
        let _ = fetching.project.windlass("lock").exits(0);
        fetching.runs();
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|whom| whom == "plugins.invalid:443"), "{asked:?}");
    }
    // What a name says is judged before the proxy is asked.
    let elsewhere = Server::start(|_| Answer::new(302, "").header("location", "https://127.0.0.1/noop.wasm"));
    let proxy = Proxy::to(elsewhere.port(), "plugins.invalid");
    let Fetching { project, cache } = Fetching::trusting("https://plugins.invalid/noop.wasm", proxy.authority());
    let fetching = Fetching { project: project.variable("HTTPS_PROXY", &proxy.url()), cache };
    fetching.refused("lock", 2, "it leads to `127.0.0.1`, and `127.0.0.1` may not be reached");
    assert_eq!(proxy.asked(), ["plugins.invalid:443"]);
}
