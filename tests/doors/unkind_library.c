/* unkind_library.c - a library that is loaded by an unkind path: a word in its data. */
void *place = &place;
