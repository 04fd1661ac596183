//! Where in the state store something was declared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TreePath;

/// A place in a tree: file, line, and which document of the file.
///
/// Displayed as `shop/web.yaml:12`, the form that editors and CI systems turn into links.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, from the root of the tree.
    pub file: TreePath,
    /// The first line of the object, from 1. `None` where the generator cannot know it (rendered charts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Which document of a multi-document file, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub document: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Place {
    /// A whole file.
    pub fn file(file: TreePath) -> Self {
        Self { file, line: None, document: 0 }
    }

    /// A line of a file, counted from 1.
    pub fn line(file: TreePath, line: u32) -> Self {
        Self { file, line: Some(line), document: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => write!(f, "{}", self.file),
        }
    }
}
