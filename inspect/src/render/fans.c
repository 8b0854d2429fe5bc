/* fans.c - spreads fans of objects over rows (see fans.h).
 *
 * Each object hangs on the first of those that hold it. Invariant: it comes behind that one in the
 * picture, so that what hangs on something is known once all behind it have been looked at. */
#include "render/fans.h"

#include <stdbool.h>

enum { ROW_MIN = 6 /* so many stand side by side in any case */ };

typedef struct fans {
    const rhi_picture *picture;
    uint16_t *rows;                                    /* of each arrow */
    uint16_t from[RHI_ARROWS_MAX], to[RHI_ARROWS_MAX]; /* places of objects in the picture */
    uint16_t in[RHI_DRAWN_MAX], out[RHI_DRAWN_MAX];    /* arrows to it, and from it */
    uint16_t hangs_by[RHI_DRAWN_MAX];                  /* 1 + that arrow; 0: none */
    uint16_t height[RHI_DRAWN_MAX];                    /* rows of it and of what hangs on it */
} fans;

static uint16_t place_of(const rhi_picture *p, uint32_t index)
{
    uint16_t i = 0;
    while (p->selection->nodes.items[i] != index)
        i++;
    return i;
}

static void look_at_arrows(fans *f)
{
    for (uint64_t a = 0; a < f->picture->arrow_count; a++) {
        f->rows[a] = 0;
        f->from[a] = place_of(f->picture, f->picture->arrows[a].from);
        f->to[a] = place_of(f->picture, f->picture->arrows[a].to);
        if (f->from[a] == f->to[a])
            continue;
        f->out[f->from[a]]++;
        f->in[f->to[a]]++;
        if (!f->hangs_by[f->to[a]] && f->from[a] < f->to[a])
            f->hangs_by[f->to[a]] = (uint16_t)(a + 1);
    }
}

/* In how many rows so many objects stand, each so many rows high: a picture is wider than high, and
 * so are objects. */
static uint16_t rows_for(uint16_t count, uint16_t height)
{
    uint16_t row = ROW_MIN;
    while (5u * row * row < 3u * count * height)
        row++;
    return (uint16_t)((count + row - 1) / row);
}

/* Puts what hangs on the object into rows: the first ones below each other, for arrows that pass
 * have their way between columns. */
static void spread_below(fans *f, uint16_t place)
{
    uint16_t count = 0, highest = 0, at = 0;
    for (uint64_t a = 0; a < f->picture->arrow_count; a++)
        if (f->from[a] == place && f->hangs_by[f->to[a]] == a + 1) {
            highest = f->height[f->to[a]] > highest ? f->height[f->to[a]] : highest;
            count++;
        }
    uint16_t rows = rows_for(count, highest);
    f->height[place] = (uint16_t)(1 + rows * highest);
    for (uint64_t a = 0; a < f->picture->arrow_count && rows > 1; a++)
        if (f->from[a] == place && f->hangs_by[f->to[a]] == a + 1)
            f->rows[a] = (uint16_t)(1 + at++ % rows * highest);
}

static bool is_above(const fans *f, uint64_t arrow, uint16_t place)
{
    uint16_t from = f->from[arrow];
    return f->to[arrow] == place && f->in[from] == 0 && f->out[from] == 1;
}

/* The same of those that hold the object and nothing else, and that nothing holds here. */
static void spread_above(fans *f, uint16_t place)
{
    uint16_t count = 0, at = 0;
    for (uint64_t a = 0; a < f->picture->arrow_count; a++)
        count += is_above(f, a, place);
    uint16_t rows = rows_for(count, 1);
    for (uint64_t a = 0; a < f->picture->arrow_count && rows > 1; a++)
        if (is_above(f, a, place))
            f->rows[a] = (uint16_t)(1 + at++ % rows);
}

void rhi__fan_rows(const rhi_picture *picture, uint16_t rows[RHI_ARROWS_MAX])
{
    fans f = {.picture = picture, .rows = rows};
    look_at_arrows(&f);
    for (uint16_t place = (uint16_t)picture->objects; place-- > 0;)
        spread_below(&f, place);
    for (uint16_t place = 0; place < picture->objects; place++)
        spread_above(&f, place);
}
