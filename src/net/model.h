/* SPDX-License-Identifier: Apache-2.0 */
/* model - the models of net.h, and what they share. */
#pragma once

#include "net/net.h"

/* Behind the number in a tap's name: how ours are told from an engine's. */
#define NET_TAP_SUFFIX "_caisson"

extern const struct net_model net_tcfilter, net_macvtap;

/* Gives the new tap @index the size of packets of the nic's link, and sets it up. */
int net_tap_ready(struct net *n, const struct net_nic *nic, int index, struct error *e);
