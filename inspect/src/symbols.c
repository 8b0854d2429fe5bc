/* symbols.c - names words of module data by ELF symbols (libdwfl), for the shell.
 * Debuggers name words from their own debug info; this is what is known without one. */
#include "memory.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rhi_symbols {
    Dwfl *dwfl;
    Elf *core;
    int file;
};

static char *no_debuginfo_path;
static const Dwfl_Callbacks core_callbacks = {.find_elf = dwfl_build_id_find_elf,
                                              .find_debuginfo = dwfl_standard_find_debuginfo,
                                              .debuginfo_path = &no_debuginfo_path};
static const Dwfl_Callbacks process_callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                                 .find_debuginfo = dwfl_standard_find_debuginfo,
                                                 .debuginfo_path = &no_debuginfo_path};

static rhi_symbols *symbols_new(const Dwfl_Callbacks *callbacks)
{
    rhi_symbols *symbols = calloc(1, sizeof *symbols);
    if (!symbols)
        return NULL;
    symbols->file = -1;
    symbols->dwfl = dwfl_begin(callbacks);
    if (!symbols->dwfl) {
        free(symbols);
        return NULL;
    }
    return symbols;
}

rhi_symbols *rhi__symbols_core(const char *core_path, const char *exe_path)
{
    rhi_symbols *symbols = symbols_new(&core_callbacks);
    if (!symbols)
        return NULL;
    symbols->file = open(core_path, O_RDONLY | O_CLOEXEC);
    if (symbols->file >= 0)
        symbols->core = elf_begin(symbols->file, ELF_C_READ_MMAP, NULL);
    if (!symbols->core || dwfl_core_file_report(symbols->dwfl, symbols->core, exe_path) < 0 ||
        dwfl_report_end(symbols->dwfl, NULL, NULL) != 0) {
        rhi__symbols_free(symbols);
        return NULL;
    }
    return symbols;
}

rhi_symbols *rhi__symbols_process(int64_t pid)
{
    rhi_symbols *symbols = symbols_new(&process_callbacks);
    if (!symbols)
        return NULL;
    if (dwfl_linux_proc_report(symbols->dwfl, (pid_t)pid) != 0 || dwfl_report_end(symbols->dwfl, NULL, NULL) != 0) {
        rhi__symbols_free(symbols);
        return NULL;
    }
    return symbols;
}

void rhi__symbols_name(rhi_symbols *symbols, rhi_word *words, uint64_t count)
{
    for (uint64_t i = 0; symbols && i < count; i++) {
        if (words[i].is_stack || words[i].kind != RHI_WORD_UNNAMED)
            continue;
        Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, words[i].address);
        GElf_Off offset = 0;
        GElf_Sym symbol;
        const char *name = module ? dwfl_module_addrinfo(module, words[i].address, &offset, &symbol, NULL, NULL, NULL) : NULL;
        if (!name || GELF_ST_TYPE(symbol.st_info) != STT_OBJECT || offset >= symbol.st_size)
            continue;
        words[i].kind = RHI_WORD_GLOBAL;
        if (offset)
            snprintf(words[i].name, sizeof words[i].name, "%s+%llu", name, (unsigned long long)offset);
        else
            snprintf(words[i].name, sizeof words[i].name, "%s", name);
    }
}

void rhi__symbols_free(rhi_symbols *symbols)
{
    if (!symbols)
        return;
    dwfl_end(symbols->dwfl);
    if (symbols->core)
        elf_end(symbols->core);
    if (symbols->file >= 0)
        close(symbols->file);
    free(symbols);
}
