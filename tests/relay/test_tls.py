"""TLS towards other hosts: taken where it is offered, done without where it fails, demanded where the owner says so (RFC 3207, RFC 7435)."""
import pytest
from office import assert_same
from remote import close, reset, then_close


def test_taken_where_offered(a, hosts, certificate):
    p = hosts.peer(certificate=certificate)
    handed, letter = a.send("alice", hosts.to())
    got = p.wait()[0]
    assert got.tls == "TLSv1.3" and p.connections == 1
    assert_same(got.data, letter)
    e = a.outcome(handed)
    assert e["tls"].startswith("TLSv1.3 TLS_") and e["tls"].endswith("unverified"), "nobody vouches for it, and the record says so"
    assert [line.split()[0] for line in p.lines("")][:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"], "what was said in the clear is asked again"


FAILURES = {
    "closed": close,
    "reset": reset,
    "garbage": then_close(b"GET / HTTP/1.1\r\n\r\n" * 20),
    "plaintext-goes-on": then_close(b"250 2.0.0 never mind\r\n" * 10),
    "alert": then_close(b"\x15\x03\x03\x00\x02\x02\x28"),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_failed_handshake_is_followed_by_plaintext(a, hosts, certificate, how):
    """One connection in the clear, in the same attempt; the record tells of both."""
    p = hosts.peer({"TLS": FAILURES[how]}, certificate=certificate)
    handed, letter = a.send("alice", hosts.to())
    got = p.wait(seconds=15)[0]
    assert got.tls is None and got.connection == 2 and p.connections == 2
    assert_same(got.data, letter)
    e = a.outcome(handed)
    assert e["event"] == "delivered" and e["tls"].startswith("none: TLS failed ("), e
    assert "TLS failed" in a.story(handed)
    assert not a.events(handed, "deferred")


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "502 5.5.1 never", "501 5.5.4 how?"])
def test_a_refused_STARTTLS(a, hosts, certificate, reply):
    p = hosts.peer({"STARTTLS": reply}, certificate=certificate)
    _, letter = a.send("alice", hosts.to())
    got = p.wait()[0]
    assert got.tls is None
    assert_same(got.data, letter)


def test_what_is_slipped_in_before_the_handshake_is_not_heard(a, hosts, certificate):
    """RFC 3207 §4.2: replies sent in the clear behind 220 are no replies."""
    def inject(s):
        s.put(b"220 2.0.0 go ahead\r\n250-peer.test\r\n250 SIZE 1\r\n")
        s.handshake()
    p = hosts.peer({"STARTTLS": inject}, certificate=certificate)
    handed, letter = a.send("alice", hosts.to())
    got = p.wait()[0]
    assert_same(got.data, letter)
    assert a.outcome(handed)["event"] == "delivered", "not too large for SIZE 1"


def test_tls_from_the_first_byte(a, hosts, net, certificate):
    p = hosts.peer(certificate=certificate, tls_first=True)
    a.route(hosts.domain, f"smtps://{hosts.domain}:{net.port}")
    _, letter = a.send("alice", hosts.to())
    got = p.wait()[0]
    assert got.tls and not p.lines("STARTTLS")
    assert_same(got.data, letter)


# --- what the owner demands --------------------------------------------------------------------------------------

def test_none(a, hosts, certificate):
    p = hosts.peer(certificate=certificate)
    a.route(hosts.domain, "mx", "--tls", "none")
    a.send("alice", hosts.to())
    assert p.wait()[0].tls is None and not p.lines("STARTTLS")


def test_encrypt_takes_any_certificate(a, hosts, certificate):
    p = hosts.peer(certificate=certificate)
    a.route(hosts.domain, "mx", "--tls", "encrypt")
    a.send("alice", hosts.to())
    assert p.wait()[0].tls


def test_verify_takes_a_good_one(a, hosts, known_certificate):
    p = hosts.peer(certificate=known_certificate)
    a.route(hosts.domain, "mx", "--tls", "verify")
    handed, _ = a.send("alice", hosts.to())
    assert p.wait()[0].tls
    assert a.outcome(handed)["tls"].endswith(" verified")


POLICIES = {
    "encrypt-not-offered": ("encrypt", dict(), {}),
    "encrypt-refused": ("encrypt", dict(cert=True), {"STARTTLS": "454 4.7.0 no TLS now"}),
    "encrypt-fails": ("encrypt", dict(cert=True), {"TLS": close}),
    "verify-not-offered": ("verify", dict(), {}),
    "verify-unknown": ("verify", dict(cert=True), {}),
}


@pytest.mark.parametrize("what", POLICIES)
def test_without_it_nothing_goes(a, hosts, certificate, what):
    policy, options, on = POLICIES[what]
    p = hosts.peer(on, certificate=certificate if options.get("cert") else None)
    a.route(hosts.domain, "mx", "--tls", policy)
    handed, _ = a.send("alice", hosts.to())
    (e, *_) = a.wait_event(handed, "deferred")
    assert "TLS" in e["text"] or "certificate" in e["text"], e
    assert not p.lines("MAIL") and not p.letters
    a.remove_from_queue(handed)


def test_verify_wants_the_name_of_the_host(a, hosts, known_certificate):
    """Good for *.peers.test, but the owner asked for a host by its address."""
    p = hosts.peer(certificate=known_certificate)
    a.route(hosts.domain, f"smtp://[{hosts.address()}]", "--tls", "verify")
    handed, _ = a.send("alice", hosts.to())
    (e, *_) = a.wait_event(handed, "deferred")
    assert "certificate" in e["text"] or "TLS" in e["text"], e
    assert not p.letters
    a.remove_from_queue(handed)


def test_next_host_when_tls_must_be(a, hosts, certificate):
    """The better MX has none, the next has."""
    first, second = hosts.peer(), hosts.peer(second=True, certificate=certificate)
    a.route(f"two{hosts.number}.peers.test", "mx", "--tls", "encrypt")
    a.send("alice", hosts.to("two"))
    assert second.wait()[0].tls and not first.lines("MAIL")


