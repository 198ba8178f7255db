// SPDX-License-Identifier: MIT

// The litmus shapes of spec: core.md 15.2 that need no page table, one file per subject. Each runs
// two native threads over the library's own operations until every allowed order was seen, and
// fails on the forbidden outcome. Run time: 0.3 s per shape, more when the machine is busy or
// FOLIO_LITMUS_SECONDS says so. x86 never shows a pure order mistake (C07, C08): the same shapes
// under ThreadSanitizer do, because their payload words are plain memory.

import TestSupport
import Testing

/// All litmus tests, one at a time: two of them on two CPUs would not race.
@Suite("Litmus", .serialized)
struct LitmusTests {}

/// Runs a shape and turns its report into expectations.
func expectLitmus<Shape: LitmusShape>(_ name: String, _ shape: Shape) async {
  let report = await Litmus.run("LitmusTests/\(name)", shape)
  #expect(report.passed, "\(report)")
}
