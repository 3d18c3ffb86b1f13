"""The servers that are measured, each in a private folder on private ports with a control group of its own.

A server offers start(), stop(), .port, and cpu() / memory(); letters() counts what lies in its mailboxes."""
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

CGROUP_CPU = pathlib.Path("/sys/fs/cgroup/cpuacct")
CGROUP_2 = pathlib.Path("/sys/fs/cgroup")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as s:
            s.settimeout(1)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class ControlGroup:
    """Counts the CPU of a server and of everything it starts; without control groups, of its process tree."""

    def __init__(self, name):
        self.path = self.usage = None
        for root, usage in ((CGROUP_CPU, "cpuacct.usage"), (CGROUP_2, "cpu.stat")):
            path = root / f"penny-{name}"
            try:
                path.mkdir()
                (path / usage).read_text()
            except OSError:
                continue
            self.path, self.usage = path, path / usage
            break
        if not self.path:
            raise SystemExit("the benchmark wants a control group to count CPU in: run it as root")

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def cpu(self):
        text = self.usage.read_text()
        if self.usage.name == "cpuacct.usage":
            return int(text) / 1e9
        return int(text.split("usage_usec")[1].split()[0]) / 1e6

    def pids(self):
        return [int(p) for p in (self.path / "cgroup.procs").read_text().split()]

    def memory(self):
        """Proportional set size of all its processes, MiB."""
        total = 0
        for pid in self.pids():
            try:
                for line in open(f"/proc/{pid}/smaps_rollup"):
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
            except OSError:
                pass
        return total / 1024

    def remove(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for _ in range(50):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Server:
    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
        self.folder.chmod(0o755)
        self.group = ControlGroup(self.folder.name)
        self.port = free_port()
        self.processes = []

    def run(self, *argv, **kw):
        return subprocess.run(argv, check=True, preexec_fn=self.group.enter, **kw)

    def spawn(self, *argv, **kw):
        p = subprocess.Popen(argv, preexec_fn=self.group.enter, **kw)
        self.processes.append(p)
        return p

    def cpu(self):
        return self.group.cpu()

    def memory(self):
        return self.group.memory()

    def stop(self):
        for p in self.processes:
            p.terminate()
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                p.kill()
        self.group.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class Penny(Server):
    """accounts: addresses; port is smtp, others by name in .ports."""

    PASSWORD = "correct horse battery"

    def __init__(self, program, accounts, config=""):
        super().__init__("penny")
        self.program, self.accounts, self.more = program, accounts, config
        self.ports = {kind: free_port() for kind in ("submissions", "lmtp", "pop3", "pop3s", "imap", "imaps")}
        self.ports["smtp"] = self.port

    def penny(self, *args, password=False):
        return subprocess.run([self.program, "-c", self.folder / "penny.conf", *args], check=True, capture_output=True, text=True,
                              input=self.PASSWORD + "\n" if password else None).stdout

    def setup(self):
        first, *others = self.accounts
        name, domain = first.split("@")
        self.penny("setup", domain, "--data", self.folder / "data", "--hostname", f"mail.{domain}", "--account", name, "--password-stdin",
                   password=True)
        config = self.folder / "penny.conf"
        with config.open("a") as f:
            f.write('\ntrusted = {"127.0.0.0/8"}\nplaintext_auth = {"127.0.0.1"}\nlog { level = "warn" }\n' + self.more)
            for kind, port in self.ports.items():
                f.write(f'listen "{kind}" {{ address = {{"127.0.0.1:{port}"}} }}\n')
        for account in others:
            self.penny("account", "add", account, "--password-stdin", password=True)

    def serve(self, under=()):
        """under: a program that runs it, with its arguments."""
        self.process = self.spawn(*under, self.program, "-c", self.folder / "penny.conf", "serve", stdout=subprocess.PIPE,
                                  stderr=open(self.folder / "log", "a"))
        if self.process.stdout.readline().strip() != b"ready":
            raise SystemExit("penny did not start:\n" + (self.folder / "log").read_text())

    def start(self):
        self.setup()
        self.serve()

    def restart(self):
        """Seconds from SIGTERM to ready."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        self.serve()
        return time.monotonic() - begun

    def status(self):
        return json.loads(self.penny("status", "--json"))


class Sink(Server):
    """smtp-sink: takes everything and forgets it."""

    def __init__(self):
        super().__init__("sink")

    def start(self):
        self.counts = self.folder / "counts"
        self.spawn("/usr/sbin/smtp-sink", "-4", "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "1000", stdout=self.counts.open("w"))
        wait_for_port(self.port)

    def letters(self):
        """The last of the running counts it prints."""
        with self.counts.open("rb") as f:
            f.seek(max(0, self.counts.stat().st_size - 200))
            told = re.findall(rb"mesg=\s*(\d+)", f.read())
        return int(told[-1]) if told else 0


class Postfix(Server):
    """target: hold (accept only), an LMTP port to deliver to, or a Sink to relay to."""

    def __init__(self, target):
        super().__init__("postfix")
        self.target = target

    def start(self):
        queue, data, conf = (self.folder / d for d in ("queue", "data", "conf"))
        for d in (queue, data, conf):
            d.mkdir()
        postfix = pwd.getpwnam("postfix")
        os.chown(data, postfix.pw_uid, postfix.pw_gid)
        main = {
            "compatibility_level": "3.6", "queue_directory": queue, "data_directory": data, "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "myhostname": "bench.test",
            "mydestination": "", "mynetworks": "127.0.0.0/8", "smtp_dns_support_level": "disabled", "maillog_file": "/var/log/../../"
            + str(self.folder / "log").lstrip("/"), "maillog_file_prefixes": "/var, /dev/stdout", "smtpd_tls_security_level": "none",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "smtpd_client_connection_count_limit": "0",
        }
        if self.target == "hold":
            main["relayhost"] = "[127.0.0.1]:1"
            main["smtpd_recipient_restrictions"] = "check_client_access static:HOLD, permit_mynetworks, reject"
        elif isinstance(self.target, Sink):
            main["relayhost"] = f"[127.0.0.1]:{self.target.port}"
        else:
            main["virtual_mailbox_domains"] = "sink.test"
            main["virtual_transport"] = f"lmtp:inet:127.0.0.1:{self.target}"
            main["lmtp_destination_recipient_limit"] = "1"
        (conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        master = pathlib.Path("/usr/share/postfix/master.cf.dist")
        if not master.exists():
            master = pathlib.Path("/etc/postfix/master.cf")
        lines = [line for line in master.read_text().splitlines() if not line.startswith("smtp      inet")]
        lines = [line.replace(" y ", " n ", 1) if line and not line.startswith(("#", " ")) else line for line in lines]
        lines.append(f"127.0.0.1:{self.port} inet n - n - - smtpd")
        (conf / "master.cf").write_text("\n".join(lines) + "\n")
        self.conf = conf
        self.run("/usr/sbin/postfix", "-c", conf, "start", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.conf, "abort"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().stop()


class Dovecot(Server):
    """LMTP into Maildir, sdbox or mdbox; POP3 and IMAP when they are among the protocols. Any password will do."""

    LOCATIONS = {"maildir": "maildir:~/Maildir", "sdbox": "sdbox:~/sdbox", "mdbox": "mdbox:~/mdbox"}

    def __init__(self, layout="maildir", protocols=("lmtp",), config=""):
        super().__init__("dovecot")
        self.layout, self.more = layout, config
        self.ports = {kind: free_port() for kind in protocols if kind != "lmtp"}
        self.ports["lmtp"] = self.port

    def start(self):
        self.mail = self.folder / "mail"
        self.mail.mkdir()
        user = "mail"
        os.chown(self.mail, pwd.getpwnam(user).pw_uid, grp.getgrnam(user).gr_gid)
        location = self.LOCATIONS[self.layout]
        listeners = "".join(f"service {kind}-login {{\n  process_limit = 2000\n  inet_listener {kind} {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n"
                            f"  inet_listener {kind}s {{\n    port = 0\n  }}\n}}\n" for kind, port in self.ports.items() if kind != "lmtp")
        conf = self.folder / "dovecot.conf"
        conf.write_text(f"""
protocols = {' '.join(self.ports)}
disable_plaintext_auth = no
default_internal_user = dovecot
mail_max_userip_connections = 0
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/log
ssl = no
mail_location = {location}
first_valid_uid = 1
userdb {{
  driver = static
  args = uid={user} gid={user} home={self.mail}/%u allow_all_users=yes
}}
passdb {{
  driver = static
  args = nopassword=y
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
{listeners}{self.more}""")
        self.spawn("/usr/sbin/dovecot", "-F", "-c", conf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def letters(self):
        pattern = "*/Maildir/new/*" if self.layout == "maildir" else "*/sdbox/mailboxes/INBOX/dbox-Mails/u.*"
        return sum(1 for _ in self.mail.glob(pattern))
