use harmonium::{dataset::*, evaluate::*, model::*, train::*};
use std::{ops::ControlFlow, time::Instant};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = Instant::now();
    let data = Dataset::idx("data/mnist")
        .unwrap()
        .binarized(Binarization::Sampled, 0);
    println!("load {:.2}", t.elapsed().as_secs_f64());
    let o = Options {
        negative: match a[1].as_str() {
            "cd" => Negative::ContrastiveDivergence {
                steps: a[4].parse().unwrap(),
                reconstruction: Reconstruction::Sampled,
            },
            "smooth" => Negative::ContrastiveDivergence {
                steps: 1,
                reconstruction: Reconstruction::Smoothed,
            },
            _ => Negative::Persistent {
                chains: 100,
                steps: a[4].parse().unwrap(),
            },
        },
        epochs: a[2].parse().unwrap(),
        learning_rate: a[3].parse().unwrap(),
        momentum: a[5].parse().unwrap(),
        weight_decay: a[6].parse().unwrap(),
        ..Default::default()
    };
    let mut rbm = Rbm::bernoulli(784, 500)
        .initialized_from(&data.train, 0)
        .unwrap();
    let t = Instant::now();
    let mut last = Instant::now();
    let ev = |r: &Rbm, ch, be| {
        let t = Instant::now();
        let z = Ais {
            chains: ch,
            betas: be,
            base: Base::rate_of(&data.train),
            seed: 1,
        }
        .log_z(r)
        .unwrap();
        let test = data.test.as_ref().unwrap();
        println!(
            "   log_z {:.2} +- {:.2} [{:.2} {:.2}] ess {:.1}  test ll {:.2} train {:.2}  ({:.1}s)",
            z.estimate,
            z.standard_error,
            z.low,
            z.high,
            z.effective_sample_size,
            r.mean_log_likelihood(test.bits().unwrap(), z.estimate)
                .unwrap(),
            r.mean_log_likelihood(data.train.bits().unwrap().view_rows(0..10000), z.estimate)
                .unwrap(),
            t.elapsed().as_secs_f64()
        );
    };
    Trainer::with_options(o)
        .train(&mut rbm, &data.train, |e| {
            if let Event::Epoch(tr) = e {
                let s = last.elapsed().as_secs_f64();
                last = Instant::now();
                let p = tr.position();
                if p.epoch % 10 == 0 || p.epoch < 3 {
                    println!(
                        "epoch {} {:.3}s {:.1} GCU/s",
                        p.epoch,
                        s,
                        tr.connection_updates_per_epoch() as f64 / s / 1e9
                    );
                }
                if p.epoch % 20 == 0 {
                    ev(tr.rbm(), 100, 1000);
                }
                last = Instant::now();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    println!("train {:.2}", t.elapsed().as_secs_f64());
    ev(&rbm, 100, 10000);
    let test = data.test.as_ref().unwrap();
    let t = Instant::now();
    println!(
        "PL {:.3} {:.1}s",
        pseudo_likelihood(&rbm, test.bits().unwrap()).unwrap(),
        t.elapsed().as_secs_f64()
    );
    println!(
        "recon {:.4}",
        reconstruction_error(&rbm, test.bits().unwrap()).unwrap()
    );
}
