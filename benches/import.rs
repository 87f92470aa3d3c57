//! Import: the real log, shifted in time to 1,000,000 lines and to 10,000,000. Asked: 100,000 lines a second on 2 cores, and a peak that
//! does not grow with the file: under 350 MB at 10,000,000 lines.

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

/// Writes the real log so many times, each copy four days later than the one before.
fn write_log(path: &Path, copies: i64) -> u64 {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apache_access.log.gz");
    let mut log = Vec::new();
    GzDecoder::new(File::open(source).expect("the log")).read_to_end(&mut log).expect("gzip");
    let mut out = BufWriter::new(File::create(path).expect("a file"));
    let mut lines = 0;
    for copy in 0..copies {
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
    measure(100, 3, 400.0);
    // The log is of May 2015: the last copy is of 2026.
    measure(1_000, 1, 350.0);
}

fn measure(copies: i64, runs: usize, asked_mb: f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let lines = write_log(&log, copies);
    println!("import of {lines} lines, median of {runs} runs");
    let (mut rates, mut peaks) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let data = folder.path().join(format!("data{run}"));
        set_up(&data, &["semicomplete.com".to_owned()]);
        let mut command = footfall(&data);
        command.args(["import", "access-log", "--keep-bots", "--website", "semicomplete.com"]).arg(&log);
        let (took, peak, printed) = run_watched(&mut command);
        #[expect(clippy::cast_precision_loss, reason = "millions")]
        rates.push(lines as f64 / took.as_secs_f64());
        peaks.push(peak);
        if run == 0 {
            println!("{printed}");
        }
    }
    let (rate, mb) = (median(rates), median(peaks) * 1.048_576);
    row(
        &format!("import of {lines}, lines per second (whole process)"),
        format!("{rate:.0}"),
        ">= 100000",
        rate >= 100_000.0,
    );
    row(&format!("import of {lines}, peak memory in MB"), format!("{mb:.0}"), &format!("< {asked_mb}"), mb < asked_mb);
}
