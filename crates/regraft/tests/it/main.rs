//! Networks against their frameworks' numbers, and the journey on real weights.

mod goldens;
mod real;
