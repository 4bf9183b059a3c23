//! `kubeproof list`: the bundles in a store.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::{
    Exit, Failure, Outcome,
    stores::{Format, StoreArgs, failure, runtime},
};
use crate::{
    bundle::statement::RunResult,
    clock::rfc3339,
    store::{
        Store,
        inventory::{Entry, Inventory, Standing},
    },
};

/// List the bundles in a store
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --key the list is the store's word. With it, signatures and log entries are checked;
files are not: 'kubeproof verify' does that.

Examples:
  kubeproof list
  kubeproof list --store s3://evidence/prod --key signing.pub
  kubeproof list --cluster prod-eu --limit 100 --format json")]
pub(super) struct Args {
    #[command(flatten)]
    place: StoreArgs,
    /// Bundles shown for each cluster, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// The store or the key cannot be read.
pub(super) fn run(args: &Args) -> Outcome {
    let (store, key) = (args.place.open()?, args.place.key()?);
    let inventories: Vec<Inventory> = runtime()?.block_on(async {
        let mut inventories = Vec::new();
        for cluster in args.place.clusters(&store).await? {
            inventories.push(store.inventory(&cluster, key.as_ref(), args.limit).await.map_err(failure)?);
        }
        Ok::<_, Failure>(inventories)
    })?;
    match args.format {
        Format::Json => {
            let json = json!({
                "schema": "kubeproof.dev/list/v1",
                "store": store.url(),
                "signaturesChecked": key.is_some(),
                "clusters": inventories.iter().map(cluster_json).collect::<Vec<_>>(),
            });
            anstream::println!("{json:#}");
        }
        Format::Text => print(&store, &inventories, key.is_some()),
    }
    let refused = inventories
        .iter()
        .flat_map(|inventory| &inventory.entries)
        .any(|entry| matches!(entry.standing, Standing::Refused { .. }));
    let skipped = inventories.iter().any(|inventory| !inventory.skipped.is_empty());
    Ok(match (refused, skipped) {
        (true, _) if key.is_some() => Exit::Untrusted,
        (true, _) | (_, true) => Exit::Incomplete,
        (false, false) => Exit::Done,
    })
}

fn cluster_json(inventory: &Inventory) -> Value {
    let skipped: Vec<Value> =
        inventory.skipped.iter().map(|skipped| json!({"slot": skipped.slot, "reason": skipped.reason})).collect();
    json!({
        "cluster": inventory.cluster,
        "commits": inventory.slots,
        "bundles": inventory.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "skipped": skipped,
    })
}

fn entry_json(entry: &Entry) -> Value {
    let (standing, index, reason) = match &entry.standing {
        Standing::Signed { index } => ("signed", Some(index), None),
        Standing::Claimed => ("claimed", None, None),
        Standing::Refused { reason } => ("refused", None, Some(reason)),
    };
    let predicate = entry.predicate.as_ref();
    json!({
        "bundle": entry.id.hex(),
        "slot": entry.slot,
        "standing": standing,
        "index": index,
        "reason": reason,
        "run": predicate.map(|predicate| predicate.run.result),
        "finishedClaimed": predicate.map(|predicate| rfc3339(predicate.run.finished)),
        "counts": predicate.map(|predicate| predicate.counts),
        "unseen": predicate.map(|predicate| predicate.coverage.unseen()),
    })
}

fn print(store: &Store, inventories: &[Inventory], checked: bool) {
    if inventories.is_empty() {
        anstream::println!(
            "nothing in {} yet; 'kubeproof run --store {}' writes the first bundle",
            store.url(),
            store.url()
        );
        return;
    }
    for (position, inventory) in inventories.iter().enumerate() {
        if position > 0 {
            anstream::println!();
        }
        anstream::println!("{}  {}", inventory.cluster, store.url());
        anstream::println!("{}", trimmed(&table(inventory)));
        for skipped in &inventory.skipped {
            anstream::println!("  slot {} skipped: {}", skipped.slot, skipped.reason);
        }
        if inventory.slots > inventory.entries.len() + inventory.skipped.len() {
            anstream::println!("  the newest {} of {}; --limit shows more", inventory.entries.len(), inventory.slots);
        }
    }
    anstream::println!();
    anstream::println!(
        "{}",
        if checked {
            "Signatures and log entries checked, files not: kubeproof verify proves a bundle."
        } else {
            "Nothing verified: this is the store's word. Give --key signing.pub to check it."
        }
    );
}

fn table(inventory: &Inventory) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table.set_header(["log", "finished (claimed)", "run", "fail", "unseen", "bundle"]);
    for entry in &inventory.entries {
        let position = match &entry.standing {
            Standing::Signed { index } => format!("#{index}"),
            Standing::Claimed => format!("({})", entry.slot),
            Standing::Refused { .. } => "!".into(),
        };
        let bundle = entry.id.short(12);
        match (&entry.standing, &entry.predicate) {
            (Standing::Refused { reason }, _) => table.add_row([&position, reason, "", "", "", &bundle]),
            (_, Some(predicate)) => table.add_row([
                &position,
                &predicate.run.finished.format("%Y-%m-%d %H:%M UTC").to_string(),
                run_word(predicate.run.result),
                &predicate.counts.fail.to_string(),
                &predicate.coverage.unseen().to_string(),
                &bundle,
            ]),
            (_, None) => table.add_row([&position, "its statement cannot be read", "", "", "", &bundle]),
        };
    }
    for column in [0, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// How a run ended, in a word.
pub(super) fn run_word(result: RunResult) -> &'static str {
    match result {
        RunResult::Complete => "complete",
        RunResult::Partial => "partial",
        RunResult::Failed => "failed",
    }
}

fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
