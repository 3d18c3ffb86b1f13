"""The world outside: hosts that answer as scripted, private Postfix instances, a piece of 127/8 for them, and how their reports are read.

A Net is some /24s of loopback addresses: every host has one of its own and listens at one port, the relay port, so that MX records alone decide
who is talked to."""
import email
import email.policy
import os
import pathlib
import pwd
import queue
import random
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import post

CRLF = b"\r\n"


class Net:
    SIZE = 2000

    def __init__(self):
        self.second, self.third = random.randint(1, 254), random.randint(0, 246)
        self.port = post.free_port()

    def host(self, n):
        assert 0 <= n < self.SIZE
        return f"127.{self.second}.{self.third + n // 250}.{n % 250 + 1}"


def make_certificate(folder, name):
    """A self-signed one; the file holds the key too, FILE.crt the certificate alone."""
    file = pathlib.Path(folder) / f"{name.replace('*', 'any')}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}", "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + pathlib.Path(f"{file}.crt").read_text())
    return file


# --- scripted hosts ----------------------------------------------------------------------------------------------

class Gone(Exception):
    """The connection is over."""


def close(s):
    raise Gone


def reset(s):
    s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def silence(s):
    """Says nothing until the client leaves or the host is switched off."""
    s.wait_for_end()
    raise Gone


def then_close(text):
    def act(s):
        s.put(text)
        raise Gone
    return act


def drip(text, every=0.01):
    """One byte at a time."""
    def act(s):
        for b in (text if isinstance(text, bytes) else text.encode() + CRLF):
            s.put(bytes([b]))
            time.sleep(every)
    return act


def flood(piece):
    """The same bytes for ever."""
    def act(s):
        try:
            while not s.peer.stopping:
                s.put(piece * 50)
        except OSError as e:
            raise Gone from e
        raise Gone
    return act


def turns(*replies):
    """One after the other, over all connections; afterwards what the host says by itself."""
    waiting = queue.SimpleQueue()
    for r in replies:
        waiting.put(r)

    def next_reply(s, line):
        try:
            return waiting.get_nowait()
        except queue.Empty:
            return None
    return next_reply


class Letter:
    def __init__(self, session):
        self.mail, self.rcpts = session.mail, list(session.rcpts)
        self.data, self.tls, self.bdat, self.helo, self.connection = session.data, session.tls, session.bdat, session.helo, session.number
        self.user, self.at = session.user, time.monotonic()

    @property
    def sender(self):
        return re.match(r"MAIL FROM:<(.*?)>", self.mail, re.I).group(1)

    @property
    def to(self):
        return [re.match(r"RCPT TO:<(.*?)>", r, re.I).group(1) for r in self.rcpts]


class Peer:
    """An SMTP or LMTP host that takes everything, but for what `on` says.

    on: what is said at GREETING, EHLO, HELO, STARTTLS, TLS (instead of a handshake), AUTH, MAIL, RCPT, DATA, BODY (within the letter), FINAL,
    RSET, QUIT: a line, bytes to be written as they are, a function of the session (close, reset, silence, drip(…), …), or a function of session
    and line that returns one of these or None.
    letters: what was taken; clients: where connections came from; commands: (connection, line) in the order they came; impatient: those that
    were there before the answer to the one before was given."""

    OFFERS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")

    def __init__(self, address, port, on=None, offers=OFFERS, lmtp=False, certificate=None, tls_first=False, users=None,
                 mechanisms="PLAIN LOGIN", backlog=128):
        self.address, self.port, self.on, self.offers, self.lmtp = address, port, on or {}, list(offers), lmtp
        self.users, self.mechanisms = users, mechanisms
        self.tls_first, self.context = tls_first, None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
            if not tls_first and "STARTTLS" not in self.offers:
                self.offers.append("STARTTLS")
        self.letters, self.commands, self.impatient, self.errors, self.clients = [], [], [], [], []
        self.connections, self.open, self.most_open = 0, 0, 0
        self.lock, self.stopping, self.sockets = threading.Lock(), False, set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(backlog)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            try:
                connection, client = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.sockets.add(connection)
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                self.clients.append(client[0])
                number = self.connections
            threading.Thread(target=self.serve, args=(connection, client, number), daemon=True).start()

    def serve(self, connection, client, number):
        session = Session(self, connection, client, number)
        try:
            session.run()
        except (Gone, OSError):
            pass
        except Exception as e:  # a fault of the script: the test must see it
            self.errors.append(e)
        finally:
            with self.lock:
                self.sockets.discard(connection)
                self.open -= 1
            try:
                session.socket.close()
            finally:
                connection.close()

    def stop(self):
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            still = list(self.sockets)
        for s in still:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(10)
        assert not self.errors, self.errors

    def wait(self, n=1, seconds=30):
        """The first n letters."""
        post.until(lambda: len(self.letters) >= n, seconds)
        return self.letters[:n]

    def lines(self, verb):
        return [line for _, line in self.commands if line.upper().startswith(verb)]


class Session:
    def __init__(self, peer, connection, client, number):
        self.peer, self.socket, self.client, self.number = peer, connection, client, number
        self.buffer, self.tls, self.helo, self.user = b"", None, None, None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reset_transaction()

    def reset_transaction(self):
        self.mail, self.rcpts, self.data, self.bdat = None, [], b"", False

    # what goes over the wire

    def put(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode() + CRLF)

    def get(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise Gone
        self.buffer += piece

    def line(self):
        while b"\n" not in self.buffer:
            assert len(self.buffer) < 70000, "an endless command"
            self.get()
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a bare LF in a command: {line!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def wait_for_end(self):
        while not self.peer.stopping:
            if select.select([self.socket], [], [], 0.2)[0] and not self.socket.recv(65536):
                return

    def hasty(self):
        if self.buffer or self.tls or not select.select([self.socket], [], [], 0)[0]:
            return bool(self.buffer)
        return bool(self.socket.recv(1, socket.MSG_PEEK))

    # what is said

    def say(self, step, line, default):
        """The scripted answer or the usual one; its code if it was a line."""
        reply = self.peer.on.get(step)
        if callable(reply) and reply.__code__.co_argcount == 2:
            reply = reply(self, line)
        if reply is None:
            reply = default
        if callable(reply):
            reply(self)
            return 0
        self.put(reply)
        return int(reply[:3]) if re.match(rb"\d\d\d" if isinstance(reply, bytes) else r"\d\d\d", reply) else 0

    def handshake(self):
        reply = self.peer.on.get("TLS")
        if reply:
            self.say("TLS", "", None)
            self.wait_for_end()
            raise Gone
        self.socket = self.peer.context.wrap_socket(self.socket, server_side=True)
        self.tls, self.helo = self.socket.version(), None
        self.reset_transaction()

    def run(self):
        self.socket.settimeout(120)
        if self.peer.tls_first:
            self.handshake()
        self.say("GREETING", "", "220 peer.test ESMTP")
        while True:
            line = self.line()
            with self.peer.lock:
                self.peer.commands.append((self.number, line))
            verb = line.split(" ")[0].split(":")[0].upper()
            if self.hasty() and verb != "BDAT":
                self.peer.impatient.append(line)
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(line)
            else:
                self.say(verb, line, "500 5.5.2 what?")

    def on_ehlo(self, line):
        if self.peer.lmtp:
            return self.put("500 5.5.1 LHLO here")
        return self.hello("EHLO", line)

    def on_lhlo(self, line):
        assert self.peer.lmtp, "LHLO to an SMTP host"
        return self.hello("LHLO", line)

    def hello(self, verb, line):
        offers = [o for o in self.peer.offers if o != "STARTTLS" or not self.tls]
        if self.peer.users and (self.tls or not self.peer.context):
            offers.append(f"AUTH {self.peer.mechanisms}")
        text = [f"peer.test greets {line[5:]}", *offers]
        whole = "".join(f"250{'-' if i < len(text) - 1 else ' '}{t}\r\n" for i, t in enumerate(text)).encode()
        if self.say(verb, line, whole) == 250:
            self.helo = line
            self.reset_transaction()

    def on_helo(self, line):
        if self.say("HELO", line, "250 peer.test") == 250:
            self.helo = line

    def on_starttls(self, line):
        assert not self.buffer, f"written before the handshake: {self.buffer!r}"
        if self.say("STARTTLS", line, "220 2.0.0 go ahead" if self.peer.context or "TLS" in self.peer.on else "502 5.5.1 no") == 220:
            self.handshake()

    def on_auth(self, line):
        import base64
        words = line.split(" ")
        assert words[1].upper() in self.peer.mechanisms.split(), "a mechanism that was not offered"
        assert self.tls or not self.peer.context, "a password in the clear"
        if words[1].upper() == "PLAIN":
            if len(words) < 3:
                self.put("334 ")
                words.append(self.line())
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            self.put("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line()).decode()
            self.put("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        good = (self.peer.users or {}).get(user) == password
        if self.say("AUTH", line, "235 2.7.0 welcome" if good else "535 5.7.8 who are you?") == 235:
            self.user = user

    def on_mail(self, line):
        default = "250 2.1.0 sender ok"
        if not self.helo:
            default = "503 5.5.1 hello first"
        elif self.mail:
            default = "503 5.5.1 one at a time"
        elif self.peer.users and not self.user:
            default = "530 5.7.0 log in first"
        if self.say("MAIL", line, default) == 250:
            self.mail = line

    def on_rcpt(self, line):
        if self.say("RCPT", line, "250 2.1.5 recipient ok" if self.mail else "503 5.5.1 MAIL first") // 10 == 25:
            self.rcpts.append(line)

    def on_data(self, line):
        if self.say("DATA", line, "354 go on" if self.rcpts else "554 5.5.1 no valid recipients") != 354:
            return
        self.body()
        self.final()

    def body(self):
        """To CRLF.CRLF; dots are taken away; a bare CR or LF is an error of the client's."""
        raw, at = bytearray(self.buffer), 0
        cut = "BODY" in self.peer.on
        while True:
            if cut and len(raw) > 1000:
                self.say("BODY", "", None)
                cut = False
            if raw.startswith(b".\r\n"):
                end = -2
                break
            end = raw.find(b"\r\n.\r\n", max(0, at - 5))
            if end >= 0:
                break
            at = len(raw)
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise Gone
            raw += piece
        self.buffer = bytes(raw[end + 5:])
        text = bytes(raw[:end + 2])
        assert text.count(b"\n") == text.count(b"\r\n") == text.count(b"\r"), "a bare CR or LF went out"
        self.data = re.sub(rb"(?m)^\.", b"", text)

    def on_bdat(self, line):
        words = line.split(" ")
        size, last = int(words[1]), words[-1].upper() == "LAST"
        self.bdat = True
        while len(self.buffer) < size:
            self.get()
        self.data, self.buffer = self.data + self.buffer[:size], self.buffer[size:]
        if not self.rcpts:
            self.put("503 5.5.1 no recipients")
        elif last:
            assert self.data.count(b"\n") == self.data.count(b"\r\n") == self.data.count(b"\r"), "a bare CR or LF went out"
            self.final()
        else:
            self.put(f"250 2.0.0 {size} bytes")

    def final(self):
        if self.peer.lmtp:
            taken = [r for r in self.rcpts if self.say("FINAL", r, "250 2.0.0 stored") == 250]
            if taken:
                self.rcpts = taken
                self.taken()
        else:
            letter = Letter(self)
            with self.peer.lock:                             # the reply may be lost, the letter is not
                self.peer.letters.append(letter)
            code = 250
            try:
                code = self.say("FINAL", "", f"250 2.0.0 taken as {self.number}-{len(self.peer.letters)}")
            except Gone:
                code = 0
                raise
            finally:
                if code != 250:
                    with self.peer.lock:
                        self.peer.letters.remove(letter)
        self.reset_transaction()

    def taken(self):
        with self.peer.lock:
            self.peer.letters.append(Letter(self))

    def on_rset(self, line):
        self.say("RSET", line, "250 2.0.0 forgotten")
        self.reset_transaction()

    def on_noop(self, line):
        self.say("NOOP", line, "250 2.0.0 ok")

    def on_quit(self, line):
        self.say("QUIT", line, "221 2.0.0 bye")
        raise Gone


class Deaf:
    """A host whose port takes no more connections: SYNs are dropped, so that connecting takes until the client gives up."""

    def __init__(self, address, port):
        self.listener = socket.socket()
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.crowd = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((address, port))
            self.crowd.append(s)
        time.sleep(0.1)

    def stop(self):
        for s in (*self.crowd, self.listener):
            s.close()


# --- Postfix -----------------------------------------------------------------------------------------------------

def processes():
    """(pid, process group, state) of all there are."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" ", 1)
        except OSError:
            continue
        state, _, group, *_ = rest.rsplit(") ", 1)[1].split()
        yield int(pid), int(group), state


class Postfix:
    """A private Postfix: takes mail for `domain` into maildirs, relays everything else of 127/8 by MX at the net's port.

    Its SMTP client runs chrooted into the queue folder, whose etc/resolv.conf names our DNS: so no name space is needed."""

    PROGRAM = "/usr/sbin/postfix"

    def __init__(self, domain, net, number, dns, users=("carol", "dave"), settings=None):
        self.domain, self.net, self.address, self.users = domain, net, net.host(number), users
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postfix-"))
        self.folder.chmod(0o755)
        self.conf, self.mail, self.log = self.folder / "conf", self.folder / "mail", self.folder / "log"
        self.owner = pwd.getpwnam("postfix")
        spool, state = self.folder / "queue", self.folder / "data"
        for d in (self.conf, self.mail, spool, state, spool / "etc"):
            d.mkdir()
        os.chown(state, self.owner.pw_uid, self.owner.pw_gid)
        os.chown(self.mail, self.owner.pw_uid, self.owner.pw_gid)
        (spool / "etc/resolv.conf").write_text(f"nameserver {dns.address}\noptions timeout:2 attempts:2\n")
        for f in ("services", "nsswitch.conf"):
            if os.path.exists(f"/etc/{f}"):
                shutil.copy(f"/etc/{f}", spool / "etc" / f)
        certificate = make_certificate(self.conf, f"mail.{domain}")
        certificate.chmod(0o600)
        main = {
            "compatibility_level": "3.6", "queue_directory": spool, "data_directory": state, "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin", "inet_interfaces": "127.0.0.1", "proxy_interfaces": self.address, "inet_protocols": "ipv4", "myhostname": f"mail.{domain}",
            "mydomain": domain, "mydestination": "", "mynetworks": "127.0.0.0/8", "smtpd_peername_lookup": "no", "smtpd_sasl_auth_enable": "no",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination", "disable_vrfy_command": "yes",
            "smtp_host_lookup": "dns", "smtp_tcp_port": net.port, "smtp_bind_address": self.address, "smtp_tls_security_level": "may",
            "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": certificate, "smtpd_tls_key_file": certificate, "tls_random_source": "dev:/dev/urandom",
            "virtual_mailbox_domains": domain, "virtual_mailbox_base": self.mail, "virtual_mailbox_limit": 0, "mailbox_size_limit": 0,
            "message_size_limit": 100 << 20, "virtual_uid_maps": f"static:{self.owner.pw_uid}", "virtual_gid_maps": f"static:{self.owner.pw_gid}",
            "virtual_minimum_uid": 1, "virtual_mailbox_maps": "inline:{" + ", ".join(f"{{ {u}@{domain} = {u}/ }}" for u in users) + "}",
            "smtputf8_enable": "yes", "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "local_transport": "error:no local mail here",
            "maillog_file": self.log, "maillog_file_prefixes": self.folder, "smtpd_client_connection_count_limit": 0, "minimal_backoff_time": "3s",
            "maximal_backoff_time": "6s", "queue_run_delay": "3s", "bounce_notice_recipient": f"postmaster@{domain}", "notify_classes": "",
            "smtp_connect_timeout": "5s", "import_environment": "MAIL_CONFIG MAIL_LOGTAG", **(settings or {}),
        }
        (self.conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        lines = pathlib.Path("/usr/share/postfix/master.cf.dist").read_text().splitlines()
        lines = [line for line in lines if line and not line.startswith(("#", " ", "smtp      inet"))]
        fields = [re.split(r"\s+", line, maxsplit=7) for line in lines]
        for f in fields:
            f[4] = "y" if f[0] in ("smtp", "relay") and f[1] == "unix" else "n"
        fields = [f for f in fields if f[7].split()[0] != "pipe"] + [[f"{self.address}:{net.port}", "inet", "n", "-", "n", "-", "-", "smtpd"]]
        (self.conf / "master.cf").write_text("".join(" ".join(f) + "\n" for f in fields))

    def start(self):
        r = subprocess.run([self.PROGRAM, "-c", self.conf, "start"], capture_output=True, text=True)
        assert r.returncode == 0, r.stdout + r.stderr + self.said()
        post.until(lambda: post.listens(self.net.port, self.address))
        self.master = int((self.folder / "queue/pid/master.pid").read_text())
        return self

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def waiting(self):
        """Recipients in its queue."""
        r = subprocess.run(["/usr/sbin/postqueue", "-c", self.conf, "-j"], capture_output=True, text=True)
        return [m for m in r.stdout.splitlines() if m]

    def letters(self, user, word=""):
        """Takes those with the word in them out of the maildir, with CRLF again (virtual(8) writes LF)."""
        out = []
        for f in sorted((self.mail / user / "new").glob("*")):
            text = f.read_bytes()
            if word.encode() in text:
                out.append(text.replace(b"\n", CRLF))
                f.unlink()
        return out

    def wait(self, user, word="", n=1, seconds=60):
        got = []

        def enough():
            got.extend(self.letters(user, word))
            return len(got) >= n
        try:
            post.until(enough, seconds, 0.1)
        except AssertionError:
            raise AssertionError(f"{len(got)} of {n} letters for {user}@{self.domain}\n{self.said()[-4000:]}") from None
        return got

    def stop(self):
        """All of its processes are gone when it returns: they are the master's group."""
        subprocess.run([self.PROGRAM, "-c", self.conf, "abort"], capture_output=True)

        def gone():
            left = [p for p, group, state in processes() if group == self.master and state != "Z"]
            for p in left:
                os.kill(p, signal.SIGKILL)
            return not left
        post.until(gone)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- reports -----------------------------------------------------------------------------------------------------

class Report:
    """A delivery status notification (RFC 3464) taken apart; its form is checked."""

    def __init__(self, letter):
        self.message = m = email.message_from_bytes(letter, policy=email.policy.default)
        assert m.get_content_type() == "multipart/report" and m["Content-Type"].params["report-type"] == "delivery-status", m["Content-Type"]
        assert m["Auto-Submitted"] == "auto-replied" and m["Date"] and m["Message-ID"], m.items()
        parts = m.get_payload()
        assert len(parts) == 3, [p.get_content_type() for p in parts]
        human, status, returned = parts
        assert human.get_content_type() == "text/plain", human.get_content_type()
        assert status.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        self.text = human.get_content()
        self.whole = returned.get_content_type() in ("message/rfc822", "message/global")
        assert self.whole or returned.get_content_type() in ("text/rfc822-headers", "message/global-headers"), returned.get_content_type()
        self.returned = returned.get_payload(0).as_string() if self.whole else returned.get_content()
        if status.get_content_type() == "message/delivery-status":
            groups = [dict(g.items()) for g in status.get_payload()]
        else:  # message/global-delivery-status (RFC 6533), which the email package does not know
            text = letter.split(b"message/global-delivery-status", 1)[1].split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0].decode().replace(CRLF.decode(), "\n")
            groups = [dict(re.findall(r"^([\w-]+): (.*(?:\n[ \t].*)*)", block, re.M)) for block in text.strip().split("\n\n")]
        self.about, self.recipients = groups[0], groups[1:]
        assert "Reporting-MTA" in self.about and self.recipients, groups
        for r in self.recipients:
            assert {"Final-Recipient", "Action", "Status"} <= r.keys(), r
            assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", r["Status"]), r

    def of(self, address):
        """The group about this recipient."""
        (r,) = [r for r in self.recipients if r["Final-Recipient"].split(";")[1].strip().lower() == address.lower()]
        return r
