"""penny import and penny export with another IMAP server: Dovecot, another Penny Post, and servers that lie."""
import imaplib
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import post
import pytest
from conftest import ANY
from dovecot import Dovecot

LITTLE = b"From: a@example.net\r\nSubject: x\r\n\r\n"


def login(port, user, password):
    c = imaplib.IMAP4_SSL("localhost", port, ssl_context=ANY, timeout=60)
    c.login(user, password)
    return c


def names_of(c, prefix):
    lines = [line.decode() for line in c.list()[1] if line]
    found = [re.search(r'^\((.*?)\) (?:"([^"]*)"|NIL) (?:"(.*)"|(\S+))$', line).groups() for line in lines]
    return [(a, sep, (quoted or bare)) for a, sep, quoted, bare in found if "\\Noselect" not in a]


def contents(port, user, password, prefix=""):
    """{mailbox with '/': [(bytes, flags, when it came)]}, in order."""
    found = {}
    c = login(port, user, password)
    for _, sep, name in names_of(c, prefix):
        plain = name.removeprefix(prefix) if name != "INBOX" else name
        plain = plain.replace(sep or "/", "/")
        typ, said = c.select(f'"{name}"', readonly=True)
        assert typ == "OK", said
        found[plain] = []
        if said != [b"0"]:
            for item in c.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
                if isinstance(item, tuple):
                    flags = set(re.search(rb"FLAGS \(([^)]*)\)", item[0]).group(1).decode().split()) - {"\\Recent"}
                    came = imaplib.Internaldate2tuple(item[0])
                    found[plain].append((item[1], frozenset(flags), time.mktime(came)))
    c.logout()
    return {k: v for k, v in found.items() if v}


def fill(port, user, password, mailboxes, prefix=""):
    c = login(port, user, password)
    for name, letters in mailboxes.items():
        if name != "INBOX":
            c.create(f'"{prefix}{name}"')
            c.subscribe(f'"{prefix}{name}"')
        for text, flags, at in letters:
            typ, said = c.append(f'"{prefix}{name}"' if name != "INBOX" else name, f"({flags})", f'"{at}"', text)
            assert typ == "OK", said
    c.logout()


def some_mail():
    letters = [(post.letter(f"m-{i}", b"line\r\n" * (i + 1)), ["", "\\Seen", "\\Answered \\Flagged", "\\Seen work $Forwarded", "\\Deleted"][i % 5],
                f"{i % 28 + 1:2d}-Jan-2020 10:00:{i % 60:02d} +0200") for i in range(130)]
    odd = (LITTLE + b"8-bit \xe4\xf6 \r\n" + b"y" * 5000 + b"\r\n", "\\Seen", "01-Feb-1999 00:00:00 -0700")
    return {"INBOX": letters, "Sent": [odd, odd], "Work": letters[:3], "Work.Old &- new": letters[3:5],
            "Gr&APwA3w-e": [(LITTLE + b"end", "\\Draft", "31-Dec-2010 23:59:59 +0000")]}


def assert_same(have, want):
    assert have.keys() == want.keys()
    for name in want:
        different = [i for i, (a, b) in enumerate(zip(have[name], want[name])) if a != b]
        assert not different and len(have[name]) == len(want[name]), f"{name}: {different[:5]} {[(x[name][i][1:]) for i in different[:1] for x in (have, want)]}"


@pytest.fixture(scope="module")
def there():
    d = Dovecot(config="""mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_max_mail_size = 500k
}
""")
    fill(d.ports["imaps"], "ada", d.password, some_mail(), "INBOX.")
    yield d
    d.stop()


class Office:
    """A server of ours and a new account of it."""

    def __init__(self, house, me):
        self.folder, self.config, self.ports, self.penny, self.account, self.me = house.folder, house.config, house.ports, house.penny, house.account, me
        self.account(me)


@pytest.fixture(scope="module")
def house():
    p = post.Penny(at={"imaps": f"127.0.0.1:{post.free_port()}"})
    p.start()
    yield p
    p.stop()
    p.remove()


@pytest.fixture
def office(house, request):
    return Office(house, f"{request.node.name.removeprefix('test_').replace('_', '-')}@example.org")


def run(office, verb, there, url, *more, check=True, password=None):
    (office.folder / "password").write_text((password or there.password) + "\n")
    r = office.penny(verb, office.me, url, "--password-file", office.folder / "password", "--ca", there.certificate, "--json", *more, check=check)
    assert "ERROR: " not in r.stderr and "runtime error" not in r.stderr, r.stderr
    return json.loads(r.stdout) if check else r


def url(there, user="ada", kind="imaps", path=""):
    return f"{kind}://{user}@localhost:{there.ports[kind]}{path}"


def test_from_dovecot(office, there):
    want = contents(there.ports["imaps"], "ada", there.password, "INBOX.")
    dry = run(office, "import", there, url(there), "--dry-run")
    got = run(office, "import", there, url(there))
    n = sum(map(len, want.values()))
    assert dry["letters"] == got["letters"] == n and got["there"] == 0 and got["refused"] == 0
    have = contents(office.ports["imaps"], office.me, post.PASSWORD)
    assert_same(have, want)
    again = run(office, "import", there, url(there, kind="imap"))
    assert (again["letters"], again["there"], again["flags"]) == (0, n, 0)
    subscribed = {b["mailbox"]: b for b in json.loads(office.penny("mailbox", "list", office.me, "--json").stdout)}
    assert subscribed["Work/Old & new"]["subscribed"] and subscribed["Sent"]["use"] == "sent"
    office.penny("verify", "--bodies")
    hexed = fingerprint(there.certificate)  # by another name of the host nothing is remembered, and all is recognised
    other = run(office, "import", there, url(there).replace("localhost", "127.0.0.1"), "--fingerprint", hexed)
    assert (other["letters"], other["there"]) == (0, n)


def fingerprint(certificate):
    said = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", certificate], text=True, capture_output=True, check=True).stdout
    return said.split("=")[1].strip()


def change(there, user, mailbox, uids, how, flags):
    c = login(there.ports["imaps"], user, there.password)
    c.select(mailbox)
    assert c.uid("STORE", uids, how, f"({flags})")[0] == "OK"
    c.logout()


def test_what_changed_since(office, there):
    """A second run brings what is new: letters, and flags that changed there. What was moved away or changed here stays."""
    letters = [(post.letter(f"f-{i}", b"x\r\n"), "", "01-Feb-2020 10:00:00 +0000") for i in range(6)]
    fill(there.ports["imaps"], "flags", there.password, {"INBOX": letters[:5]})
    assert run(office, "import", there, url(there, "flags"))["letters"] == 5
    fill(there.ports["imaps"], "flags", there.password, {"INBOX": letters[5:]})
    change(there, "flags", "INBOX", "1:2", "+FLAGS", "\\Seen later")
    c = login(office.ports["imaps"], office.me, post.PASSWORD)
    c.select("INBOX")
    c.uid("STORE", "3", "+FLAGS", "(\\Flagged)")
    c.uid("MOVE", "5", "Archive")
    c.logout()
    r = run(office, "import", there, url(there, "flags"))
    assert (r["letters"], r["there"], r["flags"]) == (1, 5, 2)
    have = contents(office.ports["imaps"], office.me, post.PASSWORD)
    assert [f for _, f, _ in have["INBOX"]] == [{"\\Seen", "later"}, {"\\Seen", "later"}, {"\\Flagged"}, frozenset(), frozenset()]
    assert [text for text, *_ in have["INBOX"]] == [letters[i][0] for i in (0, 1, 2, 3, 5)]
    assert run(office, "import", there, url(there, "flags"), "--dry-run", "--again")["letters"] == 1
    assert run(office, "import", there, url(there, "flags"), "--again")["letters"] == 1
    assert len(contents(office.ports["imaps"], office.me, post.PASSWORD)["INBOX"]) == 6
    assert run(office, "import", there, url(there, "flags"), "--mailbox", "Old", "--since", "2020-02-02")["letters"] == 0


def test_to_dovecot_and_back(office, there):
    """Out to Dovecot, twice; what changed here is followed; and from there into another account: nothing is lost on the way."""
    mail = {k: v[:30] for k, v in some_mail().items()}
    fill(office.ports["imaps"], office.me, post.PASSWORD, {k.replace(".", "/"): v for k, v in mail.items()})
    want = contents(office.ports["imaps"], office.me, post.PASSWORD)
    n = sum(map(len, want.values()))
    assert run(office, "export", there, url(there, "out"), "--dry-run")["letters"] == n
    got = run(office, "export", there, url(there, "out"))
    assert got["letters"] == n and got["refused"] == 0
    assert_same(contents(there.ports["imaps"], "out", there.password, "INBOX."), want)
    c = login(office.ports["imaps"], office.me, post.PASSWORD)
    c.select("Work")
    c.uid("STORE", "1:2", "FLAGS", "(\\Flagged urgent)")
    c.append("Work", "", None, LITTLE + b"new")
    c.logout()
    change(there, "out", "INBOX", "1", "FLAGS", "\\Answered")
    again = run(office, "export", there, url(there, "out", "imap"))
    assert (again["letters"], again["there"], again["flags"]) == (1, n, 2)
    there_now = contents(there.ports["imaps"], "out", there.password, "INBOX.")
    assert_same({"Work": there_now["Work"]}, {"Work": contents(office.ports["imaps"], office.me, post.PASSWORD)["Work"]})
    assert there_now["INBOX"][0][1] == {"\\Answered"}
    c = login(there.ports["imaps"], "out", there.password)
    assert b"INBOX.Work" in b" ".join(c.lsub()[1])
    c.logout()
    assert run(office, "import", there, url(there, "out"))["letters"] == 0  # the memory is the same both ways
    office.account("carol@example.org")
    (office.folder / "password").write_text(there.password)
    office.penny("import", "carol@example.org", url(there, "out"), "--password-file", office.folder / "password", "--ca", there.certificate)
    assert_same(contents(office.ports["imaps"], "carol@example.org", post.PASSWORD), there_now)

    # one letter is too large for Dovecot, and refused together with its neighbours: it alone is named and stays behind
    fill(office.ports["imaps"], office.me, post.PASSWORD,
         {"Work": [(LITTLE + line * k, "", "01-Feb-2020 10:00:00 +0000") for line, k in ((b"before", 1), (b"z" * 78 + b"\r\n", 7500), (b"after", 1))]})
    r = run(office, "export", there, url(there, "out"), check=False)
    assert r.returncode == 65 and re.search(r"^Work: UID \d+ is refused; the server says: ", r.stderr, re.M), r.stderr
    counts = json.loads(r.stdout)
    assert (counts["letters"], counts["refused"]) == (2, 1)
    assert [text[-5:] for text, *_ in contents(there.ports["imaps"], "out", there.password, "INBOX.")["Work"]][-2:] == [b"efore", b"after"]


def test_a_simple_server(office):
    """IMAP4rev1 and nothing else: literals are asked for, no UID is told, subscriptions come by LSUB; a folder of its own for all that is exported."""
    d = Dovecot("/", "", "imap_capability = IMAP4rev1\n")
    try:
        mail = {k: v[:6] for k, v in some_mail().items()}
        fill(office.ports["imaps"], office.me, post.PASSWORD, {k.replace(".", "/"): v for k, v in mail.items()})
        want = contents(office.ports["imaps"], office.me, post.PASSWORD)
        n = sum(map(len, want.values()))
        assert run(office, "export", d, url(d, "simple", path="/From%20penny"))["letters"] == n
        assert_same({k.replace("From penny/", "", 1).replace("From penny", "INBOX"): v
                     for k, v in contents(d.ports["imaps"], "simple", d.password).items()}, want)
        c = login(office.ports["imaps"], office.me, post.PASSWORD)
        c.select("Work")
        c.uid("STORE", "2", "FLAGS", "(\\Flagged)")
        c.logout()
        again = run(office, "export", d, url(d, "simple", path="/From%20penny"))
        assert (again["letters"], again["there"], again["flags"]) == (0, n, 1)
        assert run(office, "import", d, url(d, "simple", path="/From%20penny"), "--mailbox", "Back", "--exclude", "*/Work")["mailboxes"] == 7
        have = contents(office.ports["imaps"], office.me, post.PASSWORD)
        assert_same({"Sent": have["Back/From penny/Sent"]}, {"Sent": want["Sent"]})
    finally:
        d.stop()


def test_penny_to_penny(office):
    """Both ways between two of us: UTF-8 in names and headers, the longest letter that is taken, one that is not taken there."""
    other = post.Penny(at={"imaps": f"127.0.0.1:{post.free_port()}"})
    other.certify("localhost")
    other.start()
    try:
        utf8 = "From: <a@example.net>\r\nSubject: Grüße\r\nMessage-ID: <ü@example.net>\r\n\r\nkörper\r\n".encode()
        big = post.letter("big", (b"z" * 998 + b"\r\n") * 3000)
        (office.folder / "box.mbox").write_bytes(b"From a Thu Jan  2 10:00:00 2020\n" + utf8.replace(b"\r\n", b"\n") +
                                                 b"\nFrom a Thu Jan  2 10:00:00 2020\n" + big.replace(b"\r\n", b"\n"))
        office.penny("import", office.me, office.folder / "box.mbox", "--mailbox", "Größe & Co/日本")
        office.penny("mailbox", "create", office.me, "Sent/2020")
        there = lambda: None  # noqa: E731
        there.certificate, there.password, there.ports = other.certificate, post.PASSWORD, other.ports
        at = f"imaps://bob%40example.org@localhost:{other.ports['imaps']}"
        r = run(office, "export", there, at)
        assert (r["letters"], r["refused"]) == (2, 0), r
        assert run(office, "export", there, at)["letters"] == 0
        boxes = {b["mailbox"]: b for b in json.loads(other.penny("mailbox", "list", "bob@example.org", "--json").stdout)}
        assert boxes["Größe & Co/日本"]["messages"] == 2 and "Sent/2020" in boxes
        got = run(office, "import", there, at, "--mailbox", "Again")
        assert got["letters"] == 2
        for name in ("mbox", "again"):
            office.penny("export", office.me, office.folder / name, "--format", "mbox", "--mailbox", "Größe & Co/日本" if name == "mbox" else "Again/Größe & Co/日本")
        one, two = (next((office.folder / name).iterdir()).read_bytes() for name in ("mbox", "again"))
        assert one == two and "Grüße".encode() in one
    finally:
        other.stop()
        other.remove()


class Cut:
    """Passes bytes on until so many came back; then the connection breaks, or nothing comes any more."""

    def __init__(self, to, after, stall=False):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.to, self.after, self.stall, self.stalled = to, after, stall, threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client = self.socket.accept()[0]
        server = socket.create_connection(("127.0.0.1", self.to))
        threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
        left = self.after
        while left > 0 and (data := server.recv(min(left, 65536))):
            client.sendall(data)
            left -= len(data)
        self.stalled.set()
        if not self.stall:
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def forward(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass


def test_cut_off(office, there):
    """A lost connection, then a run that is killed, then one that is left alone: every letter is there once."""
    letters = [(post.letter(f"c-{i}", b"x" * 70 + b"\r\n") + b"y" * 30000 + b"\r\n", "\\Seen", "01-Feb-2020 10:00:00 +0000") for i in range(300)]
    fill(there.ports["imaps"], "cut", there.password, {"INBOX": letters})
    lost = Cut(there.ports["imaps"], 3_000_000)
    r = run(office, "import", there, f"imaps://cut@localhost:{lost.port}", check=False)
    assert r.returncode == 75 and "hung up" in r.stderr, r.stderr
    first = json.loads(r.stdout)["letters"]
    assert 50 < first < 110
    stuck = Cut(there.ports["imaps"], 5_500_000, stall=True)
    p = subprocess.Popen([post.PENNY, "-c", office.config, "import", office.me, f"imaps://cut@localhost:{stuck.port}", "--password-file", office.folder / "password",
                          "--ca", there.certificate], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert stuck.stalled.wait(20)
    n = lambda: json.loads(office.penny("mailbox", "show", office.me, "INBOX", "--json").stdout)["messages"]  # noqa: E731
    post.until(lambda: n() > first + 50)
    p.send_signal(signal.SIGINT)
    assert p.wait(20) != 0
    second = n()
    r = run(office, "import", there, url(there, "cut"))
    assert (r["letters"], r["there"]) == (300 - second, second)
    assert contents(office.ports["imaps"], office.me, post.PASSWORD)["INBOX"] == contents(there.ports["imaps"], "cut", there.password)["INBOX"]


def test_not_let_in(office, there):
    ada = url(there)

    def fails(code, words, *more, at=ada, **kw):
        r = run(office, "import", there, at, *more, check=False, **kw)
        assert r.returncode == code and words in r.stderr, (r.returncode, r.stderr)

    fails(77, "the log-in is refused", password="wrong")
    fails(77, "the log-in is refused", password="wrong", at=url(there, kind="imap"))
    fails(69, "certificate", at=ada.replace("localhost", "127.0.0.1"))
    fails(69, "there is no host", at="imaps://ada@nowhere.invalid")
    fails(75, "", at=f"imaps://ada@localhost:{post.free_port()}")
    fails(64, "no password in the URL", at=ada.replace("ada@", "ada:secret@"))
    fails(64, "whose mailboxes", at="imaps://localhost")
    fails(67, "no mailbox", at=ada + "/Nothing")
    fails(69, "fingerprint", "--fingerprint", "00" * 32)
    fails(64, "--fingerprint", "--fingerprint", "abc")
    fails(64, "for imap://", at="/var/mail/ada")
    hexed = fingerprint(there.certificate)
    (office.folder / "password").write_text(there.password)
    r = office.penny("import", office.me, ada, "--password-stdin", "--dry-run", input=there.password + "\n", check=False)
    assert r.returncode == 69 and "certificate" in r.stderr
    office.penny("import", office.me, ada.replace("localhost", "127.0.0.1"), "--password-stdin", "--fingerprint", hexed, "--dry-run", input=there.password + "\n")


class Liar(threading.Thread):
    """An IMAP server that answers as told: {verb: bytes or function of (tag, line)}."""

    def __init__(self, **script):
        super().__init__(daemon=True)
        self.script = script
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            s = self.socket.accept()[0]
            try:
                self.talk(s)
            except OSError:
                pass
            s.close()

    def talk(self, s):
        s.sendall(self.script.get("greeting", b"* OK [CAPABILITY IMAP4rev1] hello\r\n"))
        for line in s.makefile("rb"):
            tag, verb, *_ = line.decode().upper().split() + [""]
            if verb == "UID":
                verb = "SURVEY" if b"RFC822.SIZE" in line else "IDS" if b"MESSAGE-ID" in line else "FETCH"
            answer = self.script.get(verb, {"LIST": b'* LIST () "/" INBOX\r\n', "EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"}.get(verb, b""))
            if callable(answer):
                answer = answer(s)
            s.sendall(answer + (b"" if b"\r\np" in b"\r\n" + answer else tag.lower().encode() + b" OK done\r\n"))


def survey(*sizes):
    return b"".join(b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Jan-2020 10:00:%02d +0000" RFC822.SIZE %d)\r\n' % (i, i, i, n)
                    for i, n in enumerate(sizes, 1))


def body(uid, text, size=None):
    return b"* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (uid, uid, len(text) if size is None else size, text)


def endless(s):
    while True:
        s.sendall(b"x" * 65536)


def flood(s, line):
    while True:
        s.sendall(line * 1000)


def huge(s):
    """A letter of 60 MB that was said to have 100 bytes, between two good ones."""
    s.sendall(body(1, LITTLE + b"one") + b"* 2 FETCH (UID 2 BODY[] {60000000}\r\n")
    for _ in range(60):
        s.sendall(b"x" * 1_000_000)
    return b")\r\n" + body(3, LITTLE + b"three")


def try_liar(office, check=False, **script):
    liar = Liar(**script)
    p = office.penny("import", office.me, f"imap://u@localhost:{liar.port}", "--plaintext", "--password-stdin", "--json", input="p\n", check=False)
    assert "ERROR: " not in p.stderr and "runtime error" not in p.stderr, p.stderr
    return p


def test_servers_that_lie(office):
    n = lambda: json.loads(office.penny("mailbox", "show", office.me, "INBOX", "--json").stdout)["messages"]  # noqa: E731
    for words, script in (
        ("does not end", {"LIST": endless}),
        ("does not end", {"LIST": b'* LIST () "/" {99999999999999999999999}\r\n'}),
        ("does not end", {"LIST": b'* LIST () "/" {2000000}\r\n'}),
        ("is no IMAP", {"LIST": b"\0\1\2\r\n"}),
        ("is no IMAP", {"greeting": b"220 mail ESMTP\r\n"}),
        ("without end", {"LIST": lambda s: flood(s, b"* OK and another thing\r\n")}),
        ("without end", {"FETCH": lambda s: flood(s, body(99, LITTLE))}),
        ("without end", {"LIST": lambda s: flood(s, b"* CAPABILITY IMAP4rev1\r\n")}),
        ("without end", {"LIST": lambda s: flood(s, b'* LIST () "/" INBOX\r\n')}),
        ("without end", {"EXAMINE": lambda s: flood(s, b"* 3 EXISTS\r\n")}),
        ("without end", {"SURVEY": lambda s: flood(s, survey(1))}),
        ("does not end", {"FETCH": b"* 1 FETCH (UID 1 BODY[] {18446744073709551614}\r\n"}),
        ("more than 10000 mailboxes", {"LIST": b"".join(b'* LIST () "/" x%d\r\n' % i for i in range(100000))}),
        ("out of turn", {"LIST": b"p99 OK what\r\n"}),
        ("hung up: maintenance", {"greeting": b"* OK hello\r\n* BYE maintenance\r\n", "CAPABILITY": lambda s: s.shutdown(socket.SHUT_RDWR) or b""}),
        ("no service", {"greeting": b"* BYE too busy\r\n"}),
        ("no IMAP", {"FETCH": body(1, LITTLE, 5)}),
    ):
        script.setdefault("SURVEY", survey(100, 100, 100))
        r = try_liar(office, **script)
        assert r.returncode and words in r.stderr, (words, r.returncode, r.stderr[-500:])
    assert n() == 0

    r = try_liar(office, SURVEY=survey(100, 100, 100), FETCH=huge)
    assert r.returncode == 65 and "INBOX: UID 2 is larger than 50 MB" in r.stderr and json.loads(r.stdout)["letters"] == 2 and n() == 2
    r = try_liar(office, SURVEY=survey(100, 100, 100) * 2 + survey(7) + b"* 9 FETCH (UID 0)\r\n* 1 FETCH (((\r\n",
                 FETCH=body(99, LITTLE) + body(2, LITTLE + b"two") * 2 + body(1, b"another one") + b"* 2 FETCH (FLAGS (\\Seen))\r\n")
    assert r.returncode == 0 and json.loads(r.stdout) == {"letters": 1, "there": 2, "flags": 0, "too_large": 0, "refused": 0, "mailboxes": 1} and n() == 3


def test_a_server_with_labels(office):
    """A letter that is in several mailboxes there is in them here; of "All Mail" comes what is nowhere else, and what shows starred letters stays out."""
    holds = {b"INBOX": (1, 2), b"Work": (2, 3), b"[Gmail]/All Mail": (1, 2, 3, 4), b"[Gmail]/Starred": (1,)}
    now = []

    def examine(line):
        now[:] = [next(v for k, v in holds.items() if b'"%s"' % k in line)]
        return b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" % len(now[0])

    def survey(line):
        return b"".join(b'* %d FETCH (X-GM-MSGID 12785%d UID %d RFC822.SIZE %d INTERNALDATE "01-Jan-2020 10:00:00 +0000" FLAGS ())\r\n'
                        % (i, n, i, len(LITTLE) + 1) for i, n in enumerate(now[0], 1))

    def fetch(line):
        uids = line.split()[3]
        return b"".join(body(i, LITTLE + b"%d" % n) for i, n in enumerate(now[0], 1)
                        if any(int(r.split(b":")[0]) <= i <= int(r.split(b":")[-1]) for r in uids.split(b",")))

    class Gmail(Liar):
        def talk(self, s):
            s.sendall(b"* PREAUTH [CAPABILITY IMAP4rev1 X-GM-EXT-1] hello\r\n")
            for line in s.makefile("rb"):
                answer = (rb"""* LIST (\All) "/" "[Gmail]/All Mail"
* LIST () "/" "INBOX"
* LIST (\Flagged) "/" "[Gmail]/Starred"
* LIST () "/" "Work"
""".replace(b"\n", b"\r\n") if b" LIST" in line else examine(line) if b"EXAMINE" in line else survey(line) if b"X-GM-MSGID" in line
                          else fetch(line) if b"BODY.PEEK[]" in line else b"")
                s.sendall(answer + line.split()[0] + b" OK done\r\n")

    gmail = Gmail()
    r = try_picky(office, gmail)
    assert r.returncode == 0 and json.loads(r.stdout)["letters"] == 5, (r.stdout, r.stderr)
    have = {k: [text[-1:] for text, *_ in v] for k, v in contents(office.ports["imaps"], office.me, post.PASSWORD).items()}
    assert have == {"INBOX": [b"1", b"2"], "Work": [b"2", b"3"], "[Gmail]/All Mail": [b"4"]}
    r = try_picky(office, gmail)
    assert json.loads(r.stdout)["letters"] == 0


def test_on_a_stopped_server(there):
    """The store is opened by the command itself, both ways."""
    office = post.Penny()
    try:
        office.me = "alice@example.org"
        n = run(office, "import", there, url(there))["letters"]
        assert n and run(office, "import", there, url(there))["letters"] == 0
        assert run(office, "export", there, url(there, "stopped"), "--mailbox", "Work")["letters"] == 3
        office.penny("verify", "--bodies")
    finally:
        office.remove()


def test_odd_names_and_refusals(office):
    """Names that try to be paths, or cannot be names; mailboxes and letters that are refused are named, the rest comes."""
    names = rb'''* LIST () "." "../../etc/passwd"
* LIST () "." "/etc.shadow"
* LIST () "." "a..b"
* LIST () "." &bad
* LIST () "." "INBOX.Trash"
* LIST (\Noselect) "." "none"
* LIST () "." "locked"
'''.replace(b"\n", b"\r\n") + b'* LIST () "." {4}\r\n\xff\xfe\x01x\r\n'
    asked = []

    class Picky(Liar):
        def talk(self, s):
            s.sendall(b"* PREAUTH hello\r\n")
            for line in s.makefile("rb"):
                tag = line.split()[0]
                literal = re.search(rb"\{(\d+)\}\r\n$", line)
                if literal:
                    asked_tag = tag
                    s.sendall(b"+ go on\r\n")
                    continue
                if b"EXAMINE" in line or line.startswith(b"\xff"):
                    asked.append(line)
                    bad = b"locked" in line
                    s.sendall(b"" if bad else b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n")
                    tag = asked_tag if line.startswith(b"\xff") else tag
                    s.sendall(tag + (b" NO [NOPERM] it is locked\r\n" if bad else b" OK x\r\n"))
                    continue
                answer = names if b"LIST" in line else survey(10, 10, 10) if b"RFC822.SIZE" in line else b""
                if b"BODY.PEEK[]" in line:
                    uids = line.split()[3]
                    if b":" in uids or uids in (b"2", b"1,3"):
                        s.sendall((body(1, LITTLE + b"one") if uids == b"1:3" else b"") + tag + b" NO [SERVERBUG] cannot read it\r\n")
                        continue
                    answer = body(int(uids), LITTLE + uids)
                s.sendall(answer + tag + b" OK done\r\n")

    r = try_picky(office, Picky())
    assert r.returncode == 65, r.stderr
    boxes = {b["mailbox"]: b["messages"] for b in json.loads(office.penny("mailbox", "list", office.me, "--json").stdout)}
    assert {k: v for k, v in boxes.items() if v} == dict.fromkeys(("_/_etc_passwd", "_etc/shadow", "a/b", "&bad", "INBOX/Trash", "___x"), 2), boxes
    assert "none" not in boxes
    assert "locked: it cannot be opened" in r.stderr and "a/b: UID 2 is refused; the server says: cannot read it" in r.stderr


def try_picky(office, picky):
    return office.penny("import", office.me, f"imap://u@localhost:{picky.port}", "--plaintext", "--password-stdin", "--json", input="p\n", check=False)
