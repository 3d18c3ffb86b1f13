"""Other people's mail programs against our IMAP: each has an account of its own, and what it did is read back by imaplib."""
import hashlib
import imaplib
import pathlib
import re
import ssl
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import post  # noqa: E402

imaplib._MAXLINE = 1 << 26
ANY = ssl.create_default_context()
ANY.check_hostname, ANY.verify_mode = False, ssl.CERT_NONE


class Account:
    """Somebody's mailboxes, as imaplib sees them."""

    def __init__(self, server, address):
        self.server, self.address, self.password = server, address, post.PASSWORD
        server.account(address)

    def login(self):
        c = imaplib.IMAP4_SSL("127.0.0.1", self.server.ports["imaps"], ssl_context=ANY, timeout=60)
        c.login(self.address, self.password)
        return c

    def fill(self, mailbox, letters, flags=""):
        """Appends; makes the mailbox."""
        with self.login() as c:
            c.create(mailbox)
            c.subscribe(mailbox)
            for letter in letters:
                assert c.append(mailbox, flags, '"22-Nov-2026 01:30:00 +0000"', letter)[0] == "OK"

    def letters(self, mailbox="INBOX"):
        """{subject: (flags, digest of the letter)}; whoever has two letters of one subject fails."""
        with self.login() as c:
            typ, said = c.select(mailbox, readonly=True)
            assert typ == "OK", said
            if said == [b"0"]:
                return {}
            found = {}
            for item in c.fetch("1:*", "(UID FLAGS BODY.PEEK[])")[1]:
                if not isinstance(item, tuple):
                    continue
                flags = set(re.search(rb"FLAGS \(([^)]*)\)", item[0]).group(1).decode().split()) - {"\\Recent"}
                subject = re.search(rb"(?im)^Subject: (.*?)\r?$", item[1]).group(1).decode()
                assert subject not in found, f"{subject} is there twice"
                found[subject] = flags, digest(item[1])
            return found

    def flags(self, mailbox="INBOX"):
        return {subject: flags for subject, (flags, _) in self.letters(mailbox).items()}

    def mailboxes(self):
        with self.login() as c:
            names = [re.search(rb'\) (?:"[^"]*"|NIL) "?([^"]*)"?$', line).group(1).decode() for line in c.list()[1] if line]
            return set(names)


def digest(letter):
    """Of what a letter says, whatever ends its lines, and without the marks of programs that copy it."""
    return hashlib.sha256(re.sub(rb"(?m)^X-(?:TUID|OfflineIMAP): .*\n", b"", letter.replace(b"\r\n", b"\n"))).hexdigest()[:16]


def some(n, word="letter", size=2):
    return [post.letter(f"{word}-{i}", f"This is {word} {i}.\r\n".encode() * size, sender="carol@example.net") for i in range(n)]


@pytest.fixture(scope="session")
def dns():
    d = post.Dns()
    yield d
    d.stop()


@pytest.fixture(scope="session")
def server(dns):
    p = post.Penny(dns=dns, config='plaintext_auth = {"127.0.0.1"}', at={kind: f"127.0.0.1:{post.free_port()}" for kind in ("imap", "imaps")})
    p.certify("localhost")
    p.start()
    yield p
    p.stop()
    p.remove()


@pytest.fixture
def account(server, request):
    """A new one, named after the test."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-").removeprefix("test_").lower()
    return Account(server, f"{name}@example.org")
