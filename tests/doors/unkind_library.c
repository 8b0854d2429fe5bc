/* unkind_library.c - a library that is loaded by an unkind path: a word in its data, of which no
 * symbol tells. */
void **unkind_place(void);

static void *place = &place;

void **unkind_place(void)
{
    return &place;
}
