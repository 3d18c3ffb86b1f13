"""Who may have mail sent on, and to whom: every door, every kind of client, every kind of recipient. No door is an open relay."""
import office
import post
import pytest
from conftest import B, E, STRANGER, TRUSTED, UNKNOWN
from office import hand_in, mark

# What a recipient is to b.test. {n} is a host that takes everything and must hear nothing but what it may.
RECIPIENTS = {
    "ours": "bob@b.test",
    "ours-unknown": "nobody@b.test",
    "foreign": "x@p{n}.peers.test",
    "foreign-literal": "x@[{address}]",
    "percent": "x%p{n}.peers.test@b.test",
    "bang": "p{n}.peers.test!x@b.test",
    "quoted": '"x@p{n}.peers.test"@b.test',
    "source-route-to-foreign": "@b.test:x@p{n}.peers.test",
    "percent-at-our-literal": "x%p{n}.peers.test@[{own}]",
    "below-ours": "x@below.b.test",
    "below-a-route": "x@sub.routed.test",
    "routed": "x@routed.test",
    "backup": "x@backup.test",
    "below-backup": "x@sub.backup.test",
    "alias-that-leads-out": "out@b.test",
    "forged-return": "SRS0=AAAA=BB=p{n}.peers.test=x@b.test",
}
STRANGERS_MAY = {"ours", "backup", "alias-that-leads-out"}
NOBODY_MAY = {"ours-unknown", "percent", "bang", "quoted", "percent-at-our-literal", "forged-return"}
SENDERS = ("x@stranger.test", "bob@b.test", "", "x@mail.b.test")


@pytest.fixture(scope="module")
def town(b, net):
    for domain in ("routed.test", "backup.test", "*.routed.test"):
        b.route(domain, f"smtp://[{net.host(STRANGER)}]:{net.port}", *(["--accept"] if domain == "backup.test" else []))
    b.penny("alias", "add", "out@b.test", "x@routed.test")
    yield b
    for domain in ("routed.test", "backup.test"):
        b.penny("queue", "remove", "--domain", domain, check=False)
    for domain in ("routed.test", "backup.test", "*.routed.test"):
        b.penny("route", "remove", domain)


def recipient(kind, net, hosts):
    return RECIPIENTS[kind].format(n=hosts.number, address=hosts.address(), own=net.host(B))


@pytest.mark.parametrize("kind", RECIPIENTS)
def test_a_stranger_at_port_25(town, net, hosts, kind):
    p = hosts.peer()
    to = recipient(kind, net, hosts)
    letter = post.letter(mark(), b"x\r\n", sender="x@stranger.test", to="y@z.test")
    for sender in SENDERS:
        if kind in STRANGERS_MAY:
            assert town.take(sender, to, letter, source=net.host(UNKNOWN)).id
            continue
        with pytest.raises(office.Refused) as refused:
            town.take(sender, to, letter, source=net.host(UNKNOWN))
        assert refused.value.step == "RCPT" and refused.value.code in (550, 501, 553), (sender, refused.value)
    assert not p.connections and not town.queue("--domain", hosts.domain)


@pytest.mark.parametrize("kind", RECIPIENTS)
def test_a_stranger_who_says_what_a_log_in_would(town, net, hosts, kind):
    """No AUTH at port 25, offered or not."""
    said = office.talk(town.door, ["EHLO x.test", "AUTH PLAIN AGJvYkBiLnRlc3QAY29ycmVjdA==", "MAIL FROM:<x@stranger.test> AUTH=<>",
                                   f"RCPT TO:<{recipient(kind, net, hosts)}>"], source=net.host(UNKNOWN))
    assert said[2][:3] in ("502", "503", "530", "504"), said
    assert said[4].startswith("250") == (kind in STRANGERS_MAY), said


@pytest.mark.parametrize("kind", RECIPIENTS)
def test_a_trusted_client_at_port_25(town, net, hosts, kind):
    """Relays without a password; still not to what does not exist here."""
    to = recipient(kind, net, hosts)
    letter = post.letter(mark(), b"x\r\n", sender="x@stranger.test", to="y@z.test")
    p = hosts.peer()
    if kind in NOBODY_MAY | {"below-ours"}:
        with pytest.raises(office.Refused):
            handed = town.take("x@stranger.test", to, letter, source=net.host(TRUSTED))
            raise office.Refused("later", 550, town.wait_event(handed, "bounced")[0]["text"])  # found out when it is tried
        assert not p.letters
        return
    handed = town.take("x@stranger.test", to, letter, source=net.host(TRUSTED))
    if kind in ("foreign", "foreign-literal", "source-route-to-foreign"):
        (got,) = p.wait()
        assert got.to == [to.split(":")[-1]] and got.sender == "x@stranger.test"
    else:
        town.remove_from_queue(handed)


@pytest.mark.parametrize("door", ["submission", "submissions"])
@pytest.mark.parametrize("kind", RECIPIENTS)
def test_nobody_submits_without_a_log_in(town, net, hosts, kind, door):
    if door == "submissions":
        import smtplib
        import ssl
        context = ssl.create_default_context(cafile=town.certificate)
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", town.ports["submissions"], timeout=20, context=context) as s:
            s.ehlo()
            assert s.mail("bob@b.test")[0] == 530 and s.rcpt(recipient(kind, net, hosts))[0] in (503, 530)
    else:
        said = office.talk(town.submission, ["EHLO x.test", "MAIL FROM:<bob@b.test>", f"RCPT TO:<{recipient(kind, net, hosts)}>"])
        assert said[2].startswith("530") and said[3][:3] in ("503", "530")


@pytest.mark.parametrize("kind", ["foreign", "routed", "below-ours", "percent"])
def test_lmtp_never_relays(town, net, hosts, kind):
    said = office.talk(("127.0.0.1", town.ports["lmtp"]), ["LHLO x.test", "MAIL FROM:<x@stranger.test>", f"RCPT TO:<{recipient(kind, net, hosts)}>"])
    assert said[3].startswith("55"), said


def test_who_logged_in_sends_as_himself(town, hosts):
    p = hosts.peer()
    town.send("bob", hosts.to())
    assert p.wait()[0].sender == "bob@b.test"
    with pytest.raises(office.Refused) as refused:
        town.submit("bob", hosts.to(), post.letter(mark(), b"x\r\n", sender="bob@b.test"), sender="x@stranger.test")
    assert refused.value.code == 550 and len(p.letters) == 1


def test_trusted_at_the_submission_ports(net, dns, hosts):
    """Trust is the network's, at every door."""
    p = hosts.peer()
    o = office.Office("e.test", net, E, dns, people=("alice",), trusted=("127.0.0.1",))
    try:
        o.start()
        hand_in(o.submission, "printer@e.test", hosts.to(), post.letter(mark(), b"x\r\n", sender="printer@e.test"))
        assert p.wait()[0].sender == "printer@e.test"
        o.stop()
    finally:
        o.remove()
