/* frame.c - what a module's .eh_frame says of a function at work: where its caller's frame begins,
 * and where it keeps its caller's frame pointer.
 *
 * Read are the tables that the linker sorted (.eh_frame_hdr), and of the rules that DWARF allows
 * those that compilers use for these two. Invariant: a rule is exact or RH__FRAME_UNSURE. No memory
 * is asked for, and nothing is read outside of the segment that has the tables.
 */
#include "internal.h"

#include <link.h>
#include <sys/auxv.h>

#ifdef RH__UNWINDS

#define REGISTER_BP 6u
#define REGISTER_SP 7u
#define REMEMBERED_MAX 8u
#define POINTER_PCREL_4 0x1bu /* encodings: signed, 4 bytes, counted from its own address, */
#define POINTER_TABLE_4 0x3bu /* or from the table's */
#define POINTER_COUNT_4 0x03u

/* ---- bytes ---------------------------------------------------------------------------------- */

typedef struct bytes {
    const uint8_t *at;
    const uint8_t *end;
    bool is_cut; /* something was asked for that is not there */
} bytes;

static uint64_t take(bytes *from, uint32_t width)
{
    uint64_t value = 0;
    if ((size_t)(from->end - from->at) < width) {
        from->is_cut = true;
        from->at = from->end;
        return 0;
    }
    memcpy(&value, from->at, width);
    from->at += width;
    return value;
}

static int64_t take_signed_4(bytes *from)
{
    return (int32_t)(uint32_t)take(from, 4);
}

static uint64_t take_leb(bytes *from, bool is_signed)
{
    uint64_t value = 0, byte;
    uint32_t shift = 0;
    do {
        byte = take(from, 1);
        value |= shift < 64 ? (byte & 0x7f) << shift : 0;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && shift < 64 && byte & 0x40)
        value |= ~(uint64_t)0 << shift;
    return value;
}

#define TAKE_ULEB(from) take_leb((from), false)
#define TAKE_SLEB(from) (int64_t) take_leb((from), true)

static bytes take_block(bytes *from)
{
    uint64_t length = TAKE_ULEB(from);
    bytes block = {from->at, from->at, false};
    if (length > (uint64_t)(from->end - from->at)) {
        from->is_cut = true;
        length = 0;
    }
    block.end += length;
    from->at += length;
    return block;
}

/* A record of .eh_frame behind its length. */
static bytes record_at(const uint8_t *at, const uint8_t *end)
{
    bytes record = {at, end, false};
    uint64_t length = take(&record, 4);
    if (length > (uint64_t)(record.end - record.at)) /* the long form, too */
        record.end = record.at;
    else
        record.end = record.at + length;
    return record;
}

/* ---- the rules of a function ---------------------------------------------------------------- */

/* Of a register: where it is kept; or, of the frame, where that begins. */
typedef enum place_kind {
    UNCHANGED,
    AT_FRAME,      /* in memory, behind or before the beginning of the frame */
    AT_POINTER,    /* the same of the frame pointer */
    FROM_REGISTER, /* so far behind what `base` holds */
    UNDEFINED,
    LOST /* somewhere else */
} place_kind;
typedef struct place {
    place_kind kind;
    uint64_t base;
    int64_t offset;
} place;

typedef struct row {
    place frame, pointer, address;
} row;

typedef struct program {
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t location;
    uint64_t wanted;
    row now, first;
    row remembered[REMEMBERED_MAX];
    uint32_t remembered_count;
    uint64_t address_register;
    place ignored;
    bool is_unsure;
} program;

/* The place of the register in the current row, or one that nobody asks for. */
static place *place_of(program *self, row *of, uint64_t number)
{
    if (number == REGISTER_BP)
        return &of->pointer;
    if (number == self->address_register)
        return &of->address;
    if (number == REGISTER_SP) /* it is where the caller's frame ends */
        self->is_unsure = true;
    return &self->ignored;
}

/* What compilers write where a function aligns its stack: a word beside the frame pointer. */
static place place_of_expression(bytes block, bool is_read)
{
    place lost = {LOST, 0, 0};
    if (take(&block, 1) != 0x70 + REGISTER_BP)
        return lost;
    place at = {AT_POINTER, 0, TAKE_SLEB(&block)};
    if (is_read && take(&block, 1) != 0x06)
        return lost;
    return block.at == block.end && !block.is_cut ? at : lost;
}

static void keep_at(program *self, uint64_t number, int64_t factored)
{
    *place_of(self, &self->now, number) =
        (place){AT_FRAME, 0, (int64_t)((uint64_t)factored * (uint64_t)self->data_factor)};
}

static void advance(program *self, uint64_t factored)
{
    self->location += factored * self->code_factor;
}

/* Instructions about where the frame begins. False: it is not one of them. */
static bool run_frame(program *self, uint8_t code, bytes *from)
{
    place *frame = &self->now.frame;
    uint64_t number;
    switch (code) {
    case 0x0c: /* def_cfa */
    case 0x12: /* def_cfa_sf */
        number = TAKE_ULEB(from);
        *frame = (place){code == 0x0c ? FROM_REGISTER : LOST, number, (int64_t)TAKE_ULEB(from)};
        return true;
    case 0x0d: /* def_cfa_register */
        frame->base = TAKE_ULEB(from);
        return true;
    case 0x0e: /* def_cfa_offset */
        frame->offset = (int64_t)TAKE_ULEB(from);
        return true;
    case 0x13: /* def_cfa_offset_sf */
        TAKE_ULEB(from);
        frame->kind = LOST;
        return true;
    case 0x0f: /* def_cfa_expression */
        *frame = place_of_expression(take_block(from), true);
        return true;
    default:
        return false;
    }
}

/* Instructions about a register. False: it is not one of them. */
static bool run_register(program *self, uint8_t code, bytes *from)
{
    uint64_t number;
    switch (code) {
    case 0x05: /* offset_extended */
        number = TAKE_ULEB(from);
        keep_at(self, number, (int64_t)TAKE_ULEB(from));
        return true;
    case 0x11: /* offset_extended_sf */
        number = TAKE_ULEB(from);
        keep_at(self, number, TAKE_SLEB(from));
        return true;
    case 0x06: /* restore_extended */
        number = TAKE_ULEB(from);
        *place_of(self, &self->now, number) = *place_of(self, &self->first, number);
        return true;
    case 0x07: /* undefined */
        place_of(self, &self->now, TAKE_ULEB(from))->kind = UNDEFINED;
        return true;
    case 0x08: /* same_value */
        place_of(self, &self->now, TAKE_ULEB(from))->kind = UNCHANGED;
        return true;
    case 0x10: /* expression */
        number = TAKE_ULEB(from);
        *place_of(self, &self->now, number) = place_of_expression(take_block(from), false);
        return true;
    case 0x09: /* register */
    case 0x14: /* val_offset */
        place_of(self, &self->now, TAKE_ULEB(from))->kind = LOST;
        TAKE_ULEB(from);
        return true;
    case 0x16: /* val_expression */
        place_of(self, &self->now, TAKE_ULEB(from))->kind = LOST;
        take_block(from);
        return true;
    default:
        return false;
    }
}

static void run_other(program *self, uint8_t code, bytes *from)
{
    switch (code) {
    case 0x00: /* nop */
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        advance(self, take(from, 1u << (code - 2)));
        break;
    case 0x0a: /* remember_state */
        if (self->remembered_count < REMEMBERED_MAX)
            self->remembered[self->remembered_count++] = self->now;
        else
            self->is_unsure = true;
        break;
    case 0x0b: /* restore_state */
        if (self->remembered_count)
            self->now = self->remembered[--self->remembered_count];
        else
            self->is_unsure = true;
        break;
    case 0x2e: /* GNU_args_size */
        TAKE_ULEB(from);
        break;
    default:
        self->is_unsure = true;
    }
}

/* Runs the instructions as far as they are about the wanted address. */
static void run(program *self, bytes *from)
{
    while (from->at < from->end && !self->is_unsure && self->location <= self->wanted) {
        uint8_t code = (uint8_t)take(from, 1), operand = code & 0x3f;
        switch (code >> 6) {
        case 1: /* advance_loc */
            advance(self, operand);
            break;
        case 2: /* offset */
            keep_at(self, operand, (int64_t)TAKE_ULEB(from));
            break;
        case 3: /* restore */
            *place_of(self, &self->now, operand) = *place_of(self, &self->first, operand);
            break;
        default:
            if (!run_frame(self, code, from) && !run_register(self, code, from))
                run_other(self, code, from);
        }
    }
    self->is_unsure |= from->is_cut;
}

/* ---- records -------------------------------------------------------------------------------- */

/* What the function's record shares with others: factors, and instructions that come first. */
static bool read_shared(program *self, bytes record)
{
    uint64_t zero = take(&record, 4), version = take(&record, 1);
    const char *letters = (const char *)record.at;
    while (take(&record, 1))
        ;
    self->code_factor = TAKE_ULEB(&record);
    self->data_factor = TAKE_SLEB(&record);
    self->address_register = version == 1 ? take(&record, 1) : TAKE_ULEB(&record);
    if (zero || (version != 1 && version != 3) || record.is_cut || *letters != 'z')
        return false;
    bytes extra = take_block(&record);
    for (letters++; *letters; letters++) {
        if (*letters == 'R' && take(&extra, 1) == POINTER_PCREL_4)
            continue;
        if (*letters == 'L') {
            take(&extra, 1);
        } else if (*letters == 'P') {
            uint64_t encoding = take(&extra, 1), width = encoding & 7; /* 2, 4 or 8 bytes */
            take(&extra, width == 2 ? 2 : width == 3 ? 4 : 8);
        } else {
            return false; /* a frame of a signal, or what nobody knows here */
        }
    }
    run(self, &record);
    self->first = self->now;
    return !self->is_unsure && !extra.is_cut && !record.is_cut;
}

/* The rows of the function at `wanted`. False: it is in none, or not all is understood. */
static bool read_function(program *self, const uint8_t *at, const uint8_t *begin,
                          const uint8_t *end)
{
    bytes record = record_at(at, end);
    const uint8_t *shared = record.at;
    uint64_t back = take(&record, 4);
    if (!back || back > (uint64_t)(shared - begin))
        return false;
    if (!read_shared(self, record_at(shared - back, end)))
        return false;
    uint64_t first = (uint64_t)(uintptr_t)record.at;
    first += (uint64_t)take_signed_4(&record);
    uint64_t length = take(&record, 4);
    take_block(&record); /* of exceptions */
    if (record.is_cut || self->wanted - first >= length)
        return false;
    self->location = first;
    run(self, &record);
    return !self->is_unsure;
}

static bool fits(int64_t offset)
{
    return offset == (int16_t)offset;
}

/* What is left of a row. */
static void write_rule(const row *from, rh__frame_rule *ret)
{
    ret->kind = RH__FRAME_UNSURE;
    if (from->address.kind == UNDEFINED) {
        ret->kind = RH__FRAME_OUTERMOST;
        return;
    }
    if (from->address.kind != AT_FRAME || from->address.offset != -8 ||
        from->frame.offset != (int32_t)from->frame.offset)
        return;
    ret->offset = (int32_t)from->frame.offset;
    ret->pointer_offset = (int16_t)from->pointer.offset;
    ret->pointer = RH__POINTER_LOST;
    if (from->pointer.kind == UNCHANGED)
        ret->pointer = RH__POINTER_SAME;
    else if (from->pointer.kind == AT_FRAME && fits(from->pointer.offset))
        ret->pointer = RH__POINTER_AT_FRAME;
    else if (from->pointer.kind == AT_POINTER && fits(from->pointer.offset))
        ret->pointer = RH__POINTER_AT_POINTER;
    if (from->frame.kind == AT_POINTER)
        ret->kind = RH__FRAME_AT_POINTER;
    else if (from->frame.kind == FROM_REGISTER && from->frame.base == REGISTER_SP)
        ret->kind = RH__FRAME_FROM_STACK;
    else if (from->frame.kind == FROM_REGISTER && from->frame.base == REGISTER_BP)
        ret->kind = RH__FRAME_FROM_POINTER;
}

/* ---- modules -------------------------------------------------------------------------------- */

typedef struct search {
    uint64_t address;
    uint64_t loader; /* where ld.so is; 0: a static program */
    rh__frame_rule *rule;
    bool is_lasting; /* the modules looked at are of the program's start */
} search;

/* `table` is .eh_frame_hdr; what it leads to lies between begin and end. */
static bool find_function(const uint8_t *table, const uint8_t *begin, const uint8_t *end,
                          uint64_t address, rh__frame_rule *ret)
{
    bytes header = {table, end, false};
    uint64_t version = take(&header, 1), pointer = take(&header, 1), count_form = take(&header, 1),
             form = take(&header, 1);
    take(&header, 4);
    uint64_t count = take(&header, 4);
    if (version != 1 || pointer != POINTER_PCREL_4 || count_form != POINTER_COUNT_4 ||
        form != POINTER_TABLE_4 || header.is_cut || count > (uint64_t)(end - header.at) / 8)
        return false;
    int64_t wanted = (int64_t)(address - (uint64_t)(uintptr_t)table);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        bytes entry = {header.at + middle * 8, end, false};
        if (take_signed_4(&entry) <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    bytes entry = {header.at + (low - 1) * 8 + 4, end, false};
    int64_t offset = take_signed_4(&entry);
    if (offset < begin - table || offset >= end - table)
        return false;
    program self = {.wanted = address};
    if (!read_function(&self, table + offset, begin, end))
        return false;
    write_rule(&self.now, ret);
    return true;
}

static bool is_in(const struct dl_phdr_info *module, const ElfW(Phdr) * part, uint64_t address)
{
    return address - (module->dlpi_addr + part->p_vaddr) < part->p_memsz;
}

static int look_at_module(struct dl_phdr_info *module, size_t size, void *context)
{
    (void)size;
    search *self = context;
    const ElfW(Phdr) *table = NULL;
    bool is_here = false, is_loader = false;
    for (uint32_t i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        if (part->p_type == PT_GNU_EH_FRAME)
            table = part;
        is_here |= part->p_type == PT_LOAD && is_in(module, part, self->address);
        is_loader |= part->p_type == PT_LOAD && is_in(module, part, self->loader);
    }
    if (!is_here) {
        self->is_lasting &= self->loader && !is_loader;
        return 0;
    }
    for (uint32_t i = 0; table && i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        uint64_t begin = module->dlpi_addr + part->p_vaddr, at = module->dlpi_addr + table->p_vaddr;
        if (part->p_type == PT_LOAD && is_in(module, part, at))
            find_function((const uint8_t *)(uintptr_t)at, (const uint8_t *)(uintptr_t)begin,
                          (const uint8_t *)(uintptr_t)(begin + part->p_filesz), self->address,
                          self->rule);
    }
    return 1;
}

/* The C library lists what a program starts with first, the program itself before all. Of these
 * all up to ld.so are known: they stay. */
void rh__frame_rule_find(uint64_t address, rh__frame_rule *ret, bool *lasts)
{
    search self = {address, getauxval(AT_BASE), ret, true};
    ret->kind = RH__FRAME_UNSURE;
    *lasts = dl_iterate_phdr(look_at_module, &self) && self.is_lasting;
}

static int take_changes(struct dl_phdr_info *module, size_t size, void *context)
{
    (void)size;
    *(uint64_t *)context = module->dlpi_adds + module->dlpi_subs;
    return 1;
}

uint64_t rh__module_changes(void)
{
    uint64_t changes = 0;
    dl_iterate_phdr(take_changes, &changes);
    return changes;
}

#endif
