//! Import: the real log, shifted in time to 1,000,000 lines. Asked: 100,000 lines a second on 2 cores, peak memory under 400 MB.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

mod measure;

use std::{
    fs::File,
    io::{BufWriter, Read as _, Write as _},
    path::Path,
};

use chrono::{DateTime, TimeDelta};
use flate2::read::GzDecoder;
use measure::{footfall, median, row, run_watched, set_up};

const RUNS: usize = 3;
const COPIES: i64 = 100;

/// Writes the real log a hundred times, each copy four days later than the one before.
fn write_log(path: &Path) -> u64 {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apache_access.log.gz");
    let mut log = Vec::new();
    GzDecoder::new(File::open(source).expect("the log")).read_to_end(&mut log).expect("gzip");
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    let mut lines = 0;
    for copy in 0..COPIES {
        for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let text = String::from_utf8_lossy(line);
            let (open, close) = (text.find('[').expect("a time"), text.find(']').expect("a time"));
            let time = DateTime::parse_from_str(&text[open + 1..close], "%d/%b/%Y:%H:%M:%S %z").expect("a time");
            let later = time + TimeDelta::days(copy * 4);
            writeln!(out, "{}[{}{}", &text[..open], later.format("%d/%b/%Y:%H:%M:%S %z"), &text[close..])
                .expect("room");
            lines += 1;
        }
    }
    out.flush().expect("room");
    lines
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let lines = write_log(&log);
    println!("import of {lines} lines, median of {RUNS} runs");
    let (mut rates, mut peaks) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let data = folder.path().join(format!("data{run}"));
        set_up(&data, &["semicomplete.com".to_owned()]);
        let mut command = footfall(&data);
        command.args(["import", "access-log", "--keep-bots", "--website", "semicomplete.com"]).arg(&log);
        let (took, peak, printed) = run_watched(&mut command);
        #[expect(clippy::cast_precision_loss, reason = "a million")]
        rates.push(lines as f64 / took.as_secs_f64());
        peaks.push(peak);
        if run == 0 {
            println!("{printed}");
        }
    }
    let (rate, peak) = (median(rates), median(peaks));
    row("import, lines per second (whole process)", format!("{rate:.0}"), ">= 100000", rate >= 100_000.0);
    row("import, peak memory in MB", format!("{:.0}", peak * 1.048_576), "< 400", peak * 1.048_576 < 400.0);
}
