//! The one integration binary: in process or against real third-party software, each module a story.
#![cfg(test)]

mod auth_pages;
mod bad_logins;
mod canary;
#[cfg(feature = "containers")]
mod containers;
mod demo;
#[cfg(feature = "real")]
mod deploy;
#[cfg(feature = "real")]
mod edges;
mod endpoints;
mod gate;
mod layers;
#[cfg(feature = "real")]
mod proxy;
#[cfg(feature = "real")]
mod real;
mod start_up;
#[cfg(feature = "real")]
mod storm;
mod vectors;
