"""penny setup: from nothing to a server, in one step that can be repeated."""
import json
import os
import pathlib
import pty
import re
import stat
import subprocess

import post
import pytest


def penny(*args, cwd=None, env=None, **options):
    return subprocess.run([post.PENNY, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd, env=env,
                          **{"input": "", **options})


def set_up(folder, *more, password="secret\n"):
    return penny("-c", folder / "penny.conf", "setup", "example.org", "--hostname", "mail.example.org", "--data", folder / "data",
                 "--account", "ada", "--password-stdin", *more, input=password)


def snapshot(folder):
    return {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in [folder / "penny.conf", *(folder / "data/tls").iterdir()]}


def test_makes_everything_and_says_so(tmp_path):
    r = set_up(tmp_path)
    assert r.returncode == 0, r.stderr
    for made in ("configuration", "folder", "key", "certificate", "domain         example.org", "domain         mail.example.org",
                 "account        ada@example.org", "alias          postmaster@example.org -> ada@example.org",
                 "alias          postmaster@mail.example.org -> ada@example.org"):
        assert f"made {made}" in r.stdout
    for record in (r"example\.org\. +MX +10 mail\.example\.org\.", r"example\.org\. +TXT +\"v=spf1 mx -all\"",
                   r"_submissions\._tcp\.example\.org\. +SRV +0 1 465 mail\.example\.org\.", r"_pop3s\._tcp\.example\.org\. +SRV +0 1 995"):
        assert re.search(record, r.stdout), record
    assert re.search(r"outgoing +submissions +mail\.example\.org port 465, TLS", r.stdout)
    accounts = json.loads(penny("-c", tmp_path / "penny.conf", "account", "list", "--json").stdout)
    assert [a["address"] for a in accounts] == ["ada@example.org"]


def test_a_second_time_changes_nothing(tmp_path):
    assert set_up(tmp_path).returncode == 0
    before = snapshot(tmp_path)
    r = set_up(tmp_path, password="")                  # the account is there: no password is asked for
    assert r.returncode == 0 and "nothing has changed" in r.stdout and "made" not in r.stdout
    assert snapshot(tmp_path) == before
    assert json.loads(set_up(tmp_path, "--json").stdout)["changed"] is False


def test_permissions(tmp_path):
    assert set_up(tmp_path).returncode == 0
    modes = {str(f.relative_to(tmp_path)): stat.S_IMODE(f.stat().st_mode) for f in tmp_path.rglob("*")}
    assert modes["penny.conf"] == 0o644
    assert modes["data"] == modes["data/tls"] == 0o700
    assert modes["data/tls/key.pem"] == 0o600
    for name, mode in modes.items():
        assert name == "penny.conf" or mode & 0o007 == 0, f"{name} is open to the world: {mode:o}"


def test_the_certificate_is_for_the_host(tmp_path):
    set_up(tmp_path)
    text = subprocess.run(["openssl", "x509", "-in", tmp_path / "data/tls/cert.pem", "-noout", "-text", "-fingerprint", "-sha256"],
                          capture_output=True, text=True).stdout
    assert "DNS:mail.example.org" in text and "prime256v1" in text
    fingerprint = re.search(r"Fingerprint=(.*)", text).group(1).replace(":", "").lower()
    assert fingerprint in set_up(tmp_path).stdout


def test_never_over_an_existing_configuration(tmp_path):
    conf = tmp_path / "penny.conf"
    set_up(tmp_path)
    before = snapshot(tmp_path)
    other = penny("-c", conf, "setup", "example.org", "--hostname", "mx.example.org", "--data", tmp_path / "data", "--account", "ada",
                  "--password-stdin", input="x\n")
    assert other.returncode == 73 and "--force" in other.stderr
    assert snapshot(tmp_path) == before
    forced = penny("-c", conf, "setup", "example.org", "--hostname", "mx.example.org", "--data", tmp_path / "data", "--account", "ada",
                   "--password-stdin", "--force", input="x\n")
    assert forced.returncode == 0 and 'hostname = "mx.example.org"' in conf.read_text()
    del before[conf]
    after = snapshot(tmp_path)
    assert {f: after[f] for f in before} == before, "certificate and key stay"


def test_a_broken_configuration_is_not_touched(tmp_path):
    (tmp_path / "penny.conf").write_text("nonsense = 1\n")
    r = set_up(tmp_path)
    assert r.returncode == 78 and "penny.conf:1" in r.stderr
    assert (tmp_path / "penny.conf").read_text() == "nonsense = 1\n"


@pytest.mark.parametrize("left_out", ["example.org", "--hostname", "--data", "--account"])
def test_without_a_terminal_nothing_may_be_missing(tmp_path, left_out):
    words = {"example.org": [], "--hostname": ["mail.example.org"], "--data": [tmp_path / "data"], "--account": ["ada"], "--generate": []}
    args = [w for name, value in words.items() if name != left_out for w in (name, *value)]
    r = penny("-c", tmp_path / "penny.conf", "setup", *args)
    assert r.returncode == 64, r.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_password_without_a_terminal(tmp_path):
    r = penny("-c", tmp_path / "penny.conf", "setup", "example.org", "--hostname", "mail.example.org", "--data", tmp_path / "data",
              "--account", "ada")
    assert r.returncode == 64 and "--password-stdin" in r.stderr


@pytest.mark.parametrize("args, code", [
    (["nodots", "--hostname", "mail.example.org"], 65),
    (["example.org", "--hostname", "[192.0.2.1]"], 65),
    (["example.org", "--hostname", "mail.example.org", "--account", "a b@@c"], 65),
    (["example.org", "--hostname", "mail.example.org", "--listen", "https=*:443"], 64),
    (["example.org", "--hostname", "mail.example.org", "--listen", "smtp=example.org:25"], 64),
    (["example.org", "--hostname", "mail.example.org", "--lisen", "x"], 64),
])
def test_wrong_words(tmp_path, args, code):
    more = [] if "--account" in args else ["--account", "ada"]
    r = penny("-c", tmp_path / "penny.conf", "setup", *args, "--data", tmp_path / "data", *more, "--generate")
    assert r.returncode == code, r.stderr
    assert not (tmp_path / "penny.conf").exists()


def test_a_made_up_password_is_shown_and_works(tmp_path):
    r = penny("-c", tmp_path / "penny.conf", "setup", "example.org", "--hostname", "mail.example.org", "--data", tmp_path / "data",
              "--account", "ada", "--generate", "--listen", "pop3=127.0.0.1:1")
    assert r.returncode == 0
    assert re.search(r"^password of ada@example.org: [a-z2-9]{5}(-[a-z2-9]{5}){3}$", r.stdout, re.M)


def test_relative_folder_and_environment(tmp_path):
    r = penny("setup", "example.org", "--hostname", "mail.example.org", "--data", "post", "--account", "ada", "--generate", cwd=tmp_path,
              env={**os.environ, "PENNY_CONFIG": "here.conf"})
    assert r.returncode == 0, r.stderr
    assert f'data     = "{tmp_path}/post"' in (tmp_path / "here.conf").read_text()
    (tmp_path / "here.conf").rename(tmp_path / "penny.conf")
    assert penny("domain", "list", cwd=tmp_path).returncode == 0, "./penny.conf is looked for"


def test_on_a_running_server():
    p = post.Penny()
    try:
        p.start()
        again = p.penny("setup", "example.org", "--data", p.folder / "data", "--hostname", "mail.example.org", "--account", "alice",
                        "--password-stdin")
        assert "nothing has changed" in again.stdout
        other = p.penny("setup", "example.net", "--data", p.folder / "data", "--hostname", "mail.example.org", "--account", "alice",
                        "--generate")
        assert "made domain         example.net" in other.stdout
        p.stop()
    finally:
        p.remove()


def test_asks_on_a_terminal(tmp_path):
    main, terminal = pty.openpty()
    p = subprocess.Popen([post.PENNY, "-c", tmp_path / "penny.conf", "setup"], stdin=terminal, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    said = b""
    for question, answer in [(b"domain", "example.org"), (b"[mail.example.org]", ""), (b"folder", str(tmp_path / "data")),
                             (b"account", "ada"), (b"Password", "geheim"), (b"Once more", "geheim")]:
        while question not in said:
            said += os.read(main, 1000)
        said = b""
        os.write(main, answer.encode() + b"\n")
    out = p.communicate(timeout=60)[0].decode()
    os.close(main)
    assert p.returncode == 0 and "made account        ada@example.org" in out
    assert b"geheim" not in said
    assert 'hostname = "mail.example.org"' in (tmp_path / "penny.conf").read_text()
