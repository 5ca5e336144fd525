//! Auth servers and satellites as processes, a backend, a store, and people in front of them.

use std::time::Duration;

use hallpass_tests::{
    SECRET, Visitor,
    django::Django,
    programs::{AUTH, Server, port},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

/// Life of an access token here, in seconds.
pub(crate) const ACCESS: u64 = 3;
pub(crate) const PASSWORD: &str = "hallpass-demo";
pub(crate) const USER: &str = "user@example.com";

/// What is to be started.
pub(crate) struct Plan<'p> {
    pub(crate) auths: usize,
    pub(crate) satellites: usize,
    pub(crate) skew: &'p str,
    /// TOML beside secret, domain and addresses.
    pub(crate) settings: &'p str,
    /// TOML within `[backend]`.
    pub(crate) backend_settings: &'p str,
    /// Variables of the backend.
    pub(crate) backend: &'p [(&'static str, &'p str)],
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { auths: 1, satellites: 3, skew: "1s", settings: "", backend_settings: "", backend: &[] }
    }
}

/// A deployment.
pub(crate) struct Fleet {
    pub(crate) django: Django,
    pub(crate) auths: Vec<Server>,
    pub(crate) satellites: Vec<Server>,
    client: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

/// One storm at a time: what a machine of two cores is slow at is no fault of the programs.
static TURN: Mutex<()> = Mutex::const_new(());

impl Fleet {
    pub(crate) async fn start(plan: Plan<'_>) -> Self {
        let turn = TURN.lock().await;
        let life = ACCESS.to_string();
        let mut variables = vec![("ACCESS_SECONDS", life.as_str())];
        variables.extend(plan.backend);
        let django = Django::start_with(&variables).await;
        let ports: Vec<_> = (0..plan.auths).map(|_| (port(), port())).collect();
        let shared = format!(
            "secret = \"{SECRET}\"\nparent_domain = \"example.localhost\"\nauth_url = \"http://{AUTH}:{}\"\n\
             refresh.skew = \"{}\"\nadmin.secret = \"{ADMIN_SECRET}\"\n{}\n{}\n{}\n",
            ports[0].0,
            plan.skew,
            plan.settings,
            django.rest(),
            plan.backend_settings
        );
        let mut auths = Vec::new();
        for ports in &ports {
            auths.push(Server::start("auth-server", *ports, &shared).await);
        }
        let mut satellites = Vec::new();
        for number in 0..plan.satellites {
            let (port, admin) = (port(), port());
            // The first knows one auth server, the second another, the others all of them.
            let known: Vec<_> = match ports.get(number).filter(|_| number < 2) {
                Some((port, _)) => vec![*port],
                None => ports.iter().map(|(port, _)| *port).collect(),
            };
            let known: Vec<_> = known.iter().map(|port| format!("\"http://127.0.0.1:{port}\"")).collect();
            let own = format!(
                "refresh.auth_server = [{}]\nsatellite.url = \"http://app.example.localhost:{port}\"\n{shared}",
                known.join(", ")
            );
            satellites.push(Server::start("satellite", (port, admin), &own).await);
        }
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Self { django, auths, satellites, client: client.unwrap(), _turn: turn }
    }

    /// The cookies of somebody who has just signed in.
    pub(crate) async fn sign_in(&self, email: &str) -> Visitor {
        let password = if email.starts_with("admin") { "hallpass-admin" } else { PASSWORD };
        self.sign_in_as(email, password).await
    }

    pub(crate) async fn sign_in_as(&self, email: &str, password: &str) -> Visitor {
        let mut visitor = Visitor::new(self.auths[0].port);
        let answer = visitor.sign_in(email, password).await;
        assert!(answer.set_cookies().iter().any(|line| line.contains("session-token")), "{answer:?}");
        visitor
    }

    /// One request to `port`, from somebody who sends these cookies and keeps none.
    pub(crate) fn ask(
        &self,
        port: u16,
        path: &str,
        cookies: &str,
    ) -> impl Future<Output = Seen> + Send + use<> {
        let request = self
            .client
            .get(format!("http://127.0.0.1:{port}{path}"))
            .header(header::HOST, format!("app.example.localhost:{port}"))
            .header(header::COOKIE, cookies);
        async move {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            Seen { status, headers, body: response.text().await.unwrap() }
        }
    }

    /// The session at the server at `port`.
    pub(crate) async fn session(&self, port: u16, cookies: &str) -> Value {
        self.ask(port, "/api/auth/session", cookies).await.json()
    }

    /// The ports of all satellites.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.satellites.iter().map(|satellite| satellite.port).collect()
    }

    /// Waits until the server at `port` sees this session as `wanted`, ten seconds at most.
    pub(crate) async fn until(&self, port: u16, cookies: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        for _ in 0..200 {
            seen = self.session(port, cookies).await;
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not within ten seconds: {seen}");
    }

    /// Ends sessions by the admin call of auth server `index`.
    pub(crate) async fn revoke(&self, index: usize, target: &Value) -> StatusCode {
        let address = format!("http://127.0.0.1:{}/api/admin/revoke", self.auths[index].admin);
        let request = self.client.post(address).bearer_auth(ADMIN_SECRET).json(target);
        request.send().await.unwrap().status()
    }
}

pub(crate) const ADMIN_SECRET: &str = "a bearer for the admin call, 7 of 9 bytes are odd";

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap<HeaderValue>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The cookies that came with it, as a browser would send them back; nothing if there is none.
    pub(crate) fn cookies(&self) -> Option<String> {
        let lines: Vec<_> = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().unwrap().split(';').next())
            .filter(|pair| !pair.ends_with('='))
            .collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

/// Who a session is of, and whether something is the matter.
pub(crate) fn who(session: &Value) -> (Option<&str>, Option<&str>) {
    (session["user"]["email"].as_str(), session.get("error").and_then(Value::as_str))
}

/// Waits until an access token that was just granted is over.
pub(crate) async fn expiry() {
    tokio::time::sleep(Duration::from_millis(1000 * ACCESS + 1100)).await;
}

/// The session cookies of a browser.
pub(crate) fn cookies(visitor: &Visitor) -> String {
    let ours = visitor.jar.iter().filter(|((name, _), _)| name.contains("session-token"));
    ours.map(|((name, _), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// Runs all at once.
pub(crate) async fn all<T: Send + 'static>(work: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = work.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
