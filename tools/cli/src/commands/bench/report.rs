//! The figures of `harmonium bench` as a table, JSON or CSV.

use harmonium::{
    product::{Provider, Route},
    simd::Isa,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The figures and where they come from.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the CPU.
    pub cpu: String,
    /// Logical cores.
    pub cores: usize,
    /// Instruction set of the kernels.
    pub isa: Isa,
    /// Who computes the engine's dense products.
    pub provider: Provider,
    /// How products of bits are computed.
    pub route: Route,
    /// Threads of epochs and sweeps.
    pub threads: usize,
    /// Seconds of a measurement.
    pub seconds: f64,
    /// Examples of an epoch.
    pub examples: usize,
    /// The figures.
    pub rows: Vec<Row>,
}

/// One line of the result.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Rows of one section stand together.
    pub section: &'static str,
    /// What was measured; no commas or quotes.
    pub name: String,
    /// On how many threads.
    pub threads: usize,
    /// Median time of one product, call, epoch or sweep.
    pub seconds: Option<f64>,
    /// 10^9 connection updates, or multiply-adds, a second.
    pub gcu: Option<f64>,
    /// Time for each element.
    pub nanoseconds_per_element: Option<f64>,
    /// `gcu` over the f32 FMA peak of as many threads.
    pub of_peak: Option<f64>,
    /// `gcu` over the rate of the best provider and shape on as many threads.
    pub of_sgemm: Option<f64>,
    /// What comes after a product, as a share of the product's time.
    pub of_product: Option<f64>,
    /// Median time in [`Self::unit`], of measurements that have one.
    pub median: Option<f64>,
    /// The distance of the quartiles, as a share of the median.
    pub spread: Option<f64>,
    /// `us a call`, `us an update`, `ns a spin update`.
    pub unit: Option<&'static str>,
}

impl Row {
    /// Names of the figures in JSON and CSV.
    const KEYS: [&str; 8] = [
        "seconds",
        "gcu_per_second",
        "nanoseconds_per_element",
        "share_of_fma_peak",
        "share_of_best_sgemm",
        "share_of_its_product",
        "median",
        "spread",
    ];

    /// A row without figures.
    pub fn new(section: &'static str, name: impl Into<String>, threads: usize) -> Self {
        Self {
            section,
            name: name.into(),
            threads,
            ..Self::default()
        }
    }

    /// The figures in the order of the keys.
    pub fn values(&self) -> [Option<f64>; 8] {
        [
            self.seconds,
            self.gcu,
            self.nanoseconds_per_element,
            self.of_peak,
            self.of_sgemm,
            self.of_product,
            self.median,
            self.spread,
        ]
    }
}

impl Report {
    /// One JSON object; a figure that a measurement does not have is left out.
    pub fn json(&self) -> Value {
        let measurements: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = json!({
                    "section": row.section,
                    "name": row.name,
                    "threads": row.threads,
                });
                for (key, value) in Row::KEYS.into_iter().zip(row.values()) {
                    if let Some(value) = value {
                        object[key] = value.into();
                    }
                }
                if let Some(unit) = row.unit {
                    object["unit"] = unit.into();
                }
                object
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpu": self.cpu,
            "cores": self.cores,
            "instruction_set": self.isa.name(),
            "provider": self.provider.name(),
            "route": self.route.to_string(),
            "threads": self.threads,
            "seconds_per_measurement": self.seconds,
            "examples_per_epoch": self.examples,
            "measurements": measurements,
        })
    }

    /// A line of names, then a line a measurement.
    pub fn csv(&self) -> String {
        let mut text = format!(
            "cpu,instruction_set,provider,route,section,name,threads,{},unit\n",
            Row::KEYS.join(",")
        );
        let cpu = self.cpu.replace('"', "\"\"");
        let (isa, provider, route) = (self.isa, self.provider, self.route);
        for row in &self.rows {
            let (section, name, threads) = (row.section, &row.name, row.threads);
            let values = row.values().map(|x| x.map(|x| x.to_string()));
            let values = values.map(Option::unwrap_or_default).join(",");
            let _ = writeln!(
                text,
                "\"{cpu}\",{isa},{provider},{route},{section},{name},{threads},{values},{}",
                row.unit.unwrap_or_default()
            );
        }
        text
    }

    /// A line about the machine, then an aligned table of the measurements that compare with the
    /// ceilings and one of those that have a unit of their own.
    pub fn table(&self) -> String {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let mut text = format!(
            "{}, {} core{}, {}, dense products by {}, of bits {}, {} thread{}\n",
            self.cpu,
            self.cores,
            plural(self.cores),
            self.isa,
            self.provider,
            self.route,
            self.threads,
            plural(self.threads)
        );
        let percent = |x: Option<f64>| x.map(|x| format!("{:.1}%", 100.0 * x));
        let heads = [
            "",
            "threads",
            "ms",
            "GCU/s",
            "ns/element",
            "of FMA peak",
            "of best sgemm",
            "over its product",
        ];
        let rates = self.rows.iter().filter(|row| row.unit.is_none());
        let cells = rates.map(|row| {
            let cells = [
                Some(row.name.clone()),
                Some(row.threads.to_string()),
                row.seconds.map(|x| format!("{:.4}", 1e3 * x)),
                row.gcu.map(|x| format!("{x:.1}")),
                row.nanoseconds_per_element.map(|x| format!("{x:.3}")),
                percent(row.of_peak),
                percent(row.of_sgemm),
                percent(row.of_product),
            ];
            (row.section, cells.map(Option::unwrap_or_default))
        });
        aligned(heads, cells, &mut text);
        let heads = ["", "threads", "median", "", "quartiles apart"];
        let cells = self.rows.iter().filter_map(|row| {
            let cells = [
                row.name.clone(),
                row.threads.to_string(),
                format!("{:.3}", row.median?),
                row.unit?.to_owned(),
                percent(row.spread)?,
            ];
            Some((row.section, cells))
        });
        aligned(heads, cells, &mut text);
        text
    }
}

/// Appends the cells of rows below their heads, the first column flush left; sections stand apart.
/// Nothing at all without rows.
fn aligned<const N: usize>(
    heads: [&str; N],
    rows: impl Iterator<Item = (&'static str, [String; N])>,
    text: &mut String,
) {
    let (sections, rows): (Vec<_>, Vec<_>) = rows.unzip();
    if rows.is_empty() {
        return;
    }
    let lines: Vec<[String; N]> = [heads.map(str::to_owned)].into_iter().chain(rows).collect();
    let width = |k: usize| lines.iter().map(|line| line[k].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for (at, cells) in lines.iter().enumerate() {
        // Before the heads, and where a section ends.
        if at == 0 || at > 1 && sections[at - 1] != sections[at - 2] {
            text.push('\n');
        }
        let mut line = format!("{:1$}", cells[0], widths[0]);
        for (cell, width) in cells.iter().zip(widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let row = |section, name| Row {
            gcu: Some(12.25),
            of_peak: Some(0.5),
            ..Row::new(section, name, 2)
        };
        Report {
            cpu: "An \"odd\" name".into(),
            cores: 4,
            isa: Isa::Portable,
            provider: Provider::Native,
            route: Route::Automatic,
            threads: 1,
            seconds: 0.5,
            examples: 7,
            rows: vec![row("a", "one"), row("a", "number two"), row("b", "three")],
        }
    }

    #[test]
    fn table_is_aligned_and_sections_stand_apart() {
        let expected = "\
An \"odd\" name, 4 cores, portable, dense products by native, of bits automatic, 1 thread

            threads  ms  GCU/s  ns/element  of FMA peak  of best sgemm  over its product
one               2       12.2                    50.0%
number two        2       12.2                    50.0%

three             2       12.2                    50.0%
";
        assert_eq!(report().table(), expected);
    }

    #[test]
    fn measurements_with_a_unit_have_a_table_of_their_own() {
        let rows = [("latency", "a call", 2.5), ("graph", "longer name", 0.0625)];
        let rows = rows.map(|(section, name, median)| Row {
            median: Some(median),
            spread: Some(0.013),
            unit: Some("us a call"),
            ..Row::new(section, name, 2)
        });
        let report = Report {
            cpu: "Odd".into(),
            rows: rows.to_vec(),
            ..report()
        };
        let expected = "\
Odd, 4 cores, portable, dense products by native, of bits automatic, 1 thread

             threads  median             quartiles apart
a call             2   2.500  us a call             1.3%

longer name        2   0.062  us a call             1.3%
";
        assert_eq!(report.table(), expected);
        assert_eq!(report.json()["measurements"][0]["unit"], "us a call");
        assert!(
            report
                .csv()
                .lines()
                .skip(1)
                .all(|l| l.ends_with(",us a call"))
        );
    }

    #[test]
    fn json_holds_the_figures_that_there_are() {
        let json = report().json();
        assert_eq!(json["cpu"], "An \"odd\" name");
        let row = &json["measurements"][1];
        assert_eq!(
            (&row["name"], &row["threads"]),
            (&json!("number two"), &json!(2))
        );
        assert_eq!(row["gcu_per_second"], 12.25);
        assert!(row.get("seconds").is_none());
    }

    #[test]
    fn csv_has_one_width() {
        let csv = report().csv();
        let mut lines = csv.lines();
        let columns = lines.next().map(|line| line.split(',').count());
        assert_eq!(columns, Some(16));
        assert_eq!(lines.clone().count(), 3);
        for line in lines {
            assert!(line.starts_with("\"An \"\"odd\"\" name\",portable,native,automatic,"));
            assert_eq!(Some(line.split(',').count()), columns);
        }
    }
}
