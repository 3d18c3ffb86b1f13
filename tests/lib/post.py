"""What the suites that drive the real program share: a private server, a private DNS, letters and how they must come out again."""
import json
import os
import pathlib
import poplib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PENNY = os.environ.get("PENNY", "build/penny")
BUILD = pathlib.Path(os.environ.get("PENNY_BUILD", "build"))
PASSWORD = "correct horse battery staple"
poplib._MAXLINE = 1 << 26  # letters with longer lines than poplib expects are letters too


def free_port():
    """One below those that connections get by themselves: it is still free when a server that was killed wants it back."""
    while True:
        port = random.randint(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(what, seconds=20, every=0.05):
    """Waits until what() is true and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        r = what()
        if r:
            return r
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


def listens(port, address="127.0.0.1"):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((address, port)) == 0


class Dns:
    """knot on a loopback port, authoritative for what the tests need. A zone without text is one it cannot load: SERVFAIL."""

    ZONES = {
        "example.net": "mx MX 10 mail\nmail A 192.0.2.25\n@ MX 10 mail\n",
        "nullmx.example": "@ MX 0 .\n",
        "nomail.example": "other TXT \"nothing here takes mail\"\n",
        "aonly.example": "@ A 192.0.2.26\n",
    }

    def __init__(self, zones=None, address="127.0.0.1", port=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dns-"))
        self.address, self.port = address, port or free_port()
        conf = f"server:\n  rundir: {self.folder}\n  listen: {address}@{self.port}\ndatabase:\n  storage: {self.folder}\nlog:\n- target: stderr\n  any: error\nzone:\n"
        for zone, text in (zones or self.ZONES).items():
            file = self.folder / f"{zone}.zone"
            if text is not None:
                file.write_text(f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. host.{zone}. 1 60 60 60 60\n@ NS ns.{zone}.\nns A 127.0.0.1\n{text}")
            conf += f"- domain: {zone}\n  file: {file}\n"
        (self.folder / "knot.conf").write_text(conf)
        self.process = subprocess.Popen(["/usr/sbin/knotd", "-c", self.folder / "knot.conf"], stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port, address))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Penny:
    """A server of our own in a throwaway folder: setup, more accounts, serve. listen: more settings for every listen block; at: "address:port" of
    some of the services, the others get a free port of 127.0.0.1 each."""

    KINDS = ("smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps")

    def __init__(self, accounts=("alice@example.org", "bob@example.org"), config="", dns=None, listen="", at=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="penny-"))
        self.config = self.folder / "penny.conf"
        at = {**{kind: f"127.0.0.1:{free_port()}" for kind in self.KINDS}, **(at or {})}
        self.ports = {kind: int(where.rsplit(":", 1)[1]) for kind, where in at.items()}
        self.process = None
        first, *others = accounts
        name, domain = first.split("@")
        self.penny("setup", domain, "--data", self.folder / "data", "--hostname", f"mail.{domain}", "--account", name, "--password-stdin",
                   input=PASSWORD + "\n")
        resolver = f"{dns.address}:{dns.port}" if dns else "127.0.0.1:9"
        with self.config.open("a") as f:
            f.write(f'\nresolver {{ servers = {{"{resolver}"}} }}\n{config}\n')
            for kind, where in at.items():
                f.write(f'listen "{kind}" {{ address = {{"{where}"}} {listen} }}\n')
        for account in others:
            self.account(account)

    def account(self, address):
        self.penny("account", "add", address, "--password-stdin", input=PASSWORD + "\n")

    def penny(self, *args, input=None, check=True):
        r = subprocess.run([PENNY, "-c", self.config, *map(str, args)], input=input, capture_output=True, encoding="utf-8", timeout=120)
        assert not check or r.returncode == 0, f"penny {args}: exit {r.returncode}\n{r.stdout}{r.stderr}"
        return r

    def status(self):
        return json.loads(self.penny("status", "--json").stdout)

    @property
    def certificate(self):
        return re.search(r'certificate\s*=\s*"([^"]+)"', self.config.read_text()).group(1)

    def certify(self, host):
        """Another certificate, for programs that compare its name with the one they called."""
        certificate, key = re.search(r'certificate\s*=\s*"([^"]+)"\s*key\s*=\s*"([^"]+)"', self.config.read_text()).groups()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={host}", "-addext",
                        f"subjectAltName=DNS:{host}", "-keyout", key, "-out", certificate], check=True, capture_output=True)

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([PENNY, "-c", self.config, "serve"], stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().strip()
        assert line == b"ready", f"serve said {line!r}\n{self.said()}"
        return self

    def said(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self):
        """SIGTERM; the exit code must be 0, and no sanitizer may have spoken."""
        self.process.terminate()
        code = self.process.wait(30)
        said = self.said()
        sanitizer = re.search(r"ERROR: |runtime error", said)
        assert not sanitizer, said[sanitizer.start() - 200:sanitizer.start() + 6000]
        assert code == 0, f"serve ended with {code}\n{said[-4000:]}"

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def letter(subject, body, sender="alice@example.org", to="bob@example.org", extra=b""):
    """A well-formed letter as bytes with CRLF; body: bytes, each line ended by CRLF."""
    head = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 01:30:00 +0000\r\n"
            f"Message-ID: <{subject}.{time.monotonic_ns()}@example.org>\r\nMIME-Version: 1.0\r\n").encode()
    return head + extra + b"\r\n" + body


OURS = (b"return-path:", b"delivered-to:", b"x-original-to:", b"received:")


def without_prefix(stored):
    """Takes our own fields off the front (with their folds); the rest must be what was sent."""
    names, rest = [], stored
    while True:
        line_end = rest.index(b"\r\n") + 2
        while rest[line_end:line_end + 1] in (b" ", b"\t"):
            line_end = rest.index(b"\r\n", line_end) + 2
        name = next((n for n in OURS if rest[:line_end].lower().startswith(n)), None)
        if not name or name == b"received:" and b"received:" in names:
            return names, rest
        names.append(name)
        rest = rest[line_end:]


def assert_arrived(stored, sent):
    names, rest = without_prefix(stored)
    assert names[:2] == [b"return-path:", b"delivered-to:"] and names[-1] == b"received:", names
    assert rest == sent, f"sent {len(sent)} bytes, got {len(rest)}; first difference at {next((i for i, (a, b) in enumerate(zip(sent, rest)) if a != b), None)}"
