/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline - what happened when on the way to a container's first instruction: the marks of the
 * sandbox's owner and of the agent in one list.
 *
 * The guest has a clock of its own. Each request that both ends have marked says how far off it can
 * be: the agent cannot have had it before it was sent, nor answered after the answer came. The
 * narrowest window of all requests places the guest's marks, in its middle; what is left of it is
 * told.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct mark {
	struct timeline_mark m;
	bool guest, placed;
};

struct marks {
	struct mark *v;
	size_t n;
};

static void add(struct marks *all, const char *line, bool guest)
{
	struct mark k = { .guest = guest };

	if (all->n < LIMIT_TIMELINE_MARKS && timeline_parse(line, &k.m))
		all->v[all->n++] = k;
}

/* A file that is not there has no marks: the agent's log may be new. */
static int read_marks(struct marks *all, const char *dir, const char *name, bool guest,
		      struct error *e)
{
	autofree char *path = xasprintf("%s/%s", dir, name);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autofree char *text = NULL;
	char *save = NULL;
	int r = fd < 0 ? -errno : fd_read_all(fd, LIMIT_TIMELINE_FILE, &text, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(e, r, "read %s", path);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		add(all, l, guest);
	return 0;
}

/* The mark of the same request at the other end: the requests of a name come in the same order. */
static const struct mark *counterpart(const struct marks *all, const struct mark *g)
{
	size_t before = 0;

	for (const struct mark *k = all->v; k < g; k++)
		before += k->guest && str_eq(k->m.what, g->m.what);
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].guest && str_eq(all->v[i].m.what, g->m.what) && before-- == 0)
			return &all->v[i];
	return NULL;
}

/* What to add to the guest's clock: between these two. False: no request was marked at both ends.
 */
static bool window(const struct marks *all, int64_t *ret_low, int64_t *ret_high)
{
	int64_t low = INT64_MIN, high = INT64_MAX;

	for (size_t i = 0; i < all->n; i++) {
		const struct mark *g = &all->v[i], *h = g->guest ? counterpart(all, g) : NULL;

		if (!h)
			continue;
		low = MAX(low, h->m.at_us - g->m.at_us);
		high = MIN(high, h->m.at_us + h->m.took_us - g->m.at_us - g->m.took_us);
	}
	*ret_low = low;
	*ret_high = high;
	return low != INT64_MIN;
}

static void place(struct marks *all, int64_t offset)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].guest) {
			all->v[i].m.at_us += offset;
			all->v[i].placed = true;
		}
}

static int by_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return (x->m.at_us > y->m.at_us) - (x->m.at_us < y->m.at_us);
}

static void print_one(const struct mark *k, int64_t zero)
{
	char took[24] = "";

	if (k->m.took_us)
		snprintf(took, sizeof(took), "%.1f", (double)k->m.took_us / 1000);
	printf("%9.1f %9s  %-5s  %s\n", (double)(k->m.at_us - zero) / 1000, took,
	       k->guest ? "guest" : "host", k->m.what);
}

static void print_all(struct marks *all)
{
	int64_t low, high, zero = INT64_MAX;
	bool known = window(all, &low, &high), guest = false;

	for (size_t i = 0; i < all->n; i++) {
		guest |= all->v[i].guest;
		if (!all->v[i].guest)
			zero = MIN(zero, all->v[i].m.at_us);
	}
	if (known)
		place(all, low + (high - low) / 2);
	qsort(all->v, all->n, sizeof(*all->v), by_time);
	printf("%9s %9s  %-5s  %s\n", "at ms", "took ms", "where", "what");
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].guest || all->v[i].placed)
			print_one(&all->v[i], zero);
	if (known)
		printf("the guest's clock is placed to within %.1f ms\n",
		       (double)(high > low ? high - low : low - high) / 2000);
	else if (guest)
		printf("the guest's marks cannot be placed: no request was marked at both ends\n");
	else
		printf("the guest has not sent its marks (yet)\n");
}

int cli_timeline(const char *dir, struct error *e)
{
	autofree struct mark *v = xnew_array(struct mark, LIMIT_TIMELINE_MARKS);
	struct marks all = { .v = v };
	int r = access(dir, F_OK) < 0 ? error_set(e, errno, "%s", dir)
				      : read_marks(&all, dir, TIMELINE_FILE, false, e);

	if (r == 0)
		r = read_marks(&all, dir, "agent.log", true, e);
	if (r < 0)
		return r;
	if (!all.n)
		return error_plain(e, ENOENT, "%s has no marks", dir);
	print_all(&all);
	return 0;
}
