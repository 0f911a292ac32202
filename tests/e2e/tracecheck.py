# SPDX-License-Identifier: MIT
"""Reads a trace as Perfetto does: which slice an arrow is bound to, and what a frame has been through."""

import bisect
import json

CHAIN = ["flip", "notify", "arrive", "gpu copy", "present"]
NS = 0.0015  # what a double has left of a ns, in µs


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.events = json.load(file)
        self.programs = {e["pid"]: e["args"]["name"] for e in self.events
                         if e["ph"] == "M" and e["name"] == "process_name"}
        self.tracks = {}
        for event in self.events:
            if event["ph"] == "X":
                self.tracks.setdefault((event["pid"], event["tid"]), []).append(event)
        for slices in self.tracks.values():
            slices.sort(key=lambda e: e["ts"])

    def program(self, event):
        return self.programs[event["pid"]]

    def stages(self):
        """{(program, stage)}: of slices, halves and marks."""
        return {(self.program(e), e["name"]) for e in self.events if e["ph"] in "Xbei"}

    def marks(self, name):
        return [e for e in self.events if e["ph"] == "i" and e["name"] == name]

    def overlapping(self, programs):
        """Slices of a track that neither follow each other nor are one in the other."""
        found = []
        for slices in self.tracks.values():
            around = []
            for event in slices if self.program(slices[0]) in programs else ():
                while around and around[-1]["ts"] + around[-1]["dur"] <= event["ts"] + NS:
                    around.pop()
                if around and event["ts"] + event["dur"] > around[-1]["ts"] + around[-1]["dur"] + NS:
                    found.append((around[-1], event))
                around.append(event)
        return found

    def bound(self, arrow):
        """The slice that an arrow is bound to, or None."""
        slices = self.tracks.get((arrow["pid"], arrow["tid"]), [])
        at = bisect.bisect_right(slices, arrow["ts"], key=lambda e: e["ts"]) - 1
        if at < 0 or arrow["ts"] > slices[at]["ts"] + slices[at]["dur"] + NS:
            return None
        return slices[at]

    def chains(self, first="s"):
        """{frame: its slices in the order of its arrows}, of frames that were presented."""
        arrows = {}
        for event in self.events:
            if event["ph"] in "stf" and event["name"] == "frame":
                arrows.setdefault(event["id"], []).append(event)
        found = {}
        for present in self.events:
            if present["ph"] == "X" and present["name"] == "present":
                way = sorted(arrows.get(present["args"]["frame"], []), key=lambda e: e["ts"])
                slices = [self.bound(arrow) for arrow in way]
                kinds = "".join(arrow["ph"] for arrow in way)
                whole = None not in slices and kinds == first + "t" * (len(way) - 2) + "f"
                found[present["args"]["frame"]] = slices if whole else []
        return found

    def complete(self):
        """How many frames were presented, and of how many the way is there, in the order of time."""
        whole = 0
        found = self.chains()
        for slices in found.values():
            starts = [s["ts"] for s in slices]
            if [s["name"] for s in slices] == CHAIN and starts == sorted(starts):
                copy, present = slices[3], slices[4]
                whole += copy["ts"] + copy["dur"] <= present["ts"] + NS
        return len(found), whole
