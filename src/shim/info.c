/* SPDX-License-Identifier: Apache-2.0 */
/* info - -info: what this runtime is and can, for engines that ask before they use it. Options on
 * stdin change nothing of it and are not read. */
#include "shim/shim.h"

#include "base/str.h"

#include "google/protobuf/any.pb-c.h"
#include "runtimeinfo.pb-c.h"

#include <errno.h>
#include <stdio.h>

int shim_info(const struct shim_options *o, struct error *e)
{
	Containerd__Types__RuntimeInfo m = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion v = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	Google__Protobuf__Any features = GOOGLE__PROTOBUF__ANY__INIT;
	autofree char *json = oci_features_json();
	autofree uint8_t *bytes = NULL;
	size_t n;

	v.version = CAISSON_VERSION;
	features.type_url = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
	features.value.data = (uint8_t *)json;
	features.value.len = strlen(json);
	m.name = "io.containerd.caisson.v2";
	m.version = &v;
	m.features = &features;
	n = containerd__types__runtime_info__get_packed_size(&m);
	bytes = xcalloc(n, 1);
	containerd__types__runtime_info__pack(&m, bytes);
	return fwrite(bytes, 1, n, stdout) == n ? 0 : error_set(e, errno, "stdout");
}
