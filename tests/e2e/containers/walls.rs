//! Who can reach whom, and who cannot: strangers are put on each network (threat-model A7, X4).

use hallpass_tests::containers::{Deployment, engine::docker};
use testcontainers::{GenericImage, ImageExt as _, core::WaitFor, runners::AsyncRunner as _};

use super::ONE;

/// The services with a port each that must not be reached from everywhere.
const TARGETS: [(&str, u16); 10] = [
    ("backend", 8000),
    ("redis", 6379),
    ("auth-server", 3000),
    ("auth-server", 9300),
    ("app-satellite", 3000),
    ("app-satellite", 9300),
    ("admin-satellite", 3000),
    ("admin-satellite", 9400),
    ("app", 8000),
    ("admin", 8000),
];

/// What a stranger on this network reaches, by any address that the services have anywhere.
async fn reached_from(deployment: &Deployment, network: &str) -> Vec<String> {
    let mut probes = Vec::new();
    for (service, port) in TARGETS {
        let container = deployment.container(service).await;
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        for address in docker(&["inspect", "-f", format, &container]).await.split_whitespace() {
            probes.push(format!("{service}:{port}={address}"));
        }
    }
    let script = "import socket, sys\n\
        for probe in sys.argv[1:]:\n    name, address = probe.split('=')\n    try:\n        \
        socket.create_connection((address, int(name.split(':')[1])), 0.5).close(); print('reached', name, flush=True)\n    \
        except OSError: pass\n\
        print('done', flush=True)";
    let stranger = GenericImage::new("hallpass-tests/debian", "latest")
        .with_entrypoint("python3")
        .with_wait_for(WaitFor::message_on_stdout("done"))
        .with_network(deployment.network(network))
        .with_cmd(["-c", script].into_iter().map(ToOwned::to_owned).chain(probes))
        .start()
        .await
        .unwrap();
    let said = String::from_utf8(stranger.stdout_to_vec().await.unwrap()).unwrap();
    let mut reached: Vec<_> =
        said.lines().filter_map(|line| line.strip_prefix("reached ")).map(ToOwned::to_owned).collect();
    reached.sort_unstable();
    reached.dedup();
    reached
}

#[tokio::test]
async fn an_app_reaches_its_gate_and_nothing_else() {
    let deployment = Deployment::start(ONE).await;
    // Where the apps are: no backend, no Redis, no auth server, no other app.
    assert_eq!(
        reached_from(&deployment, "app").await,
        ["app-satellite:3000", "app-satellite:9300", "app:8000"]
    );
    assert_eq!(reached_from(&deployment, "admin").await, ["admin:8000"]);
    // Where the edge is: nobody's backend, and only the app that it asks for.
    assert_eq!(reached_from(&deployment, "edge-auth").await, ["auth-server:3000", "auth-server:9300"]);
    // That the probe itself works.
    assert_eq!(
        reached_from(&deployment, "backend").await.first().map(String::as_str),
        Some("auth-server:3000")
    );
}
