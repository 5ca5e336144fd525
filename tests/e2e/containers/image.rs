//! The images by themselves.

use hallpass_tests::containers::engine::{docker, images};
use serde_json::Value;
use testcontainers::{
    GenericImage, ImageExt as _,
    core::{ContainerPort, WaitFor, wait::HealthWaitStrategy},
    runners::AsyncRunner as _,
};

const OURS: [(&str, &str); 2] =
    [("hallpass/auth-server", "/auth-server"), ("hallpass/satellite", "/satellite")];
const TAG: &str = env!("CARGO_PKG_VERSION");

async fn inspect(image: &str) -> Value {
    let said = docker(&["image", "inspect", &format!("{image}:{TAG}")]).await;
    serde_json::from_str::<Value>(&said).unwrap()[0].take()
}

/// What this script prints, in which `$it` is a container of the image.
async fn read(image: &str, script: &str) -> String {
    let container = docker(&["create", &format!("{image}:{TAG}")]).await;
    let mut command = tokio::process::Command::new("sh");
    let output = command.args(["-c", script]).env("it", &container).output().await.unwrap();
    docker(&["rm", &container]).await;
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn there_is_one_static_program_and_no_shell() {
    images().await;
    for (image, program) in OURS {
        let seen = inspect(image).await;
        let config = &seen["Config"];
        assert_eq!(config["User"], "65532:65532", "{image}");
        assert_eq!(config["Entrypoint"], serde_json::json!([program]), "{image}");
        assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD", program, "health"]), "{image}");
        for label in ["title", "description", "version", "revision", "source", "licenses"] {
            let value = &config["Labels"][format!("org.opencontainers.image.{label}")];
            assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{image}: {label}");
        }
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], TAG, "{image}");
        let list = read(image, r#"docker export "$it" | tar --numeric-owner -tvf -"#).await;
        let files: Vec<_> = list.lines().collect();
        // Of whatever owner and mode; the engine's own files are empty, and its link leads to /proc.
        let runs = |line: &&&str| {
            let mode = line.split_whitespace().next().unwrap_or_default();
            (mode.starts_with('-') && mode.contains('x') && size(line) > 0)
                || (mode.starts_with('l') && !line.contains("/proc/"))
        };
        let executable: Vec<_> = files.iter().filter(runs).collect();
        assert_eq!(executable.len(), 1, "{image}: {executable:?}");
        assert!(size(executable[0]) < 25_000_000, "{image}: {}", executable[0]);
        assert!(files.iter().any(|line| line.ends_with("etc/ssl/certs/ca-certificates.crt")), "{image}");
        // What the engine itself puts there aside, times are those of the sources: the same bytes each time.
        let ours = files.iter().filter(|line| size(line) > 0);
        assert!(ours.clone().all(|line| line.contains("1970-01-01")), "{image}: {files:?}");
    }
}

fn size(line: &str) -> u64 {
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_bill_of_materials_names_what_was_compiled() {
    images().await;
    for (image, program) in OURS {
        let script = format!(r#"docker cp "$it:/usr/share/sbom{program}.cdx.json" - | tar -xO"#);
        let bill: Value = serde_json::from_str(&read(image, &script).await).unwrap();
        assert_eq!(bill["bomFormat"], "CycloneDX", "{image}");
        let known = |name: &str| {
            bill["components"]
                .as_array()
                .unwrap()
                .iter()
                .any(|part| part["name"] == name && part["purl"].is_string())
        };
        assert!(["josekit", "openssl-src", "tokio", "reqwest"].into_iter().all(known), "{image}");
        assert!(!known("testcontainers"), "{image}: what only tests need is not in it");
    }
}

/// OpenSSL says in the program how it was compiled. One and the same rule of its set-up leaves out position-independent
/// code, which shows there, and threads, which do not: without these its counters are not atomic, and a server frees what is
/// in use: a 500 here, a crash there.
#[tokio::test]
async fn openssl_is_built_for_threads() {
    images().await;
    for (image, program) in OURS {
        let script = format!(r#"docker cp "$it:{program}" - | tar -xO | grep -ao 'compiler: [ -~]*'"#);
        let said = read(image, &script).await;
        assert!(said.contains("-DOPENSSL_PIC"), "{image}: {said:?}");
    }
}

#[tokio::test]
async fn it_runs_without_rights_and_without_a_disk() {
    images().await;
    let image = GenericImage::new("hallpass/auth-server", TAG)
        .with_exposed_port(ContainerPort::Tcp(3000))
        .with_wait_for(WaitFor::Healthcheck(HealthWaitStrategy::new()));
    let container = image
        .with_cmd(["serve"])
        .with_env_var("HALLPASS_SECRET", hallpass_tests::SECRET)
        .with_env_var("HALLPASS_PARENT_DOMAIN", "example.com")
        .with_env_var("HALLPASS_AUTH_URL", "https://auth.example.com")
        .with_env_var("HALLPASS_STORE__URL", "memory:")
        .with_env_var("HALLPASS_BACKEND__KIND", "rest")
        .with_env_var("HALLPASS_BACKEND__SIGN_IN__URL", "https://api.example.com/token")
        .with_env_var("HALLPASS_BACKEND__SIGN_IN__BODY", "{u=\"{username}\",p=\"{password}\"}")
        .with_env_var("HALLPASS_BACKEND__REFRESH__URL", "https://api.example.com/refresh")
        .with_env_var("HALLPASS_BACKEND__REFRESH__BODY", "{r=\"{refresh_token}\"}")
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges:true")
        .with_readonly_rootfs(true)
        .start()
        .await
        .unwrap();
    let port = container.get_host_port_ipv4(3000).await.unwrap();
    let login = hallpass_tests::Visitor::new(port).visit("auth.example.com", "/login").await;
    assert_eq!(login.status, 200);
    let stopped = container.stop_with_timeout(Some(10)).await;
    assert!(stopped.is_ok(), "{stopped:?}");
    let log = [container.stdout_to_vec().await.unwrap(), container.stderr_to_vec().await.unwrap()].concat();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("SIGTERM"), "it ends when it is asked to:\n{log}");
}
