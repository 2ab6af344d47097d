//! Whether the states of a table fit into memory, asked before the system ends the program.

use crate::error::{Error, Result};
use std::{fs, path::Path};

/// Bytes that need no asking.
const FEW: u64 = 1 << 26;
const MEGA: u64 = 1_000_000;

/// Refuses `bytes` of `rows` states of `columns` numbers of the file at `path` where the system has
/// less. Systems that do not tell have enough.
pub(super) fn expect(path: &Path, [rows, columns]: [usize; 2], bytes: u64) -> Result<()> {
    let Some(free) = (bytes > FEW).then(free).flatten() else {
        return Ok(());
    };
    if bytes <= free {
        return Ok(());
    }
    let expected = format!(
        "{} MB for the {rows} x {columns} states of {}",
        bytes.div_ceil(MEGA),
        path.display()
    );
    let found = format!("{} MB that are free", free / MEGA);
    Err(Error::parameter("memory", expected, found))
}

/// Bytes that the program may still have: what the machine, its control group and the limit of its
/// addresses leave.
fn free() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let group = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}"));
    let of_machine =
        Some(kibibytes(&machine, "MemAvailable:")? + kibibytes(&machine, "SwapFree:")?);
    let addresses = field(&limits, "Max address space");
    let of_addresses = addresses.zip(kibibytes(&status, "VmSize:"));
    let of_group = group("memory.max").ok().and_then(|text| {
        let most: u64 = text.trim().parse().ok()?;
        // Cached files go when memory is needed.
        let held = field(&group("memory.stat").ok()?, "anon ")?;
        Some(most.saturating_sub(held))
    });
    let all = [
        of_machine,
        of_addresses.map(|(most, held)| most.saturating_sub(held)),
        of_group,
    ];
    all.into_iter().flatten().min()
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    field(text, name).map(|x| 1024 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let text =
            "MemTotal: 8 kB\nMemAvailable:   12 kB\nMax address space   4096   unlimited  bytes\n";
        assert_eq!(kibibytes(text, "MemAvailable:"), Some(12 * 1024));
        assert_eq!(field(text, "Max address space"), Some(4096));
        assert_eq!(
            field("Max address space  unlimited\n", "Max address space"),
            None
        );
        assert_eq!(field(text, "SwapFree:"), None);
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        let path = Path::new("big.svm");
        expect(path, [10, 10], 400).unwrap();
        if free().is_some() {
            let error = expect(path, [1 << 30, 1 << 28], 1 << 60)
                .unwrap_err()
                .to_string();
            for word in ["memory", "1073741824 x 268435456", "big.svm", "free"] {
                assert!(error.contains(word), "{error}");
            }
        }
    }
}
