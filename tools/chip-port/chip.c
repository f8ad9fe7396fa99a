// The heap and the stack of an ESP32 on a PC. main.c asks for both, and the linker (--wrap) asks here.
//
//     -X heapsize=N      N bytes in all: half of them at the start, the other half as an area of its
//                        own when the first is full. No block spans both; an empty second one goes back.
//     MICROPYSTACK=N     bytes of stack; Python may use 1 KB less. Without it as much as 16 KB are on an
//                        ESP32, whose frames are larger (docs/memory.md). C code that uses more ends an
//                        ESP32; here it has the PC's stack.
//     SIGUSR1            says on stderr how much of the stack was ever used, by whatever was called

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "py/cstack.h"
#include "py/gc.h"

#define ESP32_STACK (13824)
#define PAINTED (64 * 1024)
#define PAINT (0xa5)

static char *second;
static size_t second_bytes;
static bool second_given;

void __real_gc_init(void *start, void *end);

void __wrap_gc_init(void *start, void *end) {
    size_t half = ((char *)end - (char *)start) / 2 & ~(MICROPY_BYTES_PER_GC_BLOCK - 1);
    second = (char *)start + half;
    second_bytes = (char *)end - second;
    __real_gc_init(start, second);
}

size_t gc_get_max_new_split(void) {
    return second_given ? 0 : second_bytes;
}

void *chip_area(size_t bytes) {
    if (second_given || bytes > second_bytes) {
        return NULL;
    }
    second_given = true;
    return second;
}

void chip_area_free(void *area) {
    second_given = false;
}

static const unsigned char *painted;
static size_t stack_bytes = ESP32_STACK;

void __real_mp_cstack_init_with_sp_here(size_t size);

static void say_used(int signo) {
    int was = errno;
    const unsigned char *at = painted;
    while (*at == PAINT) {
        ++at;
    }
    size_t used = (const unsigned char *)MP_STATE_THREAD(stack_top) - at;
    dprintf(STDERR_FILENO, "stack: %u of %u B used\n", (unsigned)used, (unsigned)stack_bytes);
    errno = was;
}

static MP_NOINLINE void paint(void) {
    unsigned char below[PAINTED];
    memset(below, PAINT, sizeof(below));
    // (so that the compiler keeps it all)
    __asm volatile ("" : "=r" (painted) : "0" (below) : "memory");
}

void __wrap_mp_cstack_init_with_sp_here(size_t size) {
    static char own[16 * 1024]; // (what says it uses nothing of the stack)
    stack_t stack = { .ss_sp = own, .ss_size = sizeof(own) };
    struct sigaction action = { .sa_handler = say_used, .sa_flags = SA_ONSTACK | SA_RESTART };
    const char *given = getenv("MICROPYSTACK");
    if (given) {
        stack_bytes = strtoul(given, NULL, 0);
    }
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    paint();
    __real_mp_cstack_init_with_sp_here(stack_bytes);
}
