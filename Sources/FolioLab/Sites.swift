// SPDX-License-Identifier: MIT

// Places in the library's sources that touch shared words, and which of them the lab comes to: what no
// scenario executes, no search can find a bug in.

import CFolio
import CLab
import FolioCore
package import FolioWorkloads

/// A place in the sources that touches shared words. It survives edits elsewhere in its function.
package struct Site: Sendable, Hashable, Comparable {
  /// Below `Sources/CFolio`: "src/xarray.c".
  package var file: String
  package var function: String
  /// The operation as written there.
  package var text: String

  package init(_ file: String, _ function: String, _ text: String) {
    self.file = file
    self.function = function
    self.text = text
  }

  /// nil: in sources that are not the library's.
  fileprivate init?(_ site: UnsafePointer<seam_site>) {
    let path = unsafe String(cString: site.pointee.file)
    let parts = path.split(separator: "/")
    guard let root = parts.lastIndex(of: "CFolio") else { return nil }
    file = parts[(root + 1)...].joined(separator: "/")
    function = unsafe String(cString: site.pointee.function)
    text = unsafe String(cString: site.pointee.text)
  }

  package static func < (a: Site, b: Site) -> Bool {
    (a.file, a.function, a.text) < (b.file, b.function, b.text)
  }
}

/// Which places the standard suite comes to.
package struct SiteCensus: Sendable {
  /// How it came to a place, the best of all times.
  package enum Reach: Int, Sendable, Hashable, Comparable {
    case never
    /// Only while a bug of the museum was switched on.
    case byMutant
    /// Only in setting a world up, looking at it, taking it down.
    case outside
    case byThread

    package static func < (a: Reach, b: Reach) -> Bool { a.rawValue < b.rawValue }
  }

  package var reach: [Site: Reach] = [:]
  /// Scenarios times rules, and bugs, that were run.
  package var runs = 0

  package func sites(_ reach: Reach) -> [Site] {
    self.reach.filter { $0.value == reach }.map(\.key).sorted()
  }

  /// Never reached, and nothing says why.
  package var unexplained: [Site] {
    sites(.never).filter { site in !Unreachable.all.contains { $0.site == site } }
  }

  /// Said to be unreachable, and reached or not there.
  package var wronglyExcused: [Site] {
    Unreachable.all.filter { $0.isAlways && reach[$0.site] != .never }.map(\.site).sorted()
  }

  /// Adds what was noted since `lab_note_sites`.
  private mutating func add(mutant: Bool) {
    var count: UInt32 = 0
    guard let sites = unsafe lab_sites(&count) else { return }
    for index in 0..<Int(count) {
      guard let site = unsafe Site(sites + index) else { continue }
      let now: Reach =
        switch lab_site_reach(UInt32(index)) {
        case LAB_REACHED_BY_THREAD: mutant ? .byMutant : .byThread
        case LAB_REACHED_OUTSIDE: mutant ? .byMutant : .outside
        default: .never
        }
      reach[site] = max(reach[site] ?? .never, now)
    }
  }

  /// Walks through scenarios under all of their rules, then through bugs of the museum in their first
  /// scenario.
  ///
  /// - Parameters:
  ///   - walks: executions of each of three kinds of walk.
  ///   - seconds: per walk at most.
  ///   - progress: told what comes next.
  package static func take(
    scenarios: [Scenario] = Scenario.all, mutants: [Mutant] = Mutant.all, walks: Int = 300,
    seconds: Double = 0.1, progress: (String) -> Void = { _ in }
  ) throws(LabError) -> SiteCensus {
    var census = SiteCensus()
    func run(_ scenario: Scenario, _ rules: PageMap.Rules) throws(LabError) {
      let world = try LabWorld(scenario, rules: rules)
      for search in [Search.random, .pos, .pct(depth: nil)] {
        _ = world.explore(search, executions: walks, seconds: seconds)
      }
      census.runs += 1
    }
    guard lab_note_sites(true) else { throw .outOfMemory }
    defer { _ = lab_note_sites(false) }
    for scenario in scenarios {
      progress(scenario.name)
      for rules in scenario.rules { try run(scenario, rules) }
    }
    census.add(mutant: false)
    guard lab_note_sites(true) else { throw .outOfMemory }
    for mutant in mutants {
      guard let scenario = mutant.scenarios.first.flatMap(Scenario.named) else { continue }
      progress(mutant.id)
      guard Mutant.switch(mutant) else { throw .notBuiltIn }
      defer { _ = Mutant.switch(nil) }
      try run(scenario, scenario.rules[0])
    }
    census.add(mutant: true)
    return census
  }
}
