//! What ships for clusters, machines without containers, and monitoring is valid, and fits the programs.
//!
//! Why: a manifest is a program that nobody compiles; a mistake in it is met at night.

use std::process::Stdio;

use hallpass_tests::{
    install::installed,
    process::{program, tests_folder},
};
use tokio::process::Command;

async fn passes(check: &str, arguments: &[&str]) {
    let check = tests_folder().join(check);
    installed(&check).await;
    let output = Command::new(&check).args(arguments).stdin(Stdio::null()).output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}:\n{}", check.display(), said.concat());
}

#[tokio::test]
async fn the_manifests_and_the_units_are_valid() {
    let programs = program("auth-server").parent().unwrap().display().to_string();
    passes("kubernetes/run", &["--bin-dir", &programs]).await;
}

#[tokio::test]
async fn the_alerts_fire_when_they_should() {
    passes("prometheus/run", &[]).await;
}
