"""Many connections to two mailboxes at once, over real sockets: each keeps its picture of numbers, UIDs and flags from what it is told, searches
find what it tells, commands are also sent several at once, and in the end all see the same. What the simulated world plays with seeds
(src/maa/imap/model_test.c), with real threads. PENNY_SEED replays the commands, though not their timing."""
import os
import random
import re
import socket
import threading
import time

CLIENTS, SECONDS = 6, 6
BOXES = ("INBOX", "Work")


class Client:
    """A connection that believes nothing. uids: the UID of each number, None where it has not been told."""

    def __init__(self, server, account, kind, seed):
        self.random, self.kind, self.tag, self.uids, self.flags, self.numbers = random.Random(seed), kind, 0, [], {}, False
        self.socket = socket.create_connection(("127.0.0.1", server.ports["imap"]), timeout=60)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"* OK")
        self.say(f'LOGIN {account.address} "{account.password}"')
        if kind:
            self.say(f"ENABLE {kind}")

    def say(self, command):
        self.tag += 1
        self.socket.sendall(f"t{self.tag} {command}\r\n".encode())
        return self.hear_until(f"t{self.tag} ")

    def say_all(self, commands):
        """Several at once; the answers come in order. What a search finds is checked as it comes."""
        first = self.tag + 1
        self.tag += len(commands)
        self.socket.sendall("".join(f"t{first + i} {c}\r\n" for i, c in enumerate(commands)).encode())
        return [self.hear_until(f"t{first + i} ") for i in range(len(commands))]

    def hear_until(self, tag):
        while True:
            line = self.file.readline().decode()
            assert line, "the connection is gone"
            if line.startswith(tag):
                assert not line.startswith(f"{tag}BAD"), line
                return line[len(tag):]
            self.hear(line.rstrip("\r\n"))

    def hear(self, line):
        if m := re.fullmatch(r"\* (\d+) EXISTS", line):
            assert int(m[1]) >= len(self.uids), (line, self.uids)
            self.uids += [None] * (int(m[1]) - len(self.uids))
        elif m := re.fullmatch(r"\* (\d+) EXPUNGE", line):
            assert not self.numbers and self.kind != "QRESYNC", line
            self.flags.pop(self.uids.pop(int(m[1]) - 1), None)
        elif m := re.fullmatch(r"\* VANISHED ([\d:,]+)", line):
            assert self.kind == "QRESYNC"
            for part in m[1].split(","):
                first, last = (part + ":" + part).split(":")[:2]
                for uid in range(int(first), int(last) + 1):
                    self.vanish(uid)
        elif m := re.fullmatch(r"\* (?:SEARCH|ESEARCH \(TAG \"\w+\"\) UID(?: ALL)?)(?: ([\d:, ]+))?", line):
            found = set()                              # by what has been told, which is what is shown
            for part in (m[1] or "").replace(",", " ").split():
                low, high = (part + ":" + part).split(":")[:2]
                found.update(range(int(low), int(high) + 1))
            known = {uid for uid in self.uids if uid in self.flags}
            want = {uid for uid in known if "\\Seen" in self.flags[uid]}
            assert found & known == want, (line, self.uids, self.flags)
        elif m := re.match(r"\* (\d+) FETCH \((.*)\)", line):
            number, what = int(m[1]), m[2]
            assert 1 <= number <= len(self.uids), (line, len(self.uids))
            if u := re.search(r"UID (\d+)", what):
                assert self.uids[number - 1] in (None, int(u[1])), (line, self.uids)
                self.uids[number - 1] = int(u[1])
                known = [uid for uid in self.uids if uid]
                assert known == sorted(set(known)), known
            if (f := re.search(r"FLAGS \(([^)]*)\)", what)) and self.uids[number - 1]:
                self.flags[self.uids[number - 1]] = set(f[1].split()) - {"\\Recent"}

    def vanish(self, uid):
        at = self.uids.index(uid) if uid in self.uids else None
        for i, known in enumerate(self.uids):
            if at is None and known is None and not any(k and k > uid for k in self.uids[:i]) and not any(k and k < uid for k in self.uids[i:]):
                at = i
        assert at is not None, (uid, self.uids)
        self.flags.pop(self.uids.pop(at), None)

    def select(self, box):
        self.box, self.uids, self.flags = box, [], {}
        assert self.say(f"SELECT {box}").startswith("OK")
        self.catch_up()

    def catch_up(self):
        self.say("NOOP")
        while self.uids and (None in self.uids or any(uid not in self.flags for uid in self.uids)):
            self.say("UID FETCH 1:* (UID FLAGS)")
            self.say("NOOP")

    def some(self, by_uid):
        first = self.random.randrange(len(self.uids))
        last = min(first + self.random.randrange(4), len(self.uids) - 1)
        if not by_uid:
            return f"{first + 1}:{last + 1}"
        return f"{self.uids[first] or 1}:{self.uids[last] or 1}"

    def step(self):
        r = self.random
        what = r.choice(("append", "store", "store", "store", "fetch", "fetch", "copy", "move", "expunge", "noop", "idle", "select",
                         "search", "replace", "many"))
        by_uid = r.random() < 0.5
        uid = "UID " if by_uid else ""
        if what == "append":
            assert self.say(f"APPEND {r.choice(BOXES)} (\\Flagged) {{20+}}\r\nSubject: x\r\n\r\ntext\r\n").startswith("OK [APPENDUID")
        elif what == "idle":
            self.socket.sendall(b"i IDLE\r\n")
            assert self.file.readline().startswith(b"+ ")
            time.sleep(r.random() / 20)
            self.socket.sendall(b"DONE\r\n")
            assert self.hear_until("i ").startswith("OK")
        elif what == "select":
            if r.random() < 0.3:
                self.select(r.choice(BOXES))
        elif what == "noop":
            self.catch_up()
        elif what == "expunge":
            self.say("EXPUNGE")
        elif what == "search":
            assert self.say("UID SEARCH SEEN").startswith("OK")
        elif what == "many":
            known = [uid for uid in self.uids if uid]
            some = f"{known[0]}:{known[-1]}" if known else "1"
            self.say_all(["NOOP", f"UID FETCH {some} (UID FLAGS)", "UID SEARCH SEEN", f"UID STORE {some} +FLAGS (custom)", "NOOP",
                          "UID SEARCH SEEN", f"UID STORE {some} -FLAGS (custom)", "EXPUNGE"])
        elif what == "replace":
            if known := [uid for uid in self.uids if uid]:
                self.say(f"UID REPLACE {r.choice(known)} {self.box} (\\Flagged) {{20+}}\r\nSubject: y\r\n\r\ntext\r\n")
        elif self.uids:
            self.numbers = not by_uid and what in ("store", "fetch")
            if what == "store":
                self.say(f"{uid}STORE {self.some(by_uid)} {r.choice('+-')}FLAGS ({r.choice(('custom', chr(92) + 'Seen', chr(92) + 'Deleted'))})")
            elif what == "fetch":
                self.say(f"{uid}FETCH {self.some(by_uid)} (UID FLAGS)")
            else:
                to = r.choice(BOXES) if what == "copy" else BOXES[self.box == "INBOX"]
                self.say(f"{uid}{what.upper()} {self.some(by_uid)} {to}")
            self.numbers = False


def test_all_see_the_same(account, server):
    seed = int(os.environ.get("PENNY_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    with account.login() as c:
        c.create("Work")
    clients = [Client(server, account, ("", "QRESYNC", "CONDSTORE", "IMAP4rev2")[i % 4], seed + i) for i in range(CLIENTS)]
    failures = []

    def live(client, until):
        try:
            client.select(BOXES[clients.index(client) % 2])
            while time.monotonic() < until and not failures:
                client.step()
        except Exception as e:                         # noqa: BLE001  told below, by the thread that may fail
            failures.append(e)

    threads = [threading.Thread(target=live, args=(c, time.monotonic() + SECONDS)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not failures, failures[0]
    commands = sum(c.tag for c in clients)
    for c in clients:
        c.catch_up()
        fresh = Client(server, account, "", 0)
        fresh.select(c.box)
        assert (c.uids, c.flags) == (fresh.uids, fresh.flags)
    assert commands > 300, "that was hardly a test"
