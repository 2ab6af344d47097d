//! Tables with holes, and ratings.

use super::inputs::{Draw, array, lines, mean, table};
use crate::common::Bench;

#[test]
fn missing_values_are_refused_with_the_way_to_ask_and_learned_from_when_asked() {
    let bench = Bench::new();
    let mut draw = Draw(9);
    let mut first = None;
    let mut holes = 0;
    let mut text = vec!["f0,f1,f2,f3,f4,f5".to_owned()];
    for i in 0..200 {
        // The last three columns are the first three.
        let half: Vec<usize> = (0..3).map(|_| draw.below(2)).collect();
        let fields: Vec<String> = (0..6)
            .map(|j| match draw.uniform() < 0.1 {
                true => {
                    first.get_or_insert((i, j));
                    holes += 1;
                    String::new()
                }
                false => half[j % 3].to_string(),
            })
            .collect();
        text.push(fields.join(","));
    }
    lines(&bench, "missing.csv", text);
    let (i, j) = first.unwrap();
    let place = format!("a missing value in line {}, column \"f{j}\"", i + 2);
    let line = "train --data missing.csv --hidden 6 --threads 1";
    bench.refused(line, 1, &["missing.csv", &place, "--missing"]);
    let told = bench.json(&format!("{line} --missing --json"));
    // Without holes three fair coins are -2.08 nats, which the observed ones cannot fall below,
    // and six are -4.16.
    let found = told["mean_log_likelihood"].as_f64().unwrap();
    assert!((-2.5..-1.9).contains(&found), "{found}");
    let told = bench.json("impute --out whole.csv --json");
    assert_eq!(told["missing"], holes);
    assert_eq!(told["how"], "exact");
    let (before, after) = (table(&bench, "missing.csv"), table(&bench, "whole.csv"));
    assert_eq!(before.0, after.0);
    for (before, after) in before.1.iter().zip(&after.1) {
        for j in 0..6 {
            let twin = (j + 3) % 6;
            match (&*before[j], &*before[twin]) {
                ("", "") => {}
                ("", twin) => {
                    let (p, x): (f64, f64) = (after[j].parse().unwrap(), twin.parse().unwrap());
                    assert!((p - x).abs() < 0.2, "{p} beside {x}");
                }
                (there, _) => assert_eq!(there, after[j]),
            }
        }
    }
}

/// Ratings of 8 items by 800 users of two tastes, 1 to 5, and which of them were given: half.
fn ratings() -> (Vec<[i64; 8]>, Vec<[bool; 8]>) {
    let mut draw = Draw(10);
    let likes = (0..800).map(|_| {
        let taste = draw.below(2);
        std::array::from_fn(|j| {
            let mean = if (j < 4) == (taste == 0) { 5 } else { 1 };
            (mean + draw.below(3) as i64 - 1).clamp(1, 5)
        })
    });
    let likes = likes.collect();
    let given = (0..800).map(|_| std::array::from_fn(|_| draw.uniform() < 0.5));
    (likes, given.collect())
}

/// Root mean square error of the ratings that were not given; those that were are as they were.
fn error(found: &[Vec<String>], likes: &[[i64; 8]], given: &[[bool; 8]]) -> f64 {
    assert_eq!(found.len(), likes.len());
    let mut squares = Vec::new();
    for ((found, like), given) in found.iter().zip(likes).zip(given) {
        for j in 0..8 {
            let x: f64 = found[j].parse().unwrap();
            match given[j] {
                true => assert_eq!(found[j], like[j].to_string()),
                false => squares.push((x - like[j] as f64).powi(2)),
            }
        }
    }
    mean(&squares).sqrt()
}

#[test]
fn ratings_are_predicted_from_those_that_were_given() {
    let bench = Bench::new();
    let (likes, given) = ratings();
    let is_given = |&(i, j): &(usize, usize)| given[i][j];
    let cells = || (0..800).flat_map(|i| (0..8).map(move |j| (i, j)));
    let head: Vec<String> = (0..8).map(|j| format!("film{j}")).collect();
    let rows = (0..800).map(|i| {
        let field = |j: usize| match given[i][j] {
            true => likes[i][j].to_string(),
            false => String::new(),
        };
        (0..8).map(field).collect::<Vec<_>>().join(",")
    });
    let all = std::iter::once(head.join(",")).chain(rows);
    lines(&bench, "table.csv", all);
    let long = cells().filter(is_given);
    let long = long.map(|(i, j)| format!("{i},{j},{}", likes[i][j]));
    let all = std::iter::once("user,item,rating".into()).chain(long);
    lines(&bench, "long.csv", all);
    array(&bench, "truth.npy", 8, likes.concat());
    // The mean of an item says nothing of tastes.
    let item = |j: usize| {
        let of = (0..800)
            .filter(|&i| given[i][j])
            .map(|i| likes[i][j] as f64);
        mean(&of.collect::<Vec<_>>())
    };
    let means: Vec<f64> = (0..8).map(item).collect();
    let off = cells().filter(|cell| !is_given(cell));
    let squares: Vec<f64> = off
        .map(|(i, j)| (means[j] - likes[i][j] as f64).powi(2))
        .collect();
    assert!(mean(&squares).sqrt() > 1.6);

    let train = "train --visible-units softmax --hidden 16 --epochs 300 --threads 1";
    for missing in ["infer", "absent"] {
        bench.ok(&format!(
            "{train} --data table.csv --missing={missing} --out {missing}"
        ));
        bench.ok(&format!(
            "impute {missing}/model.safetensors --threads 1 --out whole.csv"
        ));
        let (names, found) = table(&bench, "whole.csv");
        assert_eq!(names, head);
        let found = error(&found, &likes, &given);
        assert!(found < 0.75, "{missing}: {found}");
    }
    // A row a user that gave any, a column an item.
    bench.ok(&format!(
        "{train} --data long.csv --missing=absent --out long"
    ));
    bench.ok("impute long/model.safetensors --threads 1 --out whole.csv");
    let is_there = |i: &usize| given[*i].contains(&true);
    let users: Vec<usize> = (0..800).filter(is_there).collect();
    let likes: Vec<_> = users.iter().map(|&i| likes[i]).collect();
    let given: Vec<_> = users.iter().map(|&i| given[i]).collect();
    let (names, found) = table(&bench, "whole.csv");
    let items: Vec<String> = (0..8).map(|j| j.to_string()).collect();
    assert_eq!((&*names[0], &names[1..]), ("", &items[..]));
    let of_user = |(row, user): (&Vec<String>, &usize)| {
        assert_eq!(row[0], user.to_string());
        row[1..].to_vec()
    };
    let found: Vec<Vec<String>> = found.iter().zip(&users).map(of_user).collect();
    let found = error(&found, &likes, &given);
    assert!(found < 0.75, "{found}");
    // Whole tables miss nothing: an error of nothing to fill in is no error.
    let told = bench.json("impute infer/model.safetensors --data truth.npy --out t.npy --json");
    assert_eq!(told["missing"], 0);
    // What the run took missing values for is what it goes on with.
    let more = "train --data table.csv --hidden 16 --out absent --resume";
    bench.refused(
        &format!("{more} --missing"),
        2,
        &["--missing", "has absent"],
    );
    bench.ok(&format!("{more} --missing=absent"));
}
