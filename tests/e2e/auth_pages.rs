//! The auth server's pages for somebody who is signed in already.
//!
//! Why: this is where loops between hosts begin, and where a session that a sibling put in place of another would
//! be taken for one's own.

use hallpass_tests::{Visitor, World, scripted::ScriptedBackend, visitor::parameter};

const AUTH: &str = "auth.example.localhost";
const APP: &str = "app.example.localhost";
const SESSION: &str = "next-auth.session-token";

async fn world() -> (World, ScriptedBackend) {
    let backend =
        ScriptedBackend::start(&[("alice@example.com", "correct"), ("mallory@example.com", "correct")]).await;
    (World::start(&backend.settings()).await, backend)
}

async fn signed_in(world: &World, name: &str) -> Visitor {
    let mut visitor = Visitor::new(world.port);
    let answer = visitor.sign_in(name, "correct").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    visitor
}

#[tokio::test]
async fn somebody_signed_in_is_not_sent_round_in_circles() {
    // threat-model O9: a satellite that cannot read the cookie sends its visitor to sign in, again and again.
    let (world, _backend) = world().await;
    let mut alice = signed_in(&world, "alice@example.com").await;
    let to_app = format!("/login?callbackUrl={}", world.url("app", "/deep"));
    let page = alice.visit(AUTH, &to_app).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("alice@example.com") && page.body.contains(&world.url("app", "/deep")));
    let front = alice.visit(AUTH, "/").await;
    assert!(front.status == 200 && front.body.contains("alice@example.com"), "{}", front.body);
    let switch = alice.visit(AUTH, "/login?switch=1").await;
    assert!(switch.body.contains("name=\"password\""), "one can sign in as somebody else");
    let mut nobody = Visitor::new(world.port);
    assert_eq!(nobody.visit(AUTH, "/").await.location(), "/login");
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookie_of_the_domain_is_told_so() {
    // threat-model O9
    let (world, _backend) = world().await;
    let mut alice = signed_in(&world, "alice@example.com").await;
    let to_app = format!("/login?callbackUrl={}", world.url("app", "/deep"));
    let told = |page: &str| page.contains("keep this site’s cookie") && page.contains("name=\"password\"");
    let domain = (SESSION.to_owned(), ".example.localhost".to_owned());
    let session = alice.jar.remove(&domain).unwrap();
    let page = alice.visit(AUTH, &to_app).await;
    assert!(told(&page.body), "{}", page.body);
    assert!(!told(&alice.visit(AUTH, "/login").await.body), "nobody was sent back");
    assert!(!told(&Visitor::new(world.port).visit(AUTH, &to_app).await.body), "nobody has signed in");
    // Signed out on another host, which cannot delete what this one keeps.
    alice.jar.insert(domain, session);
    alice.post_form(APP, "/api/auth/signout", &[]).await;
    assert!(!told(&alice.visit(AUTH, &to_app).await.body), "nothing was lost");
}

#[tokio::test]
async fn a_session_put_in_place_of_another_is_noticed() {
    // threat-model C3
    let (world, _backend) = world().await;
    let mut alice = signed_in(&world, "alice@example.com").await;
    let mallory = signed_in(&world, "mallory@example.com").await;
    let domain = (SESSION.to_owned(), ".example.localhost".to_owned());
    alice.jar.insert(domain.clone(), mallory.jar[&domain].clone());
    let page = alice.visit(AUTH, "/login").await;
    assert!(page.body.contains("name=\"password\""), "asked to sign in again: {}", page.body);
    assert!(!page.body.contains("mallory"));
    let again = alice.sign_in("alice@example.com", "correct").await;
    assert_eq!(again.status, 303);
    assert!(alice.visit(AUTH, "/login").await.body.contains("alice@example.com"));
}

#[tokio::test]
async fn a_deep_link_comes_back_byte_for_byte() {
    let (world, _backend) = world().await;
    let mut alice = Visitor::new(world.port);
    let target = "/reports/2026%20Q3/%C4%8Desky?q=a%20b&x=%26%3D&&y=[z]&next=%2F%2Fevil.com&plus=1+1";
    let asked = alice.visit(APP, target).await;
    assert_eq!(asked.status, 303);
    let back = parameter(asked.location(), "callbackUrl").unwrap();
    assert_eq!(back, world.url("app", target));
    let fields = [("username", "alice@example.com"), ("password", "correct"), ("callbackUrl", back.as_str())];
    let signed_in = alice.post_form(AUTH, "/api/auth/callback/credentials", &fields).await;
    assert_eq!(signed_in.location(), world.url("app", target));
    assert_eq!(alice.visit(APP, target).await.status, 200);
}

#[tokio::test]
async fn after_signing_out_the_page_says_so() {
    let (world, _backend) = world().await;
    let mut alice = signed_in(&world, "alice@example.com").await;
    assert!(alice.visit(AUTH, "/logout").await.body.contains("alice@example.com"));
    let fields = [("callbackUrl", "/logout?done=1")];
    let out = alice.post_form(AUTH, "/api/auth/signout", &fields).await;
    assert_eq!(out.location(), world.url("auth", "/logout?done=1"));
    assert!(!alice.cookie_names().contains(&SESSION.to_owned()));
    assert!(alice.visit(AUTH, "/logout?done=1").await.body.contains("signed out"));
}
