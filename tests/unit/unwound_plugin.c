/* unwound_plugin.c - a module that calls back, with a frame of FRAME bytes (unwound.c).
 *
 * Invariant: built with another FRAME it has the same code at the same places. */
__attribute__((visibility("default"))) void plugin_call(void (*callback)(void *), void *context);

void plugin_call(void (*callback)(void *), void *context)
{
    char memory[FRAME];
    __asm__ volatile("" : : "r"(memory) : "memory");
    callback(context);
    __asm__ volatile("" : : "r"(memory) : "memory");
}
