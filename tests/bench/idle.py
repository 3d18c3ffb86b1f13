"""Connections with nothing to do: what each costs in memory, and how soon a letter reaches all that wait for it in IDLE; beside Dovecot."""
import base64
import hashlib
import hmac
import resource
import select
import smtplib
import socket
import ssl
import time

import measure
from peers import Dovecot, Penny

ACCOUNT = "r@sink.test"
MANY, PEER = 10000, 500
ASLEEP = 8  # seconds after which a session has given back what it can spare (SPAN_IDLE, and some)
LETTER = b"Subject: wake up\r\n\r\nAll of you.\r\n"

ANY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANY.check_hostname, ANY.verify_mode = False, ssl.CERT_NONE


class Client:
    """One connection, without a buffer of its own: ten thousand of them are in this process too."""

    def __init__(self, port, tls):
        self.s = socket.create_connection(("127.0.0.1", port), 60)
        if tls:
            self.s = ANY.wrap_socket(self.s)

    def until(self, *marks):
        """Reads until what came has one of these in it."""
        text = b""
        while not any(m in text for m in marks):
            more = self.s.recv(8192)
            if not more:
                raise SystemExit(f"the server hung up after {text[-200:]}")
            text += more
        return text

    def ask(self, line, *marks):
        self.s.sendall(line + b"\r\n")
        text = self.until(*marks)
        if marks[0] not in text:
            raise SystemExit(f"{line.split()[:2]} was answered {text[-200:]}")
        return text


class Scram:
    """SCRAM-SHA-256 (RFC 5802), whose slow half is done once for an account, not once a log-in."""

    def __init__(self, account, password):
        self.account, self.password, self.salted = account, password, {}

    def first(self):
        return base64.b64encode(f"n,,n={self.account},r=bench".encode())

    def final(self, challenge):
        server = base64.b64decode(challenge.split()[1]).decode()
        fields = dict(f.split("=", 1) for f in server.split(","))
        key = fields["s"], fields["i"]
        if key not in self.salted:
            self.salted[key] = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client = hmac.digest(self.salted[key], b"Client Key", "sha256")
        bare = f"c=biws,r={fields['r']}"
        said = f"n={self.account},r=bench,{server},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), said, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client, signature))).decode()
        return base64.b64encode(f"{bare},p={proof}".encode())


def pop3(port, tls, _login):
    """As far as a client comes before it logs in: a maildrop has one session at a time."""
    c = Client(port, tls)
    c.until(b"\r\n")
    c.ask(b"CAPA", b"\r\n.\r\n")
    return c


def imap_idle(port, tls, login):
    c = Client(port, tls)
    c.until(b"\r\n")
    login(c)
    c.ask(b"b SELECT INBOX", b"b OK", b"b NO", b"b BAD")
    c.ask(b"c IDLE", b"+ ", b"c BAD")
    return c


def by_scram(scram):
    def login(c):
        challenge = c.ask(b"a AUTHENTICATE SCRAM-SHA-256 " + scram.first(), b"+ ", b"a NO", b"a BAD")
        if b"a OK" not in c.ask(scram.final(challenge), b"+ ", b"a OK", b"a NO"):
            c.ask(b"", b"a OK", b"a NO")
    return login


def by_name(c):
    c.ask(f'a LOGIN {ACCOUNT} x'.encode(), b"a OK", b"a NO")


def reached(clients, deliver):
    """Seconds from the acceptance of a letter until every one of them has heard of it."""
    poll, waiting = select.epoll(), {c.s.fileno(): c for c in clients}
    for fd in waiting:
        poll.register(fd, select.EPOLLIN)
    deliver()
    begun, end = time.monotonic(), time.monotonic() + 60
    while waiting:
        if time.monotonic() > end:
            raise SystemExit(f"{len(waiting)} of {len(clients)} sessions have not heard of a letter after a minute")
        for fd, _ in poll.poll(1):
            if b"EXISTS" in waiting[fd].s.recv(4096):
                poll.unregister(fd)
                del waiting[fd]
    return time.monotonic() - begun


def by_lmtp(port):
    def deliver():
        with smtplib.LMTP("127.0.0.1", port) as s:
            s.sendmail("s@load.test", [ACCOUNT], LETTER)
    return deliver


def sit(server, session, port, tls, login, n, deliver):
    """n sessions: KiB of each as soon as they are there and when they have been idle for a while; seconds of a letter to all."""
    for _ in range(20):  # what the first ones make is shared by all
        session(port, tls, login).s.close()
    time.sleep(1)
    before, begun, clients = server.memory(), time.monotonic(), []
    try:
        for _ in range(n):
            clients.append(session(port, tls, login))
        took = time.monotonic() - begun
        now = server.memory()
        time.sleep(ASLEEP)
        asleep = server.memory()
        seconds = sorted(reached(clients, deliver) for _ in range(3))[1] if session is imap_idle else None
    finally:
        for c in clients:
            c.s.close()
    return {"n": n, "now": (now - before) * 1024 / n, "asleep": (asleep - before) * 1024 / n, "letter": seconds, "took": took}


def run_penny(kind, session, n):
    penny = Penny(measure.PROGRAM, [ACCOUNT])
    try:
        penny.start()
        login = by_scram(Scram(ACCOUNT, Penny.PASSWORD))
        return sit(penny, session, penny.ports[kind], kind.endswith("s"), login, n, by_lmtp(penny.ports["lmtp"]))
    finally:
        penny.stop()


def run_dovecot(n):
    dovecot = Dovecot(protocols=("lmtp", "imap"), config="service imap {\n  process_limit = 2000\n}\n")
    try:
        dovecot.start()
        by_lmtp(dovecot.port)()
        return sit(dovecot, imap_idle, dovecot.ports["imap"], False, by_name, n, by_lmtp(dovecot.port))
    finally:
        dovecot.stop()


def bench_idle():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # handed on to the servers
    many = min(1000 if measure.QUICK else MANY, hard - 500)
    rows = [(f"POP3 {work}, before log-in", "penny", run_penny(kind, pop3, n), None)
            for work, kind, n in (("plain", "pop3", many), ("TLS", "pop3s", many))]
    ref = run_dovecot(PEER)
    rows += [("IMAP IDLE plain", "Dovecot", ref, None)]
    rows += [(f"IMAP IDLE {work}", "penny", run_penny(kind, imap_idle, n), ref)
             for work, kind, n in (("plain", "imap", PEER), ("plain", "imap", many), ("TLS", "imaps", many))]
    print(f"\nidle: memory of the server (PSS) for each connection, and until all sessions know of a letter\n{'':34}{'connections':>12}{'KiB':>8}"
          f"{'asleep':>8}{'letter, s':>11}")
    for work, name, r, _ in rows:
        letter = f"{r['letter']:11.3f}" if r["letter"] is not None else ""
        print(f"{work + ', ' + name:34}{r['n']:12}{r['now']:8.1f}{r['asleep']:8.1f}{letter}", flush=True)
    return rows
