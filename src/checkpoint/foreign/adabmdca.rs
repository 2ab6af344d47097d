//! Potts models of adabmDCA (Muntoni and others 2021; C++, Julia and Python): text lines `J i j a b
//! x`, once a pair of sites `i < j` with their letters `a` and `b`, and `h i a x`, sites from 0.
//! `P(s) ~ e^(sum h_i(s_i) + sum_{i<j} J_ij(s_i, s_j))`, so that `A` is `J`: a fully visible
//! general machine with a softmax group a site. What is not named is 0; if pairs are left out,
//! learning couples none of them. Letters are single characters, or numbers in older files.

use crate::{
    bits::BitMatrix,
    checkpoint::Checkpoint,
    dataset::{Code, Encoding},
    error::{Error, Result},
    matrix::Matrix,
    model::{BoltzmannMachine, Layer, Model},
    units::{Kind, Units},
};
use std::{
    fmt::Write,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Most units: 4 GiB of couplings.
const MOST_UNITS: usize = 1 << 15;
const LINES: &str = "lines `J i j a b value` and `h i a value` of adabmDCA";

/// Whether a text begins with a coupling or a field of a Potts model.
pub(super) fn recognizes(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut fields = text.lines().next().unwrap_or("").split_whitespace();
    let numbers = match fields.next() {
        Some("J") => 2,
        Some("h") => 1,
        _ => return false,
    };
    let are_units = fields
        .by_ref()
        .take(numbers)
        .filter(|x| x.parse::<u64>().is_ok());
    are_units.count() == numbers && fields.count() == numbers + 1
}

/// The machine in the file, what its sites are as columns, and what is to be said of it.
pub(super) fn read(path: &Path) -> Result<(BoltzmannMachine, Encoding, String)> {
    let lines = Lines::read(path)?;
    let (sites, letters) = (lines.sites, lines.letters.len());
    let n = sites.saturating_mul(letters);
    if n > MOST_UNITS {
        let expected = format!("at most {MOST_UNITS} units");
        let found = format!("{sites} sites of {letters} letters");
        return Err(Error::file(path, expected, found));
    }
    let units = (0..sites).fold(Units::default(), |x, _| x.and(Kind::Softmax, letters));
    let mut visible = Layer::new(units);
    let mut weights = Matrix::zeros(n, n);
    let mut named = BitMatrix::zeros(n, n);
    for (line, sites, [a, b], value) in lines.all {
        let [i, j] = sites;
        let at = [i * letters + a, j * letters + b];
        if named.get(at[0], at[1]) {
            let found = format!("it again in line {line}");
            return Err(Error::file(path, "each field and coupling once", found));
        }
        named.set(at[0], at[1], true);
        named.set(at[1], at[0], true);
        match at[0] == at[1] {
            true => visible.bias[at[0]] = value,
            false => {
                // Halves are exact.
                weights.row_mut(at[0])[at[1]] = 0.5 * value;
                weights.row_mut(at[1])[at[0]] = 0.5 * value;
            }
        }
    }
    (0..n).for_each(|i| named.set(i, i, false));
    let machine = BoltzmannMachine::from_parameters([visible], [weights])
        .map_err(|e| Error::file(path, "finite fields and couplings", e))?;
    let is_whole = named.count_ones() == (n * n - sites * letters * letters) as u64;
    let machine = match is_whole {
        true => machine,
        false => machine.with_connectivity(named)?,
    };
    let from = match lines.first {
        0 => String::new(),
        first => format!(", sites numbered from {first}"),
    };
    let told = format!("adabmDCA, {sites} sites of {letters} states{from}");
    let encoding = Encoding::of_categories(lines.letters, sites);
    Ok((machine, encoding, told))
}

/// What the lines of a file say.
struct Lines {
    /// The number of a line, its sites, its letters and its value; of a field both are the same.
    all: Vec<(u64, [usize; 2], [usize; 2], f32)>,
    /// In the order in which they come, or of their numbers.
    letters: Vec<String>,
    sites: usize,
    /// The lowest number of a site.
    first: usize,
}

impl Lines {
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "read the model file", e))?;
        let mut letters: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let line = line.map_err(|e| Error::io(path, "read the model file", e))?;
            if line.trim().is_empty() {
                continue;
            }
            let wrong = || {
                let start: String = line.chars().take(60).collect();
                Error::file(path, LINES, format!("{start:?} in line {number}"))
            };
            let (sites, of_line, value) = parsed(&line).ok_or_else(wrong)?;
            let mut code = |letter: &str| {
                letters.iter().position(|x| x == letter).unwrap_or_else(|| {
                    letters.push(letter.to_owned());
                    letters.len() - 1
                })
            };
            let codes = of_line.map(&mut code);
            if letters.len() > MOST_UNITS {
                let found = format!("another in line {number}");
                return Err(Error::file(
                    path,
                    format!("at most {MOST_UNITS} letters"),
                    found,
                ));
            }
            all.push((number, sites, codes, value));
        }
        let sites = || all.iter().flat_map(|x| x.1);
        let (Some(first), Some(last)) = (sites().min(), sites().max()) else {
            return Err(Error::file(path, LINES, "none"));
        };
        // Older programs number from 1; a model without a field of its first site has no site 0.
        let first = first.min(1);
        let mut lines = Self {
            sites: last + 1 - first,
            first,
            all,
            letters,
        };
        lines
            .all
            .iter_mut()
            .flat_map(|x| &mut x.1)
            .for_each(|i| *i -= first);
        lines.sort_numbers();
        Ok(lines)
    }

    /// Letters that are all numbers count up, from 0, or from 1 if there is no 0.
    fn sort_numbers(&mut self) {
        let numbers: Option<Vec<usize>> = self.letters.iter().map(|x| x.parse().ok()).collect();
        let Some(numbers) = numbers.filter(|x| x.iter().all(|&n| n < MOST_UNITS)) else {
            return;
        };
        let first = numbers.iter().min().copied().unwrap_or(0).min(1);
        let last = numbers.iter().max().copied().unwrap_or(0);
        self.letters = (first..=last).map(|n| n.to_string()).collect();
        let codes = self.all.iter_mut().flat_map(|x| &mut x.2);
        codes.for_each(|code| *code = numbers[*code] - first);
    }
}

/// Sites, letters and value of a line; of a field the same site and letter twice.
fn parsed(line: &str) -> Option<([usize; 2], [&str; 2], f32)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let site = |text: &str| text.parse::<u32>().ok().map(|i| i as usize);
    let value = |text: &str| text.parse::<f32>().ok().filter(|x| x.is_finite());
    match fields[..] {
        ["J", i, j, a, b, x] => {
            let (i, j) = (site(i)?, site(j)?);
            (i != j).then_some(([i, j], [a, b], value(x)?))
        }
        ["h", i, a, x] => Some(([site(i)?; 2], [a; 2], value(x)?)),
        _ => None,
    }
}

impl Checkpoint {
    /// The machine as adabmDCA has it: the text of a file of parameters. Letters are those of the
    /// columns, or numbers from 0. Precision: all digits of f32.
    ///
    /// # Errors
    /// [`Error::Parameter`] for other than fully visible general machines of softmax groups of one
    /// size, and for letters with spaces in them.
    pub fn to_adabmdca(&self) -> Result<String> {
        let refused = |found: String| {
            let expected = "a fully visible general machine of softmax groups of one size";
            Err(Error::parameter("model of adabmDCA", expected, found))
        };
        let Model::Boltzmann(machine) = &self.model else {
            return refused(format!("a model of kind {}", self.model.kind()));
        };
        let units = &machine.visible().units;
        let segments = units.segments();
        let letters = segments.first().map_or(0, |x| x.size);
        let is_group = |x: &crate::units::Segment| x.kind == Kind::Softmax && x.size == letters;
        if machine.n_hidden() > 0 || segments.is_empty() || !segments.iter().all(is_group) {
            let hidden = machine.n_hidden();
            return refused(format!("visible units {units} and {hidden} hidden ones"));
        }
        let numbers = || (0..letters).map(|a| a.to_string()).collect();
        let names: Vec<String> = match self.encoding.as_ref().map(Encoding::columns) {
            None => numbers(),
            Some([Code::Category { values }, rest @ ..]) => {
                let is_same = |x: &Code| matches!(x, Code::Category { values: x } if x == values);
                if !rest.iter().all(is_same) {
                    return refused("columns of other values each".into());
                }
                values.to_vec()
            }
            Some(_) => numbers(),
        };
        if let Some(name) = names
            .iter()
            .find(|x| x.is_empty() || x.contains(char::is_whitespace))
        {
            let expected = "values without spaces";
            return Err(Error::parameter(
                "letters of adabmDCA",
                expected,
                format!("{name:?}"),
            ));
        }
        let n = machine.n_visible();
        let mut text = String::new();
        // Writing to a string does not fail.
        for i in 0..n {
            for j in (i + 1..n).filter(|&j| machine.may_couple(i, j)) {
                let (a, b) = (&names[i % letters], &names[j % letters]);
                let x = machine.coupling(i, j);
                let _ = writeln!(text, "J {} {} {a} {b} {x}", i / letters, j / letters);
            }
        }
        for (i, bias) in machine.visible().bias.iter().enumerate() {
            let _ = writeln!(text, "h {} {} {bias}", i / letters, names[i % letters]);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitMatrix;
    use proptest::prelude::*;
    use std::fs;

    /// Three sites of three letters; `J` of one pair of sites is left out.
    const TEXT: &str = "\
        J 0 1 - - 0.5\nJ 0 1 - C -0.25\nJ 0 1 A A 1e-1\nJ 0 1 C - -0.75\n\
        J 1 2 C A 0.3\nJ 1 2 A C 2\n\
        h 0 - 0.1\nh 0 A -0.2\nh 0 C 0.3\nh 1 - 0.4\nh 1 A 0\nh 1 C 1\nh 2 - 0\nh 2 A 0.25\nh 2 C -1\n";

    fn import(text: &str) -> Result<Option<Checkpoint>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a_params.dat");
        fs::write(&path, text).unwrap();
        Checkpoint::import(&path)
    }

    /// `sum h + sum J` of every state by the lines of the text.
    fn assert_states(text: &str, machine: &BoltzmannMachine, letters: &[&str], first: usize) {
        let q = letters.len();
        for state in 0..q.pow(3) {
            let of = |i: usize| state / q.pow(i as u32) % q;
            let mut sum = 0.0;
            for line in text.lines() {
                let x: Vec<&str> = line.split(' ').collect();
                let is = |i: &str, a: &str| letters[of(i.parse::<usize>().unwrap() - first)] == a;
                let on = match x[0] {
                    "J" => is(x[1], x[3]) && is(x[2], x[4]),
                    _ => is(x[1], x[2]),
                };
                sum += if on {
                    x.last().unwrap().parse::<f64>().unwrap()
                } else {
                    0.0
                };
            }
            let v = BitMatrix::from_fn(1, 3 * q, |_, i| i % q == of(i / q));
            let energy = machine.energy(&v, &BitMatrix::zeros(1, 0)).unwrap()[0];
            assert!((energy + sum).abs() < 1e-6, "{state}: {energy} for {sum}");
        }
    }

    #[test]
    fn energies_are_those_of_the_lines() {
        let checkpoint = import(TEXT).unwrap().unwrap();
        let machine = checkpoint.model.boltzmann().unwrap();
        assert_states(TEXT, machine, &["-", "C", "A"], 0);
        assert!(machine.may_couple(0, 3) && !machine.may_couple(0, 6));
        let told = &checkpoint.notes[super::super::CONVERTED];
        assert_eq!(told, "adabmDCA, 3 sites of 3 states");
        let again = import(&checkpoint.to_adabmdca().unwrap()).unwrap().unwrap();
        assert_states(TEXT, again.model.boltzmann().unwrap(), &["-", "C", "A"], 0);
        let of_numbers = "J 0 1 0 2 0.5\nJ 1 2 1 1 -1\nh 0 0 0.25\nh 2 1 1\n";
        let checkpoint = import(of_numbers).unwrap().unwrap();
        let machine = checkpoint.model.boltzmann().unwrap();
        assert_states(of_numbers, machine, &["0", "1", "2"], 0);
        // No state 0 that the program does not have.
        let of_numbers = "J 0 1 1 2 0.5\nJ 1 2 2 2 -1\nh 0 1 0.25\nh 2 2 1\n";
        let checkpoint = import(of_numbers).unwrap().unwrap();
        let machine = checkpoint.model.boltzmann().unwrap();
        assert_states(of_numbers, machine, &["1", "2"], 0);
        let from_1 = "J 1 2 A A 0.5\nJ 2 3 A B -1\nh 1 A 1\nh 3 B 0.5\n";
        let checkpoint = import(from_1).unwrap().unwrap();
        assert_states(
            from_1,
            checkpoint.model.boltzmann().unwrap(),
            &["A", "B"],
            1,
        );
        let told = &checkpoint.notes[super::super::CONVERTED];
        assert!(told.ends_with("sites numbered from 1"), "{told}");
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, words) in [
            ("J 0 1 A A 1\nJ 1 0 A A 1\n", "again in line 2"),
            ("h 0 A 1\nh 0 A 1\n", "again in line 2"),
            ("h 0 A 1\nJ 1 1 A B 1\n", "line 2"),
            ("h 0 A 1\nh 0 A x\n", "line 2"),
            ("h 0 A 1\nh 0 A inf\n", "line 2"),
            ("h 0 A 1\nk 0 A 1\n", "line 2"),
            ("h 0 A 1\nh 4000000000 A 1\n", "4000000001 sites"),
        ] {
            let error = import(text).unwrap_err().to_string();
            assert!(
                error.contains(words) && error.contains("a_params.dat"),
                "{error}"
            );
        }
    }

    #[test]
    fn other_machines_are_refused() {
        let groups = |n: usize| Layer::new(Units::parse("softmax:3+softmax:2", n).unwrap());
        let latent = BoltzmannMachine::of_visible(Layer::of(Kind::Softmax, 3), 1).unwrap();
        for machine in [
            BoltzmannMachine::bernoulli(&[3]).unwrap(),
            BoltzmannMachine::of_visible(groups(5), 0).unwrap(),
            latent,
        ] {
            let error = Checkpoint::from(machine)
                .to_adabmdca()
                .unwrap_err()
                .to_string();
            assert!(error.contains("softmax groups of one size"), "{error}");
        }
    }

    proptest! {
        /// Whatever stands in the file, a machine or an error.
        #[test]
        fn any_lines_are_a_machine_or_an_error(
            changes in prop::collection::vec((0..TEXT.len(), "[ -~\n]{0,4}"), 0..6),
        ) {
            let mut text = TEXT.to_owned();
            for (at, new) in changes {
                let at = at.min(text.len());
                let end = (at + new.len()).min(text.len());
                text.replace_range(at..end, &new);
            }
            if let Ok(Some(checkpoint)) = import(&text) {
                prop_assert!(checkpoint.model.boltzmann().unwrap().check().is_ok());
            }
        }
    }
}
