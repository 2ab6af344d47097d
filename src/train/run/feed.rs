//! Runs whose minibatches come from outside: fed one by one, or read from a file that does not fit into memory.

use super::{Event, Training};
use crate::{
    dataset::{ExampleStream, Examples},
    error::{Error, Result},
    product::in_pool,
    states::Input,
};
use std::ops::ControlFlow;

impl Training {
    /// The run as one that is fed by [`Self::update_with`] or [`Self::run_stream`], `examples` of them an epoch. What it was created with then only
    /// starts the persistent chains and says whether examples are bits or numbers.
    #[must_use]
    pub fn fed(mut self, examples: usize) -> Self {
        self.examples = examples.max(1);
        self
    }

    /// One update on all of `minibatch`, in its order: the same, bit for bit, as [`Self::update`] when that comes to the same examples. An epoch is as
    /// many updates as its examples fill minibatches.
    ///
    /// # Errors
    /// [`Error::Shape`] for examples of another width, or more than a minibatch holds; [`Error::Parameter`] for none at all, and for bits
    /// where the run learns numbers or the other way round.
    pub fn update_with(&mut self, minibatch: &Examples) -> Result<()> {
        if minibatch.columns() != self.rbm.n_visible() {
            return Err(Error::shape(
                "columns of the minibatch",
                self.rbm.n_visible(),
                minibatch.columns(),
            ));
        }
        let most = self.minibatch.most();
        if minibatch.is_empty() || minibatch.len() > most {
            return Err(Error::shape(
                "examples of the minibatch",
                format!("1 to {most}"),
                minibatch.len(),
            ));
        }
        if !self.minibatch.takes(minibatch.states()) {
            return Err(Error::parameter(
                "minibatch",
                "values of the kind that the run was started with",
                "numbers instead of bits, or bits instead of numbers",
            ));
        }
        let values: Input<'_> = minibatch.input();
        self.rbm.visible().check_values(values)?;
        self.warm_up();
        in_pool(|| self.update_in_pool(minibatch, true))
    }

    /// As [`Self::run`], with minibatches from `stream`. A run that was stopped goes on where it was.
    ///
    /// # Errors
    /// As [`Self::update_with`] and [`ExampleStream::epoch`]; [`Error::Shape`] unless the run is [`Self::fed`] with as many examples.
    pub fn run_stream(
        &mut self,
        stream: &ExampleStream,
        mut observer: impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        if stream.len() != self.examples() {
            return Err(Error::shape(
                "examples of the stream",
                self.examples(),
                stream.len(),
            ));
        }
        while self.position().epoch < self.options().epochs {
            let at = self.position();
            let (seed, size) = (self.options().seed, self.options().batch_size);
            let batches = stream.epoch(seed, at.epoch as u64, size)?;
            for batch in batches.skip(at.batch) {
                self.update_with(&batch?)?;
                if observer(Event::Update(self)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.rbm.check()?;
            if observer(Event::Epoch(self)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Rbm,
        dataset::Binarization,
        matrix::Matrix,
        train::{
            Negative,
            run::{Options, minibatch::order_into},
        },
    };

    #[test]
    fn fed_in_the_same_order_is_the_same_run_bit_for_bit() {
        let grey = Matrix::from_fn(130, 9, |i, j| ((i * 31 + j * 17) % 11) as f32 / 10.0);
        let grey = Examples::new(grey).unwrap();
        let bits = grey.clone().binarized(Binarization::Sampled, 1, 0);
        for (data, resample_data) in [(&bits, false), (&grey, false), (&grey, true)] {
            let options = Options {
                negative: Negative::Persistent {
                    chains: 7,
                    steps: 1,
                },
                batch_size: 32,
                epochs: 3,
                seed: 4,
                resample_data,
                ..Options::default()
            };
            let rbm = Rbm::bernoulli(9, 6).initialized_from(data, 2).unwrap();
            let mut own = Training::new(rbm, options, data).unwrap();
            let mut fed = own.clone().fed(130);
            let _ = own.run(data, |_| ControlFlow::Continue(())).unwrap();
            let mut order = Vec::new();
            for epoch in 0..3 {
                order_into(4, epoch, 130, &mut order);
                for indices in order.chunks(32) {
                    let indices: Vec<usize> = indices.iter().map(|&i| i as usize).collect();
                    fed.update_with(&data.take(&indices)).unwrap();
                }
            }
            assert_eq!(own.position(), fed.position());
            assert_eq!(own.rbm(), fed.rbm());
        }
    }
}
