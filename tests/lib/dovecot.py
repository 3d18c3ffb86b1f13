"""A private Dovecot: IMAP with and without TLS, Maildirs, one password for everybody."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import post
import remote


class Dovecot:
    def __init__(self, separator=".", prefix="INBOX.", config=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)
        self.ports = {"imap": post.free_port(), "imaps": post.free_port()}
        self.certificate = f"{remote.make_certificate(self.folder, 'localhost')}.crt"
        mail = self.folder / "mail"
        mail.mkdir()
        user = pwd.getpwnam("mail")
        os.chown(mail, user.pw_uid, user.pw_gid)
        (self.folder / "conf").write_text(f"""
protocols = imap
default_internal_user = dovecot
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/log
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0
ssl = yes
ssl_cert = <{self.certificate}
ssl_key = <{self.folder}/localhost.pem
mail_location = maildir:~/Maildir
mail_max_userip_connections = 0
mail_fsync = never
first_valid_uid = 1
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Spam {{
    special_use = \\Junk
  }}
}}
passdb {{
  driver = static
  args = password={post.PASSWORD.replace(" ", "_")}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {self.ports["imap"]}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {self.ports["imaps"]}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
{config}""")
        self.password = post.PASSWORD.replace(" ", "_")
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.folder / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        post.until(lambda: post.listens(self.ports["imaps"]), every=0.02)

    def said(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
