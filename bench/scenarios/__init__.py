# SPDX-License-Identifier: MIT
"""The families of scenarios, in the order in which they are measured."""

from . import device, guest, idle, mapping, present

FAMILIES = [device, present, idle, mapping, guest]
