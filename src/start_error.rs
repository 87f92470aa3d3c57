//! Why Footfall cannot start.

use std::{fmt, path::Path};

/// Why Footfall cannot start, as a message for the person who starts it.
#[derive(Debug)]
pub struct StartError {
    text: String,
    is_held: bool,
}

impl StartError {
    /// An error with this message.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { text, is_held: false }
    }

    /// The data folder is held by another process.
    #[must_use]
    pub fn held(folder: &Path) -> Self {
        let text = format!(
            "another process is using the data folder {}; stop it, or choose another folder with --data",
            folder.display()
        );
        Self { text, is_held: true }
    }

    /// Whether another process holds the data folder.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StartError {}

impl From<schema::Error> for StartError {
    fn from(error: schema::Error) -> Self {
        match &error {
            schema::Error::Internal(source) => Self::new(source.to_string()),
            _ => Self::new(error.message()),
        }
    }
}
