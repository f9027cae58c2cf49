/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver - runs a fuzz target over files: every regular file of the directories (or the files)
 * given, and the empty input. This is how the corpora run as tests, also where libFuzzer is not
 * installed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t n;

	if (!f || fstat(fileno(f), &st) < 0) {
		perror(path);
		return -1;
	}
	/* An exact allocation, so that ASan sees one byte too far. */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int run_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int count = 0;

	if (!d)
		return -1;
	while ((de = readdir(d))) {
		char name[4096];

		if (de->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, de->d_name);
		if (run_file(name) < 0)
			exit(1);
		count++;
	}
	closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		int n = run_dir(argv[i]);

		if (n < 0 && run_file(argv[i]) < 0)
			return 1;
		count += n < 0 ? 1 : n;
	}
	printf("%d inputs\n", count);
	return count ? 0 : 1;
}
