//! Settings of the allocators, which they read from the environment before `main` begins.
//!
//! - By default, Rust's allocator (mimalloc) keeps freed pages for a second, and the C library's, which DuckDB uses
//!   beside its own, has an arena per thread. With many events per second that is a hundred megabytes of unused memory.

use std::{env, os::unix::process::CommandExt as _, process::Command};

/// Environment variables and their values. Variables that are set already are left alone.
const SETTINGS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MALLOC_ARENA_MAX", "1")];

/// Replaces this process by the same program with these settings, unless it has them. Process ID, arguments and open
/// files stay. If that is not possible, the process continues without them.
pub fn apply() {
    let missing: Vec<_> = SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    let (mut arguments, Ok(program)) = (env::args_os(), env::current_exe()) else { return };
    if missing.is_empty() {
        return;
    }
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Returns only if it fails.
    let _ = again.args(arguments).envs(missing).exec();
}
