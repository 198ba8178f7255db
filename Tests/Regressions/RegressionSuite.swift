// SPDX-License-Identifier: MIT

// One file per race of spec: core.md section 18 that the library guards and a native build can
// show. Each file tells the story in numbered steps, with threads T1 and T2; where one thread can
// step through it - callbacks, fault handlers, or a FaultPoint in the middle of a C function - the
// test is deterministic, else it races until both orders were seen. Every test fails when the guard
// it names is taken out.
//
// Not here: C14 and C59, whose missing fences x86-64 does not show, since the operations in front of
// them are full barriers there (c12Race shows C14 on other machines; the lab shows both); C22, whose
// window is two instructions wide (the lab: pin-form); C44 (GetUserPagesLegacyTests: a map that is
// dying), C69 and C70 (PeerMemoryTests, under the kernel's rules too).

import FolioCore
import TestSupport
import Testing

/// All regressions, one at a time: fault points and races want the process to themselves.
@Suite("Regressions", .serialized)
struct Regressions {}

/// Runs a shape and turns its report into expectations.
func expectRace<Shape: LitmusShape>(_ name: String, _ shape: Shape) async {
  let report = await Litmus.run("Regressions/\(name)", shape)
  #expect(report.passed, "\(report)")
}

/// Another thread's load of the address, to its end.
func loadElsewhere(_ space: MemoryMap, _ address: UInt) {
  let other = NativeThread {
    do {
      _ = try space.load(address)
    } catch {
      Issue.record("\(error)")
    }
  }
  other.join()
}
