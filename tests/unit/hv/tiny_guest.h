/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiny_guest - a guest of a few dozen bytes that QEMU boots as a kernel: it prints a text on the
 * serial port and then does one thing.
 *
 * An ELF file with the note of the PVH boot protocol (XEN_ELFNOTE_PHYS32_ENTRY): it is entered at
 * GUEST_ENTRY in 32-bit protected mode, without paging.
 */
#pragma once

#include "scratch.h"

#include <elf.h>
#include <stdint.h>

#define GUEST_ENTRY 0x100000u

enum tiny_then {
	TINY_HALT,
	TINY_AGAIN,   /* print it again, for ever */
	TINY_RESET,   /* triple fault */
	TINY_PVPANIC, /* tell the pvpanic device, halt */
};

/* clang-format off: an instruction or two on a line */
static const uint8_t tiny_print[] = {
	0xbe, 0,    0,    0,    0,    /* mov $text,%esi (filled in) */
	0xac,                         /* 1: lodsb */
	0x84, 0xc0, 0x74, 0x14,       /* test %al,%al; je end */
	0x88, 0xc3,                   /* mov %al,%bl */
	0x66, 0xba, 0xfd, 0x03,       /* 2: mov $0x3fd,%dx (line status) */
	0xec, 0xa8, 0x20, 0x74, 0xf7, /* in (%dx),%al; test $0x20,%al; je 2b */
	0x66, 0xba, 0xf8, 0x03,       /* mov $0x3f8,%dx */
	0x88, 0xd8, 0xee, 0xeb, 0xe7, /* mov %bl,%al; out %al,(%dx); jmp 1b; end: */
};

/* The last two count to 2^28 first: QEMU tells nothing before it has been greeted. */
static const uint8_t tiny_end[][32] = {
	[TINY_HALT] = { 0xfa, 0xf4, 0xeb, 0xfc }, /* cli; hlt; jmp . */
	[TINY_AGAIN] = { 0xeb, 0xe0 },            /* jmp to the start */
	/* mov $0x10000000,%ecx; loop .; mov $0x200000,%esp; push $0; push $0; lidt (%esp); int3 */
	[TINY_RESET] = { 0xb9, 0x00, 0x00, 0x00, 0x10, 0xe2, 0xfe, 0xbc, 0x00, 0x00, 0x20,
			 0x00, 0x6a, 0x00, 0x6a, 0x00, 0x0f, 0x01, 0x1c, 0x24, 0xcc },
	/* mov $0x10000000,%ecx; loop .; mov $0x505,%dx; mov $1,%al; out %al,(%dx); cli; hlt; jmp .
	 */
	[TINY_PVPANIC] = { 0xb9, 0x00, 0x00, 0x00, 0x10, 0xe2, 0xfe, 0x66, 0xba, 0x05, 0x05, 0xb0,
			   0x01, 0xee, 0xfa, 0xf4, 0xeb, 0xfc },
};
/* clang-format on */

struct tiny_elf {
	Elf32_Ehdr eh;
	Elf32_Phdr ph[2];
	struct {
		Elf32_Nhdr nh;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t print[sizeof(tiny_print)], end[32];
	char text[512];
};

/* The path of the kernel in @dir; owned. */
static inline char *tiny_guest_new(const char *dir, const char *text, enum tiny_then then)
{
	struct tiny_elf g = {
		.eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
				     EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_386,
			.e_version = EV_CURRENT,
			.e_entry = GUEST_ENTRY,
			.e_phoff = offsetof(struct tiny_elf, ph),
			.e_ehsize = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2 },
		.note = { { 4, 4, 18 }, "Xen", GUEST_ENTRY },
	};
	uint32_t at = GUEST_ENTRY + (uint32_t)(offsetof(struct tiny_elf, text) -
					       offsetof(struct tiny_elf, print));
	uint32_t code = sizeof(g) - offsetof(struct tiny_elf, print);

	g.ph[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
				.p_offset = offsetof(struct tiny_elf, print),
				.p_vaddr = GUEST_ENTRY,
				.p_paddr = GUEST_ENTRY,
				.p_filesz = code,
				.p_memsz = code,
				.p_flags = PF_R | PF_X };
	g.ph[1] = (Elf32_Phdr){ .p_type = PT_NOTE,
				.p_offset = offsetof(struct tiny_elf, note),
				.p_filesz = sizeof(g.note),
				.p_memsz = sizeof(g.note),
				.p_align = 4 };
	memcpy(g.print, tiny_print, sizeof(g.print));
	memcpy(g.print + 1, &at, sizeof(at));
	memcpy(g.end, tiny_end[then], sizeof(g.end));
	strncpy(g.text, text, sizeof(g.text) - 1);
	return scratch_file(dir, "vmlinux", &g, sizeof(g));
}
