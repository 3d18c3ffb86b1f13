/* The subcommands; see commands.c for the table. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "cmd/program.h"

int command_account(struct program *p, int argc, char **argv);
int command_alias(struct program *p, int argc, char **argv);
int command_config(struct program *p, int argc, char **argv);
int command_domain(struct program *p, int argc, char **argv);
int command_export(struct program *p, int argc, char **argv);
int command_help(struct program *p, int argc, char **argv);
int command_import(struct program *p, int argc, char **argv);
int command_mailbox(struct program *p, int argc, char **argv);
int command_queue(struct program *p, int argc, char **argv);
int command_route(struct program *p, int argc, char **argv);
int command_send(struct program *p, int argc, char **argv);
int command_sendmail(struct program *p, int argc, char **argv);
int command_serve(struct program *p, int argc, char **argv);
int command_setup(struct program *p, int argc, char **argv);
int command_status(struct program *p, int argc, char **argv);
int command_trace(struct program *p, int argc, char **argv);
int command_verify(struct program *p, int argc, char **argv);

#endif
