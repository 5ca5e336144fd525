//! The Redis store by each kind of address, put through what every store must do.

use std::time::Duration;

use hallpass_auth_server::store::{Redis as RedisStore, RedisAddress};
use hallpass_shared::{
    key::Key,
    revocation::{Revocation, RevocationKey},
    secret::Secret,
    store::{Claim, Claimed, Cursor, Kept, Lease, Store as _, Written, suite},
};
use hallpass_tests::{
    SECRET, Visitor,
    certificate::certificate,
    folder::Folder,
    process::{Process, wait_for_http},
    programs::port,
    redis::Redis,
};

fn store(url: &str) -> RedisStore {
    let key = Key::derive(&Secret::new(SECRET), "", "Hallpass store", 32).unwrap();
    RedisStore::new(RedisAddress::parse(url).unwrap(), vec![key], Duration::from_hours(24))
}

async fn passes_the_suite(url: &str) {
    suite::run(&store(url), async |span| tokio::time::sleep(span).await).await;
}

#[tokio::test]
async fn a_server_with_a_password() {
    let redis = Redis::start_with(&["--requirepass", "hush"]).await;
    passes_the_suite(&format!("redis://:hush@127.0.0.1:{}/3", redis.port())).await;
}

#[tokio::test]
async fn a_cluster() {
    let redis = Redis::start_with(&["--cluster-enabled", "yes"]).await;
    redis.ask(&["cluster", "addslotsrange", "0", "16383"]).await;
    for _ in 0..100 {
        if redis.ask(&["cluster", "info"]).await.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    passes_the_suite(&format!("redis+cluster://127.0.0.1:{}", redis.port())).await;
}

#[tokio::test]
async fn the_master_that_sentinels_name() {
    let redis = Redis::start_with(&["--requirepass", "hush"]).await;
    let (sentinel, folder) = (port(), Folder::new("sentinel"));
    let file = folder.path().join("sentinel.conf");
    let configuration = format!(
        "port {sentinel}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\nsentinel auth-pass main hush\n",
        redis.port()
    );
    std::fs::write(&file, configuration).unwrap();
    let arguments = [file.display().to_string(), "--sentinel".into()];
    let mut process = Process::start(std::path::Path::new("redis-server"), &arguments, &[]);
    process.wait_for("monitor master main").await;
    passes_the_suite(&format!("redis+sentinel://:hush@127.0.0.1:{sentinel}/main/1")).await;
}

#[tokio::test]
async fn a_server_with_tls_is_verified() {
    let folder = Folder::new("tls");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = certificate("localhost");
    std::fs::write(at("redis.pem"), certificate).unwrap();
    std::fs::write(at("redis.key"), key).unwrap();
    let tls = port().to_string();
    let (pem, key) = (at("redis.pem"), at("redis.key"));
    let _redis = Redis::start_with(&[
        "--tls-port",
        &tls,
        "--tls-cert-file",
        &pem,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &pem,
        "--tls-auth-clients",
        "no",
    ])
    .await;
    for (trusted, works) in [(Some(&pem), true), (None, false)] {
        let (public, admin) = (port(), port());
        let backend = "kind = \"rest\"\nsign_in = { url = \"http://127.0.0.1:9/\", body = { u = \"{username}\", p = \"{password}\" } }";
        let settings = format!(
            "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://auth.example.localhost:{public}\"\n\
             store.url = \"rediss://localhost:{tls}\"\n[backend]\n{backend}\n"
        );
        std::fs::write(at("hallpass.toml"), settings).unwrap();
        let mut environment = vec![
            ("HALLPASS_SERVER__LISTEN", format!("127.0.0.1:{public}")),
            ("HALLPASS_SERVER__ADMIN_LISTEN", format!("127.0.0.1:{admin}")),
        ];
        environment.extend(trusted.map(|pem| ("SSL_CERT_FILE", pem.clone())));
        let arguments = ["--config", "hallpass.toml"];
        let _server = Process::start_ours("auth-server", folder.path(), &arguments, &environment);
        wait_for_http(&format!("http://127.0.0.1:{admin}/healthz")).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let ready = async || Visitor::new(admin).fetch("localhost", "/readyz").await.body;
        // A first connection that was slow is remembered for half a minute.
        for _ in 0..40 {
            if ready().await.contains("impaired") != works {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let ready = ready().await;
        assert_eq!(ready.contains("certificate verify failed"), !works, "{ready}");
        assert_eq!(ready.contains("impaired"), !works, "{ready}");
    }
}

#[tokio::test]
async fn what_others_write_into_redis_is_not_believed() {
    // threat-model R9
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let revocation = Revocation {
        key: RevocationKey::of_session("one"),
        at: hallpass_shared::clock::UnixTime::from_seconds(1),
        until: hallpass_shared::clock::UnixTime::from_seconds(2),
    };
    store.revoke(&[revocation]).await.unwrap();
    redis.ask(&["xadd", "{hallpass}:revocations", "*", "r", &"x".repeat(40)]).await;
    redis.ask(&["xadd", "{hallpass}:revocations", "*", "odd", "field"]).await;
    let page = store.revocations(&Cursor::default()).await.unwrap();
    assert_eq!(page.revocations, [revocation]);
    // A value beyond measure is none.
    let (spent, lease) = ([7; 32], Lease::new());
    let kept = Kept {
        spent,
        granted: None,
        value: vec![b'x'; 70_000],
        grace: Duration::from_secs(9),
        claimed: Claimed::Already,
    };
    assert_eq!(store.keep(lease, &kept).await.unwrap(), Written::Yes);
    assert!(matches!(store.claim(spent, lease, Duration::from_secs(9)).await.unwrap(), Claim::Leased(_)));
    // Nor does a key of another type do more than fail.
    let names = redis.ask(&["keys", "*lease*"]).await;
    redis.ask(&["del", &names]).await;
    redis.ask(&["rpush", &names, "a list"]).await;
    assert!(store.claim(spent, lease, Duration::from_secs(9)).await.is_err());
    assert!(store.revoke(&[revocation]).await.is_ok(), "and the store goes on");
}
