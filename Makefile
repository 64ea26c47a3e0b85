# Each target is a script in scripts/; read that for what it does. All of them work from a fresh clone, install
# what is missing from the distribution's packages (a Rust toolchain is assumed), and clean up after themselves.

.PHONY: help demo test bench package install-deps

help:
	@echo 'make demo          two hosts, eight VMs: who reaches whom, before and after moat'
	@echo '                   with GUESTS=qemu: real guests under a real libvirt, in some minutes'
	@echo 'make test          everything, from formatting to tests with a real kernel'
	@echo 'make bench         how fast it is, beside the tools of today'
	@echo 'make package       a Debian package with the service, manual pages and completions'
	@echo 'make install-deps  install what the others need, and no more'

demo:
	@scripts/demo

test:
	@scripts/test

bench:
	@scripts/bench

package:
	@scripts/package

install-deps:
	@scripts/dependencies demo test bench
