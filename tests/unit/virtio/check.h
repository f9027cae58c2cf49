/* SPDX-License-Identifier: Apache-2.0 */
/* check - cmocka with what it needs included before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
