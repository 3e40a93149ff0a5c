#include "tests/kit/scase.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"

#include <stdio.h>
#include <string.h>

const char *const scase_pins[AMD_PRODUCT_N] = {
	"9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
	"429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
	"4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
};
const char *const scase_names[] = { "milan-v2-debug", "milan-v2-plain",
	"milan-v3-aci", "genoa-v3-aci", "turin-v5-aci", "milan-v3-vlek-aws",
	"milan-v2-thim", "milan-v3-azcache", "milan-v1-preproduction",
	"hcl-milan-v2", "hcl-milan-v3", "hcl-milan-v2-foreign-vcek" };
const size_t scase_n = sizeof(scase_names) / sizeof(scase_names[0]);

static struct blob *
file(const struct scase *c, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "snp/reports/%s/%s", c->name, name);
	return vector_read(path);
}

void
scase_load(const char *name, struct scase *c)
{
	static const char *const lower[] = { "milan", "genoa", "turin" };
	char path[160];
	int i;

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(path, sizeof(path), "snp/reports/%s/expected.json", name);
	c->expected = vector_json(path);
	c->vlek = strcmp(vector_text(c->expected, "signing_key"), "VLEK") == 0;
	c->product =
	    amd_product_read(span_str(vector_text(c->expected, "product")));
	must(time_read(span_str(vector_text(c->expected, "verify_at")),
		 &c->at) == ERR_OK);
	c->report = file(c, "report.bin");
	c->vek = file(c, c->vlek ? "vlek.der" : "vcek.der");
	c->hcl = file(c, "hcl_report.bin");
	snprintf(path, sizeof(path), "snp/chains/%s.%s.cert_chain.pem",
	    lower[c->product], c->vlek ? "vlek" : "vcek");
	c->chain = vector_read(path);
	must(c->report != NULL && c->vek != NULL && c->chain != NULL);
	for (i = 0; i < AMD_PRODUCT_N; i++)
		c->pins.by[i] = anchors_of(scase_pins[i]);
}

void
scase_fini(struct scase *c)
{
	int i;

	json_decref(c->expected);
	blob_unref(c->report);
	blob_unref(c->vek);
	blob_unref(c->chain);
	blob_unref(c->hcl);
	for (i = 0; i < AMD_PRODUCT_N; i++)
		anchors_free((struct anchors *)(uintptr_t)c->pins.by[i]);
}
