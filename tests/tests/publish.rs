//! Publishing, tried against a registry that is not ours: what is added elsewhere is what was published.

use e2e::distribution::{Distribution, USER};
use e2e::fetching::Fetching;
use e2e::registry::{Registry, digest};
use e2e::secure::Secure;
use e2e::server::{Answer, Closed, Server};
use e2e::signing::SigningKey;
use e2e::{Output, Project, guest};
use serde_json::{Value, json};

const CONFIG: &str = "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[[step]]\nid = \"release\"\nplugin = \"command\"\nwith = { run = [\"true\"] }\n";

/// A machine that knows the registry's authority, with a home and a cache of its own.
fn machine(registry: &Distribution) -> (Project, tempfile::TempDir) {
    let cache = tempfile::tempdir().expect("a directory");
    let project = Project::with(CONFIG).file("authority.pem", registry.secure().authority());
    let authority = project.path().join("authority.pem").to_string_lossy().into_owned();
    let cache_path = cache.path().to_string_lossy().into_owned();
    (project.variable("SSL_CERT_FILE", &authority).variable("WINDLASS_CACHE_DIR", &cache_path), cache)
}

fn noop() -> Vec<u8> {
    std::fs::read(guest("noop")).expect("a guest")
}

fn published(output: &Output) -> Value {
    serde_json::from_str(&output.raw_stdout).unwrap_or_else(|error| panic!("{error}: {}", output.all()))
}

#[test]
fn what_is_published_is_added_on_another_machine_as_the_same_digest() {
    let registry = Distribution::start(false);
    let reference = registry.reference("acme/noop:0.1.0");
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    let output = author.windlass(&format!(
        "plugin publish ./noop.wasm {reference} --source https://example.com/noop --licenses MIT --format json"
    ));
    let said = published(&output.exits(0));
    let sha256 = digest(&noop());
    assert_eq!(format!("sha256:{}", said["sha256"].as_str().expect("a digest")), sha256);
    assert_eq!((&said["there"], &said["signed"]), (&json!(false), &json!(false)));

    // As others' tools see it.
    let raw = registry.get("acme/noop/manifests/0.1.0");
    assert_eq!(said["manifest"], digest(&raw));
    assert_eq!(said["pinned"], reference.replace(":0.1.0", &format!("@{}", digest(&raw))));
    let manifest: Value = serde_json::from_slice(&raw).expect("JSON");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layer = json!({
        "mediaType": "application/wasm", "digest": sha256, "size": noop().len(),
        "annotations": { "org.opencontainers.image.title": "noop.wasm" },
    });
    assert_eq!(manifest["layers"], json!([layer]));
    let annotations = json!({
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "org.opencontainers.image.description": "Does nothing.",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.source": "https://example.com/noop",
        "org.opencontainers.image.title": "noop",
        "org.opencontainers.image.version": "0.1.0",
    });
    assert_eq!(manifest["annotations"], annotations);
    let config = registry.get(&format!("acme/noop/blobs/{}", manifest["config"]["digest"].as_str().expect("a digest")));
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([sha256]));
    assert_eq!(config["component"]["exports"], json!(["windlass:plugin/lifecycle@0.1.0"]));
    let imports = config["component"]["imports"].as_array().expect("imports");
    assert!(imports.contains(&json!("windlass:plugin/types@0.1.0")), "{imports:?}");

    let (user, _other_cache) = machine(&registry);
    let output = user.windlass(&format!("plugin add {reference}")).exits(0);
    assert!(output.stdout.contains("noop@0.1.0: Does nothing.\n"), "{}", output.all());
    assert!(
        user.read("deploy.lock").contains(&sha256.replace("sha256:", "sha256 = \"")),
        "{}",
        user.read("deploy.lock")
    );
    let user = user.locked();
    let _ = user.windlass("run").exits(0);
    let _ = user.windlass("plugin verify").exits(0);
    // And by what nothing moves.
    let (third, _third_cache) = machine(&registry);
    let _ = third.windlass(&format!("plugin add {} --id noop", said["pinned"].as_str().expect("a reference"))).exits(0);
}

#[test]
fn the_same_is_the_same_artifact_and_another_is_put_in_its_place_only_where_that_is_said() {
    let registry = Distribution::start(false);
    let reference = registry.reference("acme/noop:1");
    let publish = |file: &str, more: &str| {
        let (machine, _cache) = machine(&registry);
        let machine = machine.guest("noop").guest("probe");
        machine.windlass(&format!("plugin publish {file} {reference} --format json {more}"))
    };
    let first = published(&publish("./noop.wasm", "").exits(0));
    let again = published(&publish("./noop.wasm", "").exits(0));
    assert_eq!((&again["there"], &again["manifest"]), (&json!(true), &first["manifest"]));
    let output = publish("./probe.wasm", "").exits(2);
    for part in [
        "cannot be published as `oci://",
        "something else has that tag: `sha256:",
        "note: what is there under that tag is what was there before",
        "hint: publish it with a tag of its own, or say that it is replaced with `--force`",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(digest(&registry.get("acme/noop/manifests/1")), first["manifest"]);
    let forced = published(&publish("./probe.wasm", "--force").exits(0));
    assert_eq!(digest(&registry.get("acme/noop/manifests/1")), forced["manifest"]);
    // A time of somebody's own is another artifact of the same component.
    let (machine, _cache) = machine(&registry);
    let machine = machine.guest("noop").variable("SOURCE_DATE_EPOCH", "1700000000");
    let dated = registry.reference("acme/noop:dated");
    let dated = published(&machine.windlass(&format!("plugin publish ./noop.wasm {dated} --format json")).exits(0));
    assert_ne!(dated["manifest"], first["manifest"]);
    assert_eq!(dated["sha256"], first["sha256"]);
    let annotations = &registry.manifest("acme/noop", "dated")["annotations"];
    assert_eq!(annotations["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
}

#[test]
fn what_is_signed_is_signed_for_others_tools_too() {
    let registry = Distribution::start(false);
    let reference = registry.reference("acme/noop:1");
    let (key, second) = (SigningKey::new(), SigningKey::new());
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    let publish = |key: &SigningKey| {
        let key = key.private().to_string_lossy().into_owned();
        published(
            &author.windlass(&format!("plugin publish ./noop.wasm {reference} --sign {key} --format json")).exits(0),
        )
    };
    let said = publish(&key);
    assert_eq!(said["signed"], true);
    let manifest = said["manifest"].as_str().expect("a digest");
    let tag = format!("{}.sig", manifest.replace(':', "-"));
    let signatures = registry.manifest("acme/noop", &tag);
    let layer = &signatures["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let payload = registry.get(&format!("acme/noop/blobs/{}", layer["digest"].as_str().expect("a digest")));
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().expect("a signature");
    assert!(key.signed(&payload, signature), "openssl says that it is by the key");
    assert!(!second.signed(&payload, signature), "and not by another");
    let payload: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], manifest);
    assert_eq!(payload["critical"]["type"], "cosign container image signature");
    let repository = registry.reference("acme/noop").replace("oci://", "");
    assert_eq!(payload["critical"]["identity"]["docker-reference"], repository);
    // A second signature takes the place of none.
    assert_eq!(publish(&second)["there"], true);
    let layers = || registry.manifest("acme/noop", &tag)["layers"].as_array().expect("layers").clone();
    let both = layers();
    assert_eq!(both.len(), 2);
    // Whoever publishes the same again, as each run of a job does, adds none.
    for key in [&key, &second, &key] {
        assert_eq!((&publish(key)["there"], &publish(key)["signed"]), (&json!(true), &json!(true)));
    }
    assert_eq!(layers(), both);

    let third = SigningKey::new();
    for (trusted, code) in [(&key, 0), (&second, 0), (&third, 22)] {
        let (user, _cache) = machine(&registry);
        let user = user.file("trusted.pub", &trusted.public);
        user.write("deploy.toml", &format!("{CONFIG}\n[policy]\nsigned-by = [\"trusted.pub\"]\n"));
        let before = user.read("deploy.toml");
        let output = user.windlass(&format!("plugin add {reference}")).exits(code);
        if code != 0 {
            assert!(output.stderr.contains("is not signed by a key that is trusted"), "{}", output.stderr);
            assert_eq!((user.read("deploy.toml"), user.has("deploy.lock")), (before, false), "neither is written");
        }
    }
}

#[test]
fn who_may_not_publish_is_told_so_and_whoever_is_logged_in_may() {
    let registry = Distribution::start(true);
    let reference = registry.reference("acme/noop:1");
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    let output = author.windlass(&format!("plugin publish ./noop.wasm {reference}")).exits(2);
    for part in ["does not give it to whoever asks", "hint: log in there with an account that may"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let auth = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{}:{}", USER.0, USER.1));
    author.write("docker/config.json", &json!({ "auths": { registry.secure().host(): { "auth": auth } } }).to_string());
    let directory = author.path().join("docker").to_string_lossy().into_owned();
    let author = author.variable("DOCKER_CONFIG", &directory);
    let key = SigningKey::new();
    let private = key.private().to_string_lossy().into_owned();
    let output = author.windlass(&format!("plugin publish ./noop.wasm {reference} --sign {private}")).exits(0);
    assert!(!output.everything().contains(USER.1), "{}", output.all());
    // What is signed is found as whoever may see it.
    author.write("trusted.pub", &key.public);
    author.write("deploy.toml", &format!("{CONFIG}\n[policy]\nsigned-by = [\"trusted.pub\"]\n"));
    let _ = author.windlass(&format!("plugin add {reference}")).exits(0);
}

#[test]
fn what_cannot_be_published_is_refused_before_anybody_is_asked() {
    let project = Project::with(CONFIG).guest("noop").file("no.wasm", "#!/bin/sh\n").file("empty/none", "");
    project.write(
        "project/windlass-plugin.toml",
        "[plugin]\nname = \"noop\"\nlanguage = \"c\"\ncomponent = \"built.wasm\"\n",
    );
    let rsa = SigningKey::of(&["-algorithm", "RSA"]);
    project.write("rsa.pem", &std::fs::read_to_string(rsa.private()).expect("a key"));
    project.write(
        "encrypted.pem",
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
    );
    let closed = Closed::new();
    let good = format!("oci://127.0.0.1:{}/acme/noop:1", closed.port());
    for (words, why) in [
        (format!("./no.wasm {good}"), "the file is not WebAssembly"),
        (format!("empty {good}"), "this is not the directory of a plugin's project"),
        (format!("project {good}"), "there is no `project/built.wasm`"),
        (format!("missing.wasm {good}"), "No such file"),
        ("./noop.wasm https://a.example/noop.wasm".into(), "it is no reference to a registry"),
        (
            "./noop.wasm http://a.example/noop:1".into(),
            "what comes from elsewhere comes over TLS: `https://` or `oci://`",
        ),
        (
            "./noop.wasm oci://127.0.0.1:5000/acme/noop".into(),
            "it has neither a tag (`:1.0.0`) nor a digest (`@sha256:…`)",
        ),
        (format!("./noop.wasm oci://registry.invalid/acme/noop@{}", digest(b"")), "names nothing before"),
        (
            format!("./noop.wasm {good} --licenses MIT/Apache-2.0"),
            "Caused by: `MIT/Apache-2.0` is no licence's identifier",
        ),
        (
            format!("./noop.wasm oci://127.0.0.1:{}/acme/noop:1.0.0", closed.port()),
            "Caused by: its tag says that it is another version than `0.1.0`",
        ),
        (format!("./noop.wasm {good} --sign rsa.pem"), "the key is not one of ECDSA on the curve P-256"),
        (format!("./noop.wasm {good} --sign encrypted.pem"), "the key is encrypted"),
        (format!("./noop.wasm {good} --sign deploy.toml"), "there is no private key"),
    ] {
        let output = project.windlass(&format!("plugin publish {words}")).exits(2);
        for part in [why, "\nnote: nothing was published", "\nhint: "] {
            assert!(output.stderr.contains(part), "{words}: {part}: {}", output.stderr);
        }
    }
    // Who is asked and does not answer.
    let output = project.windlass(&format!("plugin publish ./noop.wasm {good}")).exits(2);
    assert!(
        output.stderr.contains("error: plugin `noop` cannot be published as `oci://127.0.0.1:"),
        "{}",
        output.stderr
    );
    // Of a project, it is what was built of it.
    std::fs::copy(guest("noop"), project.path().join("project/built.wasm")).expect("a copy");
    let output = project.windlass(&format!("plugin publish project {good}")).exits(2);
    assert!(output.stderr.contains("error: plugin `noop` cannot be published"), "{}", output.stderr);
}

#[test]
fn what_a_reference_calls_a_plugin_otherwise_is_told() {
    let registry = Distribution::start(false);
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    for (rest, notes) in [
        ("acme/noop:0.1.0", vec![]),
        ("acme/noop:v0.1.0", vec![]),
        ("acme/noop:0.1", vec![]),
        ("acme/noop:latest", vec![]),
        ("acme/noop:2", vec!["the tag `2` does not fit the version `0.1.0`"]),
        ("acme/windlass-noop:0", vec!["the repository is called `windlass-noop`, and the plugin `noop`"]),
    ] {
        let output = author.windlass(&format!("plugin publish ./noop.wasm {}", registry.reference(rest))).exits(0);
        let said: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("note: ")).collect();
        assert_eq!(said, notes, "{rest}");
    }
    let wrong = registry.reference("acme/noop:0.2.0");
    let output = author.windlass(&format!("plugin publish ./noop.wasm {wrong}")).exits(2);
    let right = registry.reference("acme/noop:0.1.0");
    assert_eq!(
        output.stderr,
        format!(
            "error: nothing can be published as `{wrong}`\n  \
             Caused by: its tag says that it is another version than `0.1.0`\n\
             note: nothing was published\n\
             hint: publish it as `{right}`, or change the version that it says itself\n"
        )
    );
}

/// Registries that keep their blobs elsewhere lead there whoever asks for one, also who only asks whether it is there.
#[test]
fn a_registry_that_leads_elsewhere_for_a_blob_has_it() {
    let registry = Registry::start();
    let elsewhere = Server::start(|_| Answer::new(403, "this is no URL for that"));
    let in_front = Secure::before(elsewhere.port());
    let manifest = registry.push("1", &noop());
    let leads = Answer::new(307, "").header("location", &in_front.url("/blob?signed"));
    registry.state().there = Some(leads);
    let new = || {
        let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
        std::fs::copy(guest("noop"), fetching.project.path().join("noop.wasm")).expect("a copy");
        fetching
    };
    let key = SigningKey::new();
    let private = key.private().to_string_lossy().into_owned();
    let publish = |fetching: &Fetching, tag: &str| {
        let reference = registry.reference(&format!("noop:{tag}"));
        let words = format!("plugin publish ./noop.wasm {reference} --sign {private} --format json");
        published(&fetching.project.windlass(&words).exits(0))
    };
    let first = publish(&new(), "0.1.0");
    assert_ne!(first["manifest"], manifest);
    // As whoever is logged in there, who is not led elsewhere with what is secret.
    registry.state().account = Some(("me".into(), "the-pass-word".into()));
    let logged_in = new().logged_in(&registry.secure().host());
    let second = publish(&logged_in, "0.1");
    assert_eq!((&second["manifest"], &second["there"]), (&first["manifest"], &json!(false)));
    assert_eq!(elsewhere.received().len(), 0);
    let pushed = |request: &&String| request.starts_with("PATCH");
    // The config and what is signed: the component was there.
    let asked = registry.asked();
    assert_eq!(asked.iter().filter(pushed).count(), 3, "{asked:?}");
}

#[test]
fn a_registry_that_cannot_be_trusted_is_told_from_one_that_cannot_be_reached() {
    let registry = Distribution::start(false);
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    let refused = |project: &Project, words: &str, parts: [&str; 2]| {
        let output = project.windlass(words).exits(2);
        for part in parts {
            assert!(output.stderr.contains(part), "{words}: {part}: {}", output.stderr);
        }
    };
    let plain = registry.plain_reference("acme/noop:1");
    let no_tls = ["` does not speak TLS", "\nhint: put something that speaks TLS before it"];
    refused(&author, &format!("plugin publish ./noop.wasm {plain}"), no_tls);
    refused(&author, &format!("plugin add {plain}"), no_tls);
    let stranger = Project::with(CONFIG).guest("noop");
    let another = e2e::secure::Secure::before(1);
    let stranger = stranger.file("another.pem", another.authority());
    let file = stranger.path().join("another.pem").to_string_lossy().into_owned();
    let stranger = stranger.variable("SSL_CERT_FILE", &file);
    let untrusted = [
        "the certificate of `localhost",
        "\nhint: if it is meant, have `network.ca-file` in `deploy.toml`, or `SSL_CERT_FILE`",
    ];
    let good = registry.reference("acme/noop:1");
    refused(&stranger, &format!("plugin publish ./noop.wasm {good}"), untrusted);
    refused(&stranger, &format!("plugin add {good}"), untrusted);
}

#[test]
fn a_reference_that_is_wrong_is_mended_where_it_is_written() {
    let registry = Distribution::start(false);
    let (author, _cache) = machine(&registry);
    let author = author.guest("noop");
    for words in [
        format!("plugin publish ./noop.wasm {}", registry.reference("Acme/noop:1")),
        format!("plugin publish ./noop.wasm {}", registry.reference("acme/noop:0.1+x")),
        format!("plugin add {}", registry.reference("acme/nothing:0.1.0")),
        format!("plugin inspect {}", registry.reference("acme/nothing:0.1.0")),
    ] {
        let output = author.windlass(&words).exits(2);
        let hint = "\nhint: correct the reference or the URL that names the plugin\n";
        assert!(output.stderr.contains(hint), "{words}: {}", output.stderr);
    }
}
