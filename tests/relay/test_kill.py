"""kill -9 and restarts at random moments under load, with letters for mailboxes, for hosts that take them, and for one that refuses. Whatever was
answered 250 ends once: in the mailbox, at the host, or as a report. A host may have one twice only if it took it and we ended before that was
written down; the record says so."""
import collections
import json
import random
import re
import subprocess
import time

import office
import post
import remote
from conftest import E

ROUNDS = 8
PEOPLE = ("alice", "bob")


def load(o, tag, log, to, sender):
    return subprocess.Popen([post.BUILD / "tests/smtp_load", "-s", "16", "-m", "1000000", "-l", "3000", "-f", sender, "--tag", tag, "--log", log,
                             "-t", ",".join(to), "--until-failure", f"{o.address}:{o.net.port}"], stdout=subprocess.DEVNULL)


def number_of(marked):
    return int(marked.rsplit("-", 1)[1])


def marks_in(letters):
    return [re.search(rb"^X-Load: (\S+)", text, re.M).group(1).decode() for text in letters]



def test_every_250_ends_once(net, dns, numbers, tmp_path):
    n = next(numbers)
    m = next(numbers)
    takes = remote.Peer(net.host(n), net.port)
    refuses = remote.Peer(net.host(m), net.port, {"RCPT": "550 5.1.1 no such user"})
    to = ["alice@e.test", f"x@p{n}.peers.test", "bob@e.test", f"y@p{n}.peers.test", f"nobody@p{m}.peers.test", f"z@p{n}.peers.test"]
    o = office.Office("e.test", net, E, dns, people=("alice", "bob", "sender"), trusted=("127.0.0.0/8",))
    promised = []
    try:
        o.start()
        for i in range(ROUNDS):
            log = tmp_path / f"accepted-{i}"
            generator = load(o, f"round{i}", log, to, "sender@e.test")
            time.sleep(random.uniform(0.3, 1.5))
            if i % 4 == 3:
                o.stop()
            else:
                o.kill()
            generator.wait(60)
            promised += log.read_text().split() if log.exists() else []
            o.start()
        assert len(promised) > 10 * ROUNDS, "there was a load"
        o.penny("queue", "retry", "--all")
        post.until(lambda: o.status()["store"]["queue"] == 0, 60, 0.3)

        kinds = {p: to[number_of(p) % len(to)] for p in promised}
        boxes = collections.Counter(p for who in PEOPLE for p in marks_in(o.letters(who, "X-Load")))
        reports = collections.Counter(p for p in marks_in(o.letters("sender", "X-Load")))
        hosts = collections.Counter(p for p in marks_in(g.data for g in takes.letters))
        for p, where in kinds.items():
            ends = (boxes[p], hosts[p], reports[p])
            if where.endswith("@e.test"):
                assert ends == (1, 0, 0), (p, where, ends)
            elif where.startswith("nobody@"):
                assert ends == (0, 0, 1), (p, where, ends)
            else:
                assert ends[0] == ends[2] == 0 and ends[1] >= 1, (p, where, ends)
        for counter in (boxes, reports):
            assert not [p for p, times in counter.items() if times > 1], "nothing local is there twice, promised or not"
        twice = [p for p, times in hosts.items() if times > 1]
        for p in twice:
            (journey,) = o.journeys("--message-id", f"<{p}@load.test>")
            assert sum(e["event"] == "delivered" for e in journey["events"]) == 1, "settled once"
            assert "twice" in json.dumps(journey["events"]), f"the record says why: {journey['events']}"
        assert len(twice) <= 20 * ROUNDS, "no more than there were connections"
        assert "all is well" in o.penny("verify", "--bodies").stdout
        o.stop()
    finally:
        o.remove()
        takes.stop()
        refuses.stop()
