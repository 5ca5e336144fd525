//! What passes without being held: uploads, events, trailers, HTTP/2.

use std::time::Duration;

use hallpass_shared::{
    clock::{Clock as _, SystemClock},
    dialect::Dialect,
    secret::{Secret, SecretRing},
    token::{Claims, Codec},
};
use hallpass_tests::Visitor;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

use super::{Site, before_aiohttp, head, line, rest};

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_goes_up_in_the_memory_of_a_few_frames() {
    // threat-model D3
    const SIZE: u64 = 1 << 30;
    let (site, _app) = before_aiohttp("").await;
    let visitor = site.signed_in().await;
    let before = site.proxy.process.peak_memory();
    let mut stream = site.request(&visitor, &format!("POST /upload HTTP/1.1\nContent-Length: {SIZE}")).await;
    let piece = vec![7; 1 << 20];
    for _ in 0..SIZE >> 20 {
        stream.write_all(&piece).await.unwrap();
    }
    let answered = head(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    let mut body = vec![0; 100];
    let read = stream.read(&mut body).await.unwrap();
    let said = String::from_utf8_lossy(&body[..read]).into_owned();
    assert!(said.contains(&format!("\"bytes\": {SIZE}")), "{said}");
    let grown = site.proxy.process.peak_memory().saturating_sub(before);
    assert!(grown < 16 << 20, "it took {grown} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one_and_end_with_a_sign_out() {
    // threat-model B6
    let (site, _app) = before_aiohttp("").await;
    let visitor = site.signed_in().await;
    let mut stream = site.request(&visitor, "GET /events HTTP/1.1\nAccept: text/event-stream").await;
    let begun = Instant::now();
    let answered = head(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 200") && answered.contains("text/event-stream"), "{answered}");
    while !line(&mut stream).await.contains("data: 3") {}
    assert!(begun.elapsed() < Duration::from_secs(5), "an event waits for no other");
    // A second window of another session is not concerned.
    let other = site.signed_in().await;
    let mut going_on = site.request(&other, "GET /events HTTP/1.1").await;
    head(&mut going_on).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    site.sign_out(&visitor).await;
    let out = Instant::now();
    rest(&mut stream).await;
    assert!(out.elapsed() < Duration::from_secs(2), "it went on for {:?}", out.elapsed());
    for _ in 0..4 {
        assert!(!line(&mut going_on).await.is_empty(), "the other's events go on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_and_an_answer_that_is_waited_for_end_with_a_sign_out() {
    // threat-model B6
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = silent.local_addr().unwrap();
    let (site, app) =
        before_aiohttp(&format!("[[satellite.upstreams]]\npath = \"/poll\"\nurl = \"http://{address}\"\n"))
            .await;
    let visitor = site.signed_in().await;
    let mut upload =
        site.request(&visitor, "POST /upload HTTP/1.1\nContent-Length: 1000\nConnection: close").await;
    let mut poll = site.request(&visitor, "GET /poll HTTP/1.1\nConnection: close").await;
    for _ in 0..5 {
        upload.write_all(b"more").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    site.sign_out(&visitor).await;
    let out = Instant::now();
    let answered = (head(&mut upload).await, head(&mut poll).await);
    assert!(answered.0.starts_with("HTTP/1.1 401") && answered.1.starts_with("HTTP/1.1 401"), "{answered:?}");
    assert!(out.elapsed() < Duration::from_secs(2), "they went on for {:?}", out.elapsed());
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_session_does() {
    // threat-model B6
    let (site, _app) = before_aiohttp("").await;
    let mut visitor = Visitor::new(site.proxy.port);
    let key = ("next-auth.session-token".to_owned(), ".example.localhost".to_owned());
    visitor.jar.insert(key, token_of(Duration::from_secs(4)));
    let mut stream = site.request(&visitor, "GET /events HTTP/1.1").await;
    let begun = Instant::now();
    head(&mut stream).await;
    rest(&mut stream).await;
    let lived = begun.elapsed();
    assert!(lived > Duration::from_secs(1) && lived < Duration::from_secs(7), "{lived:?}");
}

/// A session of four seconds: the settings allow none as short.
fn token_of(life: Duration) -> String {
    let ring = SecretRing::new(vec![Secret::new(hallpass_tests::SECRET)]).unwrap();
    let codec = Codec::for_session(Dialect::NEXT_AUTH_V4, &ring, "next-auth.session-token").unwrap();
    let now = SystemClock.now();
    let claims = Claims {
        sub: Some("1".into()),
        sid: Some("short".into()),
        issued_at: Some(now),
        auth_time: Some(now),
        expires: Some(now.plus(life)),
        ..Claims::default()
    };
    codec.seal(&claims).unwrap().expose().to_owned()
}

/// An app that reads one request to its end and answers as told.
async fn scripted(answer: &'static str, until: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).to_lowercase().ends_with(until) {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_answers_pass_and_of_requests_only_those_that_are_listed() {
    // threat-model H5
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Checksum\r\n\r\n2\r\nok\r\n0\r\nChecksum: 42\r\n\r\n";
    let (url, seen) = scripted(answer, "digest: 7\r\n\r\n").await;
    let settings = format!(
        "[[satellite.upstreams]]\npath = \"/up\"\nurl = \"{url}\"\nrequest_trailers = [\"Digest\"]\n"
    );
    let site = Site::before("http://127.0.0.1:9", &settings).await;
    let visitor = site.signed_in().await;
    let mut stream = site
        .request(
            &visitor,
            "POST /up/x HTTP/1.1\nTE: trailers\nConnection: close, TE\nTransfer-Encoding: chunked\nTrailer: Digest, Remote-User",
        )
        .await;
    stream.write_all(b"3\r\nabc\r\n0\r\nDigest: 7\r\nRemote-User: root\r\n\r\n").await.unwrap();
    let answered = head(&mut stream).await;
    let body = rest(&mut stream).await;
    assert!(
        answered.starts_with("HTTP/1.1 200") && body.to_lowercase().contains("checksum: 42"),
        "{answered}{body}"
    );
    let seen = seen.await.unwrap();
    assert!(seen.contains("abc") && !seen.contains("root"), "{seen}");
    assert!(seen.to_lowercase().contains("trailer: digest\r\n"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_2_is_served_as_one_of_http_1() {
    let (site, _app) = before_aiohttp("").await;
    let visitor = site.signed_in().await;
    #[expect(clippy::disallowed_methods, reason = "a test's client keeps no secrets")]
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .resolve("app.example.localhost", ([127, 0, 0, 1], site.proxy.port).into())
        .build()
        .unwrap();
    let mut request = client.get(site.url("/seen?x=1"));
    // A line for each cookie, as browsers send them over HTTP/2.
    for ((name, _), value) in &visitor.jar {
        request = request.header("cookie", format!("{name}={value}"));
    }
    request = request.header("cookie", "theme=dark").header("cookie", "lang=en");
    let response = request.send().await.unwrap();
    assert_eq!((response.status(), response.version()), (http::StatusCode::OK, http::Version::HTTP_2));
    let seen: serde_json::Value = response.json().await.unwrap();
    let header = |name: &str| header(&seen, name);
    assert_eq!(
        (seen["path"].as_str().unwrap(), header("cookie")),
        ("/seen?x=1", ["theme=dark; lang=en"].map(String::from).into())
    );
    assert_eq!(header("remote-email"), [super::USER]);
}

/// The values of a header, as the app saw them.
fn header(seen: &serde_json::Value, name: &str) -> Vec<String> {
    let all = seen["headers"].as_array().unwrap().iter();
    all.filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
        .map(|pair| pair[1].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_path_chooses_the_app() {
    let api = hallpass_tests::apps::App::aiohttp().await;
    let (site, _app) =
        before_aiohttp(&format!("[[satellite.upstreams]]\npath = \"/api/v2\"\nurl = \"{}\"\n", api.url()))
            .await;
    let mut visitor = site.signed_in().await;
    api.process.signal("STOP").await;
    let fetch = async |visitor: &mut Visitor, path: &str| {
        let asked = visitor.fetch("app.example.localhost", path);
        tokio::time::timeout(Duration::from_secs(1), asked).await.ok().map(|answer| answer.status.as_u16())
    };
    for path in ["/", "/api", "/api/v1", "/api/v22"] {
        assert_eq!(fetch(&mut visitor, path).await, Some(200), "{path}");
    }
    assert_eq!(fetch(&mut visitor, "/api/v2/x").await, None, "that app was stopped");
    api.process.signal("CONT").await;
    assert_eq!(fetch(&mut visitor, "/api/v2/x").await, Some(200));
}
