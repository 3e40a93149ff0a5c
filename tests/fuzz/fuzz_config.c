/*
 * larder.json: whatever is accepted prints as a text that is accepted, too,
 * and prints the same.
 */
#include "config/base/must.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char *
dump(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL);
	config_write(c, f);
	must(fclose(f) == 0);
	return text;
}

/* A refusal says where. */
static void
refusal_check(const struct why *why)
{
	const char *p;

	must(why->err == ERR_CONFIG);
	must(strncmp(why->text, "f:", 2) == 0);
	must(why->text[2] >= '1' && why->text[2] <= '9');
	for (p = why->text; *p != '\0'; p++)
		must(*p != '\n' && *p != '\r' && *p != '\033');
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct config *c = NULL, *again = NULL;
	struct why why = { 0 };
	char *first, *second;

	if (config_read(span_of(p, len), "f", &c, &why) != ERR_OK) {
		refusal_check(&why);
		return 0;
	}
	first = dump(c);
	must(config_read(span_str(first), "f", &again, &why) == ERR_OK);
	second = dump(again);
	must(strcmp(first, second) == 0);
	free(first);
	free(second);
	config_unref(c);
	config_unref(again);
	return 0;
}
