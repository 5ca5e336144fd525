//! The `auth-server` program.

fn main() -> std::process::ExitCode {
    hallpass_auth_server::cli::run()
}
