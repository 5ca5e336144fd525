//! A walk through everything the servers do, with words that must not be seen.

use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    dialect::Dialect,
    internal::Bearers,
    secret::{Secret, SecretRing},
    token::{Codec, SealedToken},
};
use hallpass_tests::{
    Answer, SECRET, Visitor,
    programs::{APP, AUTH, Programs},
    scripted::{Reply, ScriptedBackend},
};
use http::{Method, StatusCode};

use super::words::{Shown, Words};

mod bodies;
mod sessions;

const PASSWORD: &str = "c4n4ry pässword \"x\"+&=%";
const TYPED_NAME: &str = "c4n4ry-typed-name@example.com";
const AUTHORIZATION: &str = "Bearer c4n4ry-authorization-of-a-client";
const QUERY: &str = "c4n4ry-query";
const REPLY: &str = "c4n4ry-said-by-the-backend";
const BACKEND_KEY: &str = "c4n4ry-key-of-the-backend";
const URL_KEY: &str = "c4n4ry-key-in-a-url";
const FORM: &str = "application/x-www-form-urlencoded";

/// Two servers, a browser, and what was seen.
pub(super) struct Walk {
    programs: Programs,
    backend: ScriptedBackend,
    visitor: Visitor,
    at_app: Visitor,
    dialect: Dialect,
    pub(super) words: Words,
    /// Each answer with a name; without `Set-Cookie`, where the session belongs.
    pub(super) answers: Vec<(String, String)>,
}

fn form(token: &str, fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("csrfToken", token).extend_pairs(fields).finish()
}

impl Walk {
    pub(super) async fn start(format: &str, dialect: &str) -> Self {
        let backend = ScriptedBackend::start(&[]).await;
        let section = backend
            .settings()
            .replace("/token\"", &format!("/token?key={URL_KEY}\""))
            .replace("timeout", &format!("headers = {{ X-Api-Key = \"{BACKEND_KEY}\" }}\ntimeout"));
        let settings = format!(
            "log = {{ format = \"{format}\", level = \"trace\" }}\ncookie.dialect = \"{dialect}\"\n\
             throttle.per_address = \"20/5m\"\n{section}\
             sign_out = {{ url = \"http://{}/end\", body = {{ refresh = \"{{refresh_token}}\" }} }}\n",
            backend.address
        );
        let programs = Programs::start(&settings).await;
        let mut words = Words::default();
        words.add("secret", SECRET, Shown::Nowhere);
        let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
        let bearer = Bearers::derive(&ring).unwrap().header().unwrap();
        words.add(
            "bearer between servers",
            bearer.to_str().unwrap().trim_start_matches("Bearer "),
            Shown::Nowhere,
        );
        for (name, text) in [
            ("password", PASSWORD),
            ("name that was typed", TYPED_NAME),
            ("client's Authorization", AUTHORIZATION.trim_start_matches("Bearer ")),
            ("backend's reply", REPLY),
            ("key of the backend", BACKEND_KEY),
            ("key in the backend's address", URL_KEY),
        ] {
            words.add(name, text, Shown::Nowhere);
        }
        words.add("query", QUERY, Shown::InAnswers);
        let (visitor, at_app) = (programs.visitor(), Visitor::new(programs.app.port));
        let dialect = Dialect::named(dialect).unwrap();
        Self { programs, backend, visitor, at_app, dialect, words, answers: Vec::new() }
    }

    /// What both processes have printed.
    pub(super) fn outputs(&self) -> [(&'static str, String); 2] {
        let Programs { auth, app } = &self.programs;
        [
            ("the auth server's output", auth.process.output()),
            ("the satellite's output", app.process.output()),
        ]
    }

    pub(super) async fn admin_pages(&self) -> Vec<(String, String)> {
        let mut pages = Vec::new();
        for server in [&self.programs.auth, &self.programs.app] {
            for path in ["/metrics", "/readyz", "/healthz"] {
                let answer = server.ask_admin(path).await;
                pages.push((
                    format!("{path} of {}", server.port),
                    format!("{:?} {}", answer.headers, answer.body),
                ));
            }
        }
        pages
    }

    /// A request with everything that a client may carry.
    async fn send(&mut self, request: (Method, &str, &str), headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, host, target) = request;
        let name = format!("{method} {host}{target}");
        let carried = [
            ("authorization", AUTHORIZATION),
            ("x-api-key", AUTHORIZATION),
            ("referer", "https://x.example/?c4n4ry-query"),
        ];
        let headers = [&carried, headers].concat();
        let answer = if host == AUTH {
            self.visitor.send(method, host, target, &headers, body).await
        } else {
            self.at_app.jar.clone_from(&self.visitor.jar);
            let answer = self.at_app.send(method, host, target, &headers, body).await;
            self.visitor.jar.clone_from(&self.at_app.jar);
            answer
        };
        self.see(name, &answer);
        self.learn_cookies();
        answer
    }

    fn see(&mut self, name: String, answer: &Answer) {
        let mut headers = answer.headers.clone();
        headers.remove("set-cookie");
        self.answers.push((name, format!("{} {headers:?}\n{}", answer.status, answer.body)));
    }

    /// What the browser keeps from now on must not be seen either.
    fn learn_cookies(&mut self) {
        let session = self.dialect.session_cookie_name(hallpass_shared::dialect::Scheme::Http);
        for ((name, _), value) in &self.visitor.jar {
            if *name == session {
                self.words.add_token("session cookie", value);
            } else if name.contains("csrf") {
                let (token, hash) = value.split_once("%7C").or_else(|| value.split_once('|')).unwrap();
                self.words.add("CSRF token", token, Shown::InAnswers);
                self.words.add("hash of the CSRF token", hash, Shown::Nowhere);
            }
        }
    }

    /// A form of the page on `host`, with its token.
    async fn post(&mut self, host: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.send((Method::GET, host, "/api/auth/csrf"), &[], "").await;
        let token = token.json()["csrfToken"].as_str().unwrap().to_owned();
        let body = form(&token, fields);
        let port = if host == AUTH { self.programs.auth.port } else { self.programs.app.port };
        let origin = format!("http://{host}:{port}");
        let headers =
            [("content-type", FORM), ("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        self.send((Method::POST, host, target), &headers, &body).await
    }

    async fn sign_in(&mut self, name: &str) -> Answer {
        let fields = [("username", name), ("password", PASSWORD)];
        self.post(AUTH, "/api/auth/callback/credentials", &fields).await
    }

    pub(super) async fn pages_and_wrong_addresses(&mut self) {
        let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for host in [AUTH, APP] {
            for path in [
                "/",
                "/login",
                "/logout",
                "/error",
                "/no/such/page",
                "/api/auth/signin",
                "/api/auth/error",
                "/api/auth/no",
                "/metrics",
            ] {
                for headers in [&page[..], &[]] {
                    let target = format!("{path}?callbackUrl=/{QUERY}&error={QUERY}&password={QUERY}");
                    self.send((Method::GET, host, &target), headers, "").await;
                }
            }
            let junk = format!(
                "next-auth.session-token={QUERY}.a.b.c.d; authjs.session-token={QUERY}; other={QUERY}"
            );
            self.send((Method::GET, host, "/api/auth/session"), &[("cookie", &junk)], "").await;
            self.send((Method::DELETE, host, &format!("/api/auth/session?{QUERY}")), &[], QUERY).await;
            self.send((Method::TRACE, host, &format!("/?{QUERY}")), &[], "").await;
            let long = QUERY.repeat(6_000);
            let answer = self.send((Method::GET, host, "/"), &[("x-long", &long)], "").await;
            assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
    }

    pub(super) async fn failed_sign_ins(&mut self) {
        let json = |status, body: &str| Reply::Text(status, "application/json", body.to_owned());
        let said = |status| json(status, &format!("{{\"detail\":\"{REPLY}\",\"access\":\"{REPLY}\"}}"));
        for (reply, expected) in [
            (said(401), 303),
            (said(500), 503),
            (said(418), 503),
            (Reply::Text(200, "text/html", format!("<h1>{REPLY}</h1>")), 503),
            (json(200, &format!("{{\"access\":\"{REPLY}")), 503),
            (json(200, &format!("{{\"access\":\"{REPLY} \",\"refresh\":\"{REPLY}\"}}")), 503),
            (json(200, &format!("{{\"access\":[\"{REPLY}\"]}}")), 503),
            (
                json(
                    200,
                    &format!("{{\"access\":\"{REPLY}\",\"refresh\":\"{REPLY}\",\"user\":\"{REPLY}\"}}"),
                ),
                503,
            ),
            (Reply::Redirect(307, format!("http://127.0.0.1:9/{REPLY}")), 503),
            (Reply::Huge(300_000), 503),
            (Reply::Close, 503),
            (Reply::Hang(std::time::Duration::from_secs(3)), 503),
        ] {
            self.backend.answer_next(reply.clone());
            let answer = self.sign_in(TYPED_NAME).await;
            assert_eq!(answer.status, expected, "{reply:?}");
        }
        let answer = self.post(APP, "/api/auth/callback/credentials", &[("password", PASSWORD)]).await;
        assert_eq!(answer.status, 303);
    }

    pub(super) async fn throttled_sign_ins(&mut self) {
        self.backend.answer_next(Reply::Text(429, "text/plain", REPLY.into()));
        assert_eq!(self.sign_in(TYPED_NAME).await.status, 429);
        let mut throttled = false;
        for _ in 0..25 {
            throttled |= self.sign_in(TYPED_NAME).await.status == 429;
        }
        assert!(throttled);
    }

    /// Adds the id inside the session, by which it could be ended or forged in a feed.
    fn learn_session_id(&mut self) {
        let session = self.dialect.session_cookie_name(hallpass_shared::dialect::Scheme::Http);
        let sealed = self.visitor.jar.iter().find(|((name, _), _)| *name == session).unwrap().1.clone();
        let ring = SecretRing::new(vec![Secret::new(SECRET)]).unwrap();
        let codec = Codec::for_session(self.dialect, &ring, &session).unwrap();
        let opened = codec.open(&SealedToken::from_wire(sealed).unwrap(), SystemClock.now()).unwrap();
        self.words.add("session id", opened.claims.sid.as_deref().unwrap(), Shown::Nowhere);
    }
}
