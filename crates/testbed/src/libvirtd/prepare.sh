# The first process of a throw-away hypervisor: a private view of the machine for libvirt, then nothing until the test
# closes its input. It runs in namespaces of its own for mounts, processes, network and the machine's name.
# Arguments: the hypervisor's name, its UUID.
set -e
mount --make-rprivate /
# The old /proc still shows the machine's own number for this process, which the test needs to find it.
read -r number _ < /proc/self/stat
hostname "$1"
mount -t proc proc /proc
# sysfs shows the network namespace of whoever mounts it, and libvirt asks it about bridges.
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
for tree in etc var; do
    mkdir -p "/run/.upper/$tree" "/run/.work/$tree"
    mount -t overlay -o "lowerdir=/$tree,upperdir=/run/.upper/$tree,workdir=/run/.work/$tree" overlay "/$tree"
done
mkdir -p /run/lock /run/libvirt /run/guests /var/log/libvirt/qemu
rm -rf /etc/libvirt/hooks /etc/libvirt/qemu /var/lib/libvirt
mkdir -p /etc/libvirt/hooks /var/lib/libvirt
# Networks and guests of this machine, if it has any, are none of the test's.
[ -d /etc/libvirt/nwfilter ] || mkdir /etc/libvirt/nwfilter
# Debian's packages of the daemon look the user up even where the configuration names another.
getent passwd libvirt-qemu > /dev/null || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >> /etc/passwd
getent group libvirt-qemu > /dev/null || echo 'libvirt-qemu:x:64055:' >> /etc/group
getent group kvm > /dev/null || echo 'kvm:x:64056:' >> /etc/group
cat > /etc/libvirt/libvirtd.conf <<END
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "$2"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
END
cat > /etc/libvirt/qemu.conf <<END
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
END
# Processes whose parents are gone become children of this one: ignoring the signal makes the kernel bury them.
# (bash only: dash accepts the line and does not ignore it.) Where they stay, libvirt waits for their end in vain.
trap '' CHLD
echo "$number"
exec cat > /dev/null
