//! The `satellite` program.

fn main() -> std::process::ExitCode {
    hallpass_satellite::cli::run()
}
