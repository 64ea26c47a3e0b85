//! The command line as people type it: commands, what they take, examples. What they do is left to
//! a module each.

use clap::{Parser, Subcommand};

use crate::output::Color;
use crate::{change, check, confirm, guardian, lab, status, trace};

/// A moat around every virtual machine: security profiles for the ports of Linux bridges.
#[derive(Parser, Debug)]
#[command(
    name = "moat",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  moat check examples/               are the documents right?
  moat plan examples/                what would change, and for whom?
  sudo moat apply examples/          do it
  moat trace examples/ --port web-1/0 out 'tcp 10.0.0.5:40000 > 10.0.0.9:80'
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
  moat trace examples/ --port web-1/0 out 'tcp 10.0.0.5:40000 > 10.0.0.9:80'
  moat trace examples/ --port web-1/0 in 'icmp 10.0.0.9 > 10.0.0.5' --state established
  moat trace examples/ --port web-1/0 out 'arp reply 10.0.0.1 > 10.0.0.9'
  moat trace examples/ --port web-1/0 out --pcap capture.pcap
  sudo moat trace /etc/moat --live --port web-1/0 out 'udp 10.0.0.5:5000 > 10.0.0.9:53'

Nothing is sent. --live asks the ruleset that the kernel holds, and says whether both agree.

Frames: tcp|udp|sctp A:P > B:P [flags F], icmp A > B [type N code N], ip proto N A > B,
arp request|reply A > B [sender MAC], ns|na|rs|ra A [target T], dhcp discover|offer|…, ether 0xN;
after any: mac SRC > DST, vlan N, fragment N.

Exit codes: 0 every frame passes, 1 a frame does not (or --live disagrees), 2 the documents or the
frame are wrong, 3 the system refused.")]
    Trace(Box<trace::TraceArguments>),

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

    #[command(
        hide = true,
        after_help = "Examples:\n  moat apply FILE --confirm 60s starts it"
    )]
    Guardian(guardian::GuardianArguments),
}
