//! The walk through the faults: what is done, one thing after the other, and what may be noticed of it.
//!
//! Why: the tests judge this walk, and the report writes down what it came to; both must speak of the same one.

use std::time::Duration;

use super::{
    ACCESS, Plan,
    crowd::{Outcome, Visit},
    faults::{Fault, Walk, Which},
};

/// Where, by the beginning of the host (everywhere, if it is empty), and what.
pub type Notice = (&'static str, Outcome);

const AWAY: Notice = ("", Outcome::Unavailable);
const ALL: [&str; 8] =
    ["auth-server", "app-satellite", "admin-satellite", "redis", "backend", "app", "admin", "edge"];

/// Two auth servers over Redis, and access tokens that live for seconds: renewals all the time.
pub const fn two_auth_servers(name: (&'static str, u8)) -> Plan {
    Plan { name, auth_servers: 2, changes: &[], variables: &[("ACCESS_SECONDS", ACCESS.0)] }
}

/// One auth server, whose store is a file on a small disk.
pub const fn small_disk(name: (&'static str, u8)) -> Plan {
    Plan { auth_servers: 1, changes: &["disk"], ..two_auth_servers(name) }
}

/// One thing that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for a while.
    Calm,
    /// `kill -9`, and a start later.
    Kill(&'static str, Which),
    /// Services taken off a network, and put back.
    Cut(&'static str, &'static [&'static str]),
    /// Of all services.
    RollingRestart,
    /// A new secret in three steps.
    Rotation,
    /// A clock that is off by so many seconds.
    Skew(i32),
    /// With [`small_disk`].
    FullDisk,
}

/// The walk, with [`two_auth_servers`].
pub const STEPS: [Step; 17] = [
    Step::Calm,
    Step::Kill("auth-server", Which::First),
    Step::Kill("auth-server", Which::Every),
    Step::Kill("redis", Which::Every),
    Step::Kill("backend", Which::Every),
    Step::Kill("app-satellite", Which::Every),
    Step::Kill("app", Which::Every),
    Step::Kill("admin-satellite", Which::Every),
    Step::Kill("admin", Which::Every),
    Step::Kill("edge", Which::Every),
    Step::Cut("renewal", &["app-satellite", "admin-satellite"]),
    Step::Cut("store", &["redis"]),
    Step::Cut("backend", &["backend"]),
    Step::RollingRestart,
    Step::Rotation,
    Step::Skew(120),
    Step::Skew(-120),
];

impl Step {
    /// All that may be noticed, beside being served: 503 from what needs the missing part; of a program that is killed,
    /// the answer that it was writing.
    pub fn allowed(self) -> &'static [Notice] {
        const AUTH: Notice = ("auth.", Outcome::Broken);
        const GATE: [Notice; 2] = [("app.", Outcome::Unavailable), ("app.", Outcome::Broken)];
        const ADMIN: [Notice; 2] = [("admin.", Outcome::Unavailable), ("admin.", Outcome::Broken)];
        // The satellite says that it is the app.
        const APP: [Notice; 2] = [("app.", Outcome::Other(502)), ("app.", Outcome::Broken)];
        const EDGE: [Notice; 2] = [("", Outcome::NoAnswer), ("", Outcome::Broken)];
        const SATELLITES: [Notice; 2] = [("app.", Outcome::Unavailable), ("admin.", Outcome::Unavailable)];
        match self {
            // Whoever of several is left does it.
            Self::Kill("auth-server", Which::First) => &[AUTH],
            Self::Kill("auth-server", Which::Every) => &[AWAY, AUTH],
            Self::Kill("app-satellite", _) => &GATE,
            Self::Kill("app", _) => &APP,
            Self::Kill("admin-satellite" | "admin", _) => &ADMIN,
            Self::Kill("edge", _) => &EDGE,
            // Renewals wait for it.
            Self::Kill("backend", _) | Self::Cut("backend", _) | Self::FullDisk => &[AWAY],
            Self::Cut("renewal", _) => &SATELLITES,
            // The apps end at once, whatever they are about; so does the edge's connection with everybody.
            Self::RollingRestart => &[AWAY, EDGE[0], EDGE[1], APP[0]],
            Self::Calm | Self::Kill(..) | Self::Cut(..) | Self::Rotation | Self::Skew(_) => &[],
        }
    }

    /// What must be noticed: if it is not, nothing was missing.
    pub fn surely(self) -> Option<Outcome> {
        match self {
            Self::Kill("edge", _) => Some(Outcome::NoAnswer),
            Self::Cut("backend" | "renewal", _) => Some(Outcome::Unavailable),
            _ => None,
        }
    }

    /// What was noticed and must not be; or that nothing was, where something must. Not the answers themselves: they have
    /// the cookies of somebody.
    pub fn judge(self, fault: &Fault) -> Option<String> {
        let fine = |visit: &&Visit| {
            let is = |(host, outcome): &Notice| visit.host.starts_with(host) && visit.outcome == *outcome;
            visit.outcome == Outcome::Served || self.allowed().iter().any(is)
        };
        if let Some(visit) = fault.visits.iter().find(|visit| !fine(visit)) {
            let (after, took) = (visit.began.duration_since(fault.began), visit.took);
            let (what, host, outcome) = (&fault.what, visit.host, visit.outcome);
            return Some(format!(
                "{what}: {host}: {outcome}, asked for {after:.1?} after it began, in {took:.1?}"
            ));
        }
        let missing = self.surely().filter(|outcome| fault.count("", *outcome) == 0)?;
        Some(format!("{}: nobody noticed `{missing}`; was it done at all?", fault.what))
    }
}

impl Walk<'_> {
    /// Does it, and waits until everybody is served again, for good.
    pub async fn take(&self, step: Step) -> Fault {
        match step {
            Step::Calm => self.calm(Duration::from_secs(15)).await,
            Step::Kill(service, which) => self.kill(service, which).await,
            Step::Cut(network, services) => self.cut(network, services).await,
            Step::RollingRestart => self.rolling_restart(&ALL).await,
            Step::Rotation => self.rotation("another-secret-of-more-than-32-characters").await,
            Step::Skew(seconds) => self.skew(seconds).await,
            Step::FullDisk => self.full_disk("store").await,
        }
    }
}
