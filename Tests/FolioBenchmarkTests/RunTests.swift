// SPDX-License-Identifier: MIT

// The engine, end to end and in little: what a broken operation does to the exit status, what the
// table ends with, filters, skips, interrupts.

import BenchmarkPeers
import CFolio
import FolioCore
import Foundation
import Testing

@testable import FolioBenchmark
@testable import FolioTools

/// Serialised: runs pin threads to CPUs and share the interrupt flag.
@Suite(.serialized) struct RunTests {
  /// A trial on one idle page that takes `count` references and gives `count - missing` back.
  private static func operation(_ name: String, missing: Int) -> BenchmarkOperation {
    BenchmarkOperation(name, "for a test", threads: [1], warmOnly: "a test") { _ throws(Refusal) in
      let map: PageMap
      do { map = try PageMap(.generic, pages: 1) } catch { throw Refusal("\(error)") }
      let frame = map.frames.lowerBound
      let body = Loop { _, _, count in
        for _ in 0..<count { unsafe folio_get(map.folio(frame)) }
        for _ in 0..<count - missing { unsafe folio_put(map.folio(frame)) }
        return count
      }
      return Trial(
        pages: 1,
        sides: [
          Side(
            "folio", loop: body,
            verify: { _, verifier in
              unsafe FolioModel(references: 1).verify(map.page(frame), "page 0", &verifier)
            })
        ],
        close: { _ in
          let extra = unsafe folio_ref_count(map.folio(frame)) - 1
          if extra > 0 { unsafe folio_put_refs(map.folio(frame), extra) }
        })
    }
  }

  private struct Outcome {
    var status: ToolStatus
    var output: String
    var messages: String
  }

  private func run(
    _ operations: [BenchmarkOperation], _ change: (inout RunOptions) -> Void = { _ in }
  ) throws -> Outcome {
    var options = RunOptions(seed: 1)
    options.timing = Timing(rounds: 8, batch: 50_000, slice: 10_000, limit: 1_000_000_000)
    options.deviceOrders = [10]
    options.isQuick = true
    change(&options)
    var outcome = Outcome(status: .pass, output: "", messages: "")
    let output = RunOutput(
      results: { outcome.output += $0 + "\n" }, messages: { outcome.messages += $0 + "\n" })
    let status = try BenchmarkRun(options, operations: operations, output: output).execute()
    outcome.status = status
    return outcome
  }

  @Test("an operation that gives back every reference passes")
  func sound() throws {
    let outcome = try run([Self.operation("sound", missing: 0)])
    #expect(outcome.status == .pass)
    #expect(outcome.output.contains("✓"))
  }

  @Test("an operation with one put too few fails the run with exit status 1 and says which counter")
  func broken() throws {
    let outcome = try run([
      Self.operation("sound", missing: 0), Self.operation("broken", missing: 1),
    ])
    #expect(outcome.status == .failed)
    #expect(outcome.status.rawValue == 1)
    #expect(outcome.output.contains("FAILED broken"))
    #expect(outcome.output.contains("page 0: R is"))
    #expect(outcome.output.contains("the model says 1"))
    #expect(outcome.messages.contains("replay: folio-bench run --filter '^broken$'"))
    #expect(outcome.messages.contains("--seed 1"))
    let last = try #require(outcome.output.split(separator: "\n").last)
    #expect(last.hasPrefix("2 operations x 2 pages x "))
    #expect(last.hasSuffix("FAILED"))
  }

  @Test("a loop that does less than it was asked for is caught, though no counter is wrong")
  func idleLoop() throws {
    let lazy = BenchmarkOperation("lazy", "does nothing", threads: [1], warmOnly: "a test") {
      _ throws(Refusal) in
      Trial(pages: 1, sides: [Side("folio", loop: Loop { _, _, count in count - 1 })])
    }
    #expect(try run([lazy]).status == .failed)
  }

  @Test("a broken operation is marked in the JSON report")
  func brokenJSON() throws {
    let outcome = try run([Self.operation("broken", missing: 1)]) { $0.jsonPath = "-" }
    let report = try BenchmarkReport(decoding: Data(outcome.output.utf8), name: "output")
    #expect(report.results.map(\.verified) == [false])
    #expect(outcome.messages.contains("FAILED broken"))
  }

  @Test("the last line counts operations, pages and checks")
  func lastLine() throws {
    let outcome = try run([Self.operation("a", missing: 0), Self.operation("b", missing: 0)])
    let last = try #require(outcome.output.split(separator: "\n").last)
    #expect(
      last.wholeMatch(of: /2 operations x 2 pages x [0-9,]+ checks, all as the model says/) != nil)
  }

  @Test("rounds go on while a ratio is uncertain, until the time is over")
  func rounds() throws {
    /// Ratios that are 1 and 5 by turns are never certain.
    func rounds(_ uncertainty: Double, limit: Int64, isSteady: Bool = false) throws -> Int {
      let operation = BenchmarkOperation("r", "x", threads: [1], warmOnly: "a test") {
        _ throws(Refusal) in
        var batches = 0
        func side(_ name: String, _ steps: @escaping () -> Int) -> Side {
          Side(
            name,
            loop: Loop { _, _, count in
              for _ in 0..<count * steps() { smp_mb() }
              return count
            }, verify: { _, _ in batches += 1 })
        }
        return Trial(
          pages: 1,
          sides: [side("folio") { isSteady || batches / 2 % 2 == 0 ? 1 : 5 }, side("peer") { 1 }])
      }
      let outcome = try run([operation]) {
        $0.timing = Timing(
          rounds: 8, uncertainty: uncertainty, batch: 50_000, slice: 10_000, limit: limit)
        $0.jsonPath = "-"
      }
      return try #require(
        BenchmarkReport(decoding: Data(outcome.output.utf8), name: "output").results.first
      ).rounds
    }
    #expect(try rounds(.infinity, limit: 10_000_000_000) == 8)
    #expect(try rounds(0.5, limit: 10_000_000_000, isSteady: true) < 200)
    #expect(try rounds(0.01, limit: 200_000_000) > 8)
    #expect(try rounds(0.01, limit: 0) == 8)
  }

  @Test("a peer that cannot run here gives no ratio and its reason, and fails nothing")
  func refusedPeer() throws {
    let operation = BenchmarkOperation("r", "x", threads: [1], warmOnly: "a test") {
      _ throws(Refusal) in
      Trial(
        pages: 1,
        sides: [
          Side(
            "folio",
            loop: Loop { _, _, count in
              for _ in 0..<count { smp_mb() }
              return count
            }),
          Side("io_uring", refused: Refusal("errno 1")),
        ])
    }
    let report = try run([operation]) { $0.jsonPath = "-" }
    #expect(report.status == .pass)
    #expect(report.output.contains("\"reason\" : \"errno 1\""))
    #expect(report.output.contains("\"ratio\" : null"))
    #expect(report.messages.contains("io_uring refused (errno 1)"))
  }

  @Test("a trial that cannot be made is skipped with a line")
  func refusedTrial() throws {
    let refused = BenchmarkOperation("none", "x", threads: [1], warmOnly: "a test") {
      _ throws(Refusal) in
      throw Refusal("no such device")
    }
    let outcome = try run([refused, Self.operation("sound", missing: 0)])
    #expect(outcome.status == .pass)
    #expect(outcome.output.contains("skipped: none 1T: no such device"))
  }

  @Test("more threads than CPUs are skipped with a line")
  func threads() throws {
    let outcome = try run([Self.operation("sound", missing: 0)]) { $0.threads = [1, 4096] }
    #expect(outcome.status == .pass)
    #expect(outcome.output.contains("skipped: 4096 threads: only "))
  }

  @Test("a device that does not fit into memory is skipped with a line")
  func memory() throws {
    let scaled = BenchmarkOperation("scaled", "x", threads: [1], warmOnly: "a test", isScaled: true)
    {
      configuration throws(Refusal) in
      let pages = configuration.devicePages ?? 0
      return Trial(
        pages: pages,
        sides: [
          Side(
            "folio",
            loop: Loop { _, _, count in
              for _ in 0..<count { smp_mb() }
              return count
            })
        ])
    }
    let outcome = try run([scaled]) { $0.deviceOrders = [10, 40] }
    #expect(outcome.status == .pass)
    #expect(outcome.output.contains("skipped: scaled 2^40 pages: 134217728 MiB wanted"))
    #expect(outcome.output.contains("1 operations x 1,024 pages x "))
  }

  @Test("a run in which everything is refused is no success")
  func nothingMeasured() throws {
    let refused = BenchmarkOperation("none", "x", threads: [1], warmOnly: "a test") {
      _ throws(Refusal) in
      throw Refusal("no such device")
    }
    let error = #expect(throws: ToolError.self) { try run([refused]) }
    #expect(error?.status == .cannotRun)
    #expect(error?.description.contains("none 1T: no such device") == true)
  }

  @Test("memory that the system does not tell about is a failed check, not 0 bytes")
  func residentMemory() {
    var verifier = Verifier()
    let size = 4096
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: size)
    unsafe memory.storeBytes(of: 1, as: Int.self)
    #expect(unsafe ScaleOperations.residentBytes(memory, size, &verifier) == size)
    #expect(verifier.failures == [])
    unsafe memory.deallocate()
    // Nothing is ever mapped at the end of the address space.
    if let nowhere = unsafe UnsafeRawPointer(bitPattern: UInt(1) << 63) {
      #expect(unsafe ScaleOperations.residentBytes(nowhere, size, &verifier) == 0)
    }
    #expect(verifier.failureCount == 1)
    #expect(verifier.failures.first?.contains("mincore") == true)
  }

  @Test("an interrupt ends the run with what was measured and status 130")
  func interrupt() throws {
    defer { BenchmarkTool.clearInterrupt() }
    let interrupting = BenchmarkOperation("last", "x", threads: [1], warmOnly: "a test") {
      _ throws(Refusal) in
      BenchmarkTool.interrupt()
      throw Refusal("interrupted")
    }
    let outcome = try run([
      Self.operation("first", missing: 0), interrupting, Self.operation("never", missing: 0),
    ])
    #expect(outcome.status == .interrupted)
    #expect(outcome.status.rawValue == 130)
    #expect(outcome.output.contains("first"))
    #expect(!outcome.output.contains("never"))
    #expect(outcome.messages.contains("interrupted: 1 of 3"))
  }

  @Test("a filter selects by a match in the name; none, or a bad one, is a usage error")
  func filter() throws {
    let names = try BenchmarkRun.select(Catalog.operations, filter: "^rmap-").map(\.name)
    #expect(names == [Name.rmapSmall, Name.rmapLarge, Name.rmapEntire])
    for bad in ["no-such-operation", "("] {
      let error = #expect(throws: ToolError.self) {
        try BenchmarkRun.select(Catalog.operations, filter: bad)
      }
      #expect(error?.status == .usage)
    }
  }

  @Test("files that cannot be written are refused before anything is measured")
  func unwritable() throws {
    for change: (inout RunOptions) -> Void in [
      { $0.jsonPath = "/nonexistent/x.json" }, { $0.plotDirectory = "/proc/nonexistent" },
    ] {
      let error = #expect(throws: ToolError.self) {
        try run([Self.operation("sound", missing: 0)], change)
      }
      #expect(error?.status == .cannotCreate)
    }
  }

  @Test("names of the catalog are unique and fit for files and thresholds")
  func names() {
    let names = Catalog.operations.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.wholeMatch(of: /[A-Za-z0-9_.+-]+/) != nil })
  }

  @Test("the list shows every operation, its peers, and why it is not measured cold")
  func list() {
    let text = Catalog.listing()
    for operation in Catalog.operations {
      #expect(text.contains("\(operation.name)\n"))
      #expect(operation.peers.allSatisfy { text.contains($0) })
      guard let reason = operation.warmOnly else { continue }
      #expect(reason.count > 10 && text.contains("not cold: \(reason)"))
    }
  }

  @Test("every operation whose counters can miss the cache is measured cold too")
  func coldVariants() {
    let warmOnly: Set = [
      Name.readSection, Name.pageLookupSequential, Name.pagemapGet, Name.percpuGet,
      Name.percpuKill, Name.rmapEntire, Name.remap, Name.wakeNobody, Name.handOff,
      Name.deferredFree, Name.deviceWalk, Name.metadata, Name.getPutInstructions,
      Name.tryGetInstructions, Name.sharedPins(4), Name.sharedPins(64), Name.sequentialPins,
      Name.sharedMapZap(4), Name.sharedMapZap(64), Name.sharedFaultZapHuge(64),
      Name.unmapMapping(1), Name.unmapMapping(16), Name.fork, Name.sequentialMapZap,
      Name.hugePins(1), Name.hugePins(16), Name.giantPins, Name.faultZapGiant,
    ]
    #expect(Set(Catalog.operations.filter { $0.warmOnly != nil }.map(\.name)) == warmOnly)
    #expect(
      Catalog.operations.allSatisfy { $0.states.contains(.cold) == ($0.warmOnly == nil) })
  }

  @Test("a quick run covers the device sizes that gate G9 speaks of")
  func quickSizes() {
    #expect(BenchmarkRun.quickOrders.min() == 10)
    #expect(BenchmarkRun.quickOrders.max() == 22)
  }

  @Test(
    "each operation has the peers that it lists, and passes its own checks warm and cold",
    arguments: CacheState.allCases)
  func catalog(_ state: CacheState) async {
    // In a process of its own: one check looks at all waiters of the process.
    await #expect(processExitsWith: .success) { [state = state as CacheState] in
      try checkCatalog(state)
    }
  }

  @Test("a walk is compared with the model on exactly the pages that it touched")
  func walkCheck() throws {
    let device = try Device(.generic, pages: 64)
    let check = WalkCheck(device, mask: 63, FolioModel(references: 1))
    let touched = Int(walk_index(3, 63))
    unsafe folio_get(device.folio(touched))
    var verifier = Verifier()
    check.verify(IterationCounts(iterations: [3]), &verifier)
    #expect(verifier.failures == [])
    check.verify(IterationCounts(iterations: [4]), &verifier)
    #expect(verifier.failures == ["page \(touched): R is 2, the model says 1"])
    unsafe folio_put(device.folio(touched))
    device.close(FolioModel(references: 1), &verifier)
    #expect(verifier.failureCount == 1)
  }
}

/// Ten turns of each operation and of its peers, checked; failures are recorded.
private func checkCatalog(_ state: CacheState) throws {
  // Fixed large devices and slow peers are for `run`; the rest is quick even in a debug build.
  let slow: Set = [
    Name.pageLookupRandom, Name.pageLookupSequential, Name.arrayLoad, Name.deferredFree,
  ]
  for operation in Catalog.operations where operation.states.contains(state) {
    if state == .warm && slow.contains(operation.name) { continue }
    guard case .timed(let make) = operation.kind else { continue }
    let threads = operation.threads?.min() ?? 1
    let trial = try make(
      Configuration(threads: threads, state: state, devicePages: 4096, isQuick: true))
    let peers = trial.sides.dropFirst().map(\.name)
    #expect(trial.sides.first?.name == "folio")
    // A peer with one word of its own has nothing to walk over.
    if state == .warm { #expect(peers == operation.peers, "\(operation.name)") }
    #expect(peers.allSatisfy { operation.peers.contains($0) }, "\(operation.name)")
    // No file of the kernel's is mapped by leaves of 1 GiB without a reservation at boot.
    let hasNone = operation.name == Name.metadata || operation.name == Name.faultZapGiant
    #expect(!peers.isEmpty || hasNone, "\(operation.name)")
    var verifier = Verifier()
    trial.witness(&verifier)
    for side in trial.sides where !trial.isCoupled {
      guard case .success(let loop) = side.loop else {
        #expect(!mustHaveKernelPeers, "\(operation.name), \(side.name) is refused: \(side.loop)")
        continue
      }
      let count = 10 * side.granularity
      #expect(loop.body(0, 0, count) == count, "\(operation.name), \(side.name)")
      side.verify(IterationCounts(iterations: [count]), &verifier)
    }
    trial.close(&verifier)
    #expect(verifier.failures == [], "\(operation.name)")
  }
}
