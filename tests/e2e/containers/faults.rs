//! Nobody is signed out and nobody is taken for somebody else, whatever dies (threat-model R8, A2).

use std::time::Duration;

use hallpass_tests::containers::{
    Deployment, Plan,
    crowd::{self, Crowd, Outcome, Person, Visit},
    faults::{ALL, Fault, Walk, Which},
};

/// Two auth servers over Redis, and access tokens that live for seconds: renewals all the time.
const TWO: Plan = Plan {
    name: ("hallpass-tests-two", 2),
    auth_servers: 2,
    changes: &[],
    variables: &[("ACCESS_SECONDS", "12")],
};

/// One auth server, whose store is a file on a small disk.
const DISK: Plan = Plan { name: ("hallpass-tests-disk", 3), auth_servers: 1, changes: &["disk"], ..TWO };

/// Says what was noticed, and fails on anything but `allowed` beside being served, with what our programs logged.
async fn judge(walk: &Walk<'_>, fault: Fault, allowed: &[(&str, Outcome)]) {
    println!(
        "{}: {}; slowest {:.1?}, all served again after {:.1?}",
        fault.what,
        crowd::tally(&fault.visits),
        fault.slowest(),
        fault.lasted.1
    );
    let fine = |visit: &&Visit| {
        let is =
            |(host, outcome): &(&str, Outcome)| visit.host.starts_with(host) && visit.outcome == *outcome;
        visit.outcome == Outcome::Served || allowed.iter().any(is)
    };
    if let Some(visit) = fault.visits.iter().find(|visit| !fine(visit)) {
        let troubles = walk.deployment.troubles().await;
        panic!("{}: {}: {}: {}\n{troubles}", fault.what, visit.host, visit.outcome, visit.detail);
    }
}

const AWAY: (&str, Outcome) = ("", Outcome::Unavailable);

async fn kills(walk: &Walk<'_>) {
    // Whoever of several is left does it; but an answer that a killed program was writing breaks off.
    judge(walk, walk.kill("auth-server", Which::First).await, &[("auth.", Outcome::Broken)]).await;
    judge(walk, walk.kill("redis", Which::Every).await, &[]).await;
    // Renewals wait for those.
    judge(walk, walk.kill("auth-server", Which::Every).await, &[AWAY, ("auth.", Outcome::Broken)]).await;
    judge(walk, walk.kill("backend", Which::Every).await, &[AWAY]).await;
    // One site waits for its own gate or its own app; the others do not notice.
    for (service, host) in [("app-satellite", "app."), ("admin-satellite", "admin."), ("admin", "admin.")] {
        let allowed = [(host, Outcome::Unavailable), (host, Outcome::Broken)];
        judge(walk, walk.kill(service, Which::Every).await, &allowed).await;
    }
    // The satellite says that it is the app.
    let allowed = [("app.", Outcome::Other(502)), ("app.", Outcome::Broken)];
    judge(walk, walk.kill("app", Which::Every).await, &allowed).await;
    judge(walk, walk.kill("edge", Which::Every).await, &[("", Outcome::NoAnswer), ("", Outcome::Broken)])
        .await;
}

fn at_home(people: &[Person]) {
    assert!(people.iter().all(Person::is_signed_in), "{people:?}");
}

#[tokio::test]
async fn whatever_dies_nobody_is_signed_out() {
    let deployment = Deployment::start(TWO).await;
    let people = crowd::sign_in(&deployment, 20).await;
    let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
    judge(&walk, walk.calm(Duration::from_secs(15)).await, &[]).await;
    kills(&walk).await;
    let satellites = [("app.", Outcome::Unavailable), ("admin.", Outcome::Unavailable)];
    judge(&walk, walk.cut("renewal", &["app-satellite", "admin-satellite"]).await, &satellites).await;
    judge(&walk, walk.cut("store", &["redis"]).await, &[]).await;
    judge(&walk, walk.cut("backend", &["backend"]).await, &[AWAY]).await;
    // The apps end at once, whatever they are about; so does the edge's connection with everybody.
    let allowed = [AWAY, ("", Outcome::NoAnswer), ("", Outcome::Broken), ("app.", Outcome::Other(502))];
    judge(&walk, walk.rolling_restart(&ALL).await, &allowed).await;
    judge(&walk, walk.rotation("another-secret-of-more-than-32-characters").await, &[]).await;
    for seconds in [120, -120] {
        judge(&walk, walk.skew(seconds).await, &[]).await;
    }
    at_home(&walk.crowd.stop().await);
}

#[tokio::test]
async fn a_full_disk_signs_nobody_out() {
    let deployment = Deployment::start(DISK).await;
    let people = crowd::sign_in(&deployment, 10).await;
    let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
    judge(&walk, walk.full_disk("store").await, &[AWAY]).await;
    at_home(&walk.crowd.stop().await);
}
