//! `secret`, `hash-password`, `health` and `check`.

use std::fmt::Write as _;

use hallpass_tests::{
    SECRET,
    folder::Folder,
    programs::{self, AUTH, Ended, Programs, Server, port, shared_settings},
    scripted::{Reply, ScriptedBackend},
    visitor::Visitor,
};
use insta::assert_snapshot;

async fn auth_server(folder: &Folder, arguments: &[&str]) -> Ended {
    programs::run("auth-server", folder.path(), arguments, &[]).await
}

async fn hashed(folder: &Folder, input: &str) -> Ended {
    let nothing: &[(&str, &str)] = &[];
    programs::run_with_input("auth-server", folder.path(), (&["hash-password"], nothing), input).await
}

#[tokio::test]
async fn a_new_secret_is_another_each_time_and_good_enough() {
    let folder = Folder::new("secret");
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let printed = auth_server(&folder, &["secret"]).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
        secrets.push(printed.stdout.strip_suffix('\n').unwrap().to_owned());
    }
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    let settings =
        super::good().replace(&format!("secret = \"{SECRET}\""), &format!("secrets = {secrets:?}"));
    std::fs::write(folder.path().join("hallpass.toml"), settings).unwrap();
    let checked = auth_server(&folder, &["--config", "hallpass.toml", "check"]).await;
    assert!(checked.stdout.starts_with("settings: ok"), "{}", checked.stderr);
}

#[tokio::test]
async fn a_hashed_password_signs_in() {
    let folder = Folder::new("hash");
    let mut users = String::new();
    // As a terminal, a pipe and Windows end a line.
    for (id, typed) in [("1", "žluťoučký kůň\n"), ("2", "žluťoučký kůň"), ("3", "žluťoučký kůň\r\n")]
    {
        let printed = hashed(&folder, typed).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
        let hash = printed.stdout.trim_end();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("kůň"));
        let _ =
            writeln!(users, "[[user]]\nid = \"{id}\"\nusername = \"user{id}\"\npassword_hash = \"{hash}\"");
    }
    let file = folder.path().join("users.toml");
    std::fs::write(&file, users).unwrap();
    let (public, admin) = (port(), port());
    let backend = format!("[backend]\nkind = \"users-file\"\nusers_file = {:?}", file.display().to_string());
    let settings = shared_settings(public, "http://app.example.localhost", &backend);
    let _server = Server::start("auth-server", (public, admin), &settings).await;
    for name in ["user1", "user2", "user3"] {
        let mut visitor = Visitor::new(public);
        visitor.sign_in(name, "žluťoučký kůň").await;
        assert_eq!(visitor.fetch(AUTH, "/api/auth/session").await.json()["user"]["username"], name);
    }
    let mut visitor = Visitor::new(public);
    visitor.sign_in("user1", "zlutoucky kun").await;
    assert_eq!(visitor.fetch(AUTH, "/api/auth/session").await.body, "{}");
}

#[tokio::test]
async fn there_is_nothing_to_hash() {
    let ended = hashed(&Folder::new("hash"), "\n").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_snapshot!(ended.stderr, @"auth-server: there is no password on standard input");
}

#[tokio::test]
async fn health_is_an_exit_status() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&backend.settings()).await;
    for (name, server) in [("auth-server", &programs.auth), ("satellite", &programs.app)] {
        let arguments = ["--config", "hallpass.toml", "health"];
        let own = format!("127.0.0.1:{}", server.admin);
        let ask = async |address: &str| {
            let environment = [("HALLPASS_SERVER__ADMIN_LISTEN", address)];
            programs::run(name, server.folder.path(), &arguments, &environment).await
        };
        let well = ask(&own).await;
        assert_eq!((well.code, well.stdout.as_str(), well.stderr.as_str()), (0, "", ""));
        // The health check of an image knows where the admin listener is, and needs nothing else.
        let alone = [("HALLPASS_SERVER__ADMIN_LISTEN", own.as_str())];
        assert_eq!(programs::run(name, server.folder.path(), &["health"], &alone).await.code, 0);
        // Bound to every address, it is asked on this machine's own.
        assert_eq!(ask(&format!("0.0.0.0:{}", server.admin)).await.code, 0);
        let nobody = port();
        let down = ask(&format!("127.0.0.1:{nobody}")).await;
        assert_eq!((down.code, down.stdout.as_str()), (1, ""));
        assert_eq!(
            down.stderr,
            format!(
                "{name}: nothing answers on http://127.0.0.1:{nobody}/healthz (setting `server.admin_listen`); is \
                 the server running, with these settings?\n"
            )
        );
        let stranger = ask(&format!("127.0.0.1:{}", server.port)).await;
        assert!(stranger.stderr.contains("; is that the admin listener"), "{}", stranger.stderr);
    }
}

#[tokio::test]
async fn check_leaves_the_store_to_the_server() {
    let backend = ScriptedBackend::start(&[]).await;
    let programs = Programs::start(&(backend.settings() + "\n[store]\nurl = \"file:own.redb\"\n")).await;
    let made = programs.auth.logged("store", |line| line["level"] == "INFO").await;
    assert_snapshot!(made["message"].as_str().unwrap(), @"a new store was made at own.redb: no sign-outs are known");
    let folder = &programs.auth.folder;
    let running = auth_server(folder, &["--config", "hallpass.toml", "check"]).await;
    assert_eq!((running.code, running.stderr.as_str()), (0, ""), "beside the server that has the file");
    let elsewhere = [("HALLPASS_STORE__URL", "file:other.redb")];
    let arguments = ["--config", "hallpass.toml", "check"];
    let ended = programs::run("auth-server", folder.path(), &arguments, &elsewhere).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!folder.path().join("other.redb").exists(), "it makes nothing");
    let nowhere = [("HALLPASS_STORE__URL", "file:no/such/folder/store.redb")];
    let ended = programs::run("auth-server", folder.path(), &arguments, &nowhere).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("setting `store.url`"), "{}", ended.stderr);
}

#[tokio::test]
async fn check_reaches_the_backend() {
    let backend = ScriptedBackend::start(&[]).await;
    let folder = Folder::new("check");
    let check = async |more: &str| {
        let settings =
            shared_settings(8080, "http://app.example.localhost:8080", &(backend.settings() + more));
        std::fs::write(folder.path().join("hallpass.toml"), settings).unwrap();
        let ended = auth_server(&folder, &["--config", "hallpass.toml", "check"]).await;
        let address = backend.address.to_string();
        (ended.code, (ended.stdout + ended.stderr.as_str()).replace(&address, "BACKEND"))
    };
    let (code, said) = check("").await;
    assert_eq!(code, 0);
    assert_snapshot!(said, @r"
    settings: ok, http://auth.example.localhost:8080/ for *.example.localhost
    backend: http://BACKEND/token answers
    all is well
    ");
    let mut all = String::new();
    for reply in [
        Reply::Text(503, "text/html", String::new()),
        Reply::Text(404, "text/html", String::new()),
        Reply::Redirect(301, "/token/".into()),
        Reply::Hang(std::time::Duration::from_secs(3)),
    ] {
        backend.answer_next(reply);
        let (code, said) = check("").await;
        let _ = writeln!(all, "{code}: {}", said.lines().last().unwrap());
    }
    for brand in
        ["logo_file = \"/nowhere.svg\"", "logo_file = \"/etc/hostname\"", "colors = { brand = \"red;\" }"]
    {
        let (code, said) = check(&format!("[brand]\n{brand}")).await;
        let _ = writeln!(all, "{code}: {}", said.lines().last().unwrap());
    }
    assert_snapshot!(all, @r"
    1: auth-server: backend: http://BACKEND/token (setting `backend.sign_in.url`) fails with 503 Service Unavailable
    0: all is well
    1: auth-server: backend: http://BACKEND/token redirects, which is never followed; set backend.sign_in.url to where it leads (a missing slash?)
    1: auth-server: backend: http://BACKEND/token does not answer (setting `backend.sign_in.url`): error sending request: operation timed out
    1: auth-server: setting `brand.logo_file` (from hallpass.toml): /nowhere.svg cannot be read: No such file or directory (os error 2); correct the path, or let this process's user read it
    1: auth-server: setting `brand.logo_file` (from hallpass.toml): must end in .svg, .png, .jpg or .webp
    1: auth-server: setting `brand.colors.brand` (from hallpass.toml): must have a name in small letters, such as brand-ink, and a CSS colour, such as #0a7
    ");
}
