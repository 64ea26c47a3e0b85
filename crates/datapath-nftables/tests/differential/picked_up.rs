//! Connections that began elsewhere, as those of a port that has just come to this host: the kernel's
//! connection tracking sees them from the middle. docs/limits.md says what that means for people.

use frame::TcpFlags;

use super::stateful::{Packet, SERVER, expect, start};

/// From the client, whose rules let everything out and nothing in, to the server.
const REQUEST: Packet = Packet {
    from: 0,
    to: 1,
    ports: (40000, 80),
};

const DNS: Packet = Packet {
    from: 0,
    to: 1,
    ports: (40000, 53),
};

#[test]
fn a_connection_goes_on_once_its_allowed_side_speaks() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let answer = REQUEST.back();
    let data = |packet: &Packet| packet.tcp(TcpFlags::ACK | TcpFlags::PSH);
    // A rule lets requests in, and none lets answers out that belong to nothing.
    expect(
        &mut bench,
        &answer,
        &data(&answer),
        false,
        "the server speaks first",
    );
    expect(
        &mut bench,
        &REQUEST,
        &data(&REQUEST),
        true,
        "the client speaks",
    );
    expect(&mut bench, &answer, &data(&answer), true, "now it is known");
    expect(
        &mut bench,
        &REQUEST,
        &REQUEST.tcp(TcpFlags::FIN | TcpFlags::ACK),
        true,
        "and ends as any other",
    );
}

#[test]
fn an_outgoing_connection_does_not_go_on_while_only_the_other_side_speaks() {
    // The server may say anything: what is held back, the client's own rules hold back.
    let Some(mut bench) = start(&["accept in tcp 80, udp 53", "accept out"]) else {
        return;
    };
    for (request, answer) in [
        (
            REQUEST.tcp(TcpFlags::ACK),
            REQUEST.back().tcp(TcpFlags::ACK),
        ),
        (DNS.udp(), DNS.back().udp()),
    ] {
        for _ in 0..2 {
            let what = "the other side speaks first, and again";
            expect(&mut bench, &REQUEST.back(), &answer, false, what);
        }
        expect(&mut bench, &REQUEST, &request, true, "its own side speaks");
        let what = "now it is known";
        expect(&mut bench, &REQUEST.back(), &answer, true, what);
    }
}

#[test]
fn what_ends_a_connection_begins_none() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    for (flags, what) in [
        (TcpFlags::FIN | TcpFlags::ACK, "the end of a connection"),
        (TcpFlags::RST, "its reset"),
    ] {
        expect(&mut bench, &REQUEST, &REQUEST.tcp(flags), false, what);
    }
}

#[test]
fn questions_and_answers_over_udp_go_on_with_the_next_question() {
    let Some(mut bench) = start(SERVER) else {
        return;
    };
    let answer = DNS.back();
    expect(
        &mut bench,
        &answer,
        &answer.udp(),
        false,
        "an answer to a question that was asked elsewhere",
    );
    expect(&mut bench, &DNS, &DNS.udp(), true, "the next question");
    expect(&mut bench, &answer, &answer.udp(), true, "its answer");
}
