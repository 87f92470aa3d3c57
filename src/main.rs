//! The binary: parses and runs the command line.

use std::process::ExitCode;

/// Many small texts per event are created on one thread and dropped on another: the C library's allocator spends a
/// quarter of ingest on its locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    footfall::cli::run()
}
