//! Scratch.
use hallpass_auth_server::backend::{Backend, BackendError};
use hallpass_shared::{secret::Secret, settings::{SharedSettings, Texts}, telemetry::{self, LogFormat}, token::Claims};

fn backend(section: &str) -> Backend {
    let all = format!("secret = \"d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b\"\nparent_domain = \"example.com\"\nauth_url = \"https://auth.example.com\"\n{section}");
    let texts = Texts::from_toml(&all).unwrap();
    let shared = SharedSettings::read(&texts).unwrap();
    Backend::read(&texts, &shared).unwrap()
}
async fn fault(body: &str) {
    let client = hallpass_shared::http_client::build(std::time::Duration::from_secs(5), None).unwrap();
    client.post("http://127.0.0.1:8971/test/fault").header("content-type","application/json").body(body.to_owned()).send().await.unwrap();
}
async fn round(name: &str, b: &Backend, sign_in_path: &str, refresh_path: &str) {
    println!("== {name}: {:?}", b);
    println!("reach {:?}", b.reach().await);
    let s = Secret::new;
    let addr = Some("203.0.113.7".parse().unwrap());
    for (u, p) in [("user@example.com", "wrong"), ("nobody@example.com", "x"), ("inactive@example.com", "hallpass-inactive"), ("user@example.com", " "), ("user@example.com\" }", "\"'")] {
        println!("{u:30} -> {:?}", b.sign_in(&s(u), &s(p), addr).await.map(|_| ()));
    }
    let g = b.sign_in(&s("user@example.com"), &s("hallpass-demo"), addr).await.unwrap();
    println!("sub {:?} user {:?}\n exp {:?} {:?}", g.subject(), serde_json::to_string(&g.user).unwrap(), g.access_token_expires, g.refresh_token_expires);
    let r1 = g.refresh_token.clone().unwrap();
    let g2 = b.refresh(&r1).await.unwrap();
    println!("refreshed user {:?} rotated {}", g2.user.as_ref().map(|u| u.len()), g2.refresh_token.as_ref().unwrap().expose() != r1.expose());
    println!("second use {:?}", b.refresh(&r1).await.map(|_| ()));
    println!("junk {:?}", b.refresh(&s("junk")).await.map(|_| ()));
    for (mode, extra) in [("500", ""), ("close", ""), ("hang", ",\"seconds\":9")] {
        fault(&format!(r#"{{"mode":"{mode}","times":2,"paths":["{sign_in_path}","{refresh_path}"]{extra}}}"#)).await;
        println!("{mode}: {:?} {:?}", b.sign_in(&s("user@example.com"), &s("hallpass-demo"), None).await.map(|_| ()), b.refresh(g2.refresh_token.as_ref().unwrap()).await.map(|_| ()));
    }
    fault(r#"{"mode":"none"}"#).await;
    let g2 = b.sign_in(&s("user@example.com"), &s("hallpass-demo"), addr).await.unwrap();
    let g3 = b.refresh(g2.refresh_token.as_ref().unwrap()).await;
    println!("after the outage {:?}", g3.as_ref().map(|_| ()));
    let claims = g3.unwrap().apply_to(&g2.apply_to(&g.apply_to(&Claims::default())));
    b.sign_out(&claims).await;
    println!("after sign-out {:?}", b.refresh(claims.refresh_token.as_ref().unwrap()).await.map(|_| ()) == Err(BackendError::Denied));
}
#[tokio::main]
async fn main() {
    telemetry::init(LogFormat::Pretty, "info").unwrap();
    let rest = std::fs::read_to_string("/tmp/bk/rest.toml").unwrap();
    let gql = std::fs::read_to_string("/tmp/bk/graphql.toml").unwrap();
    round("rest", &backend(&rest), "/api/token/", "/api/token/refresh/").await;
    round("graphql", &backend(&gql), "/graphql", "/graphql").await;
    let noslash = backend(&rest.replace("api/token/\"", "api/token\""));
    println!("no slash: {:?} {:?}", noslash.reach().await, noslash.sign_in(&Secret::new("user@example.com"), &Secret::new("hallpass-demo"), None).await.map(|_| ()));
    let dead = backend(&rest.replace("8971", "1"));
    println!("dead: {:?} {:?}", dead.reach().await, dead.sign_in(&Secret::new("user@example.com"), &Secret::new("hallpass-demo"), None).await.map(|_| ()));
}
