//! `moat import`: profiles on standard output, words on standard error, and codes that say which.

use crate::host::{folder, moat};

const CLEAN: &str = "<filter name='clean'>
  <filterref filter='own-mac'/>
  <rule action='accept' direction='in'><tcp dstportstart='$SSH'/></rule>
  <rule action='drop' direction='in' priority='1000'><all/></rule>
</filter>";
const OWN_MAC: &str = "<filter name='own-mac' chain='mac'>
  <rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>
  <rule action='drop' direction='out'/>
</filter>";
const COUNTING: &str = "<filter name='counting'>
  <rule action='accept' direction='in'><tcp connlimit-above='3'/></rule>
</filter>";

#[test]
fn filters_of_a_folder_become_documents_that_load() {
    let folder = folder();
    std::fs::write(folder.join("clean.xml"), CLEAN).expect("a file");
    std::fs::write(folder.join("own-mac.xml"), OWN_MAC).expect("a file");
    std::fs::write(folder.join("README"), "not a filter").expect("a file");
    let path = folder.to_str().expect("text");
    let run = moat(&["import", "nwfilter", path]).ends(0);
    assert!(
        run.stdout.contains("name: nwfilter/clean"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("guards: [mac]"), "{}", run.stdout);
    assert!(
        run.stderr.contains("note: clean: ports must define $SSH"),
        "{}",
        run.stderr
    );
    let file = folder.join("documents.yaml");
    std::fs::write(&file, &run.stdout).expect("a file");
    let check = moat(&["check", file.to_str().expect("text")]).ends(0);
    assert!(check.stdout.contains("2 profiles"), "{}", check.stdout);
    let run = moat(&["import", "nwfilter", path, "--json", "--filter", "clean"]).ends(0);
    assert_eq!(run.json()["filters"][0]["profile"], "nwfilter/clean");
    assert_eq!(run.json()["filters"][0]["variables"][0], "SSH");
}

#[test]
fn what_cannot_be_said_is_refused_and_the_rest_is_written() {
    let folder = folder();
    std::fs::write(folder.join("counting.xml"), COUNTING).expect("a file");
    std::fs::write(folder.join("own-mac.xml"), OWN_MAC).expect("a file");
    let path = folder.to_str().expect("text");
    let output = folder.join("out");
    let out = output.to_str().expect("text");
    let run = moat(&["import", "nwfilter", path, "--output", out]).ends(1);
    assert!(
        run.stderr.contains("counting.xml:2:45: `connlimit-above`"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("1 filter converted, 1 refused."),
        "{}",
        run.stderr
    );
    let written = output.join("nwfilter-own-mac.yaml");
    moat(&["check", written.to_str().expect("text")]).ends(0);
    // Again is no change; what somebody edited stays.
    moat(&["import", "nwfilter", path, "--output", out]).ends(1);
    std::fs::write(&written, "kind: Profile\nname: mine\n").expect("a file");
    let run = moat(&["import", "nwfilter", path, "--output", out]).ends(2);
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    moat(&["import", "nwfilter", path, "--output", out, "--force"]).ends(1);
}

#[test]
fn a_wrong_filter_names_its_place() {
    let folder = folder();
    let file = folder.join("wrong.xml");
    let text = OWN_MAC.replace("srcmacaddr", "scrmacaddr");
    std::fs::write(&file, text).expect("a file");
    let run = moat(&["import", "nwfilter", file.to_str().expect("text")]).ends(2);
    assert!(run.stderr.contains("wrong.xml:2:46"), "{}", run.stderr);
    assert!(
        run.stderr.contains("did you mean `srcmacaddr`?"),
        "{}",
        run.stderr
    );
    moat(&["import", "nwfilter", "/nowhere.xml"]).ends(2);
}
