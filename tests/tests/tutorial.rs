//! `docs/plugin-authoring.md`, done line by line.

use e2e::distribution::Distribution;
use e2e::{Project, transcript, workspace};

#[test]
fn the_tutorial_is_as_it_says() {
    let page = std::fs::read_to_string(workspace().join("docs/plugin-authoring.md")).expect("the page");
    let project = ["AUTHOR", "COMMITTER"].iter().fold(Project::new(), |project, role| {
        project.variable(&format!("GIT_{role}_NAME"), "you").variable(&format!("GIT_{role}_EMAIL"), "you@example.com")
    });
    let registry = Distribution::start(false);
    let project = project.file("authority.pem", registry.secure().authority());
    let authority = project.path().join("authority.pem").to_string_lossy().into_owned();
    let host = registry.reference("you").replace("oci://", "");
    let project = project.variable("REGISTRY", &host).variable("SSL_CERT_FILE", &authority);
    transcript::follow(&page, &project);
}
