//! How each edge asks about a request it has.
//!
//! Why: there are five, with three ways to tell; what one of them would send on as it came must be judged as it came.

use hallpass_tests::raw::{Lines, head};

use super::HOST;

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Nginx,
    Traefik,
    Caddy,
    HaProxy,
    Envoy,
}

impl Edge {
    pub(super) const ALL: [Self; 5] = [Self::Nginx, Self::Traefik, Self::Caddy, Self::HaProxy, Self::Envoy];

    /// Where it asks.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Nginx => "/auth/nginx",
            Self::Traefik => "/auth/traefik",
            Self::Caddy => "/auth/caddy",
            Self::HaProxy => "/auth/haproxy",
            Self::Envoy => "/auth/envoy",
        }
    }

    /// A check about a request for `target`, with the client's own lines beside what the edge says.
    pub(super) fn check(self, method: &str, target: &str, lines: &Lines) -> String {
        let url = format!("https://{HOST}{target}");
        let own: Vec<(&str, &str)> = match self {
            Self::Nginx => vec![("Host", HOST), ("X-Original-URL", &url), ("X-Original-Method", method)],
            Self::Envoy => vec![("Host", HOST), ("X-Forwarded-Proto", "https")],
            Self::Traefik | Self::Caddy | Self::HaProxy => vec![
                ("Host", "satellite.internal:9400"),
                ("X-Forwarded-Method", method),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", HOST),
                ("X-Forwarded-Uri", target),
            ],
        };
        let first = match self {
            Self::Envoy => format!("{method} {}{target} HTTP/1.1", self.path()),
            _ => format!("GET {} HTTP/1.1", self.path()),
        };
        let client = lines.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        head(&first, own.into_iter().chain(client))
    }
}
