"""Other people's POP3 clients drain a mailbox, byte for byte."""
import poplib
import smtplib
import ssl
import subprocess

import post
import pytest

BOB = "bob@example.org"
LETTERS = [b"one\r\n", b".\r\n..dots\r\n", "Grüße\r\n".encode() * 30, b"q" * 998 + b"\r\n", b"long\r\n" * 60000]


@pytest.fixture
def filled(server, mailbox):
    sent = [post.letter(f"read-{i}", body, sender="someone@example.net") for i, body in enumerate(LETTERS)]
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as s:
        for letter in sent:
            s.sendmail("someone@example.net", [BOB], letter, mail_options=["BODY=8BITMIME"])
    return sent


def empty(server):
    pop = poplib.POP3_SSL("127.0.0.1", server.ports["pop3s"], context=ssl._create_unverified_context(), timeout=60)
    pop.user(BOB)
    pop.pass_(post.PASSWORD)
    n = pop.stat()[0]
    pop.quit()
    return n == 0


def test_poplib_over_tls(server, filled):
    pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    pop.stls(context=ssl._create_unverified_context())
    pop.user(BOB)
    pop.pass_(post.PASSWORD)
    assert pop.stat()[0] == len(filled)
    uidls = [line.split()[1] for line in pop.uidl()[1]]
    assert len(set(uidls)) == len(filled)
    for i, sent in enumerate(filled, 1):
        lines = pop.retr(i)[1]
        post.assert_arrived(b"".join(line + b"\r\n" for line in lines), sent)
        top = pop.top(i, 1)[1]
        assert top == lines[:lines.index(b"") + 2]
        pop.dele(i)
    pop.rset()
    pop.quit()
    again = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    again.user(BOB)
    again.pass_(post.PASSWORD)
    assert [line.split()[1] for line in again.uidl()[1]] == uidls, "stable, and RSET undid the deletions"
    for i in range(len(filled)):
        again.dele(i + 1)
    again.quit()
    assert empty(server)


@pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
def test_curl(server, filled, scheme):
    for i, sent in enumerate(filled, 1):
        r = subprocess.run(["curl", "-sS", "-k", "--ssl-reqd", "--user", f"{BOB}:{post.PASSWORD}", f"{scheme}://127.0.0.1:{server.ports[scheme]}/{i}"],
                           capture_output=True, timeout=60)
        assert r.returncode == 0, r.stderr
        post.assert_arrived(r.stdout, sent)


def taker(tmp_path, out):
    """A delivery command: each letter becomes a file of its own."""
    take = tmp_path / "take"
    take.write_text(f"#!/bin/sh\nmkdir -p {out}\ncat > {out}/$$\n")
    take.chmod(0o700)
    return take


def test_getmail(server, filled, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "getmailrc").write_text(f"""[retriever]
type = SimplePOP3SSLRetriever
server = 127.0.0.1
port = {server.ports["pop3s"]}
username = {BOB}
password = {post.PASSWORD}
[destination]
type = MDA_external
path = {taker(tmp_path, out)}
allow_root_commands = true
[options]
delete = true
read_all = true
delivered_to = false
received = false
verbose = 0
""")
    r = subprocess.run(["getmail", "--getmaildir", tmp_path, "--rcfile", tmp_path / "getmailrc"], capture_output=True, timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr
    got = {f.read_bytes().replace(b"\n", b"\r\n") for f in out.iterdir()}
    assert len(got) == len(filled)
    for sent in filled:
        (match,) = [g for g in got if g.endswith(sent)]
        post.assert_arrived(match, sent)
    assert empty(server)


def test_fetchmail(server, filled, tmp_path):
    out = tmp_path / "out"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"""set invisible
set no bouncemail
poll 127.0.0.1 port {server.ports["pop3s"]} protocol pop3 no dns
  username "{BOB}" password "{post.PASSWORD}" ssl no sslcertck no rewrite fetchall
  mda "{taker(tmp_path, out)}"
""")
    rc.chmod(0o600)
    r = subprocess.run(["fetchmail", "-f", rc, "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids"], capture_output=True, timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr
    got = [f.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for f in out.iterdir()]
    assert len(got) == len(filled)
    for sent in filled:
        assert any(g.endswith(sent) for g in got), sent[:200]
    assert empty(server)


def test_one_session_at_a_time(server, filled):
    first = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    first.user(BOB)
    first.pass_(post.PASSWORD)
    second = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    second.user(BOB)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        second.pass_(post.PASSWORD)
    first.close()
