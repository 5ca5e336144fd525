//! `Satellite::enforce`: the rules of the settings within an axum app.

use axum::{Router, extract::Request};
use hallpass_satellite::{Satellite, Settings, Texts};
use hallpass_tests::{Visitor, World, scripted::ScriptedBackend};
use http::{StatusCode, header};
use tower::ServiceExt as _;

const RULES: &str = r#"
[[satellite.rules]]
path = "/public"
access = "public"
[[satellite.rules]]
path = "/admin"
require = { claim = "/isAdmin", equals = true }
[[satellite.rules]]
path = "/api"
access = "signed-in"
preflight = true
"#;
const HOST: &str = "app.example.localhost";

async fn ask(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_axum_app_is_judged_by_the_rules_of_the_settings() {
    // threat-model P1, P3, P4, P7, H1
    let backend = ScriptedBackend::start(&[("alice@example.com", "correct")]).await;
    let world = World::start(&backend.settings()).await;
    let mut alice = Visitor::new(world.port);
    alice.sign_in("alice@example.com", "correct").await;
    let cookie: Vec<_> = alice.jar.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
    let cookie = cookie.join("; ");
    let settings = format!(
        "secret = \"{}\"\nparent_domain = \"example.localhost\"\nauth_url = \"{}\"\nrefresh.auth_server = \"http://{}\"\n\
         [satellite]\nurl = \"http://{HOST}:{}\"\n{RULES}",
        hallpass_tests::SECRET,
        world.url("auth", ""),
        world.address(),
        world.port
    );
    let satellite = Satellite::build(Settings::read(&Texts::from_toml(&settings).unwrap()).unwrap()).unwrap();
    // The handler reads what a careless one might.
    let careless = |request: Request| async move {
        request
            .headers()
            .get("remote-user")
            .map_or_else(String::new, |user| user.to_str().unwrap().to_owned())
    };
    let app = satellite.protect(Router::new().fallback(careless).layer(satellite.enforce()));
    let signed_in = [("cookie", cookie.as_str())];
    for (method, path, anonymous, alices) in [
        ("GET", "/public/x", 200, 200),
        ("GET", "/publicity", 401, 200),
        ("GET", "/PUBLIC/x", 401, 200),
        ("GET", "/", 401, 200),
        ("GET", "/ADMIN", 401, 403),
        ("GET", "/public/../admin", 400, 400),
        ("GET", "/%61dmin", 400, 400),
        ("OPTIONS", "/api/x", 401, 200),
    ] {
        let seen = ask(&app, method, path, &[]).await.0.as_u16();
        assert_eq!(seen, anonymous, "nobody: {method} {path}");
        assert_eq!(ask(&app, method, path, &signed_in).await.0.as_u16(), alices, "alice: {method} {path}");
    }
    let preflight = [("origin", "http://other.example.localhost"), ("access-control-request-method", "PUT")];
    assert_eq!(ask(&app, "OPTIONS", "/api/x", &preflight).await.0, StatusCode::OK);
    assert_eq!(ask(&app, "OPTIONS", "/admin", &preflight).await.0, StatusCode::UNAUTHORIZED);
    let forged = [("remote-user", "root"), ("Remote_User", "root")];
    assert_eq!(ask(&app, "GET", "/public/x", &forged).await, (StatusCode::OK, String::new()));
}
