//! The network as data: notation, facts, surgery, and what is refused.

mod facts;
mod notation;
mod surgery;
