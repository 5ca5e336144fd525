//! The end of a process: at once, with what is under way finished; and a start that cannot be.

use std::time::Duration;

use hallpass_tests::{
    Visitor,
    programs::{self, AUTH, Programs, hold},
    scripted::{Reply, ScriptedBackend},
};
use insta::assert_snapshot;
use tokio::time::Instant;

#[tokio::test]
async fn a_signal_ends_both_within_a_moment() {
    // threat-model X8
    let backend = ScriptedBackend::start(&[]).await;
    for name in ["TERM", "INT"] {
        let mut programs = Programs::start(&backend.settings()).await;
        // Connections that stay open hold nothing up.
        let mut idle = programs.visitor();
        assert_eq!(idle.fetch(AUTH, "/api/auth/csrf").await.status, 200);
        for server in [&mut programs.auth, &mut programs.app] {
            let told = Instant::now();
            server.process.signal(name).await;
            assert_eq!(server.process.end().await, 0);
            assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
            assert_eq!(server.events("stopping")[0]["signal"], format!("SIG{name}"));
            assert_eq!(server.events("stopped").len(), 1);
        }
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    // threat-model X8
    let backend = ScriptedBackend::start(&[("ada", "password")]).await;
    let mut programs = Programs::start(&backend.settings()).await;
    let mut visitor = programs.visitor();
    visitor.csrf_token(AUTH).await;
    backend.answer_next(Reply::Hang(Duration::from_millis(800)));
    let told = async {
        while backend.take_received().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        programs.auth.process.signal("TERM").await;
        programs.auth.logged("stopping", |_| true).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::net::TcpStream::connect(("127.0.0.1", programs.auth.port)).await
    };
    let (answer, late) = tokio::join!(visitor.sign_in("ada", "password"), told);
    assert!(late.is_err(), "nobody new is taken");
    assert_eq!(answer.status, 303);
    assert!(answer.set_cookies()[0].starts_with("next-auth.session-token="), "{:?}", answer.set_cookies());
    assert_eq!(programs.auth.process.end().await, 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    let free = programs::port();
    let mut all = String::new();
    for (name, server) in [("auth-server", &programs.auth), ("satellite", &programs.app)] {
        let taken = programs::port();
        let _held = hold(taken).await;
        for (public, admin) in [(taken, free), (free, taken)] {
            let (public, admin) = (format!("127.0.0.1:{public}"), format!("127.0.0.1:{admin}"));
            let environment = [
                ("HALLPASS_SERVER__LISTEN", public.as_str()),
                ("HALLPASS_SERVER__ADMIN_LISTEN", admin.as_str()),
                ("HALLPASS_LOG__LEVEL", "off"),
                ("HALLPASS_STORE__URL", "memory:"),
            ];
            let arguments = ["--config", "hallpass.toml"];
            let ended = programs::run(name, server.folder.path(), &arguments, &environment).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
            all += &ended.stderr.replace(&taken.to_string(), "PORT");
        }
    }
    assert_snapshot!(all, @r"
    auth-server: setting `server.listen` (from HALLPASS_SERVER__LISTEN in the environment): cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); stop what listens there, or choose another port
    auth-server: setting `server.admin_listen` (from HALLPASS_SERVER__ADMIN_LISTEN in the environment): cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); stop what listens there, or choose another port
    satellite: setting `server.listen` (from HALLPASS_SERVER__LISTEN in the environment): cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); stop what listens there, or choose another port
    satellite: setting `server.admin_listen` (from HALLPASS_SERVER__ADMIN_LISTEN in the environment): cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); stop what listens there, or choose another port
    ");
    let environment = [
        ("HALLPASS_SERVER__LISTEN", "192.0.2.1:3000"),
        ("HALLPASS_LOG__LEVEL", "off"),
        ("HALLPASS_STORE__URL", "memory:"),
    ];
    let path = programs.auth.folder.path();
    let ended = programs::run("auth-server", path, &["--config", "hallpass.toml"], &environment).await;
    assert_snapshot!(ended.stderr, @"auth-server: setting `server.listen` (from HALLPASS_SERVER__LISTEN in the environment): cannot listen on 192.0.2.1:3000: Cannot assign requested address (os error 99); choose an address of this machine");
    assert_eq!(Visitor::new(programs.auth.port).fetch(AUTH, "/api/auth/session").await.status, 200);
}
