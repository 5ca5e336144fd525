//! Bodies that are not what an endpoint takes.

use http::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{APP, AUTH, FORM, PASSWORD, QUERY, TYPED_NAME, Walk};

impl Walk {
    pub(in super::super) async fn bad_bodies(&mut self) {
        let encoded: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
        let quoted = serde_json::to_string(PASSWORD).unwrap();
        let bodies = [
            (FORM, format!("password={encoded}&password={encoded}")),
            (FORM, format!("password={encoded}%ff")),
            (FORM, format!("{encoded}={encoded}&username={TYPED_NAME}")),
            ("application/json", format!("{{\"password\":{{\"$gt\":{quoted}}}}}")),
            ("application/json", format!("{{\"password\":[{quoted}]}}")),
            ("application/json", format!("{{\"password\":{quoted}")),
            ("application/json", format!("{{{quoted}:1}}")),
            ("application/json", format!("[{quoted}]")),
            ("text/plain", format!("password={encoded}")),
            ("multipart/form-data; boundary=x", format!("--x\r\n\r\n{PASSWORD}\r\n--x--")),
            ("c4n4ry-query", PASSWORD.to_owned()),
        ];
        for host in [AUTH, APP] {
            let port = if host == AUTH { self.programs.auth.port } else { self.programs.app.port };
            let origin = format!("http://{host}:{port}");
            for path in ["callback/credentials", "signout", "signin/credentials", "session", "_log"] {
                for (kind, body) in &bodies {
                    let headers = [("content-type", *kind), ("origin", origin.as_str())];
                    let target = format!("/api/auth/{path}?{QUERY}");
                    self.send((Method::POST, host, &target), &headers, body).await;
                }
            }
            self.too_large(port, &format!("password={}", encoded.repeat(900))).await;
            let foreign = [("content-type", FORM), ("origin", "https://c4n4ry-query.example")];
            let body = format!("csrfToken={encoded}&password={encoded}");
            self.send((Method::POST, host, "/api/auth/callback/credentials"), &foreign, &body).await;
        }
    }

    /// What a satellite asks, asked by others, and asked wrongly by one that has the bearer.
    pub(in super::super) async fn between_servers(&mut self) {
        use hallpass_shared::{
            internal::{Bearers, FINGERPRINT, REFRESH, REVOCATIONS},
            secret::{Secret, SecretRing},
        };
        let ring = SecretRing::new(vec![Secret::new(hallpass_tests::SECRET)]).unwrap();
        let bearer = Bearers::derive(&ring).unwrap().header().unwrap();
        let bearer = bearer.to_str().unwrap();
        let session = self.visitor.jar.values().find(|value| value.contains("..")).unwrap().clone();
        let quoted = serde_json::to_string(PASSWORD).unwrap();
        for path in [REFRESH, REVOCATIONS, FINGERPRINT] {
            for body in [
                format!("{{\"token\":\"{session}\"}}"),
                format!("{{\"token\":{quoted}}}"),
                format!("{{\"token\":{quoted},{quoted}:1}}"),
                format!("{{{quoted}:\"{session}\"}}"),
                format!("\"{session}\""),
                format!("{{\"token\":\"{session}"),
                session.clone(),
            ] {
                let headers = [("content-type", "application/json")];
                let answer = self.send((Method::POST, AUTH, path), &headers, &body).await;
                assert!(answer.status.is_client_error(), "{path}");
                if !body.starts_with("{\"token\":\"") {
                    self.with_bearer(path, bearer, &body).await;
                }
            }
            self.send((Method::GET, AUTH, path), &[], "").await;
        }
    }

    /// A body so large that the answer comes before its end: whether all of it can be sent is a matter of luck.
    async fn too_large(&mut self, port: u16, body: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!(
            "POST /api/auth/callback/credentials HTTP/1.1\r\nhost: {AUTH}\r\ncontent-type: {FORM}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all((head + body).as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        self.answers.push(("a body too large".into(), String::from_utf8_lossy(&answer).into_owned()));
    }

    async fn with_bearer(&mut self, path: &str, bearer: &str, body: &str) {
        let headers = [("content-type", "application/json"), ("authorization", bearer)];
        let mut satellite = hallpass_tests::Visitor::new(self.programs.auth.port);
        let answer = satellite.send(Method::POST, "127.0.0.1", path, &headers, body).await;
        assert!(answer.status.is_client_error() || answer.json()["outcome"] == "refused", "{}", answer.body);
        self.see(format!("{path} with a bearer"), &answer);
    }
}
