//! What goes wrong in earnest, done to a deployment while people are at work in it.
//!
//! Why: "nobody is signed out" is a promise about the day on which things break. Here is how each is done; the order, and what
//! may be noticed, is in `steps`.

use std::time::Duration;

use testcontainers::{
    GenericImage, ImageExt as _,
    core::{Mount, WaitFor},
    runners::AsyncRunner as _,
};
use tokio::time::Instant;

use super::{
    ACCESS, Deployment,
    crowd::{Crowd, Outcome, Visit},
    engine::docker,
};

/// How long a program is away.
const AWAY: Duration = Duration::from_secs(4);
/// How long a network is: longer than an access token lives, so that everybody's runs out meanwhile.
const CUT: Duration = Duration::from_secs(15);

/// Which containers of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// All at once.
    Every,
}

/// One thing that went wrong, and what was noticed.
#[derive(Debug)]
pub struct Fault {
    /// What was done.
    pub what: String,
    /// How long from that to its end, and to the end of the last visit that was not served.
    pub lasted: (Duration, Duration),
    /// When it began.
    pub began: Instant,
    /// All visits from its beginning until each session was renewed again.
    pub visits: Vec<Visit>,
}

impl Fault {
    /// How many visits to `host` (to all, if it is empty) came to `outcome`.
    pub fn count(&self, host: &str, outcome: Outcome) -> usize {
        let fits = |visit: &&Visit| visit.outcome == outcome && visit.host.starts_with(host);
        self.visits.iter().filter(fits).count()
    }

    /// The slowest answer.
    pub fn slowest(&self) -> Duration {
        self.visits.iter().map(|visit| visit.took).max().unwrap_or_default()
    }
}

/// A deployment and the people at work in it.
#[derive(Debug)]
pub struct Walk<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// The people.
    pub crowd: Crowd,
}

impl Walk<'_> {
    async fn during(&self, what: String, work: impl Future<Output = ()>) -> Fault {
        self.crowd.since_last_asked();
        let began = Instant::now();
        work.await;
        let ended = began.elapsed();
        self.crowd.all_served().await;
        let visits = self.crowd.since_last_asked();
        let last_bad = visits.iter().filter(|visit| visit.outcome != Outcome::Served);
        let healed =
            last_bad.map(|visit| visit.began.duration_since(began) + visit.took).max().unwrap_or_default();
        Fault { what, lasted: (ended, healed), began, visits }
    }

    /// Nothing goes wrong for this long.
    pub async fn calm(&self, time: Duration) -> Fault {
        self.during("nothing".into(), tokio::time::sleep(time)).await
    }

    /// `kill -9` of the first container of `service`, or of all, and its start some seconds later.
    pub(super) async fn kill(&self, service: &str, which: Which) -> Fault {
        let mut containers = self.deployment.containers(service).await;
        let several = containers.len() > 1;
        if which == Which::First {
            containers.truncate(1);
        }
        let named = match (several, which) {
            (false, _) => "",
            (true, Which::First) => "one ",
            (true, Which::Every) => "every ",
        };
        let what = format!("`kill -9` of {named}{service}, back after {} s", AWAY.as_secs());
        let work = async {
            for container in &containers {
                docker(&["kill", "--signal", "KILL", container]).await;
            }
            tokio::time::sleep(AWAY).await;
            for container in &containers {
                docker(&["start", container]).await;
            }
        };
        self.during(what, work).await
    }

    /// Takes `services` off `network`, and puts them back some seconds later.
    pub(super) async fn cut(&self, network: &str, services: &[&str]) -> Fault {
        let network = self.deployment.network(network);
        let what = format!("{} cut off, for {} s", services.join(" and "), CUT.as_secs());
        let work = async {
            let mut cut = Vec::new();
            for service in services {
                for container in self.deployment.containers(service).await {
                    docker(&["network", "disconnect", &network, &container]).await;
                    cut.push((*service, container));
                }
            }
            tokio::time::sleep(CUT).await;
            for (service, container) in &cut {
                docker(&["network", "connect", "--alias", service, &network, container]).await;
            }
        };
        self.during(what, work).await
    }

    /// Restarts these services, one container after the other, each as soon as the one before is healthy.
    pub(super) async fn rolling_restart(&self, services: &[&str]) -> Fault {
        let what = format!("rolling restart: {}", services.join(", "));
        self.during(what, self.restart(services)).await
    }

    async fn restart(&self, services: &[&str]) {
        for service in services {
            for container in self.deployment.containers(service).await {
                docker(&["restart", "--time", "15", &container]).await;
                self.deployment.healthy(&container).await;
            }
        }
    }

    /// A new secret: added behind the old one, then put before it, then alone; a rolling restart after each.
    ///
    /// # Panics
    /// If the ring cannot be written.
    pub(super) async fn rotation(&self, new: &str) -> Fault {
        const OURS: [&str; 3] = ["auth-server", "app-satellite", "admin-satellite"];
        let old = self.deployment.ring();
        let work = async {
            for ring in [format!("{old}\n{new}\n"), format!("{new}\n{old}\n"), format!("{new}\n")] {
                // Each session is written anew within one life of an access token.
                self.deployment.set_ring(&ring);
                self.restart(&OURS).await;
                tokio::time::sleep(ACCESS.1).await;
            }
        };
        self.during("a new secret: added, put first, the old one dropped".into(), work).await
    }

    /// Fills the disk that is this volume, until nothing more goes on it, and empties it again.
    ///
    /// # Panics
    /// If it cannot be filled.
    pub(super) async fn full_disk(&self, volume: &str) -> Fault {
        let volume = self.deployment.network(volume);
        let on_it = async |script: &str| {
            let container = GenericImage::new("hallpass-tests/debian", "latest")
                .with_wait_for(WaitFor::message_on_stdout("done"))
                .with_mount(Mount::volume_mount(&volume, "/disk"))
                .with_cmd(["sh", "-c", &format!("{script}; df /disk; echo done")])
                .start()
                .await
                .unwrap();
            String::from_utf8(container.stdout_to_vec().await.unwrap()).unwrap()
        };
        let work = async {
            let used = on_it("dd if=/dev/zero of=/disk/filler bs=4k").await;
            assert!(used.contains("100%"), "the disk is full:\n{used}");
            tokio::time::sleep(Duration::from_secs(15)).await;
            on_it("rm /disk/filler").await;
        };
        self.during("the disk of the file store full, for 15 s".into(), work).await
    }

    /// The clock of the satellite before `app` is off by `seconds`, for a while.
    ///
    /// # Panics
    /// If it is not.
    pub(super) async fn skew(&self, seconds: i32) -> Fault {
        let what = format!("clock of app-satellite {seconds:+} s");
        let work = async {
            self.deployment.with_clock_of_satellite(Some(seconds)).await;
            let off = self.deployment.clock_of("app-satellite").await;
            assert!((off - i64::from(seconds)).abs() < 10, "its clock is off by {off} s");
            tokio::time::sleep(ACCESS.1).await;
            self.deployment.with_clock_of_satellite(None).await;
        };
        self.during(what, work).await
    }
}
