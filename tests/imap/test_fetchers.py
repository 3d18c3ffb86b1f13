"""Programs that take letters away, or read them one by one."""
import os
import pty
import re
import select
import smtplib
import subprocess
import time

import post
import pytest
from conftest import digest, some


def taker(tmp_path, out):
    """A delivery command: each letter becomes a file of its own."""
    out.mkdir()
    take = tmp_path / "take"
    take.write_text(f"#!/bin/sh\ncat > {out}/part.$$ && mv {out}/part.$$ {out}/$$\n")
    take.chmod(0o700)
    return take


def taken(out):
    return [f.read_bytes() for f in out.iterdir() if not f.name.startswith("part")]


def test_getmail(account, server, tmp_path):
    sent = some(6)
    account.fill("INBOX", sent[:3])
    account.fill("Work", sent[3:], "(\\Seen)")
    out = tmp_path / "out"
    (tmp_path / "getmailrc").write_text(f"""[retriever]
type = SimpleIMAPSSLRetriever
server = 127.0.0.1
port = {server.ports["imaps"]}
username = {account.address}
password = {account.password}
mailboxes = ("INBOX", "Work")
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
    command = ["getmail", "--getmaildir", tmp_path, "--rcfile", tmp_path / "getmailrc"]
    r = subprocess.run(command, capture_output=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    got = {digest(re.sub(rb"(?m)^(?:Return-Path|X-getmail-retrieved-from-mailbox): .*\n", b"", g)) for g in taken(out)}
    assert got == {digest(s) for s in sent}
    assert account.letters() == {} and account.letters("Work") == {}


def fetchmailrc(account, server, tmp_path, take, more=""):
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"""set invisible
set no bouncemail
poll 127.0.0.1 port {server.ports["imaps"]} protocol imap no dns
  username "{account.address}" password "{account.password}" ssl no sslcertck no rewrite {more}
  mda "{take}"
""")
    rc.chmod(0o600)
    return ["fetchmail", "-f", rc, "--pidfile", tmp_path / "pid", "-i", tmp_path / "ids"]


def test_fetchmail(account, server, tmp_path):
    sent = some(4)
    account.fill("INBOX", sent[:3])
    account.fill("INBOX", sent[3:], "(\\Seen)")
    out = tmp_path / "out"
    r = subprocess.run(fetchmailrc(account, server, tmp_path, taker(tmp_path, out)), capture_output=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    assert {digest(g[g.index(b"From:"):]) for g in taken(out)} == {digest(s) for s in sent[:3]}, "those not seen"
    assert account.flags() == {"letter-3": {"\\Seen"}}, "what was taken is gone"


def test_fetchmail_idle(account, server, tmp_path):
    """It waits in IDLE, and a letter that comes meanwhile is fetched at once."""
    out = tmp_path / "out"
    account.fill("INBOX", some(1))
    command = fetchmailrc(account, server, tmp_path, taker(tmp_path, out), "idle fetchall")
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        post.until(lambda: len(taken(out)) == 1)
        time.sleep(0.5)
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as s:
            s.sendmail("carol@example.net", [account.address], post.letter("while-idle", b"wake up\r\n", to=account.address))
        post.until(lambda: len(taken(out)) == 2, seconds=10)
        assert any(b"Subject: while-idle" in g for g in taken(out))
    finally:
        p.terminate()
        said = p.communicate(timeout=20)[0]
    assert b"ocket error" not in said and b"rotocol error" not in said, said


def test_curl(account, server, tmp_path):
    sent = some(3)
    account.fill("INBOX", sent)
    account.fill("Work", [])

    def curl(url, *options, check=0):
        r = subprocess.run(["curl", "-sS", "-k", "--ssl-reqd", "--user", f"{account.address}:{account.password}", *map(str, options),
                            f"imaps://127.0.0.1:{server.ports['imaps']}/{url}"], capture_output=True, timeout=60)
        assert r.returncode == check, r.stderr
        return r.stdout

    assert b"Work" in curl("")
    assert curl("INBOX;MAILINDEX=2") == sent[1]
    assert curl("INBOX;UID=3;SECTION=TEXT") == sent[2][sent[2].index(b"\r\n\r\n") + 4:]
    assert curl("INBOX?SUBJECT%20letter-1") == b"* SEARCH 2\r\n"
    assert curl("INBOX", "-X", "STORE 1 +FLAGS (\\Flagged)").startswith(b"* 1 FETCH (UID 1 FLAGS (")
    assert b"(\\Flagged" in curl("INBOX", "-X", "FETCH 1 FLAGS")
    new = tmp_path / "new"
    new.write_bytes(post.letter("uploaded", b"from a file\r\n" * 3000))
    curl("Work", "-T", new)
    assert account.letters("Work") == {"uploaded": ({"\\Seen"}, digest(new.read_bytes()))}
    assert curl("INBOX;UID=99", check=78) == b""
    assert curl("Nowhere", "-X", "FETCH 1 FLAGS", check=67) == b""


NEOMUTTRC = """set folder="imap://127.0.0.1:{port}/"
set spoolfile="+INBOX" trash="+Trash" header_cache="" message_cachedir=""
set imap_user="{user}" imap_pass="{password}"
set ssl_force_tls=yes ssl_starttls=yes ssl_verify_host=no ssl_verify_dates=no certificate_file="{certificate}"
set quit=yes delete=yes confirmappend=no mail_check=1 auto_tag=no sleep_time=0 wait_key=no move=no mark_old=no
"""


def in_terminal(command, seconds=40):
    """Runs it in a terminal of its own; what it showed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", LINES="24", COLUMNS="100")
        os.execvp(command[0], command)
    shown, end = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.5)[0]:
                continue
            try:
                more = os.read(fd, 65536)
            except OSError:
                more = b""
            if not more:
                return shown
            shown += more
        raise AssertionError(f"it did not end: {shown[-3000:]}")
    finally:
        os.close(fd)
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)


def test_neomutt(account, server, tmp_path):
    """Reads one, flags one, saves one to another mailbox, deletes one, tags two as answered."""
    account.fill("INBOX", some(6))
    account.fill("Work", [])
    rc = tmp_path / "neomuttrc"
    rc.write_text(NEOMUTTRC.format(port=server.ports["imap"], user=account.address, password=account.password, certificate=server.certificate))
    keys = ("<first-entry><display-message><exit>"
            "<search>~s letter-1<enter><flag-message>"
            "<search>~s letter-2<enter><save-message>+Work<enter>"
            "<search>~s letter-3<enter><delete-message>"
            "<tag-pattern>~s letter-[45]<enter><tag-prefix><set-flag>r<untag-pattern>.<enter>"
            "<sync-mailbox><quit>")
    shown = in_terminal(["neomutt", "-n", "-F", str(rc), "-e", f'push "{keys}"'])
    assert account.flags() == {"letter-0": {"\\Seen"}, "letter-1": {"\\Flagged"}, "letter-4": {"\\Answered", "\\Seen"},
                               "letter-5": {"\\Answered", "\\Seen"}}, shown[-2000:]
    assert set(account.letters("Work")) == {"letter-2"}
    assert set(account.letters("Trash")) == {"letter-3"}


@pytest.mark.parametrize("pattern, found", [("=b number-2", {"2"}), ("=s search-3", {"3"}), ("~F", set())])
def test_neomutt_searches(account, server, tmp_path, pattern, found):
    """Its searches of bodies (=b) are the server's."""
    account.fill("INBOX", [post.letter(f"search-{i}", f"number-{i}\r\n".encode()) for i in range(4)])
    rc = tmp_path / "neomuttrc"
    rc.write_text(NEOMUTTRC.format(port=server.ports["imap"], user=account.address, password=account.password, certificate=server.certificate))
    keys = f"<tag-pattern>{pattern}<enter><tag-prefix-cond><set-flag>!<end-cond><sync-mailbox><quit>"
    in_terminal(["neomutt", "-n", "-F", str(rc), "-e", f'push "{keys}"'])
    assert {s[-1] for s, flags in account.flags().items() if "\\Flagged" in flags} == found
