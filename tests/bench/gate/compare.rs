//! Ours and others, in turns.
//!
//! Why: what the machine does besides hits both alike when they take turns, and the ratio of neighbours says more than two
//! numbers of different minutes.

use std::time::Duration;

use super::{
    APP, ASKS, ASKS_ANYBODY, BARE, CHECKS, HOST, LAYER, NGINX, PROXY,
    load::{Load, paced},
};
use crate::{
    numbers::{Number, Part, median},
    say,
};

const RATES: Part = Part("Beside others: requests a second, 64 connections");
const ADDED: Part = Part("Time of a request: 16 connections, each sending one in 4 ms");

/// The first answers of a satellite wait some seconds for the list of sign-outs, which nobody sends here.
pub(crate) async fn first(cookie: &str) {
    for port in [LAYER, PROXY] {
        paced(port, &format!("Host: {HOST}\r\n{cookie}\r\n"), Duration::from_millis(1)).await;
    }
}

/// Requests a second, of ours and of what stands beside it.
pub(crate) fn rates(cookie: &str) -> Vec<Number> {
    let host = format!("Host: {HOST}");
    let asked = [format!("X-Original-URL: http://{HOST}/page?x=1"), "X-Original-Method: GET".to_owned()];
    let plain = |name, port, path| Load { name, port, path, headers: vec![host.clone(), cookie.to_owned()] };
    let check = |name, port| Load {
        name,
        port,
        path: "/auth/nginx",
        headers: [vec![host.clone(), cookie.to_owned()], asked.to_vec()].concat(),
    };
    let pairs = [
        (check("forward-auth", CHECKS), check("an axum server, no check", BARE), 0.9),
        (plain("the session layer", LAYER, "/page"), plain("an axum server, no check", BARE, "/page"), 0.9),
        (
            plain("nginx auth_request, forward-auth", ASKS, "/page"),
            plain("nginx auth_request, always 200", ASKS_ANYBODY, "/page"),
            0.95,
        ),
        (plain("the reverse proxy", PROXY, "/page"), plain("nginx proxy_pass", NGINX, "/page"), 0.8),
    ];
    say("\nRequests a second, 64 connections; medians of five interleaved runs of three seconds\n");
    say("| what | a second | beside | a second | ratio | aim |\n|---|---:|---|---:|---:|---:|");
    let mut numbers = Vec::new();
    for (ours, theirs, aim) in &pairs {
        let (mut mine, mut other) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            mine.push(ours.run());
            other.push(theirs.run());
        }
        let ratios: Vec<_> = mine.iter().zip(&other).map(|(mine, other)| mine / other).collect();
        numbers.push(RATES.higher(ours.name, "a second", &mine));
        numbers.push(RATES.higher(format!("{}; beside: {}", ours.name, theirs.name), "a second", &other));
        numbers.push(RATES.higher(format!("{}; ratio", ours.name), "×", &ratios).aim(*aim));
        let (mine, other) = (median(mine), median(other));
        say(&format!(
            "| {} | {mine:.0} | {} | {other:.0} | {:.2} | {aim} |",
            ours.name,
            theirs.name,
            mine / other
        ));
    }
    numbers
}

/// What the proxy adds to a request, with the machine half as busy as it can be.
pub(crate) async fn added(cookie: &str) -> Vec<Number> {
    const EACH: Duration = Duration::from_millis(4);
    say(
        "\nTime of a request with 16 connections, each sending one in 4 ms; medians of five interleaved runs\n",
    );
    say("| to | p50 | p99 |\n|---|---:|---:|");
    let mut all: [(u16, &str, Vec<f64>, Vec<f64>); 3] = [
        (APP, "the app itself", Vec::new(), Vec::new()),
        (NGINX, "nginx proxy_pass", Vec::new(), Vec::new()),
        (PROXY, "the reverse proxy", Vec::new(), Vec::new()),
    ];
    for _ in 0..5 {
        for (port, _, p50, p99) in &mut all {
            let (middle, late) = paced(*port, &format!("Host: {HOST}\r\n{cookie}\r\n"), EACH).await;
            p50.push(middle);
            p99.push(late);
        }
    }
    let mut numbers = Vec::new();
    let [(_, _, app, _), ..] = all.clone();
    for (port, name, p50, p99) in all {
        numbers.push(ADDED.lower(format!("{name}, p50"), "ms", &p50));
        numbers.push(ADDED.lower(format!("{name}, p99"), "ms", &p99));
        if port != APP {
            let more: Vec<_> = p50.iter().zip(&app).map(|(with, without)| with - without).collect();
            let number = ADDED.lower(format!("what {name} adds, p50"), "ms", &more);
            numbers.push(if port == PROXY { number.aim(0.2) } else { number });
        }
        say(&format!("| {name} | {:.3} ms | {:.3} ms |", median(p50), median(p99)));
    }
    numbers
}
