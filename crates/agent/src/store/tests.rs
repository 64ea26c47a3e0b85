use super::*;

fn said(vm: &str) -> Said {
    Said {
        source: "moat port".to_owned(),
        vm: vm.to_owned(),
        request: Request::Unclaim {
            port: vm.to_owned(),
        },
        released: false,
    }
}

#[test]
fn what_was_let_go_stays_let_go_and_what_was_half_written_goes() {
    let folder = std::env::temp_dir().join(format!("moat-store-{}", std::process::id()));
    let open = || Store::open(&folder.join("lasting"), &folder.join("volatile"));
    let store = open().expect("folders");
    store.keep_said(&said("web-1/0")).expect("a file");
    store.release_said("moat port", "web-1/0").expect("a file");
    store.release_said("moat port", "unknown").expect("nothing");
    let unfinished = folder.join("volatile/claims/half.new");
    fs::write(&unfinished, "{").expect("a file");
    let store = open().expect("folders");
    assert!(!unfinished.exists());
    let (known, unreadable) = store.said().expect("a list");
    assert!(unreadable.is_empty());
    assert!(known.iter().all(|one| one.released) && known.len() == 1);
    fs::remove_dir_all(folder).expect("it goes");
}
