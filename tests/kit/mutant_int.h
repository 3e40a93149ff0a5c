/* Private to tests/kit/mutant*.c. */
#ifndef TESTS_KIT_MUTANT_INT_H
#define TESTS_KIT_MUTANT_INT_H

#include "tests/kit/mutant.h"

/* A number that follows from the salt and the field's place. */
unsigned mutants_draw(struct mutants *);
/* Count one field; true: not this one. */
bool mutants_skip(struct mutants *);
/* Turn one bit of the field; "one" has its names. */
void mutants_field(struct mutants *, struct mutant *one, struct span whole,
    size_t at, size_t len);

#endif
