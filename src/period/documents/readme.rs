//! `readme.md`: what the package is, and the commands that prove it.

use std::fmt::Write as _;

use super::{
    super::{
        model::{Ending, Period},
        words,
    },
    About, DocumentError, Documents,
};
use crate::{bundle::package, report::view};

pub(super) fn write(period: &Period, about: &About) -> Result<Documents, DocumentError> {
    Ok(Documents::from([("readme.md".to_owned(), readme(period, about).into_bytes())]))
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
         The last line prints the package's root, {}: every document names it.\n\n",
        about.signing_key.hex(),
        commands(),
        about.root.hex(),
    );
    text.push_str(
        "## Draw a sample\n\n\
         The auditor chooses the seed after receiving the package, and anybody with both draws the same:\n\n\
         ```\nkubeproof sample PACKAGE --seed N --size 25 --stratify namespace --key signing.pub\n```\n\n\
         Without kubeproof, `python3 sample.py PACKAGE N 25 workload namespace`, sample.py being:\n\n```\n",
    );
    text.push_str(include_str!("../../../examples/sample.py"));
    text.push_str("```\n\n");
    text.push_str(
        "## Walk from a line to a signed byte\n\n\
         `data/period.json` names, for each exception and each member of the population, the objects that show it by \
         digest. `data/evidence/CLUSTER/objects.parquet` holds the text with that digest (column `json`; its SHA-256 is \
         the digest; null where it is left out, as `withheld` says), the run, and the bundle whose \
         `data/snapshot/objects.parquet` holds the same row. \
         `data/evidence/CLUSTER/runs/NNNN/` holds that bundle's manifest, its signed envelope and its entry in the log: \
         the manifest names the digest of that table, the envelope signs the manifest, the entry commits the envelope. \
         `data/evidence/CLUSTER/rules/NNNN/` holds what decided: every check, framework and declaration, under the number \
         of the run from which on it did; the manifests of the runs name the same digests. \
         That the row stands in that table is this package's word until the bundle is at hand: `kubeproof get` fetches \
         it.\n",
    );
    text
}

/// What proves the package without kubeproof, in its folder: one command a line, each of which must succeed. None is
/// wider than a page, since a line that a PDF breaks cannot be copied from it.
pub(crate) fn commands() -> String {
    format!(
        "E=attest/bundle.dsse.json M=manifest-sha256.txt\n\
         jq -r .payload $E | base64 -d > /tmp/p; T=$(jq -r .payloadType $E)\n\
         test \"$T\" = application/vnd.in-toto+json\n\
         test \"$(jq -r .predicateType /tmp/p)\" = {}\n\
         {{ printf 'DSSEv1 %d %s %d ' ${{#T}} \"$T\" $(wc -c < /tmp/p); cat /tmp/p; }} > /tmp/pae\n\
         jq -r '.signatures[0].sig' $E | base64 -d > /tmp/sig\n\
         openssl pkeyutl -verify -pubin -inkey signing.pub -rawin -in /tmp/pae -sigfile /tmp/sig\n\
         S='[.subject[]|select(.name==\"manifest-sha256.txt\").digest.sha256]|join(\",\")'\n\
         test \"$(jq -r \"$S\" /tmp/p)\" = \"$(sha256sum < $M | cut -c1-64)\"\n\
         sha256sum -c --strict --quiet $M\n\
         diff <(cut -c67- $M | LC_ALL=C sort) <(find data ! -type d | LC_ALL=C sort)\n\
         grep -v '  {}' $M | sha256sum\n",
        package::PREDICATE_TYPE,
        package::DOCUMENTS,
    )
}
