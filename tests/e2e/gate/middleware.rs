//! The cases for an app in Rust, within this process: its handlers see who it is in the extensions, and nothing of it in a
//! header.

use axum::{Router, extract::Request, routing::any};
use hallpass_satellite::{CurrentSession, Satellite, Settings};
use hallpass_shared::{
    server::{Limits, serve},
    settings::Texts,
};
use hallpass_tests::{
    SECRET,
    raw::{exchange, fold, head, latin1},
};
use tokio::net::TcpListener;

use super::{
    CLIENT, Site,
    header_spoofing::{File, Mode, Names},
    none_failed, with_host,
};

/// A line for each header, `name: value`, and one for the session.
async fn shows(session: Option<CurrentSession>, request: Request) -> String {
    let headers = request.headers().iter();
    let lines =
        headers.map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    let name = session.as_ref().map_or("nobody", |CurrentSession(session)| session.display_name());
    lines.collect::<String>() + name
}

async fn app(names: Names) -> u16 {
    let settings = format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n\
         refresh.auth_server = \"http://127.0.0.1:9\"\n[satellite]\nurl = \"https://app.example.com\"\n{}",
        names.settings()
    );
    let settings = Settings::read(&Texts::from_toml(&settings).unwrap()).unwrap();
    let satellite = Satellite::build(settings).unwrap();
    let app = satellite.hardened(satellite.protect(Router::new().route("/public/x", any(shows))));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = Limits { connections: 100, trusted: Vec::new() };
    tokio::spawn(serve(listener, app, limits, std::future::pending()));
    port
}

async fn all_cases(names: Names) {
    let port = app(names).await;
    let site = Site::start().await;
    let File { config, cases } = names.file();
    let managed: Vec<String> = config.identity_headers.iter().map(|name| fold(name)).collect();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.mode != Mode::ForwardAuth) {
        if !case.request.headers.iter().any(|(name, _)| managed.contains(&fold(name))) {
            continue;
        }
        let lines = case.lines(&site);
        let bytes = latin1(&head("GET /public/x HTTP/1.1", with_host(&lines)));
        let answer = exchange(port, CLIENT, bytes).await.0.unwrap();
        let text = answer.text();
        let shown = text.lines().filter_map(|line| line.split_once(": "));
        let forged: Vec<_> = shown.filter(|(name, _)| managed.contains(&fold(name))).collect();
        let who = if lines.iter().any(|(name, _)| name == "Cookie") { "Alice" } else { "nobody" };
        if answer.status != 200 || !forged.is_empty() || text.lines().last() != Some(who) {
            failures.push(format!("{} ({}): {forged:?} in {} {text}", case.id, case.why, answer.status));
        }
    }
    none_failed(&failures);
}

#[tokio::test]
async fn a_handler_reads_nobody_from_a_header() {
    // threat-model H1 to H3
    all_cases(Names::Own).await;
}

#[tokio::test]
async fn a_handler_reads_nobody_from_a_header_of_the_defaults() {
    // threat-model H1 to H3
    all_cases(Names::Default).await;
}
