//! Gradients face numeric ones of the slow reference, and whole training steps those of PyTorch.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod numeric;
mod redirected;
mod tape;
mod torch;
