//! `ablate schema`: prints the keys of the TOML files, as JSON Schema for editors or as pages for readers.

use super::{check_directory, check_output, print, write_output};
use crate::config::json_schema::{self, Schema};
use crate::config::key_reference::{self, FileKind, Page};
use crate::error::{Error, Result};
use crate::files;
use crate::json;
use crate::sweep::file;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Kind of file.
    #[arg(required_unless_present = "out")]
    pub kind: Option<Kind>,
    /// Form of the output: `json` is the JSON Schema, `markdown` the pages that describe every key.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, conflicts_with = "out")]
    pub format: Format,
    /// Write the schemas of all kinds to DIR/schema and the pages of all kinds to DIR/reference.
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    pub out: Option<PathBuf>,
}

/// The kinds of TOML files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// experiments/**/*.toml
    Experiment,
    /// sweeps/*.toml
    Sweep,
    /// Files that sweeps include
    Part,
    /// experiments/recipes/*.toml
    Recipe,
}

/// The forms in which the keys of a kind of file are described.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON Schema, draft 7
    #[default]
    Json,
    /// Pages of tables
    Markdown,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Experiment => "experiment",
            Kind::Sweep => "sweep",
            Kind::Part => "part",
            Kind::Recipe => "recipe",
        }
    }

    fn schema(self) -> Schema {
        match self {
            Kind::Experiment => json_schema::experiment(),
            Kind::Sweep => file::sweep_schema(),
            Kind::Part => file::part_schema(),
            Kind::Recipe => json_schema::recipe(),
        }
    }

    fn json(self) -> Result<String> {
        json::page(&self.schema())
    }
}

/// Returns the pages of the key reference.
fn reference() -> Vec<Page> {
    // Rows and sections are described on the page of sweeps, which comes before that of what sweeps include.
    key_reference::pages(&[Kind::Experiment, Kind::Sweep, Kind::Part, Kind::Recipe].map(|kind| FileKind {
        name: kind.name(),
        files: match kind {
            Kind::Experiment => "experiment files",
            Kind::Sweep => "sweep files",
            Kind::Part => "files that sweeps include",
            Kind::Recipe => "recipe files",
        },
        schema: kind.schema().to_value(),
        page_per_section: kind == Kind::Experiment,
    }))
}

pub fn run(arguments: Arguments) -> Result<()> {
    if let Some(folder) = arguments.out {
        return write(&folder);
    }
    let Some(kind) = arguments.kind else {
        return Err(Error::user("name a kind of file, or --out DIR"));
    };
    match arguments.format {
        Format::Json => print(&kind.json()?),
        Format::Markdown => {
            let pages = reference().into_iter().filter(|page| page.kind == Some(kind.name()));
            print(&pages.map(|page| page.text).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Writes the schemas and the key reference below `folder`. Replaces only files that this command wrote.
fn write(folder: &Path) -> Result<()> {
    check_directory("--out", folder)?;
    let mut outputs = Vec::new();
    for kind in Kind::value_variants() {
        outputs.push((folder.join("schema").join(format!("{}.json", kind.name())), kind.json()?));
    }
    for Page { name, text, .. } in reference() {
        outputs.push((folder.join("reference").join(format!("{name}.md")), text));
    }
    for (path, _) in &outputs {
        check_output(path, "an output of `ablate schema --out`", is_own)?;
    }
    for part in ["schema", "reference"] {
        files::create_dir(&folder.join(part))?;
    }
    let mut written = String::new();
    for (path, text) in outputs {
        written += &write_output(&path, text.as_bytes())?;
    }
    print(&written)
}

/// Returns whether `page` is an earlier output of this command.
fn is_own(page: &[u8]) -> bool {
    let has = |text: &str| page.windows(text.len()).any(|window| window == text.as_bytes());
    has("\"$schema\": \"http://json-schema.org/draft-07/schema#\"") || has(key_reference::ORIGIN)
}
