//! Programs of the project that a step could replace before it runs them.

use super::check::parts;
use super::{Access, Capability, Directory, EVERYTHING, Exec, Ports, Secret, SecretUse};
use crate::problem::{Code, Problem};

/// Refuses a program of the project that lies where the same step may write: what is written there would run outside the
/// plugin's sandbox, or with more than was accepted for whatever wrote it.
///
/// # Errors
/// [`Code::StepConfigInvalid`], to be completed with the step by the caller.
pub fn not_replaceable(capabilities: &[Capability]) -> Result<(), Problem> {
    let refused = |program: &Exec, tree: &str, who: &str, why: &str| {
        Err(Problem::new(
            Code::StepConfigInvalid,
            format!("the program `{}` lies in `{tree}`, which {who} may change", program.program),
        )
        .because(why)
        .with_note("nothing was run")
        .with_hint("put the program where the step changes nothing, or make two steps of it"))
    };
    for program in programs(capabilities).filter(|program| program.program.contains('/')) {
        for capability in capabilities {
            if let Capability::Directory(Directory { path, access: Access::Write, .. }) = capability
                && lies_in(&program.program, path)
            {
                return refused(
                    program,
                    path,
                    "the step",
                    "what the plugin writes there would run outside its sandbox",
                );
            }
        }
        if let Some((other, tree)) =
            changed_by_others(program, capabilities).find(|(_, tree)| lies_in(&program.program, tree))
        {
            let who = format!("`{}`", other.program);
            return refused(program, tree, &who, "what that writes there would run with more than was accepted for it");
        }
    }
    Ok(())
}

fn programs(capabilities: &[Capability]) -> impl Iterator<Item = &Exec> {
    capabilities.iter().filter_map(|capability| match capability {
        Capability::Exec(exec) => Some(exec),
        _ => None,
    })
}

/// What other programs may change, where what they write there could be run as this one, with more than was accepted for them.
pub(super) fn changed_by_others<'a>(
    program: &Exec,
    capabilities: &'a [Capability],
) -> impl Iterator<Item = (&'a Exec, &'a str)> {
    let has_secret = capabilities.iter().any(|capability| match capability {
        Capability::Secret(Secret { usage: SecretUse::ChildVariable { program: Some(whose), .. }, .. }) => {
            *whose == program.program
        }
        _ => false,
    });
    programs(capabilities)
        .filter(move |other| other.program != program.program && (!program.has_no_more_than(other) || has_secret))
        .flat_map(|other| other.writes.iter().map(move |tree| (other, tree.as_str())))
}

/// Whether a path of the project lies in a tree, judged by its text. Links are judged when it is run.
fn lies_in(path: &str, tree: &str) -> bool {
    let relative = |path: &str| !path.starts_with('/');
    tree == EVERYTHING || (relative(path) && relative(tree) && parts(path).starts_with(&parts(tree)))
}

impl Exec {
    /// Whether the program may change and reach nothing that another one may not.
    fn has_no_more_than(&self, other: &Self) -> bool {
        let within = |tree: &String| other.writes.iter().any(|wider| wider == tree || lies_in(tree, wider));
        let reaches = match (&self.connects, &other.connects) {
            (_, Ports::Any(_)) => true,
            (Ports::Any(_), Ports::These(_)) => false,
            (Ports::These(ports), Ports::These(others)) => ports.iter().all(|port| others.contains(port)),
        };
        reaches && self.writes.iter().all(within)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Phase, Phases};
    use super::*;

    fn phases() -> Phases {
        [Phase::Apply].into()
    }

    fn runs(program: &str, writes: &[&str], connects: Ports) -> Capability {
        Capability::Exec(Exec {
            program: program.into(),
            arguments: vec![],
            directory: ".".into(),
            variables: vec![],
            toolchains: vec![],
            background: false,
            writes: writes.iter().map(|&tree| tree.into()).collect(),
            connects,
            phases: phases(),
        })
    }

    fn changes(path: &str, access: Access) -> Capability {
        Capability::Directory(Directory { path: path.into(), access, phases: phases() })
    }

    #[test]
    fn a_plugin_writes_no_program_that_it_runs() {
        let none = Ports::default;
        for (program, tree, access, accepted) in [
            ("./dist/deploy", "dist", Access::Write, false),
            ("dist/./deploy", "./dist/", Access::Write, false),
            ("dist/bin/deploy", "dist", Access::Write, false),
            ("./dist/deploy", "dist", Access::Read, true),
            ("./bin/deploy", "dist", Access::Write, true),
            ("./distant/deploy", "dist", Access::Write, true),
            ("deploy", "dist", Access::Write, true),
        ] {
            let capabilities = [runs(program, &[], none()), changes(tree, access)];
            assert_eq!(not_replaceable(&capabilities).is_ok(), accepted, "{program} {tree}");
        }
    }

    #[test]
    fn a_program_writes_none_that_may_do_more() {
        let none = Ports::default;
        let these = |ports: &[u16]| Ports::These(ports.to_vec());
        for (program, other, accepted) in [
            (runs("./bin/a", &["dist"], none()), runs("make", &["bin"], none()), false),
            (runs("./bin/a", &["bin"], none()), runs("make", &["bin"], none()), true),
            (runs("./bin/a", &[], these(&[443])), runs("make", &["bin"], these(&[80, 443])), true),
            (runs("./bin/a", &[], these(&[443])), runs("make", &["bin"], these(&[80])), false),
            (runs("./bin/a", &[], Ports::ANY), runs("make", &["/"], none()), false),
            (runs("./bin/a", &[], Ports::ANY), runs("make", &["/"], Ports::ANY), true),
            (runs("./bin/a", &["/"], Ports::ANY), runs("make", &["dist"], none()), true),
            (runs("./bin/a", &["/bin"], none()), runs("make", &["bin"], none()), false),
        ] {
            assert_eq!(not_replaceable(&[program.clone(), other.clone()]).is_ok(), accepted, "{program} {other}");
        }
        let secret = Capability::Secret(Secret {
            name: "KEY".into(),
            usage: SecretUse::ChildVariable { variable: "KEY".into(), program: Some("./bin/a".into()) },
            phases: phases(),
        });
        let problem = not_replaceable(&[runs("./bin/a", &[], none()), runs("make", &["bin"], none()), secret]);
        assert!(problem.is_err(), "it would get the other one's secret");
    }
}
