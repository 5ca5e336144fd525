//! The manual: threats and the tests that show them met, defaults and their reasons, decisions.
//!
//! Why: what this project promises is read where the code is read. This module holds documentation only.

#[doc = include_str!("../../manual/threats.md")]
pub mod threats {}

#[doc = include_str!("../../manual/key-rotation.md")]
pub mod key_rotation {}

#[doc = include_str!("../../manual/refresh-and-sign-out.md")]
pub mod refresh_and_sign_out {}

#[doc = include_str!("../../manual/protect-any-app.md")]
pub mod protect_any_app {}

#[doc = include_str!("../../manual/from-oauth2-proxy.md")]
pub mod from_oauth2_proxy {}

#[doc = include_str!("../../manual/speed.md")]
pub mod speed {}

#[doc = include_str!("../../manual/operations.md")]
pub mod operations {}

#[doc = include_str!("../../manual/metrics-and-alerts.md")]
pub mod metrics_and_alerts {}

/// Decisions, one page each: context, decision, consequences.
pub mod decisions {
    #[doc = include_str!("../../manual/decisions/0001-opening-tokens.md")]
    pub mod opening_tokens {}
    #[doc = include_str!("../../manual/decisions/0002-what-we-cannot-read-stays.md")]
    pub mod what_we_cannot_read_stays {}
    #[doc = include_str!("../../manual/decisions/0003-own-throttle.md")]
    pub mod own_throttle {}
    #[doc = include_str!("../../manual/decisions/0004-signed-in-people-stay-on-the-sign-in-page.md")]
    pub mod signed_in_people_stay {}
    #[doc = include_str!("../../manual/decisions/0005-keys-of-users-file.md")]
    pub mod keys_of_users_file {}
    #[doc = include_str!("../../manual/decisions/0006-no-callback-cookie.md")]
    pub mod no_callback_cookie {}
    #[doc = include_str!("../../manual/decisions/0007-one-store-one-step.md")]
    pub mod one_store_one_step {}
    #[doc = include_str!("../../manual/decisions/0008-backends-are-shared.md")]
    pub mod backends_are_shared {}
    #[doc = include_str!("../../manual/decisions/0009-reverse-proxy-on-hyper.md")]
    pub mod reverse_proxy_on_hyper {}
    #[doc = include_str!("../../manual/decisions/0010-own-haproxy-module.md")]
    pub mod own_haproxy_module {}
    #[doc = include_str!("../../manual/decisions/0011-assertion-by-derived-key.md")]
    pub mod assertion_by_derived_key {}
    #[doc = include_str!("../../manual/decisions/0012-compose-starts-the-topology.md")]
    pub mod compose_starts_the_topology {}
}
