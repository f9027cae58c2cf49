/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_names_gen - writes the table of filter_names.h for the machine family in argv[1]. Runs at
 * build time.
 */
#include "sys/filter_names.h"

#include "base/mem.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS 1024 /* no architecture has more */
#define X32_BIT 0x40000000

static const struct family {
	const char *name; /* Meson's */
	uint32_t arch[FILTER_NAMES_ARCHS];
} families[] = {
	{ "x86_64", { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 } },
	{ "aarch64", { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM } },
	{ "riscv64", { SCMP_ARCH_RISCV64 } },
	{ "s390x", { SCMP_ARCH_S390X, SCMP_ARCH_S390 } },
	{ "ppc64", { SCMP_ARCH_PPC64LE } },
};

static char *names[NUMBERS * FILTER_NAMES_ARCHS];
static size_t n;

static void collect(uint32_t arch)
{
	for (int nr = 0; nr < NUMBERS; nr++) {
		int number = arch == SCMP_ARCH_X32 ? nr | X32_BIT : nr;
		char *name = seccomp_syscall_resolve_num_arch(arch, number);

		if (name)
			names[n++] = name;
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void make_unique(void)
{
	size_t kept = 0;

	qsort(names, n, sizeof(*names), compare);
	for (size_t i = 0; i < n; i++) {
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
		else
			free(names[i]);
	}
	n = kept;
}

static void print_numbers(const struct family *f, const char *name)
{
	for (int i = 0; i < FILTER_NAMES_ARCHS; i++) {
		int nr = f->arch[i] ? seccomp_syscall_resolve_name_arch(f->arch[i], name) : -1;

		printf("%s%d", i ? ", " : "", nr < 0 ? -1 : nr & ~X32_BIT);
	}
}

static void print_table(const struct family *f)
{
	size_t offset = 0;

	printf("#include \"sys/filter_names.h\"\n\n"
	       "const uint32_t filter_name_archs[FILTER_NAMES_ARCHS] = {");
	for (int i = 0; i < FILTER_NAMES_ARCHS; i++)
		printf(" 0x%xU,", f->arch[i]);
	printf(" };\nconst struct filter_name filter_names[] = {\n");
	for (size_t i = 0; i < n; i++) {
		printf("\t{ %zu, { ", offset);
		print_numbers(f, names[i]);
		printf(" } },\n");
		offset += strlen(names[i]) + 1;
	}
	printf("};\nconst unsigned int filter_names_n = %zu;\nconst char filter_name_text[] =\n",
	       n);
	for (size_t i = 0; i < n; i++)
		printf("\t\"%s\\0\"\n", names[i]);
	printf("\t;\n");
}

int main(int argc, char **argv)
{
	const struct family *f = NULL;

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(families); i++) {
		if (strcmp(families[i].name, argv[1]) == 0)
			f = &families[i];
	}
	if (!f) {
		fprintf(stderr, "filter_names_gen: no system calls are known for %s\n",
			argc == 2 ? argv[1] : "nothing");
		return 1;
	}
	for (int i = 0; i < FILTER_NAMES_ARCHS; i++) {
		if (f->arch[i])
			collect(f->arch[i]);
	}
	make_unique();
	print_table(f);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return 0;
}
