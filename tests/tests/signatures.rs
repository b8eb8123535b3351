//! Signatures: optional, and where they are asked for, nothing runs that a trusted key did not sign. Keys and signatures are
//! openssl's, and what is in the registry is what cosign puts there.

use e2e::fetching::Fetching;
use e2e::registry::{Registry, digest};
use e2e::secure::Secure;
use e2e::server::{Answer, Server};
use e2e::signing::{SigningKey, openssl};
use e2e::{Project, guest};
use serde_json::json;
use std::sync::{Arc, Mutex};

fn noop() -> Vec<u8> {
    std::fs::read(guest("noop")).expect("a guest")
}

/// Demands a signature by these keys of a project.
fn demand(project: &Project, keys: &[&SigningKey]) {
    let mut files = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let file = format!("keys/{index}.pub");
        project.write(&file, &key.public);
        files.push(file);
    }
    policy(project, &json!(files).to_string());
}

/// Has `signed-by` with this value, in place of what was there.
fn policy(project: &Project, value: &str) {
    let text = project.read("deploy.toml");
    let text = text.split("\n[policy]\n").next().expect("a text").trim_end();
    project.write("deploy.toml", &format!("{text}\n\n[policy]\nsigned-by = {value}\n"));
}

/// Holds that nothing is made of the plugin, and why, in four parts.
#[track_caller]
fn refused(project: &Project, words: &str, why: &str) {
    let output = project.windlass(words).exits(22);
    for part in [
        "is not signed by a key that is trusted",
        why,
        "`policy.signed-by` in `deploy.toml` demands a signature by ",
        "\nnote: nothing was run, and nothing was made of it",
        "\nhint: have it signed by one of these keys, or have the key of whoever signed it reviewed and added",
    ] {
        assert!(output.stderr.contains(part), "{words}: it does not say {part}: {}", output.all());
    }
}

fn with_file() -> Project {
    let config =
        "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n";
    Project::with(config).guest("noop")
}

#[test]
fn a_file_has_its_signature_beside_it() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let project = with_file();
    // Nobody asks, so nobody has to sign.
    let _ = project.windlass("lock").exits(0);
    demand(&project, &[&key]);
    for words in ["lock", "plan", "run", "check", "plugin verify"] {
        refused(&project, words, "there is no signature with it");
    }
    project.write("noop.wasm.sig", &other.sign(&noop()));
    refused(&project, "run", "the signature is not by `keys/0.pub`");
    project.write("noop.wasm.sig", &key.sign(b"something else"));
    refused(&project, "run", "the signature is not by `keys/0.pub`");
    project.write("noop.wasm.sig", "no base64");
    refused(&project, "run", "the signature is damaged: it is not base64");
    project.write("noop.wasm.sig", &key.sign(&noop()));
    let _ = project.windlass("run").exits(0);
    let output = project.windlass("plugin verify").exits(0);
    assert!(output.stdout.ends_with(", contract 0.1.0, signed by `keys/0.pub`\n"), "{}", output.stdout);
    // As `base64` writes it: in lines of 76 characters.
    let signature = key.sign(&noop());
    let (first, rest) = signature.split_at(76);
    for ending in ["\n", "\r\n"] {
        project.write("noop.wasm.sig", &format!("{first}{ending}{rest}{ending}"));
        let _ = project.windlass("run").exits(0);
    }
    // One of several keys is enough, and says which it was.
    demand(&project, &[&other, &key]);
    let _ = project.windlass("run").exits(0);
    let output = project.windlass("plugin verify --format json").exits(0);
    assert!(output.stdout.contains("\"signed-by\":\"keys/1.pub\""), "{}", output.stdout);
    demand(&project, &[&other]);
    refused(&project, "run", "the signature is not by `keys/0.pub`");
    // What changed after it was signed is not even what was locked; also where it is locked again.
    demand(&project, &[&key]);
    let mut bytes = noop();
    bytes.extend_from_slice(b"\0\x05\x04note");
    std::fs::write(project.path().join("noop.wasm"), bytes).expect("written");
    refused(&project, "lock", "the signature is not by `keys/0.pub`");
}

#[test]
fn a_key_may_stand_in_the_file_itself() {
    let key = SigningKey::new();
    let project = with_file().file("noop.wasm.sig", &key.sign(&noop()));
    policy(&project, &format!("['''\n{}''']", key.public));
    let project = project.locked();
    let _ = project.windlass("run").exits(0);
    // What is built in is part of what is trusted already.
    let text = project.read("deploy.toml");
    project.write("deploy.toml", &text.replace("\"./noop.wasm\"", "\"command\"\nwith = { run = [\"true\"] }"));
    std::fs::remove_file(project.path().join("noop.wasm.sig")).expect("removed");
    let project = project.locked();
    let _ = project.windlass("run").exits(0);
}

#[test]
fn a_policy_without_a_good_key_is_refused_and_not_passed_over() {
    let project = with_file();
    let _ = project.windlass("lock").exits(0);
    let rsa = SigningKey::of(&["-algorithm", "RSA"]);
    let another_curve = SigningKey::of(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    project.write("rsa.pub", &rsa.public);
    project.write("p384.pub", &another_curve.public);
    project.write("empty.pub", "");
    for (value, why) in [
        ("[]", "`policy.signed-by` names no key, so no plugin could be signed by one"),
        ("[\"missing.pub\"]", "`missing.pub`: No such file"),
        ("[\"empty.pub\"]", "`empty.pub`: there is no public key (`-----BEGIN PUBLIC KEY-----`) in it"),
        ("[\"rsa.pub\"]", "`rsa.pub`: the key is not one of ECDSA on the curve P-256"),
        ("[\"p384.pub\"]", "`p384.pub`: the key is not one of ECDSA on the curve P-256"),
    ] {
        policy(&project, value);
        let output = project.windlass("run").exits(2);
        assert!(output.stderr.contains(why) && output.stderr.contains("deploy.toml:"), "{value}: {}", output.stderr);
    }
}

/// A server that has the component, and beside it the signature that is put there.
fn with_url() -> (Server, Arc<Mutex<Option<String>>>) {
    let signature = Arc::new(Mutex::new(None::<String>));
    let given = Arc::clone(&signature);
    let server = Server::start(move |request| match (request.path.as_str(), &*given.lock().expect("no panic")) {
        ("/noop.wasm", _) => Answer::new(200, noop()),
        ("/noop.wasm.sig", Some(signature)) => Answer::new(200, signature.clone()),
        _ => Answer::new(404, "no"),
    });
    (server, signature)
}

#[test]
fn what_a_url_leads_to_has_its_signature_beside_it_and_is_checked_without_a_network_from_then_on() {
    let key = SigningKey::new();
    let (server, signature) = with_url();
    let secure = Secure::before(server.port());
    let fetching = Fetching::new(&secure.url("/noop.wasm"), &secure);
    let _ = fetching.project.windlass("lock").exits(0);
    demand(&fetching.project, &[&key]);
    // Also where the component itself was fetched before anybody asked.
    refused(&fetching.project, "run", "there is no signature with it");
    *signature.lock().expect("no panic") = Some(key.sign(b"something else"));
    refused(&fetching.project, "run", "the signature is not by `keys/0.pub`");
    *signature.lock().expect("no panic") = Some(key.sign(&noop()));
    fetching.runs();
    let before = server.received().len();
    fetching.runs();
    assert_eq!(server.received().len(), before, "what is kept of it is enough");
    // One that is withdrawn is missed by whoever looks again, and from then on by whoever went on with what was kept.
    let there = signature.lock().expect("no panic").take();
    fetching.runs();
    refused(&fetching.project, "plugin verify", "there is no signature with it");
    refused(&fetching.project, "run", "there is no signature with it");
    *signature.lock().expect("no panic") = there;
    let output = fetching.project.windlass("plugin verify").exits(0);
    assert!(output.stdout.ends_with(", signed by `keys/0.pub`\n"), "{}", output.stdout);
    drop((server, secure));
    fetching.runs();
    // Where nobody can be asked, what is kept is no answer.
    let output = fetching.project.windlass("plugin verify").exits(2);
    assert!(output.stderr.contains("cannot be fetched"), "{}", output.all());
    // What is kept is not believed, but checked.
    let other = SigningKey::new();
    demand(&fetching.project, &[&other]);
    let output = fetching.project.windlass("run");
    assert_ne!(output.code, Some(0), "{}", output.all());
}

/// What cosign signs of an artifact.
fn payload(manifest: &str) -> String {
    json!({
        "critical": {
            "identity": { "docker-reference": "localhost/acme/noop" },
            "image": { "docker-manifest-digest": manifest },
            "type": "cosign container image signature",
        },
        "optional": { "by": "a test" },
    })
    .to_string()
}

/// Puts a signature there as cosign does up to its version 2.
fn sign(registry: &Registry, manifest: &str, payload: &str, signature: &str) {
    let mut layer = registry.keep("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
    let _ = registry.keep_manifest(&format!("{}.sig", manifest.replace(':', "-")), &[layer], None);
}

#[test]
fn an_artifact_has_its_signature_under_a_tag_of_its_digest() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let registry = Registry::start();
    let manifest = registry.push("1", &noop());
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    let project = &fetching.project;
    demand(project, &[&key]);
    refused(project, "lock", "there is no signature with it");
    assert!(fetching.kept().is_empty(), "nothing is kept of what is refused");
    let good = payload(&manifest);
    let another = payload(&digest(b"another manifest"));
    let is_no_artifact = good.replace("cosign container image signature", "something else");
    for (text, signature, why) in [
        (&good, other.sign(good.as_bytes()), "the signature is not by `keys/0.pub`".to_owned()),
        (&good, key.sign(another.as_bytes()), "the signature is not by `keys/0.pub`".to_owned()),
        (&good, "no base64".to_owned(), "the signature is damaged: it is not base64".to_owned()),
        (&another, key.sign(another.as_bytes()), "the signature is for another artifact: ".to_owned()),
        (
            &is_no_artifact,
            key.sign(is_no_artifact.as_bytes()),
            "what is signed is no `cosign container image signature`".to_owned(),
        ),
        (&"{".to_owned(), key.sign(b"{"), "what is signed is damaged: ".to_owned()),
    ] {
        sign(&registry, &manifest, text, &signature);
        refused(project, "lock", &why);
    }
    sign(&registry, &manifest, &good, &key.sign(good.as_bytes()));
    let _ = project.windlass("lock").exits(0);
    fetching.runs();
    let asked = registry.asked().len();
    fetching.runs();
    assert_eq!(registry.asked().len(), asked, "what is kept of it is enough");
    // The tag moves to what nobody signed: what was locked and signed goes on.
    let _ = registry.push("1", &std::fs::read(guest("probe")).expect("a guest"));
    fetching.runs();
    refused(project, "plugin update", "there is no signature with it");
    let output = project.windlass("plugin verify").exits(22);
    assert!(output.stderr.contains("is not the file that was accepted"), "{}", output.stderr);
}

#[test]
fn of_more_signatures_than_are_looked_at_the_newest_count() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let registry = Registry::start();
    let manifest = registry.push("1", &noop());
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    demand(&fetching.project, &[&key]);
    let text = payload(&manifest);
    let layer = |signature: String| {
        let mut layer = registry.keep("application/vnd.dev.cosign.simplesigning.v1+json", text.as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        layer
    };
    let tag = format!("{}.sig", manifest.replace(':', "-"));
    let good = key.sign(text.as_bytes());
    let mut layers: Vec<_> = (0..16).map(|_| layer(other.sign(text.as_bytes()))).collect();
    layers.insert(0, layer(good.clone()));
    let _ = registry.keep_manifest(&tag, &layers, None);
    refused(&fetching.project, "lock", "only the newest 16 signatures are looked at, and older ones are there, too: 1");
    layers.push(layer(good));
    let _ = registry.keep_manifest(&tag, &layers, None);
    let _ = fetching.project.windlass("lock").exits(0);
    fetching.runs();
}

#[test]
fn a_bundle_of_cosign_3_is_one_too() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let kind = "application/vnd.in-toto+json";
    let statement = |sha256: &str, predicate: &str| {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "", "digest": { "sha256": sha256 } }],
            "predicateType": predicate,
            "predicate": {},
        })
        .to_string()
    };
    let bundle = |statement: &str, key: &SigningKey| {
        let signed = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "" }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": String::from_utf8(openssl(&["base64", "-A"], statement.as_bytes())).expect("base64"),
                "payloadType": kind,
                "signatures": [{ "sig": key.sign(signed.as_bytes()) }],
            },
        })
        .to_string()
    };
    let registry = Registry::start();
    let manifest = registry.push("1", &noop());
    let sha256 = manifest.trim_start_matches("sha256:");
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    demand(&fetching.project, &[&key]);
    let put = |text: &str| {
        let layer = registry.keep("application/vnd.dev.sigstore.bundle.v0.3+json", text.as_bytes());
        let _ = registry.keep_manifest("bundle", &[layer], Some(&manifest));
    };
    let about = "https://sigstore.dev/cosign/sign/v1";
    let good = statement(sha256, about);
    for (text, why) in [
        (bundle(&good, &other), "the signature is not by `keys/0.pub`"),
        (bundle(&statement(&"0".repeat(64), about), &key), "the signature is for another artifact: "),
        (
            bundle(&statement(sha256, "https://slsa.dev/provenance/v1"), &key),
            "what is signed says something else about it",
        ),
        ("{}".to_owned(), "the bundle is damaged: it has no signed statement"),
    ] {
        put(&text);
        refused(&fetching.project, "lock", why);
    }
    put(&bundle(&good, &key));
    let _ = fetching.project.windlass("lock").exits(0);
    fetching.runs();
}

/// A case that plays with nothing.
const CASES: &str = "[[case]]\nname = \"a\"\n";

#[test]
fn what_comes_from_elsewhere_is_not_even_looked_at_without_its_signature() {
    let key = SigningKey::new();
    let (server, signature) = with_url();
    let secure = Secure::before(server.port());
    let url = secure.url("/noop.wasm");
    let fetching = Fetching::new(&url, &secure);
    let project = &fetching.project;
    project.write("cases.toml", CASES);
    let commands = [
        format!("plugin inspect {url}"),
        format!("schema {url}"),
        format!("plugin test {url} --cases cases.toml"),
        format!("plugin test {url} --cases cases.toml --record"),
    ];
    demand(project, &[&key]);
    for words in &commands {
        refused(project, words, "there is no signature with it");
    }
    assert!(fetching.kept().is_empty(), "nothing is kept of what is refused");
    // Where nobody can tell what is demanded, it is not asked for.
    let text = project.read("deploy.toml");
    project.write("deploy.toml", &format!("{text}\nnothing = \"known\"\n"));
    let asked = server.received().len();
    for words in &commands {
        let output = project.windlass(words).exits(2);
        assert!(output.stderr.contains("deploy.toml:"), "{words}: {}", output.all());
    }
    assert_eq!(server.received().len(), asked);
    project.write("deploy.toml", &text);
    *signature.lock().expect("no panic") = Some(key.sign(&noop()));
    for words in &commands {
        let _ = project.windlass(words).exits(0);
    }
    // Elsewhere nobody demands it.
    *signature.lock().expect("no panic") = None;
    std::fs::remove_file(project.path().join("deploy.toml")).expect("removed");
    for words in &commands {
        let _ = project.windlass(words).exits(0);
    }
}

#[test]
fn a_file_is_tried_without_a_signature_unless_it_is_a_step() {
    let key = SigningKey::new();
    let project = with_file().file("cases.toml", CASES).file("mine/cases.toml", CASES);
    std::fs::copy(guest("noop"), project.path().join("mine/noop.wasm")).expect("a copy");
    let manifest = "[plugin]\nname = \"noop\"\nlanguage = \"rust\"\ncomponent = \"noop.wasm\"\n";
    project.write("windlass-plugin.toml", manifest);
    demand(&project, &[&key]);
    let whole = project.path().join("noop.wasm");
    let whole = whole.display();
    // By whichever name.
    for file in ["./noop.wasm", "mine/../noop.wasm", &whole.to_string()] {
        for words in [format!("plugin inspect {file}"), format!("schema {file}"), format!("plugin test {file}")] {
            refused(&project, &words, "there is no signature with it");
        }
    }
    // What its author has just built is not signed yet.
    for words in ["plugin inspect mine/noop.wasm", "schema mine/noop.wasm", "plugin test mine/noop.wasm"] {
        let _ = project.windlass(words).exits(0);
    }
    // It was not built just now.
    refused(&project, "plugin test . --no-build", "there is no signature with it");
    project.write("noop.wasm.sig", &key.sign(&noop()));
    for words in ["plugin inspect ./noop.wasm", "plugin test . --no-build"] {
        let _ = project.windlass(words).exits(0);
    }
}

/// Nobody knows what a configuration demands that cannot be read, or that is not where it was said to be.
#[test]
fn a_file_is_not_tried_where_nobody_knows_what_is_demanded() {
    let key = SigningKey::new();
    let project = with_file().file("cases.toml", CASES);
    demand(&project, &[&key]);
    let words = ["plugin inspect ./noop.wasm", "schema ./noop.wasm", "plugin test ./noop.wasm"];
    let unknown = |more: &str, why: &str| {
        for words in words {
            let output = project.windlass(&format!("{words}{more}")).exits(2);
            assert!(output.stderr.contains(why), "{words}{more}: {}", output.all());
        }
        // What is part of Windlass needs no signature.
        let _ = project.windlass(&format!("plugin inspect command{more}")).exits(0);
    };
    unknown(" --config deplyo.toml", "there is no `deplyo.toml`");
    let config = project.read("deploy.toml");
    project.write("deploy.toml", &config.replace("app = ", "ap = "));
    unknown("", "`ap`");
    project.write("deploy.toml", &config.replace("signed-by = [\"", "signed-by = [\"no"));
    unknown("", "`policy.signed-by` names what is no key");
    std::fs::remove_file(project.path().join("deploy.toml")).expect("a file");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere.toml", project.path().join("deploy.toml")).expect("a link");
        unknown("", "there is no `deploy.toml`");
        std::fs::remove_file(project.path().join("deploy.toml")).expect("a link");
    }
    // Where there is none, nobody demands anything.
    for words in words {
        let _ = project.windlass(words).exits(0);
    }
}

#[test]
fn a_list_asks_nobody_for_a_signature() {
    let key = SigningKey::new();
    let server = Server::start(|request| match request.path.as_str() {
        "/noop.wasm" => Answer::new(200, noop()),
        _ => Answer::new(404, "no"),
    });
    let secure = Secure::before(server.port());
    let fetching = Fetching::new(&secure.url("/noop.wasm"), &secure);
    let _ = fetching.project.windlass("lock").exits(0);
    let output = fetching.project.windlass("plugin list").exits(0);
    assert!(output.stdout.contains("noop.wasm 0.1.0: `noop`. Does nothing.\n"), "{}", output.stdout);
    demand(&fetching.project, &[&key]);
    let asked = server.received().len();
    let output = fetching.project.windlass("plugin list").exits(0);
    let why = "no signature of it was fetched yet, which `windlass plugin verify` does";
    assert!(output.stdout.contains(&format!("noop.wasm 0.1.0: cannot be used: {why}\n")), "{}", output.stdout);
    assert_eq!(server.received().len(), asked);
}
