"""Hosts that answer as hosts do: for now, never, in pieces, nonsense, or not at all. What is refused for now waits and comes; what is refused for
good comes back; nothing comes twice but where the host's last word was lost."""
import re
import time

import office
import post
import pytest
import remote
from conftest import E
from office import assert_same, mark
from remote import close, drip, flood, reset, silence, then_close, turns

STEPS = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "FINAL"]
BODIES = {
    "dots": b".\r\n..\r\n.leading\r\n...three\r\n.\r\nend\r\n",
    "empty": b"",
    "one-dot": b".\r\n",
    "eight-bit": "Grüße\r\n".encode() * 1000,
    "long-lines": b"z" * 30000 + b"\r\n",
    "2-MB": (b"." * 70 + b"\r\n") * (2 * 1024 * 1024 // 72),
}
SPEECH = {
    "pipelined": remote.Peer.OFFERS,
    "one-by-one": [o for o in remote.Peer.OFFERS if o != "PIPELINING"],
    "chunks": [*remote.Peer.OFFERS, "CHUNKING"],
    "plain": ["8BITMIME"],
}


@pytest.mark.parametrize("speech", SPEECH)
@pytest.mark.parametrize("body", BODIES)
def test_bytes(a, hosts, speech, body):
    p = hosts.peer(offers=SPEECH[speech])
    _, letter = a.send("alice", hosts.to(), body=BODIES[body])
    got = p.wait()[0]
    assert_same(got.data, letter)
    assert got.bdat == (speech == "chunks")
    assert speech == "pipelined" or speech == "chunks" or not p.impatient, p.impatient


def test_only_helo(a, hosts):
    """RFC 5321 §3.2: who does not know EHLO is greeted with HELO."""
    p = hosts.peer({"EHLO": "502 5.5.1 what?"})
    _, letter = a.send("alice", hosts.to())
    assert_same(p.wait()[0].data, letter)
    assert p.lines("HELO") == ["HELO mail.a.test"] and p.lines("MAIL") == ["MAIL FROM:<alice@a.test>"]


# --- for now -----------------------------------------------------------------------------------------------------

def test_greylisting(a, hosts):
    """The second try comes soon, from the same address with the same reverse-path, and is taken."""
    p = hosts.peer({"RCPT": turns("451 4.7.1 Greylisted, please come back in 5 minutes")})
    handed, letter = a.send("alice", hosts.to())
    (e,) = a.wait_event(handed, "deferred")
    assert (e["code"], e["status"], e["text"]) == (451, "4.7.1", "Greylisted, please come back in 5 minutes")
    (row,) = a.waiting(handed)
    assert "Greylisted, please come back in 5 minutes" in str(row)
    a.retry(handed)
    got = p.wait()[0]
    assert_same(got.data, letter)
    assert len(set(p.lines("MAIL"))) == 1 and set(p.clients) == {a.address}
    assert a.outcome(handed)["event"] == "delivered"
    assert len(p.letters) == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", ["421 4.3.2 shutting down", "450 4.2.1 later"], ids=["421", "450"])
def test_for_now(a, hosts, step, code):
    again = turns(code, *([code] if step == "EHLO" else []))
    p = hosts.peer({step: again, **({"HELO": again} if step == "EHLO" else {})})
    handed, letter = a.send("alice", hosts.to())
    (e,) = a.wait_event(handed, "deferred")
    assert f"{e.get('code', '')} {e.get('status', '')} {e['text']}".endswith(code[4:]) or code[4:] in e["text"], e
    assert not p.letters
    p.on.clear()
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered" and len(p.letters) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "FINAL"])
def test_for_good(a, hosts, step):
    hosts.peer({step: "554 5.7.1 We do not want this, see https://peer.test/?because=" + step})
    word = mark()
    handed, _ = a.send("alice", hosts.to(), subject=word)
    (report,) = a.wait("alice", word)
    r = remote.Report(office.unwrapped(report)).of(hosts.to())
    words = f"554 5.7.1 We do not want this, see https://peer.test/?because={step}"
    assert r["Action"] == "failed" and r["Status"] == "5.7.1" and r["Diagnostic-Code"].replace("\n", "") == f"smtp; {words}", r
    e = a.outcome(handed)
    assert (e["event"], e["code"], e["status"], f"554 5.7.1 {e['text']}") == ("bounced", 554, "5.7.1", words)
    assert words[10:] in a.story(handed), "penny trace has the host's exact words"


def test_each_recipient_has_a_fate_of_its_own(a, hosts):
    fates = {"yes": None, "later": "450 4.2.1 mailbox busy", "no": "550 5.1.1 no such user", "full": "452 4.2.2 mailbox full"}
    p = hosts.peer({"RCPT": lambda s, line: fates[re.search(r"<(\w+)@", line).group(1)]})
    word = mark()
    letter = post.letter(word, b"x\r\n", sender="alice@a.test")
    handed = a.submit("alice", [hosts.to(who=w) for w in fates], letter)
    assert p.wait()[0].to == [hosts.to(who="yes")]
    (report,) = a.wait("alice", word)
    r = remote.Report(office.unwrapped(report))
    assert [g["Final-Recipient"] for g in r.recipients] == [f"rfc822; {hosts.to(who='no')}"], report.decode()
    assert {row["to"] for row in a.waiting(handed)} == {hosts.to(who="later"), hosts.to(who="full")}
    fates.update(later=None, full=None)
    a.retry(handed)
    assert set(a.settled(handed)) == {hosts.to(who=w) for w in fates}
    assert sorted(r for got in p.letters for r in got.to) == sorted(hosts.to(who=w) for w in ("yes", "later", "full"))


def test_nobody_is_left_to_send_to(a, hosts):
    """RFC 2920 §3.1: all recipients refused, DATA was on its way and taken: nothing is sent but the dot, and it is no letter."""
    p = hosts.peer({"RCPT": "550 5.1.1 no such user", "DATA": "354 go on all the same", "FINAL": "250 2.0.0 taken"})
    word = mark()
    handed, _ = a.send("alice", hosts.to(), subject=word)
    assert a.wait("alice", word)
    assert a.outcome(handed)["text"] == "no such user"
    assert all(got.data == b"" for got in p.letters)


def test_too_many_recipients_at_once(a, hosts):
    """452 4.5.3: the others follow at once."""
    p = hosts.peer({"RCPT": lambda s, line: "452 4.5.3 too many recipients" if len(s.rcpts) >= 4 else None})
    to = [hosts.to(who=f"r{i}") for i in range(10)]
    letter = post.letter(mark(), b"x\r\n", sender="alice@a.test")
    handed = a.submit("alice", to, letter)
    ends = a.settled(handed, 15)
    assert {e["event"] for e in ends.values()} == {"delivered"}
    assert sorted(r for got in p.letters for r in got.to) == sorted(to) and not a.events(handed, "deferred")
    assert all(len(got.to) <= 4 for got in p.letters)


def test_limits_are_kept(a, hosts):
    """RFC 9422: so many recipients, and no more."""
    p = hosts.peer(offers=[*remote.Peer.OFFERS, "LIMITS RCPTMAX=3 MAILMAX=2"])
    to = [hosts.to(who=f"r{i}") for i in range(10)]
    handed = a.submit("alice", to, post.letter(mark(), b"x\r\n", sender="alice@a.test"))
    a.settled(handed, 15)
    assert sorted(r for got in p.letters for r in got.to) == sorted(to)
    assert all(len(got.to) <= 3 for got in p.letters)
    for number in range(1, p.connections + 1):
        assert sum(1 for n, line in p.commands if n == number and line.startswith("MAIL")) <= 2


def test_too_large(a, hosts):
    """RFC 1870 §6.1: not even tried."""
    p = hosts.peer(offers=["PIPELINING", "SIZE 10000", "8BITMIME"])
    word = mark()
    handed, _ = a.send("alice", hosts.to(), subject=word, body=b"0123456789\r\n" * 2000)
    (report,) = a.wait("alice", word)
    assert remote.Report(office.unwrapped(report)).of(hosts.to())["Status"] == "5.3.4"
    assert not p.lines("DATA") and a.outcome(handed)["event"] == "bounced"


# --- connections kept ------------------------------------------------------------------------------------------------

def test_letters_share_connections(a, hosts):
    """All that waits for one host goes over few connections, the next MAIL in the same write as the last dot."""
    p = hosts.peer()
    a.penny("queue", "suspend", hosts.domain)
    sent = [a.send("alice", hosts.to(), body=f"letter {i}\r\n.\r\n".encode()) for i in range(20)]
    assert not p.connections
    a.penny("queue", "resume", hosts.domain)
    got = p.wait(20)
    assert p.connections <= 4, p.connections
    assert sorted(office.unwrapped(g.data) for g in got) == sorted(letter for _, letter in sent)
    assert [line for line in p.impatient if line.startswith(("RCPT", "DATA"))]
    for handed, _ in sent:
        assert a.outcome(handed)["event"] == "delivered"


def slowly(s, line):
    time.sleep(0.1)


def burst(o, hosts, n):
    """So many letters at once: they wait for a next hop that is suspended, then is not."""
    o.penny("queue", "suspend", hosts.domain)
    sent = [o.send("alice", hosts.to())[0] for _ in range(n)]
    o.penny("queue", "resume", hosts.domain)
    return sent


def test_a_slow_host_gets_more_connections_and_holds_up_nobody(a, hosts):
    """The window grows with success, to what the owner allows; meanwhile letters to others pass."""
    slow, quick = hosts.peer({"FINAL": slowly}), hosts.peer(second=True)
    sent = burst(a, hosts, 60)
    begun = time.monotonic()
    a.send("alice", f"x@p{hosts.number + 1}.peers.test")
    quick.wait(seconds=5)
    assert time.monotonic() - begun < 2
    slow.wait(60)
    assert {a.outcome(h)["event"] for h in sent} == {"delivered"}
    assert 4 <= slow.most_open <= 20, slow.most_open


def test_a_host_that_wants_few_connections(a, hosts):
    """421 to the third: the letters take the other two, none of them waits for a retry."""
    p = hosts.peer({"GREETING": lambda s, line: "421 4.7.0 too many connections" if s.peer.open > 2 else None, "FINAL": slowly})
    sent = burst(a, hosts, 30)
    p.wait(30)
    assert {a.outcome(h)["event"] for h in sent} == {"delivered"}
    assert not [h for h in sent if a.events(h, "deferred")]


def test_a_kept_connection_that_was_closed(a, hosts):
    """The host hung up after the first letter: the next finds a new connection, at once."""
    def leave(s):
        s.put("250 2.0.0 taken, good bye")
        s.taken()
        raise remote.Gone
    p = hosts.peer({"FINAL": lambda s, line: leave if s.number == 1 else None})
    first, _ = a.send("alice", hosts.to())
    post.until(lambda: p.connections == 1 and p.open == 0)
    second, letter = a.send("alice", hosts.to())
    post.until(lambda: any(office.unwrapped(g.data) == letter for g in p.letters), 15)
    assert a.outcome(second)["event"] == "delivered" and not a.events(second, "deferred")


# --- gone at every step ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", [close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("step", [*STEPS, "BODY"])
def test_it_dies(a, hosts, step, how):
    p = hosts.peer({step: how})
    handed, letter = a.send("alice", hosts.to(), body=b"0123456789" * 7 + b"\r\n" + b"x" * 70 + b"\r\n" * 3000)
    (e,) = a.wait_event(handed, "deferred")
    assert not p.letters and e.get("code", 0) == 0, e
    p.on.clear()
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"
    assert len(p.letters) == 1


def test_its_last_word_is_lost(a, hosts):
    """Taken, and the reply never came: sent again, and the record says why it may be there twice."""
    taken = []

    def take_and_die(s):
        taken.append(s.data)
        raise remote.Gone
    p = hosts.peer({"FINAL": lambda s, line: take_and_die if s.number == 1 else None})
    handed, letter = a.send("alice", hosts.to())
    (e,) = a.wait_event(handed, "deferred")
    assert_same(taken[0], letter)
    assert "twice" in e["text"] or "again" in e["text"] or "dot" in e["text"] or "end of the letter" in e["text"], e
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"


def test_silence_holds_up_nobody_else(net, dns, numbers):
    """Hosts that say nothing more, at every step: other letters pass, the server ends when it is told to, and after a restart they are all there."""
    o = office.Office("e.test", net, E, dns, people=("alice",))
    silent = {}
    try:
        o.start()
        for step in [*STEPS, "BODY", "DEAF"]:
            n = next(numbers)
            silent[n] = remote.Deaf(net.host(n), net.port) if step == "DEAF" else remote.Peer(net.host(n), net.port, {step: silence})
        handed = {n: o.send("alice", f"x@p{n}.peers.test", body=b"x" * 70 + b"\r\n" * 3000) for n in silent}
        post.until(lambda: all(p.connections for p in silent.values() if isinstance(p, remote.Peer)))
        n = next(numbers)
        other = silent[n] = remote.Peer(net.host(n), net.port)
        begun = time.monotonic()
        _, letter = o.send("alice", f"x@p{n}.peers.test")
        assert_same(other.wait(seconds=10)[0].data, letter)
        rows = o.queue()
        assert len(rows) == len(handed)
        o.stop()
        assert time.monotonic() - begun < 40
        for p in silent.values():
            p.stop()
        o.start()
        willing = [remote.Peer(net.host(n), net.port) for n in handed]
        silent.update((-i, p) for i, p in enumerate(willing, 1))
        for n, (h, letter) in handed.items():
            o.retry(h, may_be_gone=True)  # who had not been tried when the server stopped is tried as it starts
        for p, (h, letter) in zip(willing, handed.values()):
            assert_same(p.wait()[0].data, letter)
            assert o.outcome(h)["event"] == "delivered" and len(p.letters) == 1
        o.stop()
    finally:
        o.remove()
        for p in silent.values():
            p.stop()


# --- broken replies ----------------------------------------------------------------------------------------------

FINE = {  # what is odd, but can be understood
    "no-text": b"250\r\n",
    "bare-LF": b"250 ok\n",
    "one-byte-at-a-time": drip("250 2.1.0 slowly"),
    "many-lines": b"".join(b"250-%d\r\n" % i for i in range(100)) + b"250 end\r\n",
    "no-status": b"250 fine with me\r\n",
    "251": b"251 2.1.5 will forward\r\n",
    "eight-bit": "250 2.1.0 schön\r\n".encode() + b"",
    "long": b"250 2.1.0 " + b"x" * 2000 + b"\r\n",
}


@pytest.mark.parametrize("what", FINE)
def test_odd_replies_are_understood(a, hosts, what):
    p = hosts.peer({"RCPT": lambda s, line: s.rcpts.append(line) or FINE[what]})
    handed, letter = a.send("alice", hosts.to())
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"


BROKEN = {
    "words": b"hello, who are you?\r\n",
    "too-short": b"25\r\n",
    "code-0": b"000 nothing\r\n",
    "code-999": b"999 everything\r\n",
    "letters": b"2x0 what\r\n",
    "NULs": b"\0\0\0\0\r\n",
    "codes-that-differ": b"250-yes\r\n550 no\r\n",
    "an-endless-line": flood(b"250 " + b"x" * 10000),
    "an-endless-reply": flood(b"250-and\r\n"),
    "endless-blank-lines": flood(b"\r\n"),
    "a-cut-line": then_close(b"250 almo"),
    "never-the-last-line": then_close(b"250-one\r\n250-two\r\n"),
    "101": b"101 hm\r\n",
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", BROKEN)
def test_nonsense_is_survived(a, hosts, step, what):
    """Not delivered, not bounced: it waits, and the next try is as good as the first."""
    p = hosts.peer({step: lambda s, line: BROKEN[what] if s.number <= 2 and not s.peer.quiet else None})
    p.quiet = False
    handed, letter = a.send("alice", hosts.to())
    a.wait_event(handed, "deferred")
    p.letters.clear()
    p.quiet = True
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)
    assert a.outcome(handed)["event"] == "delivered"


@pytest.mark.parametrize("step,reply", [("MAIL", "354 go on"), ("RCPT", "354 go on"), ("DATA", "250 ok"), ("FINAL", "354 go on"), ("GREETING", "354 go on")])
def test_right_replies_at_the_wrong_time(a, hosts, step, reply):
    p = hosts.peer({step: turns(reply)})
    handed, letter = a.send("alice", hosts.to())
    a.wait_event(handed, "deferred")
    assert not p.letters
    a.retry(handed)
    assert_same(p.wait()[0].data, letter)
    assert len(p.letters) == 1


def test_one_reply_too_many(a, hosts):
    """Replies nobody asked for must not be taken for those to the next letter."""
    p = hosts.peer({"FINAL": b"250 2.0.0 taken\r\n250 2.1.0 and the next\r\n250 2.1.5 and its recipient\r\n354 and its text\r\n"})
    p.on["FINAL"] = (lambda reply: lambda s, line: reply if s.number == 1 else None)(p.on["FINAL"])
    first, _ = a.send("alice", hosts.to())
    a.settled(first)
    p.on["RCPT"] = lambda s, line: "550 5.1.1 no" if s.number == 1 else None
    word = mark()
    second, letter = a.send("alice", hosts.to(), subject=word)
    p.wait(2)
    assert_same(p.letters[1].data, letter)
    assert a.outcome(second)["event"] == "delivered"
