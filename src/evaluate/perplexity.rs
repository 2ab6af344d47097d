//! How surprised a machine of counts is by a word.

use crate::{dataset::Rows, model::length_of};

/// Perplexity of rows of counts: the number of equally likely words among which each word would be
/// as hard to guess. Rows without a word are left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perplexity {
    /// `exp(-(weighted mean over the rows of ln p(n | D) / D))`, in which every row counts alike:
    /// that of Salakhutdinov and Hinton (Replicated softmax, NIPS 2009, section 4.2).
    pub of_rows: f64,
    /// `exp(-(sum of ln p(n | D)) / (sum of D))`, in which every word counts alike: that of the
    /// literature on topic models (Blei, Ng and Jordan, Latent Dirichlet allocation, JMLR 2003,
    /// section 7.1).
    pub of_words: f64,
    /// Words of all rows.
    pub words: f64,
}

impl Perplexity {
    /// From `ln p` of each row as a sequence of words, in nats.
    pub fn new(rows: Rows<'_>, log_p: impl IntoIterator<Item = f64>) -> Self {
        let v = rows.input();
        let [mut mass, mut of_rows, mut words, mut of_words, mut all] = [0.0; 5];
        for (row, log_p) in log_p.into_iter().enumerate() {
            let length = length_of(v, row);
            let weight = rows.weights().map_or(1.0, |w| f64::from(w[row]));
            if length > 0.0 {
                mass += weight;
                of_rows += weight * log_p / length;
                words += weight * length;
                of_words += weight * log_p;
                all += length;
            }
        }
        Self {
            of_rows: (-of_rows / mass).exp(),
            of_words: (-of_words / words).exp(),
            words: all,
        }
    }
}
