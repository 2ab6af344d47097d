//! Aligned FASTA: sequences of equal length, a category a site.
//!
//! # Source
//! The A2M format of SAM (Hughey, Karplus and Krogh 2003): upper case letters and `-` are match
//! columns, lower case letters and `.` insertions.

use super::source::Source;
use crate::{
    dataset::{
        reading::Reading,
        table::{Cells, Table},
    },
    error::{Error, Result},
};
use std::path::Path;

/// Alphabets that are meant if no other letter comes, the smallest first: DNA, RNA, proteins.
const ALPHABETS: [(&str, &str); 3] = [
    ("DNA", "-ACGT"),
    ("RNA", "-ACGU"),
    ("proteins", "-ACDEFGHIKLMNPQRSTVWY"),
];
const GAP: u8 = b'-';

/// A sequence with the line of its name.
struct Sequence {
    name: String,
    line: u64,
    letters: Vec<u8>,
}

/// The table of an alignment: a column of text a site, all over one alphabet, which is that of DNA,
/// RNA or proteins with the gap if no other letter comes, else the letters that come.
///
/// Insertions of A2M, lower case letters and `.` in columns of their own, are left out: of files
/// named `.a2m` and `.a3m`, and of those that have both and no column that mixes them with others.
/// Of other files lower case counts as upper case and `.` as a gap. What was done is
/// [said](Table::found).
pub(in crate::dataset) fn table(source: Source<'_>, reading: &Reading) -> Result<Table> {
    let path = source.path().to_owned();
    let text = source.into_bytes()?;
    let mut sequences = sequences(&path, &text)?;
    drop(text);
    let mut found = Vec::new();
    normalize(&path, &mut sequences, &mut found);
    let sites = sequences.first().map_or(0, |x| x.letters.len());
    if let Some(other) = sequences.iter().find(|x| x.letters.len() != sites) {
        let expected = format!("aligned sequences of {sites} sites, as the first");
        let n = other.letters.len();
        let found = format!("{n} in {:?}, line {}", other.name, other.line);
        return Err(Error::file(path, expected, found));
    }
    let mut comes = [false; 256];
    for sequence in &sequences {
        sequence
            .letters
            .iter()
            .for_each(|&x| comes[usize::from(x)] = true);
    }
    let letters: Vec<u8> = (0..=255).filter(|&x| comes[usize::from(x)]).collect();
    let known = ALPHABETS
        .iter()
        .find(|(_, all)| letters.iter().all(|x| all.as_bytes().contains(x)));
    let alphabet = known.map_or(letters, |(_, all)| all.bytes().collect());
    let name = known.map_or("letters", |(name, _)| name);
    found.push(format!(
        "{} sequences of {sites} sites, {name} of {} states {}",
        sequences.len(),
        alphabet.len(),
        String::from_utf8_lossy(&alphabet)
    ));
    let mut codes = [0; 256];
    for (code, &letter) in (0_u8..).zip(&alphabet) {
        codes[usize::from(letter)] = code;
    }
    let cells = sequences
        .iter()
        .flat_map(|x| x.letters.iter().map(|&x| codes[usize::from(x)]));
    let cells = Cells::Bytes(cells.collect());
    let mut table = Table::new(&path, cells, sequences.len(), vec![sites])?;
    let texts: Vec<String> = alphabet
        .iter()
        .map(|&x| char::from(x).to_string())
        .collect();
    table.texts = (0..sites).map(|j| (j, texts.clone())).collect();
    table.lines = sequences.iter().map(|x| x.line).collect();
    table.found = found;
    if reading.row_names {
        table.row_names = sequences.into_iter().map(|x| x.name).collect();
    }
    Ok(table)
}

fn sequences(path: &Path, text: &[u8]) -> Result<Vec<Sequence>> {
    let mut sequences: Vec<Sequence> = Vec::new();
    for (k, line) in text.split(|&b| b == b'\n').enumerate() {
        let number = k as u64 + 1;
        let line = line.trim_ascii();
        if let Some(name) = line.strip_prefix(b">") {
            sequences.push(Sequence {
                name: String::from_utf8_lossy(name).trim().to_owned(),
                line: number,
                letters: Vec::new(),
            });
            continue;
        }
        if line.is_empty() || line.starts_with(b";") {
            continue;
        }
        let Some(sequence) = sequences.last_mut() else {
            let expected = format!("a name that begins with > in line {number}");
            let found = String::from_utf8_lossy(&line[..line.len().min(20)]).into_owned();
            return Err(Error::file(path, expected, format!("{found:?}")));
        };
        for &letter in line.iter().filter(|b| !b.is_ascii_whitespace()) {
            if !(letter.is_ascii_alphabetic() || b"-.*".contains(&letter)) {
                let expected = format!("letters, - and . in line {number}");
                return Err(Error::file(
                    path,
                    expected,
                    format!("{:?}", char::from(letter)),
                ));
            }
            sequence.letters.push(letter);
        }
    }
    Ok(sequences)
}

fn is_insertion(letter: u8) -> bool {
    letter.is_ascii_lowercase() || letter == b'.'
}

/// Leaves insertions out, or makes upper case and gaps of them.
fn normalize(path: &Path, sequences: &mut [Sequence], found: &mut Vec<String>) {
    let letters = || sequences.iter().flat_map(|x| &x.letters);
    let lower = letters().filter(|x| x.is_ascii_lowercase()).count();
    let dots = letters().filter(|&&x| x == b'.').count();
    if lower + dots == 0 {
        return;
    }
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let is_named = ["a2m", "a3m"]
        .iter()
        .any(|e| extension.eq_ignore_ascii_case(e));
    let has_columns = || {
        let mut kinds: Vec<bool> = Vec::new();
        sequences.iter().enumerate().all(|(i, x)| {
            let these = x.letters.iter().map(|&x| is_insertion(x));
            if i == 0 {
                kinds = these.collect();
                return true;
            }
            x.letters.len() == kinds.len() && these.zip(&kinds).all(|(a, &b)| a == b)
        })
    };
    if is_named || lower > 0 && dots > 0 && has_columns() {
        for sequence in sequences {
            sequence.letters.retain(|&x| !is_insertion(x));
        }
        found.push(format!(
            "{lower} inserted letters (lower case of A2M) left out"
        ));
        return;
    }
    for letter in sequences.iter_mut().flat_map(|x| &mut x.letters) {
        *letter = if *letter == b'.' {
            GAP
        } else {
            letter.to_ascii_uppercase()
        };
    }
    let words = [
        (lower, "lower case as upper case"),
        (dots, ". as the gap -"),
    ];
    found.extend(words.iter().filter(|x| x.0 > 0).map(|x| x.1.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Table> {
        let reading = Reading {
            row_names: true,
            ..Reading::default()
        };
        table(Source::new(name, text.as_bytes())?, &reading)
    }

    /// Its rows as text.
    fn rows(table: &Table) -> Vec<String> {
        let row = |i| (0..table.columns()).map(|j| table.text(i, j)).collect();
        (0..table.len()).map(row).collect()
    }

    #[test]
    fn sites_are_columns_over_one_alphabet() {
        let dna = read("a.fasta", ">one\nAC\nG-\n\n>two words\r\nTT\r\nAA\r\n").unwrap();
        assert_eq!(rows(&dna), ["ACG-", "TTAA"]);
        assert_eq!((dna.columns(), &dna.lines[..]), (4, &[1, 5][..]));
        assert_eq!(dna.row_names, ["one", "two words"]);
        assert!(dna.texts.values().all(|x| x.concat() == "-ACGT"));
        assert_eq!(dna.found, ["2 sequences of 4 sites, DNA of 5 states -ACGT"]);
        for (letters, states, name) in [
            ("ACGU", 5, "RNA"),
            ("MKV-", 21, "proteins"),
            ("MKVX", 4, "letters"),
            ("MKV*", 4, "letters"),
        ] {
            let table = read("a.fa", &format!(">x\n{letters}\n")).unwrap();
            assert_eq!(rows(&table), [letters]);
            assert_eq!(table.texts[&0].len(), states);
            assert!(table.found[0].contains(name), "{:?}", table.found);
        }
    }

    #[test]
    fn insertions_are_told_from_soft_masks() {
        for (name, text, sites, words) in [
            // By the name, though lengths differ.
            (
                "a.a2m",
                ">x\nACgg-T\n>y\nA.CTT\n",
                ["AC-T", "ACTT"],
                "2 inserted",
            ),
            // By columns of their own.
            (
                "a.fasta",
                ">x\nACgg-T\n>y\nAC..TT\n",
                ["AC-T", "ACTT"],
                "2 inserted",
            ),
            (
                "a.fasta",
                ">x\nACgT\n>y\nACTT\n",
                ["ACGT", "ACTT"],
                "lower case as upper",
            ),
            (
                "a.fasta",
                ">x\nAC.T\n>y\nACTT\n",
                ["AC-T", "ACTT"],
                ". as the gap",
            ),
            (
                "a.fasta",
                ">x\nac.T\n>y\nACTT\n",
                ["AC-T", "ACTT"],
                "lower case as upper",
            ),
        ] {
            let table = read(name, text).unwrap();
            assert_eq!(rows(&table), sites);
            assert!(table.found[0].contains(words), "{:?}", table.found);
        }
    }

    #[test]
    fn refusals_say_sequence_and_line() {
        for (text, words) in [
            ("", ["at least one example", "0 examples"]),
            (">x\n>y\n", ["at least one value", "2 examples of 0"]),
            ("ACGT\n", ["begins with > in line 1", "ACGT"]),
            (
                ">x\nACGT\n>short\nACG\n",
                ["aligned sequences of 4 sites", "3 in \"short\", line 3"],
            ),
            (">x\nAC1T\n", ["letters, - and . in line 2", "'1'"]),
        ] {
            let message = read("some.fasta", text).unwrap_err().to_string();
            for word in words.into_iter().chain(["some.fasta"]) {
                assert!(message.contains(word), "{message} should tell of {word}");
            }
        }
    }
}
