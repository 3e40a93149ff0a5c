/*
 * Broken invariants and lack of memory end the process at once, with a
 * message.  Hostile input never ends here: it is an enum err.
 */
#ifndef CONFIG_BASE_MUST_H
#define CONFIG_BASE_MUST_H

#include <stddef.h>

#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))

_Noreturn void must_failed(const char *what, const char *file, int line);

/* As the library's, but never NULL: the process aborts. Free with free(). */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *, size_t n, size_t size);
char *xstrdup(const char *);
char *xstrndup(const char *, size_t);
void *xmemdup(const void *, size_t);

/*
 * Long-lived objects begin with a magic number.  A void * callback argument
 * is cast once, in the first line of the callback:
 *     struct flight *f = obj_cast(arg, FLIGHT_MAGIC);
 */
void *obj_cast(void *arg, unsigned magic);

#endif
