/* The text of a key, as the command line and the database give it. */
#include "config/base/must.h"
#include "storage/storage.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	char *text = span_dup(span_of(p, len));
	struct coll_key key, again;
	struct why why = { 0 };

	if (key_read(text, &key, &why) == ERR_OK) {
		must(strlen(key.text) == strlen(text));
		must(key_read(key.text, &again, NULL) == ERR_OK);
		must(strcmp(key.text, again.text) == 0);
	} else
		must(why.err == ERR_PARAM);
	free(text);
	return 0;
}
