//! Judges that nobody here wrote.

use std::{
    io::{Seek as _, Write as _},
    path::Path,
    process::Command,
};

use super::tools;

/// The text of a PDF, as a reader would copy it.
pub fn pdf_text(pdf: &Path) -> String {
    tools::run(Command::new(tools::need("pdftotext")).arg("-layout").arg(pdf).arg("-"))
        .expect("pdftotext reads the PDF")
}

/// veraPDF's judgement of every flavour that the file claims, `Err` with its findings.
pub fn verapdf(pdf: &Path) -> Result<String, String> {
    let mut java = Command::new(tools::need("java"));
    java.arg("-cp").arg(tools::verapdf()).arg("org.verapdf.apps.GreenfieldCliWrapper");
    tools::run(java.args(["-f", "0", "--format", "text", "-v"]).arg(pdf))
}

/// Runs a Python program with `bagit`, `securesystemslib` and `duckdb` at hand.
pub fn python(program: &str, arguments: &[&Path]) -> Result<String, String> {
    tools::run(Command::new(tools::python()).arg("-c").arg(program).args(arguments))
}

/// Runs a Python program with `duckdb`, its extension for S3, and `pyspark` at hand.
pub fn lake<'a>(
    program: &str,
    arguments: impl Iterator<Item = &'a str>,
    env: &[(String, String)],
) -> Result<String, String> {
    let mut python = Command::new(tools::lake_python());
    python.arg("-c").arg(program).args(arguments).envs(env.iter().cloned());
    // Spark finds its Java by itself.
    tools::need("java");
    tools::run(&mut python)
}

/// Runs a shell script (bash, strict) in a folder: the commands that the documentation tells auditors to type.
pub fn shell(script: &str, folder: &Path) -> Result<String, String> {
    tools::run(Command::new("bash").args(["-euo", "pipefail", "-c", script]).current_dir(folder))
}

/// check-jsonschema's judgement of a SARIF file.
pub fn sarif(file: &Path) -> Result<String, String> {
    let mut python = Command::new(tools::schema_python());
    python.args(["-m", "check_jsonschema", "--schemafile"]).arg(tools::sarif_schema());
    tools::run(python.arg(file))
}

/// xmlschema's judgement of a JUnit file.
pub fn junit(file: &Path) -> Result<String, String> {
    const PROGRAM: &str = "import sys, xmlschema; xmlschema.validate(sys.argv[1], sys.argv[2])";
    tools::run(Command::new(tools::schema_python()).arg("-c").arg(PROGRAM).arg(file).arg(tools::junit_schema()))
}

/// Metrics as Prometheus parses them, and what its linter says of their names and texts.
pub fn promlint(metrics: &str) -> Result<String, String> {
    let mut file = tempfile::tempfile().map_err(|error| error.to_string())?;
    file.write_all(metrics.as_bytes()).and_then(|()| file.rewind()).map_err(|error| error.to_string())?;
    tools::run(Command::new(tools::promlint()).stdin(file))
}
