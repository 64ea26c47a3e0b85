//! Live migration: which hooks both sides call, when it succeeds and when it does not.

use super::{BRIDGE, GUEST, LAN, guest, host, recorder};
use crate::table::{check, keep, table};
use testbed::libvirtd::{Libvirtd, Recorder, connect};

const COLUMNS: [super::Column; 2] = [BRIDGE, LAN];

fn scene(name: &str, source: &Recorder<'_>, target: &Recorder<'_>) {
    for (side, recorder) in [("source", source), ("target", target)] {
        let calls = recorder.take().expect("calls");
        check(&format!("{name}: {side}"), &table(&calls, &COLUMNS));
        if name == "migration" {
            keep(&calls, &format!("{name}-{side}"));
        }
    }
}

fn state(host: &Libvirtd) -> String {
    let said = host.virsh(&["domstate", GUEST]).expect("virsh");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

#[test]
fn a_guest_migrates() {
    let (one, other) = (host("hv-1"), host("hv-2"));
    connect(&one, &other).expect("connected");
    let domain = guest(&COLUMNS);
    one.define(&domain).expect("a guest");
    other.provide(&domain.image).expect("an image");
    one.boot(GUEST).expect("a start");
    let (source, target) = (recorder(&one), recorder(&other));
    for recorder in [&source, &target] {
        recorder.take().expect("calls");
    }
    let stays = || {
        assert_eq!(
            (state(&one).as_str(), state(&other).as_str()),
            ("running", "")
        )
    };

    for operation in ["migrate", "start"] {
        target.fail("qemu", operation, true).expect("a mark");
        let migration = one.migrate(GUEST, &other, &[]).expect("begun");
        super::refused(migration.wait().expect("an end"), operation);
        target.fail("qemu", operation, false).expect("no mark");
        scene(&format!("migration, {operation} refused"), &source, &target);
        stays();
    }

    target.pause("qemu", "started").expect("a pause");
    let slow = ["--bandwidth", "1"];
    let migration = one.migrate(GUEST, &other, &slow).expect("begun");
    one.await_migration(GUEST).expect("under way");
    scene("migration under way", &source, &target);
    one.cancel(GUEST).expect("cancelled");
    assert!(!migration.wait().expect("an end").status.success());
    scene("migration cancelled", &source, &target);
    stays();

    let migration = one.migrate(GUEST, &other, &slow).expect("begun");
    one.await_migration(GUEST).expect("under way");
    target.take().expect("calls");
    other.kill_emulator(GUEST).expect("a crash");
    assert!(!migration.wait().expect("an end").status.success());
    scene("migration, target killed", &source, &target);
    stays();

    let migration = one.migrate(GUEST, &other, &[]).expect("begun");
    let said = migration.wait().expect("an end");
    assert!(said.status.success(), "{said:?}");
    scene("migration", &source, &target);
    assert_eq!(
        (state(&one).as_str(), state(&other).as_str()),
        ("shut off", "running")
    );
}
