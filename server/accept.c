#include "server/accept.h"

#include <string.h>

/* OWS of RFC 9110 5.6.3. */
static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_of(s.p + 1, s.len - 1);
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Up to the next "stop" that is not in a quoted string; false: no more. */
static bool
part_next(struct span *rest, unsigned char stop, struct span *out)
{
	bool quoted = false;
	size_t i;

	if (rest->p == NULL)
		return false;
	for (i = 0; i < rest->len && (quoted || rest->p[i] != stop); i++)
		if (rest->p[i] == '"')
			quoted = !quoted;
		else if (quoted && rest->p[i] == '\\')
			i++;
	if (i > rest->len)
		i = rest->len;
	*out = trim(span_of(rest->p, i));
	*rest = i == rest->len ? SPAN_NONE
			       : span_of(rest->p + i + 1, rest->len - i - 1);
	return true;
}

bool
type_is(struct span type, const char *want)
{
	struct span name;

	return part_next(&type, ';', &name) && span_eq_nocase(name, want);
}

/* RFC 9110 12.4.2 in thousandths; 0 for what is no weight. */
static int
weight_read(struct span s)
{
	int v = 0, unit = 1000;
	size_t i;

	if (s.len == 0 || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') ||
	    (s.len > 1 && s.p[1] != '.'))
		return 0;
	for (i = 0; i < s.len; i++) {
		if (i == 1)
			continue;
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		v += (s.p[i] - '0') * unit;
		unit /= 10;
	}
	return v <= 1000 ? v : 0;
}

/* The weight among the parameters of one item. */
static int
item_weight(struct span parameters)
{
	struct span p;

	while (part_next(&parameters, ';', &p))
		if (p.len >= 2 && (p.p[0] == 'q' || p.p[0] == 'Q') &&
		    p.p[1] == '=')
			return weight_read(span_of(p.p + 2, p.len - 2));
	return 1000;
}

enum fit { FIT_NONE, FIT_ANY, FIT_FAMILY, FIT_FULL };

static enum fit
item_fit(struct span range, const char *type)
{
	size_t family = strcspn(type, "/") + 1;
	char room[40];

	if (span_eq_nocase(range, type))
		return FIT_FULL;
	if (span_eq_str(range, "*/*"))
		return FIT_ANY;
	if (range.len != family + 1 || family >= sizeof(room) ||
	    range.p[family] != '*')
		return FIT_NONE;
	memcpy(room, type, family);
	room[family] = '\0';
	return span_eq_nocase(span_of(range.p, family), room) ? FIT_FAMILY
							      : FIT_NONE;
}

/* The weight that the most specific range gives this type. */
static int
weight_of(struct span accept, const char *type, enum fit *best)
{
	struct span item, range;
	int weight = 0;
	enum fit fit;

	*best = FIT_NONE;
	while (part_next(&accept, ',', &item)) {
		if (!part_next(&item, ';', &range))
			continue;
		fit = item_fit(range, type);
		if (fit == FIT_NONE || fit < *best)
			continue;
		*best = fit;
		weight = item_weight(item);
	}
	return weight;
}

bool
accept_prefers(struct span accept, const char *type, const char *usual)
{
	enum fit fit, other;
	int weight = weight_of(accept, type, &fit);

	return fit == FIT_FULL && weight > 0 &&
	       weight >= weight_of(accept, usual, &other);
}
