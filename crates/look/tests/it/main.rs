//! What comes back to the pixels: golden numbers of Captum on a tiny network, and properties; and what differs between
//! two networks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caffenet;
mod differ;
mod dreams;
mod golden;
mod pictures;
mod properties;
mod tiny;
