/* holders_library.c - data of a library that is stripped: `in_library` is in its dynamic symbol
 * table, `hidden` is nowhere. */
struct node;
struct node *in_library[3];
struct node **visible_slot(void);
struct node **hidden_slot(void);
static struct node *hidden[2];

struct node **hidden_slot(void)
{
    return &hidden[1];
}

struct node **visible_slot(void)
{
    return &in_library[2];
}
