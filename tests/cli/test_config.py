"""penny.conf: whatever is wrong stops the program with exit code 78, the line, and a hint."""
import subprocess

import post
import pytest

GOOD = 'hostname = "mail.example.org"\ndata = "data"\n'
LISTEN = f'listen "smtp" {{ address = {{"127.0.0.1:{post.free_port()}"}} }}\n'

WRONG = [  # after GOOD, so the first line is 3
    ('hostnam = "x"', '3: no setting "hostnam" (did you mean "hostname"?)'),
    ('hostname = "other.example.org"', "3: \"hostname\" is set a second time, first in line 1"),
    ("data = 5 6", "3: "),
    ('tls { certificate = "c.pem" }', "3: tls wants both a certificate and a key"),
    ("tls {\n  cert = \"x\"\n}", '4: no setting "cert" in block "tls"'),
    ("limits { connections = -1 }", '3: "connections" is -1, but must be 10 to 1000000'),
    ("limits { message_size = 1K }", '3: "message_size" is 1K, but must be 64K to 2G'),
    ("limits { per_hour = lots }", '3: "per_hour" must be a whole number'),
    ("submission { hide_client = maybe }", '3: "hide_client" must be yes or no'),
    ('log { level = "shout" }', '3: "shout" is none of: debug, info, warn, error'),
    ('trusted = {"10.0.0.0/33"}', '3: "10.0.0.0/33" is no network'),
    ('plaintext_auth = {"everybody"}', '3: "everybody" is no network'),
    ('imap { administrators = {"ada@"} }', '3: "ada@" is no account'),
    ('resolver { servers = {"dns.example.org:53"} }', '3: "dns.example.org:53" is no server'),
    ('listen "https" { address = {"*:443"} }', '3: listen "https": this version of Penny Post does not serve https yet'),
    ('listen "https" { address = {"*:443"} }', '3: listen "https": this version of Penny Post does not serve https yet'),
    ('listen "smpt" { address = {"*:25"} }', '3: listen "smpt": the title is one of'),
    ('listen "smtp" { address = {"*"} }', '3: "*" is nowhere to listen'),
    ('listen "smtp" { port = 25 }', '3: no setting "port" in block "listen"'),
    ('listen "submissions" { address = {"*:465"} }', ": listening for submissions needs tls"),
    ("relay { port = 99999 }", '3: "port" is 99999, but must be 1 to 65535'),
    ('store = "postgresql://x"', '3: no setting "store"'),
    ('hostname "x"', "3: "),
    ("listen \"smtp\" {", "3: this '{' is never closed"),
    ('trusted = {"10.0.0.1"', "3: this '{' is never closed"),
    ("\x00", "3: "),
]


def penny(folder, *args):
    return subprocess.run([post.PENNY, "-c", folder / "penny.conf", *args], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("text, says", WRONG, ids=[w[0] for w in WRONG])
def test_wrong_settings_stop_the_start(tmp_path, text, says):
    (tmp_path / "penny.conf").write_text(GOOD + text + "\n")
    for command in (["serve"], ["config", "check"], ["status"]):
        r = penny(tmp_path, *command)
        assert r.returncode == 78, (command, r.stderr)
        assert f"penny.conf{'' if says.startswith(': ') else ':'}{says}" in r.stderr, r.stderr
    assert not (tmp_path / "data").exists()


def test_no_configuration(tmp_path):
    r = penny(tmp_path, "serve")
    assert r.returncode == 78 and "penny setup" in r.stderr


def test_missing_certificate(tmp_path):
    (tmp_path / "penny.conf").write_text(GOOD + LISTEN + 'tls { certificate = "no.pem" key = "no.key" }\n')
    r = penny(tmp_path, "serve")
    assert r.returncode in (67, 69, 78) and "no.pem" in r.stderr


def test_an_unknown_user(tmp_path):
    import os
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody")
    (tmp_path / "penny.conf").write_text(GOOD + LISTEN + 'user = "nobody-of-that-name"\n')
    r = penny(tmp_path, "serve")
    assert r.returncode == 78 and "nobody-of-that-name" in r.stderr


def test_sample_and_check(tmp_path):
    sample = penny(tmp_path, "config", "sample").stdout
    (tmp_path / "penny.conf").write_text(GOOD + LISTEN + sample)
    assert penny(tmp_path, "config", "check").returncode == 0
    uncommented = "\n".join(line[1:] if line.startswith("#message") or line.startswith("#loops") else line for line in sample.splitlines())
    (tmp_path / "penny.conf").write_text(GOOD + LISTEN + uncommented)
    r = penny(tmp_path, "config", "check")
    assert r.returncode == 0, r.stderr
