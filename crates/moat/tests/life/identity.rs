//! A guest changes its own MAC, and changes it back.

use testbed::RawPort;
use testbed::guest::GuestSpec;
use testbed::libvirtd::{Domain, GuestImage, Interface, mac_text};

use crate::documents::{guarded, host, mac, metadata};
use crate::host::{Host, await_until};

const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 66];

/// A guest that asks for a neighbour all the time, and has another MAC while the cable of its second interface is out.
fn guest() -> Domain {
    let (own, other) = (mac_text(mac(1)), mac_text(OTHER));
    let script = format!(
        "ip link set eth1 up; ip address add 10.0.0.1/24 dev eth0; ip link set eth0 up
        while :; do
            case $(cat /sys/class/net/eth1/carrier) in 0) wanted={other};; *) wanted={own};; esac
            [ $wanted = $(cat /sys/class/net/eth0/address) ] || ip link set eth0 address $wanted
            ping -c 1 -W 1 10.0.0.254
        done"
    );
    let spec = GuestSpec {
        command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        early: Vec::new(),
        ..GuestSpec::network(&[])
    };
    let image = GuestImage::new(&spec).expect("an image");
    let interfaces = [1, 2].map(|number| Interface::bridge("br0", mac(number)));
    let mut domain = Domain::new("web-1", &image, interfaces.to_vec());
    domain.metadata = metadata(&[(1, Some("guarded")), (2, Some("guarded"))]);
    domain
}

/// Waits for something that the guest sends from `mac`; whether anything came from the other one meanwhile.
fn await_sender(wire: &mut RawPort, mac: [u8; 6]) -> bool {
    let (mut came, mut others) = (false, false);
    await_until("the guest's frames", || {
        for frame in wire.drain().expect("frames") {
            came |= frame.get(6..12) == Some(&mac);
            others |= frame.get(6..12) == Some(&OTHER) && mac != OTHER;
        }
        came
    });
    others
}

#[test]
fn a_guest_with_another_mac_is_mute_until_it_has_its_own_again() {
    let documents = host("hv-1", 1, "") + &guarded("guarded", "");
    let host = Host::with_moat("hv-1", 1, &documents);
    host.libvirt.define(&guest()).expect("a guest");
    let mut outside = host.outside[0].open().expect("a wire");
    host.libvirt.boot("web-1").expect("a start");
    assert!(!await_sender(&mut outside, mac(1)));
    let device = host.device("web-1", mac(1));
    let cable = host.device("web-1", mac(2));
    let switch = host.libvirt.switch();
    let index = switch.links().find(&device).expect("a tap").index;
    let mut tap = RawPort::open(switch.namespace(), &device, index).expect("a tap");

    let pull = |state: &str| {
        host.libvirt
            .ask(&["domif-setlink", "web-1", &cable, state])
            .expect("a cable");
    };
    pull("down");
    // Twice, and the first time what was under way before may come too.
    await_sender(&mut tap, OTHER);
    outside.drain().expect("frames");
    await_sender(&mut tap, OTHER);
    let passed = outside.drain().expect("frames");
    let from_guest = |frame: &&Vec<u8>| frame.get(6..10) == Some(&[0x52, 0x54, 0, 0]);
    assert_eq!(passed.iter().filter(from_guest).count(), 0);
    assert_ne!(host.port("web-1/0")["forged"], 0);
    pull("up");
    assert!(!await_sender(&mut outside, mac(1)));
    assert_eq!(host.port("web-1/0")["state"], "enforced");
}
