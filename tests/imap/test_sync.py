"""Programs that keep a copy of all mailboxes: both ways, with flags and deletions."""
import re
import ssl
import hashlib
import subprocess

import post
import pytest
from conftest import digest, some

MAILDIR_FLAGS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft"}


class Copy:
    """A Maildir per mailbox under one folder."""

    def __init__(self, folder):
        self.folder = folder

    def files(self, mailbox="INBOX"):
        return [f for sub in ("cur", "new") for f in (self.folder / mailbox / sub).glob("*")]

    def letters(self, mailbox="INBOX"):
        """As Account.letters()."""
        found = {}
        for f in self.files(mailbox):
            text = f.read_bytes().replace(b"\r\n", b"\n")
            subject = re.search(rb"(?im)^Subject: (.*)$", text).group(1).decode()
            assert subject not in found, f"{subject} is there twice"
            found[subject] = {MAILDIR_FLAGS[c] for c in f.name.partition(":2,")[2] if c in MAILDIR_FLAGS}, digest(text)
        return found

    def find(self, subject, mailbox="INBOX"):
        (f,) = [f for f in self.files(mailbox) if f"Subject: {subject}\n".encode() in f.read_bytes().replace(b"\r\n", b"\n")]
        return f

    def flag(self, subject, flags, mailbox="INBOX"):
        f = self.find(subject, mailbox)
        f.rename(self.folder / mailbox / "cur" / f"{f.name.partition(':')[0]}:2,{flags}")

    def add(self, letter, mailbox="INBOX", name="1700000000.1.here", flags="S"):
        for sub in ("cur", "new", "tmp"):
            (self.folder / mailbox / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / mailbox / "cur" / f"{name}:2,{flags}").write_bytes(letter.replace(b"\r\n", b"\n"))


def prepare(account):
    account.fill("INBOX", some(5, "inbox"))
    account.fill("Work", some(3, "work"), "(\\Seen)")
    account.fill("Work/Old", some(2, "old"), "(\\Flagged \\Answered)")
    account.fill("Gr&APwA3w-e", some(1, "umlaut"))


def both_sides_change(account, copy, old):
    """The same program of changes for everybody: flags here and there, deletions here and there, new letters here and there."""
    copy.flag("inbox-0", "FS")
    copy.find("inbox-1").unlink()
    copy.add(post.letter("from-here", b"written here\r\n"))
    copy.flag("old-0", "FRS", old)
    with account.login() as c:
        c.select("INBOX")
        c.store("3", "+FLAGS", "(\\Answered)")
        c.store("4", "+FLAGS", "(\\Deleted)")
        c.expunge()
        c.append("INBOX", "(\\Flagged)", None, post.letter("from-there", b"written there\r\n"))
        c.select("Work")
        c.copy("1", "Work/Old")


def changed(account, old="Work/Old"):
    assert account.flags() == {"inbox-0": {"\\Seen", "\\Flagged"}, "inbox-2": {"\\Answered"}, "inbox-4": set(), "from-here": {"\\Seen"},
                               "from-there": {"\\Flagged"}}
    assert account.flags(old) == {"old-0": {"\\Seen", "\\Flagged", "\\Answered"}, "old-1": {"\\Flagged", "\\Answered"}, "work-0": {"\\Seen"}}


@pytest.mark.parametrize("tls", ["IMAPS", "STARTTLS"])
def test_mbsync(account, server, tmp_path, tls):
    copy = Copy(tmp_path / "copy")
    copy.folder.mkdir()
    port = server.ports["imaps" if tls == "IMAPS" else "imap"]
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""IMAPAccount far
Host localhost
Port {port}
User {account.address}
PassCmd "echo '{account.password}'"
SSLType {tls}
CertificateFile {server.certificate}

IMAPStore far
Account far

MaildirStore near
Path {copy.folder}/
Inbox {copy.folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
""")

    def sync():
        r = subprocess.run(["mbsync", "-c", rc, "-a"], capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stdout + r.stderr

    prepare(account)
    sync()
    names = {"INBOX": "INBOX", "Work": "Work", "Work/Old": "Work/Old", "Gr&APwA3w-e": "Gr&APwA3w-e"}
    for there, here in names.items():
        assert copy.letters(here) == account.letters(there), there
    both_sides_change(account, copy, "Work/Old")
    copy.add(post.letter("new-box", b"in a mailbox made here\r\n"), "Made")
    sync()
    changed(account)
    assert set(account.letters("Made")) == {"new-box"}
    for there, here in {**names, "Made": "Made"}.items():
        assert copy.letters(here) == account.letters(there), there
    before = {m: account.letters(m) for m in names}
    sync()
    assert {m: account.letters(m) for m in names} == before, "nothing had changed"


def test_offlineimap(account, server, tmp_path):
    copy = Copy(tmp_path / "copy")
    fingerprint = hashlib.sha1(ssl.PEM_cert_to_DER_cert(open(server.certificate).read())).hexdigest()
    rc = tmp_path / "offlineimaprc"
    rc.write_text(f"""[general]
accounts = a
metadata = {tmp_path}/metadata
ui = basic
fsync = False
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {copy.folder}
sep = /
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {server.ports["imaps"]}
ssl = yes
cert_fingerprint = {fingerprint}
remoteuser = {account.address}
remotepass = {account.password}
""")

    def sync():
        r = subprocess.run(["offlineimap", "-c", rc, "-o", "-1"], capture_output=True, text=True, timeout=120)
        assert r.returncode == 0 and "ERROR" not in r.stdout + r.stderr, r.stdout + r.stderr

    prepare(account)
    sync()
    for mailbox in ("INBOX", "Work", "Work/Old", "Gr&APwA3w-e"):
        assert copy.letters(mailbox) == account.letters(mailbox), mailbox
    both_sides_change(account, copy, "Work/Old")
    sync()
    changed(account)
    for mailbox in ("INBOX", "Work", "Work/Old"):
        assert copy.letters(mailbox) == account.letters(mailbox), mailbox
