//! What the report says beside its numbers.
//!
//! Why: how a number was got, and what it does not say, belongs to it.

use std::time::Duration;

pub(crate) const NUMBERS: &str = "\
Median, smallest and largest value of as many runs as the table says. Storms, renewals, sign-ins, checks and memory: each run \
is a process of its own, with an auth server, a satellite and a stub of a backend that answers at once, all in that process; \
requests go to the satellite without a network, from there to the auth server and the backend over the loopback. What \
stands beside others: each server is a process, the load is wrk for three seconds, ours and the other in turns; a ratio is \
that of two neighbouring runs. `aim` is what we want; `just` is what must be, or the report fails.";

pub(crate) const STORM: &str = "One storm, answer by answer";

pub(crate) fn storm(takes: Duration) -> String {
    format!(
        "![A storm](storm.svg)\n\nOne storm more, over Redis, with a backend that takes {} ms for a refresh, so that everybody \
         has to wait for the one that is under way.",
        takes.as_millis()
    )
}

pub(crate) const FAULTS: &str = "What people notice when something breaks";

/// What was done, what the columns say, how to repeat it.
pub(crate) fn faults(machine: &str) -> String {
    format!("{DONE}\n\n{COLUMNS}\n\n{REPEAT} The table is of one walk ({machine}).")
}

const DONE: &str = "\
The deployment of `deploy/compose.yaml` on one machine: an edge, two auth servers over one Redis, two satellites with an app \
each, a backend with rotating refresh tokens. Twenty people are signed in and go on working: ten ask the auth server \
for their session, `app` for a page and `admin` for a page, in turns; ten only the apps, so that only satellites renew their \
sessions. Each asks again a tenth of a second after the last answer. Access tokens live for 12 seconds, so that sessions are \
renewed all the time. Then one thing after the other goes wrong; the next begins when \
everybody has been served everywhere for the life of an access token. The full disk is that of another deployment, with one auth server and no \
Redis.";

const COLUMNS: &str = "\
- **lasted**: how long it was wrong; a rolling restart and a change of the secret: until the last step was done.
- **requests**: all that were answered between its beginning and the beginning of the next.
- **served**: answered, and meant for the one who asked.
- **503**: something is down, try again; the session stays.
- **no connection**: no answer at all.
- **signed out**, **wrong identity**: asked to sign in or its cookie taken; served as somebody else. These must be 0.
- **other**: any other status; 502 is a satellite's, which says that its app is away. `broken off` is an answer whose program was \
killed in the middle of it.
- **slowest**: the longest that anybody waited for an answer.
- **all served after**: from its beginning to the end of the last request that was not served; `–` where there was none.";

const REPEAT: &str = "To repeat it: `tests/report --write`.";

pub(crate) const RESTART: &str = "\
![A rolling restart](rolling-restart.svg)\n\nThe rolling restart of the table, in quarters of a second, with what was \
before and after it.";

/// Stands in place of the table.
pub(crate) const LEFT_OUT: &str = "Left out: this report was made with `--without-containers`.";

pub(crate) const LIMITS: &str = "\
- Load, servers, stub and app share one machine's cores. Rates are floors, and change with the machine.
- Nothing here has TLS or a network between machines, but for the faults, which have TLS at the edge.
- The backend is a stub, but for the faults. In earnest, sign-ins and renewals are as fast as the backend.
- Load generators send the next request when the last was answered (wrk, and the people of the faults): while nothing is \
answered, fewer requests are counted than would have come.
- Few runs: a spread is what was seen, no confidence interval. A median of five says nothing about rare delays.
- Faults were walked through once, one at a time, on one machine, where a container that is killed is gone at once and a \
connection to it is refused at once. Hosts that hang, packets that are lost and two faults at a time are not in it.";
