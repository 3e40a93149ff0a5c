#include "server/judges.h"

#include "config/base/mbox.h"
#include "config/base/must.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

struct judges {
	pthread_mutex_t mu;
	pthread_cond_t work;
	struct judge_job *first, **last;
	size_t n, max;
	bool ending;
	unsigned n_threads;
	pthread_t *threads;
};

/* Jobs run before the first of them is sent home. */
#define AT_ONCE 8

/* The next jobs, a chain; NULL: none will come any more. */
static struct judge_job *
next_jobs(struct judges *j)
{
	struct judge_job *first, **end = &first;
	size_t share, n = 0;

	pthread_mutex_lock(&j->mu);
	while (j->first == NULL && !j->ending)
		pthread_cond_wait(&j->work, &j->mu);
	share = j->n / j->n_threads;
	while (j->first != NULL && (n == 0 || (n < share && n < AT_ONCE))) {
		*end = j->first;
		end = &j->first->next;
		j->first = j->first->next;
		n++;
	}
	*end = NULL;
	if (j->first == NULL)
		j->last = &j->first;
	j->n -= n;
	pthread_mutex_unlock(&j->mu);
	return first;
}

static void *
judge_main(void *arg)
{
	struct judges *j = arg;
	struct judge_job *first, *job;

	(void)prctl(PR_SET_NAME, "judge");
	while ((first = next_jobs(j)) != NULL) {
		for (job = first; job != NULL; job = job->next)
			job->run(job);
		wakes_hold();
		while ((job = first) != NULL) {
			first = job->next;
			job->done(job);
		}
		wakes_go();
	}
	return NULL;
}

struct judges *
judges_new(unsigned threads, size_t queue_max)
{
	struct judges *j = xcalloc(1, sizeof(*j));
	unsigned i;

	must(threads > 0 && queue_max > 0);
	must(pthread_mutex_init(&j->mu, NULL) == 0);
	must(pthread_cond_init(&j->work, NULL) == 0);
	j->last = &j->first;
	j->max = queue_max;
	j->n_threads = threads;
	j->threads = xcalloc(threads, sizeof(*j->threads));
	for (i = 0; i < threads; i++)
		must(pthread_create(&j->threads[i], NULL, judge_main, j) == 0);
	return j;
}

void
judges_free(struct judges *j)
{
	unsigned i;

	if (j == NULL)
		return;
	pthread_mutex_lock(&j->mu);
	j->ending = true;
	pthread_cond_broadcast(&j->work);
	pthread_mutex_unlock(&j->mu);
	for (i = 0; i < j->n_threads; i++)
		must(pthread_join(j->threads[i], NULL) == 0);
	must(j->first == NULL);
	pthread_mutex_destroy(&j->mu);
	pthread_cond_destroy(&j->work);
	free(j->threads);
	free(j);
}

static bool
submit(struct judges *j, struct judge_job *job, bool bounded)
{
	bool taken;

	pthread_mutex_lock(&j->mu);
	taken = !bounded || j->n < j->max;
	if (taken) {
		job->next = NULL;
		*j->last = job;
		j->last = &job->next;
		j->n++;
	}
	pthread_mutex_unlock(&j->mu);
	/* Outside: whoever wakes wants the lock. */
	if (taken)
		pthread_cond_signal(&j->work);
	return taken;
}

bool
judges_submit(struct judges *j, struct judge_job *job)
{
	return submit(j, job, true);
}

void
judges_again(struct judges *j, struct judge_job *job)
{
	(void)submit(j, job, false);
}

size_t
judges_waiting(struct judges *j)
{
	size_t n;

	pthread_mutex_lock(&j->mu);
	n = j->n;
	pthread_mutex_unlock(&j->mu);
	return n;
}

unsigned
judges_threads(const struct judges *j)
{
	return j->n_threads;
}
