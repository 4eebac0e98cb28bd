use regraft_tensor::Tensor;

/// Runs a network on a batch and gives the values of the layers asked for.
///
/// Implemented by the compiled engine and by the slow reference of the tests; one conformance suite
/// takes any of them.
pub trait Forward {
    /// What can go wrong.
    type Error: std::error::Error;

    /// Values of `outputs` (layer names) for a batch `[N, C, H, W]`, each `[N, …]`.
    fn forward(&mut self, batch: &Tensor, outputs: &[&str]) -> Result<Vec<Tensor>, Self::Error>;
}
