/* Keys trusted as roots. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <stdlib.h>
#include <string.h>

/* The issue of 2018-05-21 10:45:10Z, valid until 2049 (pcs-upstream 6). */
static const char intel_root_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIw\n"
    "aDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENv\n"
    "cnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJ\n"
    "BgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIzNTk1OVowaDEaMBgG\n"
    "A1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0\n"
    "aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYT\n"
    "AlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi7\n"
    "1OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOB\n"
    "uzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJ\n"
    "MEegRaBDhkFodHRwczovL2NlcnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50\n"
    "ZWwuY29tL0ludGVsU0dYUm9vdENBLmRlcjAdBgNVHQ4EFgQUImUM1lqdNInzg7SV\n"
    "Ur9QGzknBqwwDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYBAf8CAQEwCgYI\n"
    "KoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94BgwTwg\n"
    "AiEA4J0lrHoMs+Xo5o/sX6O9QWxHRAvZUGOdRQ7cvqRXaqI=\n"
    "-----END CERTIFICATE-----\n";

enum err
anchors_read(size_t n, char *const *hex, struct anchors **out, struct why *why)
{
	struct anchors *a = xcalloc(1, sizeof(*a));
	enum err e = ERR_OK;
	size_t i;

	a->spki_sha256 = xcalloc(n, sizeof(a->spki_sha256[0]));
	for (i = 0; i < n; i++)
		if (hex_read(span_str(hex[i]), a->spki_sha256[i], 32) !=
		    ERR_OK) {
			e = why_set(why, ERR_FORMAT, "pcs-upstream 6",
			    "root key %zu is not 64 hex digits: \"%.80s\"",
			    i + 1, hex[i]);
			goto out;
		}
	a->n = n;
	*out = a;
	a = NULL;
out:
	anchors_free(a);
	return e;
}

void
anchors_free(struct anchors *a)
{
	if (a == NULL)
		return;
	free(a->spki_sha256);
	free(a);
}

bool
anchors_has(const struct anchors *a, X509 *x)
{
	unsigned char spki[32];
	size_t i;

	cert_spki(x, spki);
	for (i = 0; i < a->n; i++)
		if (memcmp(a->spki_sha256[i], spki, sizeof(spki)) == 0)
			return true;
	return false;
}

X509 *
anchors_intel_root(const struct anchors *a)
{
	struct span text = span_str(intel_root_pem);
	struct buf der = BUF_INIT;
	X509 *x = NULL;

	must(pem_next(&text, "CERTIFICATE", &der, NULL) == ERR_OK);
	must(cert_read(buf_view(&der), &x, NULL) == ERR_OK);
	buf_free(&der);
	if (!anchors_has(a, x)) {
		X509_free(x);
		x = NULL;
	}
	return x;
}
