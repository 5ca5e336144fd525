//! Nothing secret is printed: not in any log at any level, not on the admin listener, not in an answer.
//!
//! Why: an incident is explained from the log, and the log must not be the next one (threat-model S6, X1). Every value
//! that must not be seen is one that occurs nowhere else; the walk takes them everywhere, with the log at its most
//! talkative, the logs of all dependencies included, and then everything is searched for them in every form.

use hallpass_tests::SECRET;

mod walk;
mod words;

use walk::Walk;
use words::{Shown, Words};

#[tokio::test]
async fn nothing_secret_is_in_the_json_log_nor_in_answers() {
    nothing_secret_is_seen("json", "next-auth-v4").await;
}

#[tokio::test]
async fn nothing_secret_is_in_the_pretty_log_nor_in_answers() {
    nothing_secret_is_seen("pretty", "authjs-v5").await;
}

async fn nothing_secret_is_seen(format: &str, dialect: &str) {
    let mut walk = Walk::start(format, dialect).await;
    walk.pages_and_wrong_addresses().await;
    walk.failed_sign_ins().await;
    walk.bad_bodies().await;
    walk.a_session().await;
    walk.a_session_over_http2().await;
    walk.between_servers().await;
    walk.the_end_of_sessions().await;
    walk.throttled_sign_ins().await;
    let Walk { words, answers, .. } = &walk;
    for (name, output) in walk.outputs() {
        assert_talkative(format, &output);
        words.are_not_in(name, &output, Shown::Nowhere);
    }
    for (name, page) in walk.admin_pages().await {
        words.are_not_in(&name, &page, Shown::Nowhere);
    }
    assert!(answers.len() > 40, "{}", answers.len());
    for (name, answer) in answers {
        words.are_not_in(name, answer, Shown::InAnswers);
    }
}

/// The search means something only where there was much to find.
fn assert_talkative(format: &str, output: &str) {
    let traces = output.lines().filter(|line| line.contains("TRACE")).count();
    assert!(traces > 100, "{traces} lines at the level of trace");
    assert!(output.lines().count() > 300);
    if format == "json" {
        for crate_name in ["hyper_util", "h2", "hallpass_shared"] {
            let target = format!("\"target\":\"{crate_name}::");
            assert!(output.contains(&target), "nothing of {crate_name} in\n{output}");
        }
    }
}

#[test]
fn a_canary_is_found_in_every_form() {
    let mut words = Words::default();
    words.add("secret", SECRET, Shown::Nowhere);
    words.add("password", "c4n4ry pass \"wörd\"+&=%", Shown::Nowhere);
    words.add("query", "c4n4ry-query", Shown::InAnswers);
    let found = |text: &str, place| words.found_in(text, place).map(|(name, _)| name);
    assert_eq!(found("nothing", Shown::Nowhere), None);
    for text in [
        format!("Secret({SECRET})"),
        format!("{:?}", SECRET.as_bytes()),
        SECRET.to_lowercase(),
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("user:{SECRET}!")),
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, format!("u:{SECRET}")),
        words::hexadecimal(SECRET),
        SECRET.chars().take(24).collect(),
    ] {
        assert_eq!(found(&text, Shown::Nowhere), Some("secret"), "{text}");
    }
    for text in [
        "username=a&password=c4n4ry+pass+%22w%C3%B6rd%22%2B%26%3D%25",
        "c4n4ry%20pass%20%22w%C3%B6rd%22%2B%26%3D%25",
        "{\"password\":\"c4n4ry pass \\\"wörd\\\"+&=%\"}",
    ] {
        assert_eq!(found(text, Shown::Nowhere), Some("password"), "{text}");
    }
    assert_eq!(found("/?x=c4n4ry-query", Shown::Nowhere), Some("query"));
    assert_eq!(found("/?x=c4n4ry-query", Shown::InAnswers), None);
}
