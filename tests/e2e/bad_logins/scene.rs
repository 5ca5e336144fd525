//! A deployment for one case, and what is seen of it.

use std::time::Duration;

use hallpass_shared::{cookie::RequestCookies, token::Claims};
use hallpass_tests::{
    Answer, Visitor, World,
    scripted::{Received, ScriptedBackend},
};
use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::{
    PASSWORD,
    case::{Case, Script, Wire},
    flood::Flood,
    log::Log,
    style::Style,
};

pub(super) const AUTH: &str = "auth.example.localhost";

/// A deployment, somebody at a browser, and a host that must never hear of it.
pub(super) struct Scene {
    pub(super) style: Style,
    pub(super) backend: ScriptedBackend,
    pub(super) flood: Option<Flood>,
    pub(super) elsewhere: ScriptedBackend,
    pub(super) world: World,
    pub(super) visitor: Visitor,
    pub(super) log: Log,
}

/// What happened.
pub(super) struct Seen {
    pub(super) answers: Vec<Answer>,
    pub(super) received: Vec<Received>,
    pub(super) longest: Duration,
}

impl Scene {
    pub(super) async fn set(style: Style, case: &Case, log: &Log) -> Self {
        let accounts = [
            ("alice@example.com", PASSWORD),
            ("mallory@example.com", "mallorys own"),
            ("long@example.com", &"p".repeat(128)),
            ("space@example.com", "  pass word  "),
            ("uni@example.com", "paßé🔑"),
        ];
        let backend = ScriptedBackend::start(&accounts).await;
        let elsewhere = ScriptedBackend::start(&accounts).await;
        let mut flood = None;
        // Only a backend that hangs is to run out of time.
        let hangs = case.backend.as_ref().is_some_and(Script::hangs);
        let section = backend.settings();
        let mut section = if hangs { section } else { section.replace("\"1s\"", "\"30s\"") };
        match &case.backend {
            Some(script) if script.body_repeat.is_some() => {
                let (text, count) = script.body_repeat.clone().unwrap();
                let started = Flood::start(&text, count).await;
                section = section.replace(&backend.address.to_string(), &started.address.to_string());
                flood = Some(started);
            }
            Some(script) => {
                backend.answer_next(script.reply(&format!("http://{}/collect", elsewhere.address)));
            }
            None => {}
        }
        // Where a case wants people on several addresses, they come through a proxy that is believed.
        let proxies = if case.after.is_some() { "\"127.0.0.1/32\"" } else { "" };
        let throttle =
            if case.is_counted() { "" } else { "per_account = \"999/5m\"\nper_address = \"999/5m\"" };
        let settings = format!(
            "cookie.dialect = \"{}\"\nserver.trusted_proxies = [{proxies}]\n\
             {section}\n[throttle]\nanswer_floor = \"10ms\"\n{throttle}",
            style.dialect().name
        );
        let world = World::start(&settings).await;
        let visitor = Visitor::new(world.port);
        Self { style, backend, flood, elsewhere, world, visitor, log: log.clone() }
    }

    /// The same deployment for another person and case.
    pub(super) fn for_the_next(&mut self) {
        self.visitor.jar.clear();
    }

    /// Sends everything that the case says.
    pub(super) async fn play(&mut self, case: &Case) -> Seen {
        let token = if case.has_token() { Some(self.visitor.csrf_token(AUTH).await) } else { None };
        let wires = case.wires(self.style, self.world.port, token.as_deref());
        if case.after.is_some() {
            self.fail_from_elsewhere(token.as_deref()).await;
        }
        self.backend.take_received();
        self.log.take();
        let mut seen = Seen { answers: Vec::new(), received: Vec::new(), longest: Duration::ZERO };
        for wire in wires {
            let started = Instant::now();
            if case.parallel == 1 {
                seen.answers.push(self.send(&wire).await);
            } else {
                let browsers = (0..case.parallel).map(|_| self.visitor.clone());
                let answers = browsers.map(async |mut browser| post(&mut browser, &wire).await);
                seen.answers.extend(futures_util::future::join_all(answers).await);
            }
            seen.longest = seen.longest.max(started.elapsed());
        }
        seen.received = self.backend.take_received();
        seen
    }

    pub(super) async fn send(&mut self, wire: &Wire) -> Answer {
        post(&mut self.visitor, wire).await
    }

    /// 30 wrong passwords that an attacker sends from another address.
    async fn fail_from_elsewhere(&mut self, token: Option<&str>) {
        let wrong = Case::named("bl-03").wires(self.style, self.world.port, token).remove(0);
        for _ in 0..30 {
            let mut wire = wrong.clone();
            wire.headers.push(("X-Forwarded-For".into(), "203.0.113.9".into()));
            self.send(&wire).await;
        }
    }

    /// What the auth server makes of the browser's cookies.
    pub(super) fn claims(&self) -> Option<Claims> {
        let all = self.visitor.jar.iter().map(|((name, _), value)| format!("{name}={value}"));
        let line = all.collect::<Vec<_>>().join("; ");
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(line).unwrap())]);
        let authenticator = &self.world.auth.endpoints.authenticator;
        let tokens = authenticator.cookie.candidates(RequestCookies::new(&headers));
        tokens
            .iter()
            .find_map(|token| authenticator.codec.open(token, authenticator.clock.now()).ok())
            .map(|opened| std::sync::Arc::unwrap_or_clone(opened.claims))
    }

    pub(super) fn session_cookie_name(&self) -> &str {
        &self.world.auth.endpoints.authenticator.cookie.policy().name
    }
}

async fn post(browser: &mut Visitor, wire: &Wire) -> Answer {
    let Wire { method, target, body, .. } = wire;
    browser.send(method.clone(), AUTH, target, &wire.header_list(), body.as_str()).await
}
