//! The cpio format that Linux unpacks into its first root directory ("newc", initramfs-buffer-format.rst).
//! Knows the format only.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// An archive being written; parent directories are added as needed.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    paths: BTreeSet<String>,
}

impl Archive {
    /// Adds a file; the first one of a path wins, which returns false for the others.
    pub(super) fn file(&mut self, path: &str, contents: &[u8], executable: bool) -> bool {
        let permissions = if executable { 0o755 } else { 0o644 };
        self.entry(path, REGULAR | permissions, (0, 0), contents)
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> bool {
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, path: &str) -> bool {
        self.entry(path, DIRECTORY | 0o755, (0, 0), &[])
    }

    /// Adds a character device.
    pub(super) fn character_device(&mut self, path: &str, number: (u32, u32)) -> bool {
        self.entry(path, CHARACTER | 0o600, number, &[])
    }

    /// Whether something was added under `path`.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.paths.contains(path.trim_start_matches('/'))
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.write("TRAILER!!!", 0, 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, number: (u32, u32), contents: &[u8]) -> bool {
        let path = path.trim_matches('/');
        if path.is_empty() || self.paths.contains(path) {
            return false;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.paths.insert(path.to_owned());
        // Different inode numbers, or the kernel would take files for hard links of one another.
        let inode = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        self.write(path, inode, mode, number, contents);
        true
    }

    fn write(&mut self, path: &str, inode: u32, mode: u32, number: (u32, u32), contents: &[u8]) {
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let fields = [
            inode,
            mode,
            0,
            0,
            1,
            0,
            length(contents.len()),
            0,
            0,
            number.0,
            number.1,
            length(path.len().saturating_add(1)),
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests;
