//! The documents are true: their queries and commands run, what they name exists, and their tables are complete.

mod commands;
mod names;
mod queries;

use std::fs;

use crate::app::repository;

/// A document for people.
struct Document {
    /// Its path in the repository.
    name: String,
    text: String,
}

/// A fenced block of a document.
struct Block {
    /// What follows the fence, such as `sh test`.
    info: String,
    /// Its first line's number.
    line: usize,
    text: String,
}

fn documents() -> Vec<Document> {
    let folder = fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = folder.map(|name| format!("docs/{}", name.to_str().unwrap())).collect();
    names.sort();
    names.insert(0, "README.md".to_owned());
    names.into_iter().map(|name| Document { text: fs::read_to_string(repository(&name)).unwrap(), name }).collect()
}

fn document(name: &str) -> Document {
    documents().into_iter().find(|document| document.name == name).unwrap_or_else(|| panic!("{name}"))
}

impl Document {
    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    open = Some(Block { info: info.trim().to_owned(), line: number + 2, text: String::new() });
                }
                (None, Some(block)) => block.text += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// What is written as code within sentences and tables.
    fn code_spans(&self) -> Vec<String> {
        let mut prose = String::new();
        let mut is_prose = true;
        for line in self.text.lines() {
            if line.starts_with("```") {
                is_prose = !is_prose;
            } else if is_prose {
                prose += line;
                prose.push('\n');
            }
        }
        prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}
