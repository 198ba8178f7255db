// SPDX-License-Identifier: MIT

// Which figures hold a gate, and which do not.

import Testing

@testable import FolioBenchmark

@Suite struct GateTests {
  private static func measurement(
    _ operation: String, pages: Int = 1, ours: Double, peer: (name: String, value: Double)? = nil,
    failing: Bool = false
  ) -> FolioBenchmark.Measurement {
    func side(_ name: String, _ value: Double) -> SideMeasurement {
      SideMeasurement(
        name: name, median: value, p99: value, p5: value, p95: value, perRound: [value],
        iterations: 1)
    }
    var verifier = Verifier()
    verifier.expect(failing, false, "planted")
    return FolioBenchmark.Measurement(
      operation: operation, threads: 1, pages: pages, state: .warm, unit: "", rounds: 1,
      isScaled: pages > 1,
      sides: [side("folio", ours)] + (peer.map { [side($0.name, $0.value)] } ?? []),
      verifier: verifier)
  }

  private static func verdict(_ id: String, _ measurements: [FolioBenchmark.Measurement])
    -> GateVerdict?
  {
    Gate.all.lazy.filter { $0.id == id }.compactMap { $0.verdict(measurements) }.first
  }

  @Test(
    "equal code has equally many instructions: one more or one fewer breaks G11",
    arguments: [(35.0, 35.0, true), (36, 35, false), (34, 35, false), (35, 44, false)])
  func instructions(_ ours: Double, _ theirs: Double, _ holds: Bool) throws {
    let measurements = [
      Self.measurement(Name.getPutInstructions, ours: ours, peer: (Peer.handWritten, theirs)),
      Self.measurement(Name.tryGetInstructions, ours: 22, peer: (Peer.handWritten, 22)),
    ]
    #expect(try #require(Self.verdict("G11", measurements)).holds == holds)
    #expect(Self.verdict("G11", Array(measurements.prefix(1))) == nil)
  }

  @Test(
    "G9 looks at every size up to 2^22",
    arguments: [Name.deviceWalk, Name.sequentialPins, Name.sequentialMapZap])
  func flatness(_ operation: String) throws {
    func walk(_ order: Int, _ cost: Double) -> FolioBenchmark.Measurement {
      Self.measurement(operation, pages: 1 << order, ours: cost, peer: (Peer.fewPages, 6))
    }
    #expect(try #require(Self.verdict("G9", [walk(10, 6), walk(22, 8)])).holds)
    #expect(try #require(Self.verdict("G9", [walk(10, 6), walk(22, 10)])).holds == false)
    // A machine that was slower meanwhile was so for both.
    let slow = Self.measurement(operation, pages: 1 << 22, ours: 16, peer: (Peer.fewPages, 12))
    #expect(try #require(Self.verdict("G9", [walk(10, 6), slow])).holds)
    // Without its peer no size says anything.
    #expect(
      Self.verdict("G9", [walk(10, 6), Self.measurement(operation, pages: 1 << 22, ours: 6)]) == nil
    )
    // Beyond is reported and not promised.
    #expect(try #require(Self.verdict("G9", [walk(10, 6), walk(22, 8), walk(24, 20)])).holds)
  }

  @Test(
    "G6 and G7 compare with the running kernel",
    arguments: [
      ("G6", Name.fastPins(512), Peer.ioUring, 10.0), ("G7", Name.mapZap, Peer.writeFault, 50),
    ])
  func kernel(_ id: String, _ operation: String, _ peer: String, _ times: Double) throws {
    func holds(_ ours: Double) throws -> Bool {
      try #require(
        Self.verdict(id, [Self.measurement(operation, ours: ours, peer: (peer, times))])
      ).holds
    }
    #expect(try holds(0.99))
    #expect(try !holds(1.01))
    // A peer that is refused says nothing.
    #expect(Self.verdict(id, [Self.measurement(operation, ours: 1)]) == nil)
  }

  @Test("bytes that were not measured well hold no gate")
  func metadata() throws {
    let good = Self.measurement(Name.metadata, pages: 1 << 16, ours: 64)
    #expect(try #require(Self.verdict("G10", [good])).holds)
    let bad = Self.measurement(Name.metadata, pages: 1 << 20, ours: 0, failing: true)
    #expect(Self.verdict("G10", [good, bad]) == nil)
  }
}
