use testbed::guest::GuestSpec;
use testbed::libvirtd::*;

fn mac(n: u8) -> [u8; 6] { [0x52, 0x54, 0, 0, 0, n] }

fn show(title: &str, recorder: &Recorder, xml: bool) {
    println!("=== {title}");
    for call in recorder.take().unwrap() {
        let mut links = String::new();
        for line in call.links.lines() {
            let l: Vec<&str> = line.split_whitespace().collect();
            if ["lo:", "br0:", "outside0@if2:"].contains(&l[1]) || l[1].starts_with("phys") || l[1].starts_with("migr") || l[1].starts_with("upl") { continue }
            links += &format!(" {}{}{}", l[1], if l[2].contains("UP") {"up"} else {"DOWN"}, line.split_whitespace().skip_while(|w| *w != "master").take(2).collect::<Vec<_>>().join("="));
        }
        println!("--- {} [{}] extra={} runs={} ticks={:?} |{links}", call.name(), call.object, call.extra, call.runs("web-1"), call.ticks);
        if xml { println!("{}", call.input); } else {
            let mut on = false;
            let mut text = String::new();
            for line in call.input.lines() {
                if line.contains("<interface") || line.contains("<networkport") { on = true }
                if on && !line.contains("<model") && !line.contains("<rom") && !line.contains("<address") { text += line.trim(); }
                if line.contains("</interface") || line.contains("</networkport") { on = false; text += "\n       "; }
            }
            println!("       {text}");
        }
    }
}
fn host(name: &str) -> Libvirtd {
    let host = Libvirtd::start(&LibvirtdSpec { name: name.into(), hooks: Recorder::hooks(), ..Default::default() }).unwrap();
    for (name, xml) in [("nat", "<network><name>nat</name><forward mode='nat'/><bridge name='virbr0'/><ip address='192.168.100.1' netmask='255.255.255.0'><dhcp><range start='192.168.100.10' end='192.168.100.20'/></dhcp></ip></network>"),
        ("lan", "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/><portgroup name='isolated-2102'/><portgroup name='open' default='yes'/></network>")] {
        host.give_successfully(&["net-define"], xml).unwrap();
        let out = host.virsh(&["net-start", name]).unwrap();
        println!("{name} {out:?}");
    }
    host
}
fn snooze(n: u64) { std::thread::sleep(std::time::Duration::from_millis(n)); }

#[test]
fn explore() {
    let host = host("hv-1");
    let recorder = Recorder::of(&host).unwrap();
    show("net-start", &recorder, true);
    recorder.pause("qemu", "started").unwrap();
    println!("{}", host.run("ip", &["link", "add", "phys0", "type", "veth", "peer", "name", "phys1"]).unwrap());
    host.run("ip", &["link", "set", "phys0", "up"]).unwrap();
    let image = GuestImage::new(&GuestSpec::network(&[])).unwrap();
    let lan = Source::Network { name: "lan".into(), portgroup: Some("isolated-2102".into()) };
    let mut domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", mac(1)), Interface::on(lan.clone(), mac(2)), Interface::network("nat", mac(3)), Interface::on(Source::Ethernet, mac(4)), Interface::on(Source::Direct { device: "phys0".into(), mode: "vepa".into() }, mac(5))]);
    host.define(&domain).unwrap();
    let start = std::time::Instant::now();
    let out = host.virsh(&["start", "web-1"]).unwrap();
    println!("{out:?} {:?}", start.elapsed());
    show("start", &recorder, false);
    let out = host.give(&["attach-device", "--live", "web-1"], &Interface::bridge("br0", mac(9)).xml()).unwrap();
    println!("{out:?}");
    show("attach bridge", &recorder, false);
    let out = host.give(&["attach-device", "--live", "web-1"], &Interface::on(lan.clone(), mac(10)).xml()).unwrap();
    println!("{out:?}");
    show("attach lan", &recorder, false);
    recorder.fail("network", "port-created", true).unwrap();
    let out = host.give(&["attach-device", "--live", "web-1"], &Interface::on(lan.clone(), mac(11)).xml()).unwrap();
    println!("{out:?}");
    show("attach lan fails", &recorder, false);
    recorder.fail("network", "port-created", false).unwrap();
    let out = host.give(&["attach-device", "--live", "web-1"], &Interface::on(Source::Direct { device: "phys0".into(), mode: "vepa".into() }, mac(12)).xml()).unwrap();
    println!("{out:?}");
    show("attach direct", &recorder, false);
    host.await_console("web-1", "command starts").unwrap();
    snooze(1000);
    let out = host.give(&["detach-device", "--live", "web-1"], &Interface::on(lan.clone(), mac(10)).xml()).unwrap();
    println!("{out:?}");
    snooze(500);
    show("detach lan", &recorder, false);
    let xml = host.ask(&["dumpxml", "web-1"]).unwrap();
    println!("{xml}");
    // update: nic 1 from lan to nat?
    let i = xml.find("<mac address='52:54:00:00:00:01'/>").unwrap();
    let i = xml[..i].rfind("<interface").unwrap();
    let j = xml[i..].find("</interface>").unwrap();
    let nic = &xml[i..i + j + 12];
    let out = host.give(&["update-device", "--live", "web-1"], &nic.replace("<model", "<link state='down'/><model")).unwrap();
    println!("{out:?}");
    show("update link", &recorder, false);
    let out = host.give(&["update-device", "--live", "web-1"], &nic.replace("<model", "<filterref filter='clean-traffic'/><model")).unwrap();
    println!("{out:?}");
    show("update filterref", &recorder, false);
    host.run("ip", &["link", "add", "br9", "type", "bridge"]).unwrap();
    let out = host.give(&["update-device", "--live", "web-1"], &nic.replace("'br0'", "'br9'")).unwrap();
    println!("{out:?} {}", host.run("ip", &["-o", "link", "show", "vnet0"]).unwrap());
    show("update bridge", &recorder, false);
    let i = xml.find("<mac address='52:54:00:00:00:02'/>").unwrap();
    let i = xml[..i].rfind("<interface").unwrap();
    let j = xml[i..].find("</interface>").unwrap();
    let nic = &xml[i..i + j + 12];
    let nic = nic.replace("isolated-2102", "open");
    let out = host.give(&["update-device", "--live", "web-1"], &nic).unwrap();
    println!("{out:?}");
    show("update portgroup", &recorder, false);
    println!("{:?}", host.virsh(&["metadata", "web-1", "http://example.org/x", "--live", "--key", "x", "--set", "<p/>"]).unwrap());
    println!("{:?}", host.virsh(&["suspend", "web-1"]).unwrap());
    println!("{:?}", host.virsh(&["resume", "web-1"]).unwrap());
    show("metadata suspend resume", &recorder, false);
    println!("{:?}", host.virsh(&["net-update", "lan", "add", "portgroup", "<portgroup name='x'/>", "--live"]).unwrap());
    show("net-update", &recorder, true);
    host.restart_daemon().unwrap();
    snooze(1000);
    show("restart", &recorder, false);
    host.kill_emulator("web-1").unwrap();
    snooze(500);
    println!("{}", host.ask(&["domstate", "--reason", "web-1"]).unwrap());
    show("killed", &recorder, false);
    for op in ["prepare", "start", "started"] {
        recorder.fail("qemu", op, true).unwrap();
        println!("{:?}", host.virsh(&["start", "web-1"]).unwrap());
        show(&format!("{op} fails"), &recorder, false);
        recorder.fail("qemu", op, false).unwrap();
    }
    recorder.fail("network", "port-created", true).unwrap();
    println!("{:?}", host.virsh(&["start", "web-1"]).unwrap());
    show("port-created fails", &recorder, false);
    recorder.fail("network", "port-created", false).unwrap();
    println!("{:?}", host.virsh(&["net-destroy", "lan"]).unwrap());
    show("net-destroy", &recorder, true);
    println!("{:?}", host.virsh(&["net-start", "lan"]).unwrap());
    recorder.take().unwrap();
    domain.interfaces.truncate(4);
    host.define(&domain).unwrap_err();
    host.ask(&["undefine", "web-1"]).unwrap();
    host.define(&domain).unwrap();
    host.boot("web-1").unwrap();
    recorder.take().unwrap();
    println!("{:?}", host.virsh(&["managedsave", "web-1"]).unwrap());
    show("save", &recorder, false);
    recorder.pause("qemu", "restore").unwrap();
    println!("{:?}", host.virsh(&["start", "web-1"]).unwrap());
    show("restore", &recorder, false);
    host.stop_daemon().unwrap();
    recorder.fail("qemu", "reconnect", true).unwrap();
    host.start_daemon().unwrap();
    snooze(1000);
    show("reconnect fails", &recorder, false);
    println!("{:?}", host.virsh(&["domstate", "--reason", "web-1"]).unwrap());
}
#[test]
fn migrate() {
    let (one, other) = (host("hv-1"), host("hv-2"));
    connect(&one, &other).unwrap();
    let (r1, r2) = (Recorder::of(&one).unwrap(), Recorder::of(&other).unwrap());
    let image = GuestImage::new(&GuestSpec::network(&[])).unwrap();
    let lan = Source::Network { name: "lan".into(), portgroup: Some("isolated-2102".into()) };
    let domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", mac(1)), Interface::on(lan.clone(), mac(2)), Interface::network("nat", mac(3)), Interface::on(Source::Ethernet, mac(4))]);
    one.define(&domain).unwrap();
    other.provide(&image).unwrap();
    one.boot("web-1").unwrap();
    r1.take().unwrap(); r2.take().unwrap();
    for op in ["migrate", "prepare", "start", "started"] {
        r2.fail("qemu", op, true).unwrap();
        println!("{:?}", one.migrate("web-1", &other, &[]).unwrap().wait().unwrap());
        show(&format!("target {op} fails: source"), &r1, false);
        show(&format!("target {op} fails: target"), &r2, false);
        r2.fail("qemu", op, false).unwrap();
        println!("{:?} {:?}", one.virsh(&["domstate", "web-1"]).unwrap(), other.virsh(&["domstate", "web-1"]).unwrap());
    }
    if !one.ask(&["domstate", "web-1"]).unwrap().contains("running") { one.virsh(&["start", "web-1"]).unwrap(); }
    r1.take().unwrap(); r2.take().unwrap();
    let m = one.migrate("web-1", &other, &["--bandwidth", "1"]).unwrap();
    one.await_migration("web-1").unwrap();
    show("under way: source", &r1, false);
    show("under way: target", &r2, false);
    one.cancel("web-1").unwrap();
    println!("{:?}", m.wait().unwrap());
    show("cancelled: source", &r1, false);
    show("cancelled: target", &r2, false);
    let m = one.migrate("web-1", &other, &["--bandwidth", "1"]).unwrap();
    one.await_migration("web-1").unwrap();
    r1.take().unwrap(); r2.take().unwrap();
    other.kill_emulator("web-1").unwrap();
    println!("{:?}", m.wait().unwrap());
    show("target killed: source", &r1, false);
    show("target killed: target", &r2, false);
    println!("{:?}", one.ask(&["domstate", "web-1"]).unwrap());
    println!("{:?}", one.migrate("web-1", &other, &[]).unwrap().wait().unwrap());
    show("success: source", &r1, false);
    show("success: target", &r2, false);
}
