//! The measured bound of deep belief networks against the exact one.

use crate::common::{
    all_states,
    dbn::{SHAPES, normal_dbn},
};
use harmonium::evaluate::Bound;

#[test]
fn the_measured_bound_is_the_exact_one() {
    for (k, (sizes, labels)) in SHAPES.into_iter().enumerate() {
        let dbn = normal_dbn(sizes, labels, 0.8, 40 + k as u64);
        let v = all_states(sizes[0]);
        let log_z = dbn.top().log_z(&mut ()).unwrap();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let bound = Bound {
            samples: 2000,
            seed: 3,
        };
        let found = bound.measure(&dbn, &v, None, &mut ()).unwrap();
        let exact = mean(&dbn.exact_bound(&v, None, &mut ()).unwrap());
        // Five standard errors, and products in f32.
        let allowed = 5.0 * found.sampling_error + 1e-5;
        assert!(
            (found.mean(log_z).0 - exact).abs() < allowed,
            "{sizes:?}: {:?} for {exact}",
            found.mean(log_z)
        );
        if labels > 0 && sizes.len() > 2 {
            let classes: Vec<u32> = (0..v.rows()).map(|s| (s % labels) as u32).collect();
            let found = bound.measure(&dbn, &v, Some(&classes), &mut ()).unwrap();
            let by_class: Vec<Vec<f64>> = (0..labels)
                .map(|y| dbn.exact_bound(&v, Some(y), &mut ()).unwrap())
                .collect();
            let exact: Vec<f64> = (0..v.rows()).map(|s| by_class[s % labels][s]).collect();
            let allowed = 5.0 * found.sampling_error + 1e-5;
            assert!((found.mean(log_z).0 - mean(&exact)).abs() < allowed);
            assert!(
                bound
                    .measure(&dbn, &v, Some(&classes[1..]), &mut ())
                    .is_err()
            );
        }
        assert!(
            Bound {
                samples: 0,
                seed: 0
            }
            .measure(&dbn, &v, None, &mut ())
            .is_err()
        );
    }
}
