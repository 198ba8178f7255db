// SPDX-License-Identifier: MIT

// How a stress session ends: places that cannot be written are found first, full disks last, what was
// violated is said in any case, and a system without threads or memory is no violation.

import CFolio
import FolioCore
import FolioWorkloads
import Foundation
import TestSupport
import Testing

@Suite("Stress session", .serialized)
struct StressSessionTests {
  @Test("a place that cannot be written ends the session before anything runs")
  func noPlace() async {
    await #expect(processExitsWith: .success) {
      for isJSON in [true, false] {
        let session = Session()
        session.options.seconds = 0.001
        session.set(isJSON ? \.jsonPath : \.tracePath, "/nonexistent/x")
        #expect(session.run() == .cannotCreate)
        #expect(session.lines == ["cannot write /nonexistent/x: No such file or directory"])
      }
    }
  }

  @Test("a full disk is no success", arguments: ["json", "trace", "output"])
  func fullDisk(place: String) async {
    await #expect(processExitsWith: .success) { [place] in
      let session = Session()
      session.options.seconds = 0.001
      if place == "json" { session.set(\.jsonPath, "/dev/full") }
      if place == "trace" { session.set(\.tracePath, "/dev/full") }
      let output = try ResultFile(path: place == "output" ? "/dev/full" : "/dev/null")
      #expect(session.run(output) == .cannotWrite)
      #expect(session.lines.contains { $0.contains("No space left on device") })
    }
  }

  @Test("violations are said and are the status even if no result can be written")
  func violationsFirst() async {
    await #expect(processExitsWith: .success) {
      let session = Session { try PlantedRound($0) { $0.loseReference() } }
      session.options.seconds = 0.001
      session.set(\.jsonPath, "/dev/full")
      try withTemporaryFolder { folder in
        let file = folder.appendingPathComponent("trace.jsonl")
        session.set(\.tracePath, file.path)
        #expect(session.run(try ResultFile(path: "/dev/full")) == .violated)
        #expect(session.lines.contains { $0.hasPrefix("violation CI1 at frame") })
        // The one place that can be written was.
        let trace = try String(contentsOf: file, encoding: .utf8)
        #expect(trace.contains(#""event":"page_ref_mod""#))
      }
    }
  }

  @Test("results replace what a file held, and only when there are any")
  func replaced() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder.appendingPathComponent("result.json").path
        try String(repeating: "old ", count: 10000).write(
          toFile: path, atomically: false, encoding: .utf8)
        let file = try ResultFile(path: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("old old"))
        try file.write("new")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        #expect(throws: ResultFile.Failure.self) { _ = try ResultFile(path: folder.path) }
      }
    }
  }

  @Test(
    "a system that refuses threads ends the session at once, without a violation",
    .enabled(if: !isSanitized, "the sanitizers map a shadow of each stack"))
  func refusedThreads() async {
    await #expect(processExitsWith: .success) {
      let rounds = SharedCount()
      let taken = SharedCount()
      let session = Session { settings in
        rounds.add()
        return try PlantedRound(settings, step: { _ in fatalError("a round without all threads") })
        {
          // Taken down like any other: nothing of it is left.
          taken.add($0.maps.count)
        }
      }
      // From the eleventh on a stack as large as all of the address space.
      session.options.stackBytes = { $0 < 10 ? nil : 1 << 47 }
      session.options.threads = 200
      let status = session.run()
      #expect(status == .refused)
      #expect(rounds.value == 1 && taken.value == 1)
      let line = try #require(session.lines.last { $0.hasPrefix("planted: the system gave ") })
      #expect(line.contains(" 10 of 200 threads: Resource temporarily unavailable"))
    }
  }

  @Test("want of memory for a round ends the session at once, without a violation")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let session = Session { settings in
        cfolio_fault_injection(1, 1)
        defer { cfolio_fault_injection(0, 0) }
        return try PlantedRound(settings) { _ in }
      }
      #expect(session.run() == .refused)
      #expect(session.lines.contains("planted: no memory for the maps of a round"))
    }
  }

  @Test("a round that cannot be made for another reason is one violation, not one per moment")
  func noRound() async {
    await #expect(processExitsWith: .success) {
      struct Refused: Error {}
      let session = Session { _ in throw Refused() }
      #expect(session.run() == .violated)
      #expect(session.lines.count { $0.hasPrefix("violation setup") } == 1)
    }
  }
}

/// A session of one planted scenario, and what it said.
private final class Session {
  var options = StressOptions()
  private(set) var lines: [String] = []
  private var paths: [WritableKeyPath<StressSession, String?>: String] = [:]
  private let scenario: StressScenario

  init(
    _ makeRound: @escaping @Sendable (RoundSettings) throws -> any StressRound = {
      try PlantedRound($0) { _ in }
    }
  ) {
    scenario = StressScenario("planted", "for tests", makeRound: makeRound)
  }

  func set(_ key: WritableKeyPath<StressSession, String?>, _ path: String) { paths[key] = path }

  func run() -> StressStatus {
    do {
      return run(try ResultFile(path: "/dev/null"))
    } catch {
      fatalError("\(error)")
    }
  }

  func run(_ output: ResultFile) -> StressStatus {
    var session = StressSession([scenario], options)
    for (key, path) in paths { session[keyPath: key] = path }
    return session.run(output: output, interrupted: StopFlag()) { lines.append($0) }
  }
}

#if SANITIZED
  private let isSanitized = true
#else
  private let isSanitized = false
#endif
