//! Sign-in attempts that attackers, broken programs and honest people with odd passwords send: each case of the
//! file, from the sign-in page and from the official clients of both versions.
//!
//! Why: this is the door that everybody on the internet may try. What a case expects is written in the file; where
//! NextAuth's own answer stands in for it, because its clients read that, a table here says so, and a case that
//! stands in the table without need fails too.

use std::time::Duration;

use hallpass_tests::{
    Answer, Visitor, World,
    scripted::{Reply, ScriptedBackend},
};
use http::StatusCode;
use tokio::time::Instant;

mod case;
mod facts;
mod flood;
mod large;
pub(crate) mod log;
mod scene;
mod style;

use case::{Case, Class, MustNot};
use log::Log;
use scene::{AUTH, Scene, Seen};
use style::{Outcome, Style};

/// `{PASSWORD}`: the same in a form and in JSON.
const PASSWORD: &str = "Correct-horse.battery_staple7";

/// `failed_logins_per_account`: the default of `throttle.per_account`.
const LIMIT: usize = 10;

/// Answers as NextAuth's own clients expect them, in place of the status of the file.
const STAND_INS: [(&[&str], Style, Class, &str); 2] = [
    (
        &["bl-41", "bl-42"],
        Style::Page,
        Class::Forbidden,
        "a page that was left open too long leads to a fresh one",
    ),
    (
        &[
            "bl-03", "bl-04", "bl-05", "bl-06", "bl-07", "bl-08", "bl-10", "bl-11", "bl-14", "bl-17",
            "bl-18", "bl-19", "bl-20", "bl-34", "bl-49", "bl-50", "bl-51", "bl-61",
        ],
        Style::ClientV5,
        Class::Denied,
        "version 5 reads 200 and the code in the address",
    ),
];

#[tokio::test]
async fn attempts_from_the_sign_in_page_end_as_they_should() {
    // threat-model S1 to S11, B1, B3, K2 to K6
    let log = Log::capture();
    try_all(Style::Page, &log).await;
}

#[tokio::test]
async fn attempts_from_the_client_of_version_4_end_as_they_should() {
    let log = Log::capture();
    try_all(Style::ClientV4, &log).await;
}

#[tokio::test]
async fn attempts_from_the_client_of_version_5_end_as_they_should() {
    let log = Log::capture();
    try_all(Style::ClientV5, &log).await;
}

#[tokio::test]
async fn a_refusal_takes_as_long_for_a_name_nobody_has() {
    // threat-model S4
    let backend = ScriptedBackend::start(&[("alice@example.com", PASSWORD)]).await;
    let world = World::start(&backend.settings()).await;
    for name in ["alice@example.com", "nobody@example.com"] {
        let mut visitor = Visitor::new(world.port);
        visitor.csrf_token(AUTH).await;
        let started = Instant::now();
        visitor.sign_in(name, "wrong").await;
        assert!(started.elapsed() >= Duration::from_millis(300), "{name}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_flood_of_sign_ins_is_held_off_and_sessions_do_not_notice() {
    // threat-model S11, K7
    let backend = ScriptedBackend::start(&[("alice@example.com", PASSWORD)]).await;
    let limits = "in_flight = 2\nper_address = \"999/5m\"\nanswer_floor = \"10ms\"";
    let section = backend.settings().replace("\"1s\"", "\"30s\"");
    let world = World::start(&format!("{section}[throttle]\n{limits}")).await;
    let mut alice = Visitor::new(world.port);
    alice.sign_in("alice@example.com", PASSWORD).await;
    backend.take_received();
    for _ in 0..40 {
        backend.answer_next(Reply::Hang(Duration::from_secs(1)));
    }
    let mut window = alice.clone();
    window.csrf_token(AUTH).await;
    let flood = (0..40).map(|number| {
        let mut window = window.clone();
        async move { window.sign_in(&format!("somebody{number}@example.com"), "wrong").await }
    });
    let session = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        alice.fetch(AUTH, "/api/auth/session").await
    };
    let (answers, session) = tokio::join!(futures_util::future::join_all(flood), session);
    assert_eq!(session.json()["user"]["email"], "alice@example.com");
    let (held_off, judged): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE);
    assert!(held_off.len() >= 10 && judged.len() >= 2, "{} of 40 were held off", held_off.len());
    assert!(held_off.iter().all(|answer| style::retry_after(answer).is_some()));
    assert!(judged.iter().all(|answer| answer.status == StatusCode::SEE_OTHER));
    assert_eq!(backend.take_received().len(), judged.len(), "nobody else was asked about");
}

#[tokio::test]
async fn an_attempt_that_nobody_judged_is_not_counted() {
    let backend = ScriptedBackend::start(&[]).await;
    let limits = "in_flight = 1\nper_address = \"15/5m\"\nanswer_floor = \"10ms\"";
    let section = backend.settings().replace("\"1s\"", "\"30s\"");
    let world = World::start(&format!("{section}[throttle]\n{limits}")).await;
    let mut window = Visitor::new(world.port);
    window.csrf_token(AUTH).await;
    backend.answer_next(Reply::Hang(Duration::from_secs(2)));
    let flood = (0..40).map(|number| {
        let mut window = window.clone();
        async move { window.sign_in(&format!("somebody{number}@example.com"), "wrong").await.status }
    });
    let statuses = futures_util::future::join_all(flood).await;
    let held_off = statuses.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(held_off >= 30, "{statuses:?}");
    assert_eq!(window.sign_in("last@example.com", "wrong").await.status, StatusCode::SEE_OTHER);
    // A backend that says 429 may have looked at the password first: that counts.
    backend.take_received();
    for number in 0..20 {
        backend.answer_next(Reply::Text(429, "text/plain", String::new()));
        assert_eq!(window.sign_in(&format!("later{number}@example.com"), "wrong").await.status, 429);
    }
    assert!(backend.take_received().len() < 15, "the throttle holds while the backend asks for less");
}

async fn try_all(style: Style, log: &Log) {
    let cases = Case::all();
    assert_eq!(cases.len(), 61);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut shared = Scene::set(style, &cases[0], log).await;
    for case in &cases {
        let at = format!("{}, {style:?}: {}", case.id, case.why);
        let mut own = if case.is_alone() { Some(Scene::set(style, case, log).await) } else { None };
        let scene = own.as_mut().unwrap_or(&mut shared);
        let seen = try_one(case, &at, scene).await;
        if let Some(pair) = &case.pair {
            pairs.push((pair.clone(), comparable(scene, &seen.answers[0])));
        }
        shared.for_the_next();
    }
    let [wrong, unknown] = pairs.as_slice() else { panic!("{pairs:?}") };
    assert_eq!(wrong, unknown, "threat-model S4");
}

async fn try_one(case: &Case, at: &str, scene: &mut Scene) -> Seen {
    let before = match &case.session {
        Some(name) => {
            assert_eq!(name, "mallory");
            scene.visitor.sign_in("mallory@example.com", "mallorys own").await;
            Some(scene.claims().unwrap())
        }
        None => None,
    };
    let mut stolen = Visitor::new(scene.world.port);
    stolen.jar.clone_from(&scene.visitor.jar);
    // Ten megabytes are not sent to the end; `large` shows what happens instead.
    let seen = if case.id == "bl-13" { large::attempt(case, scene).await } else { scene.play(case).await };
    for answer in &seen.answers {
        judge(at, case, scene, answer);
    }
    forbidden(at, case, scene, &seen);
    if let Some(old) = before {
        facts::nothing_is_left_of(&old, &stolen, at, scene).await;
    }
    for fact in &case.must {
        facts::check(fact, at, case, scene, &seen).await;
    }
    seen
}

/// The outcome, and what holds whatever it is.
fn judge(at: &str, case: &Case, scene: &Scene, answer: &Answer) {
    let style = scene.style;
    let stand_in = |class| {
        STAND_INS
            .iter()
            .any(|(ids, by, of, _)| *by == style && *of == class && ids.contains(&case.id.as_str()))
    };
    let class = match style::outcome(answer) {
        Some(Outcome::Plain(class)) if !stand_in(class) => class,
        Some(Outcome::NextAuths(class)) if stand_in(class) => class,
        other => panic!("{at}: {other:?}, {answer:?}"),
    };
    assert!(case.expects(class), "{at}: {class:?} instead of {:?}, {answer:?}", case.expect);
    assert!(class == Class::Unavailable || !answer.status.is_server_error(), "{at}: {answer:?}");
    let cached = answer.headers["cache-control"].to_str().unwrap();
    assert!(cached.contains("no-store"), "{at}: {cached}");
    assert_eq!(begins_session(scene, answer), class == Class::Ok, "{at}: {answer:?}");
    if let Some(url) = style::destination(answer) {
        let here = format!("http://{AUTH}:{}/", scene.world.port);
        assert!(url.starts_with(&here), "{at}: leads to {url}");
    }
}

fn begins_session(scene: &Scene, answer: &Answer) -> bool {
    let name = scene.session_cookie_name();
    let sets = |line: &&str| line.starts_with(name) && !line.contains("Max-Age=0");
    answer.set_cookies().iter().any(sets)
}

/// What must not happen: what the case says, and what no case allows.
fn forbidden(at: &str, case: &Case, scene: &Scene, seen: &Seen) {
    for rule in &case.must_not {
        match rule {
            MustNot::Session => assert!(scene.claims().is_none(), "{at}: a session"),
            MustNot::Backend => assert!(seen.received.is_empty(), "{at}: {:?}", seen.received),
            // Judged of every answer: where it leads, and what it repeats.
            MustNot::Offsite | MustNot::Echo => {}
        }
    }
    let secrets = [PASSWORD, "Traceback", "disabled since", "No active account", "pwned", "evil.com"];
    for answer in &seen.answers {
        let mut headers = answer.headers.clone();
        // What is sealed in there may spell anything.
        headers.remove("set-cookie");
        let said = format!("{headers:?} {}", answer.body).to_lowercase();
        for secret in secrets.iter().chain(&["alice", "nobody", "mallory", "refresh-"]) {
            assert!(!said.contains(&secret.to_lowercase()), "{at}: says {secret}: {answer:?}");
        }
    }
    // Taken back into the log for the sentences about it.
    let log = scene.log.take();
    for secret in [PASSWORD, "alice@", "refresh-", "Traceback", "disabled since"] {
        assert!(!log.contains(secret), "{at}: logs {secret}: {log}");
    }
    std::io::Write::write_all(&mut scene.log.clone(), log.as_bytes()).unwrap();
}

/// Status, headers and body of an answer, but for what differs from request to request.
fn comparable(scene: &Scene, answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    for name in ["date", "x-request-id"] {
        assert!(headers.remove(name).is_some(), "{name}");
    }
    let all = format!("{} {headers:?} {}", answer.status, answer.body);
    all.replace(&format!(":{}/", scene.world.port), ":PORT/")
}
