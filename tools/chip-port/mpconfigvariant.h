// The unix port asks for this one; what differs from its standard variant is in chip.h.
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#include "variants/standard/mpconfigvariant.h"
