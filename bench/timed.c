/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timed - runs a program N times, one after the other, and prints how long each took, in
 * microseconds; what it prints is thrown away. For use in a guest.
 *
 * usage: timed N PROGRAM [ARG ...]; an argument "@" is a name that is new each time.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static int run_once(posix_spawn_file_actions_t *actions, char **argv)
{
	long t = now_us();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], actions, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "timed: %s failed\n", argv[0]);
		return -1;
	}
	printf("%ld\n", now_us() - t);
	return 0;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0;
	posix_spawn_file_actions_t actions;
	char name[32];

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "timed-%d-%d", (int)getpid(), i);
		for (int k = 3; k < argc; k++)
			if (!strcmp(argv[k], "@") || !strncmp(argv[k], "timed-", 6))
				argv[k] = name;
		if (run_once(&actions, argv + 2) < 0)
			return 1;
	}
	return n < 1;
}
