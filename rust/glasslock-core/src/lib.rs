//! MLS groups, X-Wing with given coins, secret sharing, codec and hashes; no IO, no clock.
//!
//! Everything that must persist leaves as rows (`rows`), sealed before it leaves; the caller
//! applies them in its own transaction and confirms.
#![forbid(unsafe_code)]

pub mod codec;
pub mod config;
pub mod crypto;
pub mod engine;
pub mod error;
pub mod group;
pub mod hash;
pub mod inspect;
pub mod kem;
pub mod public;
pub mod rows;
pub mod shamir;
pub mod sign;
pub mod welcome;
