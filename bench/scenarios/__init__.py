# SPDX-License-Identifier: MIT
"""The families of scenarios, in the order in which they are measured."""

from . import device, guest, idle, latency, mapping, present, tearing

FAMILIES = [device, present, idle, mapping, latency, tearing, guest]
