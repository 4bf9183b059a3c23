//! Programs that the tests start: found on PATH, or built into the cache through their own package client.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use sha2::{Digest, Sha256};

use super::cache;

/// What has to be on PATH, and the sentence for those who do not have it.
const PREREQUISITES: [(&str, &str); 7] = [
    ("go", "install Go 1.26 or later: the tests build a Kubernetes API server, MinIO and cosign with it"),
    ("python3", "install Python 3.10 or later with venv: bagit and securesystemslib judge the bundles"),
    ("java", "install a Java runtime 17 or later: veraPDF judges the reports, Spark reads the lake"),
    ("mvn", "install Maven 3: it fetches veraPDF"),
    ("openssl", "install OpenSSL 3: it verifies signatures as an auditor would"),
    ("jq", "install jq: it reads envelopes as an auditor would"),
    ("pdftotext", "install poppler-utils: the tests read the reports' text with pdftotext"),
];

/// The path of a prerequisite, or a sentence that says what to install.
pub fn need(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|sentence| panic!("{sentence}"))
}

fn find(program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file());
    found.ok_or_else(|| {
        let advice = PREREQUISITES.iter().find(|(name, _)| *name == program).map_or("install it", |(_, advice)| advice);
        format!("{program} is not on PATH; {advice}")
    })
}

/// Runs a command to its end; its output when it fails.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("cannot start {:?}: {e}", command.get_program()))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}\n{stdout}{stderr}", output.status))
}

/// A built tool: its path, or why it cannot be had. Every test that asks gets the same answer.
type Tool = OnceLock<Result<PathBuf, String>>;

fn once(tool: &'static Tool, build: impl FnOnce() -> Result<PathBuf, String>) -> &'static Path {
    tool.get_or_init(build).as_deref().unwrap_or_else(|e| panic!("{e}"))
}

fn go_install(name: &str, version: &str, package: &str) -> Result<PathBuf, String> {
    let folder = cache::ensure(name, version, |dir| {
        let target = format!("{package}@{version}");
        run(Command::new(find("go")?).args(["install", &target]).env("GOBIN", dir).env("GOFLAGS", "-buildvcs=false"))?;
        Ok(())
    })?;
    Ok(folder.join(name))
}

/// MinIO, the S3 server that orders concurrent creates as S3 does.
pub fn minio() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || go_install("minio", "v0.0.0-20260212201848-7aac2a2c5b7c", "github.com/minio/minio"))
}

/// cosign, which verifies the derived Sigstore bundle.
pub fn cosign() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || go_install("cosign", "v3.1.3", "github.com/sigstore/cosign/v3/cmd/cosign"))
}

/// A Python with `bagit`, `securesystemslib` and `duckdb`.
pub fn python() -> &'static Path {
    const PACKAGES: [&str; 4] =
        ["bagit==1.9.0", "securesystemslib[crypto]==1.6.0", "setuptools==80.9.0", "duckdb==1.4.1"];
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || python_with("python", &PACKAGES))
}

/// A Python with `check_jsonschema` and `xmlschema`, which judge documents by the schemas of others.
pub fn schema_python() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || python_with("schemas", &["check-jsonschema==0.39.0", "xmlschema==4.3.2"]))
}

/// A Python with Spark and DuckDB, and DuckDB's extension for S3: what people read a lake with.
pub fn lake_python() -> &'static Path {
    const PACKAGES: [&str; 3] = ["pyspark==4.0.1", "duckdb==1.4.1", "duckdb-extension-httpfs==1.4.1"];
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || python_with("lake", &PACKAGES))
}

/// A Python with `openpyxl` and `polars`, which read a package's tables.
pub fn tables_python() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || python_with("tables", &["openpyxl==3.1.5", "polars==1.35.2"]))
}

/// A Python with `trestle`, which reads OSCAL.
pub fn oscal_python() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || python_with("oscal", &["compliance-trestle==5.2.0"]))
}

fn python_with(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let version = short_digest(packages.iter().map(|p| p.as_bytes()));
    let folder = cache::ensure(name, &version, |dir| {
        // `--copies`: a venv is made in a temporary folder and renamed; its python does not mind, its scripts would.
        run(Command::new(find("python3")?).args(["-m", "venv", "--copies"]).arg(dir))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(dir.join("bin/python3")).args(pip).args(packages))?;
        Ok(())
    })?;
    Ok(folder.join("bin/python3"))
}

/// junit-10.xsd, the schema of Jenkins' JUnit reader, from the sources of pytest.
pub fn junit_schema() -> &'static Path {
    const PYTEST: &str = "8.4.2";
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || {
        let folder = cache::ensure("junit", PYTEST, |dir| {
            let source = format!("pytest=={PYTEST}");
            let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
            run(Command::new(schema_python()).args(pip).args(["--no-binary", ":all:", &source, "-d"]).arg(dir))?;
            let member = format!("pytest-{PYTEST}/testing/example_scripts/junit-10.xsd");
            let mut tar = Command::new("tar");
            tar.args(["--strip-components=3", "-xzf", &format!("pytest-{PYTEST}.tar.gz"), &member]);
            run(tar.current_dir(dir))?;
            Ok(())
        })?;
        Ok(folder.join("junit-10.xsd"))
    })
}

/// The SARIF 2.1.0 schema of OASIS, as the Go module go-sarif carries it between backticks.
pub fn sarif_schema() -> &'static Path {
    const MODULE: &str = "github.com/owenrumney/go-sarif/v3";
    const VERSION: &str = "v3.3.1";
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || {
        let folder = cache::ensure("sarif", VERSION, |dir| {
            let mut go = Command::new(find("go")?);
            let said = run(go.args(["mod", "download", "-json", &format!("{MODULE}@{VERSION}")]).current_dir(dir))?;
            let said: serde_json::Value = serde_json::from_str(&said).map_err(|e| e.to_string())?;
            let module = said["Dir"].as_str().ok_or("go names no folder")?;
            let path = Path::new(module).join("pkg/report/v210/sarif/schema.go");
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let schema = text.split('`').nth(1).ok_or("no schema in schema.go")?;
            fs::write(dir.join("sarif-2.1.0.json"), schema).map_err(|e| e.to_string())
        })?;
        Ok(folder.join("sarif-2.1.0.json"))
    })
}

/// veraPDF's jar, which judges PDF/A and PDF/UA.
pub fn verapdf() -> &'static Path {
    const VERSION: &str = "1.28.2";
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || {
        let folder = cache::ensure("verapdf", VERSION, |dir| {
            let artifact = format!("-Dartifact=org.verapdf.apps:greenfield-apps:{VERSION}");
            let output = format!("-DoutputDirectory={}", dir.display());
            run(Command::new(find("mvn")?).args(["-q", "-B", "dependency:copy", &artifact, &output]).current_dir(dir))?;
            Ok(())
        })?;
        Ok(folder.join(format!("greenfield-apps-{VERSION}.jar")))
    })
}

/// `supervise`, which ends a server when the test process is gone.
pub fn supervise() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || go_build("supervise", "tests/cluster", "./supervise", ""))
}

/// Prometheus' own linter of metrics.
pub fn promlint() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || go_build("promlint", "tests/promlint", ".", ""))
}

/// The test cluster: etcd, the control plane and hollow kubelets in one program.
pub fn cluster() -> &'static Path {
    static TOOL: Tool = OnceLock::new();
    once(&TOOL, || {
        let version = "-X k8s.io/component-base/version.";
        let flags = format!("{version}gitVersion=v1.37.2 {version}gitMajor=1 {version}gitMinor=37");
        go_build("cluster", "tests/cluster", ".", &flags)
    })
}

/// Builds a package of a Go module of this repository; its sources' digest is the version, so that an edit builds again.
fn go_build(name: &str, module: &str, package: &str, ldflags: &str) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(module);
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(&sources)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|e| e == "go" || e == "mod" || e == "sum" || e == "yaml"))
        .collect();
    files.sort();
    let contents: Vec<Vec<u8>> =
        files.iter().map(fs::read).collect::<Result<_, _>>().map_err(|e| format!("{}: {e}", sources.display()))?;
    let version = short_digest(contents.iter().map(Vec::as_slice));
    let folder = cache::ensure(name, &version, |dir| {
        let mut go = Command::new(find("go")?);
        go.args(["build", "-ldflags", ldflags, "-o"]).arg(dir.join(name)).arg(package);
        run(go.current_dir(&sources).env("GOFLAGS", "-buildvcs=false -mod=readonly"))?;
        Ok(())
    })?;
    Ok(folder.join(name))
}

fn short_digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).expect("a length").to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..6])
}
