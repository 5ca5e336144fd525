//! Nobody is signed out and nobody is taken for somebody else, whatever dies (threat-model R8, A2).

use hallpass_tests::containers::{
    Deployment, Plan,
    crowd::{self, Crowd, Person},
    faults::Walk,
    steps::{STEPS, Step, small_disk, two_auth_servers},
};

/// Walks with people at work; fails on what must not be noticed, with what our programs logged.
async fn walk(plan: Plan, steps: &[Step]) {
    let deployment = Deployment::start(plan).await;
    let people = crowd::sign_in(&deployment, 20).await;
    let walk = Walk { deployment: &deployment, crowd: Crowd::at_work(people) };
    for step in steps {
        let fault = walk.take(*step).await;
        let (noticed, slowest, healed) = (crowd::tally(&fault.visits), fault.slowest(), fault.lasted.1);
        println!("{}: {noticed}; slowest {slowest:.1?}, all served again after {healed:.1?}", fault.what);
        if let Some(problem) = step.judge(&fault) {
            panic!("{problem}\n{}", deployment.troubles().await);
        }
    }
    let people = walk.crowd.stop().await;
    assert!(people.iter().all(Person::is_signed_in), "{people:?}");
}

#[tokio::test]
async fn whatever_dies_nobody_is_signed_out() {
    walk(two_auth_servers(("hallpass-tests-two", 2)), &STEPS).await;
}

#[tokio::test]
async fn a_full_disk_signs_nobody_out() {
    walk(small_disk(("hallpass-tests-disk", 3)), &[Step::FullDisk]).await;
}
