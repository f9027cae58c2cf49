/* SPDX-License-Identifier: Apache-2.0 */
/* File names: nothing leaves its root, nothing foreign is removed, identifiers are checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct tree {
	char dir[64];
	int fd, root; /* the directory, and "root" in it; "outside" lies beside that */
};

static int setup(void **state)
{
	struct tree *t = xnew(struct tree);

	*state = t;
	strcpy(t->dir, "/tmp/test-path-XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	t->fd = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mkdirat(t->fd, "root", 0755);
	mkdirat(t->fd, "outside", 0755);
	file_replace_at(t->fd, "outside/secret", "secret", 6, 0600);
	t->root = openat(t->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return t->root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	int r;

	fd_close(t->root);
	fd_close(t->fd);
	r = path_remove_tree_at(AT_FDCWD, t->dir);
	free(t);
	return r;
}

static void test_open_in_root(void **state)
{
	struct tree *t = *state;
	autofree char *absolute = xasprintf("%s/outside", t->dir);
	struct stat root, st;
	int fd;

	assert_int_equal(symlinkat("../outside", t->root, "up"), 0);
	assert_int_equal(symlinkat(absolute, t->root, "absolute"), 0);
	assert_int_equal(symlinkat("/proc/self/root", t->root, "magic"), 0);
	assert_int_equal(symlinkat("loop", t->root, "loop"), 0);
	assert_int_equal(path_open_in_root(t->root, "up/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in_root(t->root, "absolute/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in_root(t->root, "../outside/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in_root(t->root, "magic", O_PATH, 0), -ENOENT);
	assert_int_equal(path_open_in_root(t->root, "loop", O_RDONLY, 0), -ELOOP);
	/* ".." stops at the root; "" and "/" are the root. */
	assert_int_equal(fstat(t->root, &root), 0);
	for (const char *const *p = (const char *const[]){ "/", "", "..", "/../..", "up/..", NULL };
	     *p; p++) {
		fd = path_open_in_root(t->root, *p, O_PATH, 0);
		if (str_eq(*p, "up/..")) {
			assert_int_equal(fd, -ENOENT);
			continue;
		}
		assert_true(fd >= 0);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_ino, root.st_ino);
		fd_close(fd);
	}
	fd = path_open_in_root(t->root, "/new", O_WRONLY | O_CREAT | O_EXCL, 0640);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_int_equal(fstatat(t->root, "new", &st, 0), 0);
}

/* A link of /proc leads anywhere: it is not followed even where the root has one. */
static void test_magic_links(void **state)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(path_open_in_root(root, "/proc/self/exe", O_RDONLY, 0), -ELOOP);
}

static void test_mkdir_in_root(void **state)
{
	struct tree *t = *state;
	autodone(strv) deep = STRV_INIT;
	autofree char *path = NULL;
	struct stat st;
	int fd;

	assert_int_equal(mkdirat(t->root, "real", 0755), 0);
	assert_int_equal(symlinkat("/real", t->root, "link"), 0);
	assert_int_equal(symlinkat("../outside", t->root, "up"), 0);
	fd = path_mkdir_in_root(t->root, "/link/a//b/./c/../d/", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_int_equal(fstatat(t->root, "real/a/b/d", &st, 0), 0);
	/* A link that leads out leads nowhere; nothing appears outside. */
	assert_int_equal(path_mkdir_in_root(t->root, "up/evil", 0755), -ENOENT);
	assert_int_equal(fstatat(t->fd, "outside/evil", &st, 0), -1);
	assert_int_equal(file_replace_at(t->root, "file", "", 0, 0600), 0);
	assert_int_equal(path_mkdir_in_root(t->root, "file/x", 0755), -ENOTDIR);
	fd = path_mkdir_in_root(t->root, "/", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	for (int i = 0; i <= LIMIT_PATH_DEPTH; i++)
		strv_add(&deep, ".");
	path = strv_join(&deep, "/");
	assert_int_equal(path_mkdir_in_root(t->root, path, 0755), -ENAMETOOLONG);
}

static void test_mkdir_all(void **state)
{
	struct tree *t = *state;
	autofree char *deep = xasprintf("%s/a//b/c/", t->dir), *file = xasprintf("%s/f", t->dir),
		      *below = xasprintf("%s/f/x", t->dir);
	struct stat st;

	assert_int_equal(path_mkdir_all(deep, 0750), 0);
	assert_int_equal(path_mkdir_all(deep, 0750), 0);
	assert_int_equal(fstatat(t->fd, "a/b/c", &st, 0), 0);
	assert_int_equal(file_replace_at(t->fd, "f", "", 0, 0600), 0);
	assert_int_equal(path_mkdir_all(file, 0750), -ENOTDIR);
	assert_int_equal(path_mkdir_all(below, 0750), -ENOTDIR);
	assert_int_equal(path_mkdir_all("", 0750), -ENOENT);
	assert_int_equal(path_mkdir_all("/", 0750), 0);
}

static void test_remove_tree(void **state)
{
	struct tree *t = *state;
	struct stat st;

	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	assert_int_equal(mkdirat(t->root, "d/e", 0), 0);
	assert_int_equal(symlinkat("../../outside", t->root, "d/link"), 0);
	assert_int_equal(symlinkat("../outside", t->root, "link"), 0);
	assert_int_equal(mkfifoat(t->root, "d/fifo", 0600), 0);
	assert_int_equal(file_replace_at(t->root, "d/f", "x", 1, 0), 0);
	assert_int_equal(path_remove_tree_at(t->root, "d"), 0);
	assert_int_equal(path_remove_tree_at(t->root, "link"), 0);
	assert_int_equal(fstatat(t->root, "d", &st, 0), -1);
	assert_int_equal(fstatat(t->root, "link", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(t->fd, "outside/secret", &st, 0), 0);
	assert_int_equal(path_remove_tree_at(t->root, "none"), 0);
	assert_int_equal(path_remove_tree_at(t->root, "none/either"), 0);
	assert_int_equal(path_remove_tree_at(t->root, ""), 0);
}

static void test_remove_deep(void **state)
{
	struct tree *t = *state;
	int fd = openat(t->root, ".", O_PATH | O_CLOEXEC), top;

	top = openat(t->root, ".", O_PATH | O_CLOEXEC);
	for (int i = 0; i < LIMIT_PATH_DEPTH + 8; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_PATH | O_CLOEXEC);
		fd_close(fd);
		fd = next;
		/* A second root half way down: what is too deep from the top is not from here. */
		if (i == LIMIT_PATH_DEPTH / 2) {
			fd_close(top);
			top = openat(fd, ".", O_PATH | O_CLOEXEC);
		}
	}
	fd_close(fd);
	assert_int_equal(path_remove_tree_at(t->root, "d"), -ELOOP);
	assert_int_equal(path_remove_tree_at(top, "d"), 0);
	fd_close(top);
	assert_int_equal(path_remove_tree_at(t->root, "d"), 0);
}

/* Bind mounts, of another file system and of the same, in a mount namespace of their own. */
static int remove_over_mounts(const struct tree *t)
{
	char other[128], same[128], out[128];
	struct stat st;

	snprintf(other, sizeof(other), "%s/root/d/other", t->dir);
	snprintf(same, sizeof(same), "%s/root/d/same", t->dir);
	snprintf(out, sizeof(out), "%s/outside", t->dir);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	if (path_mkdir_all(other, 0755) < 0 || path_mkdir_all(same, 0755) < 0)
		return 1;
	if (mount("tmpfs", other, "tmpfs", 0, NULL) < 0 ||
	    mount(out, same, NULL, MS_BIND, NULL) < 0)
		return 77;
	if (path_remove_tree_at(t->root, "d") != -EBUSY)
		return 3;
	if (path_remove_tree_at(t->root, "d/same") != -EBUSY)
		return 4;
	if (fstatat(t->fd, "outside/secret", &st, 0) < 0)
		return 5;
	if (umount(other) < 0 || umount(same) < 0)
		return 6;
	return path_remove_tree_at(t->root, "d") == 0 ? 0 : 7;
}

static void test_remove_mounts(void **state)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("mounting needs root\n");
		skip();
	}
	pid = fork();
	if (pid == 0)
		_exit(remove_over_mounts(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("no mount namespace here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void test_names(void **state)
{
	autofree char *cwd = getcwd(NULL, 0), *dot = path_absolute("."),
		      *rel = path_absolute("a/b"), *abs = path_absolute("/x/../y"),
		      *want = xasprintf("%s/a/b", cwd), *own = NULL;
	char buf[PATH_FD_MAX];

	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("/a/"), "");
	assert_string_equal(dot, cwd);
	assert_string_equal(rel, want);
	assert_string_equal(abs, "/x/../y");
	assert_string_equal(path_of_fd(2147483647, buf), "/proc/self/fd/2147483647");
	own = path_own_program("no-such-program", "src", "/usr/libexec");
	assert_string_equal(own, "/usr/libexec/no-such-program");
}

static void test_id(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "a b", "a\n", "ä", "a:b", "%" };
	char longest[LIMIT_ID_MAX + 2];
	struct error e = ERROR_INIT;

	assert_int_equal(id_check("aZ0_+-.", "container id", &e), 0);
	assert_int_equal(id_check("...", "container id", &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(id_check(bad[i], "container id", &e), -EINVAL);
	assert_int_equal(id_check("a/b", "container id", &e), -EINVAL);
	assert_string_equal(e.text,
			    "invalid container id \"a/b\": use letters, digits and _ + - .");
	assert_int_equal(id_check("", "exec id", &e), -EINVAL);
	assert_string_equal(e.text, "exec id must not be empty");
	assert_int_equal(id_check(NULL, "exec id", NULL), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[LIMIT_ID_MAX + 1] = '\0';
	assert_int_equal(id_check(longest, "exec id", &e), -EINVAL);
	assert_string_equal(e.text, "exec id is too long: 256 characters, at most 255 are allowed");
	longest[LIMIT_ID_MAX] = '\0';
	assert_int_equal(id_check(longest, "exec id", &e), 0);
}

/* Nothing is followed: not even a link that stays inside. */
static void test_beneath(void **state)
{
	struct tree *t = *state;
	autoclose int made = path_mkdir_beneath(t->root, "/a/b", 0755), fd = -1;

	assert_true(made >= 0);
	assert_int_equal(faccessat(t->root, "a/b", F_OK, 0), 0);
	assert_int_equal(symlinkat("a", t->root, "inside"), 0);
	assert_int_equal(symlinkat("../outside", t->root, "out"), 0);
	assert_int_equal(path_open_beneath(t->root, "inside/b", O_PATH, 0), -ELOOP);
	assert_int_equal(path_open_beneath(t->root, "out/secret", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_mkdir_beneath(t->root, "inside/c", 0755), -ELOOP);
	assert_int_equal(path_mkdir_beneath(t->root, "out/c", 0755), -ELOOP);
	assert_int_equal(path_open_beneath(t->root, "../outside/secret", O_RDONLY, 0), -EXDEV);
	assert_int_equal(path_mkdir_beneath(t->root, "a/../../x", 0755), -EXDEV);
	fd = path_open_beneath(t->root, "", O_PATH, 0);
	assert_true(fd >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_in_root, setup, teardown),
		cmocka_unit_test(test_magic_links),
		cmocka_unit_test_setup_teardown(test_mkdir_in_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beneath, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_mounts, setup, teardown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
