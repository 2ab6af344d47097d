//! Folders of PNG files: a picture an example, a subfolder a class.

use crate::{
    dataset::table::{Cells, Labels, Table},
    error::{Error, Result},
};
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

/// Bytes of pixels that one of a file can become: deflate has no more than 1032.
const EXPANSION: u64 = 1032;
/// Names of the parts, if the folder has them.
const PARTS: [&str; 2] = ["train", "test"];

/// Whether the folder, or one of its subfolders, holds a PNG file.
pub(in crate::dataset) fn recognizes(directory: &Path) -> bool {
    let holds = |directory: &Path| entries(directory).is_ok_and(|x| !x.pictures.is_empty());
    let inner = |directory: &Path| {
        let folders = entries(directory).map(|x| x.folders).unwrap_or_default();
        folders.iter().any(|folder| holds(folder))
    };
    holds(directory) || inner(directory) || PARTS.iter().any(|x| inner(&directory.join(x)))
}

/// The pictures of the folder in the order of their names, and those of its part `test` if it has
/// subfolders `train` and perhaps `test`. Subfolders of a part are classes. All pictures have the
/// size of the first and, like it, gray values or colors: shape `[height, width]` or
/// `[height, width, 3]`. Rows are named by the paths in the folder, if `keeps_names`.
pub(in crate::dataset) fn tables(
    directory: &Path,
    keeps_names: bool,
) -> Result<(Table, Option<Table>)> {
    let table = |directory: &Path, classes: &[String]| table(directory, classes, keeps_names);
    let [train, test] = PARTS.map(|name| directory.join(name));
    if !train.is_dir() {
        let classes = entries(directory)?.classes();
        return Ok((table(directory, &classes)?, None));
    }
    let mut classes = entries(&train)?.classes();
    if !test.is_dir() {
        return Ok((table(&train, &classes)?, None));
    }
    classes.extend(entries(&test)?.classes());
    classes.sort_unstable();
    classes.dedup();
    Ok((table(&train, &classes)?, Some(table(&test, &classes)?)))
}

/// What a folder holds, in the order of the names.
struct Entries {
    pictures: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// Files that are no PNG and not hidden.
    others: Vec<PathBuf>,
}

impl Entries {
    fn classes(&self) -> Vec<String> {
        self.folders.iter().map(|x| name_of(x)).collect()
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn entries(directory: &Path) -> Result<Entries> {
    let io = |e| Error::io(directory, "open", e);
    let mut entries = Entries {
        pictures: Vec::new(),
        folders: Vec::new(),
        others: Vec::new(),
    };
    for entry in fs::read_dir(directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let list = match () {
            () if name_of(&path).starts_with('.') => continue,
            () if path.is_dir() => &mut entries.folders,
            () if extension.eq_ignore_ascii_case("png") => &mut entries.pictures,
            () => &mut entries.others,
        };
        list.push(path);
    }
    entries.pictures.sort_unstable();
    entries.folders.sort_unstable();
    Ok(entries)
}

fn table(directory: &Path, classes: &[String], keeps_names: bool) -> Result<Table> {
    let top = entries(directory)?;
    let mut pixels = Pixels::default();
    let mut codes = Vec::new();
    let mut others = top.others.len();
    let mut pictures = top.pictures.clone();
    if !pictures.is_empty() && !top.folders.is_empty() {
        let expected = "pictures or subfolders of classes";
        let found = format!(
            "both ({} and {})",
            name_of(&pictures[0]),
            name_of(&top.folders[0])
        );
        return Err(Error::file(directory, expected, found));
    }
    for folder in &top.folders {
        let inner = entries(folder)?;
        others += inner.others.len();
        let code = classes
            .iter()
            .position(|x| *x == name_of(folder))
            .unwrap_or(0);
        codes.extend(std::iter::repeat_n(code as u32, inner.pictures.len()));
        pictures.extend(inner.pictures);
    }
    if pictures.is_empty() {
        let found = format!("{others} other files (convert them to PNG)");
        return Err(Error::file(directory, "PNG files", found));
    }
    for picture in &pictures {
        pixels.push(picture)?;
    }
    let n = pictures.len();
    let shape = pixels.shape.clone();
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let mut table = Table::new(directory, Cells::Bytes(pixels.bytes), n, shape)?;
    table.is_image = true;
    if keeps_names {
        let inside = |path: &PathBuf| {
            let path = path.strip_prefix(directory).unwrap_or(path);
            path.display().to_string()
        };
        table.row_names = pictures.iter().map(inside).collect();
    }
    let mut found = format!("{n} pictures of {}", sizes.join(" x "));
    if !codes.is_empty() {
        found += &format!(" in {} classes", classes.len());
        table.labels = Some(Labels {
            name: "class".into(),
            codes,
            classes: classes.to_vec(),
        });
    }
    table.found.push(found);
    if pixels.is_opaque {
        table
            .found
            .push("opacity left out, which is full everywhere".into());
    }
    if others > 0 {
        table
            .found
            .push(format!("{others} other files passed over"));
    }
    Ok(table)
}

/// The pictures so far.
#[derive(Default)]
struct Pixels {
    shape: Vec<usize>,
    bytes: Vec<u8>,
    /// Whether one of them had an opacity.
    is_opaque: bool,
}

impl Pixels {
    fn push(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        let length = file
            .metadata()
            .map_err(|e| Error::io(path, "open", e))?
            .len();
        let most = usize::try_from(length.saturating_mul(EXPANSION)).unwrap_or(usize::MAX);
        let broken = |e: &dyn std::fmt::Display| Error::file(path, "an intact PNG file", e);
        let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: most });
        decoder.set_transformations(Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        let mut reader = decoder.read_info().map_err(|e| broken(&e))?;
        let (color, depth) = reader.output_color_type();
        if depth != BitDepth::Eight {
            let found = format!("{depth:?} bits");
            return Err(Error::file(
                path,
                "a picture of at most 8 bits a channel",
                found,
            ));
        }
        let channels = color.samples();
        let size = reader.output_buffer_size().filter(|&n| n <= most);
        let Some(size) = size else {
            let info = reader.info();
            let found = format!("a header of {} x {} pixels", info.width, info.height);
            return Err(broken(&format!("{found} in a file of {length} bytes")));
        };
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes).map_err(|e| broken(&e))?;
        reader.finish().map_err(|e| broken(&e))?;
        bytes.truncate(info.buffer_size());
        let has_opacity = matches!(color, ColorType::GrayscaleAlpha | ColorType::Rgba);
        let inks = channels - usize::from(has_opacity);
        if has_opacity {
            self.is_opaque = true;
            let mut pixels = bytes.chunks_exact(channels);
            if let Some(k) = pixels.position(|x| x[inks] != u8::MAX) {
                let (x, y) = (k % info.width as usize, k / info.width as usize);
                let found = format!(
                    "a pixel of opacity {} at {x}, {y}",
                    bytes[k * channels + inks]
                );
                return Err(Error::file(path, "an opaque picture", found));
            }
            bytes = bytes
                .chunks_exact(channels)
                .flat_map(|x| &x[..inks])
                .copied()
                .collect();
        }
        let mut shape = vec![info.height as usize, info.width as usize];
        shape.extend((inks > 1).then_some(inks));
        if self.shape.is_empty() {
            self.shape = shape;
        } else if self.shape != shape {
            let text = |shape: &[usize]| {
                let color = if shape.len() == 3 {
                    "in color"
                } else {
                    "of gray values"
                };
                format!("{} x {} pixels {color}", shape[1], shape[0])
            };
            let expected = format!("{}, as the first picture", text(&self.shape));
            return Err(Error::file(path, expected, text(&shape)));
        }
        self.bytes.append(&mut bytes);
        Ok(())
    }
}
