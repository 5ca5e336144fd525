//! Sessions from their beginning to their end.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::clock::{Clock as _, SystemClock};
use hallpass_tests::scripted::Reply;
use http::Method;
use serde_json::json;

use super::{APP, AUTH, QUERY, REPLY, Shown, Walk};

impl Walk {
    /// The backend's next answer: tokens that end in so many seconds and must not be seen.
    fn grant_next(&mut self, number: u32, seconds: i64) {
        let end = SystemClock.now().as_seconds() + seconds;
        let payload = json!({"exp": end, "user_id": "7", "jti": format!("c4n4ry-access-{number}")});
        let access = format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.c4n4ry-signature-{number}",
            URL_SAFE_NO_PAD.encode(payload.to_string())
        );
        let refresh = format!("refresh-c4n4ry-refresh-{number}");
        self.words.add_token("access token", &access);
        self.words.add("id of the access token", &format!("c4n4ry-access-{number}"), Shown::Nowhere);
        self.words.add("refresh token", &refresh, Shown::Nowhere);
        let user = json!({"id": "7", "email": "ada@example.com", "name": "Ada"});
        let reply = json!({"access": access, "refresh": refresh, "user": user});
        self.backend.answer_next(Reply::Text(200, "application/json", reply.to_string()));
    }

    async fn begin(&mut self, number: u32) {
        self.grant_next(number, 20);
        let answer = self.sign_in("ada@example.com").await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        self.learn_session_id();
    }

    /// Signed in, looked at everywhere, renewed by both servers: each answer of the backend is due at once.
    pub(in super::super) async fn a_session(&mut self) {
        self.begin(1).await;
        self.grant_next(2, 20);
        let session = self.send((Method::GET, AUTH, "/api/auth/session"), &[], "").await.json();
        assert_eq!(session["user"]["name"], "Ada");
        for (number, path) in
            [(3, "/api/auth/session"), (4, "/"), (5, "/deep/link?c4n4ry-query"), (6, "/api/auth/lifetimes")]
        {
            self.grant_next(number, 20);
            let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
            let answer = self.send((Method::GET, APP, path), &page, "").await;
            assert_eq!(answer.status, 200, "{path}");
        }
        for reply in [
            Reply::Text(500, "application/json", format!("{{\"detail\":\"{REPLY}\"}}")),
            Reply::Text(200, "application/json", format!("{{\"access\":\"{REPLY}\"")),
            Reply::Close,
        ] {
            for host in [AUTH, APP] {
                self.backend.answer_next(reply.clone());
                let answer = self.send((Method::GET, host, "/api/auth/session"), &[], "").await;
                assert_eq!(answer.json()["user"]["name"], "Ada");
            }
        }
        for path in ["/", "/login", "/logout"] {
            self.send((Method::GET, AUTH, path), &[("accept", "text/html")], "").await;
        }
        self.backend.answer_as_usual();
        let data = format!("{{\"csrfToken\":\"x\",\"data\":{{\"x\":\"{QUERY}\"}}}}");
        self.send((Method::POST, AUTH, "/api/auth/session"), &[("content-type", "application/json")], &data)
            .await;
    }

    /// The same again in the other version of HTTP, which has a log of its own.
    pub(in super::super) async fn a_session_over_http2(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let client = reqwest::Client::builder()
            .http2_prior_knowledge()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let jar = &self.visitor.jar;
        let cookies: Vec<String> = jar.iter().map(|((name, _), value)| format!("{name}={value}")).collect();
        let ports = [self.programs.auth.port, self.programs.app.port];
        for port in ports {
            for path in ["/api/auth/session", "/login", "/no/such/page"] {
                let answer = client
                    .get(format!("http://127.0.0.1:{port}{path}?x={QUERY}"))
                    .header("cookie", cookies.join("; "))
                    .header("authorization", super::AUTHORIZATION)
                    .send()
                    .await
                    .unwrap();
                assert_eq!(answer.version(), http::Version::HTTP_2);
                let shown = format!("{} {:?}\n", answer.status(), answer.headers());
                self.answers.push((format!("h2 {path}"), shown + answer.text().await.unwrap().as_str()));
            }
            let body = format!("username=ada&password={}", super::PASSWORD);
            let sign_in = client.post(format!("http://127.0.0.1:{port}/api/auth/callback/credentials"));
            let answer = sign_in.header("content-type", super::FORM).body(body).send().await.unwrap();
            self.answers.push(("h2 sign-in".into(), answer.text().await.unwrap()));
        }
    }

    /// Ended by the backend, by a sign-out here and there, and looked at with a copy of the cookie.
    pub(in super::super) async fn the_end_of_sessions(&mut self) {
        for (number, host) in [(11, AUTH), (12, APP)] {
            self.begin(number).await;
            let no = format!("{{\"detail\":\"{REPLY}\"}}");
            self.backend.answer_next(Reply::Text(401, "application/json", no));
            self.send((Method::GET, host, "/api/auth/session"), &[], "").await;
            self.backend.answer_as_usual();
        }
        for (number, host) in [(13, AUTH), (14, APP)] {
            self.begin(number).await;
            let copy = self.visitor.jar.clone();
            self.backend.answer_next(Reply::Text(500, "application/json", REPLY.into()));
            let answer = self.post(host, "/api/auth/signout", &[("callbackUrl", "/c4n4ry-query")]).await;
            assert_eq!(answer.status, 303, "{}", answer.body);
            self.visitor.jar = copy;
            self.send((Method::GET, AUTH, "/api/auth/session"), &[], "").await;
            self.visitor.jar.clear();
            self.backend.answer_as_usual();
        }
    }
}
