//! Files that other programs read better: they are refused with the way to convert them.

use super::source::Source;
use crate::error::Error;

/// `extension`, first bytes (none if only the name tells), what it is, and how to convert it.
const FORMATS: &[(&[&str], &[u8], &str, &str)] = &[
    (
        &["parquet", "pq"],
        b"PAR1",
        "a Parquet file",
        "pandas.read_parquet(file).to_csv('data.csv', index=False)",
    ),
    (
        &["arrow", "feather"],
        b"ARROW1",
        "an Arrow file",
        "pandas.read_feather(file).to_csv('data.csv', index=False)",
    ),
    (
        &["mat"],
        b"MATLAB ",
        "a MATLAB file",
        "numpy.save('data.npy', scipy.io.loadmat(file)['name']), of version 7.3 \
         numpy.save('data.npy', h5py.File(file)['name'][()].T)",
    ),
    (
        &["xlsx", "xls"],
        b"",
        "a spreadsheet",
        "pandas.read_excel(file).to_csv('data.csv', index=False)",
    ),
    (
        &["pkl", "pickle"],
        b"",
        "a pickle",
        "numpy.save('data.npy', pickle.load(open(file, 'rb')))",
    ),
    (
        &["pt", "pth"],
        b"",
        "a file of PyTorch",
        "numpy.save('data.npy', torch.load(file).numpy())",
    ),
];

/// The refusal of a file of such a format, by its extension or its first bytes.
pub(in crate::dataset) fn refusal(source: &Source<'_>, extension: &str) -> Option<Error> {
    let head = source.peek();
    let is_this = |(names, magic, ..): &&(&[&str], &[u8], _, _)| {
        names.contains(&extension) || !magic.is_empty() && head.starts_with(magic)
    };
    let (.., what, way) = FORMATS.iter().find(is_this)?;
    let expected = format!("a file that is read here; in Python: {way}");
    Some(source.error(expected, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_refused_with_the_way_to_convert() {
        for (name, extension, head, words) in [
            (
                "a",
                "",
                &b"PAR1\x15\x04"[..],
                ["read_parquet", "a Parquet file"],
            ),
            (
                "a.parquet",
                "parquet",
                b"broken",
                ["read_parquet", "a Parquet file"],
            ),
            (
                "a.feather",
                "feather",
                b"ARROW1\0\0",
                ["read_feather", "an Arrow file"],
            ),
            (
                "a.mat",
                "mat",
                b"MATLAB 5.0 MAT-file",
                ["loadmat", "a MATLAB file"],
            ),
            (
                "a.xlsx",
                "xlsx",
                b"PK\x03\x04",
                ["read_excel", "a spreadsheet"],
            ),
        ] {
            let source = Source::new(name, head).unwrap();
            let message = refusal(&source, extension).unwrap().to_string();
            for word in words.into_iter().chain([name]) {
                assert!(message.contains(word), "{message} should tell of {word}");
            }
        }
        let other = Source::new("a.npy", &b"\x93NUMPY"[..]).unwrap();
        assert!(refusal(&other, "npy").is_none());
    }
}
