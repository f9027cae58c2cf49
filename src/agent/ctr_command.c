/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_command - environment, finding the program, executing it.
 *
 * The messages are those of runc (Go's os/exec) to the letter: podman and docker look for them to
 * tell "not found" (127) from "cannot be executed" (126).
 */
#include "agent/ctr_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ctr_command_reason(int err, char *tmp)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	snprintf(tmp, CTR_REASON_MAX, "%s", text ? text : "unknown error");
	/* Go writes them in small letters; "RFS specific error" is a name. */
	if (tmp[0] >= 'A' && tmp[0] <= 'Z' && tmp[1] >= 'a' && tmp[1] <= 'z')
		tmp[0] = (char)(tmp[0] - 'A' + 'a');
	return tmp;
}

static const char *env_get(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	}
	return NULL;
}

/* Of two values for one name the later one counts, and programs shall see no other. */
static void env_set(struct strv *env, const char *assignment)
{
	size_t n = (size_t)(strchr(assignment, '=') - assignment) + 1;

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], assignment, n) != 0)
			continue;
		free(env->v[i]);
		env->v[i] = xstrdup(assignment);
		return;
	}
	strv_add(env, assignment);
}

int ctr_command_env(struct ctr_setup *s, struct error *e)
{
	const Grpc__Process *p = s->process;
	autofree char *home = NULL;
	autofree char *assignment = NULL;

	for (size_t i = 0; i < p->n_env; i++) {
		if (!strchr(p->env[i], '=') || p->env[i][0] == '=')
			return error_plain(e, EINVAL, "invalid environment variable \"%.64s\"",
					   p->env[i]);
		env_set(&s->env, p->env[i]);
	}
	if (!str_empty(env_get(&s->env, "HOME")))
		return 0;
	home = user_home(s->root, s->user.uid);
	assignment = xasprintf("HOME=%s", home ? home : "/");
	env_set(&s->env, assignment);
	return 0;
}

/* Profiles older than faccessat2 answer it with EPERM, which the call itself never does: then the
 * question goes without the effective ids, which are the real ones by now. */
static int may_execute(const char *path)
{
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	return errno == EPERM ? access(path, X_OK) : -1;
}

/* 0 if the caller may execute it. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* Root may do everything that faccessat knows of, but needs one x bit. */
	if (may_execute(path) < 0 || !(st.st_mode & 0111))
		return -EACCES;
	return 0;
}

static int look_up_path(const char *name, struct error *e)
{
	struct stat st;
	char tmp[CTR_REASON_MAX];
	int r = executable(name);

	if (r == 0)
		return 0;
	if (stat(name, &st) < 0)
		return error_plain(e, errno, "exec: \"%s\": stat %s: %s", name, name,
				   ctr_command_reason(errno, tmp));
	return error_plain(e, r, "exec: \"%s\": %s", name, ctr_command_reason(r, tmp));
}

int ctr_command_look_up(const char *name, const char *path, char **ret, struct error *e)
{
	autodone(strv) dirs = STRV_INIT;

	if (strchr(name, '/')) {
		int r = look_up_path(name, e);

		if (r == 0)
			*ret = xstrdup(name);
		return r;
	}
	strv_split(&dirs, path ? path : "", ":");
	for (size_t i = 0; i < dirs.n; i++) {
		autofree char *full = xasprintf("%s/%s", dirs.v[i], name);

		if (executable(full) < 0)
			continue;
		*ret = take_ptr(full);
		return 0;
	}
	return error_plain(e, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int ctr_command_find(struct ctr_setup *s, struct error *e)
{
	char *command = NULL;
	int r = ctr_command_look_up(s->process->args[0], env_get(&s->env, "PATH"), &command, e);

	s->command = command;
	return r;
}

/* While the container's filter does not forbid it yet. What is opened later is born that way. */
int ctr_command_close_on_exec(struct ctr_setup *s, struct error *e)
{
	return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? error_set(e, errno, "close_range")
							    : 0;
}

int ctr_command_exec(struct ctr_setup *s, struct error *e)
{
	size_t n = s->process->n_args;
	char **argv = xnew_array(char *, n + 1);
	char *none[] = { NULL };
	char tmp[CTR_REASON_MAX];
	int err;

	memcpy(argv, s->process->args, n * sizeof(*argv));
	execve(s->command, argv, s->env.v ? s->env.v : none);
	err = errno;
	free(argv);
	return error_plain(e, err, "exec %s: %s", s->command, ctr_command_reason(err, tmp));
}
