/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json is read, checked and written; what was written reads back and gives the same text.
 */
#include "oci/oci.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	oci_spec *s = NULL, *again = NULL;
	char *one, *two, *annotations;

	if (oci_spec_parse((const char *)data, size, "fuzz", &s, &e) < 0) {
		if (s || !*e.text)
			abort();
		return 0;
	}
	one = oci_spec_to_json(s);
	if (!one || oci_spec_parse(one, strlen(one), "again", &again, &e) < 0)
		abort();
	two = oci_spec_to_json(again);
	if (!two || strcmp(one, two) != 0)
		abort();
	annotations = oci_annotations_json(s);
	if (oci_spec_check(s, "/", &e) < 0 && !*e.text)
		abort();
	free(annotations);
	free(one);
	free(two);
	oci_spec_free(s);
	oci_spec_free(again);
	return 0;
}
