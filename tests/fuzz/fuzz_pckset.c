/* pckcerts bodies, and packed sets (which begin with their version, 1). */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <openssl/err.h>
#include <string.h>

#define NOW 1780272000

static struct chain *
the_chain(void)
{
	static struct chain *chain;
	struct anchors *anchors;
	struct blob *pem;
	struct pki *pki;

	if (chain != NULL)
		return chain;
	pki = pki_new("fuzz", NOW);
	anchors = anchors_of(pki_root_spki_hex(pki));
	pem = pki_chain_pem(pki, PKI_PLATFORM_CA);
	must(chain_read(blob_span(pem), CHAIN_PCK_CA, anchors, NULL, NULL,
		 &chain, NULL) == ERR_OK);
	blob_unref(pem);
	anchors_free(anchors);
	pki_free(pki);
	return chain;
}

static void
keeps(const struct pck_set *set)
{
	const struct pck_cert *c = set->certs;
	struct blob *packed = pck_set_pack(set), *twice;
	struct pck_set *again;
	size_t i;

	must(set->n > 0);
	for (i = 1; i < set->n; i++)
		must(memcmp(c[i - 1].pck.comp, c[i].pck.comp, 16) >= 0);
	must(pck_set_unpack(blob_span(packed), set->chain, set->pceid, NULL,
		 &again, NULL) == ERR_OK);
	twice = pck_set_pack(again);
	must(span_eq(blob_span(packed), blob_span(twice)));
	pck_set_unref(again);
	blob_unref(twice);
	blob_unref(packed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static const unsigned char pceid[2];
	struct span in = span_of(p, len);
	struct why why = { 0 };
	struct pck_set *set = NULL;
	enum err e;

	e = len > 0 && p[0] == 1
		? pck_set_unpack(in, the_chain(), pceid, NULL, &set, &why)
		: pck_set_read(in, the_chain(), pceid, NULL, &set, &why);
	if (e == ERR_OK)
		keeps(set);
	else
		must(why.err == e && why.text[0] != '\0');
	must(ERR_peek_error() == 0);
	pck_set_unref(set);
	return 0;
}
