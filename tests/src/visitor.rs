//! A browser without a screen: a cookie jar per RFC 6265, no redirects followed unless asked.
//!
//! Why: what a test checks is what a browser would be sent and would keep, cookie by cookie.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

/// One person's browser; a clone is another window with the same cookies.
#[derive(Clone, Debug)]
pub struct Visitor {
    client: reqwest::Client,
    /// Of all hosts, on this machine; without one their names are followed.
    port: Option<u16>,
    /// By name, and the host it is for or the domain with a dot in front.
    pub jar: BTreeMap<(String, String), String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub body: String,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Answer {
    /// `Location`, or an empty text.
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// Body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect()
    }
}

impl Visitor {
    /// Nobody yet; every host is at `port` of this machine.
    ///
    /// # Panics
    /// If no client can be made.
    pub fn new(port: u16) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { client, port: Some(port), jar: BTreeMap::new() }
    }

    /// Nobody yet; hosts are where `client` finds their names, with TLS. It must follow no redirects.
    pub fn over_tls(client: reqwest::Client) -> Self {
        Self { client, port: None, jar: BTreeMap::new() }
    }

    /// A request to `host` (such as `auth.example.localhost`), with its cookies and these headers.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send(
        &mut self,
        method: Method,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.try_to_send(method, host, target, (headers, body.into())).await.unwrap()
    }

    /// As [`Visitor::send`], where there may be no answer.
    ///
    /// # Errors
    /// The client's, if there is none.
    pub async fn try_to_send(
        &mut self,
        method: Method,
        host: &str,
        target: &str,
        (headers, body): (&[(&str, &str)], Vec<u8>),
    ) -> reqwest::Result<Answer> {
        let request = match self.port {
            Some(port) => self
                .client
                .request(method, format!("http://127.0.0.1:{port}{target}"))
                .header(header::HOST, format!("{host}:{port}")),
            None => self.client.request(method, format!("https://{host}{target}")),
        };
        let mut request = request.body(body);
        let cookies = self.cookies_for(host);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await;
        let answer = Answer { status, headers, whole: body.is_ok(), body: body.unwrap_or_default() };
        self.keep(host, &answer);
        Ok(answer)
    }

    /// A page load.
    pub async fn visit(&mut self, host: &str, target: &str) -> Answer {
        let headers =
            [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        self.send(Method::GET, host, target, &headers, "").await
    }

    /// A script's `fetch`.
    pub async fn fetch(&mut self, host: &str, target: &str) -> Answer {
        self.send(
            Method::GET,
            host,
            target,
            &[("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")],
            "",
        )
        .await
    }

    /// A form of the page on `host` itself, with the token it would have.
    pub async fn post_form(&mut self, host: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.csrf_token(host).await;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("csrfToken", &token)
            .extend_pairs(fields)
            .finish();
        let origin =
            self.port.map_or_else(|| format!("https://{host}"), |port| format!("http://{host}:{port}"));
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, host, target, &headers, body).await
    }

    /// The token of `host`'s forms.
    ///
    /// # Panics
    /// If there is none.
    pub async fn csrf_token(&mut self, host: &str) -> String {
        let answer = self.fetch(host, "/api/auth/csrf").await;
        answer.json()["csrfToken"].as_str().unwrap().to_owned()
    }

    /// Signs in on the auth server.
    pub async fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        let fields = [("username", username), ("password", password)];
        let host = if self.port.is_some() { "auth.example.localhost" } else { "auth.example.com" };
        self.post_form(host, "/api/auth/callback/credentials", &fields).await
    }

    /// The names of the cookies kept.
    pub fn cookie_names(&self) -> Vec<String> {
        self.jar.keys().map(|(name, _)| name.clone()).collect()
    }

    fn cookies_for(&self, host: &str) -> String {
        let for_host =
            |scope: &str| scope == host || scope.strip_prefix('.').is_some_and(|domain| below(host, domain));
        let pairs = self.jar.iter().filter(|((_, scope), _)| for_host(scope));
        pairs.map(|((name, _), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, host: &str, answer: &Answer) {
        for line in answer.set_cookies() {
            let mut parts = line.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<&str> = parts.collect();
            let domain = attributes.iter().find_map(|part| part.strip_prefix("Domain="));
            let scope = domain.map_or_else(|| host.to_owned(), |domain| format!(".{domain}"));
            let key = (name.to_owned(), scope);
            if attributes.contains(&"Max-Age=0") {
                self.jar.remove(&key);
            } else {
                self.jar.insert(key, value.to_owned());
            }
        }
    }
}

fn below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

/// The parameter `name` of an address.
///
/// # Panics
/// If the address is none.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let url = Url::parse("http://relative.invalid").unwrap().join(address).unwrap();
    url.query_pairs().find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}
