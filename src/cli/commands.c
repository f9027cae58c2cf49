/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the table of commands: dispatch, help and the man page come from it. */
#include "cli/cli.h"

/* In the order of --help. */
/* clang-format off */
#define COMMANDS(X) \
	X(run) X(create) X(start) X(exec) X(kill) X(delete) \
	X(state) X(list) X(ps) X(pause) X(resume) X(update) X(events) X(logs) \
	X(agent) X(check) X(env) X(factory) X(spec) X(features) X(checkpoint) X(restore) X(version)
/* clang-format on */

#define DECLARE(name) extern const struct cli_command command_##name;
COMMANDS(DECLARE)

#define REFER(name) &command_##name,
const struct cli_command *const cli_commands[] = { COMMANDS(REFER) NULL };
