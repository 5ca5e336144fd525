//! Helpers of the end-to-end tests: a [`World`] with a deployment in it, a [`Visitor`] with a cookie jar, and real
//! third-party programs.
//!
//! Why: a test should read like a story; what it takes to start an auth server and two satellites stands here once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::too_many_arguments,
    reason = "this crate is tests: what does not hold fails, at once and loudly"
)]

#[cfg(feature = "real")]
pub mod apps;
#[cfg(feature = "real")]
pub mod browser;
pub mod certificate;
#[cfg(feature = "containers")]
pub mod containers;
#[cfg(feature = "real")]
pub mod django;
#[cfg(feature = "real")]
pub mod edges;
pub mod folder;
#[cfg(feature = "real")]
pub mod install;
#[cfg(feature = "real")]
pub mod nextjs;
pub mod process;
pub mod programs;
pub mod raw;
pub mod redis;
pub mod scripted;
pub mod visitor;
pub mod world;

pub use visitor::{Answer, Visitor};
pub use world::{World, WorldBuilder};

/// A secret for tests, strong enough for the settings.
pub const SECRET: &str = "kd8Sm2xQ0vTz5Yb7Nq1Lw4Rf9Hj6Gc3P";
