//! A picture that operations change in place.

/// Pixels and a second buffer for operations that cannot read and write the same one.
pub(super) struct Frame<'f> {
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[H, W, 3]`, red first.
    pub(super) rgb: &'f mut Vec<u8>,
    /// Any length, any content.
    pub(super) spare: &'f mut Vec<u8>,
}
