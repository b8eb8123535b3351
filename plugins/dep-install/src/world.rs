//! What this step sees and does, as traits, so that everything that decides can be tested without either.

use crate::commands::Invocation;
use windlass_plugin::Failure;

/// The files of the step's folder.
pub(crate) trait Files {
    /// A file's text; none where it is not there or is not UTF-8.
    fn read(&self, name: &str) -> Option<String>;
    /// Whether there is something of this name; a link that leads nowhere counts.
    fn exists(&self, name: &str) -> bool;
    /// The digest of a file, which need not be text; none where it cannot be read.
    fn fingerprint(&self, name: &str) -> Option<String>;
}

/// Programs and what was kept, beside the files.
pub(crate) trait World: Files {
    /// Run a program to its end and get all that it said.
    ///
    /// # Errors
    /// Where it was denied, or could not be found or started.
    fn run(&self, invocation: &Invocation) -> Result<Output, Failure>;
    /// What an earlier run of this step kept under this key.
    fn kept(&self, key: &str) -> Option<String>;
}

/// Programs that change something.
pub(crate) trait Workplace: World {
    /// Run a program to its end while whoever watches sees what it says.
    ///
    /// # Errors
    /// As [`World::run`].
    fn stream(&self, invocation: &Invocation) -> Result<Ended, Failure>;
    /// Keep something for a later run of this step.
    ///
    /// # Errors
    /// Where the host cannot.
    fn keep(&self, key: &str, value: &str) -> Result<(), Failure>;
    /// Say what is being done.
    fn progress(&self, message: &str);
    /// Say what is worth a look.
    fn warn(&self, message: &str);
}

/// How a program that was watched ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Whether it ended with code 0.
    pub succeeded: bool,
    /// How it ended, in words.
    pub ending: String,
    /// The last lines that it wrote.
    pub tail: String,
    /// Whether it failed, and these are that something was refused.
    pub refused: bool,
}

/// What a program said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Whether it ended with code 0.
    pub succeeded: bool,
    /// Standard output.
    pub standard: String,
    /// Standard error.
    pub error: String,
}

impl Output {
    /// Both, for finding a message wherever the tool chose to write it.
    pub(crate) fn everything(&self) -> String {
        format!("{}\n{}", self.standard, self.error)
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A folder and programs that are not there.

    use super::{Ended, Files, Output, Workplace, World};
    use crate::commands::Invocation;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use windlass_plugin::Failure;

    /// Files, the answers of programs by command line, and what was kept.
    #[derive(Default)]
    pub(crate) struct Fake {
        pub files: BTreeMap<String, String>,
        pub answers: BTreeMap<String, Output>,
        pub kept: BTreeMap<String, String>,
        pub ran: RefCell<Vec<String>>,
        pub keeps: RefCell<BTreeMap<String, String>>,
        /// The file that every watched program changes, if any.
        pub spoils: Option<&'static str>,
        pub spoiled: RefCell<bool>,
    }

    impl Fake {
        pub(crate) fn with(files: &[(&str, &str)]) -> Self {
            let files = files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
            Self { files, ..Self::default() }
        }

        /// A program that ends well, or not, after saying this.
        pub(crate) fn answering(mut self, command: &str, succeeded: bool, text: &str) -> Self {
            self.answers.insert(command.into(), Output { succeeded, standard: text.into(), error: String::new() });
            self
        }
    }

    impl Files for Fake {
        fn read(&self, name: &str) -> Option<String> {
            let spoiled = self.spoils == Some(name) && *self.spoiled.borrow();
            self.files.get(name).map(|text| if spoiled { format!("{text}\nmore") } else { text.clone() })
        }
        fn fingerprint(&self, name: &str) -> Option<String> {
            self.read(name).map(|text| crate::lockfile::digest(text.as_bytes()))
        }
        fn exists(&self, name: &str) -> bool {
            let folder = format!("{name}/");
            self.files.keys().any(|file| file == name || file.starts_with(&folder))
        }
    }

    impl World for Fake {
        fn run(&self, invocation: &Invocation) -> Result<Output, Failure> {
            let line = invocation.line();
            self.ran.borrow_mut().push(line.clone());
            self.answers.get(&line).cloned().ok_or_else(|| {
                Failure::unavailable("program-not-found", format!("`{}` was not found", invocation.program))
            })
        }
        fn kept(&self, key: &str) -> Option<String> {
            self.kept.get(key).cloned()
        }
    }

    impl Workplace for Fake {
        fn stream(&self, invocation: &Invocation) -> Result<Ended, Failure> {
            let output = self.run(invocation)?;
            *self.spoiled.borrow_mut() = true;
            let ending = if output.succeeded { "exit code 0" } else { "exit code 1" };
            let tail = output.everything();
            let refused = tail.contains("Permission denied");
            Ok(Ended { succeeded: output.succeeded, ending: ending.into(), tail, refused })
        }
        fn keep(&self, key: &str, value: &str) -> Result<(), Failure> {
            self.keeps.borrow_mut().insert(key.into(), value.into());
            Ok(())
        }
        fn progress(&self, _: &str) {}
        fn warn(&self, _: &str) {}
    }
}
