//! The binary: reads the command line and does what it says.

use std::process::ExitCode;

/// Many small texts per event, made on one thread and dropped on another: the C library's allocator spends a quarter of
/// ingest on its locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    footfall::cli::run()
}
