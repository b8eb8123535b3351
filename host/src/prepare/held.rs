//! Whether the programs of a plan can be held here to what was accepted for them.

use crate::policy::{Capability, Confinement, Held};
use crate::problem::{Code, Problem};
use crate::process::Means;

/// What programs can do here beyond what was accepted for them, with the reason; none where there is nothing.
pub(super) fn lacks<'a>(
    confinement: Confinement,
    means: Means,
    capabilities: impl IntoIterator<Item = &'a Capability>,
) -> Option<&'static str> {
    let held = Held::of(capabilities)?;
    if confinement == Confinement::Off {
        return Some(
            "programs can change any file and connect anywhere: `policy.confinement` in `deploy.toml` is `off`",
        );
    }
    means.lacks(held.ports)
}

/// Refuses what cannot be held where that is required.
///
/// # Errors
/// [`Code::ConfinementMissing`].
pub(super) fn must_be_held<'a>(
    confinement: Confinement,
    means: Means,
    capabilities: impl IntoIterator<Item = &'a Capability>,
) -> Result<(), Problem> {
    match lacks(confinement, means, capabilities) {
        Some(lacks) if confinement == Confinement::Required => Err(Problem::new(
            Code::ConfinementMissing,
            "the steps' programs cannot be held here to what `deploy.lock` accepts for them",
        )
        .because(lacks)
        .because("`policy.confinement` in `deploy.toml` is `required`")
        .with_note("nothing was run")
        .with_hint("run it on Linux 6.7 or newer, with Landlock turned on")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{lacks, must_be_held};
    use crate::policy::{AnyPort, Capability, Confinement, Exec, Phase, Ports};
    use crate::process::Means;

    fn runs(writes: &[&str], connects: Ports) -> [Capability; 1] {
        [Capability::Exec(Exec {
            program: "sh".into(),
            arguments: vec![],
            directory: ".".into(),
            variables: vec![],
            toolchains: vec![],
            background: false,
            writes: writes.iter().map(|&tree| tree.into()).collect(),
            connects,
            phases: [Phase::Apply].into(),
        })]
    }

    #[test]
    fn a_plan_says_what_cannot_be_held_where_anything_is_to_be() {
        let (any, none) = (Ports::Any(AnyPort::Any), Ports::default());
        let unconfined = runs(&["/"], any.clone());
        for confinement in [Confinement::WherePossible, Confinement::Required, Confinement::Off] {
            assert_eq!(lacks(confinement, Means::NoLandlock, &[]), None);
            assert_eq!(lacks(confinement, Means::NoLandlock, &unconfined), None, "nobody said that it would be held");
        }
        let said = |confinement, means, connects: &Ports| lacks(confinement, means, &runs(&["dist"], connects.clone()));
        let words = said(Confinement::WherePossible, Means::NoLandlock, &none);
        assert!(words.is_some_and(|words| words.contains("no Landlock")), "{words:?}");
        assert_eq!(said(Confinement::WherePossible, Means::FilesAndPorts, &none), None);
        assert_eq!(said(Confinement::WherePossible, Means::Files, &any), None, "it may connect anywhere anyway");
        assert!(said(Confinement::WherePossible, Means::Files, &none).is_some());
        let off = said(Confinement::Off, Means::FilesAndPorts, &none);
        assert!(off.is_some_and(|words| words.contains("`off`")), "{off:?}");
    }

    #[test]
    fn what_cannot_be_held_is_refused_where_that_is_required() {
        let held = runs(&["dist"], Ports::default());
        assert!(must_be_held(Confinement::WherePossible, Means::NoLandlock, &held).is_ok());
        assert!(must_be_held(Confinement::Required, Means::FilesAndPorts, &held).is_ok());
        let problem = must_be_held(Confinement::Required, Means::Files, &held).expect_err("ports are open");
        assert_eq!(problem.code.word(), "confinement-missing");
        assert!(problem.causes[0].contains("Linux 6.7"), "{problem:?}");
        assert!(problem.note.is_some() && problem.hint.is_some());
    }
}
