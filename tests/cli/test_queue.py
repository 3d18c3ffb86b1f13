"""penny queue: what waits, why, and what its owner can do about it; on a running server and on a stopped one."""
import json
import os
import pty
import re
import subprocess
import time

import post
import pytest
import remote

SENDER = "alice@example.org"


class Town:
    """An office among hosts that differ in how they treat letters."""

    def __init__(self):
        self.net = remote.Net()
        host = self.net.host
        zones = {name: f"@ MX 10 mx\nmx A {host(n)}\n" for n, name in
                 ((2, "good.example"), (3, "busy.example"), (4, "dead.example"), (5, "strict.example"), (6, "slow.example"))}
        self.dns = post.Dns(zones)
        self.busy_says = "450 4.2.1 too busy for {}"
        self.peers = [
            remote.Peer(host(2), self.net.port),
            remote.Peer(host(3), self.net.port, on={"RCPT": lambda s, line: self.busy_says}),
            remote.Peer(host(5), self.net.port, on={"RCPT": "550 5.1.1 nobody of that name\x1b[31m"}),
        ]
        self.good = self.peers[0]
        self.office = post.Penny(config=f'relay {{ port = {self.net.port} loopback = true }}\nplaintext_auth = {{"127.0.0.1"}}\n'
                                        f'trusted = {{"127.0.0.1"}}\nlimits {{ per_hour = 100000  per_day = 100000 }}', dns=self.dns).start()

    def close(self):
        self.office.stop()
        self.office.remove()
        for p in self.peers:
            p.stop()
        self.dns.stop()

    def send(self, *to, sender=SENDER, subject="words"):
        letter = f"From: <{sender or SENDER}>\nSubject: {subject}\n\nhello\n"
        r = subprocess.run([post.PENNY, "-c", self.office.config, "sendmail", "-i", "-v", "-f", sender, *to], input=letter, capture_output=True,
                           text=True, timeout=60)
        assert r.returncode == 0, r.stderr
        return re.search(r"\[(\w{13})\]", r.stdout).group(1)

    def rows(self, *args):
        return json.loads(self.office.penny("queue", "list", *args, "--json").stdout)

    def row(self, *args):
        [row] = self.rows(*args)
        return row

    def tried(self, to, attempts=1):
        return post.until(lambda: next((r for r in self.rows("--to", to) if r["attempts"] >= attempts), None))

    def stopped(self):
        """Stops the server for a while."""
        self.office.stop()

    def clear(self):
        self.office.penny("queue", "remove", "--all")
        post.until(lambda: not self.rows())


@pytest.fixture(scope="module")
def whole_town():
    t = Town()
    yield t
    t.close()


@pytest.fixture
def town(whole_town):
    yield whole_town
    if whole_town.office.process.poll() is not None:
        whole_town.office.start()
    for hop in json.loads(whole_town.office.penny("queue", "hops", "--json").stdout):
        whole_town.office.penny("queue", "resume", hop["hop"])
        whole_town.office.penny("queue", "limit", hop["hop"], "none")
    whole_town.clear()


def code(town, *args, input=None):
    r = town.office.penny("queue", *args, input=input, check=False)
    assert r.returncode == 0 or re.match(r"penny queue: .", r.stderr), r.stderr
    return r.returncode


def test_nothing_waits(town):
    assert town.rows() == []
    assert town.office.penny("queue").stdout == "nothing waits\n"


def test_why_each_waits(town):
    message = town.send("a@busy.example", "b@dead.example", "c@good.example", subject="Tea at five")
    busy, dead = town.tried("a@busy.example"), town.tried("b@dead.example")
    assert busy["why"].startswith("mx.busy.example said: 450 4.2.1 too busy for") and "; 1 attempt, next at 20" in busy["why"]
    assert re.search(r" UTC \(in [3-6] min\); gives up on 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$", busy["why"]), busy["why"]
    assert (busy["message"], busy["from"], busy["hop"], busy["held"], busy["subject"]) == (message, SENDER, "busy.example", False, "Tea at five")
    assert "refused" in dead["why"] and "dead.example is left alone until" in dead["why"], dead["why"]
    assert {r["to"] for r in town.rows()} == {"a@busy.example", "b@dead.example"}, "what was taken waits no more"
    told = town.office.penny("queue").stdout
    assert re.search(rf'^{message}  20.*from {SENDER}  "Tea at five"$', told, re.M) and "\n    a@busy.example\n        mx.busy.example said" in told
    assert told.endswith("2 recipients of 1 message wait\n") and told.count(message) == 1
    shown = town.office.penny("queue", "show", message).stdout
    assert "next hop busy.example, attempts 1, due 20" in shown and "Message-ID <" in shown
    assert [r["to"] for r in json.loads(town.office.penny("queue", "show", message, "--json").stdout)] == ["a@busy.example", "b@dead.example"]
    assert town.office.penny("mailq", check=False).returncode == 64, "mailq is a name, not a command"


def test_filters(town):
    one = town.send("a@busy.example", "b@dead.example")
    two = town.send("a@busy.example", sender="bob@example.org")
    town.tried("b@dead.example")
    post.until(lambda: len([r for r in town.rows("--hop", "busy.example") if r["attempts"]]) == 2)
    seen = lambda *args: sorted((r["message"], r["to"]) for r in town.rows(*args))
    assert seen("--to", "A@Busy.Example") == sorted([(one, "a@busy.example"), (two, "a@busy.example")])
    assert seen("--from", "bob@example.org") == [(two, "a@busy.example")]
    assert seen("--domain", "dead.example") == [(one, "b@dead.example")]
    assert seen("--to", "a@busy.example", "--from", SENDER) == [(one, "a@busy.example")]
    assert seen("--held") == [] and seen("--hop", "no.example") == []
    assert code(town, "list", "--to", "nobody") == 65
    assert code(town, "list", "--domain", "no domain") == 65
    assert code(town, "list", "--jsn") == 64
    assert code(town, "show", "0000000000001") == 67
    assert code(town, "show", "what?") == 65


@pytest.mark.parametrize("running", [True, False])
def test_hold_and_release(town, running):
    message = town.send("a@busy.example", "b@busy.example")
    town.tried("b@busy.example")
    if not running:
        town.stopped()
    assert town.office.penny("queue", "hold", message).stdout == "held: 2 recipients\n"
    assert town.office.penny("queue", "release", "--to", "a@busy.example").stdout == "released: 1 recipient\n"
    held = town.row("--held")
    assert held["to"] == "b@busy.example" and held["why"].startswith("held until somebody releases it; mx.busy.example said: 450")
    if not running:
        assert "waits for the server to run" in town.row("--to", "a@busy.example")["why"]
        town.office.start()
    town.tried("a@busy.example", attempts=2)
    time.sleep(0.3)
    assert town.row("--held")["attempts"] == 1, "what is held is not tried"
    town.busy_says = None
    try:
        town.office.penny("queue", "release", "--held")
        town.office.penny("queue", "retry", "--all")
        post.until(lambda: not town.rows())
    finally:
        town.busy_says = "450 4.2.1 too busy for {}"


def test_retry_now(town):
    message = town.send("a@busy.example")
    town.tried("a@busy.example")
    for attempt in (2, 3):
        assert town.office.penny("queue", "retry", message).stdout == "tried now: 1 recipient\n"
        town.tried("a@busy.example", attempts=attempt)
    assert json.loads(town.office.penny("queue", "retry", "--hop", "busy.example", "--json").stdout) == {"changed": 1}
    assert code(town, "retry", "--hop", "nowhere.example") == 67
    assert code(town, "retry") == 64
    assert code(town, "retry", "what?") == 65
    assert code(town, "retry", "--all") == 0


def test_remove_tells_nobody(town):
    before = len(json.loads(town.office.penny("trace", "--address", SENDER, "--last", "1000", "--json").stdout))
    message = town.send("a@busy.example", "b@dead.example")
    town.tried("a@busy.example")
    assert town.office.penny("queue", "remove", "--to", "a@busy.example", message).stdout == "removed: 1 recipient; nobody is told\n"
    assert [r["to"] for r in town.rows()] == ["b@dead.example"]
    assert code(town, "remove", "--to", "a@busy.example") == 67
    assert code(town, "remove") == 64
    town.office.penny("queue", "remove", message)
    assert town.rows() == []
    journey = town.office.penny("trace", message).stdout
    assert "a@busy.example: removed by" in journey
    after = json.loads(town.office.penny("trace", "--address", SENDER, "--last", "1000", "--json").stdout)
    assert len(after) == before + 1, "no report was written"


def on_a_terminal(town, *args, answer):
    """What it printed, and its exit code."""
    lead, follow = pty.openpty()
    p = subprocess.Popen([post.PENNY, "-c", town.office.config, "queue", *args], stdin=follow, stdout=follow, stderr=follow)
    os.close(follow)
    os.write(lead, answer.encode())
    out = b""
    try:
        while piece := os.read(lead, 4096):
            out += piece
    except OSError:
        pass
    os.close(lead)
    return out.decode(), p.wait(60)


def test_remove_asks_first(town):
    for n in range(3):
        town.send(f"u{n}@dead.example", "v@dead.example")
    said, exit_code = on_a_terminal(town, "remove", "--domain", "dead.example", answer="n\n")
    assert "Remove 3 messages for 6 recipients? Nobody is told" in said and exit_code == 77 and "nothing was removed" in said
    assert len(town.rows()) == 6
    said, exit_code = on_a_terminal(town, "remove", "--to", "u0@dead.example", answer="")
    assert "Remove" not in said and exit_code == 0, "one message needs no question"
    said, exit_code = on_a_terminal(town, "remove", "--all", answer="y\n")
    assert exit_code == 0 and town.rows() == []
    for n in range(2):
        town.send(f"u{n}@dead.example")
    said, exit_code = on_a_terminal(town, "remove", "--all", "--yes", answer="")
    assert "Remove" not in said and exit_code == 0 and town.rows() == []


def test_reroute(town):
    message = town.send("a@dead.example")
    town.tried("a@dead.example")
    town.office.penny("route", "add", "dead.example", f"smtp://{town.net.host(2)}:{town.net.port}")
    try:
        assert town.office.penny("queue", "reroute", message).stdout == "routed anew: 1 recipient\n"
        post.until(lambda: not town.rows())
        assert any("a@dead.example" in l.to for l in town.good.letters)
        assert "a@dead.example by" in town.office.penny("trace", message).stdout
    finally:
        town.office.penny("route", "remove", "dead.example")


def test_suspended_hops(town):
    hops = lambda: {h["hop"]: h for h in json.loads(town.office.penny("queue", "hops", "--json").stdout)}
    town.office.penny("queue", "suspend", "Good.EXAMPLE")
    taken = len(town.good.letters)
    town.send("a@good.example")
    time.sleep(0.5)
    assert "good.example is suspended until somebody resumes it" in town.row()["why"]
    assert hops()["good.example"]["suspended"] is True and re.search(r"^good\.example .* suspended", town.office.penny("queue", "hops").stdout, re.M)
    assert len(town.good.letters) == taken
    town.stopped()
    assert hops()["good.example"]["suspended"] is True
    town.office.start()
    time.sleep(0.3)
    assert len(town.rows()) == 1, "over a restart, too"
    town.office.penny("queue", "resume", "good.example")
    post.until(lambda: not town.rows())
    assert len(town.good.letters) == taken + 1
    assert code(town, "suspend") == 64
    assert code(town, "suspend", "no hop") == 65


def test_limited_hops(town):
    taken = len(town.good.letters)
    town.office.penny("queue", "limit", "good.example", "2/hour")
    for n in range(4):
        town.send(f"u{n}@good.example")
    post.until(lambda: len(town.good.letters) == taken + 2)
    time.sleep(0.5)
    assert len(town.good.letters) == taken + 2
    assert "the hour's limit of good.example is used up" in town.rows()[0]["why"]
    town.office.penny("queue", "limit", "good.example", "none")
    post.until(lambda: len(town.good.letters) == taken + 4)
    for wrong in ("many", "0", "-1", "5/day", ""):
        assert code(town, "limit", "good.example", wrong) == 64


def test_hosts_words_do_not_reach_the_terminal_raw(town):
    town.busy_says = "450 4.2.1 \x1b[31mred\x07"
    try:
        town.send("a@busy.example", "x@strict.example")
        town.tried("a@busy.example")
        for args in (["queue"], ["queue", "hops"], ["trace", "--last", "20"]):
            out = town.office.penny(*args).stdout
            assert "\x1b" not in out and "\x07" not in out
    finally:
        town.busy_says = "450 4.2.1 too busy for {}"


def test_a_long_queue_streams(town):
    """Pages: every row once, in order, and no more memory than a short one needs."""
    town.office.penny("queue", "suspend", "dead.example")
    for n in range(6):
        town.send(*[f"u{n}-{i}@dead.example" for i in range(150)])
    rows = town.rows()
    assert len(rows) == 900 and len({(r["message"], r["number"]) for r in rows}) == 900
    assert [(r["message"], r["number"]) for r in rows] == sorted((r["message"], r["number"]) for r in rows)
    assert town.office.penny("queue").stdout.endswith("900 recipients of 6 messages wait\n")
    assert json.loads(town.office.penny("queue", "hold", "--domain", "dead.example", "--json").stdout) == {"changed": 900}
    assert len(town.rows("--held")) == 900
