//! Ratings one a line, `user, item, rating`, as a table of users by items.

use crate::{
    dataset::table::{Cells, Table},
    error::{Error, Result},
};
use std::cmp::Ordering;

/// Names that the columns of users, items and ratings have, in small letters without underscores.
const USERS: &[&str] = &["user", "userid", "users"];
const ITEMS: &[&str] = &[
    "item", "itemid", "items", "movie", "movieid", "film", "filmid",
];
const RATINGS: &[&str] = &["rating", "ratings"];
/// A fourth column that says nothing of the rating.
const TIMES: &[&str] = &["timestamp", "time"];
/// Most cells of users by items: 1 GiB.
const MOST_CELLS: usize = 1 << 28;

/// The columns of users, items and ratings, if the table has these, perhaps times, and no others.
fn columns(table: &Table) -> Option<[usize; 3]> {
    let names: Vec<String> = table
        .names
        .iter()
        .map(|name| name.to_ascii_lowercase().replace('_', ""))
        .collect();
    let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    let found = [find(USERS)?, find(ITEMS)?, find(RATINGS)?];
    let others = names.len() - 3;
    (others == 0 || others == 1 && find(TIMES).is_some()).then_some(found)
}

/// Whether the columns of the table are named as those of ratings.
pub(in crate::dataset) fn recognizes(table: &Table) -> bool {
    table.labels.is_none() && columns(table).is_some()
}

/// Rows of users, with their names if `keeps_names`, and columns of items, each in rising order,
/// with NaN where there is no rating.
///
/// # Errors
/// [`Error::File`] with the line for a user, item or rating that is missing or is text where
/// numbers are expected, for a pair that comes twice, and for more than 2^28 cells.
pub(in crate::dataset) fn table(long: &Table, keeps_names: bool) -> Result<Table> {
    let Some([user, item, rating]) = columns(long) else {
        let found = long.names.join(", ");
        return Err(Error::file(
            &long.path,
            "columns user, item and rating",
            found,
        ));
    };
    let users = Distinct::of(long, user)?;
    let items = Distinct::of(long, item)?;
    if long.texts.contains_key(&rating) {
        return Err(long.refused(0, rating, "numbers as ratings"));
    }
    let (n, m) = (users.firsts.len(), items.firsts.len());
    let cells = n.checked_mul(m).filter(|&cells| cells <= MOST_CELLS);
    let Some(cells) = cells else {
        let expected = format!("at most {MOST_CELLS} users by items");
        let found = format!("{n} users and {m} items (keep those with more ratings)");
        return Err(Error::file(&long.path, expected, found));
    };
    let mut ratings = vec![f32::NAN; cells];
    for i in 0..long.len() {
        let x = long.get(i, rating);
        if x.is_nan() {
            return Err(long.refused(i, rating, "a rating"));
        }
        let (row, column) = (users.codes[i] as usize, items.codes[i] as usize);
        let cell = &mut ratings[row * m + column];
        if !cell.is_nan() {
            let pair = format!("{} and {}", long.text(i, user), long.text(i, item));
            let found = format!("a second of {pair} in {}", long.place(i, rating));
            return Err(Error::file(
                &long.path,
                "one rating of an item by a user",
                found,
            ));
        }
        *cell = x as f32;
    }
    let mut table = Table::new(&long.path, Cells::Floats(ratings), n, vec![m])?;
    table.names = items.firsts.iter().map(|&i| long.text(i, item)).collect();
    if keeps_names {
        table.row_names = users.firsts.iter().map(|&i| long.text(i, user)).collect();
    }
    table.found = long.found.clone();
    let ratings = long.len();
    table.found.push(format!(
        "{ratings} ratings of {m} items by {n} users, a row a user"
    ));
    if long.columns() > 3 {
        table.found.push("times of ratings left out".into());
    }
    Ok(table)
}

/// The distinct values of a column in rising order: the first row of each, and which of them each
/// row has.
struct Distinct {
    firsts: Vec<usize>,
    codes: Vec<u32>,
}

impl Distinct {
    fn of(table: &Table, j: usize) -> Result<Self> {
        let column: Vec<f64> = (0..table.len()).map(|i| table.get(i, j)).collect();
        if let Some(i) = column.iter().position(|x| x.is_nan()) {
            return Err(table.refused(i, j, "a user and an item in every line"));
        }
        let mut order: Vec<usize> = (0..column.len()).collect();
        // Stable: of equal values the first row comes first.
        order.sort_by(|&a, &b| column[a].partial_cmp(&column[b]).unwrap_or(Ordering::Equal));
        let mut distinct = Self {
            firsts: Vec::new(),
            codes: vec![0; column.len()],
        };
        for i in order {
            if distinct
                .firsts
                .last()
                .is_none_or(|&first| column[first] != column[i])
            {
                distinct.firsts.push(i);
            }
            distinct.codes[i] = distinct.firsts.len() as u32 - 1;
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{
        readers::{csv, source::Source},
        reading::Reading,
    };
    use std::io::Cursor;

    fn read(text: &str) -> Result<Table> {
        let long = csv::table(
            Source::new("some.csv", text.as_bytes())?,
            &Reading::default(),
        )?;
        assert!(recognizes(&long), "{:?}", long.names);
        table(&long, true)
    }

    #[test]
    fn lines_become_rows_of_users() {
        let table =
            read("userId,movieId,rating,timestamp\n10,7,3.5,9\n9,30,1,8\n10,30,5,7\n").unwrap();
        assert_eq!(
            (table.len(), table.columns(), &table.names[..]),
            (2, 2, &["7".to_string(), "30".into()][..])
        );
        assert!(table.get(0, 0).is_nan());
        assert_eq!(
            [table.get(0, 1), table.get(1, 0), table.get(1, 1)],
            [1.0, 3.5, 5.0]
        );
        assert_eq!(
            table.found,
            [
                "3 ratings of 2 items by 2 users, a row a user",
                "times of ratings left out"
            ]
        );
        let named = read("item,rating,user\nbrazil,4,eve\nalien,2,bob\n").unwrap();
        assert_eq!(named.names, ["alien", "brazil"]);
        assert_eq!((named.get(0, 0), named.get(1, 1)), (2.0, 4.0));
    }

    #[test]
    fn other_columns_are_no_ratings() {
        for header in [
            "user,item,score",
            "user,item,rating,age",
            "user,rating",
            "a,b,c",
        ] {
            let row = vec!["1"; header.split(',').count()].join(",");
            let source = Source::new("a.csv", Cursor::new(format!("{header}\n{row}\n"))).unwrap();
            assert!(
                !recognizes(&csv::table(source, &Reading::default()).unwrap()),
                "{header}"
            );
        }
    }

    #[test]
    fn refusals_say_line_and_pair() {
        for (text, words) in [
            (
                "user,item,rating\n1,2,3\n1,2,3\n",
                ["one rating", "a second of 1 and 2 in line 3"],
            ),
            ("user,item,rating\n1,2,\n1,3,1\n", ["a rating", "line 2"]),
            (
                "user,item,rating\n1,,2\n1,3,1\n",
                ["a user and an item", "line 2"],
            ),
            (
                "user,item,rating\n1,2,good\n",
                ["numbers as ratings", "line 2"],
            ),
        ] {
            let message = read(text).unwrap_err().to_string();
            for word in words.into_iter().chain(["some.csv"]) {
                assert!(message.contains(word), "{message} should tell of {word}");
            }
        }
        // A file of a few hundred kilobytes would make a table of gigabytes.
        let lines: String = (0..20_000).map(|i| format!("{i},{i},1\n")).collect();
        let message = read(&format!("user,item,rating\n{lines}"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("20000 users and 20000 items"), "{message}");
    }
}
