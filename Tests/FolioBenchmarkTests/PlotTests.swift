// SPDX-License-Identifier: MIT

// The charts: what the scripts hold for a run's measurements, and that gnuplot makes pictures of
// them.

import Foundation
import TestSupport
import Testing

@testable import FolioBenchmark

@Suite struct PlotTests {
  private static func side(_ name: String, _ median: Double, refused: String? = nil)
    -> SideMeasurement
  {
    SideMeasurement(
      name: name, median: median, p99: median * 2, p5: median * 0.875, p95: median * 1.5,
      perRound: [median], iterations: 1000, refused: refused)
  }

  private static func measurement(
    _ operation: String, threads: Int = 1, pages: Int = 1, unit: String = "ns/op",
    isScaled: Bool = false, _ sides: [SideMeasurement]
  ) -> FolioBenchmark.Measurement {
    FolioBenchmark.Measurement(
      operation: operation, threads: threads, pages: pages, state: .warm, unit: unit, rounds: 8,
      isScaled: isScaled, sides: sides, verifier: Verifier())
  }

  /// A run as small as one can be that has all three charts.
  private static let measurements: [FolioBenchmark.Measurement] = {
    var all = [
      measurement(Name.getPut, [side("folio", 4), side(Peer.cAtomics, 8)]),
      measurement(Name.getPut, threads: 2, [side("folio", 16), side(Peer.cAtomics, 32)]),
      measurement(
        Name.handOff, threads: 2, [side("folio", 26_000), side(Peer.futex, 0, refused: "x")]),
    ]
    for order in [10, 16, 22] {
      all.append(
        measurement(Name.deviceWalk, pages: 1 << order, isScaled: true, [side("folio", 6)]))
      all.append(
        measurement(Name.sequentialPins, pages: 1 << order, isScaled: true, [side("folio", 16)]))
      all.append(
        measurement(
          Name.metadata, pages: 1 << order, unit: "bytes/page", isScaled: true,
          [side("folio", 64)]))
    }
    return all
  }()

  /// The lines of a data block of a script.
  private func block(_ name: String, of script: String) throws -> [String] {
    let parts = script.components(separatedBy: "$\(name) << EOD\n")
    try #require(parts.count == 2, "no block \(name)")
    return parts[1].components(separatedBy: "\nEOD\n")[0].components(separatedBy: "\n")
  }

  @Test("the cost chart has a dot and a spread for each operation and each peer that ran")
  func cost() throws {
    let chart = try #require(PlotScript.cost(Self.measurements))
    #expect(chart.name == "cost")
    #expect(
      try block("ours", of: chart.script) == [
        "0.0 4.0 3.5 6.0 \"4.00 ns\"", "2.8 26000.0 22750.0 39000.0 \"26.0 µs\"",
      ])
    #expect(try block("theirs", of: chart.script) == ["1.0 8.0 7.0 12.0 \"8.00 ns\""])
    #expect(chart.script.contains("\"\(Name.handOff) (2 threads)\""))
    #expect(!chart.script.contains(Peer.futex))
    #expect(chart.script.contains("xerrorbars"))
  }

  @Test("the scaling chart has cost with its spread, and bytes, for each size of device")
  func scaling() throws {
    let chart = try #require(PlotScript.scaling(Self.measurements))
    #expect(
      try block("cost", of: chart.script) == [10, 16, 22].map { "\(1 << $0) 6.0 5.25 9.0" })
    #expect(
      try block("pins", of: chart.script) == [10, 16, 22].map { "\(1 << $0) 16.0 14.0 24.0" })
    #expect(!chart.script.contains("$maps"), "a curve of what was not measured")
    #expect(try block("metadata", of: chart.script) == [10, 16, 22].map { "\(1 << $0) 64.0" })
    for label in ["ns per page", "bytes per page", "pages of the device"] {
      #expect(chart.script.contains("\"\(label)\""))
    }
  }

  @Test("the contention chart has a dot per side and number of threads")
  func contention() throws {
    let chart = try #require(PlotScript.contention(Self.measurements))
    #expect(try block("threads1", of: chart.script) == ["0.0 4.0", "1.0 8.0"])
    #expect(try block("threads2", of: chart.script) == ["0.0 16.0", "1.0 32.0"])
    #expect(chart.script.contains("title \"1 thread\"") && chart.script.contains("\"2 threads\""))
    #expect(!chart.script.contains(Name.handOff), "no number of threads to compare with")
  }

  @Test("a chart without data is not drawn")
  func nothing() {
    #expect(PlotScript.cost([]) == nil)
    #expect(PlotScript.scaling(Array(Self.measurements.prefix(3))) == nil)
    #expect(PlotScript.contention(Array(Self.measurements.prefix(1))) == nil)
  }

  @Test("gnuplot draws each chart as SVG and as PNG, with something in it")
  func pictures() throws {
    try withTemporaryFolder { folder in
      // Plot makes it.
      let charts = folder.appendingPathComponent("charts")
      try Plot(into: charts.path).draw(Self.measurements)
      let names = ["contention", "cost", "scaling"]
      let files = try FileManager.default.contentsOfDirectory(atPath: charts.path).sorted()
      #expect(files == names.flatMap { ["\($0).png", "\($0).svg"] })
      for name in names {
        let svg = try String(
          contentsOf: charts.appendingPathComponent("\(name).svg"), encoding: .utf8)
        #expect(svg.contains("</svg>"))
        // gnuplot's dots, of which each chart of these measurements has three at least.
        #expect(svg.components(separatedBy: "<use ").count > 3, "\(name)")
        let png = try Data(contentsOf: charts.appendingPathComponent("\(name).png"))
        #expect(png.starts(with: [0x89, 0x50, 0x4e, 0x47]))
        // The size that the header tells, and more than an empty picture of it compresses to.
        let width = png[16..<20].reduce(0) { $0 << 8 | Int($1) }
        #expect((800...2000).contains(width) && png.count > 8000, "\(name): \(png.count) bytes")
      }
      let cost = try String(
        contentsOf: charts.appendingPathComponent("cost.svg"), encoding: .utf8)
      for text in [Name.getPut, Peer.cAtomics, "4.00 ns", "26.0 µs"] {
        #expect(cost.contains(text), "\(text)")
      }
    }
  }
}
