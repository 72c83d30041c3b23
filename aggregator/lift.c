/*
 * A person's share of a topic, taken from few visits, is wild: one visit alone would be a share of
 * 1. So each person is given LIFT_PRIOR of interest in the site's own mix beforehand, and what it
 * did moves that: nobody's lift is far from 1 before several visits have said so.
 */
#include "lift.h"

#include <math.h>

#include "interest.h"

double lift_of(struct interest_mix person, struct interest_mix site)
{
    const double prior = (double)LIFT_PRIOR * INTEREST_SCORE_ONE;
    if (site.score <= 0 || site.all <= 0) return 0;
    double site_share = (double)site.score / (double)site.all;
    double share = ((double)person.score + prior * site_share) / ((double)person.all + prior);
    return share / site_share;
}

enum lift_confidence lift_confidence(uint64_t visits)
{
    if (visits >= LIFT_HIGH_VISITS) return CONFIDENCE_HIGH;
    return visits >= LIFT_FAIR_VISITS ? CONFIDENCE_FAIR : CONFIDENCE_LOW;
}

const char *lift_confidence_name(enum lift_confidence c)
{
    static const char *const names[] = {"low", "fair", "high"};
    return names[c];
}

double lift_chance(double rate, uint64_t n)
{
    return pow(1 - rate, (double)n);
}
