/* Moving in from Intel's PCCS: its settings and its database. */
#ifndef SERVER_CLI_PCCS_H
#define SERVER_CLI_PCCS_H

struct cli;

/* pccs_db.c: "larder import pccs-db FILE" */
int cmd_import_pccs_db(struct cli *);
/* pccs_config.c: "larder import pccs-config FILE" */
int cmd_import_pccs_config(struct cli *);

#endif
