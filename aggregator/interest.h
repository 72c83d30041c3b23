/*
 * interest.h - how much a visit to a page says of a person's interest, and how that fades. Whole
 * numbers only, so that every machine gets the same; sums are exact and take any order.
 *
 *   weight  w = log2(1 + engaged_s / 10) + 0.5 (depth >= 75 %) + 1 (interaction) + 3 (goal)
 *   score   = sum of w * 2^(-(now - at) / 30 days)
 *
 * Kept as forward decay: what a visit adds is w * 2^((at - landmark) / 30 days), the landmark being
 * 1 January, 00:00 UTC, of its year. It never changes as time goes on; only reading divides.
 */
#ifndef SENTIER_INTEREST_H
#define SENTIER_INTEREST_H

#include <stdbool.h>
#include <stdint.h>

enum {
    INTEREST_HALF_LIFE_DAYS = 30,
    INTEREST_DEPTH = 75, /* %: from here on it was read to the end */
    INTEREST_WEIGHT_ONE = 1 << 16,
    INTEREST_SUM_ONE = 1 << 12, /* of a visit at the landmark */
    INTEREST_SCORE_ONE = 1000,
};

uint32_t interest_year(int64_t at_ms); /* UTC; at_ms >= 0 */
uint32_t interest_weight(uint32_t engaged_ms, uint32_t depth, bool interaction, bool goal);

/* What a visit of this weight adds to the sum of interest_year(at_ms). */
int64_t interest_amount(uint32_t weight, int64_t at_ms);
/* What a year's sum is worth at now_ms, which no visit in it is after. */
int64_t interest_score(int64_t sum, uint32_t year, int64_t now_ms);

#endif
