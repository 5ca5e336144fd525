//! Many hosts: the images, and the whole of `deploy/compose.yaml` with TLS on its real names.
//!
//! Why: what holds in one process must hold between containers on separate networks, for a browser that knows no
//! exceptions, and while parts of it die.

use hallpass_tests::containers::Plan;

mod faults;
mod image;
mod journey;
mod walls;

/// As `deploy/up` starts it, beside one that may be running; access tokens are soon to be renewed.
const ONE: Plan = Plan {
    name: ("hallpass-tests-one", 1),
    auth_servers: 1,
    changes: &[],
    variables: &[("ACCESS_SECONDS", "30")],
};
