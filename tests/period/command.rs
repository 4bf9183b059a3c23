//! `kubeproof period` and `kubeproof verify` as people type them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::quarter::{Day, Quarter, keys};

/// A store of three days, the keys, and the command.
struct Desk {
    quarter: Quarter,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(days: impl IntoIterator<Item = Day>) -> Self {
        let desk = Self { quarter: Quarter::of(days), folder: tempfile::tempdir().unwrap() };
        keys().write(&desk.keys()).unwrap();
        desk
    }

    fn of_three_days() -> Self {
        let day = |number: u32| Day::new(&format!("2026-10-{number:02}T06:00:00Z"));
        Self::new([day(1), day(2).failing("cart", 2), day(3).failing("cart", 2)])
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("q4")
    }

    fn kubeproof(&self, command: &str) -> Command {
        let mut kubeproof = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        kubeproof.arg(command).env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME");
        kubeproof.env("KUBEPROOF_NOW", "2026-11-01T00:00:00Z").env("NO_COLOR", "1");
        kubeproof
    }

    fn period(&self, more: &[&str]) -> Said {
        let mut command = self.kubeproof("period");
        command.args(["--from", "2026-10-01", "--to", "2026-10-10", "--keys"]).arg(self.keys());
        command.arg("--store").arg(self.quarter.store().folder().unwrap()).arg("--out").arg(self.out()).args(more);
        Said::of(command.output().unwrap())
    }

    fn verify(&self, package: &Path) -> Said {
        let mut command = self.kubeproof("verify");
        command.arg(package).arg("--key").arg(self.keys().join("signing.pub"));
        Said::of(command.output().unwrap())
    }
}

#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn expect(&self, code: i32, needles: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        let all = format!("{}{}", self.out, self.err);
        for needle in needles {
            assert!(all.contains(needle), "no '{needle}' in {self:#?}");
        }
    }
}

#[test]
fn a_package_is_made_and_verified_on_eighty_columns() {
    let desk = Desk::of_three_days();
    let made = desk.period(&["--schedule", "59 5 * * *"]);
    made.expect(
        0,
        &["2026-10-01 to 2026-10-10: 3 verified runs", "3 runs, 3 of 10 that were due", "1 exception: 0 repaired"],
    );
    made.expect(0, &["CADENCE", "1 gap longer than the 1 day 2 hours of 1 requirement", "1 of 1 requirement"]);
    assert!(made.out.lines().all(|line| line.chars().count() <= 80), "{}", made.out);
    desk.verify(&desk.out()).expect(0, &["package of 2026-10-01 to 2026-10-10", "runs           3 of shop-0a1b2c3d"]);
    fs::write(desk.out().join("data/period.json"), "{}").unwrap();
    desk.verify(&desk.out()).expect(3, &["data/period.json"]);
    desk.period(&[]).expect(2, &["q4 exists", "name a new folder with --out"]);
}

#[test]
fn what_was_left_out_decides_the_exit_code() {
    let desk = Desk::of_three_days();
    let bundles = fs::read_dir(desk.quarter.path().join("bundles")).unwrap();
    let one = bundles.map(|bundle| bundle.unwrap().path()).min().unwrap();
    fs::write(one.join("data/coverage.json"), "{}").unwrap();
    desk.period(&[]).expect(3, &["LEFT OUT", "tampered: data/coverage.json", "1 bundle is not used"]);
    desk.verify(&desk.out()).expect(0, &["1 left out"]);
    fs::remove_dir_all(desk.out()).unwrap();
    fs::remove_dir_all(one).unwrap();
    desk.period(&[]).expect(5, &["missing: the log names it, and it is not in the store"]);
    fs::remove_dir_all(desk.out()).unwrap();
    Desk::new([Day::new("2026-09-01T06:00:00Z")]).period(&[]).expect(5, &["no verified run", "0 verified runs"]);
}

#[test]
fn every_slip_says_what_to_do() {
    let desk = Desk::of_three_days();
    desk.period(&["--framework", "pci-dss"]).expect(2, &["no run of the period evaluated 'pci-dss'", "pss-baseline"]);
    desk.period(&["--scope", "cards"]).expect(2, &["had declared the scope 'cards'", "scope.yaml"]);
    desk.period(&["--cluster", "eu"]).expect(2, &["no cluster 'eu' in the stores", "shop-0a1b2c3d"]);
    desk.period(&["--schedule", "nowhere.yaml"]).expect(2, &["cannot read the schedule nowhere.yaml", "five fields"]);
    desk.period(&["--schedule", "0 6 * * *", "--time-zone", "Mars"]).expect(2, &["time zone 'Mars' is not known"]);
    desk.period(&["--store", "nowhere"]).expect(2, &["nowhere"]);
    desk.period(&["--to", "2026-09-01"]).expect(2, &["the argument '--to <DAY>' cannot be used multiple times"]);
    let backwards = |from: &str, to: &str| {
        let mut command = desk.kubeproof("period");
        command.args(["--from", from, "--to", to, "--keys"]).arg(desk.keys());
        command.arg("--store").arg(desk.quarter.store().folder().unwrap()).arg("--out").arg(desk.out());
        Said::of(command.output().unwrap())
    };
    backwards("2026-10-10", "2026-10-01").expect(2, &["the period ends on 2026-10-01, before it begins on 2026-10-10"]);
    backwards("2027-10-10", "2027-10-12").expect(2, &["begins on 2027-10-10, which has not come yet"]);
    backwards("10.10.2026", "2026-10-12").expect(2, &["--from <DAY>"]);
    let store = desk.quarter.store();
    let replica = store.folder().unwrap().display().to_string();
    desk.period(&["--store", &replica]).expect(2, &["cluster 'shop-0a1b2c3d' is in", "a replica is no second cluster"]);
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display().to_string();
    desk.period(&["--store", &empty]).expect(2, &["holds no cluster", "kubeproof run --store"]);
    fs::remove_dir_all(desk.keys()).unwrap();
    desk.period(&[]).expect(2, &["no keys in", "a package is signed", "kubeproof keys generate"]);
    assert!(!desk.out().exists(), "nothing is written by a slip");
}
