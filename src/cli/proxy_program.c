/* SPDX-License-Identifier: Apache-2.0 */
/* caisson-proxy - see proxy.h. */
#include "cli/proxy.h"

int main(int argc, char **argv)
{
	return proxy_main(argc, argv);
}
