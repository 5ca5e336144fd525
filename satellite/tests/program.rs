//! The program itself.
//!
//! Why: cargo builds a package's programs for its integration tests. The end-to-end tests start them; that this file is
//! here makes a plain `cargo test --workspace` in a fresh clone have them.
#![cfg(test)]

use std::process::Command;

#[test]
fn the_program_says_what_it_does() {
    let asked = Command::new(env!("CARGO_BIN_EXE_satellite")).arg("--help").output().unwrap();
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(asked.status.success() && said.contains("Knows who is signed in on the domain"), "{said}");
}
