/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Symbols of a vDSO image (ELF, Documentation/ABI/stable/vdso). Freestanding.
 */
#ifndef RP_ARCH_VDSO_H
#define RP_ARCH_VDSO_H

#include <stdint.h>

/* base: address of the ELF header of the mapped image; 0 forgets it. */
void rp_vdso_init(uint64_t base);
uint64_t rp_vdso_base(void);
/* Address of a function by its name, 0: absent. */
uint64_t rp_vdso_find(const char *name);

#endif
