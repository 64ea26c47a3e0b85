//! Markdown files of the repository, and what stands in their fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the repository is.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the repository")
}

/// Whether pages are to be rewritten with what is true now.
pub(crate) fn refreshing() -> bool {
    std::env::var_os("MOAT_UPDATE_DOCS").is_some()
}

/// One Markdown file.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// What stands behind the opening fence: `yaml`, `yaml profile`, `rule`.
    pub(crate) info: String,
    pub(crate) text: String,
    /// Of its first line, counted from 1.
    pub(crate) line: usize,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Every page that git knows or would take up.
    pub(crate) fn all() -> Vec<Self> {
        files("*.md").iter().map(|name| Self::read(name)).collect()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => {
                    open = Some(Block {
                        info: info.trim().to_owned(),
                        text: String::new(),
                        line: index + 2,
                    });
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.name);
        blocks
    }

    /// The one block with this info.
    pub(crate) fn block(&self, info: &str) -> Block {
        let mut found = self.blocks().into_iter().filter(|block| block.info == info);
        let block = found
            .next()
            .unwrap_or_else(|| panic!("{} has no block `{info}`", self.name));
        assert!(
            found.next().is_none(),
            "{} has two blocks `{info}`",
            self.name
        );
        block
    }

    /// Puts `text` in place of a block's, also in the file.
    pub(crate) fn replace(&mut self, block: &Block, text: &str) {
        let lines: Vec<&str> = self.text.lines().collect();
        let start = block.line - 1;
        let end = start + block.text.lines().count();
        let mut new: Vec<&str> = lines[..start].to_vec();
        new.extend(text.lines());
        new.extend(&lines[end..]);
        self.text = new.join("\n") + "\n";
        fs::write(root().join(&self.name), &self.text).expect("the page can be written");
    }

    /// The text without what stands in fences.
    pub(crate) fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push_str(line);
            }
            prose.push('\n');
        }
        prose
    }

    /// Targets of links with the number of their line.
    fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (index, line) in self.prose().lines().enumerate() {
            let mut rest = line;
            while let Some((_, after)) = rest.split_once("](") {
                let Some((target, after)) = after.split_once(')') else {
                    break;
                };
                links.push((index + 1, target.to_owned()));
                rest = after;
            }
        }
        links
    }

    /// Anchors as GitHub makes them of headings.
    fn anchors(&self) -> Vec<String> {
        let headings = self.prose();
        let headings = headings.lines().filter_map(|line| line.strip_prefix('#'));
        headings
            .map(|heading| {
                let heading = heading.trim_start_matches('#').trim().to_lowercase();
                let kept = heading
                    .chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }
}

/// Files of the repository that match, relative to it.
pub(crate) fn files(pattern: &str) -> Vec<String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            pattern,
        ])
        .current_dir(root())
        .output();
    let listed = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout).expect("names are text")
        }
        other => panic!("git lists the repository's files: {other:?}"),
    };
    let files: Vec<String> = listed
        .lines()
        .filter(|name| root().join(name).exists())
        .map(str::to_owned)
        .collect();
    assert!(!files.is_empty(), "no {pattern}");
    files
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in Page::all() {
        for (line, target) in page.links() {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let directory = Path::new(&page.name)
                .parent()
                .expect("a file is in a directory");
            let path = root().join(directory).join(file);
            let there = file.is_empty() || path.exists();
            let anchored = anchor.is_empty() || !there || {
                let path = if file.is_empty() {
                    root().join(&page.name)
                } else {
                    path
                };
                let name = path.canonicalize().expect("exists");
                let name = name
                    .strip_prefix(root())
                    .expect("links stay inside")
                    .to_string_lossy()
                    .into_owned();
                Page::read(&name)
                    .anchors()
                    .iter()
                    .any(|known| known == anchor)
            };
            if !there || !anchored {
                broken.push(format!("{}:{line}: {target}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn no_page_names_the_machine_it_was_written_on() {
    let home = ["/ho", "me/"].concat();
    for page in Page::all() {
        for word in [root().to_string_lossy().as_ref(), "/tmp/", "/root/", &home] {
            assert!(!page.text.contains(word), "{} names {word}", page.name);
        }
    }
}

#[test]
fn lines_fit_a_terminal() {
    for page in Page::all() {
        for (index, line) in page.prose().lines().enumerate() {
            let long = line.chars().count() > 120 && !line.starts_with('|') && !line.contains("](");
            assert!(
                !long,
                "{}:{} is longer than 120 characters",
                page.name,
                index + 1
            );
        }
    }
}
