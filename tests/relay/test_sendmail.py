"""sendmail, mailq and newaliases, as programs on Unix call them."""
import os
import pwd

import office
import post
import pytest
from conftest import E
from office import assert_same, mark


@pytest.fixture(scope="module")
def unix(net, dns, tmp_path_factory):
    """A server with a socket for everybody of this machine, and the programs' names."""
    bin = tmp_path_factory.mktemp("bin")
    shared = bin / "socket"
    shared.mkdir()
    for folder in (bin, shared, *list(bin.parents)[:2]):
        folder.chmod(0o755)
    o = office.Office("e.test", net, E, dns, people=("alice", "nobody"), config=f'sendmail {{ socket = "{shared}/sendmail.sock" }}\n')
    for name in ("sendmail", "mailq", "newaliases"):
        (bin / name).symlink_to(os.path.realpath(post.PENNY))
    o.bin = bin
    o.program = lambda name, *args, **kw: office.run([bin / name, *args], env={**os.environ, "PENNY_CONFIG": str(o.config)}, **kw)
    try:
        o.start()
        yield o
        o.stop()
    finally:
        o.remove()


def text(*lines):
    return "\n".join(lines).encode() + b"\n"


def test_recipients_from_the_header(unix, hosts):
    """-t: To, Cc and Bcc; nobody reads who was in Bcc; LF becomes CRLF; what is missing is added."""
    p = hosts.peer()
    word = mark()
    r = unix.program("sendmail", "-t", "-i", "-f", "alice@e.test", input=text(
        "From: Alice <alice@e.test>", f"To: {hosts.to(who='one')}, Two <{hosts.to(who='two')}>", "Cc: alice@e.test", f"Bcc: {hosts.to(who='three')}",
        f"Subject: {word}", "", "Hello", ".", "after a dot", ""))
    assert r.returncode == 0, r
    got = p.wait()[0]
    assert sorted(got.to) == sorted(hosts.to(who=w) for w in ("one", "two", "three")) and got.sender == "alice@e.test"
    assert b"three" not in got.data and b"bcc" not in got.data.lower()
    assert got.data.endswith(b"\r\n\r\nHello\r\n.\r\nafter a dot\r\n\r\n")
    assert b"\r\nDate: " in got.data and b"\r\nMessage-ID: " in got.data
    assert unix.wait("alice", word)


def test_a_dot_ends_without_i(unix, hosts):
    p = hosts.peer()
    r = unix.program("sendmail", "-f", "alice@e.test", hosts.to(), input=text("From: alice@e.test", f"To: {hosts.to()}", "", "before", ".", "after"))
    assert r.returncode == 0, r
    assert p.wait()[0].data.endswith(b"before\r\n")


@pytest.mark.parametrize("flag", [["-i"], ["-oi"]])
def test_crlf_and_bytes_stay(unix, hosts, flag):
    p = hosts.peer()
    letter = post.letter(mark(), "Grüße\r\n..\r\n.\r\n".encode(), sender="alice@e.test", to=hosts.to())
    r = unix.program("sendmail", *flag, "-f", "alice@e.test", "--", hosts.to(), input=letter)
    assert r.returncode == 0, r
    assert_same(p.wait()[0].data, letter)


def test_smtp_on_its_input(unix, hosts):
    """-bs"""
    p = hosts.peer()
    r = unix.program("sendmail", "-bs", input=(f"EHLO here\r\nMAIL FROM:<alice@e.test>\r\nRCPT TO:<{hosts.to()}>\r\nDATA\r\n"
                                               f"From: alice@e.test\r\nTo: {hosts.to()}\r\n\r\nx\r\n.\r\nQUIT\r\n").encode())
    assert r.returncode == 0 and b"\n250 2.0.0 " in r.stdout and b"\n221 " in r.stdout, r
    assert p.wait()[0].sender == "alice@e.test"


def test_the_queue(unix, hosts):
    """mailq and sendmail -bp list it, sendmail -q runs it."""
    r = unix.program("sendmail", "-f", "alice@e.test", hosts.to(), input=text("From: alice@e.test", f"To: {hosts.to()}", "", "x"))
    assert r.returncode == 0
    post.until(lambda: [row for row in unix.queue("--domain", hosts.domain) if row["attempts"]])
    for argv in (["mailq"], ["sendmail", "-bp"]):
        r = unix.program(*argv)
        assert r.returncode == 0 and hosts.to().encode() in r.stdout and b"refused" in r.stdout.lower(), r
    p = hosts.peer()
    assert unix.program("sendmail", "-q").returncode == 0
    assert p.wait()
    post.until(lambda: not unix.queue("--domain", hosts.domain))


def test_newaliases_has_nothing_to_do(unix):
    assert unix.program("newaliases").returncode == 0


def as_nobody(unix, *args, **kw):
    return unix.program("sendmail", *args, user="nobody", group=pwd.getpwnam("nobody").pw_gid, extra_groups=[], **kw)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_others_are_who_they_are(unix, hosts):
    """The kernel says who calls: his own name is the sender, and no other is lent to him."""
    p = hosts.peer()
    for part in (unix.folder,):
        part.chmod(0o711)
    unix.config.chmod(0o644)
    r = as_nobody(unix, "-i", hosts.to(), input=text(f"To: {hosts.to()}", "Subject: me", "", "x"))
    assert r.returncode == 0, r
    got = p.wait()[0]
    assert got.sender.startswith("nobody@") and b"From: " in got.data
    r = as_nobody(unix, "-i", "-f", "alice@e.test", hosts.to(), input=text("From: alice@e.test", f"To: {hosts.to()}", "", "x"))
    assert r.returncode in (77, 70, 65, 69, 75), r
    assert len(p.letters) == 1


def test_wrong_usage(unix):
    assert unix.program("sendmail", "-i", input=b"From: alice@e.test\n\nx\n").returncode in (64, 65), "to whom?"
    assert unix.program("sendmail", "-t", input=b"From: alice@e.test\nSubject: x\n\nx\n").returncode in (64, 65)


def test_refused_recipients(unix):
    r = unix.program("sendmail", "-f", "alice@e.test", "nosuchuser@e.test", input=text("From: alice@e.test", "", "x"))
    assert r.returncode in (67, 68, 69, 70, 65), r
    assert b"nosuchuser@e.test" in r.stderr


def test_when_the_server_is_down(unix, hosts):
    """75: the caller keeps it and tries again. Last, for the server stops."""
    p = hosts.peer()
    unix.stop()
    letter = text("From: alice@e.test", f"To: {hosts.to()}", "", "x")
    r = unix.program("sendmail", "-f", "alice@e.test", hosts.to(), input=letter)
    assert r.returncode == 75 and r.stderr, r
    unix.start()
    assert unix.program("sendmail", "-f", "alice@e.test", hosts.to(), input=letter).returncode == 0
    p.wait()
    assert len(p.letters) == 1
