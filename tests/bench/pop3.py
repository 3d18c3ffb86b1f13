"""Letters taken from a maildrop by POP3, one after the other and pipelined; beside Dovecot, on the same letters."""
import smtplib
import socket
import statistics
import time

import corpus
import measure
from peers import Dovecot, Penny

ACCOUNT = "r@sink.test"
LETTERS = 10000
DEPTH = 50  # RETRs on their way at a time, when pipelined


def fill(port, file):
    """By LMTP, over one connection."""
    with smtplib.LMTP("127.0.0.1", port) as s, file.open("rb") as f:
        s.ehlo()
        while n := f.readline():
            s.mail("s@load.test")
            s.rcpt(ACCOUNT)
            code, text = s.data(f.read(int(n)))
            if code != 250:
                raise SystemExit(f"a letter was not taken: {code} {text}")


class Client:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 60)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)
        self.s.recv(4096)
        self.ask(f"USER {ACCOUNT}")
        self.ask(f"PASS {Penny.PASSWORD}")
        self.letters = int(self.ask("STAT").split()[1])

    def ask(self, line):
        self.s.sendall(line.encode() + b"\r\n")
        answer = self.s.recv(4096)
        if not answer.startswith(b"+OK"):
            raise SystemExit(f"{line} was answered {answer}")
        return answer

    def one_by_one(self):
        """Bytes got."""
        total, view = 0, memoryview(self.buffer)
        for i in range(1, self.letters + 1):
            self.s.sendall(b"RETR %d\r\n" % i)
            at = 0
            while at < 5 or view[at - 5:at] != b"\r\n.\r\n":
                n = self.s.recv_into(view[at:])
                if not n:
                    raise SystemExit(f"the server hung up in letter {i}")
                at += n
            if view[:3] != b"+OK":
                raise SystemExit(f"RETR {i} was answered {bytes(view[:80])}")
            total += at
        return total

    def pipelined(self):
        """RFC 2449 §6.6. A letter's end is a line with a dot, and no line of it is one."""
        total, sent, ended, tail = 0, 0, 0, b""
        while ended < self.letters:
            if sent < self.letters and sent - ended <= DEPTH // 2:
                more = range(sent + 1, min(sent + DEPTH, self.letters) + 1)
                self.s.sendall(b"".join(b"RETR %d\r\n" % i for i in more))
                sent = more[-1]
            n = self.s.recv_into(self.buffer)
            if not n:
                raise SystemExit("the server hung up")
            total += n
            text = tail + self.buffer[:n]
            ended += text.count(b"\r\n.\r\n")
            tail = bytes(text[-4:])
        return total


def run(server, port, work):
    """Medians of three sessions: letters and MB a second, and the server's CPU."""
    rows = []
    for _ in range(1 if measure.QUICK else 3):
        c = Client(port)
        before, begun = measure.settled([server]), time.monotonic()
        total = work(c)
        seconds = time.monotonic() - begun
        rows.append((c.letters / seconds, total / seconds / 1e6, (measure.settled([server]) - before) / c.letters * 1000))
        c.ask("QUIT")
        c.s.close()
        time.sleep(0.2)  # the maildrop's lock
    return {k: statistics.median(v) for k, v in zip(("rate", "mb", "cpu"), zip(*rows))}


def bench_pop3():
    n = 1000 if measure.QUICK else LETTERS
    file = corpus.write(measure.BUILD / "bench" / f"corpus-{n}", n)
    dovecot, penny = Dovecot(protocols=("lmtp", "pop3"), config="mail_fsync = never\n"), Penny(measure.PROGRAM, [ACCOUNT])
    rows = []
    try:
        for server in (dovecot, penny):
            server.start()
            fill(server.ports["lmtp"], file)
        for name, work in (("RETR one at a time", Client.one_by_one), ("RETR pipelined", Client.pipelined)):
            ref = run(dovecot, dovecot.ports["pop3"], work)
            rows += [(name, "Dovecot", ref, None), (name, "penny", run(penny, penny.ports["pop3"], work), ref)]
    finally:
        dovecot.stop()
        penny.stop()
    print(f"\npop3: {n} letters of 9 KB on average\n{'':34}{'letters/s':>10}{'MB/s':>8}{'CPU s/1000':>12}   ratio to the peer")
    for work, name, r, ref in rows:
        ratio = f"   {r['rate'] / ref['rate']:5.1f} x rate, {ref['cpu'] / r['cpu']:5.1f} x less CPU" if ref else ""
        print(f"{work + ', ' + name:34}{r['rate']:10.0f}{r['mb']:8.0f}{r['cpu']:12.4f}{ratio}", flush=True)
    return rows
