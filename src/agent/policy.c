/* SPDX-License-Identifier: Apache-2.0 */
/* policy - see policy.h. A statement is one line; what a name stands for comes from the protocol's
 * descriptor. */
#include "agent/policy.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include "agent.pb-c.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define SERVICE grpc__agent_service__descriptor
#define WORD_MAX 128

static const char *const subject_methods[] = {
	[POLICY_EXEC_PROCESS] = "ExecProcess",
	[POLICY_READ_STREAM] = "ReadStdout",
	[POLICY_WRITE_STREAM] = "WriteStdin",
};

/* --- parsing --- */

struct parser {
	const char *p, *end, *line_start;
	unsigned line;
	bool package;
	struct policy policy;
	/* by method, and one bit more for AllowRequestsFailingPolicy */
	uint64_t defaults_seen, rules_seen;
	bool switch_default_seen, switch_rule_seen;
	struct strv *unknown;
};

static int refuse(const struct parser *s, const char *at, struct error *e, const char *what)
{
	return error_plain(e, EINVAL, "%u:%u: %s", s->line, (unsigned)(at - s->line_start) + 1,
			   what);
}

static void skip_blanks(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
	if (s->p < s->end && *s->p == '#')
		while (s->p < s->end && *s->p != '\n')
			s->p++;
}

/* True at the end of the text. */
static bool skip_to_statement(struct parser *s)
{
	for (;;) {
		skip_blanks(s);
		if (s->p == s->end || *s->p != '\n')
			return s->p == s->end;
		s->line_start = ++s->p;
		s->line++;
	}
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* The next word of the line, "" if there is none. */
static const char *take_word(struct parser *s, char word[WORD_MAX])
{
	size_t n = 0;

	skip_blanks(s);
	while (s->p < s->end && is_word_char(*s->p) && n < WORD_MAX - 1)
		word[n++] = *s->p++;
	word[n] = '\0';
	return word;
}

static int end_of_line(struct parser *s, struct error *e)
{
	skip_blanks(s);
	if (s->p < s->end && *s->p != '\n')
		return refuse(s, s->p, e, "one statement a line, and nothing behind it");
	return 0;
}

static int parse_package(struct parser *s, struct error *e)
{
	char word[WORD_MAX];
	const char *at;

	if (s->package)
		return refuse(s, s->p, e, "a second package");
	skip_blanks(s);
	at = s->p;
	if (!str_eq(take_word(s, word), "agent_policy"))
		return refuse(s, at, e, "the package must be agent_policy");
	s->package = true;
	return end_of_line(s, e);
}

/* Imports of the language's own words change nothing of what is understood here. */
static int parse_import(struct parser *s, struct error *e)
{
	char word[WORD_MAX];
	const char *at;

	skip_blanks(s);
	at = s->p;
	take_word(s, word);
	if (!str_eq(word, "rego.v1") && !str_eq(word, "future.keywords") &&
	    !str_skip_prefix(word, "future.keywords."))
		return refuse(s, at, e, "only rego.v1 and future.keywords can be imported");
	return end_of_line(s, e);
}

/* Behind the name: ":= true". */
static int parse_value(struct parser *s, bool *ret, struct error *e)
{
	char word[WORD_MAX];
	const char *at;

	skip_blanks(s);
	at = s->p;
	if (s->end - s->p >= 2 && s->p[0] == ':' && s->p[1] == '=')
		s->p += 2;
	else if (s->p < s->end && s->p[0] == '=' && !(s->end - s->p >= 2 && s->p[1] == '='))
		s->p++;
	else
		return refuse(s, at, e,
			      "expected \":= true\" or \":= false\": rules with conditions are not "
			      "understood by this agent");
	skip_blanks(s);
	at = s->p;
	take_word(s, word);
	if (!str_eq(word, "true") && !str_eq(word, "false"))
		return refuse(s, at, e, "only true and false are understood as values");
	*ret = str_eq(word, "true");
	return end_of_line(s, e);
}

/* The methods whose request is of type @name. */
static uint64_t methods_of(const char *name)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < SERVICE.n_methods; i++)
		if (str_eq(SERVICE.methods[i].input->short_name, name))
			bits |= UINT64_C(1) << i;
	return bits;
}

/* A rule wins over the default, whichever comes first; two of a kind contradict each other or are a
 * mistake. */
static int set_methods(struct parser *s, uint64_t bits, bool is_default, bool value)
{
	uint64_t *seen = is_default ? &s->defaults_seen : &s->rules_seen;

	if (*seen & bits)
		return -EEXIST;
	*seen |= bits;
	if (!is_default || !(s->rules_seen & bits))
		s->policy.allowed = value ? s->policy.allowed | bits : s->policy.allowed & ~bits;
	return 0;
}

static int set_switch(struct parser *s, bool is_default, bool value)
{
	bool *seen = is_default ? &s->switch_default_seen : &s->switch_rule_seen;

	if (*seen)
		return -EEXIST;
	*seen = true;
	if (!is_default || !s->switch_rule_seen)
		s->policy.permissive = value;
	return 0;
}

static int parse_rule(struct parser *s, const char *name, const char *at, bool is_default,
		      struct error *e)
{
	uint64_t bits = methods_of(name);
	bool value = false;
	int r = parse_value(s, &value, e);

	if (r < 0)
		return r;
	if (str_eq(name, "AllowRequestsFailingPolicy"))
		r = set_switch(s, is_default, value);
	else if (bits)
		r = set_methods(s, bits, is_default, value);
	else if (s->unknown && s->unknown->n < LIMIT_AGENT_UNKNOWN)
		strv_add(s->unknown, name);
	return r < 0 ? refuse(s, at, e, "this name has a value already") : 0;
}

static int parse_statement(struct parser *s, struct error *e)
{
	const char *at = s->p;
	char word[WORD_MAX];

	take_word(s, word);
	if (str_eq(word, "package"))
		return parse_package(s, e);
	if (!s->package)
		return refuse(s, at, e, "a policy starts with \"package agent_policy\"");
	if (str_eq(word, "import"))
		return parse_import(s, e);
	if (str_eq(word, "default")) {
		skip_blanks(s);
		at = s->p;
		take_word(s, word);
		if (*word && !strchr(word, '.'))
			return parse_rule(s, word, at, true, e);
	} else if (*word && !strchr(word, '.')) {
		return parse_rule(s, word, at, false, e);
	}
	return refuse(s, at, e, "expected the name of a request");
}

int policy_parse(const char *text, size_t len, struct policy *ret, struct strv *ret_unknown,
		 struct error *e)
{
	struct parser s = { text, text + len, text, .line = 1, .unknown = ret_unknown };

	if (len > LIMIT_AGENT_POLICY)
		return error_plain(e, E2BIG, "the policy has %zu bytes, more than %zu", len,
				   LIMIT_AGENT_POLICY);
	while (!skip_to_statement(&s)) {
		int r = parse_statement(&s, e);

		if (r < 0)
			return r;
	}
	if (!s.package)
		return refuse(&s, s.p, e, "a policy starts with \"package agent_policy\"");
	s.policy.in_force = true;
	*ret = s.policy;
	return 0;
}

/* --- in force --- */

int policy_set(struct policy *p, const char *text, size_t len, struct error *e)
{
	autodone(strv) unknown = STRV_INIT;
	int r = policy_parse(text, len, p, &unknown, e);

	if (r < 0)
		return error_prefix(e, "policy");
	for (size_t i = 0; i < unknown.n; i++)
		log_warn("policy: there is no request %.64s", unknown.v[i]);
	log_info("a policy is in force%s",
		 p->permissive ? ", but only warns: AllowRequestsFailingPolicy" : "");
	return 0;
}

int policy_load(struct policy *p, const char *path, struct error *e)
{
	autofree char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, LIMIT_AGENT_POLICY, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(e, r, "policy %s", path);
	r = policy_set(p, text, len, e);
	return r < 0 ? error_prefix(e, "%s", path) : 0;
}

static int check_method(const struct policy *p, int method, struct error *e)
{
	const char *name;

	if (!p->in_force || (method >= 0 && method < 64 && p->allowed >> method & 1))
		return 0;
	name = method < 0 ? "this request" : SERVICE.methods[method].input->short_name;
	if (p->permissive) {
		log_warn("policy: %s would be blocked", name);
		return 0;
	}
	return error_plain(e, EACCES, "%s is blocked by policy", name);
}

int policy_check(const struct policy *p, enum policy_subject what, struct error *e)
{
	return check_method(p, rpc_method_index(&SERVICE, subject_methods[what]), e);
}

bool policy_allows(const struct policy *p, enum policy_subject what)
{
	return policy_check(p, what, NULL) == 0;
}

int policy_filter(void *data, const char *service, const char *method, const ProtobufCMessage *req,
		  struct error *e)
{
	if (!str_eq(service, SERVICE.name) || str_eq(method, "ReadStdout") ||
	    str_eq(method, "ReadStderr"))
		return 0;
	return check_method(data, rpc_method_index(&SERVICE, method), e);
}
