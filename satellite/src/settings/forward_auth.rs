//! `[satellite.forward_auth]`.
//!
//! Why: whoever is believed here can claim any request; so nobody is by default, and everybody only by a setting that says
//! what it is (threat-model H8).

use std::{net::SocketAddr, path::PathBuf};

use hallpass_shared::{
    secret::Secret,
    settings::{SettingsError, SharedSettings, Texts, secrets_from_file},
};
use ipnet::IpNet;
use serde::Deserialize;

use crate::{access::HostPattern, forward_auth::Trust};

const KEY: &str = "satellite.forward_auth";
const MIN_SECRET: usize = 16;

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ForwardAuthText {
    listen: Option<String>,
    trusted_peers: Vec<String>,
    insecure_trust_all_peers: bool,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    hosts: Vec<String>,
}

/// Where edges ask, and about which hosts.
#[derive(Clone, Debug)]
pub(crate) struct ForwardAuthSettings {
    #[cfg_attr(not(feature = "bin"), expect(dead_code, reason = "it is the program that listens"))]
    pub(crate) listen: SocketAddr,
    pub(crate) trust: Trust,
    pub(crate) hosts: Vec<HostPattern>,
}

impl ForwardAuthText {
    pub(super) fn read(
        &self,
        texts: &Texts,
        shared: &SharedSettings,
    ) -> Result<ForwardAuthSettings, SettingsError> {
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:9400");
        let listen = listen.parse().map_err(|_| {
            let problem = format!("`{listen}` is not an address and port such as 127.0.0.1:9400");
            texts.invalid(&format!("{KEY}.listen"), problem)
        })?;
        Ok(ForwardAuthSettings { listen, trust: self.trust(texts)?, hosts: self.hosts(texts, shared)? })
    }

    fn trust(&self, texts: &Texts) -> Result<Trust, SettingsError> {
        let key = format!("{KEY}.trusted_peers");
        let net = |text: &String| {
            let net = text
                .parse::<IpNet>()
                .ok()
                .or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()));
            net.ok_or_else(|| {
                texts.invalid(&key, format!("`{text}` is not an address or a network such as 10.0.0.0/8"))
            })
        };
        let peers = self.trusted_peers.iter().map(net).collect::<Result<Vec<_>, _>>()?;
        if peers.iter().any(|net| net.prefix_len() == 0) && !self.insecure_trust_all_peers {
            let problem = "trusts everybody, who may then claim any request; list your edges \
                           (or set satellite.forward_auth.insecure_trust_all_peers = true)";
            return Err(texts.invalid(&key, problem));
        }
        let secret = self.secret(texts)?;
        if peers.is_empty() && secret.is_none() {
            let remedy = "list the addresses or networks of your edges, such as [\"127.0.0.1/32\"], or give a secret_file";
            return Err(texts.missing(&key, remedy));
        }
        Ok(Trust { peers, secret })
    }

    fn secret(&self, texts: &Texts) -> Result<Option<Secret>, SettingsError> {
        let (key, secret) = match (&self.secret, &self.secret_file) {
            (Some(_), Some(_)) => {
                return Err(texts.invalid(&format!("{KEY}.secret"), "give secret or secret_file, not both"));
            }
            (Some(secret), None) => (format!("{KEY}.secret"), Secret::new(secret.trim())),
            (None, Some(file)) => {
                let key = format!("{KEY}.secret_file");
                let first = secrets_from_file(texts, &key, file)?.into_iter().next();
                let first = first.ok_or_else(|| texts.invalid(&key, "the file is empty"))?;
                (key, first)
            }
            (None, None) => return Ok(None),
        };
        if secret.expose().len() < MIN_SECRET {
            return Err(texts.invalid(
                &key,
                format!("is shorter than {MIN_SECRET} characters; make one with `auth-server secret`"),
            ));
        }
        Ok(Some(secret))
    }

    fn hosts(&self, texts: &Texts, shared: &SharedSettings) -> Result<Vec<HostPattern>, SettingsError> {
        let key = format!("{KEY}.hosts");
        let domain = &shared.domain;
        if self.hosts.is_empty() {
            return Err(texts.missing(
                &key,
                format!(
                    "list the hosts that edges ask about, such as [\"app.{domain}\"] or [\"*.{domain}\"]"
                ),
            ));
        }
        let host = |text: &String| {
            let host = HostPattern::parse(text).filter(|host| domain.covers(host.name()));
            host.ok_or_else(|| {
                texts.invalid(
                    &key,
                    format!("`{text}` is not a host below {domain}, such as app.{domain} or *.{domain}"),
                )
            })
        };
        self.hosts.iter().map(host).collect()
    }
}
