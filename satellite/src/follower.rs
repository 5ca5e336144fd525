//! Following the auth server's feed of sign-outs.
//!
//! Why: a satellite answers from the cookie alone, so it must be told which sessions are over (threat-model T14): within a
//! second, after a restart of either side, and by any auth server that can be reached. How long ago it was last told is
//! known, too; what follows from that is a setting (R8).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use hallpass_shared::{
    breaker::jittered,
    http_client,
    internal::{FEED_PULSE, FeedLine, KNOWN_REVOCATIONS, Known, REVOCATIONS, pack, unpack},
    revocation::{Revocation, RevocationKey, Revocations},
};
use http::{StatusCode, header};
use tokio::{runtime::Handle, task::JoinHandle};
use url::Url;

use crate::line::Line;

/// A pulse may be late by so many.
const SILENCE: Duration = FEED_PULSE.saturating_mul(4);
/// Most bytes of a line: a part of a snapshot of ten million.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Revocations told at a time.
const TOLD: usize = 1000;

/// The tasks that listen, one for each address; they end with this.
#[derive(Debug)]
pub(crate) struct Follower(Vec<JoinHandle<()>>);

impl Follower {
    /// Listens at every address of `line`, and writes `list`.
    pub(crate) fn start(runtime: &Handle, line: &Arc<Line>, list: &Arc<Revocations>) -> Self {
        let listen = |url: &Url| {
            let listener = Listener {
                line: Arc::clone(line),
                list: Arc::clone(list),
                url: url.clone(),
                position: None,
                snapshot: None,
            };
            runtime.spawn(listener.run())
        };
        Self(line.urls().map(listen).collect())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

struct Listener {
    line: Arc<Line>,
    list: Arc<Revocations>,
    url: Url,
    /// A node, and how far it was heard.
    position: Option<(String, u64)>,
    /// What a node that is new to us has told so far, until it has told all.
    snapshot: Option<HashMap<RevocationKey, Revocation>>,
}

impl Listener {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.position.clone();
            let problem = self.listen().await;
            if self.position == before {
                tracing::debug!(event = "feed", problem, "the feed of sign-outs cannot be had");
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                pause = FIRST_PAUSE;
                tracing::warn!(event = "feed", problem, "the feed of sign-outs broke off; listening again");
            }
            metrics::counter!("hallpass_feed_breaks_total").increment(1);
            self.list.show_age(self.line.clock().now());
            tokio::time::sleep(jittered(pause)).await;
        }
    }

    /// Listens until it breaks off, and says why.
    async fn listen(&mut self) -> String {
        let request = match self.request() {
            Ok(request) => request,
            Err(problem) => return problem,
        };
        let opened = tokio::time::timeout(SILENCE, request.send()).await;
        let mut response = match opened {
            Ok(Ok(response)) if response.status() == StatusCode::OK => response,
            Ok(Ok(response)) => return format!("the auth server said {}", response.status()),
            Ok(Err(error)) => return error.without_url().to_string(),
            Err(_) => return "no answer".into(),
        };
        let mut buffer = BytesMut::new();
        loop {
            match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(bytes))) => buffer.extend_from_slice(&bytes),
                Ok(Ok(None)) => return "it ended".into(),
                Ok(Err(error)) => return error.without_url().to_string(),
                Err(_) => return "it fell silent".into(),
            }
            while let Some(line) = next_line(&mut buffer) {
                if let Err(problem) = self.take(&line).await {
                    return problem;
                }
            }
            if buffer.len() > MAX_LINE_BYTES {
                return "a line is too long".into();
            }
        }
    }

    fn request(&self) -> Result<reqwest::RequestBuilder, String> {
        let mut url = self.url.join(REVOCATIONS).map_err(|error| error.to_string())?;
        if let Some((node, after)) = &self.position {
            url.query_pairs_mut().append_pair("node", node).append_pair("after", &after.to_string());
        }
        let bearer = self.line.bearer().ok_or("there is no secret")?;
        Ok(self.line.endless().get(url).header(header::AUTHORIZATION, bearer))
    }

    async fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let line: FeedLine = serde_json::from_slice(line).map_err(|_| "a line that is no JSON".to_owned())?;
        if let Some(node) = line.node
            && self.position.as_ref().is_none_or(|(known, _)| *known != node)
        {
            self.position = Some((node, 0));
            self.snapshot = Some(HashMap::new());
        }
        let told = unpack(&line.revoked);
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.extend(told.iter().map(|revocation| (revocation.key, *revocation)));
        }
        for revocation in told {
            self.list.revoke(revocation);
        }
        // Without a cursor the list is not whole yet, or not of now.
        if let (Some(cursor), Some((_, after))) = (line.cursor, &mut self.position) {
            *after = cursor;
            if let Some(snapshot) = self.snapshot.take() {
                let less =
                    |told: &Revocation, known: &Revocation| told.at < known.at || told.until < known.until;
                let missing = self.list.parts().flatten();
                let missing =
                    missing.filter(|known| snapshot.get(&known.key).is_none_or(|told| less(told, known)));
                self.tell(&missing.collect::<Vec<_>>()).await?;
            }
            self.list.heard(self.line.clock().now());
        }
        self.list.show_age(self.line.clock().now());
        let untold = self.line.untold();
        if !untold.is_empty() {
            self.tell(&untold).await?;
            self.line.told(&untold);
        }
        Ok(())
    }

    /// Tells the auth server what it does not know: sign-outs of here that did not reach it, and what it has forgotten.
    async fn tell(&mut self, revocations: &[Revocation]) -> Result<(), String> {
        let url = self.url.join(KNOWN_REVOCATIONS).map_err(|error| error.to_string())?;
        for known in revocations.chunks(TOLD) {
            let bearer = self.line.bearer().ok_or("there is no secret")?;
            let body = Known { revoked: pack(known) };
            let request = self.line.client().post(url.clone()).json(&body);
            let told = http_client::exchange(request.header(header::AUTHORIZATION, bearer)).await;
            if !told.as_ref().is_ok_and(|reply| reply.status.is_success()) {
                // Everything is told again when it is back.
                self.position = None;
                return Err("it does not take sign-outs".into());
            }
        }
        Ok(())
    }
}

fn next_line(buffer: &mut BytesMut) -> Option<Bytes> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let line = buffer.split_to(end + 1).freeze();
    Some(line.slice(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_network_cuts() {
        let mut buffer = BytesMut::new();
        let mut lines = Vec::new();
        for piece in ["{\"a\"", ":1}\n{", "}\n\n", "{}"] {
            buffer.extend_from_slice(piece.as_bytes());
            while let Some(line) = next_line(&mut buffer) {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        assert_eq!(lines, ["{\"a\":1}", "{}", ""]);
        assert_eq!(&buffer[..], b"{}");
    }
}
