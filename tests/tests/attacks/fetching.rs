//! Servers that are asked for a plugin, and give something else, too much, or lead elsewhere.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | not there, broken, nobody there, no certificate to trust, half an answer | an error of its own each | `what_does_not_come_…` |
//! | 1 GiB announced, an answer without end | a limit | `too_much_…` |
//! | led inside, to a cloud's credentials, off `https`, on and on | refused, not dialled | `nobody_is_led_…` |
//! | no WebAssembly, a core module, another contract, a damaged one, one too expensive to compile | refused, not kept | `what_is_no_plugin_…` |
//! | a registry's realm inside, unencrypted, at a cloud's credentials; a blob there | refused, not dialled | `a_registry_leads_…` |
//! | a registry's blob that is larger, another, endless; a manifest without end, with two layers, of another kind, with a path for a digest | an error of its own each | `what_a_registry_sends_…` |
//! | a reference with a path in it, of another registry than it looks, in the clear | refused unasked | `references_that_…` |
//! | a tag or a file that moved, a store that was written | refused, fetched again | `fetched` |
//!
//! 49 cases. Nothing is run in any of them and nothing is kept; a run begins no journal.

use super::components::{deep, module, plugin_with};
use e2e::fetching::Fetching;
use e2e::guest;
use e2e::registry::Registry;
use e2e::secure::Secure;
use e2e::server::{Answer, Closed, Server};

fn noop() -> Vec<u8> {
    std::fs::read(guest("noop")).expect("a guest")
}

/// Holds that a plugin from there is refused in these words, and that nothing stays.
#[track_caller]
fn refused(locator: &str, secure: &Secure, part: &str) {
    let fetching = Fetching::new(locator, secure);
    fetching.refused("lock", 2, part);
    assert!(fetching.kept().is_empty(), "{part}: {:?}", fetching.kept());
    assert!(!fetching.project.has("deploy.lock") && !fetching.project.has(".windlass/runs"));
}

/// The same of the answer of a server to whoever wants `/a.wasm`.
#[track_caller]
fn answer(answer: Answer, part: &str) {
    let server = Server::start(move |request| match request.path.as_str() {
        "/a.wasm" => answer.clone(),
        path => panic!("it was asked for {path}"),
    });
    let secure = Secure::before(server.port());
    refused(&secure.url("/a.wasm"), &secure, part);
    assert_eq!(server.received().len(), 1, "{part}");
}

#[test]
fn what_does_not_come_is_told_with_why() {
    answer(Answer::new(404, "no"), "`localhost` answered 404 Not Found");
    answer(Answer::new(503, "no"), "`localhost` answered 503 Service Unavailable");
    answer(Answer::new(204, ""), "`localhost` answered 204 No Content");
    answer(Answer::new(200, noop()).half(), "`localhost` closed the connection before all of it was here");
    answer(Answer::none(), "closed the connection");
    let server = Server::start(|_| Answer::new(200, noop()));
    let secure = Secure::before(server.port());
    let closed = Closed::new();
    let nobody = format!("https://localhost:{}/a.wasm", closed.port());
    refused(&nobody, &secure, "`localhost` refused the connection");
    refused("https://plugins.invalid/a.wasm", &secure, "`plugins.invalid` has no address");
    let other = Secure::before(server.port());
    refused(&other.url("/a.wasm"), &secure, "the certificate of `localhost` is not trusted");
    let named = secure.url("/a.wasm").replace("localhost", "127.0.0.2");
    refused(&named, &secure, "cannot be fetched");
    assert_eq!(server.received().len(), 0);
}

#[test]
fn too_much_is_not_taken() {
    answer(Answer::endless(Some(1 << 30)), "it has 1024 MiB, and the most is 64 MiB");
    answer(Answer::endless(None), "it has more than 64 MiB, which is the most");
}

#[test]
fn nobody_is_led_where_nobody_has_read_that_it_leads() {
    let to = |place: &str| Answer::new(302, "").header("location", place);
    answer(to("https://127.0.0.1:1/a.wasm"), "it leads to `127.0.0.1`, and `127.0.0.1` may not be reached");
    answer(to("https://10.0.0.1/a.wasm"), "`10.0.0.1` is a private address, which is not granted");
    answer(to("https://[::ffff:127.0.0.1]/a.wasm"), "may not be reached");
    answer(to("https://169.254.169.254/latest/meta-data/"), "it leads to `169.254.169.254`");
    answer(to("http://localhost:1/a.wasm"), "it leads to `http://localhost:1/a.wasm`, and only `https` is followed");
    answer(to("file:///etc/passwd"), "it leads to `file:///etc/passwd`, and only `https` is followed");
    answer(to("https://user:word@localhost/a.wasm"), "it has a user name in it");
    let server = Server::start(move |_| to("/a.wasm"));
    let secure = Secure::before(server.port());
    refused(&secure.url("/a.wasm"), &secure, "it leads on after 3 redirects, which is the most");
    assert_eq!(server.received().len(), 4);
    // A cloud's credentials are nobody's plugin, whoever names them.
    refused("https://169.254.169.254/a.wasm", &secure, "`169.254.169.254` may not be reached");
}

#[test]
fn what_is_no_plugin_is_not_kept() {
    let bytes = noop();
    answer(Answer::new(200, "<html>"), "the file is not WebAssembly");
    answer(Answer::new(200, b"\0asm\x01\0\0\0"), "it is a WebAssembly module, not a component");
    answer(Answer::new(200, &bytes[..bytes.len() / 2]), "the file is damaged");
    let name = b"windlass:plugin/lifecycle@0.1.0";
    let mut other = bytes.clone();
    for at in 0..other.len() - name.len() {
        if other[at..].starts_with(name) {
            other[at + name.len() - 3] = b'9';
        }
    }
    answer(Answer::new(200, other), "it wants contract 0.9.0, and this Windlass runs 0.1.0");
    if cfg!(target_os = "linux") {
        let tail_call = (0, vec![0x12, 0]);
        let bomb = plugin_with(&module(&[tail_call, deep()]));
        answer(Answer::new(200, bomb), "compiling it takes more than 2048 MiB of memory");
    }
}

/// Holds that a plugin from a registry is refused in these words.
#[track_caller]
fn from(registry: &Registry, part: &str) {
    refused(&registry.reference("noop:1"), registry.secure(), part);
}

fn with_noop() -> Registry {
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    registry
}

#[test]
fn a_registry_leads_nobody_inside() {
    for (realm, part) in [
        ("https://127.0.0.1:1/token", "it leads to `127.0.0.1`, and `127.0.0.1` may not be reached"),
        ("https://169.254.169.254/token", "it leads to `169.254.169.254`"),
        ("http://localhost:1/token", "it leads to `http://localhost:1/token`, and only `https` is followed"),
    ] {
        let registry = with_noop();
        registry.state().realm = Some(realm.to_owned());
        from(&registry, part);
        registry.state().realm = None;
        registry.state().blob = Some(Answer::new(307, "").header("location", realm));
        from(&registry, part);
    }
}

#[test]
fn what_a_registry_sends_is_held_against_what_it_says() {
    let registry = Registry::start();
    from(&registry, "ManifestUnknown: said by the registry");
    let bytes = noop();
    let size = bytes.len() as u64;
    let wasm = "application/wasm";
    let _ = registry.push_layers("1", &[(wasm, &bytes, size), (wasm, b"more", 4)]);
    from(&registry, "the artifact has 2 layers, and a plugin is one");
    let _ = registry.push_layers("1", &[]);
    from(&registry, "the artifact has 0 layers, and a plugin is one");
    let _ = registry.push_layers("1", &[("application/vnd.oci.image.layer.v1.tar+gzip", &bytes, size)]);
    from(
        &registry,
        "its layer is of the type `application/vnd.oci.image.layer.v1.tar+gzip`, and not `application/wasm`",
    );
    let _ = registry.push_layers("1", &[(wasm, &bytes, 1 << 30)]);
    from(&registry, "it has 1024 MiB, and the most is 64 MiB");
    let _ = registry.push_layers("1", &[(wasm, &bytes, size - 1)]);
    from(&registry, "there is more of it than its manifest says");
    let _ = registry.push("1", &bytes);
    registry.state().blob = Some(Answer::new(200, "something else"));
    from(&registry, "sent something else than it says");
    from(&registry, "\nhint: tell whoever keeps that registry, and take it from elsewhere\n");
    registry.state().blob = Some(Answer::endless(None));
    from(&registry, "there is more of it than its manifest says");
    registry.state().blob = Some(Answer::new(500, "no"));
    from(&registry, "answered 500");
    registry.state().manifest = Some(Answer::endless(None));
    from(&registry, "it has more than 64 MiB, which is the most");
    registry.state().manifest = Some(Answer::new(200, "{}"));
    from(&registry, "cannot be fetched");
    let manifest = |layer: &str| {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"sha256:0","size":2}},"layers":[{{"mediaType":"{wasm}","digest":"{layer}","size":9}}]}}"#
        );
        Answer::new(200, text)
    };
    registry.state().manifest = Some(manifest("sha256:../../../token"));
    from(&registry, "its layer has no sha256");
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    registry.state().manifest = Some(Answer::new(200, index));
    from(&registry, "cannot be fetched");
}

#[test]
fn references_that_lead_elsewhere_than_they_look_are_refused_unasked() {
    let registry = with_noop();
    let secure = registry.secure();
    refused("oci://registry/noop:1", secure, "`registry` is no registry's host");
    refused(&registry.reference("../noop:1"), secure, "its reference is none");
    refused(&registry.reference("noop@sha256:0123"), secure, "its reference is none");
    let digest = format!("noop@sha256:{}", "0".repeat(64));
    assert_eq!(registry.asked(), Vec::<String>::new());
    refused(&registry.reference(&digest), secure, "ManifestUnknown");
    refused("http://localhost/a.wasm", secure, "http://localhost/a.wasm");
}
