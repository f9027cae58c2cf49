/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-cli-docs - prints the manual page of caisson, which is made from its tables. Used by the
 * build and by whoever changes them; not installed.
 */
#include "cli/cli.h"

int main(void)
{
	cli_print_man(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
