// SPDX-License-Identifier: MIT

// The three hazards that kernel rules keep and strict rules do not have (spec: core.md section 18:
// C29, C41, C72). Each runs in a process of its own: recorded violations belong to the process.

import CFolio
import FolioCore
import FolioWorkloads
import Testing

@Suite("Hazards of kernel rules")
struct HazardTests {
  // C29. 1. The owner splits a folio: each page's map word is emptied, then stored again. 2. A
  // reader that holds no reference asks for the map of such a page between the two.
  @Test("a reader without a reference meets a page without a map under kernel rules (C29)")
  func emptyMapWord() async {
    await #expect(processExitsWith: .success) {
      let found = try findings(of: "shape", .kernel, until: "C29", seconds: 60)
      #expect(found == ["C29"])
    }
  }

  // C41. 1. A waiter waits for a pinned page to have no reference. 2. A fault maps the page again.
  // 3. The pin goes, R is 1 and owned by the mapping: no wake, though nobody keeps the page.
  @Test("a waiter outlasts the last pin when the page was mapped again under kernel rules (C41)")
  func unwokenWaiter() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .kernel))
    let frame = map.frames.lowerBound
    let folio = unsafe map.folio(frame)
    unsafe folio_ref_inc(folio)
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_pte(folio, map.page(frame), 1)
    unsafe folio_put(folio)
    #expect(unsafe folio_extra_refs(folio) == 0)
    do throws(PageMapError) {
      try map.waitUntilIdle(frame: frame, timeout: .milliseconds(50))
      Issue.record("the mapping's reference did not keep the waiter")
    } catch {
      #expect(error.code == .timedOut)
    }
    unsafe folio_remove_rmap_pte(folio, map.page(frame), 1)
    unsafe folio_put(folio)
    try map.waitUntilIdle(frame: frame)
    try map.unmap()
  }

  @Test("a waiter whose page was mapped again comes back with the last pin under strict rules")
  func wokenWaiter() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let frame = map.frames.lowerBound
    let folio = unsafe map.folio(frame)
    unsafe folio_ref_inc(folio)
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_pte(folio, map.page(frame), 1)
    unsafe folio_put(folio)
    try map.waitUntilIdle(frame: frame, timeout: .seconds(60))
    unsafe folio_remove_rmap_pte(folio, map.page(frame), 1)
    unsafe folio_put(folio)
    try map.unmap()
  }

  @Test("stress finds the unwoken waiter and names it under kernel rules (C41)")
  func stressFindsUnwokenWaiter() async {
    await #expect(processExitsWith: .success) {
      let found = try findings(of: "waits", .kernel, until: "C41", seconds: 60)
      #expect(found == ["C41"])
    }
  }

  @Test("neither shaping nor waiting finds a hazard under strict rules")
  func strictHasNone() async {
    await #expect(processExitsWith: .success) {
      let found = try findings(of: "shape", .strict, until: "C29", seconds: 1)
      #expect(found == [])
      let awaited = try findings(of: "waits", .strict, until: "C41", seconds: 1)
      #expect(awaited == [])
    }
  }

  // C72. One put too many on a device-dax page takes its base reference.
  @Test("kernel rules hide a put too many on a device-dax page, the audit names it (C72)")
  func hiddenPut() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.generic, pages: 512, .init(rules: .kernel))
      try map.startAuditing()
      unsafe folio_put(map.folio(map.frames.lowerBound))
      #expect(unsafe page_ref_count(map.page(map.frames.lowerBound)) == 1)
      #expect(Violation.takeRecorded().map(\.invariant) == ["C72"])
      try map.unmap()
    }
  }

  @Test("strict rules stop at a put too many on a device-dax page")
  func stoppedPut() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let map = try PageMap(.generic, pages: 512)
      unsafe folio_put(map.folio(map.frames.lowerBound))
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("CI25"), "\(text)")
  }
}

/// The invariants that a scenario finds, each once, in rounds until `wanted` is among them or the
/// time is over.
private func findings(
  of name: String, _ rules: PageMap.Rules, until wanted: String, seconds: Double
) throws -> Set<String> {
  let scenario = try #require(StressScenario.named(name))
  var options = StressOptions()
  options.rules = rules
  options.seconds = 0.5
  var found: Set<String> = []
  // Even: the first of the two rounds is audited, which is when C29 is recorded.
  options.seed = 2
  let end = cfolio_clock_ns() + Int64(seconds * 1e9)
  while !found.contains(wanted) && cfolio_clock_ns() < end {
    let result = StressRun(scenario, options, interrupted: StopFlag()).run()
    found.formUnion(result.findings.map(\.violation.invariant))
    options.seed += 2
  }
  return found
}
