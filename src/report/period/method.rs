//! What a run is, what statuses mean, and what does not follow from either.

use crate::report::view::{Block, Section, Text};

pub(super) fn section() -> Section {
    let words: [(&str, &str); 9] = [
        (
            "A run",
            "One collection: read-only lists of the API, each recorded with its answer; secrets replaced before anything \
             is written; every object with its digest; checks judged, and all of it signed and entered in the cluster's \
             log.",
        ),
        (
            "Runs are moments",
            "What happens between two runs is seen by neither. So counts are of runs and never of time, and what began or \
             ended has two bounds: the last run that saw it otherwise and the first that saw it so.",
        ),
        (
            "Exceptions noted",
            "A check that decides the requirement failed on that run, whether or not somebody had waived the failure.",
        ),
        ("None noted", "Everything that the cluster can show for the requirement was in order on that run."),
        (
            "Incomplete",
            "A deciding check could not run, mostly because a list was refused. It never counts as in order, and never as \
             the end of an exception.",
        ),
        ("Attested, inherited", "A person's signed statement, or a provider's document, within its last day."),
        (
            "Exception",
            "One failure of one check at one place, from the first run that saw it to the run that saw the place without \
             it. One that comes back is another exception.",
        ),
        (
            "Cause",
            "An exception begins or ends because an object changed, because the rules or what people declared changed, or \
             because it could not be seen before. Only a change in the cluster counts as a repair.",
        ),
        (
            "Times",
            "In UTC, as the machines that ran the collection claimed them; the log gives their order. Runs are numbered \
             from 0000 in that order, as their folders in the package are.",
        ),
    ];
    let pairs = words.iter().map(|(name, text)| ((*name).to_owned(), Text::from(*text))).collect();
    Section { title: "Method".into(), new_page: false, blocks: vec![Block::Pairs { pairs }] }
}
