"""domain, account, alias, status, verify, trace: the same on a running server and on a stopped one."""
import json
import poplib
import re
import statistics
import time

import post
import pytest
from conftest import both

SANITIZED = b"__asan_" in open(post.PENNY, "rb").read()


def rows(office, *args):
    return json.loads(office.penny(*args, "--json").stdout)


def code(office, *args, input=None):
    r = office.penny(*args, input=input, check=False)
    assert r.returncode == 0 or re.match(r"penny( \w+)?: .", r.stderr), r.stderr
    return r.returncode


def logs_in(office, login, password):
    pop = poplib.POP3("127.0.0.1", office.ports["pop3"], timeout=30)
    try:
        pop.user(login)
        pop.pass_(password)
        return True
    except poplib.error_proto:
        return False
    finally:
        pop.close()


@both
def test_domains(office):
    assert [d["domain"] for d in rows(office, "domain", "list")] == ["example.org", "mail.example.org"]
    office.penny("domain", "add", "Bücher.Example.")
    assert rows(office, "domain", "show", "bücher.example") == {
        "domain": "xn--bcher-kva.example", "shown": "bücher.example", "alias_of": None, "catch_all": None, "accounts": 0, "aliases": 0}
    office.penny("domain", "add", "example.net", "--alias-of", "example.org")
    assert rows(office, "domain", "show", "example.net")["alias_of"] == "example.org"
    office.penny("domain", "catch-all", "example.org", "bob@example.org")
    assert rows(office, "domain", "show", "example.org")["catch_all"] == "bob@example.org"
    office.penny("domain", "catch-all", "example.org", "--none")
    assert rows(office, "domain", "show", "example.org")["catch_all"] is None
    assert code(office, "domain", "add", "example.org") == 73
    assert code(office, "domain", "show", "example.com") == 67
    assert code(office, "domain", "remove", "example.com") == 67
    assert code(office, "domain", "add", "not a domain") == 65
    assert code(office, "domain", "remove", "example.org") == 69, "it has accounts"
    office.penny("domain", "remove", "xn--bcher-kva.example")
    assert "bücher" not in office.penny("domain", "list").stdout


@both
def test_accounts(office):
    office.penny("account", "add", "Ada.L@Example.org", "--password-stdin", "--name", "Ada", "--quota", "2M", input="pencil\nnot this\n")
    ada = rows(office, "account", "show", "ada.l@example.org")
    assert (ada["address"], ada["name"], ada["disabled"], ada["quota"], ada["used"]) == ("Ada.L@example.org", "Ada", False, 2 << 20, 0)
    assert [m["name"] for m in ada["mailboxes"]] == ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"]
    assert [a["address"] for a in rows(office, "account", "list")] == ["Ada.L@example.org", "alice@example.org", "bob@example.org"]
    running = office.process is not None
    assert not running or logs_in(office, "ada.l@example.org", "pencil")
    office.penny("account", "password", "ada.l@example.org", "--password-stdin", input="chalk\n")
    assert not running or (logs_in(office, "ada.l@example.org", "chalk") and not logs_in(office, "ada.l@example.org", "pencil"))
    office.penny("account", "disable", "ada.l@example.org")
    assert rows(office, "account", "show", "ada.l@example.org")["disabled"] is True
    assert not running or not logs_in(office, "ada.l@example.org", "chalk")
    office.penny("account", "enable", "ada.l@example.org")
    assert not running or logs_in(office, "ada.l@example.org", "chalk")
    office.penny("account", "quota", "ada.l@example.org", "none")
    assert rows(office, "account", "show", "ada.l@example.org")["quota"] == 0
    office.penny("account", "quota", "ada.l@example.org", "1G", "--letters", "5000")
    office.penny("account", "quota", "ada.l@example.org", "--letters=7")
    ada = rows(office, "account", "show", "ada.l@example.org")
    assert (ada["quota"], ada["quota_letters"], ada["letters"]) == (1 << 30, 7, 0)
    inbox = rows(office, "mailbox", "show", "ada.l@example.org", "INBOX")
    assert (inbox["account_quota"], inbox["account_quota_letters"], inbox["account_letters"]) == (1 << 30, 7, 0)
    office.penny("account", "quota", "ada.l@example.org", "--letters", "none")
    assert rows(office, "account", "show", "ada.l@example.org")["quota_letters"] == 0
    made = office.penny("account", "password", "ada.l@example.org", "--generate").stdout
    password = re.search(r"^password: (\S+)$", made, re.M).group(1)
    assert not running or logs_in(office, "ada.l@example.org", password)
    office.penny("account", "remove", "ada.l@example.org")
    assert code(office, "account", "show", "ada.l@example.org") == 67


@both
def test_accounts_that_cannot_be(office):
    assert code(office, "account", "add", "bob@example.org", "--generate") == 73
    assert code(office, "account", "add", "BOB@EXAMPLE.ORG", "--generate") == 73
    assert code(office, "account", "add", "ada@example.com", "--generate") == 67, "no such domain here"
    assert code(office, "account", "add", "ada", "--generate") == 65
    assert code(office, "account", "add", "@example.org", "--generate") == 65
    assert code(office, "account", "add", "ada@example.org", "--password-stdin", input="") == 66
    assert code(office, "account", "add", "ada@example.org", "--password-stdin", input="\n") == 66
    assert code(office, "account", "add", "ada@example.org", "--password-stdin", input="x" * 1001) == 65
    assert code(office, "account", "add", "ada@example.org", "--password-stdin", input="a\x01b\n") == 65
    assert code(office, "account", "add", "ada@example.org", input="x\n") == 64, "no terminal, no --password-stdin"
    assert code(office, "account", "add", "ada@example.org", "--generate", "--quota", "much") == 64
    assert code(office, "account", "quota", "bob@example.org") == 64
    assert code(office, "account", "quota", "bob@example.org", "--letters", "many") == 64
    assert code(office, "account", "add", "ada@example.org", "--generate", "--quota-letters", "-1") == 64
    assert code(office, "account", "password", "nobody@example.org", "--generate") == 67
    assert code(office, "account", "remove", "nobody@example.org") == 67
    assert code(office, "account", "remove", "alice@example.org") == 69, "the last who reads postmaster"
    assert [a["address"] for a in rows(office, "account", "list")] == ["alice@example.org", "bob@example.org"]


@both
def test_granted_addresses(office):
    office.penny("domain", "add", "firm.example")
    office.penny("domain", "add", "old.example", "--alias-of", "firm.example")
    assert rows(office, "account", "show", "alice@example.org")["granted"] == []
    office.penny("account", "grant", "alice@example.org", "Boss@firm.example")
    office.penny("account", "grant", "alice@example.org", "bob@example.org")
    assert rows(office, "account", "show", "alice@example.org")["granted"] == ["bob@example.org", "boss@firm.example"]
    assert "boss@firm.example" in office.penny("account", "show", "alice@example.org").stdout
    assert code(office, "account", "grant", "alice@example.org", "boss@FIRM.example") == 73
    assert code(office, "account", "grant", "nobody@example.org", "boss@firm.example") == 67
    assert code(office, "account", "grant", "alice@example.org", "boss@elsewhere.example") == 67, "no such domain here"
    assert code(office, "account", "grant", "alice@example.org", "boss@old.example") == 67, "it is boss@firm.example's other name"
    assert code(office, "account", "grant", "alice@example.org", "boss") == 65
    assert code(office, "account", "grant", "alice@example.org") == 64
    office.penny("account", "revoke", "alice@example.org", "bob@example.org")
    assert code(office, "account", "revoke", "alice@example.org", "bob@example.org") == 67
    assert rows(office, "account", "show", "alice@example.org")["granted"] == ["boss@firm.example"]
    office.penny("domain", "remove", "old.example")
    office.penny("domain", "remove", "firm.example")
    assert rows(office, "account", "show", "alice@example.org")["granted"] == []
    assert code(office, "verify") == 0


@both
def test_aliases(office):
    office.penny("alias", "add", "Team@example.org", "bob@example.org", "carol@elsewhere.example")
    office.penny("alias", "add", "team@example.org", "alice@example.org")
    team = rows(office, "alias", "show", "team@example.org")
    assert team["address"] == "Team@example.org" and team["may_send"] is True
    assert set(team["targets"]) == {"bob@example.org", "carol@elsewhere.example", "alice@example.org"}
    office.penny("alias", "add", "news@example.org", "bob@example.org", "--no-send")
    assert rows(office, "alias", "show", "news@example.org")["may_send"] is False
    office.penny("alias", "remove", "team@example.org", "Carol@elsewhere.example")
    assert set(rows(office, "alias", "show", "team@example.org")["targets"]) == {"bob@example.org", "alice@example.org"}
    office.penny("alias", "remove", "team@example.org")
    assert code(office, "alias", "show", "team@example.org") == 67
    warned = office.penny("alias", "add", "x@example.org", "nobdy@example.org")
    assert "there is no nobdy@example.org here yet" in warned.stderr
    assert code(office, "alias", "remove", "nothing@example.org") == 67
    assert code(office, "alias", "remove", "postmaster@mail.example.org") == 69
    assert code(office, "alias", "add", "loop@example.org", "round@example.org") == 0
    assert code(office, "alias", "add", "round@example.org", "loop@example.org") == 69
    assert code(office, "alias", "add", "bob@example.org", "alice@example.org") in (69, 73), "there is an account of that name"
    assert code(office, "alias", "add", "bob@example.org", "bob@example.org", "alice@example.org") == 0, "it keeps a copy"
    assert code(office, "alias", "add", "y@example.org") == 64
    assert code(office, "alias", "add", "y@example.org", "not an address") == 65


@both
def test_status_verify_trace(office):
    status = rows(office, "status")
    assert status["running"] is (office.process is not None)
    assert status["store"]["accounts"] == 2 and status["store"]["domains"] == 2
    if status["running"]:
        assert {l["service"]: l["port"] for l in status["listeners"]} == office.ports
        assert status["pid"] == office.process.pid and status["connections"] >= 0
    assert rows(office, "verify", "--bodies") == {"findings": 0}
    assert "all is well" in office.penny("verify").stdout
    office.penny("domain", "add", "example.net")
    last = post.until(lambda: (r := rows(office, "trace", "--last", "1")) and r[-1]["events"][0].get("address") == "example.net" and r)
    assert (last[0]["events"][0]["event"], last[0]["events"][0]["text"]) == ("admin", "domain.add")
    assert code(office, "trace", "0000000000001") == 67
    assert code(office, "trace", "what?") == 65
    assert rows(office, "trace", "--last", "0") == []


def test_wrong_words(office):
    for args in (["frobnicate"], ["domain"], ["domain", "ad", "x.example"], ["domain", "add"], ["domain", "add", "a.example", "b.example"],
                 ["status", "now"], ["account", "list", "--jsn"], ["serve", "--json=x"], ["domain", "catch-all", "example.org"], []):
        assert office.penny(*args, check=False).returncode == 64, args
    assert "did you mean account?" in office.penny("acount", check=False).stderr
    assert "did you mean --json?" in office.penny("status", "--jsn", check=False).stderr


def test_help(office):
    overview = office.penny("help").stdout
    for name in ("setup", "serve", "status", "domain", "account", "alias", "route", "queue", "trace", "verify", "send", "sendmail", "config"):
        assert f"\n  {name} " in overview
        assert "SEE ALSO" in office.penny("help", name).stdout
    assert "plaintext_auth" in office.penny("help", "penny.conf").stdout
    assert office.penny("help", "nothing", check=False).returncode == 64
    assert "SYNOPSIS" in office.penny("domain", "--help").stdout
    assert re.fullmatch(r"Penny Post \d+\.\d+\.\d+\n", office.penny("--version").stdout)


def test_text_of_others_does_not_reach_the_terminal_raw(office):
    office.penny("account", "add", "eve@example.org", "--generate", "--name", "Eve\u202egro.elpmaxe")
    out = office.penny("account", "list").stdout
    assert "\u202e" not in out and "Eve?gro" in out


@pytest.mark.parametrize("office", ["running"], indirect=True)
def test_account_add_is_quick(office):
    """Well under 0.2 s, process start and password hash included (sanitizers cost more)."""
    took = []
    for i in range(7):
        begun = time.monotonic()
        office.penny("account", "add", f"u{i}@example.org", "--password-stdin", input="pencil\n")
        took.append(time.monotonic() - begun)
    assert statistics.median(took) < (2.0 if SANITIZED else 0.2), took
