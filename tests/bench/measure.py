"""How a server is measured: a load of letters, medians of three runs, and what one letter costs in counts."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ["PENNY_BUILD"])
PROGRAM = os.environ["PENNY"]
LOAD = BUILD / "tests" / "smtp_load"
SIZE = 10240
QUICK, LETTERS, PEERS = False, None, None  # set by ./run


def load(port, sessions, messages, to, *options, size=SIZE):
    out = subprocess.run([LOAD, "-s", str(sessions), "-m", str(messages), "-l", str(size), "-t", ",".join(to), *options, f"127.0.0.1:{port}"],
                         capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(f"the load failed: {out.stdout}{out.stderr}")
    return json.loads(out.stdout)


def settled(servers, before=0.0):
    """Waits until the servers have come to rest (their last rows are written), and returns their CPU seconds."""
    for _ in range(100):
        time.sleep(0.1)
        now = sum(s.cpu() for s in servers)
        if now - before < 0.001:
            break
        before = now
    return now


def forget_files(cold=True):
    """Whatever is read next comes from the disk, where the kernel lets us ask for that."""
    if cold and os.access("/proc/sys/vm/drop_caches", os.W_OK):
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1")


def wait_for(done, target, seconds=300):
    end = time.monotonic() + seconds
    while done() < target:
        if time.monotonic() > end:
            raise SystemExit(f"{done()} of {target} letters have come through after {seconds} s")
        time.sleep(0.01)


def measure(server, sessions, messages, to, *options, done=None, also=(), size=SIZE):
    """Medians of three runs: rate, CPU seconds per 1000, latency, memory (MiB, all servers). done: how many letters have come through; the
    clock runs until all of them have."""
    rows = []
    servers = [server, *also]
    for _ in range(1 if QUICK else 3):
        before, target = settled(servers), done() + messages if done else 0
        begun = time.monotonic()
        r = load(server.port, sessions, messages, to, *options, size=size)
        if done:
            wait_for(done, target)
        seconds = time.monotonic() - begun if done else r["seconds"]
        memory = sum(s.memory() for s in servers)
        rows.append((messages / seconds, (settled(servers) - before) / messages * 1000, r["p50_ms"], memory))
    return {k: statistics.median(c) for k, c in zip(("rate", "cpu", "p50", "memory"), zip(*rows))}


def table(title, rows):
    """rows: (work, server, result, reference or None)."""
    print(f"\n{title}\n{'':34}{'letters/s':>10}{'CPU s/1000':>12}{'p50 ms':>9}{'MiB':>7}   ratio to the peer")
    for work, name, r, ref in rows:
        ratio = f"   {r['rate'] / ref['rate']:5.1f} x rate, {ref['cpu'] / r['cpu']:5.1f} x less CPU" if ref else ""
        print(f"{work + ', ' + name:34}{r['rate']:10.0f}{r['cpu']:12.3f}{r['p50']:9.2f}{r['memory']:7.1f}{ratio}", flush=True)


def system_calls(penny, work, letters):
    """Per letter, while work() runs: of all kinds, and the most frequent ones."""
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out.name, "-p", str(penny.process.pid)], stderr=subprocess.DEVNULL)
        time.sleep(0.7)
        work()
        tracer.send_signal(2)
        tracer.wait()
        lines = [line.split() for line in out.read().splitlines() if re.match(r"\s*[\d.]+\s", line)]
    calls = {line[-1]: int(line[3]) / letters for line in lines if line[-1] != "total"}
    return sum(calls.values()), sorted(calls.items(), key=lambda c: -c[1])


def counted(penny, work):
    """What the store counted while work() ran and everything was settled."""
    before = penny.status()["store"]
    work()
    settled([penny])
    after = penny.status()["store"]
    return {k: after[k] - before[k] for k in after if isinstance(after[k], int) and not isinstance(after[k], bool)}


def per_message(penny, sessions, messages, to, *options, done=None):
    """What one letter costs in groups, syncs, statements, rows, and system calls."""
    def whole(n):
        target = done() + n if done else 0
        load(penny.port, sessions, n, to, *options)
        if done:
            wait_for(done, target)
            settled([penny])  # what it settles after the last letter belongs to it

    d = counted(penny, lambda: whole(messages))
    n = min(messages, 500)
    calls, kinds = system_calls(penny, lambda: whole(n), n)
    syncs = d["pack_syncs"] + d["commits"]
    print(f"{sessions:4} sessions{' kept' if '-d' in options else '     '}: {messages / max(d['groups'], 1):6.1f} letters a group, {syncs / messages:5.2f} syncs, "
          f"{d['statements'] / messages:5.1f} statements, {d['row_writes'] / messages:5.1f} row writes, {calls:5.1f} system calls a letter", flush=True)
    return {"sessions": sessions, "kept": "-d" in options, "group": messages / max(d["groups"], 1), "syncs": syncs / messages,
            "statements": d["statements"] / messages, "row_writes": d["row_writes"] / messages, "calls": calls, "kinds": kinds}
