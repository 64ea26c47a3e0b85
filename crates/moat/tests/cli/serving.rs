//! The agent as a process: its metrics over HTTP, and what it takes for its own doing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::host::{DOCUMENTS, Going, Host};

const ADDRESS: &str = "127.0.0.1:9472";

/// What Prometheus would get; nothing where nobody listens.
fn fetched(host: &Host, path: &str) -> String {
    let address: SocketAddr = ADDRESS.parse().expect("an address");
    let stream = host.switch.namespace().run(|| TcpStream::connect(address));
    let Ok(mut stream) = stream else {
        return String::new();
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: hv-1\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn number(answer: &str, metric: &str) -> Option<u64> {
    let mut lines = answer.lines();
    let value = lines.find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value?.parse().ok()
}

/// The kernel numbers its processes otherwise than it knows itself.
#[test]
fn an_agent_in_a_namespace_of_processes_serves_metrics_and_knows_its_own_commits() {
    let host = Host::new(2);
    let documents = host.write("all.yaml", DOCUMENTS);
    let below = |name: &str| documents.replace("all.yaml", name);
    let mut command = host.switch.namespace().command("unshare");
    command
        .args(["--pid", "--fork", "--kill-child"])
        .args([env!("CARGO_BIN_EXE_moat"), "agent", &documents])
        .args(["--no-libvirt", "--no-openvswitch", "--metrics", ADDRESS])
        .args(["--socket", &below("agent.sock")])
        .args(["--state", &below("state"), "--runtime", &below("runtime")])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let _agent = Going::start(command, "ready");
    let metrics = || fetched(&host, "/metrics");
    let answer = metrics();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(number(&answer, "moat_commits_total") >= Some(1), "{answer}");
    assert!(fetched(&host, "/").starts_with("HTTP/1.1 404 "));
    let foreign = || number(&metrics(), "moat_foreign_changes_total").unwrap_or_default();
    // Each is mended, which is a commit of the agent's own, told before the next foreign one.
    for count in 1..=3 {
        host.nft("add chain bridge moat intruder");
        host.wait_until("a mended switch", || {
            foreign() >= count && host.settled(&documents)
        });
    }
    assert_eq!(foreign(), 3, "{}", metrics());
}
