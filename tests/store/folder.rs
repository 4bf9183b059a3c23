//! What only a folder can get wrong.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use kubeproof::store::{Cause, Store};
use tempfile::TempDir;

use super::{Place, block_on, bundle, child, deliver, files_below};

#[test]
fn a_new_store_belongs_to_its_owner_alone() {
    block_on(async {
        let place = Place::folder().await;
        deliver(&place.open(), &bundle(0)).await.unwrap();
        let mode = std::fs::metadata(&place.url).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let left_over: Vec<String> =
            files_below(place.url.as_ref()).into_iter().filter(|name| name.contains('#')).collect();
        assert_eq!(left_over, Vec::<String>::new());
    });
}

#[test]
fn reading_does_not_make_a_folder() {
    let folder = TempDir::new().unwrap();
    let url = folder.path().join("evidence").display().to_string();
    let error = Store::open_existing(&url, &[].into()).unwrap_err();
    assert_eq!((error.cause, error.to_string()), (Cause::NotFound, format!("cannot open {url}: no such folder")));
    assert!(files_below(folder.path()).is_empty() && !folder.path().join("evidence").exists());
}

#[test]
fn a_path_may_be_plain_or_a_url() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("with space").display().to_string();
    let encoded = path.replace(' ', "%20");
    for url in [path.clone(), format!("file:{path}"), format!("file://{encoded}")] {
        assert_eq!(Store::open(&url, &[].into()).unwrap().url(), path, "{url}");
    }
}

#[test]
fn urls_and_options_that_cannot_be_right_are_refused() {
    let cases = [
        (
            "s3://key:secret@evidence/prod",
            vec![],
            "cannot open s3://evidence/prod: credentials and options stand in the environment, never in the URL",
        ),
        (
            "s3://evidence/prod?region=eu",
            vec![],
            "cannot open s3://evidence/prod: credentials and options stand in the environment, never in the URL",
        ),
        ("s3:///prod", vec![], "cannot open s3:///prod: the bucket's name is missing"),
        ("ftp://evidence/prod", vec![], "cannot open ftp://evidence/prod: unknown kind of store 'ftp'"),
        (
            "file://host/evidence",
            vec![],
            "cannot open file://host/evidence: a file URL has three slashes and an absolute path, as file:///var/evidence",
        ),
        ("/dev/null", vec![], "cannot open /dev/null: not a folder"),
        (
            "s3://evidence",
            vec![("AWS_REGOIN", "eu")],
            "cannot open s3://evidence: AWS_REGOIN is not an option of this kind of store, did you mean AWS_REGION?",
        ),
        (
            "s3://evidence",
            vec![("AWS_PROFILE", "prod")],
            "cannot open s3://evidence: AWS_PROFILE is set, and profile files are not read: export the profile's keys instead",
        ),
        (
            "s3://evidence",
            vec![("AWS_ENDPOINT_URL", "http://minio:9000")],
            "cannot open s3://evidence: AWS_ENDPOINT_URL is plain http: use https, or set AWS_ALLOW_HTTP=true where the network is trusted",
        ),
    ];
    for (url, env, words) in cases {
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let error = Store::open(url, &env).unwrap_err();
        assert_eq!((error.cause, error.to_string().as_str()), (Cause::Configuration, words));
    }
    let foreign = [
        ("AWS_PAGER", "less"),
        ("AWS_EXECUTION_ENV", "EKS"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let env = foreign.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(Store::open("s3://evidence/prod/", &env).unwrap().url(), "s3://evidence/prod");
}

#[test]
fn other_clouds_open_too() {
    let azure = [("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")];
    let env = azure.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(Store::open("az://evidence/prod", &env).unwrap().url(), "az://evidence/prod");
    assert_eq!(Store::open("gs://evidence/prod", &[].into()).unwrap().url(), "gs://evidence/prod");
}

/// Runs a process on a small file system of its own (mount namespaces need no privilege), prepared by `shell`.
fn on_a_small_file_system(shell: &str) -> String {
    let folder = TempDir::with_prefix("kubeproof-small-").unwrap();
    let place = Place { url: folder.path().join("disk/evidence").display().to_string(), env: [].into(), _folder: None };
    std::fs::create_dir(folder.path().join("disk")).unwrap();
    let task = child::command(&place, "fail", 0);
    let mut command = Command::new("unshare");
    let disk = folder.path().join("disk").display().to_string();
    let script =
        format!("set -e; mount -t tmpfs -o size=48k tmpfs {disk}; mkdir {disk}/evidence; {shell}; exec \"$@\"");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(task.get_program())
        .args(task.get_args());
    command.envs(task.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("DISK", disk);
    let output = command.output().expect("unshare of util-linux is on PATH");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = text.lines().find_map(|line| line.split_once("FAILED ")).map(|(_, failed)| failed.to_owned());
    failed.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_full_disk_is_told_as_such() {
    let failed = on_a_small_file_system("true");
    assert!(failed.contains("/bundles/") && failed.contains(": no space left on device"), "{failed}");
    assert!(failed.ends_with("nothing that was committed is lost"), "{failed}");
}

#[test]
fn a_read_only_folder_is_told_as_such() {
    let failed = on_a_small_file_system("mount -o remount,ro $DISK");
    assert!(failed.contains(": read-only file system"), "{failed}");
    assert!(failed.ends_with("choose a folder that this user can write, with --store"), "{failed}");
}
