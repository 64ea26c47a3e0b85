//! Convergence under faults, against the real kernel: whatever fails, the table is as one of the
//! programs says, and the next run converges (promises 1 and 2).

use ::datapath::{Datapath, DatapathError, Faulty, Step, converge};
use datapath_nftables::NftablesDatapath;
use policy::HostProgram;
use policy::language::{Source, load};
use testbed::Switch;

fn program(switch: &Switch, verdict: &str) -> HostProgram {
    let documents = format!(
        "kind: Network\nname: lan\nbridge: br0\n---\nkind: Profile\nname: p\nstateful: off\n\
         rules: [{verdict} in tcp 80]\n---\nkind: Port\nname: vm/0\ndevice: vnet0\n\
         mac: 52:54:00:00:00:01\nnetwork: lan\nprofiles: [p]\n"
    );
    let catalog = load(&[Source::new("test.yaml", documents)]).expect("documents");
    let observed = switch
        .namespace()
        .run(inventory::observe)
        .expect("interfaces");
    policy::compile(&catalog, None, &observed).expect("a program")
}

#[test]
fn a_fault_at_any_step_leaves_the_old_table_or_the_new_one() {
    let switch = Switch::new().expect("a switch");
    switch.add_ports(0, 1).expect("ports");
    let (old, new) = (program(&switch, "accept"), program(&switch, "drop"));
    switch.namespace().run(|| {
        let mut plain = NftablesDatapath::open().expect("netlink");
        plain.capabilities().expect("capabilities");
        for step in [Step::Read, Step::Commit, Step::Committed] {
            converge(&mut plain, &old).expect("the old program");
            let mut inner = NftablesDatapath::open().expect("netlink");
            inner.capabilities().expect("capabilities");
            let fault =
                |at| (at == step).then(|| DatapathError::Unreachable("injected".to_owned()));
            let mut faulty = Faulty::new(inner, fault);
            assert!(converge(&mut faulty, &new).is_err(), "{step:?}");
            let installed = plain.read().expect("a table");
            let is = |program| NftablesDatapath::is_nothing(&plain.plan(program, &installed));
            assert!(
                is(&old) != is(&new),
                "{step:?}: neither the old table nor the new"
            );
            let converged = converge(&mut plain, &new).expect("the next run");
            assert!(NftablesDatapath::is_nothing(
                &plain.plan(&new, &converged.installed)
            ));
        }
    });
}

#[test]
fn a_switch_that_others_change_is_planned_again() {
    let switch = Switch::new().expect("a switch");
    switch.add_ports(0, 1).expect("ports");
    let program = program(&switch, "accept");
    switch.namespace().run(|| {
        let mut inner = NftablesDatapath::open().expect("netlink");
        inner.capabilities().expect("capabilities");
        let mut disturbances = 3;
        let mut disturbed = Faulty::new(inner, |step| {
            if step == Step::Commit && disturbances > 0 {
                disturbances -= 1;
                let add =
                    ["add", "table", "inet", &format!("other{disturbances}")].map(str::to_owned);
                let added = switch
                    .namespace()
                    .command("nft")
                    .args(add)
                    .status()
                    .expect("nft");
                assert!(added.success());
            }
            None
        });
        let converged = converge(&mut disturbed, &program).expect("a quiet moment");
        assert_eq!(converged.retries, 3);
        assert!(converged.change.is_some());
    });
}
