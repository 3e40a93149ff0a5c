/* Whatever a file holds, larder inspect shows it or says why not. */
#include "config/base/must.h"
#include "server/cli/inspect.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct why why;
	json_t *o;
	char *text;

	o = inspect_any(span_of(data, size), 3, &why);
	if (o == NULL)
		return 0;
	must(json_is_string(json_object_get(o, "type")));
	text = json_dumps(o, JSON_COMPACT);
	must(text != NULL);
	free(text);
	json_decref(o);
	return 0;
}
