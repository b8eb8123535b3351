//! What a run is about, and the place that it deploys to.

use serde::{Deserialize, Serialize};

/// Who, where and what a run is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The component, where one is deployed by itself.
    pub component: Option<String>,
    /// The commit, in full.
    pub commit: String,
    /// The branch or tag.
    pub reference: Option<String>,
    /// The version.
    pub version: String,
    /// Who started it.
    pub actor: Option<String>,
}

/// Where something is deployed to: what a release, a lease and a history belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The part of the app that is deployed by itself; none for an app without parts.
    pub component: Option<String>,
}

impl Place {
    /// What people call it: the environment, with the component where there is one.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.component {
            Some(component) => format!("{} ({component})", self.environment),
            None => self.environment.clone(),
        }
    }

    /// The options that name this place on the command line, fit to be pasted into a shell.
    #[must_use]
    pub fn options(&self) -> String {
        let environment = &self.environment;
        let quote = if environment.contains(' ') { "'" } else { "" };
        let component = self.component.as_ref().map(|component| format!(" --component {component}"));
        format!("-e {quote}{environment}{quote}{}", component.unwrap_or_default())
    }
}

impl Subject {
    /// Where it is deployed to.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { app: self.app.clone(), environment: self.environment.clone(), component: self.component.clone() }
    }
}
