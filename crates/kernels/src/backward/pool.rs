//! Gradients of pooling.

use crate::dispatch::{Kernel, on};
use crate::simd::Simd;
use crate::team::{Out, Team};
use crate::{Isa, LANES, Map, Pool};

/// What a pooling layer saw and gave, and the gradients on both sides.
struct Job<'a> {
    pool: &'a Pool,
    /// For the maximum: its inputs and results.
    values: Option<[(&'a [f32], &'a Map); 2]>,
    count_pad: bool,
    dy: &'a [f32],
    gradient: &'a Map,
    dx: Out<f32>,
    input: &'a Map,
}

impl Pool {
    /// Gradient of the largest value of each window for the inputs: all of it goes to the first place
    /// that has the value, row by row, as in PyTorch. `x` and `y` are what the forward pass read and
    /// gave.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn max_backward(
        &self,
        on: (Isa, Team<'_>),
        images: usize,
        x: (&[f32], &Map),
        y: (&[f32], &Map),
        gradient: (&[f32], &Map),
        input: (&mut [f32], &Map),
    ) {
        assert_eq!(x.0.len(), images * x.1.len(), "values fill their maps");
        assert_eq!(y.0.len(), images * y.1.len(), "values fill their maps");
        self.backward(on, images, Some([x, y]), false, gradient, input);
    }

    /// Gradient of the mean of each window for the inputs.
    ///
    /// # Panics
    /// When slices or channels do not fit the maps.
    pub fn mean_backward(
        &self,
        on: (Isa, Team<'_>),
        images: usize,
        count_pad: bool,
        gradient: (&[f32], &Map),
        input: (&mut [f32], &Map),
    ) {
        self.backward(on, images, None, count_pad, gradient, input);
    }

    fn backward(
        &self,
        (isa, team): (Isa, Team<'_>),
        images: usize,
        values: Option<[(&[f32], &Map); 2]>,
        count_pad: bool,
        (dy, gradient): (&[f32], &Map),
        (dx, input): (&mut [f32], &Map),
    ) {
        assert_eq!(dy.len(), images * gradient.len(), "gradients fill their maps");
        assert_eq!(dx.len(), images * input.len(), "gradients fill their maps");
        assert_eq!(input.channels, gradient.channels, "the same channels");
        assert!(input.stride.is_multiple_of(LANES), "whole vectors of channels");
        assert!(gradient.stride.is_multiple_of(LANES), "whole vectors of channels");
        let dx = Out::new(dx);
        let job = Job { pool: self, values, count_pad, dy, gradient, dx, input };
        team.run(images, &|image| on(isa, Image { job: &job, image }));
    }
}

struct Image<'a> {
    job: &'a Job<'a>,
    image: usize,
}

impl Kernel for Image<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (job, image) = (self.job, self.image);
        let (gradient, input) = (job.gradient, job.input);
        let dx = job.dx.at(image * input.len(), input.len());
        // SAFETY: `at` saw the room; each image belongs to one part.
        let dx = unsafe { std::slice::from_raw_parts_mut(dx, input.len()) };
        let dy = &job.dy[image * gradient.len()..][..gradient.len()];
        dx.fill(0.0);
        for oy in 0..gradient.height {
            for ox in 0..gradient.width {
                let window = job.pool.clip(input, oy, ox);
                for c in (0..gradient.channels).step_by(LANES) {
                    let dy = &dy[gradient.at(oy, ox) + c..][..LANES];
                    let places = || {
                        let columns = window.columns.clone();
                        window.rows.clone().flat_map(move |y| columns.clone().map(move |x| (y, x)))
                    };
                    if let Some([(x, from), (y, to)]) = job.values {
                        let best = &y[image * to.len() + to.at(oy, ox) + c..][..LANES];
                        let mut rest = [0.0; LANES];
                        rest.copy_from_slice(dy);
                        for (iy, ix) in places() {
                            let x = &x[image * from.len() + from.at(iy, ix) + c..][..LANES];
                            let dx = &mut dx[input.at(iy, ix) + c..][..LANES];
                            for i in 0..LANES {
                                let here = if x[i] == best[i] { rest[i] } else { 0.0 };
                                dx[i] += here;
                                rest[i] -= here;
                            }
                        }
                    } else {
                        let inside = window.rows.len() * window.columns.len();
                        let count = if job.count_pad { window.padded } else { inside };
                        let share = 1.0 / count as f32;
                        for (iy, ix) in places() {
                            let dx = &mut dx[input.at(iy, ix) + c..][..LANES];
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * share);
                        }
                    }
                }
            }
        }
    }
}
