//! The topology of `deploy/compose.yaml`, started by `deploy/up` as anybody starts it, on an address of its own.
//!
//! Why: many hosts are many containers on many networks; what is promised there is tried there. Compose starts it, since
//! the file that people use is the one to test; the crate `testcontainers` starts what a test adds: strangers on a
//! network, an image by itself (manual/decisions/0012).

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use hallpass_shared::clock::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::{Visitor, folder::Folder, install::REMEDY, process::tests_folder};

pub mod crowd;
pub mod engine;
pub mod faults;
pub mod steps;

use engine::docker;

/// A machine of two cores has room for one.
static PLACE: Mutex<()> = Mutex::const_new(());

/// How long an access token lives while things go wrong: as compose's variable says it, in seconds, and as a time.
pub const ACCESS: (&str, Duration) = ("12", Duration::from_secs(12));

/// What differs from one deployment to the next.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The project's name, and the end of the address of this machine where it listens, `127.77.0.N`.
    pub name: (&'static str, u8),
    /// How many auth servers.
    pub auth_servers: u8,
    /// Compose files of `tests/containers` that change something, beside `local.yaml`.
    pub changes: &'static [&'static str],
    /// Variables for compose, such as `ACCESS_SECONDS`.
    pub variables: &'static [(&'static str, &'static str)],
}

/// The deployment, running; it ends when this is dropped, and leaves nothing.
#[derive(Debug)]
pub struct Deployment {
    plan: Plan,
    /// Its secrets: the ring, and what else `deploy/up` makes.
    pub secrets: Folder,
    _place: MutexGuard<'static, ()>,
}

impl Deployment {
    /// Builds the images and starts everything.
    ///
    /// # Panics
    /// If there is no engine, or it does not become healthy; with what to do about it.
    pub async fn start(plan: Plan) -> Self {
        let place = PLACE.lock().await;
        engine::images().await;
        let deployment = Self { plan, secrets: Folder::new("secrets"), _place: place };
        // What a killed run of before has left.
        deployment.run(&["--down", "--volumes"], &[]).await;
        deployment.up(&[]).await;
        deployment
    }

    /// `deploy/up`, with these variables; what it said. Containers that nothing changes for stay as they are.
    pub async fn up(&self, variables: &[(&'static str, String)]) -> String {
        let servers = format!("auth-server={}", self.plan.auth_servers);
        self.run(&["--no", "--scale", &servers], variables).await
    }

    async fn run(&self, arguments: &[&str], variables: &[(&'static str, String)]) -> String {
        let mut command = tokio::process::Command::new(repository().join("deploy/up"));
        command
            .args(arguments)
            .envs(self.environment())
            .envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap_or_else(|error| panic!("deploy/up: {error}; {REMEDY}"));
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "deploy/up {arguments:?}:\n{said}");
        said
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let (name, number) = self.plan.name;
        let fixed = [
            ("COMPOSE_PROJECT_NAME", name.to_owned()),
            ("HALLPASS_BIND", self.address().to_string()),
            ("HALLPASS_NET", format!("10.113.{}", 100 + number)),
            ("HALLPASS_SECRETS", self.secrets.path().display().to_string()),
            ("HALLPASS_CA", self.authority().display().to_string()),
            ("HALLPASS_COMPOSE_OVERRIDE", self.changes(&[])),
            ("TEST_CONTROL", "1".to_owned()),
        ];
        let own = self.plan.variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
        fixed.into_iter().chain(own).collect()
    }

    fn changes(&self, more: &[&str]) -> String {
        let files = std::iter::once(&"local").chain(self.plan.changes).chain(more);
        let paths =
            files.map(|name| tests_folder().join(format!("containers/{name}.yaml")).display().to_string());
        paths.collect::<Vec<_>>().join(":")
    }

    /// The ring of secrets, newest first.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn ring(&self) -> String {
        std::fs::read_to_string(self.secrets.path().join("hallpass")).unwrap().trim().to_owned()
    }

    /// Writes the ring, in place: containers have this very file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn set_ring(&self, ring: &str) {
        let file = self.secrets.path().join("hallpass");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::write(file, ring).unwrap();
    }

    /// Moves the clock of the satellite before `app`, or puts the shipped image back.
    pub async fn with_clock_of_satellite(&self, seconds: Option<i32>) {
        let Some(seconds) = seconds else { return drop(self.up(&[]).await) };
        let changes = ("HALLPASS_COMPOSE_OVERRIDE", self.changes(&["skewed"]));
        self.up(&[changes, ("SKEW", format!("{seconds:+}"))]).await;
    }

    /// By how many seconds the clock of one of our programs is off, as its answers say.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn clock_of(&self, service: &str) -> i64 {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let addresses = docker(&["inspect", "-f", format, &self.container(service).await]).await;
        let address = addresses.split_whitespace().next().unwrap();
        let answer = self.client().get(format!("http://{address}:9300/healthz")).send().await.unwrap();
        let date = answer.headers()[reqwest::header::DATE].to_str().unwrap();
        let theirs = httpdate::parse_http_date(date).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(theirs.as_secs()).unwrap() - SystemClock.now().as_seconds()
    }

    /// Waits until a container is healthy.
    ///
    /// # Panics
    /// If it is not within a minute; with the end of its log.
    pub async fn healthy(&self, container: &str) {
        for _ in 0..300 {
            if docker(&["inspect", "-f", "{{.State.Health.Status}}", container]).await == "healthy" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{container} is not healthy: {}", docker(&["logs", "--tail", "20", container]).await);
    }

    /// Where it listens.
    pub fn address(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 77, 0, self.plan.name.1))
    }

    /// The certificate of the edge's own authority.
    pub fn authority(&self) -> PathBuf {
        self.secrets.path().join("ca.crt")
    }

    /// Somebody who finds all hosts here and trusts the authority.
    ///
    /// # Panics
    /// If no client can be made.
    pub fn visitor(&self) -> Visitor {
        Visitor::over_tls(self.client())
    }

    fn client(&self) -> reqwest::Client {
        let authority = std::fs::read(self.authority()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .add_root_certificate(reqwest::Certificate::from_pem(&authority).unwrap());
        for host in HOSTS {
            client = client.resolve(host, (self.address(), 443).into());
        }
        client.build().unwrap()
    }

    /// The containers of a service.
    pub async fn containers(&self, service: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.plan.name.0);
        let service = format!("label=com.docker.compose.service={service}");
        let found = docker(&["ps", "-a", "-q", "--filter", &project, "--filter", &service]).await;
        found.lines().map(ToOwned::to_owned).collect()
    }

    /// The one container of a service, or its first.
    ///
    /// # Panics
    /// If there is none.
    pub async fn container(&self, service: &str) -> String {
        self.containers(service)
            .await
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no container of {service}"))
    }

    /// What our programs have logged that is more than information, and what they said when they panicked.
    pub async fn troubles(&self) -> String {
        let mut troubles = String::new();
        for service in ["auth-server", "app-satellite", "admin-satellite"] {
            for container in self.containers(service).await {
                let log = engine::log(&container).await;
                let lines = log.lines().filter(|line| !line.contains(r#""level":"INFO""#));
                troubles.extend(lines.map(|line| format!("{service}: {line:.1000}\n")));
            }
        }
        troubles
    }

    /// The engine's name of a network or a volume of the compose file.
    pub fn network(&self, name: &str) -> String {
        format!("{}_{name}", self.plan.name.0)
    }

    /// Tells the backend what to do, such as `/test/users`; its answer.
    ///
    /// # Panics
    /// If it does not.
    pub async fn tell_backend(&self, path: &str, what: Option<&Value>) -> Value {
        let body = what.map(Value::to_string).unwrap_or_default();
        let script = "import sys, urllib.request as u; path, body = sys.argv[1:]; \
                      print(u.urlopen('http://127.0.0.1:8000' + path, body.encode() or None).read().decode())";
        let container = self.container("backend").await;
        let said = docker(&["exec", &container, "python3", "-c", script, path, &body]).await;
        serde_json::from_str(&said).unwrap()
    }

    /// How often the backend was asked for what, such as `refresh_ok`.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn count(&self, what: &str) -> u64 {
        self.tell_backend("/test/counters", None).await[what].as_u64().unwrap()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(repository().join("deploy/up"));
        let ended = command.args(["--down", "--volumes"]).envs(self.environment()).output();
        let fine = ended.as_ref().is_ok_and(|output| output.status.success());
        assert!(fine || std::thread::panicking(), "containers are left behind: {ended:?}");
    }
}

/// The names that the edge serves.
pub const HOSTS: [&str; 3] = ["auth.example.com", "app.example.com", "admin.example.com"];

/// The top of the repository.
///
/// # Panics
/// Never.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
