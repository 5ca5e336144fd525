//! When containers ended, started and were healthy, as the engine tells it.
//!
//! Why: the picture of a rolling restart shows what happened, not what was asked for.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::Instant,
};

use super::Restart;

const FORMAT: &str = "{{.Status}}|{{index .Actor.Attributes \"com.docker.compose.service\"}} \
                      {{index .Actor.Attributes \"com.docker.compose.container-number\"}}";

/// Listens to the engine until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    events: Arc<Mutex<Vec<(Instant, String)>>>,
    _engine: Child,
}

impl Watch {
    pub(crate) fn start(project: &str) -> Self {
        let label = format!("label=com.docker.compose.project={project}");
        let mut command = Command::new("docker");
        command.args(["events", "--filter", "type=container", "--filter", &label, "--format", FORMAT]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut engine = command.spawn().unwrap();
        let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                heard.lock().unwrap().push((Instant::now(), line));
            }
        });
        Self { events, _engine: engine }
    }

    /// All restarts that have ended, in seconds since `began`.
    pub(crate) fn restarts(&self, began: Instant) -> Vec<Restart> {
        let mut restarts: Vec<Restart> = Vec::new();
        for (at, line) in &*self.events.lock().unwrap() {
            let Some((event, name)) = line.split_once('|') else { continue };
            let at = at.duration_since(began).as_secs_f64();
            match (event, restarts.iter_mut().rfind(|restart| restart.name == name)) {
                ("die", _) => {
                    restarts.push(Restart { name: name.to_owned(), ended: at, started: at, healthy: at });
                }
                ("start", Some(restart)) => (restart.started, restart.healthy) = (at, at),
                ("health_status: healthy", Some(restart)) => restart.healthy = at,
                _ => {}
            }
        }
        restarts
    }
}
