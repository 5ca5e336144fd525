//! Cases made by the real NextAuth libraries, and attack inputs; a failure names its case.
//!
//! Why: being compatible is a claim about other people's bytes, so it is checked against bytes that
//! `next-auth` 4.24.15 and `@auth/core` 0.41.3 made, in both directions. The verdicts are theirs. Where our
//! policy is another one, a table in the module names the case and the reason; a case that stands in such a
//! table without need fails too.

#![cfg(test)]

use hallpass_shared::{
    dialect::Dialect,
    domain::ParentDomain,
    secret::{Secret, SecretRing},
};
use serde::{Deserialize, de::DeserializeOwned};

pub(crate) mod bad_cookies;
mod bad_session_tokens;
mod csrf;
mod independent;
mod initialization_vectors;
mod open_redirects;
pub(crate) mod placeholders;
mod redirects;
mod session_tokens;

/// Which library made a case.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    V4,
    V5,
}

impl Format {
    fn dialect(self) -> Dialect {
        match self {
            Self::V4 => Dialect::NEXT_AUTH_V4,
            Self::V5 => Dialect::AUTHJS_V5,
        }
    }
}

pub(crate) fn cases<C: DeserializeOwned>(json: &str) -> Vec<C> {
    #[derive(Deserialize)]
    struct File<C> {
        cases: Vec<C>,
    }
    serde_json::from_str::<File<C>>(json).unwrap().cases
}

pub(crate) fn ring<S: AsRef<str>>(secrets: &[S]) -> SecretRing {
    SecretRing::new(secrets.iter().map(|secret| Secret::new(secret.as_ref())).collect()).unwrap()
}

pub(crate) fn example_com() -> ParentDomain {
    ParentDomain::parse("example.com").unwrap()
}
