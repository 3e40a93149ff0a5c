#include "server/cli/sev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/psp-sev.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define CLAUSE "linux/psp-sev.h"

/* Younger than the header of the oldest systems we are built on. */
#define CMD_SNP_PLATFORM_STATUS 9
#define SNP_STATUS_LEN          32

#define FLAG_MASK_CHIP_ID       (1u << 0)
#define FLAG_VLEK               (1u << 2)

/* --- the real one ----------------------------------------------------- */

static int
real_issue(struct sev_device *d, uint32_t cmd, void *data, uint32_t *fw)
{
	struct sev_issue_cmd c = { .cmd = cmd, .data = (uintptr_t)data };
	int rc = ioctl(d->fd, SEV_ISSUE_CMD, &c) == -1 ? errno : 0;

	*fw = c.error;
	return rc;
}

static bool
real_cpuid(struct sev_device *d, uint32_t *eax)
{
	(void)d;
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, x;

	if (__get_cpuid(1, &a, &b, &c, &x) == 0)
		return false;
	*eax = a;
	return true;
#else
	(void)eax;
	return false;
#endif
}

enum err
sev_open(const char *path, struct sev_device *out, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return why_set(why, ERR_IO, CLAUSE, "%s: %s", path,
		    strerror(errno));
	*out = (struct sev_device){ real_issue, real_cpuid, fd };
	return ERR_OK;
}

void
sev_close(struct sev_device *d)
{
	close(d->fd);
}

/* --- asking ----------------------------------------------------------- */

static enum err
sev_issue(struct sev_device *d, uint32_t cmd, const char *name, void *data,
    struct why *why)
{
	uint32_t fw = 0;
	int rc = d->issue(d, cmd, data, &fw);

	if (rc == 0 && fw == SEV_RET_SUCCESS)
		return ERR_OK;
	return why_set(why, ERR_IO, CLAUSE, "%s: %s (firmware code %u)", name,
	    rc == 0 ? "refused" : strerror(rc), (unsigned)fw);
}

/* struct sev_user_data_snp_status of newer headers. */
static enum err
learn_status(struct sev_device *d, struct sev_facts *f, struct why *why)
{
	unsigned char raw[SNP_STATUS_LEN] = { 0 };
	struct span s = span_of(raw, sizeof(raw));
	uint32_t flags;
	enum err e;

	e = sev_issue(d, CMD_SNP_PLATFORM_STATUS, "SNP_PLATFORM_STATUS", raw,
	    why);
	if (e != ERR_OK)
		return e;
	/* API version, state, RMP; build; flags; guests; TCBs */
	if (span_skip(&s, 8) != ERR_OK || span_u32le(&s, &flags) != ERR_OK ||
	    span_skip(&s, 4) != ERR_OK ||
	    span_copy(&s, f->current.b, sizeof(f->current.b)) != ERR_OK ||
	    span_copy(&s, f->reported.b, sizeof(f->reported.b)) != ERR_OK)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "SNP_PLATFORM_STATUS: too short");
	if (span_all(span_of(f->reported.b, sizeof(f->reported.b)), 0))
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "SNP_PLATFORM_STATUS: no TCB: is SNP on?");
	f->chip_id_masked = flags & FLAG_MASK_CHIP_ID;
	f->vlek = flags & FLAG_VLEK;
	return ERR_OK;
}

/* 64 bytes for each socket; of an empty one, zeros. */
static enum err
learn_id(struct sev_device *d, struct sev_facts *f, struct why *why)
{
	unsigned char raw[SEV_SOCKETS * AMD_HWID_MAX] = { 0 };
	struct sev_user_data_get_id2 id = { .address = (uintptr_t)raw,
		.length = sizeof(raw) };
	struct span s, one;
	enum err e;

	if ((e = sev_issue(d, SEV_GET_ID2, "GET_ID2", &id, why)) != ERR_OK)
		return e;
	if (id.length > sizeof(raw) || id.length % AMD_HWID_MAX != 0)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "GET_ID2: a length of %u", (unsigned)id.length);
	s = span_of(raw, id.length);
	while (span_take(&s, AMD_HWID_MAX, &one) == ERR_OK) {
		if (!span_all(one, 0))
			memcpy(f->chip[f->n_chips++], one.p, one.len);
	}
	if (f->n_chips == 0)
		return why_set(why, ERR_FORMAT, CLAUSE, "GET_ID2: no id");
	return ERR_OK;
}

enum err
sev_learn(struct sev_device *d, struct sev_facts *out, struct why *why)
{
	struct sev_facts f = { .product = AMD_PRODUCT_N };
	uint32_t eax;
	enum err e;

	if ((e = learn_status(d, &f, why)) != ERR_OK ||
	    (e = learn_id(d, &f, why)) != ERR_OK)
		return e;
	if (d->cpuid(d, &eax))
		f.product = amd_product_of_eax(eax);
	*out = f;
	return ERR_OK;
}
