"""Where mail goes by the owner's word: smarthosts with a log-in, other servers' mailboxes, discard, refuse, senders' routes, backup MX and ETRN."""
import office
import post
import pytest
import remote
from conftest import E, STRANGER, TRUSTED, UNKNOWN
from office import assert_same, mark, talk

USERS = {"penny": "a secret word"}


# --- smarthosts --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN", "PLAIN"])
def test_a_smarthost_with_a_log_in(a, hosts, net, certificate, mechanisms):
    p = hosts.peer(certificate=certificate, users=USERS, mechanisms=mechanisms)
    a.route(f"smart{hosts.number}.test", f"smtp://{hosts.domain}:{net.port}", "--user", "penny", password=USERS["penny"])
    handed, letter = a.send("alice", f"x@smart{hosts.number}.test")
    got = p.wait()[0]
    assert (got.user, bool(got.tls), got.to) == ("penny", True, [f"x@smart{hosts.number}.test"])
    assert_same(got.data, letter)
    assert a.outcome(handed)["event"] == "delivered"


def test_no_password_without_the_encryption_asked_for(a, hosts, net):
    """(On this machine a password may go without; that it goes nowhere else is the relay's unit test's.)"""
    p = hosts.peer(users=USERS)
    a.route(f"smart{hosts.number}.test", f"smtp://{hosts.domain}:{net.port}", "--user", "penny", "--tls", "encrypt", password=USERS["penny"])
    handed, _ = a.send("alice", f"x@smart{hosts.number}.test")
    a.wait_event(handed, "deferred")
    assert not p.lines("AUTH") and not p.letters
    a.remove_from_queue(handed)


def test_a_wrong_password_sends_nobodys_mail_back(a, hosts, net, certificate):
    p = hosts.peer(certificate=certificate, users=USERS)
    domain = f"smart{hosts.number}.test"
    a.route(domain, f"smtp://{hosts.domain}:{net.port}", "--user", "penny", password="something else")
    handed, letter = a.send("alice", f"x@{domain}")
    (e, *_) = a.wait_event(handed, "deferred")
    assert "who are you?" in e["text"], "the host's words"
    assert "something else" not in a.story(handed) + a.penny("route", "list").stdout + a.shown(handed)
    a.penny("route", "remove", domain)
    a.route(domain, f"smtp://{hosts.domain}:{net.port}", "--user", "penny", password=USERS["penny"])
    a.penny("queue", "reroute", handed.id)
    assert_same(p.wait()[0].data, letter)


def test_the_nearest_route_wins(a, hosts, net):
    """The domain's own, its parent's, and for both another host than MX names."""
    one, other = hosts.peer(), hosts.peer(second=True)
    base = f"near{hosts.number}.test"
    a.route(base, f"smtp://[{hosts.address()}]:{net.port}")
    a.route(f"*.{base}", f"smtp://[{hosts.address(second=True)}]:{net.port}")
    a.send("alice", f"x@{base}")
    assert one.wait()[0].to == [f"x@{base}"]
    a.send("alice", f"x@deep.below.{base}")
    assert other.wait()[0].to == [f"x@deep.below.{base}"]


def test_the_default_route(net, dns, hosts):
    p = hosts.peer()
    o = office.Office("e.test", net, E, dns, people=("alice",))
    try:
        o.route("*", f"smtp://{hosts.domain}:{net.port}")
        o.start()
        for to in ("x@anywhere.example", "y@null.test", "z@c.test"):
            o.send("alice", to)
        assert sorted(r for got in p.wait(3) for r in got.to) == ["x@anywhere.example", "y@null.test", "z@c.test"]
        o.stop()
    finally:
        o.remove()


def test_a_senders_own_route(a, hosts, net):
    usual, own = hosts.peer(), hosts.peer(second=True)
    a.route("--sender", "erin@a.test", f"smtp://[{hosts.address(second=True)}]:{net.port}")
    try:
        a.send("alice", hosts.to())
        a.send("erin", hosts.to())
        assert usual.wait()[0].sender == "alice@a.test" and own.wait()[0].sender == "erin@a.test"
        assert len(usual.letters) == len(own.letters) == 1
    finally:
        a.penny("route", "remove", "--sender", "erin@a.test")


def test_the_mx_of_another_domain(a, hosts):
    p = hosts.peer()
    a.route(f"moved{hosts.number}.test", f"mx://two{hosts.number}.peers.test")
    a.send("alice", f"x@moved{hosts.number}.test")
    assert p.wait()[0].to == [f"x@moved{hosts.number}.test"]


# --- other servers' mailboxes ------------------------------------------------------------------------------------

def test_lmtp(a, hosts, net):
    """RFC 2033: one reply a recipient after the dot."""
    words = {"yes": None, "no": "550 5.1.1 not any more", "later": "452 4.2.2 over quota"}
    p = hosts.peer({"FINAL": lambda s, rcpt: words[rcpt.split("<")[1].split("@")[0]]}, lmtp=True)
    domain = f"boxes{hosts.number}.test"
    a.route(domain, f"lmtp://{hosts.domain}:{net.port}")
    word = mark()
    letter = post.letter(word, b"x\r\n", sender="alice@a.test")
    handed = a.submit("alice", [f"{w}@{domain}" for w in words], letter)
    got = p.wait()[0]
    assert got.to == [f"yes@{domain}"] and got.helo == "LHLO mail.a.test"
    assert_same(got.data, letter)
    (report,) = a.wait("alice", word)
    r = remote.Report(office.unwrapped(report))
    assert [g["Final-Recipient"] for g in r.recipients] == [f"rfc822; no@{domain}"]
    (row,) = a.waiting(handed)
    assert row["to"] == f"later@{domain}"
    words["later"] = None
    a.retry(handed)
    assert {k: e["event"] for k, e in a.settled(handed).items()} == {f"yes@{domain}": "delivered", f"no@{domain}": "bounced", f"later@{domain}": "delivered"}


# --- nowhere -----------------------------------------------------------------------------------------------------

def test_discard(a, hosts):
    a.route(f"void{hosts.number}.test", "discard")
    handed, _ = a.send("alice", f"x@void{hosts.number}.test")
    e = a.outcome(handed)
    assert e["event"] == "delivered" and "discard" in e["text"], e


def test_refuse(a, hosts):
    a.route(f"shut{hosts.number}.test", "refuse:we do not write to them")
    with pytest.raises(office.Refused) as refused:
        a.send("alice", f"x@shut{hosts.number}.test")
    assert (refused.value.step, refused.value.code) == ("RCPT", 550) and "5.7.1 we do not write to them" in refused.value.text


# --- explained ---------------------------------------------------------------------------------------------------

def test_route_test_explains(a, hosts, net):
    """In words, with the hosts in order, and nothing is sent."""
    p = hosts.peer()

    def explained(address, *more):
        return a.penny("route", "test", address, *more, check=False).stdout
    told = explained(hosts.to("two"))
    assert f"p{hosts.number}.peers.test" in told and f"p{hosts.number + 1}.peers.test" in told and hosts.address() in told
    assert told.index(f"p{hosts.number}.peers.test") < told.index(f"p{hosts.number + 1}.peers.test")
    assert "null MX" in explained("x@null.test")
    assert "does not exist" in explained("x@none.peers.test")
    assert "alice" in explained("alice@a.test") and "no such" in explained("nobody@a.test").lower()
    a.route(f"told{hosts.number}.test", f"smtp://[{hosts.address()}]:{net.port}")
    assert f"smtp://[{hosts.address()}]:{net.port}" in explained(f"x@told{hosts.number}.test")
    a.penny("alias", "add", f"told{hosts.number}@a.test", hosts.to())
    assert hosts.to() in explained(f"told{hosts.number}@a.test")
    assert not p.connections


# --- backup MX ---------------------------------------------------------------------------------------------------

@pytest.fixture
def backup(b, hosts):
    """A domain b is a backup of."""
    b.route(hosts.domain, "mx", "--accept")
    yield hosts.domain
    b.penny("route", "remove", hosts.domain)


def test_backup_mx_and_etrn(b, hosts, net, backup):
    """Port 25 takes its mail from anybody and keeps it until its host is back and asks (RFC 1985)."""
    letter = post.letter(mark(), b"for later\r\n", sender="carol@c.test", to=f"x@{backup}")
    handed = b.take("carol@c.test", f"x@{backup}", letter)
    b.wait_event(handed, "deferred")
    p = hosts.peer()
    said = talk(b.door, ["EHLO x.test", f"ETRN {backup}", "QUIT"], source=net.host(TRUSTED))
    assert said[2].startswith("25"), said
    got = p.wait(seconds=15)[0]
    assert_same(got.data, letter)
    assert got.sender == "carol@c.test", "we forward nothing, we stand in"


def test_whose_queue_etrn_starts(b, net, backup):
    """RFC 1985: anybody may start that of a domain we are a backup of, strangers no other."""
    for client, other in ((net.host(TRUSTED), "25"), (net.host(UNKNOWN), "459")):
        said = talk(b.door, ["EHLO x.test", f"ETRN {backup}", "ETRN c.test", f"ETRN @{backup}", "ETRN", "ETRN two words", "ETRN #name", "QUIT"], source=client)
        assert said[2].startswith("25") and said[3].startswith(other) and said[4].startswith("25"), said
        assert said[5].startswith("50") and said[6].startswith("50") and said[7].startswith("45"), said


def test_backup_mail_never_answers_strangers(b, hosts, backup):
    """What the domain's own host refuses cannot be refused in the session any more: no report to who may be forged."""
    stranger = hosts.peer(number=STRANGER)
    hosts.peer({"RCPT": "550 5.1.1 no such user"})
    handed = b.take("bystander@stranger.test", f"x@{backup}", post.letter(mark(), b"x\r\n", sender="bystander@stranger.test", to=f"x@{backup}"))
    assert b.outcome(handed)["event"] == "bounced" and not b.queue("--to", "bystander@stranger.test")
    assert not stranger.connections


def test_a_local_user_behind_postfix(a, b, c):
    """Postfix relays for b.test's people too: a route there, and the letter comes back to b by MX."""
    a.route("b.test", f"smtp://[{c.address}]:{c.net.port}")
    try:
        word = mark()
        _, letter = a.send("alice", "bob@b.test", subject=word)
        (stored,) = b.wait("bob", word)
        assert_same(stored, letter)
        assert b"by mail.c.test (Postfix)" in stored
    finally:
        a.penny("route", "remove", "b.test")
