//! The reference of keys: pages of Markdown about the keys of each kind of file, made from the JSON Schemas.
//!
//! A page has one table of keys for each table of the file, and one table of values for each key that is a choice.
//! Headings are the paths of the keys, so `model.md#modelnorm` is the place of `model.norm`. Definitions that several
//! pages refer to are described once, on the first of them.
//!
//! A key that came after version 0.1.0 names its version in the schema: `#[schemars(extend("x-since" = "0.2.0"))]`.

use super::schema_shape::{
    any_setting, bounds, branches, definition_name, description, is_choice, is_table, named_values,
    shown_keys,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The sentence of every page by which an output of `ablate schema` is recognised.
pub const ORIGIN: &str = "`ablate schema --out docs` writes this page";

/// The beginning of the index.
const INDEX: &str = "# Reference of keys

Every key of the TOML files with its type, its default and its meaning. The tables of sweeps that hold settings, such as \
`set` and `[axes]`, take the keys of experiments.

The column *default* shows what an absent key means. If it shows –, the meaning says so, or the absent key changes \
nothing. Every key has been there since version 0.1.0, unless its meaning names a later one.

`ablate schema --out docs` writes this page and the others from the types that read the files. \
[coming-from.md](../coming-from.md) lists words of other tools with the keys that do the same here.

| page | content |
| --- | --- |
";

/// A kind of file.
pub struct FileKind {
    /// Name of its page, without ending.
    pub name: &'static str,
    /// Its files in the plural: `sweep files`.
    pub files: &'static str,
    pub schema: Value,
    /// Whether each of its sections has a page of its own.
    pub page_per_section: bool,
}

/// A page of the reference.
pub struct Page {
    /// Name of its file, without ending.
    pub name: String,
    /// The kind of file that the page is about; `None` for the index.
    pub kind: Option<&'static str>,
    pub text: String,
}

/// Returns the pages of all kinds, and last `README`, their index.
pub fn pages(kinds: &[FileKind]) -> Vec<Page> {
    let whole = |kind: &FileKind| {
        let name = kind.schema["title"].as_str()?.to_string();
        Some((name, Place::whole_page(kind.name, kind.files)))
    };
    let mut places: BTreeMap<String, Place> = kinds.iter().filter_map(whole).collect();
    let (mut pages, mut index) = (Vec::new(), INDEX.to_string());
    for kind in kinds {
        let mut writer = Writer::new(kind, kind.name, &mut places);
        let sections = writer.page(&format!("Keys of {}", kind.files), &kind.schema, "");
        let (name, text) = (kind.name.to_string(), writer.text);
        let about = cell(&description(&kind.schema));
        index += &format!("| [{name}.md]({name}.md) | Keys of {}. {about} |\n", kind.files);
        pages.push(Page { name, kind: Some(kind.name), text });
        for Section { heading, path, node, .. } in sections {
            let mut writer = Writer::new(kind, &path, &mut places);
            writer.page(&format!("`{heading}`"), node, &path);
            let text = writer.text;
            let about = cell(&description(&kind.schema["properties"][&path]));
            index += &format!("| [{path}.md]({path}.md) | `{heading}` of {}. {about} |\n", kind.files);
            pages.push(Page { name: path, kind: Some(kind.name), text });
        }
    }
    pages.push(Page { name: "README".to_string(), kind: None, text: index });
    pages
}

/// The place of a definition's description: page, anchor and label.
struct Place {
    page: String,
    /// Its anchor without `#`; empty for a page as a whole.
    anchor: String,
    /// The text of a link to it, as Markdown.
    label: String,
}

impl Place {
    fn whole_page(page: &str, label: &str) -> Self {
        Place { page: page.to_string(), anchor: String::new(), label: label.to_string() }
    }

    /// The address of the place, relative to a page.
    fn address(&self, from: &str) -> String {
        let page = if self.page == from { String::new() } else { format!("{}.md", self.page) };
        if self.anchor.is_empty() { page } else { format!("{page}#{}", self.anchor) }
    }
}

/// A part of the reference with a heading or a page of its own.
struct Section<'a> {
    /// The heading without back quotes: `[model]`, `[[row]]` or `model.norm`.
    heading: String,
    /// The path of the section's keys: `model`.
    path: String,
    node: &'a Value,
    is_choice: bool,
}

/// The writer of one page.
struct Writer<'a, 'p> {
    kind: &'a FileKind,
    places: &'p mut BTreeMap<String, Place>,
    /// Name of the page.
    page: String,
    text: String,
}

impl<'a, 'p> Writer<'a, 'p> {
    /// A page called `name`, still empty.
    fn new(kind: &'a FileKind, name: &str, places: &'p mut BTreeMap<String, Place>) -> Self {
        Writer { kind, places, page: name.to_string(), text: String::new() }
    }

    /// Writes the page about `node`, which is at `path` in the file. Returns the sections that need pages of their own.
    fn page(&mut self, title: &str, node: &'a Value, path: &str) -> Vec<Section<'a>> {
        let about = description(node);
        self.text =
            format!("# {title}\n\n{about}\n\n{ORIGIN}; [README.md](README.md) says how to read it.\n");
        let sections = self.keys(node, path);
        let (pages, headings) = sections.into_iter().partition(|section| self.has_own_page(section));
        self.sections(headings, 2);
        pages
    }

    /// Whether a section has a page of its own: each table of a file whose kind has a page per section.
    fn has_own_page(&self, section: &Section) -> bool {
        self.kind.page_per_section && !section.is_choice && !section.path.contains('.')
    }

    /// Writes sections below headings of this level.
    fn sections(&mut self, sections: Vec<Section<'a>>, level: usize) {
        for section in sections {
            self.text += &format!("\n{} `{}`\n", "#".repeat(level), section.heading);
            let about = description(section.node);
            if !about.is_empty() {
                self.text += &format!("\n{about}\n");
            }
            let below = match section.is_choice {
                true => self.values(section.node, &section.path),
                false => self.keys(section.node, &section.path),
            };
            self.sections(below, level + 1);
        }
    }

    /// Writes the table of the keys of `node`, which is a table at `path`. Returns the sections to be described below it.
    fn keys(&mut self, node: &'a Value, path: &str) -> Vec<Section<'a>> {
        let mut below = Vec::new();
        let required: Vec<&str> =
            node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        self.text += "\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
        for (key, schema) in shown_keys(node) {
            let kind = self.kind(schema, &join(path, key), &mut below);
            let default = match schema.get("default") {
                _ if required.contains(&key) => "required".to_string(),
                Some(value) if !value.is_object() => format!("`{value}`"),
                _ => "–".to_string(),
            };
            let own = schema.get("description").is_some();
            let about = description(if own { schema } else { self.resolve(schema).1 });
            let since = schema["x-since"].as_str().map(|version| format!(" Since version {version}."));
            let meaning = cell(&format!("{about}{}", since.unwrap_or_default()));
            self.text += &format!("| `{key}` | {} | {} | {meaning} |\n", cell(&kind), cell(&default));
        }
        if let Some(value) = any_setting(node) {
            let kind = self.kind(value, &join(path, "\"section.key\""), &mut below);
            self.text += &format!(
                "| `\"section.key\"` | {} | – | Any [setting](experiment.md) of an experiment. |\n",
                cell(&kind)
            );
        }
        below
    }

    /// Writes the table of the values of a choice. Returns the sections to be described below it.
    fn values(&mut self, node: &'a Value, path: &str) -> Vec<Section<'a>> {
        let mut below = Vec::new();
        self.text += "\n| value | meaning |\n| --- | --- |\n";
        for branch in branches(node) {
            let about = cell(&description(branch));
            for value in named_values(branch) {
                self.text += &format!("| `{value}` | {about} |\n");
            }
            for (key, schema) in branch["properties"].as_object().into_iter().flatten() {
                let kind = self.kind(schema, &join(path, key), &mut below);
                self.text += &format!("| `{{ {key} = … }}` | {about} The value is: {}. |\n", cell(&kind));
            }
        }
        below
    }

    /// Returns the type of a key in words, and adds to `below` the sections that the words refer to.
    fn kind(&mut self, node: &'a Value, path: &str, below: &mut Vec<Section<'a>>) -> String {
        let (name, schema) = self.resolve(node);
        // The keys of an experiment, in a sweep.
        if let Some(name) = name.filter(|name| name.contains('.')) {
            return if name.ends_with(".values") { "list of its values" } else { "its value" }.to_string();
        }
        if let Some(place) = name.and_then(|name| self.places.get(name)) {
            let link = format!("[{}]({})", place.label, place.address(&self.page));
            return if is_table(schema) {
                format!("table with the keys of {link}")
            } else {
                format!("as {link}")
            };
        }
        if is_choice(schema) {
            if schema.get("oneOf").is_none() {
                return branches(schema)
                    .flat_map(named_values)
                    .map(|value| format!("`{value}`"))
                    .collect::<Vec<_>>()
                    .join(" or ");
            }
            let section = Section { heading: path.into(), path: path.into(), node: schema, is_choice: true };
            return format!("one of [these values]({})", self.describe_below(name, section, below));
        }
        if is_table(schema) {
            let section =
                Section { heading: format!("[{path}]"), path: path.into(), node: schema, is_choice: false };
            return format!("[table]({})", self.describe_below(name, section, below));
        }
        let forms: Vec<&Value> = branches(schema).collect();
        if !forms.is_empty() {
            let kinds: Vec<String> = forms.iter().map(|form| self.kind(form, path, below)).collect();
            return kinds.join(" or ");
        }
        match schema["type"].as_str() {
            Some("integer") => format!("integer{}", bounds(schema)),
            Some("number") => format!("number{}", bounds(schema)),
            Some("boolean") => "`true` or `false`".to_string(),
            Some("string") => "text".to_string(),
            Some("array") => self.list(schema, path, below),
            Some("object") => match schema.get("additionalProperties") {
                Some(values) if values.is_object() => {
                    format!("table whose values are: {}", self.kind(values, path, below))
                }
                _ => "table".to_string(),
            },
            _ => "any value".to_string(),
        }
    }

    fn list(&mut self, schema: &'a Value, path: &str, below: &mut Vec<Section<'a>>) -> String {
        let Some(items) = schema.get("items") else { return "list of values".to_string() };
        let (name, definition) = self.resolve(items);
        let length = match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
            (Some(least), Some(most)) if least == most => format!(" of length {least}"),
            (Some(least), _) if least > 0 => " (not empty)".to_string(),
            _ => String::new(),
        };
        let known = name.is_some_and(|name| self.places.contains_key(name));
        if is_table(definition) && !known {
            let heading = format!("[[{path}]]");
            let section = Section { heading, path: path.into(), node: definition, is_choice: false };
            return format!("list of [tables]({})", self.describe_below(name, section, below));
        }
        match self.kind(items, path, below) {
            kind if kind.starts_with("table with") => format!("list of tables{}", &kind["table".len()..]),
            kind => format!("list{length}: {kind}"),
        }
    }

    /// Adds a section to `below`, to be described below the table that is being written. Returns its address.
    fn describe_below(
        &mut self,
        name: Option<&str>,
        section: Section<'a>,
        below: &mut Vec<Section<'a>>,
    ) -> String {
        let label = format!("`{}`", section.heading);
        let place = match self.has_own_page(&section) {
            true => Place::whole_page(&section.path, &label),
            false => Place { page: self.page.clone(), anchor: anchor(&section.heading), label },
        };
        let address = place.address(&self.page);
        if let Some(name) = name {
            self.places.insert(name.to_string(), place);
        }
        below.push(section);
        address
    }

    /// The schema behind a reference, and its name; else the schema itself.
    fn resolve(&self, node: &'a Value) -> (Option<&'a str>, &'a Value) {
        let found = |name| Some((name, self.kind.schema["definitions"].get(name)?));
        match definition_name(node).and_then(found) {
            Some((name, definition)) => (Some(name), definition),
            None => (None, node),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

/// The anchor that GitHub and most renderers give to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(schema: Value, page_per_section: bool) -> FileKind {
        FileKind { name: "file", files: "files", schema, page_per_section }
    }

    /// The only page of a kind.
    fn page(schema: Value) -> String {
        pages(&[kind(schema, false)]).swap_remove(0).text
    }

    #[test]
    fn a_page_has_tables_and_values_under_the_paths_of_their_keys() {
        let schema = json!({
            "description": "A file.",
            "properties": {
                "size": { "description": "Its\nsize | width.", "type": "integer", "minimum": 1, "default": 3 },
                "part": { "description": "A part.", "allOf": [{ "$ref": "#/definitions/Part" }], "default": {} },
                "again": { "description": "The same.", "type": "array", "items": { "$ref": "#/definitions/Part" } },
            },
            "required": ["size"],
            "definitions": {
                "Part": { "description": "About the part.", "properties": {
                    "norm": { "allOf": [{ "$ref": "#/definitions/Norm" }], "default": "pre", "x-since": "0.2.0" },
                    "name": { "description": "If absent, none.", "type": "string" },
                } },
                "Norm": { "description": "A norm.", "oneOf": [
                    { "const": "pre", "description": "Before.\n\n# Source\nA paper." },
                    { "description": "Of a kind.", "properties": { "kind": { "type": "number" } }, "required": ["kind"] },
                ] },
            },
        });
        let text = page(schema);
        for line in [
            "| `size` | integer ≥ 1 | required | Its size \\| width. |",
            "| `again` | list of [tables](#again) | – | The same. |",
            "| `part` | table with the keys of [`[[again]]`](#again) | – | A part. |",
            "## `[[again]]`\n\nAbout the part.",
            "| `norm` | one of [these values](#againnorm) | `\"pre\"` | A norm. Since version 0.2.0. |",
            "| `name` | text | – | If absent, none. |",
            "### `again.norm`",
            "| `\"pre\"` | Before. Source: A paper. |",
            "| `{ kind = … }` | Of a kind. The value is: number. |",
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
        assert_eq!(text.matches("About the part.").count(), 1, "{text}");
    }

    #[test]
    fn tables_of_settings_show_their_own_words_and_one_line_for_all_settings() {
        let schema = json!({
            "properties": {
                "labels": { "description": "Labels.", "type": "array", "items": { "type": "string" } },
                "model.heads": { "$ref": "#/definitions/model.heads.values" },
                "model": { "properties": {} },
            },
            "definitions": { "model.heads.values": { "type": "array" } },
        });
        let text = page(schema);
        assert!(text.contains("| `labels` | list: text | – | Labels. |"), "{text}");
        assert!(text.contains("| `\"section.key\"` | list of its values |"), "{text}");
        assert!(!text.contains("model"), "{text}");
    }

    #[test]
    fn a_kind_may_have_a_page_for_each_section_and_pages_refer_to_each_other() {
        let part = json!({ "description": "A part.", "properties": {
            "norm": { "description": "A norm.", "allOf": [{ "$ref": "#/definitions/Norm" }] },
        } });
        let norm = json!({ "oneOf": [{ "const": "pre", "description": "Before." }] });
        let section =
            |name: &str| json!({ "description": "Its part.", "$ref": format!("#/definitions/{name}") });
        let split = json!({
            "description": "A file.",
            "properties": { "part": section("Part"), "other": section("Other") },
            "definitions": { "Part": part, "Norm": norm, "Other": { "properties": {} } },
        });
        let whole = json!({ "title": "Whole", "properties": {
            "norm": { "description": "Its norm.", "allOf": [{ "$ref": "#/definitions/Norm" }] },
        }, "definitions": { "Norm": norm } });
        let whole = FileKind { name: "whole", files: "whole files", schema: whole, page_per_section: false };
        let pages = pages(&[kind(split, true), whole]);
        let names: Vec<(&str, Option<&str>)> = pages.iter().map(|page| (&*page.name, page.kind)).collect();
        let of_split = Some("file");
        assert_eq!(
            names,
            [
                ("file", of_split),
                ("other", of_split),
                ("part", of_split),
                ("whole", Some("whole")),
                ("README", None)
            ]
        );
        for (page, line) in [
            (0, "| `part` | [table](part.md) | – | Its part. |"),
            (2, "# `[part]`\n\nA part."),
            (2, "| `norm` | one of [these values](#partnorm) | – | A norm. |"),
            (2, "\n## `part.norm`\n"),
            (3, "| `norm` | as [`part.norm`](part.md#partnorm) | – | Its norm. |"),
            (4, "| [part.md](part.md) | `[part]` of files. Its part. |"),
            (4, "| [whole.md](whole.md) | Keys of whole files."),
        ] {
            assert!(pages[page].text.contains(line), "{line}\nis not in\n{}", pages[page].text);
        }
    }
}
