//! The parts of the demo: a deployment in one process.

pub mod hosts;
mod shop;
mod storm;
pub mod world;
