/* uri= of crl and pckcrl. */
#include "config/base/must.h"
#include "server/param.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *uri = xcalloc(1, len + 1);
	enum crl_uri which = (enum crl_uri) - 1;
	enum err e;

	if (len > 0)
		memcpy(uri, data, len);
	e = param_crl_uri(uri, "platform", &which, NULL);
	must(e == ERR_OK || e == ERR_PARAM || e == ERR_NOT_CACHED);
	if (e == ERR_OK)
		must(which == CRL_ROOT || which == CRL_PROCESSOR ||
		     which == CRL_PLATFORM);
	free(uri);
	return 0;
}
