/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcipath - where a PCI device is: the slots to go through from a root bus, "02/03" or "02/1f.2".
 *
 * Bus numbers are the guest's own affair, slots are what the host chose; so a device is named by
 * its slot behind the bridge in this slot behind the bridge in that slot. A first number from 20
 * (hex) on is none of a slot but that of the root bus (pxb-pcie); without it the bus is 00.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

#define PCI_PATH_MAX 8 /* bridges and the device behind them */

struct pci_path {
	uint8_t bus;
	size_t n;
	struct {
		uint8_t slot, function;
	} step[PCI_PATH_MAX];
};

int pci_path_parse(const char *text, struct pci_path *ret, struct error *e);
/* The device's directory (O_PATH) below @sys ("/sys"); -ENOENT while there is none. */
int pci_path_open(int sys, const struct pci_path *p);
