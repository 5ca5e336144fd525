//! An auth server and a satellite in this process, before a stub of a backend.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, body::Body, extract::State, routing::post};
use futures_util::{StreamExt as _, stream};
use hallpass_auth_server::{App, Settings as AuthSettings};
use hallpass_satellite::{Satellite, Settings as SatelliteSettings};
use hallpass_shared::{
    client::Peer,
    clock::UnixTime,
    secret::Secret,
    server::{Limits, serve},
    settings::Texts,
    token::Claims,
};
use hallpass_tests::SECRET;
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use tower::ServiceExt as _;

use crate::{
    numbers::{Number, Part},
    say,
};

const PARALLEL: usize = 64;
const REFRESHES: Part = Part("Refreshes through one auth server, each of another session, 64 at a time");
const SIGN_INS: Part = Part("Sign-ins through one auth server, 64 at a time");
const CHECKS: Part = Part("The check of a session at a satellite, its access token fresh, 64 at a time");

/// The parts, and what the stub has seen.
pub(crate) struct Site {
    pub(crate) auth: App,
    pub(crate) auth_router: Router,
    pub(crate) satellite: Router,
    pub(crate) stub: Arc<Stub>,
}

/// Grants whatever it is asked for.
#[derive(Debug)]
pub(crate) struct Stub {
    pub(crate) refreshes: AtomicU64,
    granted: AtomicU64,
    begun: Instant,
    /// How long it takes for a refresh.
    takes: Duration,
    /// When it was last asked for a refresh and answered it, in microseconds since it began.
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Stub {
    pub(crate) fn asked_at(&self) -> Instant {
        self.begun + Duration::from_micros(self.asked.load(Ordering::SeqCst))
    }

    pub(crate) fn answered_at(&self) -> Instant {
        self.begun + Duration::from_micros(self.answered.load(Ordering::SeqCst))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap()
    }

    async fn refresh(&self) -> Json<Value> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        self.asked.store(self.now(), Ordering::SeqCst);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        self.answered.store(self.now(), Ordering::SeqCst);
        self.grant()
    }

    fn grant(&self) -> Json<Value> {
        let number = self.granted.fetch_add(1, Ordering::Relaxed);
        Json(json!({
            "access": format!("e30.eyJleHAiOjQwMDAwMDAwMDAsInVzZXJfaWQiOjF9.{number}"),
            "refresh": format!("granted-{number}"),
            "user": {"id": number, "email": "user@example.com", "name": "A User", "isAdmin": false},
        }))
    }
}

async fn listen(router: Router) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = Limits { connections: 10_000, trusted: Vec::new() };
    tokio::spawn(async move { serve(listener, router, limits, std::future::pending()).await });
    port
}

impl Site {
    pub(crate) async fn start(store: &str) -> Self {
        Self::before(store, Duration::ZERO).await
    }

    /// As [`Site::start`], before a backend that takes this long for a refresh.
    pub(crate) async fn before(store: &str, takes: Duration) -> Self {
        // Each site has a file of its own.
        let store = store.replace(".redb", &format!("-{}.redb", uuid()));
        let stub = Arc::new(Stub {
            refreshes: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            begun: Instant::now(),
            takes,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        });
        let stubs = Router::new()
            .route("/token", post(async |State(stub): State<Arc<Stub>>| stub.grant()))
            .route("/refresh", post(async |State(stub): State<Arc<Stub>>| stub.refresh().await))
            .with_state(Arc::clone(&stub));
        let backend = listen(stubs).await;
        let internal = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = internal.local_addr().unwrap().port();
        let settings = format!(
            "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://auth.example.localhost\"\n\
             refresh.auth_server = \"http://127.0.0.1:{port}\"\nstore.url = \"{store}\"\nthrottle.in_flight = 256\n\
             satellite.url = \"http://app.example.localhost\"\n[backend]\nkind = \"rest\"\nconcurrency = 256\n\
             sign_in = {{ url = \"http://127.0.0.1:{backend}/token\", body = {{ email = \"{{username}}\", password = \"{{password}}\" }} }}\n\
             refresh = {{ url = \"http://127.0.0.1:{backend}/refresh\", body = {{ refresh = \"{{refresh_token}}\" }} }}\n\
             response = {{ user = \"/user\" }}\n"
        );
        let texts = Texts::from_toml(&settings).unwrap();
        let auth = App::build(AuthSettings::read(&texts).unwrap()).unwrap();
        let router = auth.router();
        let limits = Limits { connections: 10_000, trusted: Vec::new() };
        tokio::spawn(async move { serve(internal, router, limits, std::future::pending()).await });
        let satellite = Satellite::build(SatelliteSettings::read(&texts).unwrap()).unwrap();
        let satellite = satellite.hardened(satellite.protect(satellite.built_in_site()));
        let site = Self { auth_router: auth.router(), auth, satellite, stub };
        // The feed and the connections are there before anything is measured: the first answer waits for the feed.
        tokio::time::sleep(Duration::from_millis(300)).await;
        ask(&site.satellite, session(&site.cookie(0, 3600))).await;
        site
    }

    /// A session of its own, whose access token ends in `life` seconds.
    pub(crate) fn cookie(&self, number: usize, life: i64) -> String {
        let authenticator = &self.auth.endpoints.authenticator;
        let now = authenticator.clock.now();
        let claims = Claims {
            sub: Some(number.to_string()),
            auth_time: Some(now),
            access_token: Some(Secret::new("e30.eyJ1c2VyX2lkIjoxfQ.s")),
            access_token_expires: Some(UnixTime::from_seconds(now.as_seconds() + life)),
            refresh_token: Some(Secret::new(format!("refresh-{number}-{}", uuid()))),
            ..Claims::default()
        };
        let claims = authenticator.lifetime.stamp(&claims, now);
        let name = &authenticator.cookie.policy().name;
        format!("{name}={}", authenticator.codec.seal(&claims).unwrap().expose())
    }
}

fn uuid() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 32 | u128::from(std::process::id())
}

/// One request to a router, without a network.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    match router.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

pub(crate) fn session(cookie: &str) -> Request<Body> {
    Request::get("/api/auth/session").header(header::COOKIE, cookie).body(Body::empty()).unwrap()
}

pub(crate) fn renewed(answer: &Response<Body>) -> bool {
    answer.status() == StatusCode::OK && answer.headers().contains_key(header::SET_COOKIE)
}

/// Runs `work` for each number, [`PARALLEL`] at a time on all processors, and says how many a second.
async fn rate<F>(part: Part, name: &str, count: usize, work: impl Fn(usize) -> F) -> Vec<Number>
where
    F: Future<Output = bool> + Send + 'static,
{
    let begun = Instant::now();
    let mut running =
        stream::iter((0..count).map(|number| tokio::spawn(work(number)))).buffer_unordered(PARALLEL);
    let mut good = 0;
    while let Some(ended) = running.next().await {
        good += usize::from(ended.unwrap());
    }
    let elapsed = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = good as f64 / elapsed.as_secs_f64();
    say(&format!("  {name:8} {rate:9.0} a second ({good} of {count} in {elapsed:.2?})"));
    vec![
        part.higher(name, "a second", &[rate]),
        part.exactly(format!("{name}: answered well, of {count}"), count, good),
    ]
}

/// As browsers cause them: at the auth server itself.
pub(crate) async fn refreshes(name: &str, site: &Arc<Site>, count: usize) -> Vec<Number> {
    let cookies: Arc<Vec<_>> = Arc::new((0..count).map(|number| site.cookie(number, -1)).collect());
    rate(REFRESHES, name, count, |number| {
        let (site, cookies) = (Arc::clone(site), Arc::clone(&cookies));
        async move { renewed(&ask(&site.auth_router, session(&cookies[number])).await) }
    })
    .await
}

pub(crate) async fn checks(site: &Arc<Site>, count: usize) -> Vec<Number> {
    let cookie = Arc::new(site.cookie(1, 3600));
    rate(CHECKS, "check", count, |_| {
        let (site, cookie) = (Arc::clone(site), Arc::clone(&cookie));
        async move { ask(&site.satellite, session(&cookie)).await.status() == StatusCode::OK }
    })
    .await
}

pub(crate) async fn sign_ins(name: &str, site: &Arc<Site>, count: usize) -> Vec<Number> {
    let form = Form::of(site).await;
    rate(SIGN_INS, name, count, |number| {
        let (site, request) = (Arc::clone(site), form.request(number));
        async move { renewed_in(&ask(&site.auth_router, request).await) }
    })
    .await
}

fn renewed_in(answer: &Response<Body>) -> bool {
    answer.status() == StatusCode::OK && answer.headers().get_all(header::SET_COOKIE).iter().count() > 0
}

/// What a sign-in sends.
pub(crate) struct Form {
    cookie: String,
    token: String,
}

impl Form {
    pub(crate) async fn of(site: &Site) -> Self {
        let answer =
            ask(&site.auth_router, Request::get("/api/auth/csrf").body(Body::empty()).unwrap()).await;
        let headers: &HeaderMap = answer.headers();
        let cookie = headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        Self { cookie, token: body["csrfToken"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn request(&self, number: usize) -> Request<Body> {
        let fields = json!({
            "username": format!("user-{number}@example.com"), "password": "p", "csrfToken": self.token, "json": "true",
        });
        // Each from an address of its own: the throttle counts by address.
        let address = u32::try_from(number).unwrap() + (10 << 24);
        Request::post("/api/auth/callback/credentials")
            .extension(Peer(Ipv4Addr::from(address).into()))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &self.cookie)
            .body(Body::from(fields.to_string()))
            .unwrap()
    }
}
