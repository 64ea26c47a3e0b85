//! What is committed is what is read back: a second plan finds nothing to do (promise 3), and
//! Debian's nft can print it.

use ::datapath::{Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use policy::language::{Source, load};
use testbed::{NamespaceOptions, Switch, SwitchSpec};

const DOCUMENTS: &str = r#"
kind: Host
name: hv-1
bridges: {br0: {uplinks: [vnet3], managed: true}}
---
kind: Network
name: lan
bridge: br0
isolation: private
promiscuous: [52:54:00:00:00:01]
---
kind: Group
name: admins
members: [10.9.0.0/24, 10.10.0.1, "2001:db8:9::/64"]
---
kind: Profile
name: web-server
stateful: preferred
guards: [mac, ipv4, ipv6, arp, nd, no-dhcp-server, no-router-advertisement]
default: {in: drop, out: accept}
tagged: [100-199]
ethertypes: [0x88cc]
rules:
  - accept in http, https
  - accept in ssh from @admins log
  - drop out smtp
  - accept in tcp 8000-8010, 9000 from 10.0.0.0/8, 192.168.1.1-192.168.1.7
  - drop in arp with arp.sender-ip 10.0.0.9
limits: {out: 100mbit, in: 1gbit, out-broadcast: 200pps}
---
kind: Port
name: web-1/0
vm: web-1
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.5, "2001:db8::5"]
network: lan
profiles: [web-server]
---
kind: Port
name: web-2/0
vm: web-2
device: vnet1
mac: 52:54:00:00:00:02
addresses: [10.0.0.6, "2001:db8::6", 10.1.0.0/24]
network: lan
profiles: [web-server]
"#;

#[test]
fn what_is_committed_is_read_back_and_printed() {
    let switch = Switch::with(&SwitchSpec {
        namespace: NamespaceOptions::default(),
        ..SwitchSpec::default()
    })
    .expect("a switch");
    switch.add_ports(0, 4).expect("ports");
    let catalog = load(&[Source::new("test.yaml", DOCUMENTS)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    switch.namespace().run(|| {
        let observed = inventory::observe().expect("interfaces");
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        assert!(program.refused.is_empty(), "{:?}", program.refused);
        let mut datapath = NftablesDatapath::open().expect("netlink");
        let capabilities = datapath.capabilities().expect("capabilities");
        println!("{capabilities:?}");
        let program = resolve(&program, &capabilities).expect("met").program;
        let installed = datapath.read().expect("nothing");
        let change = datapath.plan(&program, &installed);
        datapath.commit(&change).expect("commit");
        let installed = datapath.read().expect("table");
        let again = datapath.plan(&program, &installed);
        let listed = switch
            .namespace()
            .command("nft")
            .args(["list", "table", "bridge", "moat"])
            .output()
            .expect("nft");
        println!("{}", String::from_utf8_lossy(&listed.stdout));
        assert!(again.is_empty(), "{:#?}", again.summary);
        assert!(
            listed.status.success(),
            "{}",
            String::from_utf8_lossy(&listed.stderr)
        );
        datapath.remove().expect("removed");
        assert!(datapath.read().expect("nothing").contents.is_none());
    });
}
