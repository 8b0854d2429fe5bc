/* process.c - the built-in target for a local process: /proc/PID/maps, process_vm_readv,
 * ptrace.
 *
 * Two ways in: opened by the shell, it stops all threads with PTRACE_SEIZE and detaches on close
 * (and the kernel detaches for us if we die); lent by a debugger that has stopped it, it only
 * reads. Invariant: every LWP in `threads` is seized, and stopped once stop_all is through, and
 * is detached exactly once. One that does not stop in time is let go when this process ends. */
#include "target/process.h"
#include "base/array.h"
#include "base/error.h"
#include "target/ops.h"
#include "target/proc_files.h"
#include "target/registers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <elf.h>
#include <time.h>
#include <unistd.h>

/* `signal` is one that arrived before our stop: the thread gets it when it is let go. */
typedef struct stopped_thread {
    pid_t lwp;
    int signal;
} stopped_thread;

typedef struct process {
    pid_t pid;
    pid_t reader; /* the thread that memory is asked through */
    struct {
        stopped_thread *items;
        uint64_t count, capacity;
    } threads;
    uint64_t state;
    struct timespec started; /* stopping them */
    pid_t stuck;             /* the one that did not stop in time; 0: none */
    bool has_found;          /* one that was not stopped, in this pass */
} process;

static uint64_t process_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    const process *p = context;
    struct iovec local = {buffer, size}, remote = {(void *)(uintptr_t)address, size};
    if (size > SSIZE_MAX)
        return 0;
    ssize_t got = process_vm_readv(p->reader, &local, 1, &remote, 1, 0);
    return got > 0 ? (uint64_t)got : rhi__read_page_by_force(p->reader, address, buffer, size);
}

/* Of a stopped process alone: what ran would read half of it. */
static uint64_t process_write(void *context, uint64_t address, const void *bytes, uint64_t size)
{
    process *p = context;
    p->state++;
    struct iovec local = {(void *)(uintptr_t)bytes, size},
                 remote = {(void *)(uintptr_t)address, size};
    ssize_t written = process_vm_writev(p->reader, &local, 1, &remote, 1, 0);
    return written > 0 ? (uint64_t)written : 0;
}

static int process_regions(void *context, rhi_sink *sink)
{
    const process *p = context;
    char path[64], *line = NULL;
    size_t line_size = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)p->reader);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (getline(&line, &line_size, file) > 0) {
        unsigned long long start, end, offset;
        char mode[8];
        int name_at = 0;
        if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &start, &end, mode, &offset, &name_at) <
                4 ||
            name_at == 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        uint32_t flags =
            (mode[0] == 'r' ? RHI_REGION_READ : 0) | (mode[1] == 'w' ? RHI_REGION_WRITE : 0) |
            (mode[2] == 'x' ? RHI_REGION_EXECUTE : 0) | (mode[3] == 's' ? RHI_REGION_SHARED : 0);
        rhi_sink_region(sink, start, end, flags, offset, line + name_at);
    }
    free(line);
    fclose(file);
    return 0;
}

static int process_id(const void *context)
{
    return (int)((const process *)context)->reader;
}

static int process_threads(void *context, rhi_sink *sink)
{
    const process *p = context;
    uint8_t vectors[RHI_VECTORS_MAX];
    for (uint64_t i = 0; i < p->threads.count; i++) {
        uint64_t words[sizeof(struct user_regs_struct) / 8];
        struct iovec registers = {words, sizeof words};
        if (ptrace(PTRACE_GETREGSET, p->threads.items[i].lwp, (void *)NT_PRSTATUS, &registers) != 0)
            return -1;
        rhi__report_registers(sink, (uint64_t)p->threads.items[i].lwp, words);
        registers = (struct iovec){vectors, sizeof vectors};
        if (ptrace(PTRACE_GETREGSET, p->threads.items[i].lwp, (void *)(intptr_t)RHI_NT_VECTORS,
                   &registers) == 0 ||
            (registers.iov_len = sizeof vectors, ptrace(PTRACE_GETREGSET, p->threads.items[i].lwp,
                                                        (void *)NT_FPREGSET, &registers) == 0))
            rhi__report_vectors(sink, vectors, registers.iov_len);
    }
    return 0;
}

static uint64_t process_state(void *context)
{
    return ((process *)context)->state;
}

/* ---- what /proc says ------------------------------------------------------------------------ */

/* State letter ('R', 't', 'Z', …) and kernel flags of a thread; false: it is gone. */
static bool thread_state(pid_t pid, pid_t lwp, char *state, unsigned *flags)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)lwp);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    if (file >= 0)
        close(file);
    if (got <= 0)
        return false;
    text[got] = '\0';
    const char *end = strrchr(text, ')'); /* the name may hold anything */
    return end && sscanf(end, ") %c %*d %*d %*d %*d %*d %u", state, flags) == 2;
}

/* Is there nothing left of it that could run or be read? */
static bool has_ended(pid_t pid, pid_t lwp)
{
    enum { EXITING = 0x4 }; /* PF_EXITING */
    char state;
    unsigned flags;
    return !thread_state(pid, lwp, &state, &flags) || state == 'Z' || state == 'X' ||
           flags & EXITING;
}

/* A number in the process's status; 0 if it is not there. */
static long status_number(pid_t pid, const char *key)
{
    char path[64], *line = NULL;
    size_t size = 0;
    long value = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    free(line);
    if (file)
        fclose(file);
    return value;
}

/* Calls visit for each thread; how many there are, or -1. */
static long each_thread(process *p, int (*visit)(process *, pid_t lwp), int *result)
{
    char path[64];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)p->pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return -1;
    for (struct dirent *entry; *result == 0 && (entry = readdir(tasks));) {
        pid_t lwp = (pid_t)strtol(entry->d_name, NULL, 10);
        if (lwp <= 0)
            continue;
        count++;
        *result = visit(p, lwp);
    }
    closedir(tasks);
    return count;
}

/* What it calls itself: of a process in a container, not what we call it. Cores say that, too. */
static uint64_t own_number(const process *p)
{
    char path[64], *line = NULL;
    size_t size = 0;
    uint64_t number = (uint64_t)p->pid;
    snprintf(path, sizeof path, "/proc/%d/status", (int)p->reader);
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0)
        if (strncmp(line, "NStgid:", 7) == 0 && strrchr(line, '\t'))
            number = strtoull(strrchr(line, '\t') + 1, NULL, 10);
    free(line);
    if (file)
        fclose(file);
    return number;
}

/* Its name, as /proc/PID/comm has it. */
static void read_name(const process *p, rhi_identity *identity)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)p->reader);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, identity->name, sizeof identity->name - 1) : 0;
    if (file >= 0)
        close(file);
    identity->name[got > 0 ? got : 0] = '\0';
    identity->name[strcspn(identity->name, "\n")] = '\0';
}

static rhi_identity process_identity(void *context)
{
    const process *p = context;
    rhi_identity identity = {.pid = own_number(p)};
    uint8_t vector[4096];
    char path[64];
    read_name(p, &identity);
    snprintf(path, sizeof path, "/proc/%d/auxv", (int)p->reader);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, vector, sizeof vector) : -1;
    if (file >= 0)
        close(file);
    uint64_t address = got > 0 ? rhi__random_address(vector, (uint64_t)got) : 0;
    if (!address || process_read(context, address, identity.random, sizeof identity.random) !=
                        sizeof identity.random)
        memset(identity.random, 0, sizeof identity.random);
    return identity;
}

/* ---- stopping ------------------------------------------------------------------------------- */

enum { STOP_SECONDS = 5, QUIET_PASSES = 2 };

static bool is_late(const process *p)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > p->started.tv_sec + STOP_SECONDS;
}

/* Waits for a thread that was told to stop. It may be stuck in the kernel: not for ever. */
static int wait_for(process *p, pid_t lwp, int *signal)
{
    int status;
    for (;;) {
        pid_t got = waitpid(lwp, &status, __WALL | WNOHANG);
        if (got == lwp && WIFSTOPPED(status)) {
            *signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
            return 0;
        }
        if ((got < 0 && errno != EINTR) || got == lwp || has_ended(p->pid, lwp))
            return 1;
        if (is_late(p)) {
            p->stuck = lwp;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

/* Makes sure that one thread is stopped; sets has_found if it was not. 0, or -1 with errno or
 * p->stuck. */
static int stop_thread(process *p, pid_t lwp)
{
    stopped_thread *known = NULL, added = {.lwp = lwp};
    char state;
    unsigned flags;
    for (uint64_t i = 0; i < p->threads.count && !known; i++)
        known = p->threads.items[i].lwp == lwp ? &p->threads.items[i] : NULL;
    /* a leader that has ended stays for as long as the others are there */
    if (has_ended(p->pid, lwp))
        return 0;
    if (known && thread_state(p->pid, lwp, &state, &flags) && state == 't')
        return 0;
    p->has_found = true;
    if (!known && ptrace(PTRACE_SEIZE, lwp, NULL, NULL) != 0)
        return errno == ESRCH || has_ended(p->pid, lwp) ? 0 : -1;
    if (ptrace(PTRACE_INTERRUPT, lwp, NULL, NULL) != 0)
        return 0;
    int result = wait_for(p, lwp, &added.signal);
    if (result)
        return result < 0 ? -1 : 0;
    if (known) {
        known->signal = added.signal ? added.signal : known->signal;
        return 0;
    }
    if (!rhi__array_reserve(&p->threads, 1)) {
        ptrace(PTRACE_DETACH, lwp, NULL, (void *)(intptr_t)added.signal);
        errno = ENOMEM;
        return -1;
    }
    p->threads.items[p->threads.count++] = added;
    return 0;
}

/* Stops every thread. A listing leaves threads out while others end, so one pass that finds none
 * proves nothing: there have to be two, and as many threads in each as the kernel counts. */
static int stop_all(process *p)
{
    int result = 0;
    clock_gettime(CLOCK_MONOTONIC, &p->started);
    for (unsigned quiet = 0; quiet < QUIET_PASSES; quiet = p->has_found ? 0 : quiet + 1) {
        p->has_found = false;
        long listed = each_thread(p, stop_thread, &result);
        if (listed < 0 || result < 0)
            return -1;
        p->has_found |= listed != status_number(p->pid, "Threads:");
        if (p->has_found && is_late(p)) {
            errno = EBUSY;
            return -1;
        }
    }
    errno = ESRCH;
    return p->threads.count ? 0 : -1;
}

static void process_free(process *p)
{
    for (uint64_t i = 0; i < p->threads.count; i++)
        ptrace(PTRACE_DETACH, p->threads.items[i].lwp, NULL,
               (void *)(intptr_t)p->threads.items[i].signal);
    free(p->threads.items);
    free(p);
}

/* The one that memory is asked through: a leader may have ended before the others. */
static int take_reader(process *p, pid_t lwp)
{
    p->reader = has_ended(p->pid, lwp) ? 0 : lwp;
    return p->reader != 0;
}

static process *process_new(int64_t pid, char *error, size_t error_size)
{
    enum { KERNEL_THREAD = 0x200000 }; /* PF_KTHREAD */
    char path[64], state;
    unsigned flags;
    int found = 0;
    snprintf(path, sizeof path, "/proc/%lld", (long long)pid);
    if (pid <= 0 || pid > INT32_MAX || access(path, F_OK) != 0) {
        snprintf(error, error_size, "there is no process %lld", (long long)pid);
        return NULL;
    }
    process *p = calloc(1, sizeof *p);
    if (!p) {
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
        return NULL;
    }
    p->pid = (pid_t)pid;
    if (thread_state(p->pid, p->pid, &state, &flags) && flags & KERNEL_THREAD)
        snprintf(error, error_size, "%lld is a thread of the kernel: it has no memory of its own",
                 (long long)pid);
    else if (each_thread(p, take_reader, &found) < 0 || !found)
        snprintf(error, error_size, "process %lld has ended: its memory is gone", (long long)pid);
    else
        return p;
    free(p);
    return NULL;
}

/* Why it could not be stopped. */
static void explain(const process *p, int reason, char *error, size_t error_size)
{
    long tracer = status_number(p->stuck ? p->stuck : p->reader, "TracerPid:");
    if (p->stuck)
        snprintf(error, error_size,
                 "thread %d of process %d does not stop: it waits in the kernel (for a child of "
                 "vfork, or for a device); "
                 "ask again, or ask with --no-stop",
                 (int)p->stuck, (int)p->pid);
    else if (reason == EPERM && tracer && tracer != (long)getpid())
        snprintf(
            error, error_size,
            "cannot stop process %d: process %ld traces it (is a debugger attached? ask there)",
            (int)p->pid, tracer);
    else if (reason == EPERM)
        snprintf(error, error_size,
                 "cannot stop process %d: not permitted (is it another user's? see also "
                 "/proc/sys/kernel/yama/ptrace_scope)",
                 (int)p->pid);
    else if (reason == EBUSY)
        snprintf(error, error_size,
                 "cannot stop process %d: its threads come and go too fast: ask again, or ask with "
                 "--no-stop",
                 (int)p->pid);
    else if (has_ended(p->pid, p->reader))
        snprintf(error, error_size, "process %d has ended: its memory is gone", (int)p->pid);
    else
        snprintf(error, error_size, "cannot stop process %d: %s", (int)p->pid, strerror(reason));
}

static bool process_is_gone(void *context)
{
    process *p = context;
    int found = 0;
    if (!has_ended(p->pid, p->reader))
        return false;
    /* from now on through another one, if there is any */
    return each_thread(p, take_reader, &found) < 0 || !found;
}

bool rhi__process_has_ended(int64_t pid)
{
    process p = {.pid = (pid_t)pid};
    int found = 0;
    return pid > 0 && (each_thread(&p, take_reader, &found) < 0 || !found);
}

static void process_close(void *context)
{
    process_free(context);
}

static const struct rhi_target_ops process_ops = {
    .process_id = process_id,
    .is_gone = process_is_gone,
    .identity = process_identity,
    .close = process_close,
};

int rhi__process_open_stopped(int64_t pid, rhi_target *target, char *error, size_t error_size)
{
    process *p = process_new(pid, error, error_size);
    if (!p)
        return -1;
    *target = (rhi_target){.abi = RHI_ABI,
                           .context = p,
                           .read = process_read,
                           .regions = process_regions,
                           .ops = &process_ops};
    return 0;
}

int rhi_target_open_process(int64_t pid, uint32_t flags, rhi_target *target, char *error,
                            size_t error_size)
{
    process *p = process_new(pid, error, error_size);
    if (!p)
        return -1;
    bool stop = !(flags & RHI_TARGET_NO_STOP);
    if (stop && stop_all(p) != 0) {
        explain(p, errno, error, error_size);
        process_free(p);
        return -1;
    }
    *target = (rhi_target){.abi = RHI_ABI,
                           .flags = flags,
                           .context = p,
                           .read = process_read,
                           .regions = process_regions,
                           .ops = &process_ops};
    if (stop) {
        target->threads = process_threads;
        target->write = process_write;
        target->state_id = process_state;
    }
    return 0;
}
