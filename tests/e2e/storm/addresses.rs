//! The Redis store by each kind of address, put through what every store must do.

use std::time::Duration;

use hallpass_auth_server::store::{Redis as RedisStore, RedisAddress};
use hallpass_shared::{
    key::Key,
    revocation::{Revocation, RevocationKey},
    secret::Secret,
    store::{Claim, Claimed, Cursor, Kept, Lease, Store as _, Written, suite},
};
use hallpass_tests::{SECRET, process::Process, programs::port, redis::Redis};

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
    let (sentinel, folder) = (port(), hallpass_tests::folder::Folder::new("sentinel"));
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
