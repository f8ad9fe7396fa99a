// The unix port's configuration with what ports/esp32/mpconfigport.h has instead.
// (Float32 is in mpconfigvariant.h; what the unix port is tested with, os.getenv and the like, stays.)
#include <mpconfigport.h>

// Texts of errors are shorter, and none is kept for when memory is short.
#undef MICROPY_ERROR_REPORTING
#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_NORMAL)
#undef MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (0)

#undef MICROPY_ALLOC_PATH_MAX
#define MICROPY_ALLOC_PATH_MAX (128)
#define MICROPY_SCHEDULER_DEPTH (8)
#define MICROPY_SCHEDULER_STATIC_NODES (1)
#undef MICROPY_MALLOC_USES_ALLOCATED_SIZE
#undef MICROPY_MEM_STATS

// What a chip does not have.
#undef MICROPY_PY_SYS_ATEXIT
#undef MICROPY_PY_SYS_EXC_INFO

// The heap is two areas, the second there from when the first is full (chip.c).
#define MICROPY_GC_SPLIT_HEAP (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO (1)
void *chip_area(size_t bytes);
void chip_area_free(void *area);
#define MP_PLAT_ALLOC_HEAP(bytes) chip_area(bytes)
#define MP_PLAT_FREE_HEAP(area) chip_area_free(area)

// The stack is 16 KB (chip.c), and what is called between two checks may take so much of it.
#define MICROPY_STACK_CHECK_MARGIN (1024)
