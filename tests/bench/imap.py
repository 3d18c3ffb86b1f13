"""One connection, big mailboxes: what IMAP's commands take, beside Dovecot with Maildir and with mdbox, on the same letters.

Every time is from a command's first byte to its tagged response's last, medians of three unless only the first can be measured. "Nothing cached":
the server has just started, Dovecot without its index files (Maildir) and its cache of headers, and the kernel keeps no page of any file."""
import json
import socket
import statistics
import subprocess
import time

import corpus
import measure
from peers import Dovecot, Penny

ACCOUNT = "r@sink.test"
TUNED = """
service imap-login {
  service_count = 0
  process_min_avail = 2
}
service imap {
  service_count = 1000
  process_min_avail = 8
}
"""
COPIED, APPENDED, LOGINS = 1000, 4000, 4000
TAIL = 4096  # a longer tagged line would not be found
INDEX_FILES = {"maildir": "dovecot.index*", "mdbox": "dovecot.index.cache"}  # what can be made anew


class Client:
    """Reads to the tagged response into one big buffer that is never looked at but for its end."""

    def __init__(self, port, account=ACCOUNT, password=Penny.PASSWORD):
        self.s = socket.create_connection(("127.0.0.1", port), 600)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.number = bytearray(4 << 20), 0
        self.s.recv(4096)
        self.ask(f'LOGIN "{account}" "{password}"')

    def ask(self, line, keep=False):
        """(seconds, bytes read, those near the end, or all with `keep`)."""
        self.number += 1
        tag = b"T%05d " % self.number
        begun, total, tail, kept = time.monotonic(), 0, b"", []
        self.s.sendall(tag + line.encode() + b"\r\n")
        while True:
            n = self.s.recv_into(self.buffer)
            if not n:
                raise SystemExit(f"the server hung up on {line[:60]}: {tail[-200:]}")
            total += n
            tail = (tail + bytes(self.buffer[max(0, n - TAIL):n]))[-TAIL:]
            if keep:
                kept.append(bytes(self.buffer[:n]))
            last = tail.rfind(b"\n", 0, -1) + 1
            if tail.endswith(b"\r\n") and tail.startswith(tag, last):
                break
        seconds = time.monotonic() - begun
        if not tail.startswith(tag + b"OK", last):
            raise SystemExit(f"{line[:80]} was answered {tail[last:]}")
        return seconds, total, b"".join(kept) if keep else tail

    def close(self):
        self.ask("LOGOUT")
        self.s.close()


def load(mode, port, *options, account=ACCOUNT):
    out = subprocess.run([measure.BUILD / "tests" / "imap_load", "-u", account, "-p", Penny.PASSWORD, *map(str, options), mode, f"127.0.0.1:{port}"],
                         capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(f"the load failed: {out.stdout}{out.stderr}")
    return json.loads(out.stdout)


# ---- servers: .imap is the port, .restart(cold) makes them forget ----

class DovecotMailbox(Dovecot):
    """Its letters are kept for the next run: made once, without syncs."""

    def __init__(self, layout, letters, file):
        super().__init__(layout, protocols=("imap", "lmtp"), config=TUNED)
        self.imap, self.label = self.ports["imap"], f"Dovecot {layout}"
        self.kept = measure.BUILD / "bench" / f"{layout}-{letters}"
        if not self.kept.exists():
            self.fill(letters, file)

    def begin(self):
        self.start()
        subprocess.run(["cp", "-a", f"{self.kept}/.", self.mail], check=True)

    def fill(self, letters, file):
        other = Dovecot(self.layout, protocols=("imap", "lmtp"), config=TUNED + "mail_fsync = never\n")
        try:
            other.start()
            if self.layout == "maildir":
                corpus.write_maildir(file, letters, other.mail / ACCOUNT / "Maildir", other.mail.stat())
                Client(other.ports["imap"]).ask("SELECT INBOX")
            else:
                load("append", other.ports["imap"], "-c", 8, "-n", letters, "-f", file)
        finally:
            for p in other.processes:
                p.terminate()
                p.wait(30)
            subprocess.run(["cp", "-a", other.folder / "mail", self.kept], check=True)
            other.stop()

    def restart(self, cold=True):
        for p in self.processes:
            p.terminate()
            p.wait(30)
        self.processes.clear()
        if cold:
            for f in self.mail.rglob(INDEX_FILES[self.layout]):
                f.unlink()
        measure.forget_files(cold)
        self.spawn("/usr/sbin/dovecot", "-F", "-c", self.folder / "dovecot.conf", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        measure_ready(self.imap)


class PennyMailbox(Penny):
    def __init__(self, letters, file):
        super().__init__(measure.PROGRAM, [ACCOUNT, "append1@sink.test", "append10@sink.test"])
        self.label, self.letters, self.file = "penny", letters, file
        self.imap = self.ports["imap"]

    def begin(self):
        self.start()
        r = load("append", self.imap, "-c", 10, "-n", self.letters, "-f", self.file)
        print(f"penny took {self.letters} letters in {r['seconds']:.1f} s, {r['rate']:.0f} a second", flush=True)

    def restart(self, cold=True):
        self.process.terminate()
        self.process.wait(60)
        measure.forget_files(cold)
        self.serve()


def measure_ready(port):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            Client(port).close()
            return
        except (OSError, SystemExit):
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


# ---- the works ----

def median(work, times=3):
    return statistics.median(work() for _ in range(1 if measure.QUICK else times))


def selected(server):
    c = Client(server.imap)
    c.ask("SELECT INBOX")
    return c


def once(server, line):
    """In a connection of its own."""
    c = selected(server)
    seconds, total, tail = c.ask(line)
    c.close()
    return seconds, total, tail


def reading(server, r):
    def select():
        server.restart()
        c = Client(server.imap)
        seconds = c.ask("SELECT INBOX")[0]
        c.close()
        return seconds

    r["SELECT, nothing cached"] = median(select)
    r["SEARCH SUBJECT, first"] = once(server, f"SEARCH SUBJECT {corpus.SUBJECT_WORD}")[0]
    r["SEARCH SUBJECT, warm"] = median(lambda: once(server, f"SEARCH SUBJECT {corpus.SUBJECT_WORD}")[0])
    server.restart()
    r["FETCH ENVELOPE BODYSTRUCTURE, first"] = once(server, "FETCH 1:* (ENVELOPE BODYSTRUCTURE)")[0]
    r["FETCH ENVELOPE BODYSTRUCTURE, warm"] = median(lambda: once(server, "FETCH 1:* (ENVELOPE BODYSTRUCTURE)")[0])
    r["FETCH FLAGS UID SIZE DATE, warm"] = median(lambda: once(server, "FETCH 1:* (FLAGS UID RFC822.SIZE INTERNALDATE)")[0])
    once(server, "FETCH 1:* BODY.PEEK[]")
    rates = []
    for _ in range(1 if measure.QUICK else 3):
        seconds, total, _ = once(server, "FETCH 1:* BODY.PEEK[]")
        rates.append(total / seconds / 1e6)
    r["FETCH BODY.PEEK[], MB/s"] = statistics.median(rates)


def searching(server, r):
    def text():
        c = selected(server)
        seconds, _, said = c.ask(f"SEARCH TEXT {corpus.RARE}", keep=True)
        c.close()
        found.append(said.split(b"\r\n")[0])
        return seconds

    found = []
    r["SEARCH TEXT, a rare word"] = median(text, 1 if server.label != "penny" else 3)
    r["found"] = found[0].decode()


def changing(server, r, letters):
    c = selected(server)

    def store():
        seconds = c.ask("STORE 1:* +FLAGS (\\Flagged)")[0]
        c.ask("STORE 1:* -FLAGS.SILENT (\\Flagged)")
        return seconds

    def copy():
        return c.ask(f"COPY 1:{min(COPIED, letters)} Copied")[0]

    r["STORE 1:* +FLAGS"] = median(store)
    c.ask("CREATE Copied")
    r["COPY 1:1000"] = median(copy)
    for i in range(1, letters + 1, 1000):  # every other one, in lines that any server takes
        c.ask(f"STORE {','.join(map(str, range(i, min(i + 1000, letters + 1), 2)))} +FLAGS.SILENT (\\Deleted)")
    c.close()
    c = selected(server)
    r["EXPUNGE half"] = c.ask("EXPUNGE")[0]
    c.close()


def loading(server, r, file):
    n = APPENDED // (8 if measure.QUICK else 1)
    for clients in (1, 10):
        cpu = measure.settled([server])
        r[f"APPEND, {clients} client{'s' * (clients > 1)}, /s"] = load("append", server.imap, "-c", clients, "-n", min(n, 500 * clients), "-f", file,
                                                                     account=f"append{clients}@sink.test")["rate"]
        r[f"APPEND, {clients}, CPU ms"] = (measure.settled([server]) - cpu) / min(n, 500 * clients) * 1000
    n = LOGINS // (8 if measure.QUICK else 1)
    load("login", server.imap, "-c", 4, "-n", 200)
    cpu = measure.settled([server])
    r["login + logout, 4 clients, /s"] = load("login", server.imap, "-c", 4, "-n", n)["rate"]
    r["login, CPU ms"] = (measure.settled([server]) - cpu) / n * 1000


# ---- what is to be reached: (line, what it is compared with, by which factor). Rates: the more the better ----

GOALS = (
    ("SELECT, nothing cached", ("maildir", "mdbox"), "SELECT, nothing cached", 1),
    ("FETCH FLAGS UID SIZE DATE, warm", ("maildir", "mdbox"), "FETCH FLAGS UID SIZE DATE, warm", 1.5),
    ("FETCH ENVELOPE BODYSTRUCTURE, first", ("mdbox",), "FETCH ENVELOPE BODYSTRUCTURE, first", 4),
    ("FETCH ENVELOPE BODYSTRUCTURE, warm", ("maildir", "mdbox"), "FETCH ENVELOPE BODYSTRUCTURE, warm", 1.5),
    ("FETCH BODY.PEEK[], MB/s", ("maildir", "mdbox"), "FETCH BODY.PEEK[], MB/s", 1.5),
    ("SEARCH TEXT, a rare word", ("maildir", "mdbox"), "SEARCH TEXT, a rare word", 100),
    ("SEARCH SUBJECT, first", ("maildir", "mdbox"), "SEARCH SUBJECT, warm", 1),
    ("SEARCH SUBJECT, warm", ("maildir", "mdbox"), "SEARCH SUBJECT, warm", 1),
    ("STORE 1:* +FLAGS", ("mdbox",), "STORE 1:* +FLAGS", 1),
    ("COPY 1:1000", ("mdbox",), "COPY 1:1000", 1),
    ("EXPUNGE half", ("mdbox",), "EXPUNGE half", 1),
    ("APPEND, 1 client, /s", ("maildir", "mdbox"), "APPEND, 1 client, /s", None),
    ("APPEND, 10 clients, /s", ("maildir", "mdbox"), "APPEND, 10 clients, /s", 3),
    ("login + logout, 4 clients, /s", ("maildir", "mdbox"), "login + logout, 4 clients, /s", 3),
)


def ratio(line, peers, against, results):
    """How many times as fast as the best of the peers penny is."""
    theirs = [results[p][against] for p in peers if against in results.get(p, {})]
    own = results.get("penny", {}).get(line)
    if own is None or not theirs:
        return None
    return own / max(theirs) if line.endswith("/s") else min(theirs) / own


def cell(r, line):
    v = r.get(line)
    if v is None:
        return "-"
    return f"{v:.0f}" if line.endswith("/s") else f"{v:.4f}" if v < 0.1 else f"{v:.2f}"


def table(letters, results):
    print(f"\nIMAP, {letters} letters, one connection; seconds unless it says so\n{'':38}{'Maildir':>10}{'mdbox':>10}{'penny':>10}{'ratio':>8}{'goal':>7}")
    for line, peers, against, factor in GOALS:
        x = ratio(line, peers, against, results)
        goal = f"{factor:>7.4g}" if factor else "      -"
        met = "" if x is None or not factor else "" if x >= factor else "  missed"
        print(f"{line:38}" + "".join(f"{cell(results.get(p, {}), line):>10}" for p in ("maildir", "mdbox", "penny"))
              + (f"{x:>8.2f}" if x is not None else f"{'-':>8}") + goal + met)
    for line in ("APPEND, 1, CPU ms", "APPEND, 10, CPU ms", "login, CPU ms", "MiB"):
        print(f"{line:38}" + "".join(f"{cell(results.get(p, {}), line):>10}" for p in ("maildir", "mdbox", "penny")), flush=True)
    said = {p: r.get("found") for p, r in results.items()}
    if len({len(v.split()) for v in said.values() if v}) > 1:
        print(f"the searches found different letters: {said}")


def run(server, letters, file):
    r = {}
    try:
        server.begin()
        loading(server, r, file)
        reading(server, r)
        searching(server, r)
        changing(server, r, letters)
        r["MiB"] = server.memory()
        return r
    finally:
        server.stop()


def bench_imap():
    rows = []
    for letters in measure.LETTERS or ((1000,) if measure.QUICK else (10000, 100000)):
        file = corpus.write(measure.BUILD / "bench" / f"corpus-{letters}", letters)
        results = {}
        for name in measure.PEERS or ("maildir", "mdbox", "penny"):
            server = PennyMailbox(letters, file) if name == "penny" else DovecotMailbox(name, letters, file)
            results[name] = run(server, letters, file)
            rows.append((f"{letters} letters", name, results[name], None))
        table(letters, results)
    return rows
