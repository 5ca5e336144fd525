//! The machine, the programs and the sources that the numbers are of.
//!
//! Why: a number without them cannot be compared with anything.

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
};

/// A table of it.
pub(crate) fn description(load: &str) -> String {
    let rows = [
        ("date (UTC)", said("date", &["-u", "+%F %R"])),
        ("commit", commit()),
        ("processor", processor()),
        ("cores", cores().to_string()),
        ("memory", memory()),
        ("load of the minute before", load.to_owned()),
        ("kernel", said("uname", &["-sr"])),
        ("distribution", distribution()),
        ("Rust", said("rustc", &["-V"])),
        ("nginx", said("nginx", &["-v"]).replace("nginx version: ", "")),
        ("wrk", said("wrk", &["-v"]).split(" Copyright").next().unwrap_or_default().to_owned()),
        ("Redis", said("redis-server", &["--version"])),
        ("Docker", docker()),
    ];
    let mut table = "| | |\n|---|---|\n".to_owned();
    for (what, value) in rows {
        let value = if value.is_empty() { "not there" } else { &value };
        writeln!(table, "| {what} | {value} |").unwrap();
    }
    table
}

/// The same in one line.
pub(crate) fn short() -> String {
    let date = said("date", &["-u", "+%F"]);
    format!("{} cores of {}, {}, Docker {}, {date}", cores(), processor(), memory(), docker())
}

/// How many processes wanted a core in the last minute: whether the machine is busy with anything else.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn docker() -> String {
    said("docker", &["version", "--format", "{{.Server.Version}}"])
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

/// The value of the first line of a file that begins with this.
fn value(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim_start_matches([' ', '\t', ':', '=']).trim().trim_matches('"').to_owned()
}

fn processor() -> String {
    let name = value("/proc/cpuinfo", "model name");
    // Other architectures than x86 have no such line.
    if name.is_empty() { std::env::consts::ARCH.to_owned() } else { name }
}

fn memory() -> String {
    let kibibytes: u64 = value("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!("{} MiB", kibibytes / 1024)
}

fn distribution() -> String {
    value("/etc/os-release", "PRETTY_NAME")
}

fn commit() -> String {
    let folder = super::top().display().to_string();
    let commit = said("git", &["-C", &folder, "rev-parse", "--short", "HEAD"]);
    let changes = said("git", &["-C", &folder, "status", "--porcelain"]);
    if changes.is_empty() { commit } else { format!("{commit}, and changes that are not in it") }
}

/// The first line that a program says, wherever it says it; nothing if there is no such program.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).stdin(Stdio::null()).output() else {
        return String::new();
    };
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

/// Whether a program is there and ends well.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
