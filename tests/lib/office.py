"""A Penny Post among other hosts, and what is asked of it: letters handed in at each of its doors, mailboxes emptied, the record read, the queue
looked at and changed."""
import base64
import itertools
import json
import os
import poplib
import re
import secrets
import smtplib
import socket
import subprocess

import post

marks = itertools.count(1)


def mark():
    """A word no other letter has."""
    return f"mark{next(marks)}x{secrets.token_hex(4)}"


class Refused(Exception):
    def __init__(self, step, code, text):
        super().__init__(f"{step}: {code} {text}")
        self.step, self.code, self.text = step, code, text


class Handed:
    """An accepted letter: the last reply, the id in it, and which recipients were refused: {address: (code, text)}."""

    def __init__(self, text, refused, number):
        self.text, self.refused = text, refused
        found = re.search(r"\b([0-9a-z]{13})\b", text)
        self.id = found.group(1) if found else None
        self.number = number


def hand_in(where, sender, to, letter, login=None, mail=(), rcpt=(), source=None, starttls=None):
    """One letter over a connection of its own. where: (address, port); to: an address or several; mail, rcpt: parameters; source: the client's
    address. Refused is raised when nothing was accepted."""
    to = [to] if isinstance(to, str) else list(to)
    mail = list(mail)
    if any(not a.isascii() for a in (sender, *to)) and "SMTPUTF8" not in mail:
        mail.append("SMTPUTF8")
    if any(b > 127 for b in letter) and not any(m.startswith("BODY=") for m in mail):
        mail.append("BODY=8BITMIME")
    with smtplib.SMTP(timeout=60, local_hostname="client.test", source_address=(source, 0) if source else None) as s:
        s._host = where[0]  # starttls() wants it, connect() does not set it
        code, text = s.connect(*where)
        if code != 220:
            raise Refused("connect", code, text.decode())
        s.ehlo()
        if starttls:
            s.starttls(context=starttls)
            s.ehlo()
        if login:
            plain = base64.b64encode(f"\0{login}\0{post.PASSWORD}".encode()).decode()  # smtplib's own knows ASCII only
            code, text = s.docmd("AUTH", f"PLAIN {plain}")
            if code != 235:
                raise Refused("AUTH", code, text.decode())
        refused = {}

        def step(name, answer):
            code, text = answer
            text = text.decode("utf-8", "replace")
            if code // 100 != 2:
                raise Refused(name, code, text)
            return text
        step("MAIL", s.mail(sender, mail))
        for r in to:
            code, text = s.rcpt(r, list(rcpt))
            if code // 100 != 2:
                refused[r] = (code, text.decode("utf-8", "replace"))
        if len(refused) == len(to):
            raise Refused("RCPT", *refused[to[0]])
        try:
            return Handed(step("DATA", s.data(letter)), refused, len(to))
        except smtplib.SMTPDataError as e:  # refused before the letter
            raise Refused("DATA", e.smtp_code, e.smtp_error.decode("utf-8", "replace")) from None


class Office(post.Penny):
    """Its port 25 is the net's relay port at an address of its own; what is for people listens at 127.0.0.1."""

    SETTINGS = 'plaintext_auth = {"127.0.0.1"}\nlimits { per_hour = 100000  per_day = 100000 }\n'

    def __init__(self, domain, net, number, dns, people=(), config="", trusted=(), loopback=True, environment=None, window=20):
        self.domain, self.net, self.address, self.environment = domain, net, net.host(number), environment
        self.door = (self.address, net.port)
        relay = (f'relay {{ port = {net.port}  loopback = {"yes" if loopback else "no"}  source = {{"{self.address}"}}  window = {window} }}\n'
                 f'trusted = {{{", ".join(f"{chr(34)}{t}{chr(34)}" for t in trusted)}}}\n')
        super().__init__(accounts=[f"{p}@{domain}" for p in people], dns=dns, config=relay + self.SETTINGS + config,
                         at={"smtp": f"{self.address}:{net.port}"})
        self.submission = ("127.0.0.1", self.ports["submission"])

    def start(self):
        before = dict(os.environ)
        os.environ.update(self.environment or {})
        try:
            return super().start()
        finally:
            os.environ.clear()
            os.environ.update(before)

    # handing in

    def whole(self, person):
        return person if "@" in person else f"{person}@{self.domain}"

    def submit(self, person, to, letter, sender=None, **kw):
        """One of its people sends."""
        return hand_in(self.submission, self.whole(person) if sender is None else sender, to, letter, login=self.whole(person), **kw)

    def send(self, person, to, subject=None, body=b"Hello.\r\n", **kw):
        """The same with a letter made here: (what was handed in, the letter)."""
        first = to if isinstance(to, str) else to[0]
        letter = post.letter(subject or mark(), body, sender=self.whole(person), to=first)
        return self.submit(person, to, letter, **kw), letter

    def take(self, sender, to, letter, **kw):
        """Another host brings a letter to port 25."""
        return hand_in(self.door, sender, to, letter, **kw)

    # mailboxes

    def letters(self, person, word):
        """Those that have the word in them, taken out of the mailbox."""
        pop = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=60)
        try:
            pop.user(self.whole(person))
            pop.pass_(post.PASSWORD)
            found = []
            for i in range(1, pop.stat()[0] + 1):
                text = b"".join(line + b"\r\n" for line in pop.retr(i)[1])
                if word.encode() in text:
                    found.append(text)
                    pop.dele(i)
            pop.quit()
            return found
        finally:
            pop.close()

    def wait(self, person, word, n=1, seconds=30):
        found = []

        def enough():
            found.extend(self.letters(person, word))
            return len(found) >= n
        try:
            post.until(enough, seconds, 0.1)
        except AssertionError:
            raise AssertionError(f"{len(found)} of {n} letters with {word} for {person}; the queue:\n{self.penny('queue', 'list').stdout}"
                                 f"{self.penny('trace', '--subject', word, check=False).stdout}") from None
        return found

    # the socket that penny's commands ask at: the suites look so often that a process each time would be most of their time

    def ask(self, op, **members):
        """Rows of the answer; None when there is an error."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.folder / "data/admin.sock"))
            s.sendall(json.dumps({"op": op, **members}).encode() + b"\n")
            rows = []
            with s.makefile("rb") as f:
                for line in f:
                    answer = json.loads(line)
                    if "row" in answer:
                        rows.append(answer["row"])
                    elif "done" in answer:
                        return rows
                    elif "error" in answer:
                        return None
        raise AssertionError(f"{op}: the server went away\n{self.said()[-2000:]}")

    def status(self):
        (row,) = self.ask("status")
        return row

    # the record

    def journeys(self, *query):
        r = self.penny("trace", *query, "--json", check=False)
        return json.loads(r.stdout) if r.returncode == 0 and r.stdout.strip() else []

    def journey(self, handed):
        (j,) = self.ask("trace", what=handed.id)
        return j

    def events(self, handed, kind=None, about=None):
        return [e for e in self.journey(handed)["events"]
                if (kind is None or e["event"] == kind) and (about is None or e.get("address", "").lower() == about.lower())]

    def wait_event(self, handed, kind, about=None, n=1, seconds=30):
        try:
            return post.until(lambda: (lambda found: found if len(found) >= n else None)(self.events(handed, kind, about)), seconds, 0.1)
        except AssertionError:
            raise AssertionError(f"no {n} events \"{kind}\" about {about}:\n{self.story(handed)}{self.penny('queue', 'list').stdout}") from None

    def story(self, handed):
        return self.penny("trace", handed.id).stdout

    def settled(self, handed, seconds=30):
        """Waits until nothing of it is in the queue; the last word on each address: {address: event}."""
        try:
            post.until(lambda: not self.waiting(handed), seconds, 0.1)
        except AssertionError:
            raise AssertionError(f"still in the queue:\n{self.story(handed)}{self.penny('queue', 'list').stdout}") from None
        return {e["address"]: e for e in self.journey(handed)["outcomes"]}

    def outcome(self, handed, seconds=30):
        """Of its only recipient."""
        (e,) = self.settled(handed, seconds).values()
        return e

    # the queue

    def queue(self, *filters):
        return json.loads(self.penny("queue", "list", *filters, "--json").stdout)

    def waiting(self, handed):
        """What waits of it."""
        return self.ask("queue.list", message=handed.id) or []

    def shown(self, handed):
        return self.penny("queue", "show", handed.id).stdout

    def retry(self, handed, may_be_gone=False):
        changed = self.ask("queue.change", what="retry", messages=[handed.id])
        assert may_be_gone or changed is not None, "nothing of it waits"

    def remove_from_queue(self, handed):
        """If there is anything of it."""
        self.ask("queue.change", what="remove", messages=[handed.id])

    def route(self, *words, password=None):
        """penny route add; with a password for --user."""
        self.penny("route", "add", *words, *(["--password-stdin"] if password else []), input=password and password + "\n")


def unwrapped(stored):
    """A letter without what hosts on the way put on top of it."""
    while True:
        name = stored.split(b":", 1)[0].lower() + b":"
        if name not in post.OURS:
            return stored
        end = stored.index(b"\r\n") + 2
        while stored[end:end + 1] in (b" ", b"\t"):
            end = stored.index(b"\r\n", end) + 2
        stored = stored[end:]


def assert_same(stored, sent):
    got = unwrapped(stored)
    assert got == sent, (f"sent {len(sent)} bytes, got {len(got)}; first difference at "
                         f"{next((i for i, (a, b) in enumerate(zip(sent, got)) if a != b), min(len(sent), len(got)))}")


def talk(where, lines, source=None, timeout=20):
    """Says the lines one after the other, each after the answer to the one before; returns the answers' last lines, the greeting's first."""
    with socket.create_connection(where, timeout, source_address=(source, 0) if source else None) as s, s.makefile("rb") as f:
        def answer():
            while True:
                line = f.readline()
                if not line or line[3:4] != b"-":
                    return line.decode("utf-8", "replace").strip()
        said = [answer()]
        for line in lines:
            s.sendall(line.encode() + b"\r\n")
            said.append(answer())
        return said


def run(argv, **kw):
    return subprocess.run(list(map(str, argv)), capture_output=True, timeout=60, **kw)
