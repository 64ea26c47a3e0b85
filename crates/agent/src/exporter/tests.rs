use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::mpsc::Receiver;

use testbed::Namespace;

use super::*;

#[test]
fn only_metrics_are_here_and_only_to_be_read() {
    let asked = |head: &str| understand(head.as_bytes());
    let metrics = |head_alone| Some(Asked::Metrics { head_alone });
    assert_eq!(
        asked("GET /metrics HTTP/1.1\r\nHost: hv-1\r\n\r\n"),
        metrics(false)
    );
    assert_eq!(asked("GET /metrics?a=b HTTP/1.0\r\n\r\n"), metrics(false));
    assert_eq!(asked("HEAD /metrics HTTP/1.1\r\n\r\nmore"), metrics(true));
    assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost"), None);
    assert_eq!(asked(""), None);
    for path in ["/", "/metrics/", "/Metrics", "//metrics", "/metrics/../etc"] {
        let elsewhere = asked(&format!("GET {path} HTTP/1.1\r\n\r\n"));
        assert_eq!(
            elsewhere,
            Some(Asked::Elsewhere { head_alone: false }),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "get", "OPTIONS"] {
        assert_eq!(
            asked(&format!("{method} /metrics HTTP/1.1\r\n\r\n")),
            Some(Asked::Otherwise)
        );
    }
    let many: String = (0..=MOST_FIELDS)
        .map(|it| format!("X-{it}: 1\r\n"))
        .collect();
    for nonsense in [
        "\u{16}\u{3}\u{1}",
        "GET\r\n\r\n",
        "GET /metrics SMTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n: x\r\n\r\n",
        &format!("GET /metrics HTTP/1.1\r\n{many}\r\n"),
    ] {
        assert_eq!(asked(nonsense), Some(Asked::Nonsense), "{nonsense:?}");
    }
}

/// An exporter in a namespace of its own; a loop that answers what it is asked, and counts.
struct Bench {
    namespace: Namespace,
    address: SocketAddr,
    asked: Receiver<usize>,
}

impl Bench {
    fn new() -> Self {
        let namespace = Namespace::new().unwrap_or_else(|error| panic!("{error}"));
        let listener = namespace.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.unwrap_or_else(|error| panic!("{error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("{error}"));
        let (sender, events) = mpsc::channel();
        let handle = Handle::new(sender);
        export_metrics(listener, handle).unwrap_or_else(|error| panic!("{error}"));
        let (counts, asked) = mpsc::channel();
        thread::spawn(move || {
            let asked = events.iter().enumerate();
            for (count, event) in asked {
                if let Event::Asked { answer, .. } = event {
                    let _ = answer.send(Reply::Done {
                        output: "moat_looks_total 7\n# EOF\n".to_owned(),
                        notes: Vec::new(),
                    });
                }
                if counts.send(count + 1).is_err() {
                    return;
                }
            }
        });
        Self {
            namespace,
            address,
            asked,
        }
    }

    fn connect(&self) -> TcpStream {
        let address = self.address;
        let connected = self.namespace.run(|| TcpStream::connect(address));
        connected.unwrap_or_else(|error| panic!("{error}"))
    }

    fn get(&self, request: &str) -> String {
        let mut stream = self.connect();
        let sent = stream.write_all(request.as_bytes());
        sent.unwrap_or_else(|error| panic!("{error}"));
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        read.unwrap_or_else(|error| panic!("{error}"));
        answer
    }
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: hv-1\r\nAccept: */*\r\n\r\n";

#[test]
fn prometheus_gets_what_is_counted() {
    let bench = Bench::new();
    let answer = bench.get(GET);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    assert_eq!(body, "moat_looks_total 7\n# EOF\n");
    let head = bench.get("HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
        (
            &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(LONGEST_HEAD)),
            "400",
        ),
    ] {
        let answer = bench.get(request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[test]
fn a_flood_of_questions_reaches_the_loop_once() {
    let bench = Bench::new();
    let before = Instant::now();
    for _ in 0..20 {
        assert!(bench.get(GET).contains("moat_looks_total"));
    }
    let questions = bench.asked.try_iter().last().unwrap_or_default();
    let seconds = usize::try_from(before.elapsed().as_secs()).unwrap_or_default();
    assert!(questions <= seconds + 1, "{questions}");
}

#[test]
fn silent_clients_hold_up_nobody() {
    let bench = Bench::new();
    // So many that one more is served, and whoever comes then is not.
    let silent: Vec<TcpStream> = (1..MOST_CLIENTS).map(|_| bench.connect()).collect();
    assert!(bench.get(GET).contains("moat_looks_total"));
    let more: Vec<TcpStream> = (0..4).map(|_| bench.connect()).collect();
    // Of these all but one are closed at once.
    let closed = |mut stream: &TcpStream| {
        let patience = stream.set_read_timeout(Some(PATIENCE / 5));
        patience.unwrap_or_else(|error| panic!("{error}"));
        match stream.read(&mut [0; 1]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    };
    assert!(more.iter().filter(|stream| closed(stream)).count() >= 3);
    // They leave, and others come.
    for stream in silent.iter().chain(&more) {
        let _ = stream.shutdown(Shutdown::Both);
    }
    drop((silent, more));
    let served = || {
        let mut stream = bench.connect();
        let mut answer = String::new();
        let sent = stream.write_all(GET.as_bytes());
        let read = sent.and_then(|()| stream.read_to_string(&mut answer));
        read.is_ok() && answer.contains("moat_looks_total")
    };
    while !served() {
        thread::sleep(Duration::from_millis(10));
    }
}
