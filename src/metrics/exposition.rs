//! Texts of metrics that this program wrote, taken apart at their families and put together again.

use std::collections::BTreeSet;

/// One family: its two heading lines, and its samples.
struct Block<'a> {
    name: &'a str,
    head: Vec<&'a str>,
    samples: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn all(text: &'a str) -> Vec<Self> {
        let mut blocks: Vec<Self> = Vec::new();
        for line in text.lines() {
            let heading = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            match heading.and_then(|heading| heading.split(' ').next()) {
                Some(name) if blocks.last().is_none_or(|last| last.name != name) => {
                    blocks.push(Self { name, head: vec![line], samples: Vec::new() });
                }
                Some(_) => blocks.iter_mut().last().into_iter().for_each(|last| last.head.push(line)),
                None => blocks.iter_mut().last().into_iter().for_each(|last| last.samples.push(line)),
            }
        }
        blocks
    }

    fn write(&self, text: &mut String) {
        for line in self.head.iter().chain(&self.samples) {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// Name and labels, without the value.
fn series(sample: &str) -> &str {
    sample.rsplit_once(' ').map_or(sample, |(series, _)| series)
}

/// One text of several: each family once, each series once, the first text's value counting.
pub fn merged(texts: &[String]) -> String {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for block in texts.iter().flat_map(|text| Block::all(text)) {
        match blocks.iter_mut().find(|known| known.name == block.name) {
            None => blocks.push(block),
            Some(known) => {
                let present: BTreeSet<&str> = known.samples.iter().map(|sample| series(sample)).collect();
                let new: Vec<&str> =
                    block.samples.into_iter().filter(|sample| !present.contains(series(sample))).collect();
                known.samples.extend(new);
            }
        }
    }
    let mut text = String::new();
    blocks.iter().for_each(|block| block.write(&mut text));
    text
}

/// A run's new text with the families of the one before that it says nothing of: what a run without evidence leaves as
/// it was.
pub fn carried_over(new: &str, old: &str) -> String {
    let said: BTreeSet<&str> = Block::all(new).iter().map(|block| block.name).collect();
    let mut text = new.to_owned();
    let ours = format!("{}_", super::PREFIX);
    let kept = Block::all(old).into_iter().filter(|block| block.name.starts_with(&ours) && !said.contains(block.name));
    kept.for_each(|block| block.write(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "stray 1\n# HELP kubeproof_a A.\n# TYPE kubeproof_a gauge\nkubeproof_a{c=\"x y\"} 1\n\
                       # HELP kubeproof_b B.\n# TYPE kubeproof_b gauge\nkubeproof_b 2\n\
                       # HELP other_c C.\n# TYPE other_c gauge\nother_c 2\n";
    const NEW: &str =
        "# HELP kubeproof_a A.\n# TYPE kubeproof_a gauge\nkubeproof_a{c=\"x y\"} 7\nkubeproof_a{c=\"z\"} 8\n";

    #[test]
    fn a_family_stands_once_and_the_first_value_of_a_series_counts() {
        let both = merged(&[NEW.to_owned(), OLD.to_owned()]);
        assert_eq!(both.matches("# TYPE kubeproof_a gauge").count(), 1);
        assert!(both.contains("kubeproof_a{c=\"x y\"} 7") && !both.contains("kubeproof_a{c=\"x y\"} 1"), "{both}");
        assert!(both.contains("kubeproof_b 2") && !both.contains("stray"), "{both}");
        assert_eq!(merged(&[both.clone(), both.clone()]), both);
        assert_eq!(merged(&[]), "");
    }

    #[test]
    fn what_a_run_says_nothing_of_stays_and_nothing_foreign_comes_along() {
        let kept = carried_over(NEW, OLD);
        assert_eq!(kept, format!("{NEW}# HELP kubeproof_b B.\n# TYPE kubeproof_b gauge\nkubeproof_b 2\n"));
        assert_eq!(carried_over(NEW, "no metrics at all"), NEW);
    }
}
