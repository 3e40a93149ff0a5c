/*
 * Macros of libraries, as cppcheck may see them: it does not read the
 * system's headers.
 */
#define __attribute__(x)
#define TAILQ_HEAD(name, type)                                                 \
	struct {                                                               \
		struct type *first, **last;                                    \
	}
#define TAILQ_ENTRY(type)                                                      \
	struct {                                                               \
		struct type *next, **prev;                                     \
	}
#define LIST_HEAD(name, type)                                                  \
	struct {                                                               \
		struct type *first;                                            \
	}
#define LIST_ENTRY(type)                                                       \
	struct {                                                               \
		struct type *next, **prev;                                     \
	}
#define TAILQ_FOREACH(var, head, field)                                        \
	for ((var) = (head)->first; (var) != NULL; (var) = (var)->field.next)
#define json_array_foreach(a, i, v)                                            \
	for ((i) = 0; ((v) = json_array_get((a), (i))) != NULL; (i)++)
#define json_object_foreach(o, k, v)                                           \
	for ((k) = object_key(o); ((v) = object_value(o, k)) != NULL;          \
	     (k) = object_next(o, k))
