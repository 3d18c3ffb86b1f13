"""penny trace: the journey of a letter, found by whatever is known of it, with the hosts' exact words."""
import json
import re
import subprocess
import time

import post
import pytest
import remote

ALICE, BOB = "alice@example.org", "bob@example.org"
EVENTS = {"received", "accepted", "routed", "attempt", "deferred", "delivered", "bounced", "expired", "held", "reported"}


class Journeys:
    """A letter to six kinds of recipients, some time ago."""

    def __init__(self):
        self.net = remote.Net()
        host = self.net.host
        self.dns = post.Dns({name: f"@ MX 10 mx\nmx A {host(n)}\n" for n, name in
                             ((2, "good.example"), (3, "busy.example"), (4, "dead.example"), (5, "strict.example"))})
        folder = post.pathlib.Path(post.tempfile.mkdtemp())
        certificate = remote.make_certificate(folder, "mx.good.example")
        self.peers = [remote.Peer(host(2), self.net.port, certificate=certificate, on={"FINAL": "250 2.6.0 kept as 4711"}),
                      remote.Peer(host(3), self.net.port, on={"RCPT": lambda s, line: b"450-4.7.1 first line\r\n450 4.7.1 second line\r\n"}),
                      remote.Peer(host(5), self.net.port, on={"RCPT": "550 5.1.1 no such user here"})]
        self.office = post.Penny(config=f'relay {{ port = {self.net.port} loopback = true }}\nplaintext_auth = {{"127.0.0.1"}}',
                                 dns=self.dns).start()
        self.office.penny("alias", "add", "away@example.org", "friend@good.example")
        self.office.penny("route", "add", "void.example", "discard")
        to = ["x@good.example", "y@busy.example", "z@dead.example", "u@strict.example", "v@void.example", "away@example.org", BOB]
        letter = f"From: {ALICE}\nMessage-ID: <tea.1@example.org>\nSubject: Tea =?utf-8?q?f=C3=BCr_zwei?=\n\nhello\n"
        r = subprocess.run([post.PENNY, "-c", self.office.config, "sendmail", "-v", "-f", ALICE, *to], input=letter, capture_output=True, text=True,
                           timeout=60)
        assert r.returncode == 0, r.stderr
        self.id = re.search(r"\[(\w{13})\]", r.stdout).group(1)
        post.until(lambda: {"deferred", "bounced"} <= {e["event"] for e in self.events()} and
                   len([e for e in self.events() if e["event"] == "deferred"]) == 2)

    def close(self):
        self.office.stop()
        self.office.remove()
        for p in self.peers:
            p.stop()
        self.dns.stop()

    def rows(self, *args):
        return json.loads(self.office.penny("trace", *args, "--json").stdout)

    def events(self):
        [row] = self.rows(self.id)
        return row["events"]

    def of(self, address):
        return [e for e in self.events() if e.get("address") == address]


@pytest.fixture(scope="module")
def journeys():
    j = Journeys()
    yield j
    j.close()


def test_each_recipients_end(journeys):
    j = journeys
    taken = j.of("x@good.example")
    assert [e["event"] for e in taken if e["event"] != "attempt"] == ["routed", "delivered"]
    end = taken[-1]
    assert (end["host"], end["peer"], end["code"], end["status"]) == ("mx.good.example", j.net.host(2), 250, "2.6.0")
    assert "kept as 4711" in end["text"] and end["tls"].startswith("TLSv1.") and "unverified" in end["tls"]
    late = [e for e in j.of("y@busy.example") if e["event"] == "deferred"][0]
    assert (late["code"], late["status"], late["text"]) == (450, "4.7.1", "first line second line")
    dead = [e for e in j.of("z@dead.example") if e["event"] == "deferred"][0]
    assert "refused" in dead["text"] and dead["host"] == "mx.dead.example" and "code" not in dead
    no = [e for e in j.of("u@strict.example") if e["event"] == "bounced"][0]
    assert (no["code"], no["status"], no["text"]) == (550, "5.1.1", "no such user here")
    assert "v@void.example" in {e.get("address") for e in j.events()}
    assert [e["event"] for e in j.of("friend@good.example") if e["event"] != "attempt"] == ["routed", "delivered"]
    filed = [e for e in j.of(BOB) if e["event"] == "delivered"][0]
    assert filed["text"].startswith("INBOX") and filed["number"] >= 1
    [row] = j.rows(j.id)
    outcomes = {o["address"]: o["event"] for o in row["outcomes"]}
    assert outcomes["x@good.example"] == "delivered" and outcomes["y@busy.example"] == "deferred" and outcomes["u@strict.example"] == "bounced"
    assert {e["event"] for e in row["events"]} <= EVENTS
    assert [e["at"] for e in row["events"]] == sorted(e["at"] for e in row["events"]), "a timeline"
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["at"]) for e in row["events"])


def test_the_report_is_named(journeys):
    reported = [e for e in journeys.events() if e["event"] == "reported"]
    assert len(reported) == 1 and reported[0]["address"] == ALICE
    [row] = journeys.rows(reported[0]["report"])
    assert row["outcomes"][0]["event"] == "delivered" and row["outcomes"][0]["address"] == ALICE
    assert journeys.id in row["events"][0]["text"]


def test_it_is_found_by_what_is_known(journeys):
    j = journeys
    has = lambda *args: any(r["message"] == j.id for r in j.rows(*args))
    for args in ([j.id], ["x@good.example"], ["X@GOOD.example"], [ALICE], ["away@example.org"], ["friend@good.example"], ["good.example"],
                 ["example.org"], ["<tea.1@example.org>"], ["--message-id", "tea.1@example.org"], ["tea.1@example.org"],
                 ["--subject", "zwei tea"], ["--subject", "FÜR"], ["--since", "1h"], ["--since", "2026-01-01", "--until", "2099-12-31T23:59"],
                 ["--address", BOB, "--subject", "tea", "--since", "1d"], ["z@dead.example", "--last", "1"]):
        assert post.until(lambda: has(*args)), args
    for args in (["--subject", "coffee"], ["nobody@good.example"], ["--until", "1h"], ["x@good.example", "--subject", "coffee"],
                 ["<other@example.org>"], ["elsewhere.example"]):
        r = j.office.penny("trace", *args, check=False)
        assert r.returncode == 67 and r.stderr == "penny trace: nothing in the record matches\n", (args, r.stdout, r.stderr)
    for args in (["--since", "soon"], ["--until", "2026-13-01"], ["what is this"]):
        assert j.office.penny("trace", *args, check=False).returncode == 65, args


def test_people_can_read_it(journeys):
    told = journeys.office.penny("trace", journeys.id).stdout
    lines = told.splitlines()
    assert re.match(rf'20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  {journeys.id}  from {ALICE} to x@good\.example, .*"Tea für zwei"  <tea\.1@example\.org>$', lines[0])
    assert re.search(rf"^    20.* delivered  x@good\.example by mx\.good\.example \[{journeys.net.host(2)}\] over TLSv1\..*: 250 2\.6\.0 kept as 4711$", told, re.M)
    assert re.search(r"^    20.* deferred   y@busy\.example by .*: 450 4\.7\.1 first line second line$", told, re.M)
    assert re.search(r"^    20.* bounced    u@strict\.example by .*: 550 5\.1\.1 no such user here$", told, re.M)
    assert re.search(rf"^    20.* delivered  {BOB}: INBOX as UID \d+$", told, re.M)


def test_what_owners_do_is_on_record(journeys):
    j = journeys
    j.office.penny("queue", "hold", "--to", "z@dead.example")
    j.office.penny("queue", "release", "--to", "z@dead.example")
    told = post.until(lambda: (t := j.office.penny("trace", j.id).stdout) and "released by" in t and t)
    who = re.search(r"held       z@dead\.example: held by (\w+)", told).group(1)
    assert f"z@dead.example: released by {who}" in told
    j.office.penny("queue", "suspend", "good.example")
    j.office.penny("route", "add", "x.example", "mx")
    last = post.until(lambda: (r := j.rows("--last", "30")) and any(e.get("address") == "x.example" for x in r for e in x["events"]) and r)
    done = {(e["text"], e.get("address")) for r in last for e in r["events"] if e["event"] == "admin" and r["message"] is None}
    assert {("queue.suspend", "good.example"), ("route.add", "x.example")} <= done
    j.office.penny("queue", "resume", "good.example")


def test_it_works_on_a_stopped_server(journeys):
    journeys.office.stop()
    try:
        assert [r["message"] for r in journeys.rows("--message-id", "tea.1@example.org")] == [journeys.id]
        assert json.loads(journeys.office.penny("verify", "--json").stdout)["findings"] == 0
    finally:
        journeys.office.start()
