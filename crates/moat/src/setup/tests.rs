//! Files come and go as planned, and nobody else's is touched.

use std::fs;
use std::path::PathBuf;

use super::{MARKER, Plan, PlannedFile, Step};

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moat-setup-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<PlannedFile> {
        ["pre", "post"]
            .map(|name| PlannedFile {
                path: self.0.join("driver").join(name),
                content: format!("#!/bin/sh\n# {MARKER} test`\nexit 0 # {name}\n"),
                mode: 0o755,
            })
            .to_vec()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn steps(files: &[PlannedFile], undo: bool) -> Vec<Step> {
    let plan = Plan::new(files, undo).unwrap();
    plan.steps.iter().map(|(_, step)| *step).collect()
}

#[test]
fn once_is_enough_and_undo_leaves_nothing() {
    let folder = Folder::new("once");
    let files = folder.files();
    assert_eq!(steps(&files, false), [Step::Create; 2]);
    assert!(!folder.0.join("driver").exists(), "a plan does nothing");
    Plan::new(&files, false).unwrap().carry_out().unwrap();
    assert_eq!(
        fs::read_to_string(&files[0].path).unwrap(),
        files[0].content
    );
    assert_eq!(steps(&files, false), [Step::Keep; 2]);

    fs::write(&files[0].path, format!("# {MARKER} an older one`\n")).unwrap();
    assert_eq!(steps(&files, false), [Step::Replace, Step::Keep]);
    Plan::new(&files, false).unwrap().carry_out().unwrap();
    assert_eq!(steps(&files, false), [Step::Keep; 2]);
    assert_eq!(fs::read_dir(folder.0.join("driver")).unwrap().count(), 2);

    assert_eq!(steps(&files, true), [Step::Remove; 2]);
    Plan::new(&files, true).unwrap().carry_out().unwrap();
    assert!(!folder.0.join("driver").exists());
    assert_eq!(steps(&files, true), [Step::Keep; 2]);
}

#[test]
fn what_is_not_ours_stays() {
    let folder = Folder::new("foreign");
    let files = folder.files();
    fs::create_dir_all(folder.0.join("driver")).unwrap();
    fs::write(&files[1].path, "#!/bin/sh\necho theirs\n").unwrap();
    let plan = Plan::new(&files, false).unwrap();
    let error = plan.carry_out().unwrap_err();
    assert!(error.message.contains("post is not moat's"), "{error}");
    assert!(!files[0].path.exists(), "all or none");

    fs::write(&files[0].path, &files[0].content).unwrap();
    Plan::new(&files, true).unwrap().carry_out().unwrap();
    assert!(!files[0].path.exists());
    assert_eq!(
        fs::read_to_string(&files[1].path).unwrap(),
        "#!/bin/sh\necho theirs\n"
    );
}

#[test]
fn a_link_is_somebody_elses() {
    let folder = Folder::new("link");
    let files = folder.files();
    fs::create_dir_all(folder.0.join("driver")).unwrap();
    let target = folder.0.join("target");
    fs::write(&target, &files[0].content).unwrap();
    std::os::unix::fs::symlink(&target, &files[0].path).unwrap();
    assert_eq!(steps(&files, false), [Step::Foreign, Step::Create]);
}
