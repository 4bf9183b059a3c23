//! `kubeproof status`: is evidence fresh? For people and for monitoring, from outside the cluster.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    Exit, Failure, Outcome, clock,
    list::run_word,
    stores::{Format, StoreArgs, failure, runtime},
};
use crate::{
    clock::rfc3339,
    store::{
        Store,
        freshness::{Freshness, State, judge, words},
        inventory::{Inventory, Standing},
    },
};

/// Bundles looked at: enough to find a good run behind a few failed ones.
const LOOKED_AT: usize = 20;

/// Tell whether evidence is fresh
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 fresh, 4 the newest entry is not by the key, 5 the log has slots that hold
something else, 6 stale; 2 when the store cannot be read. Ages are by the runs' own claims.

Examples:
  kubeproof status --store s3://evidence/prod --key signing.pub
  kubeproof status --max-age 8d --format json")]
pub(super) struct Args {
    #[command(flatten)]
    place: StoreArgs,
    /// Greatest age of the newest evidence: 90m, 26h, 7d
    #[arg(long, value_name = "AGE", default_value = "26h", value_parser = max_age)]
    max_age: TimeDelta,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The store or the key cannot be read.
pub(super) fn run(args: &Args) -> Outcome {
    let (store, key, now) = (args.place.open()?, args.place.key()?, clock()?.now());
    let inventories: Vec<Inventory> = runtime()?.block_on(async {
        let mut inventories = Vec::new();
        for cluster in args.place.clusters(&store).await? {
            inventories.push(store.inventory(&cluster, key.as_ref(), LOOKED_AT).await.map_err(failure)?);
        }
        Ok::<_, Failure>(inventories)
    })?;
    let judged: Vec<(&Inventory, Freshness<'_>)> =
        inventories.iter().map(|inventory| (inventory, judge(inventory, now, args.max_age))).collect();
    let state = judged.iter().map(|(_, found)| found.state).max().unwrap_or(State::Stale);
    match args.format {
        Format::Json => anstream::println!("{:#}", json(&store, &judged, state, key.is_some(), args.max_age, now)),
        Format::Text => print(&store, &judged, key.is_some()),
    }
    Ok(match state {
        State::Fresh => Exit::Done,
        State::Stale => Exit::Stale,
        State::Incomplete => Exit::Incomplete,
        State::Untrusted => Exit::Untrusted,
    })
}

fn max_age(text: &str) -> Result<TimeDelta, String> {
    let parsed = humantime::parse_duration(text).ok().and_then(|duration| TimeDelta::from_std(duration).ok());
    parsed.ok_or_else(|| format!("'{text}' is not a time such as 90m, 26h or 7d"))
}

fn json(
    store: &Store,
    judged: &[(&Inventory, Freshness<'_>)],
    state: State,
    checked: bool,
    max_age: TimeDelta,
    now: DateTime<Utc>,
) -> Value {
    let clusters: Vec<Value> = judged.iter().map(|(inventory, found)| cluster_json(inventory, found)).collect();
    json!({
        "schema": "kubeproof.dev/status/v1",
        "store": store.url(),
        "state": state,
        "signaturesChecked": checked,
        "maxAgeSeconds": max_age.num_seconds(),
        "at": rfc3339(now),
        "clusters": clusters,
    })
}

fn cluster_json(inventory: &Inventory, found: &Freshness<'_>) -> Value {
    let predicate = found.newest.and_then(|entry| entry.predicate.as_ref());
    let index = found.newest.and_then(|entry| match entry.standing {
        Standing::Signed { index } => Some(index),
        Standing::Claimed | Standing::Refused { .. } => None,
    });
    json!({
        "cluster": inventory.cluster,
        "state": found.state,
        "reasons": found.reasons,
        "bundle": found.newest.map(|entry| entry.id.hex()),
        "index": index,
        "run": predicate.map(|predicate| predicate.run.result),
        "finishedClaimed": predicate.map(|predicate| rfc3339(predicate.run.finished)),
        "ageSecondsClaimed": found.age.map(|age| age.num_seconds()),
        "skipped": inventory.skipped.len(),
    })
}

fn print(store: &Store, judged: &[(&Inventory, Freshness<'_>)], checked: bool) {
    if judged.is_empty() {
        anstream::println!("STALE  no evidence in {}", store.url());
    }
    for (inventory, found) in judged {
        let (word, colour) = match found.state {
            State::Fresh => ("FRESH", anstyle::AnsiColor::Green),
            State::Stale => ("STALE", anstyle::AnsiColor::Yellow),
            State::Incomplete => ("INCOMPLETE", anstyle::AnsiColor::Yellow),
            State::Untrusted => ("UNTRUSTED", anstyle::AnsiColor::Red),
        };
        let style = colour.on_default().bold();
        anstream::println!("{style}{word}{style:#}  {}  {}", inventory.cluster, age(found));
        for reason in &found.reasons {
            anstream::println!("       {reason}");
        }
    }
    anstream::println!();
    anstream::println!(
        "Ages are by the runs' own clocks (claimed). {}",
        if checked { "Signatures and log entries checked." } else { "Nothing verified: give --key signing.pub." }
    );
}

fn age(found: &Freshness<'_>) -> String {
    match (found.newest.and_then(|entry| entry.predicate.as_ref()), found.age) {
        (Some(predicate), Some(age)) => {
            let at = predicate.run.finished.format("%Y-%m-%d %H:%M UTC");
            format!("{} run of {at}, {} old", run_word(predicate.run.result), words(age))
        }
        _ => "no evidence".into(),
    }
}
