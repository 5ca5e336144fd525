//! The files as they ship: with TLS, over HTTP/2, with the cookies' names of https.

use std::time::Duration;

use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    dialect::Dialect,
    secret::{Secret, SecretRing},
    token::{Claims, Codec},
};
use hallpass_tests::{
    SECRET,
    edges::{Kind, Scheme},
    programs::APP,
};
use serde_json::Value;
use tokio::process::Command;

use super::{Site, header, said};

at_each_edge!(with_tls_all_is_as_without);

const NAME: &str = "__Secure-next-auth.session-token";

async fn with_tls_all_is_as_without(kind: Kind) {
    // threat-model H7
    let site = Site::over(Scheme::Https, kind, "", &[]).await;
    let session = format!("Cookie: {NAME}={}; theme=dark", token());
    let (status, body) = curl(&site, APP, &["-H", &session, "-H", "X-Forwarded-Proto: http"]).await;
    assert_eq!(status, "HTTP/2 200", "{body}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said(&seen, "remote-email").as_deref(), Some("user@example.com"));
    assert_eq!(header(&seen, "cookie"), ["theme=dark"]);
    assert_eq!(header(&seen, "x-forwarded-proto"), ["https"]);
    // The default name of http is nothing here.
    let plain = session.replace("__Secure-", "");
    assert_eq!(curl(&site, APP, &["-H", &plain]).await.0, "HTTP/2 401");
    let navigates = ["-H", "Sec-Fetch-Mode: navigate", "-w", "%{redirect_url}"];
    let (status, address) = curl(&site, APP, &navigates).await;
    assert!(status == "HTTP/2 302" || status == "HTTP/2 303", "{status}");
    assert!(address.contains("/login?callbackUrl=https%3A%2F%2Fapp.example.localhost"), "{address}");
    // Another name in the handshake, and another after it.
    let (status, _) = curl(&site, "other.example.localhost", &["-H", &session]).await;
    assert!(["", "HTTP/2 421"].contains(&status.as_str()), "{status}");
    let (status, _) = curl(&site, APP, &["-H", &session, "-H", "Host: other.example.localhost"]).await;
    assert_eq!(status, "HTTP/2 421");
}

/// The first line and the body of an answer, or nothing if there is none.
async fn curl(site: &Site, host: &str, arguments: &[&str]) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--http2", "--max-time", "20", "--dump-header", "/dev/stderr"]);
    curl.args(["--resolve", &format!("{host}:{}:127.0.0.1", site.port)]).args(arguments);
    curl.arg(format!("https://{host}:{}/x", site.port));
    let output = curl.output().await.unwrap();
    let heads = String::from_utf8(output.stderr).unwrap();
    let first = heads.lines().next().unwrap_or_default().trim().to_owned();
    (first, String::from_utf8(output.stdout).unwrap())
}

/// A session, as the auth server makes them.
fn token() -> String {
    let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
    let codec = Codec::for_session(Dialect::NEXT_AUTH_V4, &ring, NAME).unwrap();
    let now = SystemClock.now();
    let user = serde_json::json!({ "email": "user@example.com" });
    let claims = Claims {
        sub: Some("1".into()),
        sid: Some("over-tls".into()),
        user: user.as_object().unwrap().clone(),
        issued_at: Some(now),
        auth_time: Some(now),
        expires: Some(now.plus(Duration::from_mins(10))),
        ..Claims::default()
    };
    codec.seal(&claims).unwrap().expose().to_owned()
}
