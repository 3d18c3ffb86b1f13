"""penny route: the same on a running server and on a stopped one; and the whole decision about an address, explained without sending."""
import json
import re

import post
import pytest

KNOWN = {
    "two.example": "@ MX 20 second\n@ MX 10 first\n@ MX 20 third\nfirst A 127.0.0.21\nsecond A 127.0.0.22\nsecond A 127.0.0.23\nthird A 127.0.0.24\n",
    "none.example": "@ MX 0 .\n",
    "own.example": "@ A 127.0.0.31\n",
    "half.example": "@ MX 10 gone\n@ MX 20 here\nhere A 127.0.0.41\n",
    "alias.example": "@ MX 10 mail\nmail CNAME real\nreal A 127.0.0.51\n",
    "empty.example": "other TXT \"no mail\"\n",
    "broken.example": None,
}


@pytest.fixture(scope="module")
def dns():
    d = post.Dns(KNOWN)
    yield d
    d.stop()


@pytest.fixture(scope="module", params=["stopped", "running"])
def office(request, dns):
    p = post.Penny(config="relay { port = 2599 loopback = true }", dns=dns)
    if request.param == "running":
        p.start()
    p.penny("alias", "add", "team@example.org", "bob@example.org", "carol@own.example")
    yield p
    if request.param == "running":
        p.stop()
    p.remove()


def rows(office, *args):
    return json.loads(office.penny(*args, "--json").stdout)


def code(office, *args, input=None):
    r = office.penny(*args, input=input, check=False)
    assert r.returncode == 0 or re.match(r"penny( \w+)?: .", r.stderr), r.stderr
    return r.returncode


def test_routes(office):
    assert rows(office, "route", "list") == []
    office.penny("route", "add", "Bücher.Example.", "smtp://Relay.Example.NET:2525", "--tls", "verify", "--user", "shop", "--password-stdin",
                 input="geheim!\n")
    assert rows(office, "route", "show", "bücher.example") == {
        "for": "recipient", "key": "xn--bcher-kva.example", "target": "smtp://Relay.Example.NET:2525", "tls": "verify", "user": "shop",
        "accept": False}
    office.penny("route", "add", "*.example", "mx", "--tls", "encrypt", "--accept")
    office.penny("route", "add", "*", "lmtp://[IPv6:2001:db8::1]:24")
    office.penny("route", "add", "drop.example", "discard")
    office.penny("route", "add", "no.example", "refuse:we do not write to them")
    office.penny("route", "add", "--sender", "Bob@example.org", "smtps://bulk.example.net")
    office.penny("route", "add", "--sender", "example.com", "mx://other.example")
    listed = rows(office, "route", "list")
    assert {(r["for"], r["key"]) for r in listed} == {
        ("recipient", "xn--bcher-kva.example"), ("recipient", "*.example"), ("recipient", "*"), ("recipient", "drop.example"),
        ("recipient", "no.example"), ("sender", "bob@example.org"), ("sender", "example.com")}
    assert rows(office, "route", "show", "*.EXAMPLE")["accept"] is True
    assert rows(office, "route", "show", "drop.example")["tls"] is None
    assert rows(office, "route", "show", "--sender", "bob@EXAMPLE.org")["target"] == "smtps://bulk.example.net"
    for output in (office.penny("route", "list"), office.penny("route", "list", "--json"), office.penny("route", "show", "bücher.example"),
                   office.penny("trace", "--last", "50")):
        assert "geheim" not in output.stdout + output.stderr, "a password is told to nobody"

    office.penny("route", "add", "bücher.example", "mx")
    assert rows(office, "route", "show", "bücher.example")["user"] is None, "added again, it is another"
    assert code(office, "route", "show", "nothing.example") == 67
    assert code(office, "route", "show", "bob@example.org") == 65, "a sender's route is found with --sender"
    for key in ("bücher.example", "*.example", "*", "drop.example", "no.example"):
        office.penny("route", "remove", key)
    office.penny("route", "remove", "--sender", "bob@example.org")
    assert code(office, "route", "remove", "--sender", "bob@example.org") == 67
    office.penny("route", "remove", "--sender", "example.com")
    assert rows(office, "route", "list") == []
    noted = office.penny("route", "add", "example.org", "smtp://elsewhere.example")
    assert "example.org is ours" in noted.stderr
    office.penny("route", "remove", "example.org")


@pytest.mark.parametrize("words,why", [
    (["x.example", "relay.example:587"], "is no route"),
    (["x.example", "smtp://user:password@relay.example"], "settings of their own"),
    (["x.example", "smtp://relay.example:0"], "no port"),
    (["x.example", "smtp://relay.example:99999"], "no port"),
    (["x.example", "smtp://"], "does not begin with a host"),
    (["x.example", "smtp://1.2.3"], "does not begin with a host"),
    (["x.example", "mx", "--tls", "always"], "may, none, encrypt or verify"),
    (["x.example", "mx", "--user", "me", "--password-stdin"], "log-in needs one host"),
    (["x.example", "discard", "--tls", "may"], "nothing is sent"),
    (["x.example", "smtps://relay.example", "--tls", "none"], "TLS from the first byte"),
    (["x.example", "refuse:\x1b[31mred"], "plain ASCII"),
    (["*", "mx", "--accept"], "open relay"),
    (["not a domain", "mx"], "no domain"),
    (["x@y.example", "mx"], "no domain"),
    (["--sender", "*.example.org", "mx"], "no domain"),
    (["--sender", "@", "mx"], "no address"),
])
def test_routes_that_cannot_be(office, words, why):
    r = office.penny("route", "add", *words, input="secret\n", check=False)
    assert r.returncode == 65 and why in r.stderr, r.stderr
    assert "\x1b" not in r.stderr and rows(office, "route", "list") == []


def test_wrong_words(office):
    for words in (["add", "x.example"], ["add", "--sender", "x.example"], ["add", "x.example", "mx", "more"], ["add", "x.example", "mx", "--user", "me"],
                  ["add", "x.example", "mx", "--password-stdin"], ["show"], ["remove"], ["test"], ["show", "a.example", "--sender", "b.example"], []):
        assert code(office, "route", *words, input="x\n") == 64, words


def decision(office, address, *args):
    return rows(office, "route", "test", address, *args)


def test_mx_hosts_in_their_order(office):
    [t] = decision(office, "x@two.example")["targets"]
    assert (t["hop"], t["kind"], t["why"], t["tls"]) == ("two.example", "mx", "the MX hosts of two.example", "may")
    assert [h["preference"] for h in t["hosts"]] == [10, 20, 20]
    assert t["hosts"][0] == {"name": "first.two.example", "preference": 10, "addresses": ["[127.0.0.21]:2599"]}
    assert {h["name"]: sorted(h["addresses"]) for h in t["hosts"][1:]} == {
        "second.two.example": ["[127.0.0.22]:2599", "[127.0.0.23]:2599"], "third.two.example": ["[127.0.0.24]:2599"]}
    told = office.penny("route", "test", "x@two.example").stdout
    assert re.search(r"10 +first\.two\.example +\[127\.0\.0\.21\]:2599", told) and "Only who has logged in or is trusted" in told


def test_what_dns_says_otherwise(office):
    [t] = decision(office, "x@own.example")["targets"]
    assert t["implicit"] is True and t["hosts"] == [{"name": "own.example", "addresses": ["[127.0.0.31]:2599"]}]
    [t] = decision(office, "x@none.example")["targets"]
    assert t["hosts"] == [] and t["failure"]["code"] == 556 and t["failure"]["permanent"] is True
    [t] = decision(office, "x@broken.example")["targets"]
    assert t["failure"]["permanent"] is False
    [t] = decision(office, "x@empty.example")["targets"]
    assert t["failure"]["code"] == 550 and t["failure"]["permanent"] is True
    [t] = decision(office, "x@half.example")["targets"]
    assert [h["addresses"] for h in t["hosts"]] == [[], ["[127.0.0.41]:2599"]] and "gone.half.example" in t["trouble"]["text"]
    [t] = decision(office, "x@alias.example")["targets"]
    assert t["hosts"][0]["addresses"] == ["[127.0.0.51]:2599"]
    [t] = decision(office, "x@[127.0.0.61]")["targets"]
    assert t["hosts"][0]["addresses"] == ["[127.0.0.61]:2599"]
    assert "null MX" in office.penny("route", "test", "x@none.example").stdout


def test_which_route_is_taken(office):
    office.penny("route", "add", "*", "smtp://127.0.0.71:587", "--tls", "encrypt", "--user", "me", "--password-stdin", input="secret\n")
    office.penny("route", "add", "*.example", "mx", "--tls", "verify")
    office.penny("route", "add", "two.example", "lmtp://127.0.0.72:24", "--accept")
    office.penny("route", "add", "--sender", "example.org", "smtp://127.0.0.73")
    office.penny("route", "add", "--sender", "bob@example.org", "smtp://127.0.0.74:25")
    cases = {
        ("x@two.example", ""): ("lmtp://[127.0.0.72]:24", "the route of two.example"),
        ("x@own.example", ""): ("own.example", "the route of *.example"),
        ("x@elsewhere.test", ""): ("smtp://me@[127.0.0.71]:587;tls=encrypt", "the default route"),
        ("x@two.example", "alice@example.org"): ("smtp://[127.0.0.73]", "the route of sender example.org"),
        ("x@two.example", "bob@example.org"): ("smtp://[127.0.0.74]:25", "the route of sender bob@example.org"),
    }
    try:
        for (address, sender), (hop, why) in cases.items():
            [t] = decision(office, address, *(["--from", sender] if sender else []))["targets"]
            assert t["why"].startswith(why), (address, sender, t)
            assert t["hop"] == hop, (address, sender, t)
        accepted = decision(office, "x@two.example")
        assert accepted["backup"] is True and accepted["targets"][0]["protocol"] == "lmtp"
        assert "Port 25 takes it from anybody" in office.penny("route", "test", "x@two.example").stdout
        [t] = decision(office, "x@elsewhere.test")["targets"]
        assert t["user"] == "me" and t["hosts"][0]["addresses"] == ["[127.0.0.71]:587"] and "secret" not in json.dumps(t)
        office.penny("queue", "suspend", "lmtp://[127.0.0.72]:24")
        assert decision(office, "x@two.example")["targets"][0]["suspended"] is True
        office.penny("queue", "resume", "lmtp://[127.0.0.72]:24")
    finally:
        for key in (["*"], ["*.example"], ["two.example"], ["--sender", "example.org"], ["--sender", "bob@example.org"]):
            office.penny("route", "remove", *key)


def test_discard_and_refuse(office):
    office.penny("route", "add", "two.example", "discard")
    office.penny("route", "add", "own.example", "refuse:not to them")
    assert decision(office, "x@two.example")["targets"][0]["kind"] == "discard"
    refused = decision(office, "x@own.example")
    assert refused["refused"]["code"] == 550 and "not to them" in refused["refused"]["text"]
    assert "refused: 550" in office.penny("route", "test", "x@own.example").stdout
    office.penny("route", "remove", "two.example")
    office.penny("route", "remove", "own.example")


def test_aliases_and_return_addresses(office):
    told = decision(office, "Team+x@example.org", "--from", "stranger@two.example")
    assert [t["to"] for t in told["targets"]] == ["bob+x@example.org", "carol+x@own.example"]
    assert told["targets"][0]["account"] == "bob@example.org" and "hop" not in told["targets"][0]
    away = told["targets"][1]
    assert away["forwarded"] is True and re.fullmatch(r"SRS0=[^=]+=[^=]+=two\.example=stranger@mail\.example\.org", away["return_address"])
    back = decision(office, away["return_address"])
    assert back["returns"] is True and back["targets"][0]["to"] == "stranger@two.example"
    assert "return_address" not in decision(office, "team@example.org", "--from", "alice@example.org")["targets"][1], "she is ours"
    assert "return_address" not in decision(office, "team@example.org", "--from", "<>")["targets"][1]
    forged = away["return_address"].replace("stranger", "victim")
    assert decision(office, forged)["refused"]["code"] == 550
    nobody = decision(office, "nobody@example.org")
    assert nobody["refused"]["code"] == 550 and nobody["targets"] == []
    assert code(office, "route", "test", "no address") == 65
    assert code(office, "route", "test", "x@two.example", "--from", "no address") == 65
