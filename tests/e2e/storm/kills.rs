//! `kill -9` at each step of a renewal: what can be lost is what the manual says, and nothing else.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass_tests::{programs::port, redis::Redis};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::fleet::{Fleet, Plan, USER, cookies, expiry, who};

const REFRESH: [&str; 1] = ["/api/token/refresh/"];

/// Signs in, lets the token expire, and begins a renewal that the backend is told to treat like `fault`; then the auth
/// server is killed, and started again. The old cookie, and the satellite's port.
async fn killed_during(fleet: &mut Fleet, fault: serde_json::Value) -> (String, u16) {
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    fleet.django.tell("/test/fault", &fault).await;
    let port = fleet.ports()[0];
    let begun = tokio::spawn(fleet.ask(port, "/api/auth/session", &jar));
    while fleet.django.count("faults").await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    fleet.auths[0].kill().await;
    fleet.django.tell("/test/fault", &json!({"mode": "none"})).await;
    let told = begun.await.unwrap();
    assert_eq!(told.status, 200);
    assert_eq!(who(&told.json()), (Some(USER), Some("RefreshAccessTokenError")), "an outage, no sign-out");
    assert_eq!(told.cookies(), None);
    fleet.auths[0].start_again().await;
    (jar, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_backend_has_done_anything_nothing_is_lost() {
    // threat-model R7
    let mut fleet = Fleet::start(Plan { satellites: 1, ..Plan::default() }).await;
    let unheard = json!({"mode": "500", "seconds": 20, "paths": REFRESH});
    let (jar, port) = killed_during(&mut fleet, unheard).await;
    fleet.until(port, &jar, |session| who(session) == (Some(USER), None)).await;
    assert_eq!(fleet.django.count("refresh_ok").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_redis_another_auth_server_takes_the_lease_over() {
    // threat-model R7
    let redis = Redis::start().await;
    let settings = format!("store.url = \"{}\"", redis.url());
    let (settings, backend_settings) = (settings.as_str(), "timeout = \"2s\"");
    let plan = Plan { auths: 2, satellites: 2, settings, backend_settings, ..Plan::default() };
    let mut fleet = Fleet::start(plan).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    let unheard = json!({"mode": "500", "seconds": 20, "paths": REFRESH});
    fleet.django.tell("/test/fault", &unheard).await;
    let ports = fleet.ports();
    // The first satellite knows the first auth server only, and the second the second.
    let begun = tokio::spawn(fleet.ask(ports[0], "/api/auth/session", &jar));
    while fleet.django.count("faults").await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fleet.auths[0].kill().await;
    fleet.django.tell("/test/fault", &json!({"mode": "none"})).await;
    assert_eq!(who(&begun.await.unwrap().json()), (Some(USER), Some("RefreshAccessTokenError")));
    assert_eq!(who(&fleet.session(ports[1], &jar).await).1, Some("RefreshAccessTokenError"), "it is busy");
    fleet.until(ports[1], &jar, |session| who(session) == (Some(USER), None)).await;
    assert_eq!(fleet.django.count("refresh_ok").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_strict_backend_has_committed_and_before_it_is_stored_one_session_is_lost() {
    // DESIGN ruling 10: the one gap.
    let mut fleet = Fleet::start(Plan { satellites: 1, ..Plan::default() }).await;
    let other = cookies(&fleet.sign_in("admin@example.com").await);
    let unanswered = json!({"mode": "hang", "seconds": 20, "paths": REFRESH, "after": true});
    let (jar, port) = killed_during(&mut fleet, unanswered).await;
    assert_eq!(fleet.django.count("refresh_ok").await, 1, "the token is spent");
    fleet.until(port, &jar, |session| *session == json!({})).await;
    let session = fleet.until(port, &other, |session| who(session).1.is_none()).await;
    assert_eq!(who(&session).0, Some("admin@example.com"), "and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_honours_the_idempotency_key_closes_the_gap() {
    // threat-model R5
    let plan = Plan { satellites: 1, backend: &[("IDEMPOTENT", "1")], ..Plan::default() };
    let mut fleet = Fleet::start(plan).await;
    let unanswered = json!({"mode": "hang", "seconds": 20, "paths": REFRESH, "after": true});
    let (jar, port) = killed_during(&mut fleet, unanswered).await;
    assert_eq!(fleet.django.count("refresh_ok").await, 1, "the token is spent");
    fleet.until(port, &jar, |session| who(session) == (Some(USER), None)).await;
    assert_eq!(fleet.django.count("refresh_ok").await, 1, "once");
}

/// A network that can be told to swallow what comes back.
struct Network {
    port: u16,
    armed: Arc<AtomicBool>,
    swallows: Arc<AtomicBool>,
    came_back: Arc<AtomicBool>,
}

impl Network {
    /// Once armed, swallows answers from when `marker` was asked.
    async fn before(target: u16, marker: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port())).await.unwrap();
        let network = Self {
            port: listener.local_addr().unwrap().port(),
            armed: Arc::default(),
            swallows: Arc::default(),
            came_back: Arc::default(),
        };
        let armed = Arc::clone(&network.armed);
        let (swallows, came_back) = (Arc::clone(&network.swallows), Arc::clone(&network.came_back));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { continue };
                let (swallows, came_back) = (Arc::clone(&swallows), Arc::clone(&came_back));
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let (armed, asked) = (Arc::clone(&armed), Arc::clone(&swallows));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        let bytes = &buffer[..read];
                        if armed.load(Ordering::SeqCst)
                            && bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
                        {
                            asked.store(true, Ordering::SeqCst);
                        }
                        if to_server.write_all(bytes).await.is_err() {
                            break;
                        }
                    }
                });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        if swallows.load(Ordering::SeqCst) {
                            came_back.store(true, Ordering::SeqCst);
                            // Nothing more of it arrives, and it stays open.
                            std::future::pending::<()>().await;
                        }
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        network
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    async fn swallowed(&self) {
        while !self.came_back.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_it_is_stored_in_the_file_nothing_is_lost_though_nobody_was_answered() {
    // threat-model R3
    let mut fleet = Fleet::start(Plan { satellites: 0, ..Plan::default() }).await;
    let network = Network::before(fleet.auths[0].port, "GET /api/auth/session").await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    network.arm();
    let asked = tokio::spawn(fleet.ask(network.port, "/api/auth/session", &jar));
    network.swallowed().await;
    fleet.auths[0].kill().await;
    asked.abort();
    fleet.auths[0].start_again().await;
    let port = fleet.auths[0].port;
    let session = fleet.session(port, &jar).await;
    assert_eq!(who(&session), (Some(USER), None), "the result was on the disk");
    assert_eq!(fleet.django.count("refresh").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_it_is_stored_in_redis_nothing_is_lost_though_the_auth_server_never_knew() {
    // threat-model R3, R7
    let redis = Redis::start().await;
    let network = Network::before(redis.port(), "}:spent-for").await;
    let settings = format!("store.url = \"redis://127.0.0.1:{}\"", network.port);
    let mut fleet = Fleet::start(Plan { satellites: 1, settings: &settings, ..Plan::default() }).await;
    let first = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    // Redis learns the scripts.
    let jar = fleet.ask(fleet.ports()[0], "/api/auth/session", &first).await.cookies().unwrap();
    expiry().await;
    network.arm();
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let port = fleet.ports()[0];
    let asked = tokio::spawn(fleet.ask(port, "/api/auth/session", &jar));
    // Redis hears that it is to keep the result, and the auth server does not hear that it did.
    network.swallowed().await;
    fleet.auths[0].kill().await;
    network.swallows.store(false, Ordering::SeqCst);
    asked.abort();
    assert!(!redis.ask(&["keys", "*result:*"]).await.is_empty());
    fleet.auths[0].start_again().await;
    fleet.until(port, &jar, |session| who(session) == (Some(USER), None)).await;
    assert_eq!(fleet.django.count("refresh").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_satellite_loses_nothing() {
    let mut fleet = Fleet::start(Plan { satellites: 2, ..Plan::default() }).await;
    let jar = cookies(&fleet.sign_in(USER).await);
    expiry().await;
    fleet.django.tell("/test/counters/reset", &json!({})).await;
    let slow = json!({"mode": "hang", "seconds": 1, "paths": REFRESH});
    fleet.django.tell("/test/fault", &slow).await;
    let ports = fleet.ports();
    let asked = tokio::spawn(fleet.ask(ports[0], "/api/auth/session", &jar));
    while fleet.django.count("faults").await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fleet.satellites[0].kill().await;
    asked.abort();
    fleet.satellites[0].start_again().await;
    for port in ports {
        fleet.until(port, &jar, |session| who(session) == (Some(USER), None)).await;
    }
    assert_eq!(fleet.django.count("refresh").await, 1);
}
