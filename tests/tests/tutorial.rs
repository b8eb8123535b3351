//! `docs/plugin-authoring.md`, done line by line.

use e2e::distribution::Distribution;
use e2e::{Project, languages, transcript, workspace};

/// The authorities of this system, which cargo and others are to go on with.
fn authorities() -> String {
    let file = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| "/etc/ssl/certs/ca-certificates.crt".into());
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn the_tutorial_is_as_it_says() {
    let page = std::fs::read_to_string(workspace().join("docs/plugin-authoring.md")).expect("the page");
    let registry = Distribution::start(false);
    let project = languages::online(Project::new());
    let bundle = project.path().parent().expect("a directory").join("authorities.pem");
    std::fs::write(&bundle, authorities() + registry.secure().authority()).expect("a file");
    let mut project = project
        .variable("SSL_CERT_FILE", &bundle.to_string_lossy())
        .variable("REGISTRY", &registry.reference("you").replace("oci://", ""));
    for role in ["AUTHOR", "COMMITTER"] {
        project = project
            .variable(&format!("GIT_{role}_NAME"), "you")
            .variable(&format!("GIT_{role}_EMAIL"), "you@example.com");
    }
    transcript::follow(&page, &project);
}
