//! The one integration binary: in process or against real third-party software, each module a story.
mod vectors;
