//! Many requests, many processes, and what can happen to them: on a real Django that rotates refresh tokens and blacklists
//! spent ones, with a real Redis where there is more than one auth server.
//!
//! Why: the two faults that everybody meets with sessions in cookies, everyone signed out by a race and a sign-out that
//! does not reach a copy, must be impossible here, and the backend's own counters say whether they are.

mod addresses;
mod fleet;
mod guesses;
mod kills;
mod outages;
mod requests;
mod revocations;
