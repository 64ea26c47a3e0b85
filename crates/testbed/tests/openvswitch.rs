//! A throw-away Open vSwitch starts, answers, survives a crash of its parts and leaves nothing behind.

use testbed::openvswitch::{Daemon, OpenVSwitch};

#[test]
fn it_lives_and_ends_with_its_owner() {
    let mut switch = OpenVSwitch::start().expect("start");
    switch.add_bridge("br0").expect("bridge");
    switch
        .ofctl(&["add-flow", "br0", "priority=7,actions=drop"])
        .expect("add");
    let flows = switch.ofctl(&["dump-flows", "br0"]).expect("dump");
    assert!(flows.contains("priority=7"), "{flows}");
    assert!(
        switch
            .appctl(&["ofproto/list"])
            .expect("appctl")
            .contains("br0")
    );

    switch.kill(Daemon::Switch);
    assert_eq!(switch.process(Daemon::Switch), None);
    switch.start_daemon(Daemon::Switch).expect("restart");
    let flows = switch.ofctl(&["dump-flows", "br0"]).expect("dump");
    assert!(
        !flows.contains("priority=7"),
        "a restart forgets every flow: {flows}"
    );

    let (directory, process) = (
        switch.directory().to_owned(),
        switch.process(Daemon::Switch),
    );
    drop(switch);
    assert!(!directory.exists());
    let process = process.expect("it ran");
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}
