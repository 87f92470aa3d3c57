//! Tells the linker where `libduckdb` lies, so that binary, tests and benches run in place.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    // The playground is embedded when it is there: building it later must build the crate again.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=playground/dist");
    println!("cargo::rerun-if-changed=playground/examples");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    let dir = env::var_os("DUCKDB_LIB_DIR").unwrap_or_default();
    let library = Path::new(&dir);
    let found = ["libduckdb.so", "libduckdb.dylib"].iter().any(|name| library.join(name).exists());
    if !found {
        println!(
            "cargo::error=libduckdb is missing in {dir:?}: run `make setup` (or build with `--features bundled`, which compiles DuckDB)"
        );
        return;
    }
    let resolved = library.canonicalize().unwrap_or_else(|_| library.to_path_buf());
    for path in [&resolved.display().to_string(), "$ORIGIN", "$ORIGIN/../lib"] {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{path}");
    }
}
