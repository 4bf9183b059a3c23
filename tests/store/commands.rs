//! `list`, `get`, `status` and `daemon` as a user types them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use kubeproof::bundle::SigningKey;
use serde_json::Value;
use tempfile::TempDir;

use super::{CLUSTER, Place, block_on, bundle, deliver, files_below};

const NOON_OF_THE_THIRD: &str = "2026-11-03T12:00:00Z";

/// A store with three runs, and a folder with keys to work in.
struct Desk {
    place: Place,
    folder: TempDir,
}

impl Desk {
    async fn at(place: Place) -> Self {
        for number in 0..3 {
            deliver(&place.open(), &bundle(number)).await.unwrap();
        }
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("signing.pub"), SigningKey::from_seed([1; 32]).public().to_pem().unwrap())
            .unwrap();
        fs::write(folder.path().join("other.pub"), SigningKey::from_seed([9; 32]).public().to_pem().unwrap()).unwrap();
        Self { place, folder }
    }

    fn command(&self, line: &str, now: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).env("KUBEPROOF_NOW", now);
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME").envs(&self.place.env);
        command
    }

    /// Standard output and exit code of `kubeproof LINE --store STORE`.
    fn run_at(&self, line: &str, now: &str) -> (String, i32) {
        let output = self.command(line, now).args(["--store", &self.place.url]).output().unwrap();
        (text(&output), output.status.code().unwrap())
    }

    fn run(&self, line: &str) -> (String, i32) {
        self.run_at(line, NOON_OF_THE_THIRD)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The store's folder of the cluster.
    fn cluster(&self) -> std::path::PathBuf {
        Path::new(&self.place.url).join("clusters").join(CLUSTER)
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn list_shows_the_newest_first_within_80_columns_and_says_what_it_rests_on() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let (claimed, exit) = desk.run("list");
        assert_eq!(exit, 0, "{claimed}");
        assert!(claimed.contains("Nothing verified: this is the store's word."), "{claimed}");
        let (signed, exit) = desk.run("list --key signing.pub --limit 2");
        assert_eq!(exit, 0, "{signed}");
        let rows: Vec<Vec<&str>> = signed
            .lines()
            .filter(|line| line.contains(" UTC "))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let (newest, older) = (bundle(2).id.short(12), bundle(1).id.short(12));
        assert_eq!(rows[0], ["#2", "2026-11-03", "06:00", "UTC", "complete", "2", "0", &newest]);
        assert_eq!(rows[1], ["#1", "2026-11-02", "06:00", "UTC", "complete", "2", "0", &older]);
        assert!(signed.contains("the newest 2 of 3; --limit shows more"), "{signed}");
        let table = claimed.lines().chain(signed.lines()).filter(|line| !line.contains(&desk.place.url));
        assert!(
            table.clone().all(|line| line.chars().count() <= 100)
                && table.filter(|l| l.contains("UTC ")).all(|l| l.chars().count() <= 80)
        );
    });
}

#[test]
fn list_in_json_names_what_is_signed_and_what_is_not() {
    block_on(async {
        let desk = Desk::at(Place::s3().await).await;
        let (text, exit) = desk.run("list --format json --key signing.pub");
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (exit, &list["schema"], &list["signaturesChecked"]),
            (0, &"kubeproof.dev/list/v1".into(), &true.into())
        );
        let newest = &list["clusters"][0]["bundles"][0];
        assert_eq!(
            (newest["bundle"].as_str(), &newest["standing"], &newest["index"]),
            (Some(&*bundle(2).id.hex()), &"signed".into(), &2.into())
        );

        let (text, exit) = desk.run("list --format json --key other.pub");
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, &list["clusters"][0]["bundles"][0]["standing"]), (4, &"refused".into()));
    });
}

#[test]
fn a_commit_that_the_log_did_not_sign_is_refused() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let stranger = kubeproof::bundle::LogKey::from_seed([7; 32]);
        let forged =
            kubeproof::bundle::Commit::first(bundle(0).leaf, &kubeproof::bundle::log_origin(CLUSTER), &stranger);
        fs::write(desk.cluster().join("log/commits/0000000003.tlog-proof"), forged.bytes()).unwrap();
        let (text, exit) = desk.run("list --key signing.pub");
        assert_eq!(exit, 4, "{text}");
        assert!(text.contains("its commit is not this log's") && text.contains("slot 3 skipped"), "{text}");
    });
}

#[test]
fn an_empty_store_says_what_to_type() {
    block_on(async {
        let (place, folder) = (Place::folder().await, TempDir::new().unwrap());
        place.open();
        let desk = Desk { place, folder };
        let (text, exit) = desk.run("list");
        assert!(exit == 0 && text.starts_with("nothing in ") && text.contains("kubeproof run --store"), "{text}");
        let (text, exit) = desk.run("status");
        assert!(exit == 6 && text.starts_with("STALE  no evidence in "), "{text}");
        let (text, exit) = desk.run("get");
        assert!(exit == 2 && text.contains("holds 0 clusters"), "{text}");
    });
}

#[test]
fn get_fetches_what_verify_proves_offline() {
    block_on(async {
        for place in [Place::folder().await, Place::s3().await] {
            let desk = Desk::at(place).await;
            let (text, exit) = desk.run("get --key signing.pub --out fetched");
            assert_eq!(exit, 0, "{text}");
            let verified = desk.command("verify fetched --key signing.pub", NOON_OF_THE_THIRD).output().unwrap();
            assert!(verified.status.success(), "{}", super::commands::text(&verified));
            for (name, bytes) in bundle(2).files {
                assert_eq!(fs::read(desk.path("fetched/bundle").join(name)).unwrap(), bytes);
            }
            let (text, exit) = desk.run("get --key signing.pub --out fetched");
            assert!(exit == 2 && text.contains("cannot write fetched: it exists already"), "{text}");
        }
    });
}

#[test]
fn get_finds_older_bundles_by_digits_or_index() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let digits = format!("get {} --key signing.pub --cluster shop", bundle(1).id.short(8));
        let (text, exit) = desk.run(&digits);
        assert_eq!(exit, 0, "{text}");
        assert!(desk.path(&bundle(1).id.short(12)).join("bundle/bagit.txt").is_file());
        let (text, exit) = desk.run("get #0 --key signing.pub --out first");
        assert_eq!(exit, 0, "{text}");
        assert_eq!(fs::read(desk.path("first/bundle/data/drift.json")).unwrap(), bundle(0).files["data/drift.json"]);
        let (text, exit) = desk.run("get ffffffff --key signing.pub");
        assert!(exit == 2 && text.contains("no bundle 'ffffffff'"), "{text}");
    });
}

#[test]
fn a_changed_byte_in_the_store_is_named_and_nothing_is_written() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let file = desk.cluster().join("bundles").join(bundle(2).id.hex()).join("data/drift.json");
        fs::write(file, "{\"run\":9}").unwrap();
        let (text, exit) = desk.run("get --key signing.pub --out fetched");
        assert_eq!(exit, 3, "{text}");
        assert!(text.contains("data/drift.json") && text.contains("nothing was written"), "{text}");
        assert!(!desk.path("fetched").exists());
    });
}

#[test]
fn without_a_key_get_writes_and_says_that_nothing_is_verified() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let (text, exit) = desk.run("get --out fetched");
        assert!(
            exit == 4 && text.contains("not verified: no key was given; kubeproof verify fetched --key signing.pub"),
            "{text}"
        );
        assert!(
            desk.path("fetched/bundle/manifest-sha256.txt").is_file()
                && desk.path("fetched/log/0000000002.tlog-proof").is_file()
        );
    });
}

#[test]
fn the_same_bundle_gives_the_same_zip_with_every_file() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        for name in ["a.zip", "b.zip"] {
            let (text, exit) = desk.run(&format!("get --key signing.pub --zip {name}"));
            assert_eq!(exit, 0, "{text}");
        }
        let bytes = fs::read(desk.path("a.zip")).unwrap();
        assert_eq!(bytes, fs::read(desk.path("b.zip")).unwrap());
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut expected = bundle(2).files;
        for position in 0..archive.len() {
            let mut entry = archive.by_index(position).unwrap();
            let (name, mut content) = (entry.name().unwrap().into_owned(), Vec::new());
            entry.read_to_end(&mut content).unwrap();
            match name.strip_prefix("bundle/") {
                Some(name) => assert_eq!(expected.remove(name), Some(content.into()), "{name}"),
                None => assert!(name.starts_with("log/") && name.ends_with(".tlog-proof"), "{name}"),
            }
        }
        assert!(expected.is_empty(), "{:?}", expected.keys());
    });
}

#[test]
fn status_is_fresh_until_its_age_is_greater_than_asked() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        let cases = [
            ("2026-11-03T12:00:00Z", 0, "FRESH  shop-0a1b2c3d  complete run of 2026-11-03 06:00 UTC, 5h 59m old"),
            ("2026-11-04T08:00:04Z", 0, "FRESH"),
            ("2026-11-04T08:00:05Z", 6, "older than 1d 2h"),
            ("2026-11-03T05:56:00Z", 0, "FRESH"),
            ("2026-11-03T05:50:00Z", 6, "it claims to be from the future, by 10m: a clock is wrong"),
        ];
        for (now, expected, words) in cases {
            let (text, exit) = desk.run_at("status --key signing.pub", now);
            assert!(exit == expected && text.contains(words) && text.contains("(claimed)"), "{now}: {exit} {text}");
        }
        assert_eq!(desk.run_at("status --max-age 8d", "2026-11-10T06:00:00Z").1, 0);
        let (text, exit) = desk.run("status --max-age soon");
        assert!(exit == 2 && text.contains("'soon' is not a time such as"), "{text}");
    });
}

#[test]
fn status_in_json_is_for_monitoring() {
    block_on(async {
        let desk = Desk::at(Place::s3().await).await;
        let (text, exit) = desk.run_at("status --format json --key signing.pub", "2026-11-05T06:00:04Z");
        let status: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (exit, &status["schema"], &status["state"]),
            (6, &"kubeproof.dev/status/v1".into(), &"stale".into())
        );
        let cluster = &status["clusters"][0];
        assert_eq!(
            (&cluster["ageSecondsClaimed"], &cluster["index"], &cluster["run"]),
            (&172_800.into(), &2.into(), &"complete".into())
        );
    });
}

#[test]
fn status_tells_a_squatted_slot_and_a_strangers_signature_apart() {
    block_on(async {
        let desk = Desk::at(Place::folder().await).await;
        assert_eq!(desk.run("status --key other.pub").1, 4);
        fs::write(desk.cluster().join("log/commits/0000000003.tlog-proof"), "squatted").unwrap();
        let (text, exit) = desk.run("status --key signing.pub");
        assert!(exit == 5 && text.starts_with("INCOMPLETE") && text.contains("slot 3 of the log"), "{text}");
    });
}

#[test]
fn a_store_that_is_not_there_is_an_error_with_its_name() {
    block_on(async {
        let desk = Desk { place: Place::folder().await, folder: TempDir::new().unwrap() };
        for line in ["list", "status", "get"] {
            let (text, exit) = desk.run(line);
            assert!(exit == 2 && text.contains("no such folder") && text.contains(&desk.place.url), "{line}: {text}");
        }
        assert_eq!(files_below(desk.folder.path()), Vec::<String>::new());
    });
}

#[test]
fn the_daemon_ends_at_sigterm_and_names_what_it_missed() {
    block_on(async {
        let desk = Desk { place: Place::folder().await, folder: TempDir::new().unwrap() };
        fs::write(desk.path("kubeproof.yaml"), "apiVersion: kubeproof.dev/v1\nstateDir: state\n").unwrap();
        // Once a year and never late: nothing is due while this test runs, whenever that is.
        fs::write(desk.path("yearly.yaml"), "apiVersion: kubeproof.dev/v1\ncron: 0 0 1 1 *\nlate: 0s\n").unwrap();
        fs::create_dir(desk.path("state")).unwrap();
        fs::write(
            desk.path("state/schedule.json"),
            r#"{"yearly": {"planned": "2020-01-01T00:00:00Z", "ended": false}}"#,
        )
        .unwrap();
        let mut command = desk.command("daemon --config kubeproof.yaml yearly.yaml", NOON_OF_THE_THIRD);
        let mut daemon = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told: Vec<String> =
            lines.by_ref().take_while(|line| !line.contains("next run at 20") || line.contains("2021")).collect();
        assert!(
            told.iter().any(|line| line.contains("yearly: the run of 2020-01-01T00:00:00Z was interrupted")),
            "{told:?}"
        );
        assert!(told.iter().any(|line| line.contains("runs were missed, from 2021-01-01T00:00:00Z")), "{told:?}");
        Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
        assert!(lines.any(|line| line.contains("stopped")));
        assert_eq!(daemon.wait().unwrap().code(), Some(0));
    });
}

#[test]
fn a_wrong_schedule_is_told_with_its_line() {
    block_on(async {
        let desk = Desk { place: Place::folder().await, folder: TempDir::new().unwrap() };
        fs::write(desk.path("bad.yaml"), "apiVersion: kubeproof.dev/v1\ncron: 0 6 1 * 1\n").unwrap();
        let output = desk.command("daemon bad.yaml", NOON_OF_THE_THIRD).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output).contains("bad.yaml:2: '0 6 1 * 1' gives both day of month and day of week"),
            "{}",
            text(&output)
        );
    });
}
