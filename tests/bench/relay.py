"""Letters that leave again: accepted, relayed to smtp-sink, settled; beside Postfix. And a queue of a million."""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import measure
from peers import Penny, Postfix, Sink, free_port

TO = ["r@sink.test"]
SIZES = ((1024, 3000), (10240, 5000), (102400, 1500))
CONFIG = "relay { loopback = true }\n"


def penny_to(sink):
    p = Penny(measure.PROGRAM, ["postmaster@bench.test"], config=CONFIG)
    p.start()
    p.penny("route", "add", "sink.test", hop_of(sink))
    return p


def hop_of(sink):
    return f"smtp://127.0.0.1:{sink.port}"


def bench_relay():
    sink = Sink()
    sink.start()
    postfix, penny = Postfix(sink), None
    try:
        postfix.start()
        penny = penny_to(sink)
        rows = []
        for size, n in SIZES:
            n = n // 5 if measure.QUICK else n
            for sessions in (20, 100):
                for label, options in (("fresh", ()), ("kept", ("-d",))):
                    ref = measure.measure(postfix, sessions, n, TO, *options, done=sink.letters, size=size)
                    own = measure.measure(penny, sessions, n, TO, *options, done=sink.letters, size=size)
                    work = f"{size // 1024:3} KB {sessions:3} {label:5}"
                    rows += [(work, "Postfix", ref, None), (work, "penny", own, ref)]
        measure.table("relay: accepted durably, sent on, settled; until the sink has them all (KB, sessions, connections in)", rows)
        postfix = postfix.stop()
        print(f"\npenny's memory at the most: {peak(penny):.1f} MiB\n\nwhat a relayed letter costs penny (10 KB; system calls by strace -c -f)")
        for sessions in (1, 20, 100):
            for options in ((), ("-d",)):
                costs = measure.per_message(penny, sessions, 500 if sessions == 1 else 2000, TO, *options, done=sink.letters)
                if sessions == 20:
                    print("      " + ", ".join(f"{name} {n:.1f}" for name, n in costs["kinds"] if n >= 0.1))
        accept_and_settle(penny, sink)
        profile(penny, sink)
    finally:
        for server in (postfix, penny):
            if server:
                server.stop()
    instructions(sink)
    sink.stop()
    return rows


def peak(penny):
    status = pathlib.Path(f"/proc/{penny.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def relayed(penny, sink, n, *options, sessions=20):
    target = sink.letters() + n
    measure.load(penny.port, sessions, n, TO, *options)
    measure.wait_for(sink.letters, target)


def accept_and_settle(penny, sink, n=2000):
    """The two halves by themselves: letters for a next hop that is suspended, then that it is not any more."""
    penny.penny("queue", "suspend", hop_of(sink))
    accept = measure.counted(penny, lambda: measure.load(penny.port, 20, n, TO))
    target = sink.letters() + n
    penny.penny("queue", "resume", hop_of(sink))
    settle = measure.counted(penny, lambda: measure.wait_for(sink.letters, target))
    for name, d in (("to accept", accept), ("to read, carry and settle", settle)):
        print(f"{name:>26}: {n / max(d['groups'], 1):6.1f} letters a group, {(d['pack_syncs'] + d['commits']) / n:5.2f} syncs, {d['statements'] / n:5.1f} statements, "
              f"{d['row_writes'] / n:5.1f} row writes a letter")


# --- where the time goes: samples of the processor's clock, in user space and kernel --------------------------------------------------

def profile(penny, sink, n=4000):
    if not shutil.which("perf"):
        return
    with tempfile.TemporaryDirectory(prefix="bench-perf-") as folder:
        file = f"{folder}/data"
        sampler = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-p", str(penny.process.pid), "-o", file], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        relayed(penny, sink, n)
        sampler.send_signal(2)
        sampler.wait()
        text = subprocess.run(["perf", "report", "-i", file, "--stdio", "-t", "|", "--sort", "dso,symbol", "--percent-limit", "0.05"], capture_output=True, text=True).stdout
    samples = [(float(share), library, symbol[4:].strip()) for share, library, symbol in re.findall(r"^\s*([\d.]+)%\s*\|([^|]+)\|(\[.\] [^|\n]+)", text, re.M)]
    if not samples:
        return
    folders, places = folders_of_symbols(), collections.Counter()
    for share, library, symbol in samples:
        library = os.path.basename(library.strip())
        place = folders.get(symbol, "penny") if library == "penny" else "kernel" if library.startswith("[kernel") else re.sub(r"\.so.*", "", library)
        places[place] += share
    print("\nwhere the processor's time goes (10 KB, 20 sessions, fresh): " + ", ".join(f"{p} {s:.0f} %" for p, s in places.most_common() if s >= 0.5))
    print("    most of all: " + ", ".join(f"{symbol} {share:.1f}" for share, _, symbol in sorted(samples, reverse=True)[:16]))


def folders_of_symbols():
    """Function -> src/FOLDER; a name of several folders counts as penny's alone."""
    folders = {}
    for library in (measure.BUILD / "src").glob("lib*.a"):
        for line in subprocess.run(["nm", "--defined-only", library], capture_output=True, text=True).stdout.splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "tT":
                place = f"src/{library.stem[3:]}"
                folders[fields[2]] = place if folders.get(fields[2], place) == place else "penny"
    return folders


# --- instructions, by valgrind's callgrind: they do not drift with the machine --------------------------------------------------------

def instructions(sink):
    """The difference of two lives of a server, one of which relayed more letters: in user space, by the folder or library they belong to."""
    if not shutil.which("valgrind"):
        return
    few, many = (lived(sink, n) for n in (100, 500))
    each = {k: (many[k] - few[k]) / 400 for k in many}
    total = sum(each.values())
    print(f"\n{total / 1000:.0f} thousand instructions a letter (10 KB, 20 sessions, fresh; user space, by callgrind):")
    for place, n in sorted(each.items(), key=lambda i: -i[1]):
        if n > total / 100:
            print(f"    {place:24}{n / 1000:8.1f}  {100 * n / total:4.0f} %")


def lived(sink, letters):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-callgrind-"))
    penny = Penny(measure.PROGRAM, ["postmaster@bench.test"], config=CONFIG)
    try:
        penny.setup()
        penny.penny("route", "add", "sink.test", hop_of(sink))
        penny.serve(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out.%p", "--trace-children=yes", "-q"])
        relayed(penny, sink, letters)
        measure.settled([penny])
        penny.process.terminate()
        penny.process.wait(60)
        sums = collections.Counter()
        for f in folder.iterdir():
            sums += by_place(f.read_text())
        return sums
    finally:
        penny.stop()
        shutil.rmtree(folder)


def place_of(library, file):
    source = re.search(r"src/(\w+)/", file)
    if "penny" in os.path.basename(library) and source:
        return f"src/{source.group(1)}"
    return re.sub(r"\.so.*", "", os.path.basename(library)) or "other"


def by_place(text):
    """Self cost in a callgrind profile, by object and source folder. Names are given in full once: (3) path."""
    names, sums, library, file, calls = {}, collections.Counter(), "", "", False
    for line in text.splitlines():
        m = re.match(r"(ob|fl|fi|fe)=\((\d+)\)(?: (.*))?$", line)
        c = re.match(r"(cob|cfi|cfl)=\((\d+)\)(?: (.*))?$", line)
        if m or c:
            kind, number, name = (m or c).groups()
            key = ("ob" if "ob" in kind else "fl", number)
            if name:
                names[key] = name
            if kind == "ob":
                library = names[key]
            elif m:
                file = names[key]
        elif line.startswith("calls="):
            calls = True
        elif re.match(r"[+\-*\d]", line):
            if not calls:
                sums[place_of(library, file)] += int(line.split()[1])
            calls = False
    return sums


# --- a million -----------------------------------------------------------------------------------------------------------------------

def bench_queue():
    """Recipients of a dead host, a thousand a letter: memory and the rate of other mail before and after."""
    recipients = 100_000 if measure.QUICK else 1_000_000
    n = 1000 if measure.QUICK else 3000
    sink = Sink()
    sink.start()
    penny = penny_to(sink)
    try:
        penny.penny("route", "add", "dead.test", f"smtp://127.0.0.1:{free_port()}")
        rows = [("empty queue", "penny", measure.measure(penny, 20, n, TO, done=sink.letters), None)]
        begun = time.monotonic()
        subprocess.run(["/usr/sbin/smtp-source", "-4", "-d", "-s", "4", "-r", "1000", "-m", str(recipients // 1000), "-l", "2000", "-f", "s@load.test",
                        "-t", "r@dead.test", f"127.0.0.1:{penny.port}"], check=True)
        seconds = time.monotonic() - begun
        waiting = penny.status()["store"]["queue"]
        if waiting != recipients:
            raise SystemExit(f"{waiting} recipients are in the queue, not {recipients}")
        full = measure.measure(penny, 20, n, TO, done=sink.letters)
        rows.append((f"{recipients} queued", "penny", full, rows[0][2]))
        print(f"{recipients / seconds:.0f} recipients a second taken; memory at the most {peak(penny):.1f} MiB")
        begun = time.monotonic()
        penny.penny("queue", "list", "--to", "r@sink.test")
        print(f"queue list --to, of one that has nothing: {time.monotonic() - begun:.2f} s")
        print(f"stopped and ready again after {penny.restart():.2f} s")
        rows.append(("after a restart", "penny", measure.measure(penny, 20, n, TO, done=sink.letters), rows[0][2]))
        measure.table(f"relay beside {recipients} recipients of a dead host; the ratio is to the empty queue", rows)
        print(f"memory at the most after the restart {peak(penny):.1f} MiB")
        return rows
    finally:
        penny.stop()
        sink.stop()
