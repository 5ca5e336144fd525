//! What only satellites do: authorize nobody, send people to sign in, protect pages, and compare secrets.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use hallpass_satellite::Satellite;
use hallpass_shared::{
    admin::Readiness as _,
    server::{Limits, serve},
};
use hallpass_tests::{SECRET, World, visitor::parameter};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use super::deployment::{
    ADMIN, ALICE, APP, Deployment, FAR, Gone, PASSWORD, ask, cookie_line, get, grant, satellite,
    session_cookies,
};

const OTHER_SECRET: &str = "Zr5Kq8Wv1Xn4Tb7Yc0Md3Fg6Hj9Lp2Sa";

#[tokio::test]
async fn a_satellite_authorizes_nobody_and_says_so_as_nextauth_does() {
    // threat-model S10
    for (dialect, status, address) in [
        (
            "next-auth-v4",
            StatusCode::UNAUTHORIZED,
            "/api/auth/error?error=CredentialsSignin&provider=credentials",
        ),
        ("authjs-v5", StatusCode::OK, "/api/auth/signin?error=CredentialsSignin&code=credentials"),
    ] {
        let site = Deployment::with(&format!("cookie.dialect = \"{dialect}\"")).await;
        let mut visitor = site.visitor();
        let target = "/api/auth/callback/credentials";
        let fields =
            [("username", ALICE), ("password", PASSWORD), ("callbackUrl", "/deep"), ("json", "true")];
        let answer = visitor.post_form(APP, target, &fields).await;
        assert_eq!((answer.status, answer.json()), (status, json!({"url": site.world.url("app", address)})));
        assert_eq!(answer.set_cookies(), Vec::<&str>::new());

        let answer = visitor.post_form(APP, target, &fields[..3]).await;
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::SEE_OTHER, Vec::new()));
        assert!(answer.location().starts_with(&site.world.url("auth", "/login?")), "{}", answer.location());
        let back = parameter(answer.location(), "callbackUrl").unwrap();
        assert_eq!(back, site.world.url("app", "/deep"));
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("CredentialsSignin"));
        assert_eq!(site.backend.take_received().len(), 0, "nobody is asked");
        let followed = visitor.visit(APP, address).await;
        assert!(followed.location().starts_with(&site.world.url("auth", "/login?callbackUrl=")));
    }
}

#[tokio::test]
async fn a_page_load_is_sent_to_sign_in_and_a_program_gets_401() {
    // threat-model O10
    let site = Deployment::start().await;
    let mut visitor = site.visitor();
    let target = "/deep/a%20b?q=%C4%8Daj+%26&x=1";
    let answer = visitor.visit(APP, target).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.location().starts_with(&site.world.url("auth", "/login?callbackUrl=")));
    let back = parameter(answer.location(), "callbackUrl").unwrap();
    assert_eq!(back, site.world.url("app", target), "the way back, byte for byte");

    let socket = [("sec-fetch-mode", "websocket"), ("sec-websocket-key", "x"), ("accept", "text/html")];
    let old = [("accept", "application/json")];
    let script = [("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")];
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), ("accept", "image/*")];
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    for headers in [&socket[..], &old, &script, &image, &frame, &[]] {
        let answer = visitor.send(Method::GET, APP, target, headers, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        if !headers.contains(&("sec-fetch-mode", "navigate")) && !headers.contains(&("accept", "text/html")) {
            let id = answer.headers["x-request-id"].to_str().unwrap();
            assert_eq!(answer.json()["code"], "SessionRequired");
            assert_eq!(answer.json()["requestId"], id);
        }
    }
    let old_browser = [("accept", "text/html,application/xhtml+xml")];
    assert_eq!(visitor.send(Method::GET, APP, "/", &old_browser, "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_page_for_admins_tells_others_why_not() {
    // threat-model P7, T8
    let site = Deployment::start().await;
    let mut visitor = site.alice().await;
    let answer = visitor.visit(ADMIN, "/settings?tab=1").await;
    assert_eq!(
        (answer.status, answer.headers["cache-control"].as_bytes()),
        (StatusCode::FORBIDDEN, &b"no-store"[..])
    );
    assert!(answer.body.contains("isAdmin = true") && answer.body.contains(ALICE), "{}", answer.body);
    assert!(answer.body.contains("switch=1"), "a way to sign in as somebody else");
    let told = visitor.fetch(ADMIN, "/settings").await;
    assert_eq!((told.status, &told.json()["code"]), (StatusCode::FORBIDDEN, &json!("AccessDenied")));
    assert_eq!(visitor.visit(APP, "/settings").await.status, StatusCode::OK);

    let mut admin = site.visitor();
    let user = json!({"id": "9", "email": "root@example.com", "name": "Root", "isAdmin": true});
    site.backend.answer_next(grant(1, FAR, &user));
    admin.sign_in("root@example.com", "whatever").await;
    assert_eq!(admin.visit(ADMIN, "/settings").await.status, StatusCode::OK);
    let user = json!({"id": "9", "email": "root@example.com", "name": "Root", "isAdmin": "true"});
    site.backend.answer_next(grant(2, FAR, &user));
    admin.sign_in("root@example.com", "whatever").await;
    assert_eq!(admin.visit(ADMIN, "/settings").await.status, StatusCode::FORBIDDEN, "a text is no boolean");
    assert_eq!(site.visitor().visit(ADMIN, "/settings").await.status, StatusCode::SEE_OTHER);
}

/// The auth server's internal address.
struct Internal {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Internal {
    async fn of(router: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { connections: 100, trusted: Vec::new() };
        let task =
            tokio::spawn(
                async move { serve(listener, router, limits, std::future::pending()).await.unwrap() },
            );
        Self { address, task }
    }

    /// A satellite that asks here, with these settings.
    fn satellite(&self, world: &World, secret: &str, domain: &str, more: &str) -> Satellite {
        let (port, address) = (world.port, self.address);
        let settings = format!(
            "secret = \"{secret}\"\nparent_domain = \"{domain}\"\nauth_url = \"http://auth.{domain}:{port}\"\n\
             refresh.auth_server = \"http://{address}\"\n{more}"
        );
        satellite(&format!("http://app.{domain}:{port}"), &settings)
    }
}

impl Drop for Internal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_satellite_says_what_differs_from_the_auth_server() {
    let site = Deployment::start().await;
    let agreement = site.world.app.agreement().await;
    assert!(agreement.is_whole() && agreement.agreed.len() == 1, "{agreement:?}");
    let internal = Internal::of(site.world.auth.router()).await;
    let localhost = "example.localhost";
    for (secret, domain, more, named) in [
        (OTHER_SECRET, localhost, "", "the secret differs"),
        (
            SECRET,
            localhost,
            "cookie.dialect = \"authjs-v5\"",
            "`cookie.dialect` differs: `authjs-v5` here, `next-auth-v4`",
        ),
        (SECRET, localhost, "cookie.name = \"sid\"", "`cookie.name` differs: `sid` here"),
        (
            SECRET,
            "other.localhost",
            "",
            "`parent_domain` differs: `other.localhost` here, `example.localhost`",
        ),
    ] {
        let satellite = internal.satellite(&site.world, secret, domain, more);
        let agreement = satellite.agreement().await;
        assert!(agreement.is_denied());
        let differences = agreement.differences;
        assert!(differences.join("\n").contains(named), "{differences:?} instead of {named}");
    }
    let strangers = Internal::of(Router::new()).await;
    let satellite = strangers.satellite(&site.world, SECRET, localhost, "");
    let differences = satellite.agreement().await.differences;
    assert!(differences[0].contains("is no Hallpass auth server"), "{differences:?}");
}

#[tokio::test]
async fn an_auth_server_that_does_not_answer_is_no_disagreement() {
    let site = Deployment::start().await;
    let gone = Gone::somewhere();
    let settings = format!(
        "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://auth.example.localhost:{}\"\n\
         refresh.auth_server = \"http://{}\"",
        site.world.port, gone.address
    );
    let satellite = satellite(&format!("http://app.example.localhost:{}", site.world.port), &settings);
    let agreement = satellite.agreement().await;
    assert!(!agreement.is_whole() && !agreement.is_denied());
    assert!(agreement.unreachable[0].contains("`refresh.auth_server`"), "{agreement:?}");
}

#[tokio::test]
async fn each_of_several_auth_servers_is_asked_and_named() {
    let site = Deployment::start().await;
    let same = Internal::of(site.world.auth.router()).await;
    let gone = Gone::somewhere();
    let hanging = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let broken = Internal::of(Router::new().fallback(async || StatusCode::BAD_GATEWAY)).await;
    let stranger = Internal::of(Router::new()).await;
    let addresses =
        [same.address, stranger.address, gone.address, hanging.local_addr().unwrap(), broken.address];
    let [same_url, stranger_url, gone_url, hanging_url, broken_url] =
        addresses.map(|address| format!("http://{address}/"));
    let several = |urls: &[&String]| {
        let port = site.world.port;
        let settings = format!(
            "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\n\
             auth_url = \"http://auth.example.localhost:{port}\"\nrefresh.auth_server = {urls:?}"
        );
        satellite(&format!("http://app.example.localhost:{port}"), &settings)
    };
    let all = several(&[&gone_url, &same_url, &stranger_url, &hanging_url, &broken_url]);
    let begun = tokio::time::Instant::now();
    let findings = all.findings().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    // One agrees, so sessions are renewed, and all others must be seen to.
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let impaired: Vec<_> = findings.iter().filter(|finding| finding.impaired).collect();
    assert_eq!(impaired.len(), 4, "{findings:?}");
    for (finding, url, what) in [
        (0, &stranger_url, "is no Hallpass auth server"),
        (1, &gone_url, "Connection refused"),
        (2, &hanging_url, "does not answer within 800 ms"),
        (3, &broken_url, "502"),
    ] {
        let detail = &impaired[finding].detail;
        assert!(detail.contains(url) && detail.contains(what), "{detail}");
    }
    // Where none agrees, it cannot do its work.
    let none = several(&[&gone_url, &stranger_url]).findings().await;
    assert_eq!(none.iter().filter(|finding| !finding.ok).count(), 1, "{none:?}");
}

#[tokio::test]
async fn a_satellite_with_another_secret_leaves_the_cookie_alone() {
    let site = Deployment::start().await;
    let visitor = site.alice().await;
    let internal = Internal::of(site.world.auth.router()).await;
    let stranger = internal.satellite(&site.world, OTHER_SECRET, "example.localhost", "");
    let router = stranger.hardened(stranger.protect(stranger.built_in_site()));
    for target in ["/", "/api/auth/session"] {
        let answer = ask(&router, get(target, &cookie_line(&visitor))).await;
        assert_eq!(answer.set_cookies(), Vec::<&str>::new(), "{target}");
        assert!(answer.status == StatusCode::UNAUTHORIZED || answer.body == "{}", "{target}");
    }
    assert_eq!(session_cookies(&visitor).len(), 1);
}
