//! The container engine: its commands, and the images that the tests need.
//!
//! Why: without an engine these tests fail at once and say what to do; nothing is skipped.

use tokio::{process::Command, sync::OnceCell};

use crate::{install::REMEDY, process::tests_folder};

/// What `docker` with these arguments prints.
///
/// # Panics
/// If it fails; with what it said.
pub async fn docker(arguments: &[&str]) -> String {
    match try_docker(arguments).await {
        Ok(said) => said,
        Err(said) => panic!("docker {arguments:?}: {said}; {REMEDY}"),
    }
}

/// As [`docker`], where it may fail.
///
/// # Errors
/// What it said.
pub async fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).kill_on_drop(true).output().await;
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Everything a container has printed.
///
/// # Panics
/// If the engine is not there.
pub async fn log(container: &str) -> String {
    let output = Command::new("docker").args(["logs", container]).kill_on_drop(true).output().await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Makes all images, ours of the sources as they are, once in this process.
///
/// # Panics
/// If they cannot be made; with what was said.
pub async fn images() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let program = tests_folder().join("containers/images");
        let mut command = Command::new(&program);
        command.arg("--ours").arg(crate::process::program("satellite")).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} fails: {said}; {REMEDY}", program.display());
    })
    .await;
}
