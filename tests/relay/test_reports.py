"""Reports as other people's programs read them (RFC 3461, RFC 3464, RFC 6522): who gets one, what it says, and who never does. The requests of
a sender go on to hosts that know them."""
import email
import email.policy
import re

import office
import post
import pytest
import remote
from conftest import STRANGER
from office import mark

NO = {"RCPT": "550 5.1.1 <nobody> is not here"}
WITHOUT_DSN = [o for o in remote.Peer.OFFERS if o != "DSN"]


def report_in(stored):
    return remote.Report(office.unwrapped(stored))


# --- a report of failure -----------------------------------------------------------------------------------------

def test_what_it_says(a, hosts):
    hosts.peer({"RCPT": b"550-5.1.1 There is no such person.\r\n550-5.1.1 Ask the front desk\r\n550 5.1.1 at +49 30 1234.\r\n"})
    word = mark()
    letter = post.letter(word, b"the secret body\r\n", sender="alice@a.test", to=hosts.to())
    handed = a.submit("alice", hosts.to(), letter, mail=["ENVID=quote+2B" + word], rcpt=["ORCPT=rfc822;someone+2Belse@orig.test"])
    (stored,) = a.wait("alice", word)
    assert stored.startswith(b"Return-Path: <>\r\nDelivered-To: alice@a.test\r\n")
    r = report_in(stored)
    m = r.message
    assert m["From"].addresses[0].addr_spec.lower() == "mailer-daemon@mail.a.test" and m["To"].addresses[0].addr_spec == "alice@a.test"
    sent = email.message_from_bytes(letter, policy=email.policy.default)
    assert sent["Message-ID"] in (m["In-Reply-To"] or "") + (m["References"] or "")
    assert r.about["Reporting-MTA"] == "dns; mail.a.test" and r.about["Original-Envelope-Id"] == "quote+" + word
    assert "Arrival-Date" in r.about
    (g,) = r.recipients
    assert g["Original-Recipient"] == "rfc822; someone+else@orig.test" and g["Final-Recipient"] == f"rfc822; {hosts.to()}"
    assert (g["Action"], g["Status"]) == ("failed", "5.1.1") and g["Remote-MTA"].startswith(f"dns; {hosts.domain}")
    said = re.sub(r"\s+", " ", g["Diagnostic-Code"])
    assert said.startswith("smtp; 550") and all(w in said for w in ("There is no such person.", "Ask the front desk", "at +49 30 1234."))
    for needed in (hosts.to(), "There is no such person.", "Ask the front desk", handed.id):
        assert needed in r.text, f"people are told: {needed}"
    assert word in r.returned and "the secret body" not in r.returned and not r.whole
    assert all(len(line) <= 998 for line in stored.split(b"\r\n")) and stored.isascii()


@pytest.mark.parametrize("ret,whole", [("FULL", True), ("HDRS", False)])
def test_as_much_as_asked_for(a, hosts, ret, whole):
    hosts.peer(NO)
    word = mark()
    letter = post.letter(word, b"the body\r\n", sender="alice@a.test", to=hosts.to())
    a.submit("alice", hosts.to(), letter, mail=[f"RET={ret}"])
    r = report_in(*a.wait("alice", word))
    assert r.whole == whole and ("the body" in r.returned) == whole


def test_a_whole_letter_of_8_bits_comes_back_unharmed(a, hosts):
    hosts.peer(NO)
    word = mark()
    letter = post.letter(word, "schöne Grüße --=_ \r\n".encode() * 20, sender="alice@a.test", to=hosts.to(),
                         extra=b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    a.submit("alice", hosts.to(), letter, mail=["RET=FULL", "BODY=8BITMIME"])
    (stored,) = a.wait("alice", word)
    r = report_in(stored)
    returned = r.message.get_payload()[2].get_payload(0)
    assert returned.get_content().splitlines() == ["schöne Grüße --=_ "] * 20


def test_one_report_for_all_who_failed(a, hosts):
    hosts.peer(NO)
    word = mark()
    to = [hosts.to(who=f"r{i}") for i in range(5)]
    handed = a.submit("alice", to, post.letter(word, b"x\r\n", sender="alice@a.test", to=to[0]))
    a.settled(handed)
    (stored,) = a.wait("alice", word)
    assert {g["Final-Recipient"] for g in report_in(stored).recipients} == {f"rfc822; {r}" for r in to}
    assert not a.letters("alice", word)


def test_addresses_beyond_ascii(a, hosts):
    """No SMTPUTF8 there: it comes back, and älice, who speaks it, reads the address as she wrote it (RFC 6533)."""
    p = hosts.peer(offers=[o for o in remote.Peer.OFFERS if o != "SMTPUTF8"])
    word = mark()
    to = hosts.to(who="jürgen")
    a.submit("älice", to, post.letter(word, "grüß dich\r\n".encode(), sender="älice@a.test", to=to))
    (stored,) = a.wait("älice", word)
    r = report_in(stored)
    (g,) = r.recipients
    assert g["Status"] == "5.6.7" and not p.lines("DATA")
    assert g["Final-Recipient"] in (f"utf-8; {to}", f"utf-8; {to.replace('ü', chr(92) + 'x{FC}')}"), g
    assert to in r.text


# --- 8 bit letters to 7 bit hosts --------------------------------------------------------------------------------

def test_8_bits_for_a_host_of_7(a, hosts):
    """RFC 6152 §3: re-encoded, and read as it was written."""
    p = hosts.peer(offers=["PIPELINING", "SIZE 1000000"])
    body = "Grüße aus Köln\r\n".encode() * 30
    letter = post.letter(mark(), body, sender="alice@a.test", to=hosts.to(), extra=b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    a.submit("alice", hosts.to(), letter)
    got = p.wait()[0]
    assert got.data.isascii() and "BODY=" not in got.mail
    read = email.message_from_bytes(got.data, policy=email.policy.default)
    assert read.get_content().splitlines() == ["Grüße aus Köln"] * 30
    assert read["Content-Transfer-Encoding"].lower() in ("quoted-printable", "base64")


def test_but_not_what_is_signed(a, hosts):
    p = hosts.peer(offers=["PIPELINING"])
    word = mark()
    body = ("--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
            "--b\r\nContent-Type: application/pgp-signature\r\n\r\nnonsense\r\n--b--\r\n").encode()
    letter = post.letter(word, body, sender="alice@a.test", to=hosts.to(),
                         extra=b'Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"; micalg=pgp-sha256\r\n')
    a.submit("alice", hosts.to(), letter)
    assert report_in(*a.wait("alice", word)).of(hosts.to())["Status"] == "5.6.3"
    assert not p.letters


# --- reports of success ------------------------------------------------------------------------------------------

def test_requests_go_on_to_who_knows_them(a, hosts):
    """RFC 3461 §5.2.1: the next host is told everything, and we say nothing."""
    p = hosts.peer()
    word = mark()
    handed = a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test", to=hosts.to()),
                      mail=["RET=FULL", f"ENVID={word}+2Bx"], rcpt=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;bob+2Bx@orig.test"])
    got = p.wait()[0]
    assert "RET=FULL" in got.mail and f"ENVID={word}+2Bx" in got.mail
    assert re.search(r"NOTIFY=(SUCCESS,DELAY|DELAY,SUCCESS)", got.rcpts[0]) and "ORCPT=rfc822;bob+2Bx@orig.test" in got.rcpts[0]
    a.settled(handed)
    assert not a.letters("alice", word)


def test_relayed_to_who_does_not(a, hosts):
    """RFC 3461 §5.2.2"""
    p = hosts.peer(offers=WITHOUT_DSN)
    word = mark()
    a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test", to=hosts.to()), rcpt=["NOTIFY=SUCCESS,FAILURE"])
    g = report_in(*a.wait("alice", word)).of(hosts.to())
    assert g["Action"] == "relayed" and g["Status"].startswith("2.")
    assert "NOTIFY" not in p.wait()[0].rcpts[0]


def test_delivered_here(a):
    word = mark()
    a.submit("alice", "erin@a.test", post.letter(word, b"x\r\n", sender="alice@a.test", to="erin@a.test"), rcpt=["NOTIFY=SUCCESS"])
    assert a.wait("erin", word)
    g = report_in(*a.wait("alice", word)).of("erin@a.test")
    assert g["Action"] == "delivered" and g["Status"].startswith("2.")


def test_expanded(a, hosts):
    """RFC 3461 §5.2.7.2: one report for the list, none for its members."""
    p = hosts.peer()
    name = f"list{hosts.number}@a.test"
    a.penny("alias", "add", name, "erin@a.test", hosts.to())
    word = mark()
    a.submit("alice", name, post.letter(word, b"x\r\n", sender="alice@a.test", to=name), rcpt=["NOTIFY=SUCCESS,FAILURE"])
    g = report_in(*a.wait("alice", word)).of(name)
    assert g["Action"] == "expanded"
    assert a.wait("erin", word) and "SUCCESS" not in p.wait()[0].rcpts[0]


def test_to_postfix_and_back(a, c):
    """Postfix answers for its mailbox."""
    word = mark()
    a.submit("alice", "carol@c.test", post.letter(word, b"x\r\n", sender="alice@a.test", to="carol@c.test"), mail=[f"ENVID={word}"], rcpt=["NOTIFY=SUCCESS"])
    r = report_in(*a.wait("alice", word))
    assert r.about["Reporting-MTA"] == "dns; mail.c.test" and r.about["Original-Envelope-Id"] == word
    assert r.recipients[0]["Action"] == "delivered"
    c.wait("carol", word)


# --- nobody is told ----------------------------------------------------------------------------------------------

def test_never_means_never(a, hosts):
    hosts.peer(NO)
    word = mark()
    handed = a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test"), rcpt=["NOTIFY=NEVER"])
    assert a.outcome(handed)["event"] == "bounced"
    assert not a.letters("alice", word)
    with pytest.raises(office.Refused) as refused:
        a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test"), rcpt=["NOTIFY=NEVER,FAILURE"])
    assert refused.value.code == 501


def test_success_alone_is_no_wish_for_failures(a, hosts):
    hosts.peer({"RCPT": NO["RCPT"]}, offers=WITHOUT_DSN)
    word = mark()
    handed = a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test"), rcpt=["NOTIFY=SUCCESS"])
    assert a.outcome(handed)["event"] == "bounced"
    assert not a.letters("alice", word)


def test_a_null_sender_is_never_answered(a, hosts):
    """A read receipt that cannot be delivered."""
    hosts.peer(NO)
    word = mark()
    handed = a.submit("alice", hosts.to(), post.letter(word, b"x\r\n", sender="alice@a.test"), sender="")
    assert a.outcome(handed)["event"] == "bounced"
    for who in ("alice", "postmaster"):
        assert not a.letters(who, word)


def test_a_forged_sender_is_never_answered(a, hosts):
    """What came on port 25 and is refused behind an alias: its claimed sender hears nothing, the alias's owner does."""
    stranger = hosts.peer(number=STRANGER)
    hosts.peer(NO)
    name = f"fails{hosts.number}@a.test"
    a.penny("alias", "add", name, hosts.to(), "erin@a.test")
    word = mark()
    handed = a.take("victim@stranger.test", name, post.letter(word, b"x\r\n", sender="victim@stranger.test", to=name))
    assert a.settled(handed)[hosts.to()]["event"] == "bounced"
    arrived = a.wait("erin", word, 2)
    (report,) = [text for text in arrived if b"multipart/report" in text]
    assert report_in(report).of(hosts.to())["Status"] == "5.1.1"
    assert not stranger.connections and not a.queue("--to", "victim@stranger.test")
