"""What waits, why, and what its owner can do about it: penny queue; letters for later (RFC 4865); and penny trace, which tells all of it."""
import datetime
import time

import office
import post
import pytest
import remote
from conftest import E
from office import assert_same, mark

LATER = "450 4.2.1 Please try again some other time; ticket 4711"


def deferred(o, hosts, who="alice", to=None, **kw):
    """A letter that waits because its host said so, and the host, which would take it now."""
    p = hosts.peer({"RCPT": remote.turns(LATER)})
    handed, letter = o.send(who, to or hosts.to(), **kw)
    o.wait_event(handed, "deferred")
    return p, handed, letter


def test_it_says_in_words_why(a, hosts):
    p, handed, _ = deferred(a, hosts)
    words = LATER.split(" ", 2)[2]
    for told in (a.penny("queue", "list", "--to", hosts.to()).stdout, a.shown(handed)):
        assert words in told and hosts.to() in told and handed.id in told, told
    (row,) = a.waiting(handed)
    assert row["message"] == handed.id and row["to"] == hosts.to() and row["attempts"] == 1
    due = datetime.datetime.fromisoformat(row["due"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=3.9) < due < datetime.timedelta(minutes=6.1), "five minutes, give or take a fifth"
    a.penny("queue", "remove", handed.id)
    assert not a.waiting(handed) and not p.letters


def chosen(by, handed, hosts):
    """The same letter, named in each of the ways."""
    return {"id": [handed.id], "recipient": ["--to", hosts.to()], "domain": ["--domain", hosts.domain], "hop": ["--hop", hosts.domain]}[by]


@pytest.mark.parametrize("by", ["id", "recipient", "domain", "hop"])
def test_retry(a, hosts, by):
    p, handed, letter = deferred(a, hosts)
    filters = chosen(by, handed, hosts)
    a.penny("queue", "retry", *filters)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"


@pytest.mark.parametrize("by", ["id", "recipient", "domain"])
def test_hold_and_release(a, hosts, by):
    p, handed, letter = deferred(a, hosts)
    filters = chosen(by, handed, hosts)
    a.penny("queue", "hold", *filters)
    (row,) = a.waiting(handed)
    assert row["held"] is True and "held" in a.shown(handed)
    a.send("alice", "erin@a.test")
    time.sleep(0.5)
    assert p.connections == 1, "nobody carries what is held"
    assert handed.id in {r["message"] for r in a.queue("--held")}
    a.penny("queue", "release", *filters)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"
    assert a.events(handed, "held")


def test_remove_tells_nobody(a, hosts):
    word = mark()
    p, handed, _ = deferred(a, hosts, subject=word)
    a.penny("queue", "remove", handed.id)
    assert not a.waiting(handed) and not a.letters("alice", word)
    assert "removed" in a.story(handed)
    r = a.penny("queue", "remove", handed.id, check=False)
    assert r.returncode != 0 and r.stderr, "there is nothing of it any more"
    assert p.connections == 1


def test_reroute(a, hosts, net):
    """The owner found another way."""
    p, handed, letter = deferred(a, hosts)
    other = hosts.peer(second=True)
    a.route(hosts.domain, f"smtp://[{hosts.address(second=True)}]:{net.port}")
    a.penny("queue", "reroute", handed.id)
    assert_same(other.wait()[0].data, letter)
    assert not p.letters and a.outcome(handed)["event"] == "delivered"


def test_suspend_and_resume(a, hosts):
    p = hosts.peer()
    a.penny("queue", "suspend", hosts.domain)
    handed, letter = a.send("alice", hosts.to())
    time.sleep(0.5)
    assert not p.connections and "suspended" in a.shown(handed)
    a.penny("queue", "resume", hosts.domain)
    assert_same(p.wait()[0].data, letter)


def test_a_hop_is_named_as_its_route_is(a, hosts, net):
    p = hosts.peer()
    target = f"smtp://{hosts.address()}:{net.port}"
    a.route(hosts.domain, target)
    a.penny("queue", "suspend", target)
    handed, letter = a.send("alice", hosts.to())
    time.sleep(0.3)
    assert not p.connections and len(a.queue("--hop", target)) == 1
    a.penny("queue", "resume", target)
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)


def test_so_many_an_hour(a, hosts):
    """A new address is warmed up slowly."""
    p = hosts.peer()
    a.penny("queue", "limit", hosts.domain, "3/hour")
    handed = [a.send("alice", hosts.to())[0] for _ in range(5)]
    p.wait(3)
    time.sleep(1)
    assert len(p.letters) == 3 and len(a.queue("--domain", hosts.domain)) == 2
    a.penny("queue", "limit", hosts.domain, "none")
    p.wait(5)
    assert {a.outcome(h)["event"] for h in handed} == {"delivered"}


def test_it_outlives_a_restart(net, dns, hosts):
    o = office.Office("e.test", net, E, dns, people=("alice",))
    try:
        o.start()
        p, handed, letter = deferred(o, hosts)
        held, held_letter = o.send("alice", hosts.to("p", "held"))
        p.wait(1)
        before = o.queue()
        o.kill()
        o.start()
        assert o.queue() == before
        o.retry(handed)
        assert any(office.unwrapped(g.data) == letter for g in p.wait(2))
        assert o.outcome(handed)["event"] == o.outcome(held)["event"] == "delivered"
        assert len(p.letters) == 2 and held_letter
        o.stop()
    finally:
        o.remove()


# --- for later ---------------------------------------------------------------------------------------------------

def test_a_letter_for_later(a, hosts):
    p = hosts.peer()
    begun = time.monotonic()
    handed, letter = a.send("alice", hosts.to(), mail=["HOLDFOR=3"])
    (row,) = a.waiting(handed)
    assert row["attempts"] == 0
    assert_same(p.wait()[0].data, letter)
    assert 2.5 < time.monotonic() - begun < 15


def test_a_letter_for_then(a, hosts):
    p = hosts.peer()
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    a.send("alice", hosts.to(), mail=[f"HOLDUNTIL={then:%Y-%m-%dT%H:%M:%SZ}"])
    got = p.wait()[0]
    assert got and datetime.datetime.now(datetime.timezone.utc) >= then.replace(microsecond=0)


def test_then_was_long_ago(a, hosts):
    p = hosts.peer()
    _, letter = a.send("alice", hosts.to(), mail=["HOLDUNTIL=1999-01-01T00:00:00Z"])
    assert_same(p.wait()[0].data, letter)


def test_who_may_have_it_later(a, hosts):
    """RFC 4865 §4: those who logged in, and not for ever."""
    letter = post.letter(mark(), b"x\r\n", sender="alice@a.test")
    with pytest.raises(office.Refused) as refused:
        a.take("carol@c.test", "alice@a.test", letter, mail=["HOLDFOR=10"])
    assert refused.value.code in (555, 501, 550)
    for value in ("HOLDFOR=999999999", "HOLDFOR=-1", "HOLDFOR=x", "HOLDUNTIL=soon", "HOLDUNTIL=2199-01-01T00:00:00Z"):
        with pytest.raises(office.Refused) as refused:
            a.submit("alice", hosts.to(), letter, mail=[value])
        assert refused.value.code // 100 == 5, value


# --- the record --------------------------------------------------------------------------------------------------

def test_the_whole_story(a, hosts, certificate):
    """Every step with its time, the host, its address, its TLS, its words; found by whatever one knows of it."""
    word = mark()
    p = hosts.peer({"RCPT": remote.turns(LATER), "FINAL": "250 2.6.0 <x> Queued mail for delivery [4711]"}, certificate=certificate)
    handed, letter = a.send("alice", hosts.to(), subject=word)
    a.wait_event(handed, "deferred")
    a.retry(handed)
    p.wait()
    a.settled(handed)
    j = a.journey(handed)
    kinds = [e["event"] for e in j["events"]]
    for kind in ("received", "accepted", "routed", "deferred", "delivered"):
        assert kind in kinds, kinds
    assert kinds.index("received") < kinds.index("accepted") < kinds.index("deferred") < kinds.index("delivered")
    assert [e["at"] for e in j["events"]] == sorted(e["at"] for e in j["events"])
    no, yes = a.events(handed, "deferred")[0], a.events(handed, "delivered")[0]
    assert (no["host"], no["peer"], no["code"], no["status"], no["text"]) == (hosts.domain, hosts.address(), 450, "4.2.1", LATER[10:])
    assert (yes["code"], yes["status"], yes["text"]) == (250, "2.6.0", "<x> Queued mail for delivery [4711]")
    assert yes["tls"].startswith("TLSv1.3 ") and yes["tls"].endswith("unverified")
    story = a.story(handed)
    for needed in (LATER[10:], "<x> Queued mail for delivery [4711]", hosts.domain, hosts.address(), "TLSv1.3", "unverified", hosts.to()):
        assert needed in story
    message_id = next(line for line in letter.decode().split("\r\n") if line.startswith("Message-ID:")).split(" ", 1)[1]
    for query in ([handed.id], [hosts.to()], [hosts.domain], [message_id], ["--subject", word], ["--address", hosts.to(), "--since", "1h"]):
        assert [x["message"] for x in a.journeys(*query)] == [handed.id], query
    assert not a.journeys("--subject", word, "--until", "1h")


def test_a_damaged_letter_is_held_and_the_rest_flows(net, dns, hosts):
    """One byte of one waiting letter's record turned on the disk."""
    o = office.Office("e.test", net, E, dns, people=("alice",))
    try:
        o.start()
        p = hosts.peer({"RCPT": remote.turns(LATER, LATER)})
        word = mark()
        bad, letter = o.send("alice", hosts.to(), subject=word, body=b"damage me here\r\n")
        good, good_letter = o.send("alice", hosts.to())
        o.wait_event(bad, "deferred")
        o.wait_event(good, "deferred")
        o.stop()
        hurt = 0
        for pack in (o.folder / "data").rglob("*"):
            if pack.is_file() and b"damage me here" in (text := pack.read_bytes()) and "pack" in str(pack):
                pack.write_bytes(text.replace(b"damage me here", b"dAmage me here"))
                hurt += 1
        assert hurt == 1
        o.start()
        o.penny("queue", "retry", "--domain", hosts.domain)
        assert_same(p.wait()[0].data, good_letter)
        (row,) = post.until(lambda: [r for r in o.waiting(bad) if r["held"]])
        assert "damage" in str(row).lower() or "corrupt" in str(row).lower() or "read" in str(row).lower(), row
        assert len(p.letters) == 1 and o.events(bad, "held")
        o.stop()
    finally:
        o.remove()
