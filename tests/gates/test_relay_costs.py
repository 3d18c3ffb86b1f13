"""What a letter that is sent on may cost: system calls, row writes and memory, all of which do not drift with the machine."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import post
import pytest

CONFIG = 'trusted = {"127.0.0.0/8"}\nrelay { loopback = true }\nlog { level = "warn" }'


class Sink:
    """smtp-sink, which takes everything; taken(): how many so far."""

    def __init__(self):
        self.port = post.free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sink-"))
        self.counts = self.folder / "counts"
        self.process = subprocess.Popen(["/usr/sbin/smtp-sink", "-4", "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"], stdout=self.counts.open("w"))
        post.until(lambda: post.listens(self.port))

    def taken(self):
        told = re.findall(r"mesg=\s*(\d+)", self.counts.read_text()[-200:])
        return int(told[-1]) if told else 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def sink():
    s = Sink()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def hop(sink):
    return f"smtp://127.0.0.1:{sink.port}"


@pytest.fixture(scope="module")
def server(sink, hop):
    p = post.Penny(accounts=["postmaster@bench.test"], config=CONFIG)
    try:
        p.penny("route", "add", "sink.test", hop)
        p.start()
        relay(p, sink, 20, 50)
        yield p
        p.stop()
    finally:
        p.remove()


def load(server, sessions, messages, *options):
    out = subprocess.run([post.BUILD / "tests/smtp_load", "-s", str(sessions), "-m", str(messages), "-l", "10240", "-t", "r@sink.test", *options,
                          f"127.0.0.1:{server.ports['smtp']}"], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stdout + out.stderr


def at_rest(server):
    """Everything is settled: nothing waits, and the store has stopped counting."""
    def still():
        before = server.status()["store"]
        time.sleep(0.3)
        after = server.status()["store"]
        return after["queue"] == 0 and after["row_writes"] == before["row_writes"]
    post.until(still, 60)


def relay(server, sink, sessions, messages, *options):
    target = sink.taken() + messages
    load(server, sessions, messages, *options)
    post.until(lambda: sink.taken() >= target, 60)
    at_rest(server)


def system_calls(server, work):
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out.name, "-p", str(server.process.pid)], stderr=subprocess.DEVNULL)
        time.sleep(1)
        work()
        tracer.send_signal(2)
        tracer.wait(20)
        rows = [line.split() for line in out.read().splitlines() if re.match(r"\s*[\d.]+\s", line)]
    return {row[-1]: int(row[3]) for row in rows if row[-1] != "total"}


@pytest.mark.parametrize("sessions,messages", [(1, 500), (20, 2000)])
def test_row_writes(server, sink, hop, sessions, messages):
    """Accepted while the next hop is suspended, carried and settled when it is not any more. The index of the record is written behind both, and
    counted with either: so their sum is what is judged (store_cost_test.c judges a settlement by itself). These come first: what the others leave
    behind is collected later, and its rows would be counted here."""
    def rows():
        return server.status()["store"]["row_writes"]
    server.penny("queue", "suspend", hop)
    before = rows()
    load(server, sessions, messages)
    accepted = (rows() - before) / messages
    server.penny("queue", "resume", hop)
    before = rows()
    at_rest(server)
    settled = (rows() - before) / messages
    assert accepted <= 6 and accepted + settled <= 10, f"{accepted:.2f} to accept, {settled:.2f} to settle"


@pytest.mark.parametrize("options,limit", [((), 40), (("-d",), 25)], ids=["fresh", "kept"])
def test_system_calls(server, sink, options, limit):
    """In, out and settled; at 20 sessions, connections coming in fresh or kept, going out as the relay does."""
    messages = 2000

    def work():
        target = sink.taken() + messages
        load(server, 20, messages, *options)
        post.until(lambda: sink.taken() >= target, 60)
        time.sleep(1)
    calls = system_calls(server, work)
    each = sum(calls.values()) / messages
    assert each <= limit, f"{each:.1f} a letter: " + ", ".join(f"{k} {v / messages:.2f}" for k, v in sorted(calls.items(), key=lambda c: -c[1])[:12])


def test_letters_share_syncs(server, sink):
    def count():
        s = server.status()["store"]
        return s["pack_syncs"] + s["commits"]
    before = count()
    relay(server, sink, 20, 2000)
    assert (count() - before) / 2000 <= 1, "two commits and a sync of the pack, each for several letters"


def test_memory(server, sink):
    relay(server, sink, 100, 3000)
    resident = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{server.process.pid}/status").read_text()).group(1)) / 1024
    assert resident <= 40, f"{resident:.1f} MiB at the most"
