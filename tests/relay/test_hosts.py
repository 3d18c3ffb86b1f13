"""Which host gets the letter: MX preferences, dead and absent hosts, what DNS can say (RFC 5321 §5.1, RFC 7505), and never ourselves."""
import office
import post
import pytest
import remote
from conftest import A, E, IDN
from office import assert_same, mark


def test_the_better_mx_first(a, hosts):
    first, second = hosts.peer(), hosts.peer(second=True)
    handed, letter = a.send("alice", hosts.to("two"))
    assert_same(first.wait()[0].data, letter)
    assert a.outcome(handed)["host"] == hosts.domain and not second.connections


def test_a_dead_host_is_passed_over_at_once(a, hosts):
    second = hosts.peer(second=True)
    handed, letter = a.send("alice", hosts.to("two"))
    assert_same(second.wait(seconds=10)[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"
    told = [e for e in a.events(handed, "attempt") if e.get("host") == hosts.domain]
    assert told and told[0]["peer"] == hosts.address() and "refused" in told[0]["text"].lower(), a.story(handed)


BUSY = {
    "greeting-421": {"GREETING": "421 4.3.2 closing"},
    "greeting-554": {"GREETING": "554 5.3.2 no mail here"},
    "greeting-closed": {"GREETING": remote.close},
    "greeting-reset": {"GREETING": remote.reset},
    "hello-450": {"EHLO": "450 4.3.2 not now", "HELO": "450 4.3.2 not now"},
    "hello-closed": {"EHLO": remote.close},
}


@pytest.mark.parametrize("what", BUSY)
def test_one_that_does_not_get_to_mail_is_passed_over(a, hosts, what):
    first, second = hosts.peer(BUSY[what]), hosts.peer(second=True)
    handed, letter = a.send("alice", hosts.to("two"))
    assert_same(second.wait(seconds=10)[0].data, letter)
    assert first.connections >= 1 and a.outcome(handed)["event"] == "delivered"


def test_one_that_refuses_the_recipient_for_now_is_not(a, hosts):
    """The domain has spoken: greylists of two hosts would each see a new sender."""
    first, second = hosts.peer({"RCPT": "451 4.7.1 greylisted, come back later"}), hosts.peer(second=True)
    handed, _ = a.send("alice", hosts.to("two"))
    (e,) = a.wait_event(handed, "deferred")
    assert e["host"] == hosts.domain and e["text"] == "greylisted, come back later" and e["code"] == 451
    assert first.connections == 1 and not second.connections


def test_hosts_of_one_preference_share(a, net):
    one, other = remote.Peer(net.host(51), net.port), remote.Peer(net.host(52), net.port)
    try:
        for i in range(16):
            a.send("alice", f"x@equal{i}x51.peers.test")
        post.until(lambda: len(one.letters) + len(other.letters) == 16)
        assert one.letters and other.letters, "sixteen tosses, one side"
    finally:
        one.stop()
        other.stop()


@pytest.mark.parametrize("kind", ["p", "also", "via", "six", "past", "lame"],
                         ids=["no-MX-an-A", "CNAME-of-the-domain", "CNAME-of-the-host", "AAAA-dead", "first-MX-without-address", "first-MX-SERVFAIL"])
def test_what_leads_there(a, hosts, kind):
    p = hosts.peer()
    handed, letter = a.send("alice", hosts.to(kind))
    got = p.wait(seconds=15)[0]
    assert_same(got.data, letter)
    assert got.to == [hosts.to(kind)], "the recipient is said as it was written"
    assert a.outcome(handed)["event"] == "delivered"


def test_an_address_literal(a, hosts):
    p = hosts.peer()
    _, letter = a.send("alice", f"someone@[{hosts.address()}]")
    assert_same(p.wait()[0].data, letter)


@pytest.mark.parametrize("utf8", [True, False], ids=["SMTPUTF8", "without"])
def test_idn(a, net, utf8):
    """RFC 6531 §3.2: a U-label only to who knows SMTPUTF8; an A-label serves everybody."""
    p = remote.Peer(net.host(IDN), net.port, offers=[o for o in remote.Peer.OFFERS if utf8 or o != "SMTPUTF8"])
    try:
        handed = a.submit("alice", "leser@bücher.test", post.letter(mark(), b"x\r\n", sender="alice@a.test", to="leser@xn--bcher-kva.test"))
        assert a.outcome(handed, 10)["event"] == "delivered"
        assert p.wait()[0].to[0] in ("leser@xn--bcher-kva.test", *(["leser@bücher.test"] if utf8 else []))
    finally:
        p.stop()
        post.until(lambda: not post.listens(net.port, net.host(IDN)))


# --- no way there ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("domain,code", [("null.test", 556), ("nomail.test", 550), ("none.peers.test", 550)])
def test_what_takes_no_mail_is_refused_at_once(a, domain, code):
    with pytest.raises(office.Refused) as refused:
        a.send("alice", f"x@{domain}")
    assert (refused.value.step, refused.value.code) == ("RCPT", code), refused.value


@pytest.mark.parametrize("domain,status", [("null.test", "5.1.10"), ("none.peers.test", "5.1.2")])
def test_or_comes_back_where_nobody_could_be_asked(a, domain, status):
    """An alias leads there: known only when it is tried."""
    name = f"to-{domain.split('.')[0]}@a.test"
    a.penny("alias", "add", name, f"x@{domain}")
    word = mark()
    try:
        handed, _ = a.send("alice", name, subject=word)
    except office.Refused as e:
        assert e.code // 100 == 5 and e.text.startswith(status), e
        return
    (report,) = a.wait("alice", word)
    assert remote.Report(office.unwrapped(report)).of(f"x@{domain}")["Status"] == status
    assert a.outcome(handed)["event"] == "bounced"


@pytest.mark.parametrize("domain,status", [("nothing.peers.test", "5.4.4"), ("many.peers.test", "5.4.4"), ("ours.peers.test", "5.4.6"),
                                           ("worse.peers.test", "5.4.6")])
def test_a_domain_that_names_nobody(a, net, domain, status):
    p1 = remote.Peer(net.host(1), net.port)
    try:
        word = mark()
        handed, _ = a.send("alice", f"x@{domain}", subject=word)
        (report,) = a.wait("alice", word)
        r = remote.Report(office.unwrapped(report)).of(f"x@{domain}")
        assert r["Action"] == "failed" and r["Status"] == status, r
        assert a.outcome(handed)["event"] == "bounced" and not p1.connections
    finally:
        p1.stop()


def test_hosts_worse_than_ourselves_are_not_tried(a, hosts):
    """The better host is dead, we are next: it waits, and nobody worse is asked."""
    worse = hosts.peer(second=True)
    handed, letter = a.send("alice", hosts.to("mid"))
    a.wait_event(handed, "deferred")
    assert not worse.connections
    better = hosts.peer()
    a.retry(handed)
    assert_same(better.wait()[0].data, letter)
    assert not worse.connections


@pytest.mark.parametrize("domain", ["servfail.test", "unknown-to-this.name-server"])
def test_silence_of_dns_is_no_answer(a, domain):
    handed, _ = a.send("alice", f"x@{domain}")
    (e,) = a.wait_event(handed, "deferred")
    assert e["status"] == "4.4.3", e
    (row,) = a.waiting(handed)
    assert "DNS" in str(row), row
    a.remove_from_queue(handed)


def test_a_cname_loop_ends(a):
    try:
        handed, _ = a.send("alice", "x@loop.peers.test")
    except office.Refused as e:
        assert e.code // 100 == 5
        return
    e = post.until(lambda: a.events(handed, "deferred") or a.events(handed, "bounced"))
    assert e[0]["status"].split(".")[1] in ("1", "4"), e
    a.remove_from_queue(handed)


def test_nobody_has_us_talk_to_our_neighbours(net, dns, hosts):
    """Without `relay { loopback = yes }` an MX at a loopback or unspecified address is refused."""
    p = hosts.peer()
    o = office.Office("e.test", net, E, dns, people=("alice",), loopback=False)
    try:
        o.start()
        for domain in (hosts.domain, "zero.peers.test"):
            word = mark()
            handed, _ = o.send("alice", f"x@{domain}", subject=word)
            (report,) = o.wait("alice", word)
            assert remote.Report(office.unwrapped(report)).of(f"x@{domain}")["Status"] == "5.4.4"
            assert o.outcome(handed)["event"] == "bounced"
        assert not p.connections
        o.stop()
    finally:
        o.remove()


def test_our_own_addresses_are_ours_and_nobody_elses(a, b, net):
    word = mark()
    a.take("carol@c.test", f"postmaster@[{net.host(A)}]", post.letter(word, b"x\r\n", sender="carol@c.test", to="postmaster"))
    assert a.wait("postmaster", word)
