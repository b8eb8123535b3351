//! Whatever stands in `deploy.toml`, it is a config or there are errors that a person can read.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match windlass::config::parse("deploy.toml", text) {
        Ok(config) => {
            assert!(!config.environments.is_empty(), "a config without an environment");
            // One that stands for many is none itself.
            for environment in config.environments.iter().filter(|it| it.pattern.is_none()) {
                let name = environment.name.as_str();
                assert_eq!(config.environment(Some(name)).map(|it| &it.name), Ok(&environment.name));
                let _ = config.steps_for(environment, None);
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "it was refused, and nobody says why");
            for problem in problems {
                let text = problem.to_string();
                assert!(!text.trim().is_empty());
            }
        }
    }
});
