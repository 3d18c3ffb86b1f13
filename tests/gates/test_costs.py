"""What a letter may cost. Counts do not drift with the machine, so they are gates; rates and processor time are ./dev bench's."""
import json
import re
import subprocess
import time

import post
import pytest

ACCOUNTS = [f"user{i}@sink.test" for i in range(10)]
TRUSTING = 'trusted = {"127.0.0.0/8"}\nplaintext_auth = {"127.0.0.1"}\nlog { level = "warn" }'


def load(server, sessions, messages, *options):
    out = subprocess.run([post.BUILD / "tests/smtp_load", "-s", str(sessions), "-m", str(messages), "-l", "10240", "-t", ",".join(ACCOUNTS), *options,
                          f"127.0.0.1:{server.ports['smtp']}"], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stdout + out.stderr
    return json.loads(out.stdout)


@pytest.fixture(scope="module")
def server():
    p = post.Penny(accounts=ACCOUNTS, config=TRUSTING)
    p.start()
    load(p, 1, 20, "--tag", "first")  # the first letter of a mailbox also begins its first chunk of entries
    yield p
    p.stop()
    p.remove()


def costs(server, sessions, messages, *options):
    """Per letter: what the store counted."""
    before = server.status()["store"]
    load(server, sessions, messages, *options)
    after = server.status()["store"]
    return {k: (after[k] - before[k]) / messages for k in ("groups", "pack_syncs", "commits", "statements", "row_writes")}


def test_one_letter_alone(server):
    c = costs(server, 1, 200)
    assert c["row_writes"] <= 6, c
    assert c["pack_syncs"] <= 1.05 and c["commits"] <= 1.05, c
    assert c["statements"] <= 12, c


def test_letters_share_syncs(server):
    c = costs(server, 20, 2000)
    assert c["groups"] <= 1 / 3, f"groups of three letters at least: {c}"
    assert c["pack_syncs"] + c["commits"] <= 0.7, c
    assert c["row_writes"] <= 6 and c["statements"] <= 10, c


def test_memory_at_100_sessions(server):
    load(server, 100, 3000)
    status = open(f"/proc/{server.process.pid}/status").read()
    resident = int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024
    assert resident <= 40, f"{resident:.1f} MiB at the most"


def system_calls(messages, *options):
    """All system calls of a server's life in which it took that many letters."""
    p = post.Penny(accounts=ACCOUNTS, config=TRUSTING)
    counts = p.folder / "strace"
    try:
        p.process = subprocess.Popen(["strace", "-f", "-c", "-o", counts, post.PENNY, "-c", p.config, "serve"], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)
        assert p.process.stdout.readline().strip() == b"ready"
        load(p, 20, messages, *options)
        subprocess.run(["pkill", "-TERM", "-P", str(p.process.pid)], check=True)
        p.process.wait(30)
        total = next(line for line in counts.read_text().splitlines() if line.endswith("total"))
        return int(total.split()[3] if len(total.split()) > 4 else total.split()[2])
    finally:
        p.remove()


@pytest.mark.parametrize("options,limit", [((), 40), (("-d",), 25)], ids=["fresh", "kept"])
def test_system_calls(options, limit):
    few, many = system_calls(300, *options), system_calls(1500, *options)
    each = (many - few) / 1200
    assert each <= limit, f"{each:.1f} system calls a letter"


def test_idle_server_is_idle(server):
    time.sleep(1)
    def ticks():
        fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(") ", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(3)
    assert ticks() - before <= 2, "a server with nothing to do does nothing"
