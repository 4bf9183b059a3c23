//! Whole documents from invented runs.

mod sample;

use sample::{busy, empty, many};

use super::*;

/// Writes documents for people to look at: `KUBEPROOF_LOOK=DIR cargo test --lib report::tests::look`.
#[test]
fn look() {
    let Some(dir) = option_env!("KUBEPROOF_LOOK") else { return };
    for (name, sample) in [("empty", empty()), ("busy", busy(false)), ("full", busy(true)), ("many", many(5000))] {
        let started = std::time::Instant::now();
        let pdf = pdf(&sample.input()).unwrap();
        println!("{name}: {} ms, {} bytes", started.elapsed().as_millis(), pdf.len());
        std::fs::write(format!("{dir}/{name}.pdf"), pdf).unwrap();
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let sample = busy(true);
    assert!(pdf(&sample.input()).unwrap() == pdf(&sample.input()).unwrap());
}
