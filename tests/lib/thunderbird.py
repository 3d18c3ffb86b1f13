"""Thunderbird with a profile and a display of its own. Scripts run inside it, in its main window, by way of Marionette: one JSON array per message,
its length before it."""
import base64
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile

import post

PROGRAM = "/usr/lib/thunderbird/thunderbird"
HELPERS = (pathlib.Path(__file__).parent / "thunderbird.js").read_text()

# It asks neither the net nor its user for anything but what the test is about, and polls nothing.
QUIET = {
    "app.donation.eoy.version.viewed": 999, "app.update.disabledForTesting": True, "app.update.enabled": False, "browser.ml.enable": False,
    "browser.region.network.url": "", "browser.safebrowsing.downloads.enabled": False, "calendar.timezone.local": "UTC",
    "calendar.timezone.useSystemTimezone": False, "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False, "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "dom.max_chrome_script_run_time": 0, "dom.push.connection.enabled": False, "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False, "extensions.update.enabled": False, "mail.biff.play_sound": False, "mail.biff.show_alert": False,
    "mail.chat.enabled": False, "mailnews.confirm.moveFoldersToTrash": False, "mail.inappnotifications.enabled": False, "mail.provider.enabled": False, "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False, "mailnews.start_page.enabled": False, "mailnews.start_page_override.mstone": "ignore",
    "media.gmp-manager.updateEnabled": False, "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.manage-offline-status": False, "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1", "toolkit.telemetry.server": "data:,", "marionette.port": 0,
}


def account_settings(address, imaps, submission):
    """What its account wizard would have written."""
    server, submit, identity = "mail.server.server1.", "mail.smtpserver.smtp1.", "mail.identity.id1."
    return {
        "mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.identities": "id1", "mail.account.account1.server": "server1",
        "mail.accountmanager.localfoldersserver": "server2", "mail.account.account2.server": "server2", "mail.server.server2.type": "none",
        "mail.server.server2.hostname": "Local Folders", "mail.server.server2.name": "Local Folders", "mail.server.server2.userName": "nobody",
        server + "type": "imap", server + "hostname": "localhost", server + "port": imaps, server + "userName": address, server + "name": address,
        server + "socketType": 3, server + "authMethod": 3, server + "login_at_startup": False, server + "check_new_mail": False,
        server + "spamLevel": 0,
        identity + "fullName": "Thunder Bird", identity + "useremail": address, identity + "smtpServer": "smtp1", identity + "compose_html": False,
        identity + "valid": True,
        "mail.smtpservers": "smtp1", "mail.smtp.defaultserver": "smtp1", submit + "hostname": "localhost", submit + "port": submission,
        submit + "username": address, submit + "try_ssl": 2, submit + "authMethod": 3,
    }


class ScriptFailed(AssertionError):
    pass


class Thunderbird:
    """Starts with the account set up and its password known, and has not spoken to the server yet."""

    def __init__(self, address, password, imaps, submission, certificate, more=None):
        """imaps, submission: ports of localhost, the latter with STARTTLS; certificate: the file of the one they show, an exception is made for it;
        more: other settings."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="thunderbird-"))
        self.program = self.display = self.socket = None
        self.commands = self.starts = 0
        settings = QUIET | account_settings(address, imaps, submission) | (more or {})
        (self.folder / "user.js").write_text("".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in settings.items()))
        try:
            self.start()
            der = ssl.PEM_cert_to_DER_cert(pathlib.Path(certificate).read_text())
            self.run("for (const port of args[1]) trust(args[0], port)", base64.b64encode(der).decode(), [imaps, submission])
            self.run("for (const kind of ['imap', 'smtp']) await remember(`${kind}://localhost`, ...args)", address, password)
        except BaseException:
            self.remove()
            raise

    def start(self):
        mine, its = os.pipe()
        self.display = subprocess.Popen(["Xvfb", "-displayfd", str(its), "-screen", "0", "1280x800x24", "-nolisten", "tcp"], pass_fds=[its],
                                        stderr=subprocess.DEVNULL)
        os.close(its)
        with open(mine) as f:
            number = f.readline().strip()
        assert number, "Xvfb did not start"
        self.starts += 1
        environment = dict(os.environ, DISPLAY=f":{number}", HOME=str(self.folder), MOZ_CRASHREPORTER_DISABLE="1", NO_AT_BRIDGE="1",
                           MOZ_LOG="IMAP:4,timestamp,sync", MOZ_LOG_FILE=str(self.folder / f"imap-{self.starts}"))
        (self.folder / "MarionetteActivePort").unlink(missing_ok=True)
        self.program = subprocess.Popen([PROGRAM, "--no-remote", "--profile", self.folder, "--marionette", "--remote-allow-system-access"],
                                        env=environment, stdin=subprocess.DEVNULL, stdout=open(self.folder / "said", "ab"), stderr=subprocess.STDOUT)
        self.socket = socket.create_connection(("127.0.0.1", post.until(self.port, 60)), timeout=90)
        self.stream = self.socket.makefile("rb")
        self.read()
        self.command("WebDriver:NewSession", timeouts={"script": 80000})
        self.command("Marionette:SetContext", value="chrome")
        self.run("await until(() => document.readyState == 'complete' && pane()?.threadTree?.table)")

    def port(self):
        file = self.folder / "MarionetteActivePort"
        assert self.program.poll() is None, self.said()
        return file.exists() and file.read_text() and int(file.read_text())

    def read(self):
        digits = b""
        while not digits.endswith(b":"):
            c = self.stream.read(1)
            assert c, f"Thunderbird hung up\n{self.said()}"
            digits += c
        return json.loads(self.stream.read(int(digits[:-1])))

    def command(self, name, **parameters):
        self.commands += 1
        message = json.dumps([0, self.commands, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self.read()
        assert number == self.commands
        if error:
            raise ScriptFailed(f"{name}: {error['error']}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def run(self, body, *args):
        """What an async function of this body returns; args is the array of its arguments. The functions it may call are in thunderbird.js."""
        script = (f"{HELPERS}\nconst args = [...arguments], done = args.pop();\n(async () => {{ {body} }})()"
                  ".then(v => done({value: v === undefined ? null : v}), e => done({error: `${e}\\n${e.stack}`}));")
        said = self.command("WebDriver:ExecuteAsyncScript", script=script, args=args, sandbox="system")["value"]
        if "error" in said:
            raise ScriptFailed(f"{body}: {said['error']}\n{self.tail()}")
        return said["value"]

    def said(self):
        return (self.folder / "said").read_text(errors="replace")[-4000:]

    def dialogue(self):
        """What went over its IMAP connections so far: ["NAME MAILBOX C: command", "NAME MAILBOX S: line of a response", ...]."""
        lines = []
        for log in sorted(self.folder.glob("imap-*")):
            for line in log.read_text(errors="replace").splitlines():
                m = re.search(r"I/IMAP (\w+):localhost:(?:S-(.*)|\w+):(SendData|CreateNewLineFromSocket): (.*)", line)
                if m:
                    lines.append(f"{m[1]} {m[2] or '-'} {'C' if m[3] == 'SendData' else 'S'}: {m[4]}")
        return lines

    def tail(self):
        return "\n".join([x for x in self.dialogue() if " C: " in x or "COPYUID" in x][-60:])

    def stop(self):
        """As by File > Quit; the profile is kept."""
        try:
            if self.socket:
                self.command("Marionette:Quit", flags=["eAttemptQuit"])
                self.program.wait(60)
        finally:
            if self.socket:
                self.socket.close()
                self.socket = None
            for p in (self.program, self.display):
                if p and p.poll() is None:
                    p.kill()
                    p.wait()

    def remove(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
