//! Small inputs of the kinds that people bring, and how answers are read.

use crate::common::Bench;
use safetensors::{Dtype, tensor::TensorView};
use std::{collections::HashMap, fs};

/// Draws of a linear congruential generator (Knuth, MMIX) from a seed.
pub struct Draw(pub u64);

impl Draw {
    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    pub fn normals(&mut self, n: usize, deviation: f64) -> Vec<f64> {
        (0..n).map(|_| deviation * self.normal()).collect()
    }
}

/// Writes lines.
pub fn lines(bench: &Bench, name: &str, lines: impl IntoIterator<Item = String>) {
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    fs::write(bench.path(name), text).unwrap();
}

/// Writes an array of numbers.
pub fn array<T: npyz::AutoSerialize>(
    bench: &Bench,
    name: &str,
    columns: usize,
    x: impl IntoIterator<Item = T>,
) {
    use npyz::WriterBuilder;
    let x: Vec<T> = x.into_iter().collect();
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[(x.len() / columns) as u64, columns as u64])
        .writer(&mut bytes)
        .begin_nd()
        .unwrap();
    writer.extend(x).unwrap();
    writer.finish().unwrap();
    fs::write(bench.path(name), bytes).unwrap();
}

/// The head of a CSV file and its rows.
pub fn table(bench: &Bench, name: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let text = fs::read_to_string(bench.path(name)).unwrap();
    let fields = |line: &str| line.split(',').map(ToOwned::to_owned).collect();
    let mut lines = text.lines();
    let head = fields(lines.next().unwrap());
    (head, lines.map(fields).collect())
}

/// Column `j` of rows as numbers.
pub fn column(rows: &[Vec<String>], j: usize) -> Vec<f64> {
    rows.iter().map(|row| row[j].parse().unwrap()).collect()
}

pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

pub fn deviation(x: &[f64]) -> f64 {
    let m = mean(x);
    let squares: Vec<f64> = x.iter().map(|x| (x - m).powi(2)).collect();
    mean(&squares).sqrt()
}

pub fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let (a, b) = (mean(x), mean(y));
    let products: Vec<f64> = x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).collect();
    mean(&products) / (deviation(x) * deviation(y))
}

pub fn log_sum_exp(x: &[f64]) -> f64 {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + x.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

/// `ln(1 + e^x)`.
pub fn softplus(x: f64) -> f64 {
    log_sum_exp(&[0.0, x])
}

/// A machine of 6 visible and 3 hidden units that another program wrote, with weights `[6 x 3]`.
pub struct Foreign {
    pub weights: Vec<f32>,
    pub visible: Vec<f32>,
    pub hidden: Vec<f32>,
}

impl Foreign {
    pub fn new() -> Self {
        let mut draw = Draw(2);
        let mut of = |n, deviation| {
            draw.normals(n, deviation)
                .iter()
                .map(|&x| x as f32)
                .collect()
        };
        Self {
            weights: of(18, 0.7),
            visible: of(6, 0.3),
            hidden: of(3, 0.3),
        }
    }

    /// Inputs of the hidden units.
    pub fn inputs(&self, v: &[f64]) -> [f64; 3] {
        std::array::from_fn(|j| {
            let sum: f64 = (0..6)
                .map(|i| v[i] * f64::from(self.weights[i * 3 + j]))
                .sum();
            f64::from(self.hidden[j]) + sum
        })
    }

    pub fn by_bias(&self, v: &[f64]) -> f64 {
        let products = v.iter().zip(&self.visible);
        products.map(|(v, &b)| v * f64::from(b)).sum()
    }

    /// Writes the three tensors, in double precision if asked for.
    pub fn write(&self, bench: &Bench, name: &str, units: &str, in_double: bool) {
        let bytes = |x: &[f32]| -> Vec<u8> {
            match in_double {
                true => x.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect(),
                false => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
            }
        };
        let dtype = if in_double { Dtype::F64 } else { Dtype::F32 };
        let tensors = [
            ("weights.0", vec![6, 3], bytes(&self.weights)),
            ("bias.0", vec![6], bytes(&self.visible)),
            ("bias.1", vec![3], bytes(&self.hidden)),
        ];
        let views = tensors
            .iter()
            .map(|(name, shape, x)| (*name, TensorView::new(dtype, shape.clone(), x).unwrap()));
        let metadata = [
            ("format", "harmonium"),
            ("version", "1"),
            ("kind", "rbm"),
            ("units", units),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let bytes = safetensors::serialize(views, Some(HashMap::from(metadata))).unwrap();
        fs::write(bench.path(name), bytes).unwrap();
    }
}
