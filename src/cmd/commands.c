/* The table of subcommands. */
#include "cmd/commands.h"

const struct command commands[] = {
    {"setup", command_setup,
     "DOMAIN [--hostname HOST] [--data FOLDER] [--account NAME] [--password-stdin | --generate] "
     "[--listen KIND=ADDRESS:PORT]... [--force] [--json]",
     "make a configuration, a certificate, the first domain and account", "penny-setup"},
    {"serve", command_serve, "", "run the server, in the foreground", "penny-serve"},
    {"status", command_status, "[--json]", "how is it going", "penny-status"},
    {"domain", command_domain,
     "add DOMAIN [--alias-of DOMAIN] | list | show DOMAIN | catch-all DOMAIN (TARGET | --none) | remove DOMAIN",
     "the domains whose mail we take", "penny-domain"},
    {"account", command_account,
     "add ADDRESS [--password-stdin | --generate | --no-password] [--name NAME] [--quota SIZE] "
     "[--quota-letters NUMBER] | list | show ADDRESS | "
     "password ADDRESS [--password-stdin | --generate] | disable ADDRESS | enable ADDRESS | "
     "quota ADDRESS [SIZE | none] [--letters NUMBER | --letters none] | grant ACCOUNT ADDRESS | "
     "revoke ACCOUNT ADDRESS | remove ADDRESS",
     "the people whose mail we keep", "penny-account"},
    {"mailbox", command_mailbox,
     "list ACCOUNT | show ACCOUNT MAILBOX | create ACCOUNT MAILBOX [--use drafts|sent|junk|trash|archive] | "
     "rename ACCOUNT MAILBOX NAME | delete ACCOUNT MAILBOX | subscribe ACCOUNT MAILBOX | "
     "unsubscribe ACCOUNT MAILBOX | lost ACCOUNT [MAILBOX] [--since TIME] | "
     "undelete ACCOUNT [MAILBOX] [--since TIME] [--into MAILBOX]",
     "the mailboxes of an account, and what was deleted", "penny-mailbox"},
    {"import", command_import,
     "ACCOUNT SOURCE [--mailbox NAME] [--dry-run] [--json]; of imap(s)://USER@HOST[:PORT][/MAILBOX] also "
     "[--password-file FILE | --password-stdin] [--ca FILE | --fingerprint SHA256] [--plaintext] "
     "[--exclude MAILBOX]... [--since TIME] [--again]",
     "take letters from mbox files, Maildirs and other servers", "penny-import"},
    {"export", command_export,
     "ACCOUNT TARGET [--format maildir|mbox] [--mailbox NAME] [--dry-run] [--json]; to "
     "imap(s)://USER@HOST[:PORT][/MAILBOX] also [--password-file FILE | --password-stdin] "
     "[--ca FILE | --fingerprint SHA256] [--plaintext] [--exclude MAILBOX]... [--since TIME] [--again]",
     "write an account's letters to a Maildir, mbox files, or another server", "penny-export"},
    {"alias", command_alias, "add ADDRESS TARGET... [--no-send] | list | show ADDRESS | remove ADDRESS [TARGET...]",
     "addresses that stand for others", "penny-alias"},
    {"route", command_route,
     "add (DOMAIN | *.DOMAIN | \"*\" | --sender ADDRESS|DOMAIN) TARGET [--tls may|none|encrypt|verify] "
     "[--user USER --password-stdin] [--accept] | list | show KEY | remove KEY | test ADDRESS [--from SENDER]",
     "where mail for other domains goes", "penny-route"},
    {"queue", command_queue,
     "[list] [--to ADDRESS] [--from ADDRESS] [--domain DOMAIN] [--hop HOP] [--held] | show ID | "
     "(retry | hold | release | reroute | remove [--yes]) (ID... | --to ADDRESS | --from ADDRESS | --domain DOMAIN | "
     "--hop HOP | --held | --all) | hops | suspend HOP | resume HOP | limit HOP (N/hour | none)",
     "what waits to be sent on, and why", "penny-queue"},
    {"trace", command_trace,
     "[ID | ADDRESS | DOMAIN | <MESSAGE-ID>] [--address ADDRESS] [--message-id ID] [--subject WORDS] [--since TIME] "
     "[--until TIME] [--last N] [--json]",
     "what became of a letter", "penny-trace"},
    {"verify", command_verify, "[--bodies] [--json]", "is everything in the store whole?", "penny-verify"},
    {"send", command_send,
     "--from ADDRESS --to ADDRESS... [--cc ADDRESS]... [--bcc ADDRESS]... [--subject TEXT] [--attach FILE]... "
     "[--html FILE] [--charset NAME] [--header 'NAME: TEXT']... [--server HOST:PORT] [--tls implicit|starttls|none] "
     "[--user NAME] [--password-stdin | --password-file FILE] [--insecure] [--print] < TEXT",
     "write and submit a letter", "penny-send"},
    {"sendmail", command_sendmail, "[-t] [-i] [-f SENDER] [-F NAME] [-bs | -bp | -q] [RECIPIENT...] < LETTER",
     "hand in a letter as programs do", "penny-sendmail"},
    {"config", command_config, "check | sample", "is the configuration right; what could stand in it", "penny.conf"},
    {"help", command_help, "[COMMAND]", "the manual", "penny"},
    {0},
};
