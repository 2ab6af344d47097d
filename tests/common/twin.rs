//! The plain twin of a network: loops over f64.

use harmonium::{Network, model::Activation};

/// Parameters of all layers in one vector, layer by layer the weights row by row and then the bias.
pub struct Twin {
    sizes: Vec<usize>,
    activations: Vec<Activation>,
    /// Of each sample and layer but the output, the factors of its values: masks of dropout over
    /// what they keep.
    pub masks: Vec<Vec<Vec<f64>>>,
    pub decay: f64,
}

impl Twin {
    pub fn new(network: &Network, samples: usize) -> Self {
        let layers = network.n_layers();
        let sizes: Vec<usize> = (0..layers).map(|l| network.size(l)).collect();
        let ones: Vec<Vec<f64>> = sizes.iter().map(|&n| vec![1.0; n]).collect();
        Self {
            activations: (1..layers).map(|l| network.activation(l)).collect(),
            masks: vec![ones; samples],
            sizes,
            decay: 0.0,
        }
    }

    pub fn parameters(network: &Network) -> Vec<f64> {
        let mut all = Vec::new();
        for l in 0..network.n_layers() - 1 {
            all.extend(network.weights(l).elements().map(f64::from));
            all.extend(network.bias(l + 1).iter().map(|&x| f64::from(x)));
        }
        all
    }

    /// Where the parameters of each layer begin.
    fn firsts(&self) -> Vec<usize> {
        (0..self.activations.len())
            .scan(0, |at, l| {
                let here = *at;
                *at += (self.sizes[l] + 1) * self.sizes[l + 1];
                Some(here)
            })
            .collect()
    }

    /// Mean loss over the samples and its gradient.
    pub fn loss_and_gradient(&self, p: &[f64], x: &[Vec<f64>], labels: &[u32]) -> (f64, Vec<f64>) {
        let (mut loss, mut gradient) = (0.0, vec![0.0; p.len()]);
        let share = 1.0 / x.len() as f64;
        for (s, x) in x.iter().enumerate() {
            let pass = self.forward(p, s, x);
            let out = &pass.values[self.activations.len()];
            let target = self.target(x, labels[s], out.len());
            loss += share * self.loss(&target, out);
            let delta = out.iter().zip(&target).map(|(o, t)| share * (o - t));
            self.add_gradient(p, s, &pass, delta.collect(), &mut gradient);
        }
        for (l, at) in self.firsts().into_iter().enumerate() {
            for k in at..at + self.sizes[l] * self.sizes[l + 1] {
                loss += 0.5 * self.decay * p[k] * p[k];
                gradient[k] += self.decay * p[k];
            }
        }
        (loss, gradient)
    }

    /// Values of all layers for sample `s`.
    fn forward(&self, p: &[f64], s: usize, x: &[f64]) -> Pass {
        let masked = |l: usize, v: &[f64]| -> Vec<f64> {
            v.iter()
                .zip(&self.masks[s][l])
                .map(|(v, m)| v * m)
                .collect()
        };
        let mut sent = vec![masked(0, x)];
        let mut values = vec![x.to_vec()];
        for (l, first) in self.firsts().into_iter().enumerate() {
            let (n, m) = (self.sizes[l], self.sizes[l + 1]);
            let w = &p[first..];
            let mut y: Vec<f64> = (0..m).map(|j| w[n * m + j]).collect();
            for (i, v) in sent[l].iter().enumerate() {
                y.iter_mut()
                    .enumerate()
                    .for_each(|(j, y)| *y += v * w[i * m + j]);
            }
            match self.activations[l] {
                Activation::Logistic => y.iter_mut().for_each(|y| *y = 1.0 / (1.0 + (-*y).exp())),
                Activation::Linear => {}
                Activation::Softmax => {
                    let sum: f64 = y.iter().map(|y| y.exp()).sum();
                    y.iter_mut().for_each(|y| *y = y.exp() / sum);
                }
            }
            sent.push(masked(l + 1, &y));
            values.push(y);
        }
        Pass { sent, values }
    }

    /// What the output should be: the label, or the input again.
    fn target(&self, x: &[f64], label: u32, outputs: usize) -> Vec<f64> {
        match self.activations[self.activations.len() - 1] {
            Activation::Softmax => (0..outputs)
                .map(|k| f64::from(u8::from(k == label as usize)))
                .collect(),
            _ => x.to_vec(),
        }
    }

    /// Of one sample.
    fn loss(&self, target: &[f64], out: &[f64]) -> f64 {
        let activation = self.activations[self.activations.len() - 1];
        let terms = target.iter().zip(out).map(|(t, o)| match activation {
            Activation::Softmax if *t == 0.0 => 0.0,
            Activation::Softmax => -o.ln(),
            Activation::Logistic => -t * o.ln() - (1.0 - t) * (1.0 - o).ln(),
            Activation::Linear => 0.5 * (t - o).powi(2),
        });
        terms.sum()
    }

    /// Backwards from `delta`, the derivative of the loss in the inputs of the output layer.
    fn add_gradient(
        &self,
        p: &[f64],
        s: usize,
        pass: &Pass,
        mut delta: Vec<f64>,
        gradient: &mut [f64],
    ) {
        for (l, at) in self.firsts().into_iter().enumerate().rev() {
            let (n, m) = (self.sizes[l], self.sizes[l + 1]);
            let mut below = vec![0.0; n];
            for i in 0..n {
                for j in 0..m {
                    gradient[at + i * m + j] += pass.sent[l][i] * delta[j];
                    below[i] += p[at + i * m + j] * delta[j];
                }
            }
            for j in 0..m {
                gradient[at + n * m + j] += delta[j];
            }
            if l > 0 {
                for (i, below) in below.iter_mut().enumerate() {
                    *below *= self.masks[s][l][i];
                    if self.activations[l - 1] == Activation::Logistic {
                        *below *= pass.values[l][i] * (1.0 - pass.values[l][i]);
                    }
                }
            }
            delta = below;
        }
    }
}

/// Values of all layers, and what they send upwards.
struct Pass {
    sent: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
}
