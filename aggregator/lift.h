/* lift.h - how a person's interests differ from the site's, and what stands behind that. Pure. */
#ifndef SENTIER_LIFT_H
#define SENTIER_LIFT_H

#include <stdint.h>

enum {
    LIFT_PRIOR = 5, /* scores of the site's mix that each person is given beforehand */
    LIFT_FAIR_VISITS = 3,
    LIFT_HIGH_VISITS = 8,
};

/* Scores of one topic, and of all of them together, in thousandths. */
struct interest_mix {
    int64_t score, all;
};

/* The person's share of the topic, smoothed, in the site's: 1 is as the site, 3 three times as
 * much. 0: the site has no interest in it to compare with. */
double lift_of(struct interest_mix person, struct interest_mix site);

/* By the visits that show the interest. */
enum lift_confidence { CONFIDENCE_LOW, CONFIDENCE_FAIR, CONFIDENCE_HIGH };
enum lift_confidence lift_confidence(uint64_t visits);
const char *lift_confidence_name(enum lift_confidence c);

/* How probably an average visitor would have passed by a link n times, of which a share of rate
 * leads to an opening: (1 - rate)^n. */
double lift_chance(double rate, uint64_t n);

#endif
