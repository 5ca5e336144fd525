//! The demo as a program: what it prints, the walk it proposes, and that it leaves nothing behind.
//!
//! Why: it is the first thing that anybody sees of this project, on a machine that nobody has prepared.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use hallpass_tests::{
    Visitor,
    folder::Folder,
    process::Process,
    programs::{self, hold, port},
    visitor::parameter,
};
use http::{Method, StatusCode};
use insta::assert_snapshot;
use tokio::time::Instant;

const AUTH: &str = "auth.example.localhost";
const APP: &str = "app.example.localhost";
const ADMIN: &str = "admin.example.localhost";
const USER: (&str, &str) = ("user@example.com", "hallpass-demo");
const BOSS: (&str, &str) = ("admin@example.com", "hallpass-admin");

/// The demo on a port of its own, with a folder of its own for its files.
struct Demo {
    process: Process,
    port: u16,
    folder: Folder,
}

impl Demo {
    fn start() -> Self {
        let (folder, port) = (Folder::new("demo"), port());
        let environment = [("TMPDIR", folder.path().display().to_string())];
        let arguments = ["--port".to_owned(), port.to_string()];
        let process = Process::start_ours("hallpass-demo", folder.path(), &arguments, &environment);
        Self { process, port, folder }
    }

    async fn ready() -> Self {
        let mut demo = Self::start();
        demo.process.wait_for("Ctrl-C ends it.").await;
        demo
    }

    fn url(&self, host: &str, target: &str) -> String {
        format!("http://{host}:{}{target}", self.port)
    }

    fn files(&self) -> Vec<PathBuf> {
        files(self.folder.path())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn it_says_where_to_look_who_to_be_and_what_to_try() {
    let demo = Demo::ready().await;
    let printed = demo.process.output().replace(&demo.port.to_string(), "PORT");
    let lines: Vec<&str> = printed.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    assert_snapshot!(lines.join("\n").trim(), @r#"
    Hallpass demo

      http://app.example.localhost:PORT     an app: shows your session
      http://admin.example.localhost:PORT   for admins only
      http://shop.example.localhost:PORT    an app that knows nothing of Hallpass, behind its proxy
      http://auth.example.localhost:PORT    the sign-in itself

    Sign in as

      user@example.com    hallpass-demo     an ordinary user
      admin@example.com   hallpass-admin    an admin

    What to try

      1. Open app: you are sent to sign in, and come back to where you were.
      2. Open admin: the same session is there. The ordinary user is told why not.
      3. Watch app: the access token lives 30 seconds and is renewed before your eyes.
      4. Open http://app.example.localhost:PORT/storm: fifty requests at once, one refresh.
      5. Open shop: a plain app is told who you are. Its /stock is for admins, its /public for everybody.
      6. Sign out anywhere: you are signed out of every site, and a copy of the cookie is worth nothing. "On all
         devices" ends the sessions of your other browsers, too.

    Ctrl-C ends it.
    "#);
}

#[tokio::test]
async fn one_sign_in_is_enough_for_every_host() {
    let demo = Demo::ready().await;
    let mut visitor = Visitor::new(demo.port);
    let target = "/reports/2026?tab=a%20b&x=%C3%A9";
    let sent = visitor.visit(APP, target).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert!(sent.location().starts_with(&demo.url(AUTH, "/login?")), "{}", sent.location());
    let back = parameter(sent.location(), "callbackUrl").unwrap();
    assert_eq!(back, demo.url(APP, target), "the way back, byte for byte");
    let login = visitor.visit(AUTH, sent.location().split_once(&format!(":{}", demo.port)).unwrap().1).await;
    assert!(login.body.contains("Hallpass demo") && login.body.contains("type=\"password\""));
    let fields = [("username", USER.0), ("password", USER.1), ("callbackUrl", back.as_str())];
    let signed_in = visitor.post_form(AUTH, "/api/auth/callback/credentials", &fields).await;
    assert_eq!((signed_in.status, signed_in.location()), (StatusCode::SEE_OTHER, back.as_str()));
    let page = visitor.visit(APP, target).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Zoë Novotná"), "{}", page.body);
    let lifetimes = visitor.fetch(APP, "/api/auth/lifetimes").await.json();
    assert!(lifetimes["accessExpires"].as_i64() < lifetimes["expires"].as_i64(), "{lifetimes}");
    for host in [AUTH, APP, ADMIN] {
        let session = visitor.fetch(host, "/api/auth/session").await.json();
        assert_eq!(session["user"]["firstName"], "Zoë", "{host}");
    }
    let denied = visitor.visit(ADMIN, "/").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(denied.body.contains("isAdmin = true") && denied.body.contains("Zoë Novotná"), "{}", denied.body);
    let over = visitor.post_form(APP, "/api/auth/signout", &[("callbackUrl", "/")]).await;
    assert_eq!(over.status, StatusCode::SEE_OTHER);
    for host in [AUTH, APP, ADMIN] {
        assert_eq!(visitor.fetch(host, "/api/auth/session").await.body, "{}", "{host}");
    }
}

#[tokio::test]
async fn the_admin_is_admitted_and_a_wrong_password_is_not() {
    let demo = Demo::ready().await;
    let mut visitor = Visitor::new(demo.port);
    let wrong = visitor.sign_in(BOSS.0, USER.1).await;
    assert_eq!(parameter(wrong.location(), "error").as_deref(), Some("CredentialsSignin"));
    assert_eq!(visitor.visit(ADMIN, "/").await.status, StatusCode::SEE_OTHER);
    visitor.sign_in(BOSS.0, BOSS.1).await;
    let page = visitor.visit(ADMIN, "/").await;
    assert!(page.status == StatusCode::OK && page.body.contains("Adam Správce"), "{}", page.body);
}

#[tokio::test]
async fn another_name_of_the_machine_gets_directions() {
    let demo = Demo::ready().await;
    let mut visitor = Visitor::new(demo.port);
    for host in ["localhost", "127.0.0.1", "example.localhost", "evil.example"] {
        let answer = visitor.send(Method::GET, host, "/login", &[], "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{host}");
        assert!(answer.body.contains(&demo.url(APP, "/")), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_storm_is_one_refresh_and_a_copied_cookie_ends_with_the_session() {
    // threat-model R1, T14
    let demo = Demo::ready().await;
    let mut visitor = Visitor::new(demo.port);
    visitor.sign_in("user@example.com", "hallpass-demo").await;
    let mut elsewhere = Visitor::new(demo.port);
    elsewhere.sign_in("user@example.com", "hallpass-demo").await;
    assert_eq!(visitor.visit(APP, "/storm").await.status, StatusCode::OK);
    for _ in 0..3 {
        let answer = visitor.post_form(APP, "/storm", &[]).await;
        assert!(answer.body.contains("The backend was asked once"), "{}", answer.body);
        assert!(answer.body.contains("<dt>Answered with your session</dt><dd>50</dd>"), "{}", answer.body);
    }
    let mut copy = visitor.clone();
    visitor.post_form(AUTH, "/api/auth/signout", &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(copy.fetch(APP, "/api/auth/session").await.body, "{}");
    assert_ne!(elsewhere.fetch(APP, "/api/auth/session").await.body, "{}", "another browser");
    let mut again = Visitor::new(demo.port);
    again.sign_in("user@example.com", "hallpass-demo").await;
    again.post_form(APP, "/api/auth/signout", &[("everywhere", "true")]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(elsewhere.fetch(APP, "/api/auth/session").await.body, "{}", "all of them");
}

#[tokio::test]
async fn it_ends_at_once_and_leaves_no_file() {
    for signal in ["INT", "TERM"] {
        let mut demo = Demo::ready().await;
        // Somebody is looking while it ends.
        let mut visitor = Visitor::new(demo.port);
        assert_eq!(visitor.fetch(AUTH, "/api/auth/csrf").await.status, StatusCode::OK);
        let [folder] = &demo.files()[..] else { panic!("one folder: {:?}", demo.files()) };
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        let told = Instant::now();
        demo.process.signal(signal).await;
        assert_eq!(demo.process.end().await, 0);
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
        assert!(demo.files().is_empty(), "{:?}", demo.files());
    }
}

#[tokio::test]
async fn it_leaves_no_file_when_it_is_ended_while_it_starts() {
    let mut demo = Demo::start();
    while demo.files().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    demo.process.signal("INT").await;
    assert_eq!(demo.process.end().await, 0, "{}", demo.process.output());
    assert!(demo.files().is_empty(), "{:?}", demo.files());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_the_option_that_helps() {
    let taken = port();
    let _held = hold(taken).await;
    let folder = Folder::new("demo");
    let arguments = ["--port".to_owned(), taken.to_string()];
    let temporary = folder.path().display().to_string();
    let ended = programs::run("hallpass-demo", folder.path(), &arguments, &[("TMPDIR", &temporary)]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    let next = (taken + 1).to_string();
    let said = ended.stderr.replace(&next, "NEXT").replace(&taken.to_string(), "PORT");
    assert_snapshot!(said, @"hallpass-demo: port PORT is taken; choose another one: --port NEXT");
    assert!(files(folder.path()).is_empty());
    let ended = programs::run("hallpass-demo", folder.path(), &["--log", "inof"], &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_snapshot!(ended.stderr, @"hallpass-demo: `inof` is not understood; use error, warn, info, debug, trace or directives such as hallpass_shared=debug,info");
}
