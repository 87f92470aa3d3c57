//! What the benches share: medians, memory of a process, a server process, and rows of the printed table.

#![expect(dead_code, reason = "each bench uses its part")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The middle of the measured values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Prints a row: what was measured, the figure, what is asked for, and whether it holds.
pub fn row(what: &str, figure: String, asked: &str, holds: bool) {
    println!("{:<58} {figure:>16}   asked: {asked:<14} {}", what, if holds { "holds" } else { "FALLS SHORT" });
}

/// A figure of `/proc/PID/status` in MiB, such as `VmHWM` (peak) or `VmRSS` (now). Linux only.
pub fn memory_mib(pid: u32, figure: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Processor time of a process so far, in seconds. Linux only.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // User and system time are the 12th and 13th field after the name; a tick is a hundredth of a second.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Waits until a process has nothing left to do: what it put off would be paid for by whoever is measured next.
pub fn settle(pid: u32) {
    let mut before = cpu_seconds(pid);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = cpu_seconds(pid);
        if now - before < 0.03 {
            return;
        }
        before = now;
    }
}

/// Runs a command to its end. Answers how long it took, the peak of its memory in MiB, and what it printed.
pub fn run_watched(command: &mut Command) -> (Duration, f64, String) {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut peak = 0.0_f64;
    while child.try_wait().expect("the child can be waited for").is_none() {
        peak = peak.max(memory_mib(child.id(), "VmHWM"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = begun.elapsed();
    let output = child.wait_with_output().expect("the child has ended");
    assert!(output.status.success(), "the command failed");
    (took, peak, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A server process; ends when dropped.
pub struct Server {
    pub child: Child,
    pub base: String,
}

impl Server {
    /// Starts `footfall serve` on a data folder and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::run(footfall(data).args(["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Runs a command that serves, and waits until it listens.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let base = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { child, base }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that is measured: `FOOTFALL_BIN`, else the one that was built with the bench.
pub fn binary() -> PathBuf {
    std::env::var_os("FOOTFALL_BIN").map_or_else(|| env!("CARGO_BIN_EXE_footfall").into(), PathBuf::from)
}

/// The binary over a data folder.
pub fn footfall(data: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env("FOOTFALL_DATA", data).env("FOOTFALL_PASSWORD", "correct horse battery");
    // The load comes from one address.
    command.env("FOOTFALL_MAX_CONNECTIONS_PER_ADDRESS", "6000").env("FOOTFALL_MAX_CONNECTIONS", "6000");
    command
}

/// Makes an account, websites and an API key in a data folder. Answers the websites' ids and the key.
pub fn set_up(data: &Path, domains: &[String]) -> (Vec<String>, String) {
    set_up_as(data, "bench@footfall.example", domains)
}

/// As [`set_up`], for an account of this address with a team of its own.
pub fn set_up_as(data: &Path, email: &str, domains: &[String]) -> (Vec<String>, String) {
    let say = |arguments: &[&str]| {
        let mut command = footfall(data);
        let output = command.args(arguments).args(["--email", email, "--json"]).output().expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    say(&["user", "create"]);
    let websites = domains.iter().map(|domain| text(&say(&["website", "create", domain])["id"]));
    let websites = websites.collect();
    let key = say(&["key", "create", "--name", "bench"]);
    (websites, text(&key["secret"]))
}
