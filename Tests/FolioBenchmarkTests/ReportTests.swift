// SPDX-License-Identifier: MIT

// The JSON schema and the comparison of two reports.

import Foundation
import TestSupport
import Testing

@testable import FolioBenchmark
@testable import FolioTools

@Suite struct ReportTests {
  static let host = HostDescription(
    system: "Linux", release: "6.18", machine: "x86_64", processor: "test", cpus: 2,
    memoryBytes: 1 << 30, load: 0.5)

  static func result(
    _ name: String = "get", peer: String? = "peer", ratio: Double? = 1, median: Double = 5,
    verified: Bool = true
  ) -> BenchmarkResult {
    BenchmarkResult(
      name: name, threads: 1, pages: 512, state: .warm, unit: "ns/op", median: median, p99: 9,
      iterations: 1000, rounds: 8, peer: peer, ratio: ratio, verified: verified)
  }

  static func report(_ results: [BenchmarkResult]) -> BenchmarkReport {
    BenchmarkReport(host: host, results: results)
  }

  @Test("a report reads back as it was written")
  func roundTrip() throws {
    var refused = Self.result("put", peer: "io_uring", ratio: nil)
    refused.reason = "errno 1"
    let report = Self.report([Self.result(), refused, Self.result("cold", peer: nil, ratio: nil)])
    #expect(try BenchmarkReport(decoding: report.encoded(), name: "x") == report)
  }

  @Test("a result has every field of the schema, null included")
  func schema() throws {
    let report = Self.report([Self.result(peer: nil, ratio: nil)])
    let object = try #require(
      try JSONSerialization.jsonObject(with: report.encoded()) as? [String: Any])
    #expect(Set(object.keys) == ["schema", "tool", "version", "host", "results"])
    #expect(object["schema"] as? Int == 1)
    #expect(object["tool"] as? String == "folio-bench")
    let result = try #require((object["results"] as? [[String: Any]])?.first)
    #expect(
      Set(result.keys) == [
        "name", "threads", "pages", "state", "unit", "median", "p99", "iterations", "rounds",
        "peer", "ratio", "verified",
      ])
    #expect(result["peer"] is NSNull)
    #expect(result["ratio"] is NSNull)
    #expect(result["state"] as? String == "warm")
  }

  @Test("another schema, no JSON, and a missing field are bad data")
  func badData() throws {
    var other = Self.report([Self.result()])
    other.schema = 2
    let text = String(decoding: try Self.report([Self.result()]).encoded(), as: UTF8.self)
    let bad = [
      try other.encoded(), Data("no".utf8), Data(text.replacing("\"rounds\"", with: "\"x\"").utf8),
    ]
    for data in bad {
      let error = #expect(throws: ToolError.self) { try BenchmarkReport(decoding: data, name: "x") }
      #expect(error?.status == .dataError)
    }
  }

  /// Writes the reports, compares the files.
  private func compare(
    _ old: [BenchmarkResult], _ new: [BenchmarkResult], failOver: Double?
  ) throws -> (status: ToolStatus, text: String) {
    try withTemporaryFolder { folder in
      let (oldFile, newFile) = (
        folder.appendingPathComponent("old.json"), folder.appendingPathComponent("new.json")
      )
      try Self.report(old).encoded().write(to: oldFile)
      try Self.report(new).encoded().write(to: newFile)
      var text = ""
      let status = try Comparison.run(
        oldPath: oldFile.path, newPath: newFile.path, failOver: failOver,
        style: TextStyle(usesColor: false)
      ) { text += $0 }
      return (status, text)
    }
  }

  @Test("a ratio that grew by more than the limit fails, by less passes")
  func ratios() throws {
    // The time doubled, but so did the peer's: the machine was slow, not Folio.
    let slowMachine = [Self.result(ratio: 1.04, median: 10)]
    #expect(try compare([Self.result()], slowMachine, failOver: 5).status == .pass)
    #expect(try compare([Self.result()], slowMachine, failOver: 3).status == .failed)
    #expect(try compare([Self.result()], slowMachine, failOver: nil).status == .pass)
  }

  @Test("without a ratio on both sides the medians are compared")
  func medians() throws {
    let alone = [Self.result(peer: nil, ratio: nil)]
    let slower = [Self.result(peer: nil, ratio: nil, median: 6)]
    #expect(try compare(alone, slower, failOver: 10).status == .failed)
    #expect(try compare(slower, alone, failOver: 10).status == .pass)
    var refused = Self.result(ratio: nil, median: 6)
    refused.reason = "errno 1"
    #expect(try compare([Self.result()], [refused], failOver: 10).status == .failed)
  }

  @Test("a result that is no longer verified fails whatever the limit")
  func unverified() throws {
    #expect(
      try compare([Self.result()], [Self.result(verified: false)], failOver: nil).status == .failed)
  }

  @Test("the table names what only one report has, and ends with the sum")
  func table() throws {
    let (_, text) = try compare(
      [Self.result(), Self.result("gone")], [Self.result(ratio: 2), Self.result("new")],
      failOver: 50)
    #expect(text.contains("lost: gone"))
    #expect(text.contains("only in the new report: new"))
    #expect(text.contains("+100.0 %"))
    #expect(
      text.hasSuffix(
        "1 results compared, 1 slower, 0 faster, 1 failed by more than 50.0 %, 1 lost\n"))
  }

  @Test("a result that the new report lost fails a judged comparison, with a line of its own")
  func lost() throws {
    let old = [Self.result(), Self.result("gone"), Self.result("gone", peer: "other")]
    let judged = try compare(old, [Self.result()], failOver: 10)
    #expect(judged.status == .failed)
    #expect(judged.text.contains("lost: gone 1T warm 512 pages / peer\n"))
    #expect(judged.text.contains("lost: gone 1T warm 512 pages / other\n"))
    let shown = try compare(old, [Self.result()], failOver: nil)
    #expect(shown.status == .pass)
    #expect(shown.text.contains("only in the old report: gone"))
  }

  @Test("nothing in common is bad data, a missing file no input, a bad percentage usage")
  func misuse() throws {
    func status(_ body: () throws -> Void) -> ToolStatus? {
      do { try body() } catch { return (error as? ToolError)?.status }
      return nil
    }
    #expect(
      status { _ = try compare([Self.result("a")], [Self.result("b")], failOver: 1) } == .dataError)
    #expect(status { _ = try compare([Self.result()], [Self.result()], failOver: -1) } == .usage)
    #expect(status { _ = try compare([Self.result()], [Self.result()], failOver: .nan) } == .usage)
    let missing = status {
      _ = try Comparison.run(
        oldPath: "/nonexistent/a.json", newPath: "/nonexistent/b.json", failOver: nil,
        style: TextStyle(usesColor: false)
      ) { _ in }
    }
    #expect(missing == .noInput)
  }
}
