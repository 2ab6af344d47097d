//! Machines of layers: their parameters by layer and by connection.

use super::{BoltzmannMachine, Dbm, Layer, Network, Rbm};
use crate::{matrix::Matrix, product::Connection};

/// A machine whose parameters are those of layers and of connections. Connection `l` joins layer
/// `l` to `l + 1`, but in a general machine, whose connections are `R`, `W` and `S`.
pub trait Layered: Send + Sync {
    /// Number of layers.
    fn n_layers(&self) -> usize;
    /// Number of connections.
    fn n_connections(&self) -> usize {
        self.n_layers() - 1
    }
    /// Weights of connection `l`, `[n_l x n_{l+1}]`.
    fn weights(&self, l: usize) -> &Matrix;
    /// Biases of layer `l`; none of the input of a network.
    fn bias(&self, l: usize) -> &[f32];
    /// Log-variances of layer `l`; none without Gaussian units.
    fn log_variance(&self, l: usize) -> &[f32];
    /// Weights of connection `l`, to be changed.
    fn weights_mut(&mut self, l: usize) -> &mut Matrix;
    /// Biases of layer `l`, to be changed.
    fn bias_mut(&mut self, l: usize) -> &mut [f32];
    /// Log-variances of layer `l`, to be changed.
    fn log_variance_mut(&mut self, l: usize) -> &mut [f32];
    /// After a change, renews the copies of parameters that fast products use, in place.
    fn refresh(&mut self);
}

/// A machine whose layers are given by their neighbors on either side.
pub trait Undirected: Layered {
    /// Layer `l`.
    fn layer(&self, l: usize) -> &Layer;
    /// Connection `l`, to be stepped.
    fn connection_mut(&mut self, l: usize) -> &mut Connection;
}

impl Layered for Rbm {
    fn n_layers(&self) -> usize {
        2
    }
    fn weights(&self, _: usize) -> &Matrix {
        self.weights()
    }
    fn bias(&self, l: usize) -> &[f32] {
        &self.layer(l).bias
    }
    fn log_variance(&self, l: usize) -> &[f32] {
        &self.layer(l).log_variance
    }
    fn weights_mut(&mut self, _: usize) -> &mut Matrix {
        self.parameters_mut().0
    }
    fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        let (visible, hidden) = self.biases_mut();
        if l == 0 { visible } else { hidden }
    }
    fn log_variance_mut(&mut self, l: usize) -> &mut [f32] {
        let (visible, hidden) = self.log_variances_mut();
        if l == 0 { visible } else { hidden }
    }
    fn refresh(&mut self) {
        self.refresh();
    }
}

impl Undirected for Rbm {
    fn layer(&self, l: usize) -> &Layer {
        [self.visible(), self.hidden()][l]
    }
    fn connection_mut(&mut self, _: usize) -> &mut Connection {
        self.connection_mut()
    }
}

impl Undirected for Dbm {
    fn layer(&self, l: usize) -> &Layer {
        self.layer(l)
    }
    fn connection_mut(&mut self, l: usize) -> &mut Connection {
        self.connection_mut(l)
    }
}

impl Layered for Dbm {
    fn n_layers(&self) -> usize {
        self.n_layers()
    }
    fn weights(&self, l: usize) -> &Matrix {
        self.weights(l)
    }
    fn bias(&self, l: usize) -> &[f32] {
        &self.layer(l).bias
    }
    fn log_variance(&self, l: usize) -> &[f32] {
        &self.layer(l).log_variance
    }
    fn weights_mut(&mut self, l: usize) -> &mut Matrix {
        self.weights_mut(l)
    }
    fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        self.bias_mut(l)
    }
    fn log_variance_mut(&mut self, l: usize) -> &mut [f32] {
        &mut self.parts_mut().0[l].log_variance
    }
    fn refresh(&mut self) {
        self.refresh();
    }
}

impl Layered for Network {
    fn n_layers(&self) -> usize {
        self.n_layers()
    }
    fn weights(&self, l: usize) -> &Matrix {
        self.weights(l)
    }
    fn bias(&self, l: usize) -> &[f32] {
        match l {
            0 => &[],
            _ => self.bias(l),
        }
    }
    fn log_variance(&self, _: usize) -> &[f32] {
        &[]
    }
    fn weights_mut(&mut self, l: usize) -> &mut Matrix {
        self.parameters_mut(l).0
    }
    fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        match l {
            0 => &mut [],
            _ => self.parameters_mut(l - 1).1,
        }
    }
    fn log_variance_mut(&mut self, _: usize) -> &mut [f32] {
        &mut []
    }
    /// Its products take the weights as they are.
    fn refresh(&mut self) {}
}

impl Layered for BoltzmannMachine {
    fn n_layers(&self) -> usize {
        2
    }
    fn n_connections(&self) -> usize {
        3
    }
    fn weights(&self, l: usize) -> &Matrix {
        [
            self.visible_weights(),
            self.weights(),
            self.hidden_weights(),
        ][l]
    }
    fn bias(&self, l: usize) -> &[f32] {
        &[self.visible(), self.hidden()][l].bias
    }
    fn log_variance(&self, _: usize) -> &[f32] {
        &[]
    }
    fn weights_mut(&mut self, l: usize) -> &mut Matrix {
        let [r, w, s] = self.parameters_mut();
        [r, w, s].into_iter().nth(l).expect("one of three")
    }
    fn bias_mut(&mut self, l: usize) -> &mut [f32] {
        let (b, c) = self.biases_mut();
        if l == 0 { b } else { c }
    }
    fn log_variance_mut(&mut self, _: usize) -> &mut [f32] {
        &mut []
    }
    /// Its products take the weights as they are.
    fn refresh(&mut self) {}
}
