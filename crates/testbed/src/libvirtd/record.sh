#!/bin/sh
# A hook that writes down how libvirt called it, in a directory of its own below /run/record, and fails or takes its
# time where the test asks for that. It sees what a real hook would see: its arguments, its input, the host's devices
# and processes.
record=/run/record
object=${0##*/}
operation=$2
began=$(date +%s%N)
call=$record/.$began-$$
mkdir -p "$call"
cat > "$call/input"
printf '%s\n' "$object" "$@" > "$call/arguments"
ip -oneline link > "$call/links"
# With its arguments: a process that is ending has none any more.
pgrep --full --list-full '^[^ ]*qemu-system.* guest=' > "$call/emulators"
if [ -e "$record/pause-$object-$operation" ]; then
    # Time that QEMU spends meanwhile: a virtual machine that boots keeps its virtual CPU busy.
    ticks() { cat $(sed 's,\([0-9]*\) .*,/proc/\1/stat,' "$call/emulators") 2> /dev/null | tail -1 | cut -d' ' -f14; }
    before=$(ticks)
    sleep 0.5
    echo "$(($(ticks) - before))" > "$call/ticks"
fi
echo $(($(date +%s%N) - began)) > "$call/nanoseconds"
# In place only when it is whole.
mv "$call" "$record/$began-$$"
if [ -e "$record/fail-$object-$operation" ]; then
    echo "the test's hook refuses $operation" >&2
    exit 1
fi
