//! Cookies as siblings, leftovers and attackers make them, at a satellite's page.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_satellite::{Satellite, Settings};
use hallpass_shared::{
    clock::FixedClock,
    dialect::Dialect,
    server::{Limits, serve},
    settings::Texts,
};
use http::StatusCode;
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpListener, time::Instant};

use super::{
    deployment::{ALICE, APP, AUTH, Deployment, NAME, PASSWORD, lines, session, session_cookies},
    wire,
};
use crate::{
    bad_logins::log::Log,
    vectors::bad_cookies::{Case, NOW, SECRET, Site},
};

/// A satellite on https behind an edge that ends TLS, and how often it asked an auth server for anything.
struct Behind {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

async fn satellite(dialect: Dialect) -> Behind {
    let counted = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let settings = format!(
        "secret = \"{SECRET}\"\ninsecure_short_secret = true\nparent_domain = \"example.com\"\n\
         auth_url = \"https://auth.example.com\"\ncookie.dialect = \"{}\"\nrefresh.auth_server = \"http://{}\"\n\
         [satellite]\nurl = \"https://app.example.com\"\n",
        dialect.name,
        counted.local_addr().unwrap()
    );
    let asked = Arc::new(AtomicUsize::new(0));
    let asked_by = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = counted.accept().await {
            // It listens for sign-outs there, which is no question about anybody.
            let mut method = [0; 4];
            if stream.read_exact(&mut method).await.is_ok() && method != *b"GET " {
                asked_by.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let settings = Settings::read(&Texts::from_toml(&settings).unwrap()).unwrap();
    let clock = Arc::new(FixedClock::at(NOW));
    let app = Satellite::build_with(settings, clock, |callbacks| Arc::new(callbacks)).unwrap();
    let router = app.hardened(app.protect(app.built_in_site()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits { connections: 100, trusted: Vec::new() };
    tokio::spawn(async move { serve(listener, router, limits, std::future::pending()).await.unwrap() });
    Behind { address, asked }
}

#[tokio::test]
async fn whatever_cookies_come_a_page_is_alices_or_nobodys() {
    // threat-model C2 to C6, D5
    let log = Log::capture();
    for dialect in [Dialect::NEXT_AUTH_V4, Dialect::AUTHJS_V5] {
        let behind = satellite(dialect).await;
        let site = Site::new(dialect);
        for case in Case::all() {
            let at = format!("{}, {dialect:?}: {}", case.id, case.why);
            let mut request = b"GET / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n".to_vec();
            let lines: Vec<Vec<u8>> = case.cookie.iter().map(|line| site.expand(line)).collect();
            for line in &lines {
                request.extend([b"Cookie: ", line.as_slice(), b"\r\n"].concat());
            }
            request.extend(b"\r\n");
            let started = Instant::now();
            let answer = wire::exchange(behind.address, &request).await;
            assert!(started.elapsed() < Duration::from_secs(10), "{at}: {:?}", started.elapsed());
            let outcome = match answer.status.as_u16() {
                200 if answer.body.contains("alice") => "valid",
                401 => "anonymous",
                400 | 413 | 431 => "reject",
                other => panic!("{at}: {other} {}", answer.body),
            };
            assert!(case.expect.split('|').any(|expected| expected == outcome), "{at}: {outcome}");
            assert!(!answer.body.contains("mallory"), "{at}");
            assert_eq!(behind.asked.load(Ordering::SeqCst), 0, "{at}: the auth server is asked");
        }
    }
    let log = log.take();
    assert!(log.contains("\"mixed_subjects\""), "threat-model X3: {log}");
    assert!(!log.contains("eyJ"), "a token is logged");
}

#[tokio::test]
async fn cookies_of_two_people_are_refused_and_taken_away() {
    // threat-model C2
    let site = Deployment::start().await;
    let mut mallory = site.visitor();
    mallory.sign_in("mallory@example.com", "mallorys own").await;
    let tossed = mallory.jar[&(NAME.to_owned(), ".example.localhost".to_owned())].clone();
    let mut visitor = site.alice().await;
    visitor.jar.insert((NAME.into(), APP.into()), tossed);
    let answer = visitor.fetch(APP, "/api/auth/session").await;
    assert_eq!(answer.body, "{}");
    insta::assert_snapshot!(lines(&answer), @"
    next-auth.session-token=; HttpOnly; SameSite=Lax; Path=/; Domain=example.localhost; Max-Age=0
    next-auth.session-token=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0
    ");
    assert_eq!(session_cookies(&visitor), Vec::<String>::new(), "nothing locks her out");
    visitor.sign_in(ALICE, PASSWORD).await;
    assert_eq!(session(&mut visitor, APP).await["user"]["id"], ALICE);
}

#[tokio::test]
async fn a_tossed_cookie_saves_no_session_from_the_sign_out() {
    // threat-model C2, T14
    let site = Deployment::start().await;
    let mut mallory = site.visitor();
    mallory.sign_in("mallory@example.com", "mallorys own").await;
    let tossed = mallory.jar[&(NAME.to_owned(), ".example.localhost".to_owned())].clone();
    for host in [AUTH, APP] {
        let mut visitor = site.alice().await;
        let mut copy = visitor.clone();
        visitor.jar.insert((NAME.into(), host.into()), tossed.clone());
        visitor.post_form(host, "/api/auth/signout", &[]).await;
        assert_eq!(session_cookies(&visitor), Vec::<String>::new());
        assert_eq!(session(&mut copy, AUTH).await, json!({}), "signed out on {host}");
    }
}

#[tokio::test]
async fn a_leftover_of_this_host_beside_a_good_cookie_changes_nothing() {
    // threat-model C2
    let site = Deployment::start().await;
    let mut visitor = site.alice().await;
    visitor.jar.insert((NAME.into(), APP.into()), "leftover".into());
    assert_eq!(session(&mut visitor, APP).await["user"]["id"], ALICE);
    assert_eq!(visitor.visit(APP, "/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_auth_host_notices_a_session_that_was_put_in_place_of_another() {
    // threat-model C3
    let site = Deployment::start().await;
    let mut mallory = site.visitor();
    mallory.sign_in("mallory@example.com", "mallorys own").await;
    let key = (NAME.to_owned(), ".example.localhost".to_owned());
    let mut visitor = site.alice().await;
    let own = visitor.visit(AUTH, "/login").await.body;
    assert!(own.contains("alice@example.com"));
    visitor.jar.insert(key.clone(), mallory.jar[&key].clone());
    let swapped = visitor.visit(AUTH, "/login").await.body;
    assert!(!swapped.contains("mallory") && swapped.contains("name=\"password\""), "she is asked to sign in");
    visitor.sign_in(ALICE, PASSWORD).await;
    assert!(visitor.visit(AUTH, "/login").await.body.contains("alice@example.com"));
    assert_eq!(session(&mut mallory, AUTH).await, json!({}), "what she came with is over");
}
