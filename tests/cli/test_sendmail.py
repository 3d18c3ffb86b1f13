"""sendmail, mailq, newaliases as other programs call them: what arrives, under whose name, and the exit codes they go by."""
import concurrent.futures
import json
import os
import poplib
import pwd
import re
import shutil
import subprocess
import tempfile
import pathlib

import post
import pytest

ME = pwd.getpwuid(os.geteuid())
HOST = "mail.example.org"
ALICE, BOB = "alice@example.org", "bob@example.org"


class Machine:
    """A server, and a folder where the program has the names others call it by; every user of the machine gets at it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="unix-"))
        self.folder.chmod(0o755)
        shutil.copy(post.PENNY, self.folder / "penny")
        for name in ("sendmail", "mailq", "newaliases"):
            (self.folder / name).symlink_to("penny")
        self.socket = self.folder / "socket"
        self.office = post.Penny(config=f'plaintext_auth = {{"127.0.0.1"}}\nsendmail {{ socket = "{self.socket}" }}\n'
                                        "limits { message_size = 4M }\nrelay { port = 1 loopback = true }", dns=None)
        shutil.copy(self.office.config, self.folder / "penny.conf")
        self.office.start()

    def close(self):
        if self.office.process.poll() is None:
            self.office.stop()
        self.office.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, name, *words, text=b"", user=None, env=None, cwd=None):
        text = text if isinstance(text, bytes) else text.encode()
        config = {"PENNY_CONFIG": str(self.folder / "penny.conf")} if env is None else env
        more = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        return subprocess.run([self.folder / name, *map(str, words)], input=text, capture_output=True, timeout=60, cwd=cwd or self.folder,
                              env={"PATH": os.environ["PATH"], **config}, **more)

    def send(self, *words, text, code=0, **more):
        r = self.call("sendmail", *words, text=text, **more)
        assert r.returncode == code, (r.returncode, r.stdout, r.stderr)
        return r

    def inbox(self, user):
        pop = poplib.POP3("127.0.0.1", self.office.ports["pop3"], timeout=60)
        pop.user(user)
        pop.pass_(post.PASSWORD)
        letters = []
        for i in range(1, pop.stat()[0] + 1):
            letters.append(b"\r\n".join(pop.retr(i)[1]) + b"\r\n")
            pop.dele(i)
        pop.quit()
        return letters

    def letter(self, user):
        [letter] = self.inbox(user)
        return letter

    def waiting(self):
        return json.loads(self.office.penny("queue", "--json").stdout)


@pytest.fixture(scope="module")
def whole_machine():
    m = Machine()
    yield m
    m.close()


@pytest.fixture
def machine(whole_machine):
    yield whole_machine
    if whole_machine.office.process.poll() is not None:
        whole_machine.office.start()
    whole_machine.office.penny("queue", "remove", "--all")
    for user in (ALICE, BOB):
        whole_machine.inbox(user)


def fields(letter, name):
    header = re.sub(rb"\r\n[ \t]+", b" ", letter.partition(b"\r\n\r\n")[0])
    return [m.group(1).decode() for m in re.finditer(rb"(?im)^%s: *(.*?)\r?$" % name.encode(), header)]


def body(letter):
    return letter.partition(b"\r\n\r\n")[2]


# --- the letter ---------------------------------------------------------------------------------------------------

def test_a_plain_letter(machine):
    r = machine.send(BOB, text="Subject: hello\n\nfirst\nsecond\r\n\nlast")
    assert r.stdout == b"" and r.stderr == b"", "silence is success"
    letter = machine.letter(BOB)
    assert body(letter) == b"first\r\nsecond\r\n\r\nlast\r\n"
    assert fields(letter, "Return-Path") == [f"<{ME.pw_name}@{HOST}>"]
    [author] = fields(letter, "From")
    assert f"{ME.pw_name}@{HOST}" in author and ME.pw_gecos.split(",")[0] in author
    assert len(fields(letter, "Date")) == 1 and len(fields(letter, "Message-ID")) == 1 and fields(letter, "Subject") == ["hello"]


def test_recipients_of_the_header(machine):
    machine.send("-t", "-i", text=f"From: Alice <{ALICE}>\nTo: Bob Builder <{BOB}>\nCc: {ALICE}\nBcc: <{BOB}>\nSubject: x\n\nhi\n")
    for user in (ALICE, BOB):
        letter = machine.letter(user)
        assert fields(letter, "Bcc") == [] and fields(letter, "To") == [f"Bob Builder <{BOB}>"] and fields(letter, "Cc") == [ALICE]
    machine.send("-ti", ALICE, text=f"From: {ALICE}\nBcc: {BOB}\n\nhi\n")
    assert len(machine.inbox(ALICE)) == 1 and fields(machine.letter(BOB), "Bcc") == []
    machine.send("-t", text=f"From: {ALICE}\nTo: nobody@example.org\nResent-To: {BOB}\nResent-From: {ALICE}\n\nhi\n")
    assert fields(machine.letter(BOB), "To") == ["nobody@example.org"]
    machine.send("-t", text=f"From: {ALICE}\nSubject: to nobody\n\nTo: {BOB}\n", code=64)
    machine.send("-t", text=f"From: {ALICE}\nTo: {BOB}, not an address\n\nhi\n", code=65)
    assert machine.inbox(BOB) == []


def test_a_lone_dot(machine):
    text = f"From: {ALICE}\n\none\n.\ntwo\n..\n.three\n"
    machine.send(BOB, text=text)
    assert body(machine.letter(BOB)) == b"one\r\n"
    for option in ("-i", "-oi"):
        machine.send(option, BOB, text=text)
        assert body(machine.letter(BOB)) == b"one\r\n.\r\ntwo\r\n..\r\n.three\r\n"


def test_letters_of_cron(machine):
    machine.office.penny("alias", "add", f"root@{HOST}", BOB)
    machine.send("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root",
                 text="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@box> backup\nX-Cron-Env: <A=1>\n\nGr\xfc\xdfe\n".encode("latin-1"))
    letter = machine.letter(BOB)
    assert fields(letter, "From") == [f"root@{HOST} (Cron Daemon)"] and fields(letter, "To") == [f"root@{HOST}"]
    assert body(letter) == b"Gr\xfc\xdfe\r\n"
    machine.send("-F", "Backup Daemon", "root", text="no header at all\n")
    letter = machine.letter(BOB)
    assert fields(letter, "From") == [f"Backup Daemon <{ME.pw_name}@{HOST}>"] and body(letter) == b"no header at all\r\n"
    machine.send(BOB, text="From root Sat Nov 28 18:00:00 2026\nFrom: root\nSubject: of a file\n\nhi\n")
    assert fields(machine.letter(BOB), "Subject") == ["of a file"]


def test_senders(machine):
    machine.send("-f", ALICE, BOB, text="Subject: x\n\nhi\n")
    letter = machine.letter(BOB)
    assert fields(letter, "Return-Path") == [f"<{ALICE}>"] and fields(letter, "From") == [ALICE] or fields(letter, "From") == [f"<{ALICE}>"]
    for null in ("", "<>"):
        machine.send("-f", null, BOB, text="Subject: x\n\nhi\n")
        letter = machine.letter(BOB)
        assert fields(letter, "Return-Path") == ["<>"] and f"{ME.pw_name}@{HOST}" in fields(letter, "From")[0]
    machine.send("-r", "alice", BOB, text="From: a@b.example\n\nhi\n")
    assert fields(machine.letter(BOB), "Return-Path") == [f"<alice@{HOST}>"]
    machine.send("-f", "a b", BOB, text="\n", code=64)


def test_any_bytes(machine):
    odd = bytes(range(1, 256)).replace(b"\n", b"").replace(b"\r", b"")
    text = f"From: {ALICE}\nSubject: =?utf-8?q?x?=\n\n".encode() + odd + b"\n" + "Grüße, 世界\n".encode() + b"x" * 5000 + b"\n"
    machine.send("-i", BOB, text=text)
    assert body(machine.letter(BOB)) == text.partition(b"\n\n")[2].replace(b"\n", b"\r\n")
    machine.send("-i", BOB, text=b"From: alice@example.org\n\n" + b"0123456789\n" * 200000)
    assert len(body(machine.letter(BOB))) == 12 * 200000
    machine.send("-i", BOB, text=b"From: alice@example.org\n\n" + b"0123456789\n" * 500000, code=69)
    assert machine.inbox(BOB) == []


def test_dsn(machine):
    machine.send("-N", "success", "-R", "hdrs", "-V", "case 7", "-f", ALICE, BOB, text=f"From: {ALICE}\nSubject: told\n\nhi\n")
    post.until(lambda: machine.waiting() == [])
    assert len(machine.inbox(BOB)) == 1
    report = machine.letter(ALICE)
    assert b"Action: delivered" in report and b"Original-Envelope-Id: case 7" in report


# --- exit codes ---------------------------------------------------------------------------------------------------

def test_recipients_that_are_not(machine):
    r = machine.send("nobody@example.org", BOB, "none@example.org", text=f"From: {ALICE}\n\nhi\n", code=67)
    assert b"nobody@example.org: 550" in r.stderr and b"none@example.org: 550" in r.stderr and b"bob" not in r.stderr
    assert len(machine.inbox(BOB)) == 1, "the others have got it"
    machine.send("nobody@example.org", text=f"From: {ALICE}\n\nhi\n", code=67)
    machine.send("|/bin/sh", text="\n", code=67)
    machine.send("/etc/passwd x", text="\n", code=64)


def test_wrong_words(machine):
    for words in ([], ["-f"], ["-Z", BOB], ["-bd"], ["-bd", "-q30m"], ["-bx"], ["-N", "often", BOB]):
        r = machine.send(*words, text="hi\n", code=64)
        assert re.match(rb"penny sendmail: .", r.stderr)
    machine.send("-oem", "-oQ/x", "-O", "Foo=bar", "-odb", "-om", "-v", "-d0", "-h", "3", "-L", "tag", "-X", "/x", "-Am", "-n", BOB,
                 text=f"From: {ALICE}\n\nhi\n")
    assert len(machine.inbox(BOB)) == 1


def test_the_server_is_down(machine):
    machine.office.stop()
    r = machine.send(BOB, text="Subject: later\n\nhi\n", code=75)
    assert b"nothing was sent" in r.stderr
    r = machine.call("sendmail", "-bs", text="EHLO me\n")
    assert r.returncode == 75 and r.stdout.startswith(b"421 4.3.2 ")
    assert machine.call("mailq").returncode == 0, "the queue is read without a server, too"
    assert machine.call("newaliases").returncode == 0
    machine.office.start()
    assert machine.inbox(BOB) == []
    machine.send(BOB, text="Subject: later\n\nhi\n")
    assert len(machine.inbox(BOB)) == 1


def test_the_configuration_is_the_machines(machine, tmp_path):
    """It is called in other people's folders: a penny.conf there means nothing."""
    (tmp_path / "penny.conf").write_text("this is no configuration")
    r = machine.call("sendmail", BOB, text="hi\n", env={}, cwd=tmp_path)
    assert "this is no" not in r.stderr.decode() and str(tmp_path) not in r.stderr.decode()
    assert r.returncode == 78 or pathlib.Path("/etc/penny/penny.conf").exists()
    machine.send("-C", machine.folder / "penny.conf", BOB, text="hi\n", env={})
    assert len(machine.inbox(BOB)) == 1


# --- other modes and names ----------------------------------------------------------------------------------------

def test_speaking_smtp(machine):
    r = machine.call("sendmail", "-bs", text=f"EHLO me\nMAIL FROM:<{ALICE}>\nRCPT TO:<{BOB}>\nDATA\nFrom: {ALICE}\n\none\n..dot\n.\nQUIT\n")
    assert r.returncode == 0 and [line[:3] for line in r.stdout.splitlines() if line[3:4] == b" "] == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert body(machine.letter(BOB)) == b"one\r\n.dot\r\n"
    r = machine.call("sendmail", "-bs", text=f"MAIL FROM:<{ALICE}>\r\n")
    assert r.returncode == 0 and b"503" in r.stdout or b"250" in r.stdout, "the end of its input ends it"


def test_mailq_and_newaliases(machine):
    assert machine.call("mailq").stdout == b"nothing waits\n"
    machine.office.penny("queue", "suspend", "elsewhere.example")
    machine.send("-f", ALICE, "x@elsewhere.example", text=f"From: {ALICE}\nSubject: far\n\nhi\n")
    for name, words in (("mailq", []), ("mailq", ["-v"]), ("sendmail", ["-bp"])):
        assert b"x@elsewhere.example" in machine.call(name, *words).stdout
    assert machine.call("sendmail", "-q").returncode == 0
    assert machine.call("sendmail", "-qRelsewhere.example").returncode == 0
    assert machine.call("sendmail", "-qRnowhere.example").returncode == 67
    machine.office.penny("queue", "resume", "elsewhere.example")
    for name, words in (("newaliases", []), ("sendmail", ["-bi"]), ("sendmail", ["-I"])):
        r = machine.call(name, *words)
        assert r.returncode == 0 and b"penny alias" in r.stdout


def test_many_at_once(machine):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(lambda n: machine.call("sendmail", BOB, text=f"Subject: n{n}\n\nhi\n").returncode, range(40)))
    assert codes == [0] * 40
    assert {fields(l, "Subject")[0] for l in machine.inbox(BOB)} == {f"n{n}" for n in range(40)}


def test_many_recipients(machine):
    """More than the server takes at once: in parts, and each once."""
    machine.office.penny("queue", "suspend", "far.example")
    machine.send(*[f"u{n}@far.example" for n in range(1234)], text="Subject: all of you\n\nhi\n")
    assert sorted(r["to"] for r in machine.waiting()) == sorted(f"u{n}@far.example" for n in range(1234))
    machine.office.penny("queue", "remove", "--all")
    machine.office.penny("queue", "resume", "far.example")


def test_the_build_has_the_names():
    for name in ("sendmail", "mailq", "newaliases"):
        assert os.readlink(post.BUILD / name) == "penny"


# --- who asks -----------------------------------------------------------------------------------------------------

as_another = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@as_another
def test_users_send_as_themselves(machine):
    nobody = f"nobody@{HOST}"
    machine.send(BOB, text="Subject: mine\n\nhi\n", user="nobody")
    letter = machine.letter(BOB)
    assert fields(letter, "Return-Path") == [f"<{nobody}>"] and nobody in fields(letter, "From")[0]
    assert f"user nobody of this machine" in machine.office.penny("trace", "--subject", "mine").stdout
    machine.send("-f", f"nobody+cron@{HOST}", BOB, text=f"From: nobody@example.org\n\nhi\n", user="nobody")
    assert len(machine.inbox(BOB)) == 1, "with a detail, and at domains of ours"
    for words, header in ((["-f", ALICE], f"From: {ALICE}"), ([], f"From: {ALICE}"), ([], f"From: {nobody}\nSender: {ALICE}"),
                          (["-f", ALICE], f"From: {nobody}"), (["-f", "nobody@elsewhere.example"], f"From: {nobody}")):
        r = machine.send(*words, BOB, text=f"{header}\n\nhi\n", user="nobody", code=77)
        assert b"you may not send as" in r.stderr
    assert machine.inbox(BOB) == []
    r = machine.call("mailq", user="nobody")
    assert r.returncode == 77 and b"only root and the server's own user" in r.stderr


@as_another
def test_users_have_the_rights_of_their_account(machine):
    machine.office.account("daemon@example.org")
    r = machine.send("-f", ALICE, BOB, text=f"From: {ALICE}\n\nhi\n", user="daemon", code=77)
    machine.office.penny("account", "grant", "daemon@example.org", ALICE)
    machine.send("-f", ALICE, BOB, text=f"From: {ALICE}\n\nhi\n", user="daemon")
    assert len(machine.inbox(BOB)) == 1
    r = machine.call("sendmail", "-bs", text=f"EHLO me\nMAIL FROM:<bob@example.org>\nQUIT\n", user="daemon")
    assert b"550 5.7.1" in r.stdout


@as_another
def test_bounces_find_their_way(machine):
    """A user without an account is known all the same: his failures are reported to him."""
    machine.office.penny("alias", "add", f"nobody@{HOST}", BOB)
    machine.office.penny("route", "add", "closed.example", "refuse:no")
    machine.send("x@closed.example", text="Subject: x\n\nhi\n", user="nobody", code=77)
    machine.office.penny("route", "add", "closed.example", "smtp://127.0.0.1:1")
    machine.send("x@closed.example", text="Subject: x\n\nhi\n", user="nobody")
    [row] = post.until(lambda: [r for r in machine.waiting() if r["attempts"]])
    assert row["from"] == f"nobody@{HOST}" and "refused" in row["why"]


@as_another
def test_the_socket_of_a_private_folder(machine):
    machine.folder.chmod(0o755)
    private = post.Penny()
    private.folder.chmod(0o755)
    private.start()
    try:
        r = machine.call("sendmail", BOB, text="hi\n", user="nobody", env={"PENNY_CONFIG": str(private.config)})
        assert r.returncode == 77 and b"sendmail.sock" in r.stderr
        assert machine.call("sendmail", BOB, text="hi\n", env={"PENNY_CONFIG": str(private.config)}).returncode == 0
    finally:
        private.stop()
        private.remove()
