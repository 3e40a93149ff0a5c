/*
 * Printing JSON documents for people.  Private to server/cli/.
 */
#ifndef SERVER_CLI_SHOW_H
#define SERVER_CLI_SHOW_H

#include "config/base/span.h"
#include "server/cli/cli.h"

#include <jansson.h>

/*
 * Print a document: as it is with --json, else one line per member, nested
 * ones indented, rows of flat objects as a table.
 */
int show_json(const struct cli *, struct span text);
/* The same of a document that is parsed already; borrowed. */
int show_tree(const struct cli *, json_t *);
/*
 * The document, or NULL with a message; the caller's to json_decref.
 * show_parse() is for printing: what would be an order to a terminal stands in
 * it as show_text() has it.  show_data() is for everything else.
 */
json_t *show_parse(const struct cli *, struct span text);
json_t *show_data(const struct cli *, struct span text);
/* Text from outside, its control characters as "\u001b"; the caller's to
 * free. */
char *show_text(const char *);

/* Columns that fit their widest cell.  Cells are copied. */
struct table;
struct table *table_new(size_t columns);
void table_cell(struct table *, const char *text); /* NULL: "-" */
void table_print(const struct table *, FILE *, int indent);
void table_free(struct table *);

#endif
