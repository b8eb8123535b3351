//! Environments that come and go, such as a review app for each branch: one table of the file stands for all that its `name`
//! fits.

use super::holes::{Holes, fill_text};
use super::source::NOTHING_WAS_RUN;
use super::{Config, Environment, EnvironmentName};
use crate::problem::{Code, Problem};

/// A name with one `*` in it, which stands for what tells one environment from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    after: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let (before, after) = text.split_once('*').ok_or_else(|| format!("`{text}` has no `*`"))?;
        if before.is_empty() && after.is_empty() {
            return Err(format!("`{text}` fits every name, so that no misspelt one would be a mistake"));
        }
        // Anything that may stand there will do to see whether the rest is a name.
        EnvironmentName::try_from(text.replacen('*', "x", 1))?;
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// What `*` stands for in a name; none where it does not fit.
    #[must_use]
    pub fn instance<'n>(&self, name: &'n str) -> Option<&'n str> {
        let instance = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        (!instance.is_empty() && EnvironmentName::try_from(name.to_owned()).is_ok()).then_some(instance)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}*{}", self.before, self.after)
    }
}

impl Environment {
    /// Whether a place of this name is this environment, or one of those that it stands for.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.instance(name).is_some(),
            None => self.name == name,
        }
    }
}

impl Config {
    /// From here on there is an environment of this name, where one stands for it that the file has no name of its own for.
    pub fn instantiate(&mut self, name: &str) {
        if self.environments.iter().any(|environment| environment.name == name) {
            return;
        }
        let found = self.environments.iter().find_map(|environment| {
            let instance = environment.pattern.as_ref()?.instance(name)?;
            let holes = Holes { instance: Some(instance.to_owned()), ..Holes::default() };
            let filled = |url: &String| fill_text(url, &holes).ok().map(std::borrow::Cow::into_owned);
            Some(Environment {
                name: EnvironmentName::try_from(name.to_owned()).ok()?,
                instance: Some(instance.to_owned()),
                url: environment.url.as_ref().and_then(filled),
                pattern: None,
                ..environment.clone()
            })
        });
        self.environments.extend(found);
    }

    /// That an environment is one, and does not stand for many.
    pub(super) fn is_one(environment: &Environment) -> Result<&Environment, Problem> {
        let Some(pattern) = &environment.pattern else { return Ok(environment) };
        Err(Problem::new(Code::Usage, format!("`{}` stands for many environments", environment.name))
            .because(format!("its `name` is `{pattern}`"))
            .with_note(NOTHING_WAS_RUN)
            .with_hint(format!("name one of them, for example `-e {}`", pattern.to_string().replace('*', "feature-1"))))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::config::tests::good;
    use crate::config::{Holes, fill};
    use serde_json::json;

    #[test]
    fn a_pattern_fits_names_with_something_in_its_place() {
        let pattern = Pattern::new("review/*").unwrap();
        assert_eq!(pattern.instance("review/feature-1"), Some("feature-1"));
        assert_eq!(pattern.instance("review/a/b"), Some("a/b"));
        for other in ["review", "review/", "reviews/a", "a/review/b", "review/../b", "review/${x}", "review/a\n"] {
            assert_eq!(pattern.instance(other), None, "{other:?}");
        }
        assert_eq!(Pattern::new("pr-*.eu").unwrap().instance("pr-7.eu"), Some("7"));
        assert_eq!(Pattern::new("pr-*.eu").unwrap().instance("pr-.eu"), None);
        for wrong in ["review", "*", "*/*", "re view/*/", "../*", ""] {
            assert!(Pattern::new(wrong).is_err(), "{wrong:?}");
        }
    }

    const REVIEW: &str = "schema = 1\napp = \"shop\"\n\
        [environments.review]\ntransient = true\nname = \"review/*\"\nurl = \"https://review.example/${environment.instance}\"\n\
        step.a.with.set = { A = \"${environment.instance}\" }\n\
        [environments.staging]\n\
        [[step]]\nid = \"a\"\nplugin = \"command\"\nenvironments = [\"review\"]\n\
        with = { run = [\"deploy\", \"$${x}\", \"${environment.url}/health\"] }\n\
        [[step]]\nid = \"b\"\nplugin = \"command\"\nenvironments = [\"staging\"]\nwith.run = [\"true\"]\n";

    #[test]
    fn one_table_stands_for_all_that_fit_and_the_holes_stay_until_one_is_known() {
        let mut config = good(REVIEW);
        let with = |name: &str, config: &crate::config::Config| {
            let environment = config.environments.iter().find(|it| it.name == name).unwrap();
            config.steps_for(environment, None).unwrap().steps[0].with.clone()
        };
        let open = with("review", &config);
        assert_eq!(
            open,
            json!({
                "run": ["deploy", "$${x}", "https://review.example/${environment.instance}/health"],
                "set": { "A": "${environment.instance}" },
            })
        );
        assert!(config.environment(Some("review")).unwrap_err().what.contains("stands for many"));
        assert!(config.environment(Some("review/one")).is_err());
        config.instantiate("review/one");
        config.instantiate("review/one");
        config.instantiate("reviews/one");
        assert_eq!(config.environments.len(), 3);
        let one = config.environment(Some("review/one")).unwrap();
        assert_eq!(one.url.as_deref(), Some("https://review.example/one"));
        assert_eq!((one.key.as_str(), one.instance.as_deref(), one.transient), ("review", Some("one"), true));
        // What is accepted for all is asked for by each.
        assert_eq!(with("review/one", &config), open);
        let holes = Holes { instance: one.instance.clone(), ..Holes::default() };
        let filled = fill(&open, &holes).unwrap();
        assert_eq!(filled["run"], json!(["deploy", "${x}", "https://review.example/one/health"]));
        assert_eq!(filled["set"]["A"], "one");
    }
}
