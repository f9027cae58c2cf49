/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - grpc.AgentService and grpc.Health: the table of handlers.
 *
 * A handler checks its request, calls the module that does the work and answers; methods without
 * one are answered "unimplemented" by the server. Handlers never block.
 */
#pragma once

struct agent;

void service_register(struct agent *a);
