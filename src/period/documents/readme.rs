//! `readme.md`: what the package is, and the commands that prove it.

mod walk;

use std::fmt::Write as _;

use super::{
    super::{
        model::{Ending, Period},
        words,
    },
    About, DocumentError, Folder,
};
use crate::{bundle::package, report::view};

pub(super) fn write(period: &Period, about: &About, folder: Folder<'_>) -> Result<(), DocumentError> {
    Ok(folder.put("readme.md", readme(period, about).as_bytes())?)
}

/// What the package is, and the commands that prove it.
fn readme(period: &Period, about: &About) -> String {
    let mut text = format!(
        "# Evidence from {} to {}\n\n\
         {}\n\n\
         Made {} by kubeproof {} from {}.\n\
         {} used, {} left out (named with the reason in `data/period.json`, `excluded`).\n\n",
        period.from,
        period.to,
        view::marking(period.confidentiality.as_deref()),
        crate::clock::rfc3339(period.made),
        period.tool_version,
        period.stores.join(" and "),
        words::count(period.runs() as u64, "bundle", "bundles"),
        period.excluded(),
    );
    for cluster in &period.clusters {
        let runs = words::count(cluster.runs.len() as u64, "run", "runs");
        let open = cluster.exceptions.iter().filter(|exception| exception.ending == Ending::Open).count();
        let exceptions = words::count(cluster.exceptions.len() as u64, "exception", "exceptions");
        let _ = writeln!(text, "- {}: {runs}, {exceptions}, {open} still open", cluster.folder);
        for remark in &cluster.remarks {
            let _ = writeln!(text, "  - {}", remark.text);
        }
    }
    let _ = write!(
        text,
        "\nThe signature shows that these bytes are unchanged since signing, by the key {}. It does not show that the \
         clusters told the truth.\n\n\
         ## Prove it\n\n\
         Compare the key's id with the one that you were given by another way. Then, in the folder above:\n\n\
         ```\nkubeproof verify PACKAGE --key signing.pub\n```\n\n\
         or without kubeproof, in the package's folder:\n\n```\n{}```\n\n\
         {COMMANDS_ABOUT} Here it is {}: every document names it. The commands prove everything below data and its signature; \
         bag-info.txt, bagit.txt, tagmanifest-sha256.txt and attest/bundle.sigstore.json say nothing that is not said there, \
         and `kubeproof verify` makes them again and demands equal bytes.\n\n",
        about.signing_key.hex(),
        commands(),
        about.root.hex(),
    );
    let _ = write!(
        text,
        "## Ask it\n\n\
         What was the state of a requirement on a day, how is it known, what happened when it failed, and which bytes \
         show it:\n\n```\n{}\n```\n\n",
        questions(period, None).join("\n"),
    );
    text.push_str(
        "## Draw a sample\n\n\
         The auditor chooses the seed after receiving the package, and anybody with both draws the same:\n\n\
         ```\nkubeproof sample PACKAGE --seed N --size 25 --stratify namespace --key signing.pub\n```\n\n\
         Without kubeproof, `python3 sample.py PACKAGE N 25 workload namespace`, sample.py being:\n\n```\n",
    );
    text.push_str(include_str!("../../../examples/sample.py"));
    text.push_str("```\n\n");
    text.push_str(&walk::from_a_status(period));
    text.push_str(
        "## Walk from a line to a signed byte\n\n\
         `data/period.json` names, for each exception and each member of the population, the objects that show it by \
         digest. `data/evidence/CLUSTER/objects.parquet` holds the text with that digest (column `json`; its SHA-256 is \
         the digest; null where it is left out, as `withheld` says), the run, and the bundle whose \
         `data/snapshot/objects.parquet` holds it. Who wrote: `managers.parquet` beside it holds the field managers that \
         the run's table notes for an object, by object and run; whom an audit log names is in an object of the kind \
         AuditTrail, listed in `trails`, with the entry's id. \
         `data/evidence/CLUSTER/runs/NNNN/` holds that bundle's manifest, its signed envelope and its entry in the log: \
         the manifest names the digest of that table, the envelope signs the manifest, the entry commits the envelope. \
         `data/evidence/CLUSTER/rules/NNNN/` holds what decided: every check, framework and declaration, under the number \
         of the run from which on it did; the manifests of the runs name the same digests. \
         That the row stands in that table is this package's word until the bundle is at hand: `kubeproof get` fetches \
         it.\n\n\
         - A bundle's id is the SHA-256 of what its signature is over: the DSSE pre-authentication encoding (PAE) of \
         `bundle.dsse.json`, made as the commands above make it for the package. It is the bundle's name in the store.\n\
         - `commit.tlog-proof` is the run's entry in the cluster's log, in the form C2SP tlog-proof@v1: `extra` holds \
         the leaf in base64, `index` its place, then come the hashes of the inclusion proof and the checkpoint, a note \
         signed by the log's key. The leaf is the canonical JSON (RFC 8785) \
         `{\"pae\":ID,\"sig\":SHA-256 of the signature,\"tsr\":[],\"type\":\"bundle\",\"v\":1}`, where `tsr` lists digests of \
         time stamps. Its hash is the SHA-256 of a zero byte and the leaf; two hashes make the next as SHA-256 of the \
         byte 1 and both (RFC 6962), up to the root that the checkpoint names. The log's key is in the run's statement \
         (`predicate.log.publicKey` of the payload in `bundle.dsse.json`).\n\
         - Ids such as X-0001 are of this package alone, in its order: another package of the same runs numbers its own. \
         The finding's id beside them is the same in every whole package; `kubeproof explain` takes both.\n\
         - `attest/bundle.sigstore.json` is the package's own envelope once more, as a Sigstore bundle v0.3, for tools \
         such as cosign. Nothing in it is new: `kubeproof verify` makes it again and demands equal bytes.\n",
    );
    text
}

/// What may be asked of the package, each with an example of its own where there is one; of one framework where it is
/// named.
pub(crate) fn questions(period: &Period, framework: Option<&str>) -> Vec<String> {
    let rows = || period.clusters.iter().flat_map(|cluster| cluster.requirements.iter().map(move |row| (cluster, row)));
    let rows = || rows().filter(|(_, row)| framework.is_none_or(|framework| row.framework == framework));
    let Some((cluster, row)) = rows().find(|(_, row)| !row.exceptions.is_empty()).or_else(|| rows().next()) else {
        return Vec::new();
    };
    let exception = row.exceptions.first().and_then(|id| cluster.exception(id));
    let run = cluster.runs.get(row.statuses.iter().rposition(Option::is_some).unwrap_or_default());
    let day = exception.and_then(|x| cluster.run(x.first_seen)).or(run).map(|run| run.finished.date_naive());
    let ask = |name: &str, more: &str| format!("kubeproof explain {name} --package PACKAGE{more} --key signing.pub");
    let of_row = ask(&row.full_id(), &day.map_or_else(String::new, |day| format!(" --on {day}")));
    let of_exception = exception.map(|x| ask(&x.id, ""));
    let object = exception.and_then(|x| x.evidence.first());
    let of_object = object.map(|cited| ask(&format!("sha256:{}", cited.digest.short(16)), "") + " | sha256sum");
    [Some(of_row), of_exception, of_object].into_iter().flatten().collect()
}

/// What proves the package without kubeproof, in its folder, with the key beside it: one subshell, so that the first
/// failure ends it wherever it is pasted. No line is wider than a page, since one that a PDF breaks cannot be copied from
/// it; and none needs two spaces, which PDFs do not keep.
pub(crate) fn commands() -> String {
    format!(
        "( set -euo pipefail; KEY=../signing.pub; W=$(mktemp -d); trap 'rm -r \"$W\"' EXIT\n\
         E=attest/bundle.dsse.json; M=manifest-sha256.txt\n\
         {KEY_ID}\n\
         B='./bag-info.txt ./bagit.txt ./manifest-sha256.txt ./tagmanifest-sha256.txt'\n\
         A='./attest ./attest/bundle.dsse.json ./attest/bundle.sigstore.json'\n\
         F=$(find . -mindepth 1 -path ./data -prune -o -print | LC_ALL=C sort | xargs)\n\
         test \"$F\" = \"$A $B\"\n\
         jq -r .payload $E | base64 -d > $W/p; T=$(jq -r .payloadType $E)\n\
         test \"$T\" = application/vnd.in-toto+json\n\
         test \"$(jq -r .predicateType $W/p)\" = {}\n\
         {{ printf 'DSSEv1 %d %s %d ' ${{#T}} \"$T\" $(wc -c < $W/p); cat $W/p; }} > $W/pae\n\
         jq -r '.signatures[0].sig' $E | base64 -d > $W/sig\n\
         openssl pkeyutl -verify -pubin -inkey \"$KEY\" -rawin -in $W/pae -sigfile $W/sig\n\
         S='[.subject[]|select(.name==\"manifest-sha256.txt\").digest.sha256]|join(\",\")'\n\
         test \"$(jq -r \"$S\" $W/p)\" = \"$(sha256sum < $M | cut -c1-64)\"\n\
         sha256sum -c --strict --quiet $M\n\
         diff <(cut -c67- $M | LC_ALL=C sort) <(find data -type f | LC_ALL=C sort)\n\
         test -z \"$(find . ! -type d ! -type f)\"\n\
         R=$(grep -v '^[0-9a-f]\\{{64\\}} .{}' $M | sha256sum | cut -c1-64)\n\
         echo \"VERIFIED $R\" )\n",
        package::PREDICATE_TYPE,
        package::DOCUMENTS,
    )
}

/// Prints the id of the key: SHA-256 of its public form in DER.
const KEY_ID: &str = "openssl pkey -pubin -in \"$KEY\" -outform DER | sha256sum";

/// What every reader of the commands has to know.
pub(crate) const COMMANDS_ABOUT: &str = "The key lies beside the package, not in it. The first line printed is the key's \
    id, to be compared with the one that you were given by another way. Every line must succeed: the last one printed \
    then is VERIFIED and the package's root; without it the package is not proved.";
