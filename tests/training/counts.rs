//! Topics: documents whose words a machine of counts learns to expect.

use crate::common::rbm::trained;
use harmonium::{
    Examples, Kind, Layer, Matrix, Rbm,
    evaluate::Perplexity,
    model::Missing,
    rng::HostRng,
    train::{Learning, Negative, RbmOptions, Reconstruction, Rule, Schedule},
};

const TOPICS: usize = 3;
const WORDS: usize = 30;
/// Share of a document's words that are of its topic's own ten, the others of any.
const OWN: f64 = 0.8;

/// `p(word)` of a document of a topic.
fn p(topic: usize, word: usize) -> f64 {
    let is_own = word % TOPICS == topic;
    let own = (WORDS / TOPICS) as f64;
    (1.0 - OWN) / WORDS as f64 + if is_own { OWN / own } else { 0.0 }
}

/// Documents of 20 to 100 words, each of one topic.
fn documents(n: usize, seed: u64) -> Examples {
    let mut rng = HostRng::numbered(seed, 8);
    let mut x = Matrix::zeros(n, WORDS);
    for i in 0..n {
        let topic = rng.below(TOPICS);
        for _ in 0..20 + rng.below(81) {
            let word = match rng.uniform() < OWN {
                true => topic + TOPICS * rng.below(WORDS / TOPICS),
                false => rng.below(WORDS),
            };
            x.row_mut(i)[word] += 1.0;
        }
    }
    Examples::new(x).unwrap()
}

fn perplexity(rbm: &Rbm, data: &Examples) -> Perplexity {
    let log_p = rbm
        .exact_log_p_observed(data, Missing::Infer, &mut ())
        .unwrap();
    Perplexity::new(data.into(), log_p)
}

/// Of the model that made the documents, with the topic summed over.
fn perplexity_of_topics(data: &Examples) -> Perplexity {
    let v = data.input().to_matrix();
    let of_row = |i: usize| -> f64 {
        let of_topic = |topic: usize| -> f64 {
            let words = v.row(i).iter().enumerate();
            words.map(|(k, &n)| f64::from(n) * p(topic, k).ln()).sum()
        };
        let all = [0, 1, 2].map(of_topic);
        let most = all.into_iter().fold(f64::MIN, f64::max);
        most + all.iter().map(|x| (x - most).exp()).sum::<f64>().ln() - (TOPICS as f64).ln()
    };
    Perplexity::new(data.into(), (0..data.len()).map(of_row))
}

/// Independent words have a perplexity of 30 of 30 words, and documents of one known topic each
/// `exp(H(p(word | topic)))`, 16.2. With a topic to be guessed the model that made the documents is
/// at 16.46 on those held out. The exact gradient comes to 16.49 from any seed; contrastive
/// divergence falls short by the topics that its chains do not change: from this seed 17.5 with ten
/// sweeps and 18.7 with one, from others up to 27.
#[test]
fn topics_are_learned() {
    let (data, held_out) = (documents(600, 1), documents(300, 2));
    let start = Rbm::unconnected(Layer::of(Kind::Counts, WORDS), Layer::bernoulli(6))
        .and_then(|rbm| rbm.initialized_from(&data, 1))
        .unwrap();
    let before = perplexity(&start, &held_out).of_rows;
    let best = perplexity_of_topics(&held_out).of_rows;
    assert!(
        (29.5..30.5).contains(&before),
        "independent words: {before}"
    );
    let entropy: f64 = (0..WORDS).map(|k| -p(0, k) * p(0, k).ln()).sum();
    assert!(
        (best / entropy.exp() - 1.0).abs() < 0.03,
        "the topics: {best}"
    );
    for (negative, least) in [(Negative::Exact, 0.99), (cd(10), 0.85), (cd(1), 0.7)] {
        let options = RbmOptions {
            negative,
            learning: Learning {
                epochs: 200,
                batch_size: 50,
                learning_rate: Schedule::Linear {
                    from: 0.03,
                    to: 0.0,
                },
                optimizer: Rule::ADAM,
                seed: 3,
                ..Learning::default()
            },
            ..RbmOptions::default()
        };
        let learned = trained(start.clone(), options, &data);
        let after = perplexity(&learned, &held_out).of_rows;
        // Of what there is to learn, in nats a word.
        let share = (before / after).ln() / (before / best).ln();
        assert!(
            share > least,
            "{negative:?}: {before} to {after}, topics {best}"
        );
    }
}

fn cd(steps: usize) -> Negative {
    Negative::ContrastiveDivergence {
        steps,
        reconstruction: Reconstruction::Sampled,
    }
}
