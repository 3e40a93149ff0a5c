/*
 * What this machine says of its own AMD processors: /dev/sev's platform
 * commands (SNP_PLATFORM_STATUS, GET_ID2), and the CPUID beside them.
 * Private to server/cli/.  One thread.
 */
#ifndef SERVER_CLI_SEV_H
#define SERVER_CLI_SEV_H

#include "storage/verify/amd.h"

#define SEV_DEVICE  "/dev/sev"
#define SEV_SOCKETS 2

/* The device, or a fake one. */
struct sev_device {
	/*
	 * One command: "data" is its argument as the kernel wants it.  0, or
	 * an errno; *fw is the firmware's own code (psp-sev.h).
	 */
	int (*issue)(struct sev_device *, uint32_t cmd, void *data,
	    uint32_t *fw);
	/* CPUID(1).EAX; false: no x86 processor. */
	bool (*cpuid)(struct sev_device *, uint32_t *eax);
	int fd;
};

struct sev_facts {
	enum amd_product product; /* AMD_PRODUCT_N: not to be found out */
	size_t n_chips;
	unsigned char chip[SEV_SOCKETS][AMD_HWID_MAX]; /* CHIP_ID, whole */
	struct amd_tcb reported, current;
	bool chip_id_masked; /* reports hold zeros instead */
	bool vlek;           /* a VLEK is loaded and may sign reports */
};

enum err sev_open(const char *path, struct sev_device *out,
    struct why *) MUST_CHECK;
void sev_close(struct sev_device *);
/* Ask for everything; ERR_IO, ERR_FORMAT. */
enum err sev_learn(struct sev_device *, struct sev_facts *out,
    struct why *) MUST_CHECK;

#endif
