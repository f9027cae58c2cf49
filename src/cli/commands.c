/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the table of commands: dispatch, help and the man page come from it. */
#include "cli/cli.h"

#define COMMANDS(X) X(create) X(start) X(state) X(kill) X(delete) X(exec) X(run) X(version)

#define DECLARE(name) extern const struct cli_command command_##name;
COMMANDS(DECLARE)

#define REFER(name) &command_##name,
const struct cli_command *const cli_commands[] = { COMMANDS(REFER) NULL };
