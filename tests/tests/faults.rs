//! What a run comes to while its forge, or the way there, fails: at each request, and in random mixes. Whatever happens, the
//! forge shows one deployment of it in the end, in its right state, and the exit code is the right one.

#![cfg(unix)]

use e2e::Project;
use e2e::fault::{Dice, Fault, lasting, passing};
use e2e::mix::{Blow, Forge, Mix, each};
use e2e::server::Answer;
use e2e::steps::{Step, text};

/// How many random mixes are tried.
const MIXES: u64 = 520;

/// Sets the one seed that is tried, to see again what went wrong.
const SEED: &str = "WINDLASS_TEST_SEED";

/// How many run beside each other. Most of the time they wait.
const BESIDE: usize = 24;

/// Where leases and journals are kept: on this machine only, or on the forge as well.
#[derive(Debug, Clone, Copy)]
enum Store {
    Local,
    Forge,
}

fn template(store: Store, steps: &[Step]) -> Project {
    let top = match store {
        Store::Local => "store = \"local\"",
        Store::Forge => "",
    };
    Project::with(&text(top, steps)).locked()
}

fn succeeds(store: Store) -> Project {
    template(store, &[Step::marks("a")])
}

/// The requests of a run that succeeds, where nothing goes wrong.
fn requests(number: u64, template: &Project) -> Vec<String> {
    let mix = Mix::new(Forge::start(number), template);
    let output = mix.run(Blow::None, |_, _| None).expect("it ends");
    assert_eq!(output.code, Some(0), "{}", output.all());
    let requests = mix.forge.requests();
    assert_eq!(mix.judge(&output), Ok(()));
    requests
}

#[test]
fn each_fault_at_each_request_leaves_the_truth() {
    let templates = [succeeds(Store::Local), succeeds(Store::Forge)];
    let mut cases = vec![];
    for (number, kept) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        for at in 0..requests(number, &templates[kept]).len() {
            let faults = passing().into_iter().map(|fault| (fault, false));
            let faults = faults.chain(lasting().into_iter().map(|fault| (fault, true))).enumerate();
            // Where much is kept there are many requests: each meets some of the faults.
            let faults = faults.filter(|(place, _)| kept == 0 || (place + at) % 6 == 0).map(|(_, fault)| fault);
            cases.extend(faults.map(|fault| (number, kept, at, fault)));
        }
    }
    // Whoever does not answer is waited for for so long that one of each forge is enough: at the creation.
    let silence = || ("silence".to_owned(), Fault::After(Answer::silence()));
    let limit = u64::try_from(cases.len()).expect("a number");
    let wrong = each(limit + 2, BESIDE, |number| {
        let case = usize::try_from(number).ok().and_then(|place| cases.get(place));
        let (forge, kept, at, (name, fault), is_lasting) = match case {
            Some((forge, kept, at, ((name, fault), is_lasting))) => {
                (*forge, *kept, *at, ((*name).to_owned(), fault.clone()), *is_lasting)
            }
            None if number == limit => (0, 0, 1, silence(), false),
            None => (1, 0, 1, silence(), false),
        };
        let mix = Mix::new(Forge::start(forge), &templates[kept]);
        let output = mix.run(Blow::None, move |number, _| {
            (usize::try_from(number) == Ok(at)).then(|| (name.clone(), is_lasting, fault.clone()))
        });
        let judged = output.and_then(|output| {
            mix.judge(&output)?;
            let retired = mix.forge.has_retired();
            let is_right = is_lasting || (output.code == Some(0) && retired);
            if is_right { Ok(()) } else { Err(format!("retired: {retired}, {}", output.all())) }
        });
        judged.map_err(|why| format!("{:?}: {why}", mix.told()))
    });
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), limit + 2, wrong.join("\n\n"));
}

/// What a run is there for.
struct Kind {
    template: Project,
    /// What it comes to by itself.
    outcome: &'static str,
    /// Whether its step waits to be ended.
    waits: bool,
}

fn kinds(store: Store) -> Vec<Kind> {
    let waits = || Step::of("a", "echo $$ > waiting; exec sleep 300");
    vec![
        Kind { template: succeeds(store), outcome: "succeeded", waits: false },
        Kind { template: template(store, &[Step::marks("a"), Step::fails("b")]), outcome: "rolled-back", waits: false },
        Kind {
            template: template(store, &[Step::of("a", "exit 3").key("on_failure = \"stop\"")]),
            outcome: "failed",
            waits: false,
        },
        Kind { template: template(store, &[waits()]), outcome: "cancelled", waits: true },
    ]
}

fn mixed(seed: u64, kinds: &[Vec<Kind>; 2]) -> Result<(), String> {
    let mut dice = Dice::of(seed);
    let forge = Forge::start(dice.below(4));
    let is_kept = dice.below(2) == 1;
    let kind = dice.pick::<Kind>(&kinds[usize::from(is_kept)]);
    let blow = if kind.waits {
        Blow::AtStep(dice.pick::<&str>(&["TERM", "TERM", "KILL"]))
    } else if dice.below(3) == 0 {
        Blow::AtRequest(
            dice.pick::<&str>(&["TERM", "KILL"]),
            u32::try_from(dice.below(6)).unwrap_or(0),
            dice.below(2) == 0,
        )
    } else {
        Blow::None
    };
    // In percent: of each request, and of each of those, of something that lasts.
    let (chance, grave) = (*dice.pick(&[0, 10, 25, 45]), *dice.pick(&[0, 15, 40]));
    let is_elsewhere = is_kept && matches!(forge, Forge::GitHub(_)) && dice.below(2) == 0;
    let mix = Mix::new(forge, &kind.template).reaped_elsewhere(is_elsewhere.then_some(8008));
    let (passing, lasting) = (passing(), lasting());
    let output = mix.run(blow, move |_, _| {
        if dice.below(100) >= chance {
            return None;
        }
        let is_grave = dice.below(100) < grave;
        let (name, fault) = dice.pick(if is_grave { &lasting } else { &passing });
        Some(((*name).to_owned(), is_grave, fault.clone()))
    });
    let judged = output.and_then(|output| {
        mix.judge(&output)?;
        let outcome = output.stdout.lines().last().unwrap_or_default().to_owned();
        let of = |word: &str| outcome.contains(&format!("\"outcome\":\"{word}\""));
        // By itself it comes to what it is there for, unless the forge refused it or somebody ended it.
        let is_right = of(kind.outcome) || of("blocked") || blow != Blow::None || mix.has_lost_lease(&output);
        if is_right { Ok(()) } else { Err(format!("it should have {}: {}", kind.outcome, output.all())) }
    });
    judged.map_err(|why| format!("{blow:?}, {:?}: {why}", mix.told()))
}

#[test]
fn random_mixes_leave_the_truth() {
    let kinds = [kinds(Store::Local), kinds(Store::Forge)];
    if let Some(seed) = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) {
        assert_eq!(mixed(seed, &kinds), Ok(()));
        return;
    }
    let wrong = each(MIXES, BESIDE, |seed| mixed(seed, &kinds));
    assert!(
        wrong.is_empty(),
        "{} of {MIXES} went wrong. One again: {SEED}=NUMBER cargo test -p e2e --test faults random\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn what_a_deployment_costs_in_requests_is_what_the_guide_says() {
    let (local, kept) = (succeeds(Store::Local), succeeds(Store::Forge));
    let (github, gitlab) = (requests(0, &local), requests(1, &local));
    let (github_kept, gitlab_kept) = (requests(0, &kept), requests(1, &kept));
    // The first of an application has nothing to retire.
    let first = {
        let fake = e2e::github::GitHub::start();
        let project =
            fake.variables().iter().fold(local.copy(), |project, (name, value)| project.variable(name, value));
        let _ = project.windlass("run -e staging").exits(0);
        fake.requests()
    };
    assert!(github.len() < 12, "{github:?}");
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/ci.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    for line in [
        format!("| GitHub | {} | {} | {} |", first.len(), github.len(), github_kept.len()),
        format!("| GitLab | {} | {} | {} |", gitlab.len(), gitlab.len(), gitlab_kept.len()),
    ] {
        assert!(
            guide.contains(&line),
            "docs/guide/ci.md does not say `{line}`; the first on GitHub: {first:#?}, a later one: {github:#?}, with \
             what is kept: {github_kept:#?}, on GitLab: {gitlab:#?}, {gitlab_kept:#?}"
        );
    }
}
