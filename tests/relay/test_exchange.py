"""Mail between two Penny Posts and two Postfixes, found by DNS, byte for byte."""
import email
import email.policy
import re

import office
import post
import pytest
import remote
from conftest import REFUSER
from office import assert_same, hand_in, mark

BODIES = {
    "plain": b"Hello,\r\n\r\nall is well.\r\n",
    "dots": b".\r\n..\r\n.leading\r\n...three\r\nin.the.middle\r\n.\r\nend\r\n",
    "empty": b"",
    "lines-of-998": (b"y" * 998 + b"\r\n") * 20,
    "eight-bit": "Grüße aus Köln, 日本語\r\n".encode() * 50,
    "all-bytes": bytes(set(range(1, 256)) - {10, 13}) + b"\r\n",
}
BODIES["300-KB"] = (b"0123456789abcdef" * 4 + b"\r\n") * 5000
BIG = (b"A" * 76 + b"\r\n") * (20 * 1024 * 1024 // 78)


def from_postfix(a, b, c, d, to, letter):
    hand_in((c.address, c.net.port), "carol@c.test", to, letter)
    return "carol@c.test"


def from_penny(a, b, c, d, to, letter):
    a.submit("alice", to, letter)
    return "alice@a.test"


def at_penny(a, b, c, d, word):
    return b.wait("bob", word)


def at_postfix(a, b, c, d, word):
    return d.wait("dave", word)


WAYS = {
    "postfix-penny": (from_postfix, "bob@b.test", at_penny),
    "penny-postfix": (from_penny, "dave@d.test", at_postfix),
    "penny-penny": (from_penny, "bob@b.test", at_penny),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", BODIES)
def test_bytes(a, b, c, d, way, body):
    leave, to, arrive = WAYS[way]
    word = mark()
    sender = "alice@a.test" if leave is from_penny else "carol@c.test"
    letter = post.letter(word, BODIES[body], sender=sender, to=to)
    leave(a, b, c, d, to, letter)
    (stored,) = arrive(a, b, c, d, word)
    assert_same(stored, letter)
    assert stored.startswith(f"Return-Path: <{sender}>\r\n".encode())


def test_20_megabytes_through_all_of_them(a, b, c, d):
    """Postfix, an alias at a Penny Post, another Postfix."""
    a.penny("alias", "add", "big@a.test", "dave@d.test", "bob@b.test")
    word = mark()
    letter = post.letter(word, BIG, sender="carol@c.test", to="big@a.test")
    hand_in((c.address, c.net.port), "carol@c.test", "big@a.test", letter)
    (at_d,) = at_postfix(a, b, c, d, word)
    (at_b,) = b.wait("bob", word, seconds=60)
    assert_same(at_d, letter)
    assert_same(at_b, letter)


def test_many_recipients_go_once_to_each_host(a, b, c, d):
    """Those of one host share a transaction; each has one copy."""
    word = mark()
    to = ["carol@c.test", "dave@c.test", "dave@d.test", "bob@b.test", "erin@a.test", "postmaster@b.test", "carol@d.test"]
    letter = post.letter(word, b"to all of you\r\n", sender="alice@a.test", to=to[0])
    handed = a.submit("alice", to, letter)
    ends = a.settled(handed)
    assert sorted(ends) == sorted(to) and {e["event"] for e in ends.values()} == {"delivered"}, ends
    for user in ("carol", "dave"):
        (stored,) = c.wait(user, word)
        assert_same(stored, letter)
    for user in ("carol", "dave"):
        (stored,) = d.wait(user, word)
        assert_same(stored, letter)
    for o, user in ((b, "bob"), (b, "postmaster"), (a, "erin")):
        (stored,) = o.wait(user, word)
        assert_same(stored, letter)
    ids = {re.search(r"queued as (\w+)", ends[r]["text"]).group(1) for r in ("carol@c.test", "dave@c.test")}
    assert len(ids) == 1, "two recipients of one host, one letter there"


def test_smtputf8_both_ways(a, c):
    word = mark()
    letter = (f"From: Älice <älice@a.test>\r\nTo: <dávid@c.test>\r\nSubject: {word} Grüße\r\nDate: Sun, 22 Nov 2026 01:30:00 +0000\r\n"
              f"Message-ID: <{word}@a.test>\r\n\r\nschön\r\n").encode()
    a.submit("älice", "dávid@c.test", letter)
    (stored,) = c.wait("dávid", word)
    assert_same(stored, letter)
    assert stored.decode().startswith("Return-Path: <älice@a.test>\r\n")
    hand_in((c.address, c.net.port), "dávid@c.test", "älice@a.test", letter)
    (stored,) = a.wait("älice", word)
    assert_same(stored, letter)
    assert "with UTF8SMTPS" in stored.decode()


def test_a_forward_and_its_bounce_come_home(a, c, d, hosts):
    """dave at d.test writes to an alias at a.test that leads to c.test; what c.test cannot forward comes back to dave through a.test (SRS)."""
    refuser = hosts.peer({"RCPT": "550 5.1.1 nobody of that name"}, number=REFUSER)
    a.penny("alias", "add", "forward@a.test", "carol@c.test")
    word = mark()
    letter = post.letter(word, b"for carol\r\n", sender="dave@d.test", to="forward@a.test")
    hand_in((d.address, d.net.port), "dave@d.test", "forward@a.test", letter)
    (stored,) = c.wait("carol", word)
    assert_same(stored, letter)
    back = re.match(rb"Return-Path: <(SRS0=[^>]*)>", stored)
    assert back and back.group(1).lower().endswith(b"=d.test=dave@mail.a.test"), stored[:200]

    a.penny("alias", "add", "astray@a.test", "gone@c.test")
    word = mark()
    letter = post.letter(word, b"for nobody\r\n", sender="dave@d.test", to="astray@a.test")
    hand_in((d.address, d.net.port), "dave@d.test", "astray@a.test", letter)
    (report,) = d.wait("dave", word)
    r = remote.Report(office.unwrapped(report))
    assert r.about["Reporting-MTA"] == "dns; mail.c.test", "Postfix wrote it, a.test brought it home"
    assert r.of(f"nobody@p{REFUSER}.peers.test")["Status"] == "5.1.1"
    assert refuser.lines("RCPT")

    forged = back.group(1).decode().replace("=d.test=dave", "=d.test=eve")
    with pytest.raises(office.Refused) as refused:
        a.take("", forged, report)
    assert refused.value.code == 550, "a return address we never made"


def test_a_forward_within_keeps_the_sender(a, hosts):
    """SRS only when the sender's domain is not ours."""
    p = hosts.peer()
    a.penny("alias", "add", "out@a.test", hosts.to())
    a.send("alice", "out@a.test")
    (letter,) = p.wait()
    assert letter.sender == "alice@a.test" and letter.to == [hosts.to()]


def test_postfix_reads_our_report(a, c):
    """A letter that c.test may not bring on: Postfix refuses in the session, we write the report, a mail program reads it."""
    word = mark()
    handed, letter = a.send("alice", "nobody@c.test", subject=word)
    (stored,) = a.wait("alice", word)
    r = remote.Report(office.unwrapped(stored))
    assert r.about["Reporting-MTA"] == "dns; mail.a.test"
    about = r.of("nobody@c.test")
    assert about["Action"] == "failed" and about["Status"].startswith("5.1.1")
    assert about["Remote-MTA"].startswith("dns; mail.c.test") and "User unknown" in about["Diagnostic-Code"]
    assert "nobody@c.test" in r.text and "User unknown" in r.text
    assert word in r.returned and "Hello." not in r.returned
    assert stored.startswith(b"Return-Path: <>\r\n")
    assert a.outcome(handed)["event"] == "bounced"
    assert email.message_from_bytes(letter, policy=email.policy.default)["Message-ID"] in r.returned


def test_postfix_bounces_to_us(a, c, hosts):
    """One that c.test took and could not bring on."""
    hosts.peer({"RCPT": "550 5.1.1 nobody of that name"}, number=REFUSER)
    word = mark()
    a.send("alice", "gone@c.test", subject=word)
    (stored,) = a.wait("alice", word)
    r = remote.Report(office.unwrapped(stored))
    assert r.about["Reporting-MTA"] == "dns; mail.c.test" and stored.startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize("number", [1, 25])
def test_replies_of_postfix_are_kept_word_for_word(a, d, number):
    word = mark()
    handed = [a.send("alice", "dave@d.test", subject=word)[0] for _ in range(number)]
    d.wait("dave", word, number)
    for h in handed:
        e = a.outcome(h)
        assert re.fullmatch(r"Ok: (\d+ bytes )?queued as [0-9A-F]+", e["text"]) and e["code"] == 250 and e["status"] == "2.0.0", e
        assert e["host"] == "mail.d.test" and e["peer"] == d.address and e["tls"].startswith("TLSv1.3"), e
