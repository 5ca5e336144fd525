//! Whose word counts about the client's address, and what else is not the client's to say.
//!
//! Why: apps write these addresses into logs and limits; a client that may choose its own has none (threat-model H7, H10).

use std::net::Ipv4Addr;

use hallpass_tests::raw::{Lines, Seen, fold, head, latin1};

use super::{BALANCER, CLIENT, HOST, Site, lines, with_host};

/// What an app could take for the client, the path, the method or the user.
const MISLEADING: &str = "Forwarded X-Real-IP X-Client-IP True-Client-IP X-Cluster-Client-IP X-Forwarded-Host \
    X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Server X-Forwarded-Ssl X-Forwarded-Scheme \
    X-Forwarded-Prefix X-Forwarded-Uri X-Forwarded-Method X-Forwarded-User x-ForWarDed-Prefix \
    X-Original-URL X-Original-Method X-Original-Host X-Rewrite-URL X-HTTP-Method \
    X-HTTP-Method-Override X-Method-Override Remote-User REMOTE-USER Remote-Anything \
    X-Auth-Request-User X-Auth-Request-Access-Token X-Hallpass-Assertion X-Hallpass-Sub \
    X-Hallpass-Session Hallpass-Stale Proxy X-Auth-User";

/// Names that some server folds to one of those, or to any other.
const ODD: &str = "X_Real_IP X_Forwarded_Proto X.Forwarded.Host X~Forwarded~For X_Original_URL X_Rewrite_URL \
    X_HTTP_Method_Override Remote_User X_Hallpass_Sub X!Auth!User X'Auth'User X#Auth#User X|Auth|User \
    X^Auth^User X*Auth*User X+Auth+User X$Auth$User X%Auth%User X&Auth&User X`Auth`User Content_Length \
    Transfer_Encoding HTTP_HOST X_Request_ID";

async fn seen(site: &Site, from: Ipv4Addr, told: &Lines) -> Seen {
    let bytes = latin1(&head("GET /public/x HTTP/1.1", with_host(told)));
    let (answer, _) = hallpass_tests::raw::exchange(site.gate.port, from, bytes).await;
    assert_eq!(answer.map(|answer| answer.status), Some(200), "{told:?}");
    site.app.take().remove(0)
}

#[tokio::test]
async fn the_client_is_whom_the_last_trusted_hop_saw() {
    // threat-model H7
    let site = Site::start().await;
    let client = CLIENT.to_string();
    let balancer = BALANCER.to_string();
    for (from, told, expected) in [
        (CLIENT, vec!["198.51.100.7"], client.as_str()),
        (CLIENT, vec![balancer.as_str()], &client),
        (BALANCER, vec![], &balancer),
        (BALANCER, vec!["198.51.100.7"], "198.51.100.7"),
        (BALANCER, vec!["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (BALANCER, vec!["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        (BALANCER, vec!["6.6.6.6, 198.51.100.7, 127.0.0.7"], "198.51.100.7"),
        (BALANCER, vec!["2001:db8::1"], "2001:db8::1"),
        (BALANCER, vec!["nonsense"], &balancer),
        (BALANCER, vec!["198.51.100.7, nonsense"], &balancer),
        (BALANCER, vec![""], &balancer),
    ] {
        let told: Vec<_> = told.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        let seen = seen(&site, from, &lines(&told)).await;
        assert_eq!(seen.folded("x-forwarded-for"), [expected], "{from}, {told:?}");
    }
}

#[tokio::test]
async fn nothing_misleading_goes_on() {
    // threat-model H2, H7, H10
    const FORGED: &str = "forged";
    let site = Site::start().await;
    let all: Vec<_> = MISLEADING.split_whitespace().chain(ODD.split_whitespace()).collect();
    for from in [CLIENT, BALANCER] {
        for name in &all {
            let seen = seen(&site, from, &lines(&[(name, FORGED)])).await;
            let forged = seen.headers.iter().find(|(_, value)| value == FORGED);
            assert!(forged.is_none(), "{name} from {from}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn what_is_the_clients_own_goes_on_as_it_came() {
    // threat-model H1: no more is taken away than must be.
    let site = Site::start().await;
    let told = lines(&[
        ("Accept", "text/html;q=0.9, */*"),
        ("Accept-Language", "cs, en;q=0.5"),
        ("User-Agent", "Mozilla/5.0 (X11)"),
        ("X-Requested-With", "XMLHttpRequest"),
        ("X-Note", "\u{e9}\u{ff}"),
        ("X-Note", "second"),
        ("If-None-Match", "\"abc\""),
        ("Range", "bytes=0-1"),
        ("Origin", "https://elsewhere.example.org"),
        ("Referer", "https://app.example.com/page"),
        ("Sec-Fetch-Mode", "cors"),
        ("X-Authentic", "yes"),
        ("X-Auth-Users", "all"),
        ("Remotely", "yes"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]);
    let seen = seen(&site, CLIENT, &told).await;
    for (name, _) in &told {
        let of = |all: &Lines| -> Vec<String> {
            all.iter()
                .filter(|(known, _)| fold(known) == fold(name))
                .map(|(_, value)| value.clone())
                .collect()
        };
        assert_eq!(of(&seen.headers), of(&told), "{name}");
    }
    assert_eq!(seen.values("host"), [HOST]);
    assert_eq!(
        (seen.values("x-forwarded-proto"), seen.values("x-forwarded-host")),
        (vec!["https"], vec![HOST])
    );
    assert_eq!(seen.values("x-request-id").len(), 1);
}
