# SPDX-License-Identifier: MIT
"""The families of scenarios, in the order in which they are measured."""

from . import device, idle, present

FAMILIES = [device, present, idle]
