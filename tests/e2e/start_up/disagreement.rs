//! The classic failure: a satellite and an auth server that cannot read each other's sessions. It is said in `check`,
//! in the log and in `/readyz`.

use hallpass_tests::{
    SECRET,
    folder::Folder,
    programs::{self, AUTH, Ended, Programs, Server, port, shared_settings},
    scripted::{Reply, ScriptedBackend},
};
use insta::assert_snapshot;

const OTHER: &str = "yF3pKq8ZtB6nVw1sXc9LmR4jHd7Gg2Qe";

/// What the satellite's `check` says when its settings have `from` changed `to`.
async fn check(programs: &Programs, from: &str, to: &str) -> Ended {
    let path = programs.app.folder.path();
    let settings = std::fs::read_to_string(path.join("hallpass.toml")).unwrap();
    assert!(settings.contains(from), "{from}");
    std::fs::write(path.join("changed.toml"), settings.replace(from, to)).unwrap();
    programs::run("satellite", path, &["--config", "changed.toml", "check"], &[]).await
}

fn anonymous(programs: &Programs, text: &str) -> String {
    let ports = [(programs.auth.port, "AUTH"), (programs.app.port, "APP")];
    ports
        .iter()
        .fold(text.to_owned(), |text, (port, name)| text.replace(&format!(":{port}"), &format!(":{name}")))
}

#[tokio::test]
async fn check_says_what_differs() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    let same = check(&programs, SECRET, SECRET).await;
    assert_eq!((same.code, same.stderr.as_str()), (0, ""));
    assert_snapshot!(anonymous(&programs, &same.stdout), @r"
    settings: ok, http://app.example.localhost:APP/ under http://auth.example.localhost:AUTH/
    auth server: reached; secret, cookie and dialect agree
    all is well
    ");
    let secret = format!("secret = \"{SECRET}\"");
    let address = format!("auth_server = \"http://127.0.0.1:{}\"", programs.auth.port);
    let mut all = String::new();
    for (from, to) in [
        (SECRET, OTHER.to_owned()),
        (&secret, format!("secrets = [\"{OTHER}\", \"{SECRET}\"]")),
        ("[backend]", "[cookie]\ndialect = \"authjs-v5\"\n[backend]".to_owned()),
        ("[backend]", "[cookie]\nname = \"session\"\n[backend]".to_owned()),
        (&address, format!("auth_server = \"http://127.0.0.1:{}\"", programs.app.port)),
        (&address, "auth_server = \"http://127.0.0.1:9\"".to_owned()),
        (&address, "auth_server = [\"http://127.0.0.1:8\", \"http://127.0.0.1:9\"]".to_owned()),
    ] {
        let ended = check(&programs, from, &to).await;
        assert_eq!(ended.code, 1);
        all += &anonymous(&programs, &ended.stderr);
    }
    assert_snapshot!(all, @r"
    satellite: http://127.0.0.1:AUTH/: the secret differs from the auth server's, so neither can read the other's sessions; give both the same `secret`
    satellite: http://127.0.0.1:AUTH/: this satellite seals with a secret that the auth server does not have; add it there first
    satellite: http://127.0.0.1:AUTH/: `cookie.name` differs: `authjs.session-token` here, `next-auth.session-token` on the auth server; give both the same
    http://127.0.0.1:AUTH/: `cookie.dialect` differs: `authjs-v5` here, `next-auth-v4` on the auth server; give both the same
    satellite: http://127.0.0.1:AUTH/: `cookie.name` differs: `session` here, `next-auth.session-token` on the auth server; give both the same
    satellite: http://127.0.0.1:APP/: what answers there is no Hallpass auth server (it said 404 Not Found); check `refresh.auth_server`
    satellite: the auth server cannot be reached at http://127.0.0.1:9/ (setting `refresh.auth_server`): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
    satellite: the auth server cannot be reached at http://127.0.0.1:8/ (setting `refresh.auth_server`): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
    the auth server cannot be reached at http://127.0.0.1:9/ (setting `refresh.auth_server`): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
    ");
    // One that is not there may be one that is started when there is more to do.
    let several =
        format!("auth_server = [\"http://127.0.0.1:{}\", \"http://127.0.0.1:9\"]", programs.auth.port);
    let one_of_two = check(&programs, &address, &several).await;
    assert_eq!((one_of_two.code, one_of_two.stderr.as_str()), (0, ""));
    assert_snapshot!(anonymous(&programs, &one_of_two.stdout), @r"
    settings: ok, http://app.example.localhost:APP/ under http://auth.example.localhost:AUTH/
    auth server: reached at 1 of 2 addresses; secret, cookie and dialect agree
    note: the auth server cannot be reached at http://127.0.0.1:9/ (setting `refresh.auth_server`): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
    all is well
    ");
    // A rotation under way, step by step, is none.
    let rolling = check(&programs, &secret, &format!("secrets = [\"{SECRET}\", \"{OTHER}\"]")).await;
    assert_eq!(rolling.code, 0, "{}", rolling.stderr);
}

#[tokio::test]
async fn a_satellite_that_missed_a_rotation_is_told() {
    let backend = ScriptedBackend::start(&[]).await;
    let (auth, app) = (port(), "http://app.example.localhost:8080");
    let old = shared_settings(auth, app, &backend.settings());
    let own = format!("secret = \"{SECRET}\"");
    let ring = |secrets: &str| old.replace(&own, &format!("secrets = [{secrets}]"));
    let _auth =
        Server::start("auth-server", (auth, port()), &ring(&format!("\"{OTHER}\", \"{SECRET}\""))).await;
    let folder = Folder::new("rotation");
    let satellite = format!("\n[satellite]\nurl = \"http://app.example.localhost:{auth}\"\n");
    std::fs::write(folder.path().join("hallpass.toml"), old + satellite.as_str()).unwrap();
    let ended = programs::run("satellite", folder.path(), &["--config", "hallpass.toml", "check"], &[]).await;
    assert_eq!(ended.code, 1);
    let said = ended.stderr.replace(&auth.to_string(), "AUTH");
    assert_snapshot!(said, @"satellite: http://127.0.0.1:AUTH/: the auth server seals with a secret that is not among this satellite's; add it to its `secrets`");
}

#[tokio::test]
async fn a_satellite_with_another_secret_does_not_start_and_one_that_came_first_says_so() {
    let backend = ScriptedBackend::start(&[("ada", "password")]).await;
    let (auth, app) = ((port(), port()), (port(), port()));
    let origin = format!("http://app.example.localhost:{}", app.0);
    let shared = shared_settings(auth.0, &origin, &backend.settings());
    let settings = format!("{}\n[satellite]\nurl = \"{origin}\"\n", shared.replace(SECRET, OTHER));
    let app = Server::start("satellite", app, &settings).await;
    let auth = Server::start("auth-server", auth, &shared).await;
    let folder = Folder::new("other-secret");
    std::fs::write(
        folder.path().join("hallpass.toml"),
        settings.replace("[satellite]", "[log]\nlevel = \"error\"\n[satellite]"),
    )
    .unwrap();
    let refused = programs::run("satellite", folder.path(), &["--config", "hallpass.toml"], &[]).await;
    assert_eq!(refused.code, 1);
    let anonymous = |text: &str| text.replace(&auth.port.to_string(), "AUTH");
    assert_snapshot!(anonymous(&refused.stderr), @"satellite: http://127.0.0.1:AUTH/: the secret differs from the auth server's, so neither can read the other's sessions; give both the same `secret`");
    let line = app.logged("agreement", |line| line["level"] == "ERROR").await;
    assert_snapshot!(anonymous(line["message"].as_str().unwrap()), @"sessions cannot be shared: http://127.0.0.1:AUTH/: the secret differs from the auth server's, so neither can read the other's sessions; give both the same `secret`");
    let ready = app.ask_admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_snapshot!(anonymous(&ready.body), @r#"{"ready":false,"checks":[{"name":"auth server","ok":false,"detail":"http://127.0.0.1:AUTH/: the secret differs from the auth server's, so neither can read the other's sessions; give both the same `secret`"},{"name":"revocations","ok":true,"detail":"0 sign-outs are known"}]}"#);
    assert_eq!(app.ask_admin("/healthz").await.status, 200, "it runs all the same");
    // And it harms nobody: the visitor stays signed in where the secret is right.
    let programs = Programs { auth, app };
    let mut visitor = programs.visitor();
    visitor.sign_in("ada", "password").await;
    let mut at_app = programs.at_app(&visitor);
    assert_eq!(at_app.fetch(programs::APP, "/api/auth/session").await.body, "{}");
    assert_eq!(at_app.fetch(programs::APP, "/api/auth/session").await.body, "{}");
    assert_eq!(at_app.jar, visitor.jar);
    // It leaves a trace: each is counted, and it is said once a minute.
    let metrics = programs.app.ask_admin("/metrics").await.body;
    assert!(metrics.contains("\nhallpass_sessions_unreadable_total 2\n"), "{metrics}");
    programs.app.logged("session_unreadable", |line| line["level"] == "WARN").await;
    assert_eq!(programs.app.events("session_unreadable").len(), 1);
    assert_eq!(visitor.fetch(AUTH, "/api/auth/session").await.json()["user"]["name"], "ada");
}

#[tokio::test]
async fn a_satellite_that_was_first_finds_the_auth_server_later() {
    let backend = ScriptedBackend::start(&[]).await;
    let (auth, app) = ((port(), port()), (port(), port()));
    let origin = format!("http://app.example.localhost:{}", app.0);
    let shared = shared_settings(auth.0, &origin, &backend.settings());
    let settings = format!("{shared}\n[satellite]\nurl = \"{origin}\"\n");
    let app = Server::start("satellite", app, &settings).await;
    let line = app.logged("agreement", |line| line["level"] == "WARN").await;
    let said = line["message"].as_str().unwrap().replace(&auth.0.to_string(), "AUTH");
    assert_snapshot!(said, @"the auth server cannot be reached at http://127.0.0.1:AUTH/ (setting `refresh.auth_server`): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)");
    assert_eq!(app.ask_admin("/readyz").await.status, 200, "sessions are read without it");
    let _auth = Server::start("auth-server", auth, &shared).await;
    app.logged("agreement", |line| line["level"] == "INFO").await;
}

#[tokio::test]
async fn an_auth_server_that_may_be_started_later_is_named_once_and_looked_for() {
    let backend = ScriptedBackend::start(&[]).await;
    let (auth, app, later) = ((port(), port()), (port(), port()), (port(), port()));
    let origin = format!("http://app.example.localhost:{}", app.0);
    let shared = shared_settings(auth.0, &origin, &backend.settings());
    let one = format!("auth_server = \"http://127.0.0.1:{}\"", auth.0);
    let both = format!("auth_server = [\"http://127.0.0.1:{}\", \"http://127.0.0.1:{}\"]", auth.0, later.0);
    assert!(shared.contains(&one), "{shared}");
    let settings = format!("{}\n[satellite]\nurl = \"{origin}\"\n", shared.replace(&one, &both));
    let _auth = Server::start("auth-server", auth, &shared).await;
    let app = Server::start("satellite", app, &settings).await;
    let line = app.logged("agreement", |line| line["level"] == "INFO").await;
    assert_eq!((&line["reached"], &line["away"]), (&1.into(), &1.into()), "{line}");
    let ready = app.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200);
    let expected = r#""detail":"reached at 1 of 2 addresses; secret, cookie and dialect agree""#;
    assert!(ready.body.contains(expected) && !ready.body.contains("impaired"), "{}", ready.body);
    // It is looked for after one second and after two more.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(app.events("agreement").len(), 2, "one WARN, one INFO");
    let _later = Server::start("auth-server", later, &shared).await;
    app.logged("agreement", |line| line["level"] == "INFO" && line["away"] == 0).await;
}

#[tokio::test]
async fn a_secret_that_was_changed_on_the_auth_server_alone_is_told_with_its_address() {
    let backend = ScriptedBackend::start(&[]).await;
    let mut programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    backend.answer_next(Reply::Text(200, "application/json", super::short_lived("ada", 20)));
    visitor.sign_in("ada", "password").await;
    let file = programs.auth.folder.path().join("hallpass.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, settings.replace(SECRET, OTHER)).unwrap();
    programs.auth.kill().await;
    programs.auth.start_again().await;
    let mut at_app = programs.at_app(&visitor);
    at_app.fetch(programs::APP, "/api/auth/session").await;
    let line = programs.app.logged("refresh", |line| line["status"] == 404).await;
    assert_eq!(line["address"], format!("http://127.0.0.1:{}/", programs.auth.port));
    assert_snapshot!(anonymous(&programs, line["message"].as_str().unwrap()), @"the auth server at http://127.0.0.1:AUTH/ does not renew for us (404: it does not know our secret, or is none); see `satellite check`");
}
