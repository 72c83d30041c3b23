/*
 * 2^x for a fraction x of 16 bits is a product of at most 16 roots of 2, one per bit; log2 finds 16
 * bits of fraction by squaring. Both are exact to about one part in 50,000, and the same
 * everywhere, which floating point is not: the sums of two machines must be the same bytes.
 *
 * A year has 12.2 half-lives, so a sum of visits at its end has 13 more bits than one at its
 * beginning: a visit of 256 pageviews of 30 minutes adds less than 2^30, and 63 bits hold them all.
 */
#include "interest.h"

#include <assert.h>

#include "clock.h"

#define DAY_MS       INT64_C(86400000)
#define HALF_LIFE_MS (INTEREST_HALF_LIFE_DAYS * DAY_MS)

enum { ONE_BITS = 30, FRACTION_BITS = 16, TEN_SECONDS_MS = 10000, WEIGHT_BITS = 16, SUM_BITS = 12 };

/* 2^(1/2), 2^(1/4), ... times 2^30. */
static const uint32_t roots[FRACTION_BITS] = {
    1518500250, 1276901417, 1170923762, 1121280436, 1097253708, 1085434106, 1079572136, 1076653033,
    1075196443, 1074468888, 1074105294, 1073923544, 1073832680, 1073787251, 1073764537, 1073753181,
};

/* 2^(x / 2^16) times 2^30, x at most 2^16. */
static uint64_t power_of_2(uint32_t x)
{
    uint64_t power = UINT64_C(1) << (ONE_BITS + (x >> FRACTION_BITS));
    for (int i = 0; i < FRACTION_BITS; i++) {
        if (x >> (FRACTION_BITS - 1 - i) & 1)
            power = (power * roots[i] + (UINT64_C(1) << (ONE_BITS - 1))) >> ONE_BITS;
    }
    return power;
}

/* log2(x) times 2^16, x > 0. */
static uint32_t log_of_2(uint32_t x)
{
    uint32_t whole = 31 - (uint32_t)__builtin_clz(x);
    uint32_t log = whole << FRACTION_BITS;
    uint64_t y = (uint64_t)x << (31 - whole); /* 1 <= y < 2, times 2^31 */
    for (int bit = FRACTION_BITS - 1; bit >= 0; bit--) {
        y = y * y >> 31;
        if (y >> 32) {
            log |= UINT32_C(1) << bit;
            y >>= 1;
        }
    }
    return log;
}

static int64_t landmark_ms(uint32_t year)
{
    return (int64_t)date_to_day((int)year, 1, 1) * DAY_MS;
}

uint32_t interest_year(int64_t at_ms)
{
    int year, month, mday;
    day_to_date((uint32_t)(at_ms / DAY_MS), &year, &month, &mday);
    return (uint32_t)year;
}

uint32_t interest_weight(uint32_t engaged_ms, uint32_t depth, bool interaction, bool goal)
{
    uint32_t weight = log_of_2(TEN_SECONDS_MS + engaged_ms) - log_of_2(TEN_SECONDS_MS);
    if (depth >= INTEREST_DEPTH) weight += INTEREST_WEIGHT_ONE / 2;
    if (interaction) weight += INTEREST_WEIGHT_ONE;
    if (goal) weight += 3 * INTEREST_WEIGHT_ONE;
    return weight;
}

/* A time as half-lives: whole ones, and a fraction of 16 bits. */
struct half_lives {
    uint32_t whole, fraction;
};

static struct half_lives half_lives_of(int64_t ms)
{
    return (struct half_lives){
        .whole = (uint32_t)(ms / HALF_LIFE_MS),
        .fraction = (uint32_t)((ms % HALF_LIFE_MS << FRACTION_BITS) / HALF_LIFE_MS),
    };
}

int64_t interest_amount(uint32_t weight, int64_t at_ms)
{
    struct half_lives h = half_lives_of(at_ms - landmark_ms(interest_year(at_ms)));
    enum { TOO_MANY = WEIGHT_BITS + ONE_BITS - SUM_BITS };
    uint64_t grown = weight * power_of_2(h.fraction) << h.whole;
    assert(h.whole < 13 && weight < 21 * INTEREST_WEIGHT_ONE);
    return (int64_t)((grown + (UINT64_C(1) << (TOO_MANY - 1))) >> TOO_MANY);
}

/* 2^-(w + f) = 2^(1 - f) / 2^(w + 1) */
int64_t interest_score(int64_t sum, uint32_t year, int64_t now_ms)
{
    int64_t since = now_ms - landmark_ms(year);
    if (sum <= 0) return 0; /* a page that was given up and came again */
    if (since < 0) since = 0;
    struct half_lives h = half_lives_of(since);
    if (h.whole > 64) return 0; /* no sum is left of that */
    unsigned __int128 score = (unsigned __int128)(uint64_t)sum * INTEREST_SCORE_ONE *
                              power_of_2((1u << FRACTION_BITS) - h.fraction);
    unsigned bits = SUM_BITS + ONE_BITS + 1 + h.whole;
    return (int64_t)((score + ((unsigned __int128)1 << (bits - 1))) >> bits);
}
