/*
 * Real input: Intel's signed collateral, served by the replay form of the
 * simulator at the manifest's time, and a corrupted twin of each piece.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/run.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- sets ------------------------------------------------------------- */

#define SETS_MAX   40
#define PIECES_MAX 8

struct piece {
	char target[160];
	const char *asked;  /* what the simulator counts, a pattern */
	const char *header; /* of the chain; NULL: none */
	struct blob *body;  /* as the route answers it */
	struct blob *chain; /* PEM */
	time_t from, until;
};
struct set {
	char dir[512];
	time_t check_at; /* of its first case in the manifest */
	size_t n;
	struct piece pieces[PIECES_MAX];
};

static struct blob *
set_file(const struct set *s, const char *name)
{
	char path[600];
	struct blob *b;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	b = file_read(path);
	ck_assert_msg(b != NULL, "%s", path);
	return b;
}

static time_t
member_time(json_t *v, const char *name)
{
	time_t t = 0;

	ck_assert_int_eq(time_read(span_str(json_string_value(
				       json_object_get(v, name))),
			     &t),
	    ERR_OK);
	return t;
}

/* Adds nothing for the format of API 3, which is never asked for. */
static void
set_json(struct set *s, const char *file, const char *member,
    const char *chain_file)
{
	struct blob *body = set_file(s, file);
	json_t *root = json_loadb((char *)body->data, body->len, 0, NULL);
	json_t *v = json_object_get(root, member);
	const char *id = json_string_value(json_object_get(v, "id"));
	const char *fmspc = json_string_value(json_object_get(v, "fmspc"));
	struct piece *p = &s->pieces[s->n];

	if (id != NULL) {
		if (fmspc != NULL)
			snprintf(p->target, sizeof(p->target),
			    "/%s/certification/v4/tcb?fmspc=%s",
			    strcmp(id, "TDX") == 0 ? "tdx" : "sgx", fmspc);
		else
			snprintf(p->target, sizeof(p->target),
			    "/%s/certification/v4/qe/identity",
			    strcmp(id, "TD_QE") == 0 ? "tdx" : "sgx");
		p->asked = fmspc != NULL ? "*/tcb[?]*" : "*/qe/identity*";
		p->header = fmspc != NULL ? "TCB-Info-Issuer-Chain"
					  : "SGX-Enclave-Identity-Issuer-Chain";
		p->from = member_time(v, "issueDate");
		p->until = member_time(v, "nextUpdate");
		p->body = blob_ref(body);
		p->chain = set_file(s, chain_file);
		s->n++;
	}
	json_decref(root);
	blob_unref(body);
}

static time_t
asn1_time(const ASN1_TIME *t)
{
	struct tm tm;

	must(ASN1_TIME_to_tm(t, &tm) == 1);
	return timegm(&tm);
}

static struct blob *
hex_text(const struct blob *der)
{
	struct buf b = BUF_INIT;

	buf_hex(&b, blob_span(der));
	return buf_blob(&b);
}

static void
set_crl(struct set *s, const char *file, bool hex)
{
	struct blob *der = set_file(s, file);
	const unsigned char *at = der->data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der->len);
	struct piece *p = &s->pieces[s->n++];
	char issuer[200];

	must(crl != NULL);
	X509_NAME_oneline(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
	if (strstr(issuer, "Root CA") != NULL) {
		snprintf(p->target, sizeof(p->target),
		    "/sgx/certification/v4/rootcacrl");
		p->asked = "/intelsgxrootca.der";
	} else {
		snprintf(p->target, sizeof(p->target),
		    "/sgx/certification/v4/pckcrl?ca=%s%s",
		    strstr(issuer, "Platform") != NULL ? "platform"
						       : "processor",
		    hex ? "" : "&encoding=der");
		p->asked = "*/pckcrl*";
		p->header = "SGX-PCK-CRL-Issuer-Chain";
		p->chain = set_file(s, "pck_crl_issuer_chain.pem");
	}
	p->from = asn1_time(X509_CRL_get0_lastUpdate(crl));
	p->until = asn1_time(X509_CRL_get0_nextUpdate(crl));
	p->body = hex ? hex_text(der) : blob_ref(der);
	X509_CRL_free(crl);
	blob_unref(der);
}

static void
set_read(struct set *s)
{
	set_json(s, "tcb_info.json", "tcbInfo", "tcb_info_issuer_chain.pem");
	set_json(s, "qe_identity.json", "enclaveIdentity",
	    "qe_identity_issuer_chain.pem");
	set_crl(s, "pck_crl.der", true);
	set_crl(s, "pck_crl.der", false);
	set_crl(s, "root_ca_crl.der", true);
}

static void
set_fini(struct set *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		blob_unref(s->pieces[i].body);
		blob_unref(s->pieces[i].chain);
	}
	s->n = 0;
}

static time_t
manifest_time(json_t *cases, const char *name)
{
	const char *collateral;
	json_t *item;
	size_t i;

	json_array_foreach(cases, i, item)
	{
		collateral =
		    json_string_value(json_object_get(item, "collateral"));
		if (collateral != NULL &&
		    strcmp(strrchr(collateral, '/') + 1, name) == 0)
			return json_integer_value(
			    json_object_get(item, "check_time"));
	}
	return 0;
}

/* The sets of one folder, "sgx" or "tdx". */
static size_t
sets_add(struct set *v, size_t n, const char *tee)
{
	char path[400];
	struct dirent **e;
	json_t *cases;
	int i, len;

	snprintf(path, sizeof(path), "%s/%s/cases.json", vectors_dir(), tee);
	cases = json_load_file(path, 0, NULL);
	snprintf(path, sizeof(path), "%s/%s/collateral", vectors_dir(), tee);
	len = scandir(path, &e, NULL, alphasort);
	must(len > 2);
	for (i = 0; i < len; i++) {
		if (e[i]->d_name[0] != '.') {
			must(n < SETS_MAX);
			v[n].n = 0;
			snprintf(v[n].dir, sizeof(v[n].dir), "%.240s/%.200s",
			    path, e[i]->d_name);
			v[n].check_at =
			    manifest_time(json_object_get(cases, "cases"),
				e[i]->d_name);
			must(v[n].check_at != 0);
			n++;
		}
		free(e[i]);
	}
	free(e);
	json_decref(cases);
	return n;
}

static struct set sets[SETS_MAX];
static size_t n_sets;

static void
sets_find(void)
{
	n_sets = sets_add(sets, 0, "sgx");
	n_sets = sets_add(sets, n_sets, "tdx");
}

/* --- a house at a time ------------------------------------------------ */

static void
clock_at(time_t at)
{
	clock_offset_set(clock_offset() + at - clock_now());
}

/* The manifest's moment; where the capture mixes pieces that were never
 * valid together, a moment of the piece's own. */
static bool
clock_for(const struct set *s, const struct piece *p)
{
	bool fits = p->from <= s->check_at && s->check_at < p->until;

	clock_at(fits ? s->check_at : p->from + 3600);
	return fits;
}

static void
replay_start(struct house *h, struct set *s)
{
	const char *dir = s->dir;
	struct sim_opts sim = { .n_replay = 1, .replay = &dir };
	struct house_opts o = { .sim = &sim, .real_roots = true };

	clock_at(s->check_at);
	house_start(h, &o);
	set_read(s);
}

static void
replay_stop(struct house *h, struct set *s)
{
	set_fini(s);
	house_stop(h);
}

/* --- what an answer must be ------------------------------------------- */

static void
check_chain(const struct edge_reply *r, const struct piece *p)
{
	struct buf pem = BUF_INIT;
	const char *value;

	if (p->header == NULL)
		return;
	value = edge_header(r, p->header);
	ck_assert_ptr_nonnull(value);
	ck_assert_int_eq(pct_read(span_str(value), &pem), ERR_OK);
	ck_assert_msg(span_eq(buf_view(&pem), blob_span(p->chain)),
	    "chain of %s", p->target);
	buf_free(&pem);
}

static void
check_served(const struct house *h, const struct piece *p, const char *cache)
{
	struct edge_reply r = house_get(h, p->target);

	ck_assert_msg(r.status == 200, "%s: %d %s", p->target, r.status,
	    r.text);
	ck_assert_msg(span_eq(span_of(r.body, r.len), blob_span(p->body)),
	    "body of %s", p->target);
	if (cache != NULL)
		ck_assert_str_eq(edge_header(&r, "X-Cache"), cache);
	check_chain(&r, p);
	edge_reply_free(&r);
}

START_TEST(test_every_set_is_served_byte_for_byte)
{
	struct set *s = &sets[_i];
	struct house h;
	size_t i, own = 0;

	replay_start(&h, s);
	ck_assert_uint_ge(s->n, 4);
	for (i = 0; i < s->n; i++) {
		own += !clock_for(s, &s->pieces[i]);
		check_served(&h, &s->pieces[i], NULL);
		check_served(&h, &s->pieces[i], "HIT");
	}
	/* One captured CRL had ended before its TCB info was issued. */
	ck_assert_uint_le(own, 3);
	replay_stop(&h, s);
}
END_TEST

START_TEST(test_what_has_expired_is_refused)
{
	struct set *s = &sets[_i];
	struct edge_reply r;
	struct house h;
	size_t i;

	replay_start(&h, s);
	clock_at(s->check_at + 5 * 365 * 86400);
	for (i = 0; i < s->n; i++) {
		r = house_get(&h, s->pieces[i].target);
		ck_assert_int_eq(r.status, 502);
		ck_assert_ptr_nonnull(edge_header(&r, "Larder-Reason"));
		edge_reply_free(&r);
	}
	replay_stop(&h, s);
}
END_TEST

/* --- twins ------------------------------------------------------------ */

struct twin {
	enum sim_fault_kind kind;
	long at;   /* thousandths of the length */
	long tail; /* bytes from the end, instead */
	const char *what;
};
static const struct twin twins[] = {
	{ SIM_CORRUPT, 300, 0, "a signed byte" },
	{ SIM_CORRUPT, 700, 0, "another signed byte" },
	{ SIM_CORRUPT, 0, 40, "a byte of the signature" },
	{ SIM_BAD_CHAIN, 100, 0, "a byte of the signer" },
	{ SIM_BAD_CHAIN, 380, 0, "a byte of the signer's signature" },
	{ SIM_BAD_CHAIN, 700, 0, "a byte of the root" },
	{ SIM_NO_CHAIN, 0, 0, "no chain" },
};
#define N_TWINS (sizeof(twins) / sizeof(twins[0]))

/* False when there is no such twin of this piece. */
static bool
twin_add(struct house *h, const struct piece *p, const struct twin *t)
{
	struct sim_fault f = { .kind = t->kind,
		.path = p->asked,
		.arg = t->at };
	size_t len = p->body->len;

	if (t->kind != SIM_CORRUPT && p->header == NULL)
		return false;
	if (strstr(p->target, "crl") != NULL &&
	    strstr(p->target, "encoding=der") == NULL)
		len /= 2; /* answered as hex, asked for as DER */
	if (t->tail != 0)
		f.arg = (long)((len - (size_t)t->tail) * 1000 / len);
	sim_fault_add(h->sim, &f);
	return true;
}

static int
ask_open(const struct house *h, const char *target)
{
	char text[300];
	int fd = edge_open(h->port);

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n",
	    target);
	edge_send(fd, text);
	return fd;
}

/* Every piece valid now, all spoilt in one way and asked for at once; how
 * many there are. */
static unsigned
refused(struct house *h, const struct set *s, const struct twin *t)
{
	struct edge_reply r;
	bool spoilt[PIECES_MAX];
	int fd[PIECES_MAX];
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		spoilt[i] = clock_for(s, &s->pieces[i]) &&
			    twin_add(h, &s->pieces[i], t);
	clock_at(s->check_at);
	for (i = 0; i < s->n; i++)
		if (spoilt[i])
			fd[i] = ask_open(h, s->pieces[i].target);
	for (i = 0; i < s->n; i++) {
		if (!spoilt[i])
			continue;
		edge_read(fd[i], &r, false);
		close(fd[i]);
		ck_assert_msg(r.status == 502, "%s: %s: %d",
		    s->pieces[i].target, t->what, r.status);
		ck_assert_ptr_nonnull(edge_header(&r, "Larder-Reason"));
		edge_reply_free(&r);
		n++;
	}
	return n;
}

START_TEST(test_a_corrupted_twin_is_refused_and_not_kept)
{
	struct set *s = &sets[_i / (int)N_TWINS * 3];
	const struct twin *t = &twins[_i % (int)N_TWINS];
	struct house h;
	size_t i;

	replay_start(&h, s);
	ck_assert_uint_ge(refused(&h, s, t), 2);
	sim_fault_clear(h.sim);
	/* Nothing of it is on disk or in memory. */
	house_restart(&h, &(struct house_opts){ .real_roots = true });
	for (i = 0; i < s->n; i++) {
		(void)clock_for(s, &s->pieces[i]);
		check_served(&h, &s->pieces[i], NULL);
	}
	replay_stop(&h, s);
}
END_TEST

START_TEST(test_a_corrupted_twin_does_not_take_the_place_of_the_held)
{
	struct set *s = &sets[_i];
	struct edge_reply r;
	const struct piece *p;
	struct house h;
	size_t i, j;

	replay_start(&h, s);
	for (i = 0; i < s->n; i++) {
		p = &s->pieces[i];
		(void)clock_for(s, p);
		check_served(&h, p, NULL);
		for (j = 0; j < N_TWINS; j++) {
			sim_fault_clear(h.sim);
			if (!twin_add(&h, p, &twins[j]))
				continue;
			r = house_admin(&h, "POST",
			    "/sgx/certification/v4/refresh", "");
			ck_assert_msg(r.status != 200, "%s: %s", p->target,
			    twins[j].what);
			edge_reply_free(&r);
			check_served(&h, p, "HIT");
		}
		sim_fault_clear(h.sim);
	}
	replay_stop(&h, s);
}
END_TEST

/* --- PCK certificates ------------------------------------------------- */

/* What its platform would ask with; "pck" is the leaf of the file. */
static char *
pck_target(const struct pck *pck)
{
	char hex[33], svn[33], ppid[769];
	struct buf b = BUF_INIT;

	memset(ppid, '0', 768);
	ppid[768] = '\0';
	hex_upper(span_of(pck->ppid, 16), hex);
	memcpy(ppid, hex, 32);
	hex_upper(span_of(pck->cpusvn, 16), svn);
	buf_printf(&b,
	    "/sgx/certification/v4/pckcert?qeid=%s&encrypted_ppid=%s&"
	    "cpusvn=%s&pcesvn=%02X%02X&pceid=0000",
	    hex, ppid, svn, pck->pcesvn & 0xff, pck->pcesvn >> 8);
	buf_add(&b, "", 1);
	return b.p;
}

static void
check_pck(const struct house *h, const char *file)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	struct blob *pem = vector_read(file);
	struct edge_reply r;
	struct buf chain = BUF_INIT;
	struct pck pck;
	size_t cut;
	char *target;
	BIO *bio;
	X509 *x;

	ck_assert_ptr_nonnull(pem);
	bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	ck_assert_int_eq(pck_read(x, &pck, NULL), ERR_OK);
	target = pck_target(&pck);
	r = house_get(h, target);
	ck_assert_msg(r.status == 200, "%s: %d %s", file, r.status, r.text);
	cut = (size_t)(strstr((char *)pem->data, end) - (char *)pem->data) +
	      sizeof(end) - 1;
	ck_assert(span_eq(span_of(r.body, r.len), span_of(pem->data, cut)));
	ck_assert_int_eq(pct_read(span_str(edge_header(&r,
				      "SGX-PCK-Certificate-Issuer-Chain")),
			     &chain),
	    ERR_OK);
	ck_assert(span_eq(buf_view(&chain),
	    span_of(pem->data + cut, pem->len - cut)));
	buf_free(&chain);
	edge_reply_free(&r);
	free(target);
	X509_free(x);
	BIO_free(bio);
	blob_unref(pem);
}

START_TEST(test_real_pck_certificates)
{
	char pcks[600], set[600];
	const char *dirs[] = { set, pcks };
	struct sim_opts sim = { .n_replay = 2, .replay = dirs };
	struct house_opts o = { .sim = &sim, .real_roots = true };
	struct house h;

	snprintf(set, sizeof(set), "%s/sgx/collateral/sgx-00A067110000-2025-06",
	    vectors_dir());
	snprintf(pcks, sizeof(pcks), "%s/sgx/pck", vectors_dir());
	clock_at(1751624924); /* a check time of the set */
	house_start(&h, &o);
	check_pck(&h, "sgx/pck/v3-00A067110000-743a7a64.pem");
	check_pck(&h, "sgx/pck/v3-00A067110000-f8b81014.pem");
	house_stop(&h);
}
END_TEST

/* --- the program itself ----------------------------------------------- */

START_TEST(test_larderd_at_the_time_of_the_capture)
{
	/* An SGX and a TDX set, whole at their times. */
	struct set *s = &sets[_i == 0 ? 0 : n_sets - 1];
	const char *dir = s->dir;
	struct sim_opts so = { .n_replay = 1, .replay = &dir };
	struct daemon_run d;
	struct house h = { 0 };
	struct sim *sim;
	char text[800];
	size_t i;

	set_read(s);
	clock_at(s->check_at);
	sim = sim_start(&so);
	ck_assert_ptr_nonnull(sim);
	snprintf(text, sizeof(text),
	    "{\"database\":\"sqlite:%s\",\"listen\":[{\"address\":"
	    "\"127.0.0.1:0\",\"serve\":[\"pccs\"]}],\"upstream\":{\"pcs\":"
	    "{\"urls\":[\"%s\"],\"root_crl_urls\":[\"%s\"]}}}",
	    run_path(_i == 0 ? "sgx.db" : "tdx.db"), sim_url(sim),
	    sim_root_url(sim));
	run_faketime(clock_offset());
	ck_assert(daemon_run_start("replay", text, &d));
	h.port = d.port[0];
	for (i = 0; i < s->n; i++) {
		ck_assert(clock_for(s, &s->pieces[i]));
		check_served(&h, &s->pieces[i], NULL);
		check_served(&h, &s->pieces[i], "HIT");
	}
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	sim_stop(sim);
	set_fini(s);
}
END_TEST

static Suite *
replay_suite(void)
{
	Suite *s = suite_create("replay");
	TCase *t = tcase_create("all");
	int n = (int)n_sets;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_every_set_is_served_byte_for_byte, 0, n);
	tcase_add_loop_test(t, test_what_has_expired_is_refused, 0, n);
	tcase_add_loop_test(t, test_a_corrupted_twin_is_refused_and_not_kept, 0,
	    (n + 2) / 3 * (int)N_TWINS);
	tcase_add_loop_test(t,
	    test_a_corrupted_twin_does_not_take_the_place_of_the_held, 0, n);
	tcase_add_test(t, test_real_pck_certificates);
	if (run_faketime_fits())
		tcase_add_loop_test(t, test_larderd_at_the_time_of_the_capture,
		    0, 2);
	else
		printf("skipped: 2 faketime beside a sanitizer\n");
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r;
	int failed;

	if (!vectors_present()) {
		vectors_skipped(77);
		return 0;
	}
	sets_find();
	(void)run_dir();
	r = srunner_create(replay_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
