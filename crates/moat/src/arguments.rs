//! The command line as people type it: commands, what they take, examples. What they do is left to
//! a module each.

use clap::{Parser, Subcommand};

use crate::output::Color;
use crate::{
    change, check, confirm, doctor, drift, guard, guardian, hook, import, lab, openflow, port,
    reference, serve, setup, stats, status, tls, trace, watch,
};

/// A moat around every virtual machine: security profiles for the ports of Linux bridges.
#[derive(Parser, Debug)]
#[command(
    name = "moat",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  moat check examples/01-one-vm.yaml        are the documents right?
  sudo moat plan examples/01-one-vm.yaml    what would change, and for whom?
  sudo moat apply examples/01-one-vm.yaml   do it
  moat trace examples/01-one-vm.yaml --port web-1/0 out 'tcp 10.0.0.5:40000 > 10.0.0.9:80'
                                            what happens to this frame, and why?

Exit codes, of every command:
  0  all is as it should be
  1  the switch or the documents are not as they should be: findings, differences, refusals
  2  the command line or the documents are wrong; nothing was changed
  3  the system refused: permissions, the kernel; nothing was changed"
)]
pub(crate) struct Cli {
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Say whether documents are right, with every error at its place
    #[command(after_help = "\
Examples:
  moat check policy.yaml
  moat check /etc/moat
  generate-policy | moat check - --json

Exit codes: 0 right, 2 wrong (all errors of all files are shown).")]
    Check(check::CheckArguments),

    /// Find what is allowed but hardly meant: rules that never decide, names never used, open ports
    #[command(after_help = "\
Examples:
  moat lint /etc/moat
  moat lint /etc/moat --json

Exit codes: 0 nothing but notes, 1 errors or warnings, 2 the documents are wrong.")]
    Lint(check::LintArguments),

    /// Show what an apply would change in the switch, and what that means; change nothing
    #[command(after_help = "\
Examples:
  sudo moat plan /etc/moat
  sudo moat plan /etc/moat --host hv-1 --json

Exit codes: 0 it can be carried out, 1 the kernel lacks something or a port is refused, 2 the documents
are wrong, 3 the system refused.")]
    Plan(change::PlanArguments),

    /// Bring the switch to what documents say, in one transaction
    #[command(after_help = "\
Examples:
  sudo moat apply /etc/moat
  sudo moat apply /etc/moat --confirm 60s     goes back by itself unless confirmed
  sudo moat apply /etc/moat --dry-run         the same as moat plan

Only the difference is written; where there is none, nothing is. What was in force stays in force
when anything fails.

Exit codes: 0 done, 1 refused, partly refused, or gone back, 2 the documents are wrong, 3 the system
refused.")]
    Apply(change::ApplyArguments),

    /// Keep a change that waits for confirmation, or go back
    #[command(after_help = "\
Examples:
  sudo moat confirm              keep what `moat apply --confirm` changed
  sudo moat confirm --revert     go back now

Exit codes: 0 done, 1 nothing waits for confirmation, 3 the system refused.")]
    Confirm(confirm::ConfirmArguments),

    /// Show what is enforced, port by port, with drops
    #[command(after_help = "\
Examples:
  sudo moat status                 what the switch enforces, from the switch alone
  sudo moat status /etc/moat       beside what documents want

Exit codes: 0 as it should be, 1 a port that should be enforced is not, 2 the documents are wrong,
3 the system refused.")]
    Status(status::StatusArguments),

    /// List ports with device, network, addresses, profile and state
    #[command(after_help = "\
Examples:
  sudo moat ports                  ports that the switch enforces
  sudo moat ports /etc/moat        declared ports, and where they stand

Exit codes: 0 all that can be enforced here are, 1 some are refused or not applied, 2 the documents
are wrong, 3 the system refused.")]
    Ports(status::PortsArguments),

    /// Say what happens to a frame, stage by stage, and which rule decides
    #[command(after_help = "\
Examples:
  moat trace examples/01-one-vm.yaml --port web-1/0 out 'tcp 10.0.0.5:40000 > 10.0.0.9:80'
  moat trace examples/01-one-vm.yaml --port web-1/0 in 'icmp 10.0.0.9 > 10.0.0.5' --state established
  moat trace examples/01-one-vm.yaml --port web-1/0 out 'arp reply 10.0.0.1 > 10.0.0.9'
  moat trace examples/01-one-vm.yaml --port web-1/0 out --pcap capture.pcap
  sudo moat trace /etc/moat --live --port web-1/0 out 'udp 10.0.0.5:5000 > 10.0.0.9:53'

Nothing is sent. --live asks the ruleset that the kernel holds, and says whether both agree.

Frames: tcp|udp|sctp A:P > B:P [flags F], icmp A > B [type N code N], ip proto N A > B,
arp request|reply A > B [sender MAC], ns|na|rs|ra A [target T], dhcp discover|offer|…, ether 0xN;
after any: mac SRC > DST, vlan N, fragment N.

Exit codes: 0 every frame passes, 1 a frame does not (or --live disagrees), 2 the documents or the
frame are wrong, 3 the system refused.")]
    Trace(Box<trace::TraceArguments>),

    /// Compare what is declared, compiled and installed
    #[command(after_help = "\
Examples:
  sudo moat diff /etc/moat
  sudo moat diff /etc/moat --json

Exit codes: 0 all the same, 1 something differs or a port is refused, 2 the documents are wrong,
3 the system refused.")]
    Diff(drift::DiffArguments),

    /// Keep the switch as documents say: mend at once what somebody else changes
    #[command(
        visible_alias = "mend",
        after_help = "\
Examples:
  sudo moat guard /etc/moat              until Ctrl-C, which leaves everything in force
  sudo moat guard /etc/moat --once       until something had to be mended
  sudo moat guard /etc/moat --for 1h --json

Interfaces that come and go are followed, too. What others do in their own tables is not touched.

Exit codes: 0 the time is over, 1 refused, 2 the documents are wrong, 3 the system refused."
    )]
    Guard(guard::GuardArguments),

    /// Show frames that are dropped or logged, as it happens, with the rule behind each
    #[command(after_help = "\
Examples:
  sudo moat watch
  sudo moat watch --port web-1/0 --count 10
  sudo moat watch --for 10s --json

Times are UTC. Exit codes: 0 the count or time is over, 3 the system refused.")]
    Watch(watch::WatchArguments),

    /// Show what rules and ports have counted
    #[command(after_help = "\
Examples:
  sudo moat stats
  sudo moat stats --all --json

Exit codes: 0 shown, 1 nothing is in force, 3 the system refused.")]
    Stats(stats::StatsArguments),

    /// Say what this kernel and this process can do, and what else filters here
    #[command(after_help = "\
Examples:
  sudo moat doctor
  sudo moat doctor --json

Exit codes: 0 nothing is lacking, 1 something is, 3 the system refused.")]
    Doctor(doctor::DoctorArguments),

    /// Take moat's table out of the switch, and nothing else
    #[command(after_help = "\
Examples:
  sudo moat remove --dry-run
  sudo moat remove --yes

Exit codes: 0 removed or not there, 1 not confirmed, 3 the system refused.")]
    Remove(change::RemoveArguments),

    /// Measure with real frames what documents mean, in throw-away hosts, without moat and with it
    #[command(after_help = "\
Examples:
  sudo moat lab                    the built-in demo: two hosts, eight machines
  sudo moat lab examples/demo      the same from files, to change and try again
  sudo moat lab --keep             stays until Ctrl-C, for `moat watch` and others to look at
  sudo moat lab --json | jq '.attacks[] | {name, before, after}'

Hosts and machines are network namespaces. Nothing else is touched, and nothing is left behind.

Exit codes: 0 everything measured is as the documents mean it, 1 something is not, 2 the documents are
wrong, 3 the system refused.")]
    Lab(lab::LabArguments),

    /// Declare ports to the agent, for systems that moat does not know
    #[command(after_help = "\
Examples:
  sudo moat port add web-1/0 --device tap0 --mac 52:54:00:00:00:01 --bridge br0 --profile web-server
  sudo moat port remove web-1/0

Exit codes: 0 done, 1 the agent refused or does not answer, 2 the command line is wrong.")]
    Port(port::PortArguments),

    /// Install what other systems call moat through, or take it back
    #[command(after_help = "\
Examples:
  moat setup opennebula --dry-run     show what would be installed
  moat setup opennebula
  moat setup opennebula --undo

Exit codes: 0 done, 1 somebody else's file is in the way, 2 the command line is wrong, 3 the system
refused.")]
    Setup(setup::SetupArguments),

    /// Make and replace the certificates by which moat and switches on other hosts know each other
    #[command(after_help = "\
Examples:
  sudo moat tls init
  sudo moat tls issue hv-1 --also 192.0.2.1
  sudo moat tls rotate
  sudo moat tls show

Exit codes: 0 done, 1 something is in the way or runs out soon, 2 the command line is wrong,
3 the system refused.")]
    Tls(tls::TlsArguments),

    /// Tell the agent what another system's hook was told: hooks call this, people do not
    #[command(after_help = "\
Examples:
  moat hook libvirt qemu web-1 start begin - < domain.xml
  moat hook --timeout 10s opennebula --driver moat pre < vm.base64
  moat hook --absent pass qemu up tap0

Where the agent does not answer, the hook fails and the VM does not start; with --absent pass it starts,
and its ports stay in quarantine.

Exit codes: 0 done, 1 the agent refused or does not answer, 2 the command line or the input is wrong,
3 the input cannot be read.")]
    Hook(hook::HookArguments),

    /// Stay on this host, and keep every VM's ports protected from their first frame to their last
    #[command(after_help = "\
Examples:
  sudo moat agent                            documents from /etc/moat, until Ctrl-C
  sudo moat agent /etc/moat --allow-user oneadmin --socket-group oneadmin
  sudo systemctl enable --now moat           the same as a service

Ending it changes nothing in the switch: what is in force stays. `moat status` shows what it does.

Exit codes: 0 ended as asked, 2 the command line is wrong, 3 the system refused.")]
    Agent(serve::ServeArguments),

    /// Have the agent read its documents again, and say whether they took effect
    #[command(after_help = "\
Examples:
  sudo moat reload
  sudo moat reload --json

The agent notices changed documents by itself; this waits for the result.

Exit codes: 0 they are in force, 1 they are not and those before are, or no agent answers.")]
    Reload(crate::agent_client::AgentArguments),

    /// Print what the agent counts, as Prometheus reads it
    #[command(after_help = "\
Examples:
  sudo moat metrics
  sudo moat metrics > /var/lib/prometheus/node-exporter/moat.prom

Exit codes: 0 printed, 1 no agent answers.")]
    Metrics(crate::agent_client::AgentArguments),

    /// Turn other people's formats into documents
    #[command(after_help = "\
Examples:
  moat import nwfilter libvirt                    libvirt's network filters, as profiles
  moat import nwfilter my-filters/ --json

Exit codes: 0 all is converted, 1 some of it cannot be expressed, 2 the input or the command line is wrong,
3 the system refused.")]
    Import(import::ImportArguments),

    /// Read and write OpenFlow messages, all versions and Open vSwitch's own
    #[command(after_help = "\
Examples:
  moat openflow decode 0414000800000001
  moat openflow decode messages.bin --json
  moat openflow encode --version 1.4 'table=1,priority=100,tcp,tp_dst=22,actions=drop'

Nothing is sent.

Exit codes: 0 done, 1 some of the input cannot be read, 2 the input or the command line is wrong.")]
    Openflow(openflow::OpenflowArguments),

    /// List the services that rules can name
    #[command(after_help = "\
Examples:
  moat services
  moat services https
  moat services sql

Exit codes: 0 found, 2 there is none.")]
    Services(reference::ServicesArguments),

    /// Print the JSON Schema of documents, for editors
    #[command(after_help = "\
Examples:
  moat schema > moat.schema.json
  # then, as the first line of a document:
  # yaml-language-server: $schema=moat.schema.json

Exit codes: 0.")]
    Schema(reference::SchemaArguments),

    /// Show how a rule is read: as a line, and key by key
    #[command(after_help = "\
Examples:
  moat rule 'accept in https, ssh from @admins log'
  moat rule '{verdict: drop, direction: out, match: [smtp]}'

Exit codes: 0 right, 2 wrong.")]
    Rule(reference::RuleArguments),

    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  moat completions bash > /etc/bash_completion.d/moat
  moat completions fish > ~/.config/fish/completions/moat.fish

Exit codes: 0.")]
    Completions(reference::CompletionsArguments),

    /// Print the manual, or write a page for each command
    #[command(after_help = "\
Examples:
  moat man | man -l -
  moat man /usr/local/share/man/man1

Exit codes: 0 done, 3 the system refused.")]
    Man(reference::ManArguments),

    #[command(
        hide = true,
        after_help = "Examples:\n  moat apply FILE --confirm 60s starts it"
    )]
    Guardian(guardian::GuardianArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn every_command_shows_examples() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.starts_with("Examples:"), "{}", command.get_name());
        }
    }
}
