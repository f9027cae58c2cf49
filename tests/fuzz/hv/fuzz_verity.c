/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_verity_params from an annotation: what is taken stays within the quotes of one parameter.
 */
#include "base/mem.h"
#include "hv/verity.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	autofree char *p = NULL;
	char text[2048] = { 0 };

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	if (verity_param(text, "/dev/vda1", "/dev/vda2", &p, &e) < 0)
		return 0;
	if (strncmp(p, "dm-mod.create=\"root,,,ro,0 ", 27) != 0 ||
	    strchr(p + 15, '"') != p + strlen(p) - 1)
		abort();
	return 0;
}
