//! The fuzz crate includes source files of the server one by one: each neighbour that such a file names must be included too.

use std::{collections::BTreeSet, fs};

use super::imports::{code_of, paths_in};
use crate::app::repository;

/// Files that a file of the fuzz crate includes, and the modules that it declares.
fn included(file: &str) -> (Vec<String>, BTreeSet<String>) {
    let text = fs::read_to_string(repository(file)).unwrap();
    let paths = text.lines().filter_map(|line| line.strip_prefix("#[path = \"../../")?.strip_suffix("\"]"));
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.split([' ', ';']).next());
    (paths.map(str::to_owned).collect(), modules.map(str::to_owned).collect())
}

#[test]
fn the_fuzz_crate_includes_what_its_files_name() {
    let (_, of_schema) = included("fuzz/schema/src/lib.rs");
    let mut checked = 0;
    for file in ["fuzz/src/lib.rs", "fuzz/src/http.rs"] {
        let (paths, modules) = included(file);
        for path in paths {
            let code = code_of(&fs::read_to_string(repository(&path)).unwrap());
            for named in paths_in(&code, &BTreeSet::from(["schema"])) {
                let known = match named.first().map(String::as_str) {
                    Some("super") => &modules,
                    Some("schema") => &of_schema,
                    _ => continue,
                };
                checked += 1;
                assert!(known.contains(&named[1]), "{path} names {}, which the fuzz crate lacks", named.join("::"));
            }
        }
    }
    assert!(checked > 30, "{checked}");
}
