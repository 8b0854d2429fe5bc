/* target_process.c - the built-in target for a local process: /proc/PID/maps, process_vm_readv, ptrace.
 *
 * Two ways in: opened by the shell, it stops all threads with PTRACE_SEIZE and detaches on close (and
 * the kernel detaches for us if we die); lent by a debugger that has stopped it, it only reads.
 * Invariant: every LWP in `threads` is seized and stopped, and is detached exactly once. */
#include "array.h"
#include "memory.h"

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
#include <unistd.h>

/* `signal` is one that arrived before our stop: the thread gets it when it is let go. */
typedef struct stopped_thread {
    pid_t lwp;
    int signal;
} stopped_thread;

typedef struct process {
    pid_t pid;
    struct { stopped_thread *items; uint64_t count, capacity; } threads;
    uint64_t state;
} process;

static uint64_t process_read(void *context, uint64_t address, void *buffer, uint64_t size)
{
    const process *p = context;
    struct iovec local = {buffer, size}, remote = {(void *)(uintptr_t)address, size};
    if (size > SSIZE_MAX)
        return 0;
    ssize_t got = process_vm_readv(p->pid, &local, 1, &remote, 1, 0);
    return got > 0 ? (uint64_t)got : 0;
}

static int process_regions(void *context, rhi_sink *sink)
{
    const process *p = context;
    char path[64], *line = NULL;
    size_t line_size = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)p->pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (getline(&line, &line_size, file) > 0) {
        unsigned long long start, end, offset;
        char mode[8];
        int name_at = 0;
        if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &start, &end, mode, &offset, &name_at) < 4 || name_at == 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        uint32_t flags = (mode[0] == 'r' ? RHI_REGION_READ : 0) | (mode[1] == 'w' ? RHI_REGION_WRITE : 0) |
                         (mode[2] == 'x' ? RHI_REGION_EXECUTE : 0) | (mode[3] == 's' ? RHI_REGION_SHARED : 0);
        rhi_sink_region(sink, start, end, flags, offset, line + name_at);
    }
    free(line);
    fclose(file);
    return 0;
}

bool rhi__process_leaves_out(const rhi_target *target, uint64_t address)
{
    char path[64], *line = NULL;
    size_t line_size = 0;
    unsigned long long start, end, kilobytes = 0, size;
    bool is_here = false, left_out = false;
    if (target->read != process_read)
        return false;
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)((const process *)target->context)->pid);
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &line_size, file) > 0) {
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
            is_here = address >= start && address < end;
            kilobytes = 0;
        } else if (is_here && (sscanf(line, "Rss: %llu", &size) == 1 || sscanf(line, "Swap: %llu", &size) == 1)) {
            kilobytes += size;
        } else if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
            left_out = kilobytes == 0 || strstr(line, " dd");
            break;
        }
    }
    free(line);
    if (file)
        fclose(file);
    return left_out;
}

static int process_threads(void *context, rhi_sink *sink)
{
    const process *p = context;
    for (uint64_t i = 0; i < p->threads.count; i++) {
        uint64_t words[sizeof(struct user_regs_struct) / 8];
        struct iovec registers = {words, sizeof words};
        if (ptrace(PTRACE_GETREGSET, p->threads.items[i].lwp, (void *)NT_PRSTATUS, &registers) != 0)
            return -1;
        rhi__report_registers(sink, (uint64_t)p->threads.items[i].lwp, words);
    }
    return 0;
}

static uint64_t process_state(void *context)
{
    return ((process *)context)->state;
}

/* ---- stopping ---------------------------------------------------------------------------------------- */

static bool is_seized(const process *p, pid_t lwp)
{
    for (uint64_t i = 0; i < p->threads.count; i++)
        if (p->threads.items[i].lwp == lwp)
            return true;
    return false;
}

/* Seizes and stops one thread. 0; -1 with errno; 1 if it has gone meanwhile. */
static int stop_thread(process *p, pid_t lwp)
{
    int status;
    if (ptrace(PTRACE_SEIZE, lwp, NULL, NULL) != 0)
        return errno == ESRCH ? 1 : -1;
    if (ptrace(PTRACE_INTERRUPT, lwp, NULL, NULL) != 0 || waitpid(lwp, &status, __WALL) != lwp || !WIFSTOPPED(status))
        return 1;
    int signal = status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;
    if (!rhi__array_reserve(&p->threads, 1)) {
        ptrace(PTRACE_DETACH, lwp, NULL, (void *)(intptr_t)signal);
        errno = ENOMEM;
        return -1;
    }
    p->threads.items[p->threads.count++] = (stopped_thread){lwp, signal};
    return 0;
}

/* Stops every thread; new ones may appear until a whole pass finds none. */
static int stop_all(process *p)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)p->pid);
    for (bool found = true; found;) {
        DIR *tasks = opendir(path);
        found = false;
        if (!tasks)
            return -1;
        for (struct dirent *entry; (entry = readdir(tasks));) {
            pid_t lwp = (pid_t)strtol(entry->d_name, NULL, 10);
            if (lwp <= 0 || is_seized(p, lwp))
                continue;
            int result = stop_thread(p, lwp);
            if (result < 0) {
                int saved = errno;
                closedir(tasks);
                errno = saved;
                return -1;
            }
            found |= result == 0;
        }
        closedir(tasks);
    }
    return p->threads.count ? 0 : -1;
}

static void process_free(process *p)
{
    for (uint64_t i = 0; i < p->threads.count; i++)
        ptrace(PTRACE_DETACH, p->threads.items[i].lwp, NULL, (void *)(intptr_t)p->threads.items[i].signal);
    free(p->threads.items);
    free(p);
}

static process *process_new(int64_t pid, char *error, size_t error_size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld", (long long)pid);
    if (pid <= 0 || pid > INT32_MAX || access(path, F_OK) != 0) {
        snprintf(error, error_size, "there is no process %lld", (long long)pid);
        return NULL;
    }
    process *p = calloc(1, sizeof *p);
    if (!p)
        snprintf(error, error_size, "%s", rhi__error_memory()->message);
    else
        p->pid = (pid_t)pid;
    return p;
}

int rhi__process_open_stopped(int64_t pid, rhi_target *target, char *error, size_t error_size)
{
    process *p = process_new(pid, error, error_size);
    if (!p)
        return -1;
    *target = (rhi_target){.abi = RHI_ABI, .context = p, .read = process_read, .regions = process_regions};
    return 0;
}

int rhi_target_open_process(int64_t pid, uint32_t flags, rhi_target *target, char *error, size_t error_size)
{
    process *p = process_new(pid, error, error_size);
    if (!p)
        return -1;
    bool stop = !(flags & RHI_TARGET_NO_STOP);
    if (stop && stop_all(p) != 0) {
        snprintf(error, error_size, "cannot stop process %lld: %s%s", (long long)pid, strerror(errno),
                 errno == EPERM ? " (is a debugger attached, or is it another user's?)" : "");
        process_free(p);
        return -1;
    }
    *target = (rhi_target){.abi = RHI_ABI, .flags = flags, .context = p, .read = process_read,
                           .regions = process_regions};
    if (stop) {
        target->threads = process_threads;
        target->state_id = process_state;
    }
    return 0;
}

void rhi_target_close(rhi_target *target)
{
    if (!rhi__core_close(target) && target->read == process_read)
        process_free(target->context);
    memset(target, 0, sizeof *target);
}
