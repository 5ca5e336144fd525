//! Has third-party software installed before it is started.
//!
//! Why: a test that cannot run must fail at once and say what to do; none is skipped.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

/// Runs `program --install-only`, which does nothing where all is there, and gives back what it printed.
///
/// # Panics
/// If it fails; with what to do about it.
pub async fn installed(program: &Path) -> String {
    let mut command = Command::new(program);
    command.arg("--install-only").stdin(Stdio::null()).kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("{} cannot install what it needs: {said}; {REMEDY}", program.display());
        }
        Err(error) => panic!("{} cannot be started: {error}; {REMEDY}", program.display()),
    };
    String::from_utf8(output.stdout).unwrap()
}

/// What helps.
pub const REMEDY: &str = "`tests/run --install` installs what is missing";
