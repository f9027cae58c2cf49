/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the uevent socket, and PCI paths (the first line of the same bytes). */
#include "base/mem.h"
#include "sys/pcipath.h"
#include "sys/uevent.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = xcalloc(1, size + 1);
	struct pci_path p;
	struct uevent u;

	memcpy(text, data, size);
	if (uevent_parse(text, size, &u) == 0 &&
	    (!u.action || !u.devpath || *u.devpath != '/' || !u.subsystem || !u.devname))
		abort();
	text[strcspn(text, "\n")] = '\0';
	if (pci_path_parse(text, &p, NULL) == 0 && (!p.n || p.n > PCI_PATH_MAX))
		abort();
	return 0;
}
