//! What a person reads: the result, the four things apart, every failure with its file, what stays open.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use crate::{
    bundle::{
        statement::RunResult,
        verify::{PackageSummary, Shown, Step, StepName, Verdict, Verification},
    },
    clock::rfc3339,
};

const WIDTH: usize = 80;
/// Failures shown for each step; the rest is counted, and all are in `--json`.
const MAX_FAILURES: usize = 20;

/// Prints each verification; `advice` is the command to type when no key was given.
pub(super) fn print(each: &[Verification], advice: Option<&str>) {
    for (at, verification) in each.iter().enumerate() {
        if at > 0 {
            anstream::println!();
        }
        print_one(verification, advice);
    }
}

fn print_one(verification: &Verification, advice: Option<&str>) {
    let (word, colour) = match verification.result {
        Verdict::Verified => ("VERIFIED", AnsiColor::Green),
        Verdict::Stale => ("STALE", AnsiColor::Yellow),
        Verdict::Incomplete => ("INCOMPLETE", AnsiColor::Yellow),
        Verdict::Untrusted => ("UNTRUSTED", AnsiColor::Red),
        Verdict::Tampered => ("TAMPERED", AnsiColor::Red),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    anstream::println!("{style}{word}{style:#}  {}", headline(verification));
    print_bundle(verification);
    verification.package.iter().for_each(print_package);
    anstream::println!();
    if verification.bundle.is_some() || verification.package.is_some() {
        print_shown(&verification.shown, verification);
        anstream::println!();
    }
    print_steps(&verification.steps);
    if !verification.open.is_empty() {
        anstream::println!("\nWhat this leaves open:");
        for sentence in &verification.open {
            paragraph("  - ", "    ", sentence);
        }
    }
    if let Some(command) = advice {
        print_advice(verification.claimed_key.as_deref(), command);
    }
}

fn headline(verification: &Verification) -> String {
    if let Some(package) = &verification.package {
        let clusters: Vec<&str> = package.clusters.iter().map(|cluster| cluster.folder.as_str()).collect();
        return format!("package of {} to {}: {}", package.from, package.to, clusters.join(", "));
    }
    let Some(bundle) = &verification.bundle else {
        return match verification.result {
            Verdict::Untrusted => "not by a key that you trust, or not what was asked for: see FAILED".to_owned(),
            _ => "nothing in it can be relied on".to_owned(),
        };
    };
    let run = match bundle.run {
        RunResult::Complete => "complete",
        RunResult::Partial => "partial",
        RunResult::Failed => "failed",
    };
    if verification.bundles > 1 {
        format!("{}, {} bundles, the newest of {}", bundle.folder, verification.bundles, rfc3339(bundle.finished))
    } else {
        format!("{}, {run} run of {} (claimed)", bundle.folder, rfc3339(bundle.finished))
    }
}

fn print_package(package: &PackageSummary) {
    anstream::println!("package        {}", package.id.hex());
    anstream::println!("root           {}", package.root.hex());
    anstream::println!("made           {} (claimed)", rfc3339(package.made));
    anstream::println!("key            {}", package.key.hex());
    let run_key = package.run_key.filter(|key| *key != package.key);
    let run_key = run_key.map_or_else(|| "the same".to_owned(), |key| key.hex());
    anstream::println!("runs' key      {run_key}");
    let scope = package.scope.iter().map(|scope| format!("the scope {scope}"));
    let frameworks = (!package.frameworks.is_empty()).then(|| package.frameworks.join(", "));
    let people = package.pseudonyms.iter().map(|key| format!("pseudonyms (key {key})"));
    let limits: Vec<String> = scope.chain(frameworks).chain(people).collect();
    if !limits.is_empty() {
        anstream::println!("limited to     {}", limits.join("; "));
    }
    for cluster in &package.clusters {
        let left_out = match cluster.excluded {
            0 => String::new(),
            n => format!(", {n} left out; data/period.json names the reasons"),
        };
        anstream::println!("runs           {} of {}{left_out}", cluster.runs, cluster.folder);
    }
}

fn print_bundle(verification: &Verification) {
    let Some(bundle) = &verification.bundle else { return };
    anstream::println!("bundle         {}", bundle.id.hex());
    anstream::println!("evidence root  {}", bundle.evidence_root.hex());
    if bundle.unseen > 0 {
        anstream::println!("not seen       {} of the sources asked for; data/coverage.json names them", bundle.unseen);
    }
}

fn print_shown(shown: &Shown, verification: &Verification) {
    let yes_no = |yes| if yes { "yes" } else { "no" };
    let index = verification.bundle.as_ref().and_then(|bundle| bundle.index);
    let included = match index {
        Some(index) if shown.included => format!("yes, entry {index} of its log"),
        _ => yes_no(shown.included).to_owned(),
    };
    let fresh = match shown.fresh {
        None => "not asked (--max-age)".to_owned(),
        Some(fresh) => format!("{}, by claimed times", yes_no(fresh)),
    };
    let authentic = if shown.authentic { "yes, signed by the key you trust, unchanged since" } else { "no" };
    for (name, value) in [
        ("authentic", authentic),
        ("included", &included),
        ("anchored", if shown.anchored { "yes" } else { "no, there is no time stamp" }),
        ("fresh", &fresh),
    ] {
        anstream::println!("{name:<10} {value}");
    }
}

/// One line for each step that passed, and one for each check that failed.
fn print_steps(steps: &[Step]) {
    let mut by_step: BTreeMap<StepName, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        by_step.entry(step.step).or_default().push(step);
    }
    for (name, checks) in by_step {
        let failed: Vec<&&Step> = checks.iter().filter(|step| !step.ok).collect();
        match (failed.as_slice(), checks.as_slice()) {
            ([], [one]) => line(Verdict::Verified, name, &one.detail),
            ([], [.., last]) if name == StepName::Log => line(Verdict::Verified, name, &last.detail),
            ([], many) => line(Verdict::Verified, name, &format!("{} checks passed", many.len())),
            (failed, _) => {
                for step in failed.iter().take(MAX_FAILURES) {
                    line(step.result, name, &format!("{}: {}", step.subject, step.detail));
                }
                if failed.len() > MAX_FAILURES {
                    let more = failed.len() - MAX_FAILURES;
                    line(failed[0].result, name, &format!("and {more} more (--json has all)"));
                }
            }
        }
    }
}

fn line(verdict: Verdict, step: StepName, text: &str) {
    let (word, colour) = match verdict {
        Verdict::Verified => ("ok", AnsiColor::Green),
        Verdict::Stale | Verdict::Incomplete => ("MISSING", AnsiColor::Yellow),
        Verdict::Untrusted | Verdict::Tampered => ("FAILED", AnsiColor::Red),
    };
    let word = if verdict == Verdict::Stale { "STALE" } else { word };
    let name = match step {
        StepName::Files => "files",
        StepName::Envelope => "envelope",
        StepName::Manifest => "manifest",
        StepName::Content => "content",
        StepName::Log => "log",
        StepName::Time => "time",
        StepName::Replay => "replay",
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let mut lines = wrap(text, WIDTH - 18).into_iter();
    anstream::println!("{style}{word:<7}{style:#} {name:<9} {}", lines.next().unwrap_or_default());
    for rest in lines {
        anstream::println!("{:18}{rest}", "");
    }
}

fn print_advice(claimed: Option<&str>, command: &str) {
    anstream::println!();
    if let Some(claimed) = claimed {
        paragraph("", "", "The envelope says, and anybody could have written so, that this key signed it:");
        anstream::println!("  {}", printable(claimed));
    }
    paragraph(
        "",
        "",
        "Ask those who run kubeproof for the public key, not by way of this folder, compare its id, and type:",
    );
    anstream::println!("  {command}");
}

fn paragraph(first: &str, rest: &str, text: &str) {
    for (at, line) in wrap(text, WIDTH - first.len()).iter().enumerate() {
        anstream::println!("{}{line}", if at == 0 { first } else { rest });
    }
}

/// Names in a bundle nobody proved may hold anything, also sequences that drive terminals.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Breaks at spaces; a word longer than a line stays whole, so that names can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable(text).split(' ') {
        let room = lines.last().map_or(0, |line| line.chars().count() + 1 + word.chars().count());
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if room <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_names_stay_whole() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("a averylongname b", 5), ["a", "averylongname", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn terminal_sequences_do_not_reach_the_terminal() {
        assert_eq!(wrap("data/\u{1b}[2Ja", 40), ["data/\u{fffd}[2Ja"]);
    }
}
