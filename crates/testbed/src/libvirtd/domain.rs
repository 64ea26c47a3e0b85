//! A guest as libvirt's domain XML: a kernel and initial file system booted directly, a serial console in a file, any
//! network interfaces. Knows the elements that tests vary; leaves what runs inside to [`crate::guest`].

use crate::guest::{GuestError, GuestSpec, KERNEL_COMMAND_LINE, kernel_image};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What a guest boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestImage {
    /// The kernel, a file of the machine.
    pub kernel: PathBuf,
    /// The initial file system.
    pub bytes: Vec<u8>,
}

impl GuestImage {
    /// Makes one; takes some 50 ms, so guests that are alike should share it.
    pub fn new(spec: &GuestSpec) -> Result<Self, GuestError> {
        Ok(Self {
            kernel: kernel_image()?,
            bytes: spec.initramfs()?,
        })
    }

    /// Where it is inside a hypervisor: the same at each, as migration needs.
    pub(super) fn path(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        format!("/run/guests/{:016x}.cpio", hasher.finish())
    }
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// What it boots.
    pub image: GuestImage,
    /// Memory in mebibytes; 96 is enough for the kernel and a few programs.
    pub memory: u32,
    /// Its network interfaces, in the order of the guest's `eth0`, `eth1`, ….
    pub interfaces: Vec<Interface>,
    /// XML inside `<metadata>`, namespace declarations included.
    pub metadata: String,
    /// Whether it has a channel for orders, for [`super::Remote`].
    pub control: bool,
}

impl Domain {
    /// A small one.
    pub fn new(name: &str, image: &GuestImage, interfaces: Vec<Interface>) -> Self {
        Self {
            name: name.to_owned(),
            image: image.clone(),
            memory: 96,
            interfaces,
            metadata: String::new(),
            control: false,
        }
    }

    /// The XML that `virsh define` takes.
    pub fn xml(&self) -> String {
        let interfaces: String = self.interfaces.iter().map(Interface::xml).collect();
        let metadata = match self.metadata.as_str() {
            "" => String::new(),
            text => format!("  <metadata>{text}</metadata>\n"),
        };
        let control = match self.control {
            false => String::new(),
            true => format!(
                "    <channel type='unix'><source mode='bind' path='{}'/>\
                 <target type='virtio' name='moat.control'/></channel>\n",
                control_path(&self.name)
            ),
        };
        format!(
            "<domain type='qemu'>
  <name>{name}</name>
{metadata}  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{KERNEL_COMMAND_LINE}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{console}'/></serial>
{control}    <memballoon model='none'/>
{interfaces}  </devices>
</domain>
",
            name = escaped(&self.name),
            memory = self.memory,
            kernel = escaped(&self.image.kernel.to_string_lossy()),
            initrd = self.image.path(),
            console = console_path(&self.name),
        )
    }
}

pub(super) fn console_path(name: &str) -> String {
    format!("/run/guests/{}.console", escaped(name))
}

/// The guest's end of its channel for orders, as a shell's pattern: port 1 of its only virtio-serial device, which has a
/// number among all virtio devices. (A second UART is no good: its
/// interrupts come late by seconds where QEMU emulates everything.)
pub(super) const CONTROL_DEVICE: &str = "/dev/vport*p1";

/// The host's end of it.
pub(super) fn control_path(name: &str) -> String {
    format!("/run/guests/{}.control", escaped(name))
}

/// What a network interface is plugged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A bridge of the host.
    Bridge(String),
    /// A network of libvirt.
    Network {
        /// Its name.
        name: String,
        /// One of its port groups.
        portgroup: Option<String>,
    },
    /// A tap that libvirt makes and leaves alone.
    Ethernet,
    /// A tap that exists already and that libvirt does not make.
    ExistingTap,
    /// macvtap on a device of the host.
    Direct {
        /// The device.
        device: String,
        /// `bridge`, `vepa`, `private` or `passthrough`.
        mode: String,
    },
}

/// A filter of libvirt (nwfilter) with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// Names and values; a name may come several times.
    pub parameters: Vec<(String, String)>,
}

/// A network interface of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// What it is plugged into.
    pub source: Source,
    /// Its MAC.
    pub mac: [u8; 6],
    /// The name of its device on the host; libvirt chooses `vnetN` where there is none, and where it begins with
    /// `vnet`.
    pub target: Option<String>,
    /// Its filter.
    pub filter: Option<Filter>,
    /// More elements, as XML: `<port isolated='yes'/>`, `<vlan>…`, `<bandwidth>…`, `<alias name='ua-…'/>`.
    pub more: String,
}

impl Interface {
    /// One on a bridge of the host.
    pub fn bridge(bridge: &str, mac: [u8; 6]) -> Self {
        Self::on(Source::Bridge(bridge.to_owned()), mac)
    }

    /// One in a network of libvirt.
    pub fn network(name: &str, mac: [u8; 6]) -> Self {
        let source = Source::Network {
            name: name.to_owned(),
            portgroup: None,
        };
        Self::on(source, mac)
    }

    /// One on anything.
    pub fn on(source: Source, mac: [u8; 6]) -> Self {
        Self {
            source,
            mac,
            target: None,
            filter: None,
            more: String::new(),
        }
    }

    /// The XML that a domain contains and `virsh attach-device` takes.
    pub fn xml(&self) -> String {
        let (kind, source) = match &self.source {
            Source::Bridge(name) => {
                let source = format!("<source bridge='{}'/>", escaped(name));
                ("bridge", source)
            }
            Source::Network { name, portgroup } => {
                let group = portgroup.as_deref().map_or_else(String::new, |group| {
                    format!(" portgroup='{}'", escaped(group))
                });
                let source = format!("<source network='{}'{group}/>", escaped(name));
                ("network", source)
            }
            Source::Ethernet | Source::ExistingTap => ("ethernet", String::new()),
            Source::Direct { device, mode } => {
                let source = format!("<source dev='{}' mode='{mode}'/>", escaped(device));
                ("direct", source)
            }
        };
        let managed = match self.source {
            Source::ExistingTap => " managed='no'",
            _ => "",
        };
        let target = match &self.target {
            Some(device) => format!("<target dev='{}'{managed}/>", escaped(device)),
            None => String::new(),
        };
        let filter = self.filter.as_ref().map_or_else(String::new, Filter::xml);
        format!(
            "    <interface type='{kind}'>{source}<mac address='{}'/>{target}<model type='virtio'/>\
             <rom enabled='no'/>{filter}{}</interface>\n",
            mac_text(self.mac),
            self.more
        )
    }
}

impl Filter {
    fn xml(&self) -> String {
        let mut xml = format!("<filterref filter='{}'>", escaped(&self.name));
        for (name, value) in &self.parameters {
            // Writing to a string cannot fail.
            let _ = write!(
                xml,
                "<parameter name='{}' value='{}'/>",
                escaped(name),
                escaped(value)
            );
        }
        xml + "</filterref>"
    }
}

/// A MAC as libvirt writes it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}
