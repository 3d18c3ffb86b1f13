"""penny serve: beginning, ending, reloading; who may ask it, and what a second one finds."""
import json
import os
import pathlib
import signal
import socket
import ssl
import stat
import subprocess
import time

import post
import pytest

running = pytest.mark.parametrize("office", ["running"], indirect=True)


def fingerprint(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s, context.wrap_socket(s) as t:
        return t.getpeercert(binary_form=True)


def ask(office, line, path=None):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path or office.folder / "data/admin.sock"))
        s.sendall(line)
        lines = s.makefile("rb")
        answer = []
        while not answer or not ({"done", "error"} & answer[-1].keys()):
            answer.append(json.loads(lines.readline()))
        return answer


@running
def test_ends_at_once_and_cleanly(office):
    with socket.create_connection(("127.0.0.1", office.ports["smtp"])) as idle:
        idle.recv(100)
        begun = time.monotonic()
        office.stop()
        assert time.monotonic() - begun < 5, "an idle client does not hold it up"
        assert idle.recv(1000).startswith(b"421 "), "it is told"
    assert not (office.folder / "data/admin.sock").exists()
    assert office.penny("verify").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_end_it(office, number):
    office.start()
    office.process.send_signal(number)
    assert office.process.wait(20) == 0
    assert "event=serve.stopping" in office.said()


@running
def test_reload_takes_a_new_certificate_and_trusted_clients(office):
    tls = office.folder / "data/tls"
    before = fingerprint(office.ports["pop3s"])
    old = socket.create_connection(("127.0.0.1", office.ports["smtp"]), timeout=20)
    old.recv(100)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=mail.example.org", "-keyout", tls / "key.pem", "-out", tls / "cert.pem"], check=True, capture_output=True)
    with office.config.open("a") as f:
        f.write('limits { per_hour = 7 }\n')
    office.process.send_signal(signal.SIGHUP)
    post.until(lambda: "event=serve.reload" in office.said())
    assert fingerprint(office.ports["pop3s"]) != before
    assert "needs_restart=limits" in office.said()
    old.sendall(b"NOOP\r\n")
    assert old.recv(100).startswith(b"250 "), "sessions go on"
    old.close()


@running
def test_reload_of_what_is_wrong_changes_nothing(office):
    before = fingerprint(office.ports["pop3s"])
    good = office.config.read_text()
    office.config.write_text(good + "nonsense = 1\n")
    office.process.send_signal(signal.SIGHUP)
    post.until(lambda: "event=serve.reload" in office.said() and 'no setting' in office.said())
    office.config.write_text(good)
    (office.folder / "data/tls/key.pem").write_text("no key\n")
    office.process.send_signal(signal.SIGHUP)
    post.until(lambda: office.said().count("event=serve.reload") == 2)
    assert "level=error" in office.said().splitlines()[-1]
    assert fingerprint(office.ports["pop3s"]) == before


@running
def test_a_second_server_is_refused(office):
    r = office.penny("serve", check=False)
    assert r.returncode == 75 and "in use" in r.stderr, r.stderr
    other = office.folder / "other.conf"                                     # other ports, the same data
    other.write_text(f'hostname = "mail.example.org"\ndata = "{office.folder}/data"\n'
                     f'listen "smtp" {{ address = {{"127.0.0.1:{post.free_port()}"}} }}\n')
    r = subprocess.run([post.PENNY, "-c", other, "serve"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 75 and "another process" in r.stderr, r.stderr
    assert office.penny("status").returncode == 0


def test_a_server_that_does_not_answer(office):
    """Somebody has the store and no socket yet: a command waits a little, then says: later."""
    office.start()
    (office.folder / "data/admin.sock").unlink()
    r = office.penny("domain", "list", check=False)
    assert r.returncode == 75 and "try again" in r.stderr
    office.process.terminate()
    assert office.process.wait(20) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may bind any port")
def test_a_port_for_root(office):
    office.config.write_text(office.config.read_text() + 'listen "smtp" { address = {"127.0.0.1:25"} }\n')
    assert office.penny("serve", check=False).returncode == 77


def test_after_a_crash_it_starts_again(office):
    office.start()
    office.penny("domain", "add", "example.net")
    office.kill()
    assert "example.net" in office.penny("domain", "list").stdout, "a stale socket does not matter"
    office.start()
    assert office.status()["store"]["domains"] == 3
    office.stop()


def test_tells_the_service_manager(office):
    path = office.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(20)
        os.environ["NOTIFY_SOCKET"] = str(path)
        try:
            office.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert s.recv(200) == b"READY=1"
        office.process.send_signal(signal.SIGHUP)
        assert s.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert s.recv(200) == b"READY=1"
        office.process.terminate()
        assert s.recv(200) == b"STOPPING=1"
        assert office.process.wait(20) == 0


# --- the process --------------------------------------------------------------------------------------------------

@running
def test_the_process_gives_up_what_it_can(office):
    status = pathlib.Path(f"/proc/{office.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "Umask:\t0077" in status
    limits = pathlib.Path(f"/proc/{office.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "0"
    files = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()
    assert files[3] == files[4], "as many files as the system lets it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody")
def test_root_becomes_the_configured_user():
    p = post.Penny(accounts=("alice@example.org",), config='user = "nobody"')
    try:
        p.folder.chmod(0o755)
        subprocess.run(["chown", "-R", "nobody", p.folder / "data"], check=True)
        p.penny("setup", "example.net", "--data", p.folder / "data", "--hostname", "mail.example.org", "--account", "ada", "--generate")
        assert {f.owner() for f in (p.folder / "data").rglob("*")} == {"nobody"}, "commands on a stopped server become it, too"
        p.start()
        ids = next(line for line in pathlib.Path(f"/proc/{p.process.pid}/status").read_text().splitlines() if line.startswith("Uid:")).split()[1:]
        assert set(ids) == {"65534"}
        p.penny("account", "add", "eve@example.net", "--generate")
        assert {f.owner() for f in (p.folder / "data").rglob("*")} == {"nobody"}
        p.stop()
    finally:
        p.remove()


# --- the socket ---------------------------------------------------------------------------------------------------

@running
def test_socket_is_ours_alone(office):
    path = office.folder / "data/admin.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if os.geteuid() != 0:
        return
    office.folder.chmod(0o755)                       # even if somebody opens folder and socket, the kernel says who asks
    (office.folder / "data").chmod(0o755)
    path.chmod(0o666)
    script = (f"import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect('{path}'); "
              "s.sendall(b'{\"op\":\"status\"}\\n'); print(s.recv(1000).decode())")
    r = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, user=65534, timeout=60)
    assert '"code":-11' in r.stdout, r.stdout + r.stderr


@running
def test_requests_that_are_none(office):
    for line, words in [(b"\n", "not JSON"), (b"hello\n", "not JSON"), (b"[1]\n", "no object"), (b"{}\n", "does not know"),
                        (b'{"op":"domain.ad"}\n', "does not know"), (b'{"op":"domain.add"}\n', "no domain"),
                        (b'{"op":"alias.add","address":"x@example.org","targets":"y"}\n', "needs a target"),
                        (b'{"op":"alias.add","address":"x@example.org","targets":[7]}\n', "no address"),
                        (b'{"op":"account.add","address":"x@example.org","quota":-5}\n', "negative"),
                        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "too deep"), (b'{"op":"' + b"x" * (2 << 20) + b'"}\n', "not JSON")]:
        answer = ask(office, line)
        assert words in answer[-1]["error"]["text"] or "long" in answer[-1]["error"]["text"], (line[:60], answer)
    assert ask(office, b'{"op":"status"}\n')[0]["row"]["running"] is True


@running
def test_many_requests_on_one_connection_and_half_a_line(office):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(office.folder / "data/admin.sock"))
        s.sendall(b'{"op":"domain.show","domain":"example.org"}\n' * 50 + b'{"op":"stat')
        s.shutdown(socket.SHUT_WR)
        lines = s.makefile("rb").read().splitlines()
    assert len(lines) == 100 and lines[1] == b'{"done":{}}'
