//! Adds layers one after another and remembers where it is.

use regraft_net::facts::facts;
use regraft_net::op::{Conv2d, Pad};
use regraft_net::{Graph, LayerId, NetError, Op};

/// How a convolution is padded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Padding {
    /// `size / 2` on every side (PyTorch).
    Symmetric,
    /// TensorFlow's "same", computed for the map that arrives.
    Same,
}

/// A convolution with a square kernel; its padding follows from the rule of the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) out: usize,
    pub(crate) size: usize,
    pub(crate) stride: usize,
    pub(crate) groups: usize,
}

/// A graph under construction.
pub(crate) struct Build {
    graph: Graph,
    /// The layer added last, or moved to.
    at: LayerId,
    /// Height and width of the map there, in pixels; kept by [`Build::conv`] and pooling.
    extent: usize,
    padding: Padding,
    eps: f32,
    blocks: Vec<String>,
}

/// An architecture as built.
pub(crate) struct Made {
    pub(crate) graph: Graph,
    /// The last layer of each part, in order.
    pub(crate) blocks: Vec<String>,
}

impl Build {
    pub(crate) fn new(size: usize, padding: Padding, eps: f32) -> Result<Self, NetError> {
        let mut graph = Graph::new();
        let at = graph.push("image", Op::Input { shape: [3, size, size].into() }, &[])?;
        Ok(Self { graph, at, extent: size, padding, eps, blocks: Vec::new() })
    }

    /// Where the next layer would read, with the height and width of the map.
    pub(crate) fn here(&self) -> (LayerId, usize) {
        (self.at, self.extent)
    }

    /// Goes back to an earlier place.
    pub(crate) fn go(&mut self, (at, extent): (LayerId, usize)) {
        (self.at, self.extent) = (at, extent);
    }

    pub(crate) fn push(&mut self, name: &str, op: Op) -> Result<(), NetError> {
        self.at = self.graph.push(name, op, &[self.at])?;
        Ok(())
    }

    /// A convolution without bias and its batch norm.
    pub(crate) fn conv_norm(
        &mut self,
        [conv, norm]: [&str; 2],
        kernel: Kernel,
    ) -> Result<(), NetError> {
        let Kernel { out, size, stride, groups } = kernel;
        let pad = match self.padding {
            Padding::Symmetric => Pad::all(size / 2),
            Padding::Same => Pad::same([self.extent; 2], [size; 2], [stride; 2], [1, 1]),
        };
        let op = Conv2d::new(out, size).stride(stride).pad(pad).groups(groups);
        self.push(conv, Op::Conv2d(op))?;
        // Odd kernels: both paddings give the same extent.
        self.extent = self.extent.div_ceil(stride);
        self.push(norm, Op::BatchNorm { eps: self.eps })
    }

    /// A pooling layer with window 3, stride 2, padding 1.
    pub(crate) fn max_pool(&mut self, name: &str) -> Result<(), NetError> {
        self.extent = self.extent.div_ceil(2);
        self.push(name, Op::MaxPool(regraft_net::op::Window::new(3, 2, 1)))
    }

    /// The sum of the current layer and another.
    pub(crate) fn add(&mut self, name: &str, other: LayerId) -> Result<(), NetError> {
        self.at = self.graph.push(name, Op::Add, &[self.at, other])?;
        Ok(())
    }

    pub(crate) fn finish(self) -> Graph {
        self.graph
    }

    /// A layer beside the path: it reads the current one, and nothing of the path reads it.
    pub(crate) fn side(&mut self, name: &str, op: Op) -> Result<(), NetError> {
        let here = self.at;
        self.push(name, op)?;
        self.at = here;
        Ok(())
    }

    /// The shape here, without the batch.
    pub(crate) fn shape(&self) -> Result<Vec<usize>, NetError> {
        Ok(facts(&self.graph)?.layer(self.at).shape.dims().to_vec())
    }

    /// The channels here.
    pub(crate) fn channels(&self) -> Result<usize, NetError> {
        Ok(self.shape()?.first().copied().unwrap_or_default())
    }

    /// Goes to a layer.
    pub(crate) fn to(&mut self, at: LayerId) {
        self.at = at;
    }

    /// The layer here.
    pub(crate) fn at(&self) -> LayerId {
        self.at
    }

    /// A layer of several inputs.
    pub(crate) fn join(&mut self, name: &str, op: Op, inputs: &[LayerId]) -> Result<(), NetError> {
        self.at = self.graph.push(name, op, inputs)?;
        Ok(())
    }

    /// Notes that a part of the network ends here.
    pub(crate) fn mark(&mut self) {
        self.blocks.push(self.graph.layer(self.at).name.clone());
    }

    /// The graph, and where its parts end.
    pub(crate) fn made(self) -> Made {
        Made { graph: self.graph, blocks: self.blocks }
    }
}
