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
}

impl Row {
    /// Names of the figures in JSON and CSV.
    const KEYS: [&str; 6] = [
        "seconds",
        "gcu_per_second",
        "nanoseconds_per_element",
        "share_of_fma_peak",
        "share_of_best_sgemm",
        "share_of_its_product",
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
    pub fn values(&self) -> [Option<f64>; 6] {
        [
            self.seconds,
            self.gcu,
            self.nanoseconds_per_element,
            self.of_peak,
            self.of_sgemm,
            self.of_product,
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
            "cpu,instruction_set,provider,route,section,name,threads,{}\n",
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
                "\"{cpu}\",{isa},{provider},{route},{section},{name},{threads},{values}"
            );
        }
        text
    }

    /// An aligned table under a line about the machine.
    pub fn table(&self) -> String {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let mut text = format!(
            "{}, {} core{}, {}, dense products by {}, of bits {}, {} thread{}\n\n",
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
        ]
        .map(str::to_owned);
        let mut lines = vec![heads];
        lines.extend(self.rows.iter().map(|row| {
            [
                Some(row.name.clone()),
                Some(row.threads.to_string()),
                row.seconds.map(|x| format!("{:.4}", 1e3 * x)),
                row.gcu.map(|x| format!("{x:.1}")),
                row.nanoseconds_per_element.map(|x| format!("{x:.3}")),
                percent(row.of_peak),
                percent(row.of_sgemm),
                percent(row.of_product),
            ]
            .map(Option::unwrap_or_default)
        }));
        let width = |k: usize| lines.iter().map(|line| line[k].len()).max().unwrap_or(0);
        let widths: [usize; 8] = std::array::from_fn(width);
        let mut section = self.rows.first().map(|row| row.section);
        for (at, cells) in lines.iter().enumerate() {
            let of = at.checked_sub(1).map(|at| self.rows[at].section);
            if of.is_some() && of != section {
                text.push('\n');
                section = of;
            }
            let mut line = format!("{:1$}", cells[0], widths[0]);
            for (cell, width) in cells.iter().zip(widths).skip(1) {
                let _ = write!(line, "  {cell:>width$}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
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
        assert_eq!(columns, Some(13));
        assert_eq!(lines.clone().count(), 3);
        for line in lines {
            assert!(line.starts_with("\"An \"\"odd\"\" name\",portable,native,automatic,"));
            assert_eq!(Some(line.split(',').count()), columns);
        }
    }
}
