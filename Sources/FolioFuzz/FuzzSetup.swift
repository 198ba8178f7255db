// SPDX-License-Identifier: MIT

// What the bytes of an input mean. Every sequence of bytes means something; what is not there is
// zeros. Four bytes say which program:
//   0, 1   0, 1, 2: generated programs of counters, structures, memory; else a scenario, by the hash
//          of its name: the one whose hash comes next, so that a corpus outlives new scenarios
//   2      low half: number of the size (threads of a generated program); high half: of the rules
//   3      number of the memory model
// A generated program has `GeneratedProgram.slots` bytes per thread behind them. The rest are
// decisions, one byte each: see lab_run_bytes() in lab/lab.h.

package import FolioCore
package import FolioLab
package import FolioWorkloads

/// Which program an input is for, up to its own bytes: what a world is opened for.
package struct FuzzSetup: Hashable, Sendable {
  package enum Program: Hashable, Sendable {
    case generated(GeneratedProgram.Family)
    /// By name.
    case scenario(String)
  }

  package var program: Program
  package var size: Int
  package var rules: PageMap.Rules
  package var model: MemoryModel

  package static let headerSize = 4

  /// Generated programs.
  ///
  /// - Parameter rules: nil: the first of the family's.
  package init(
    _ family: GeneratedProgram.Family, threads: Int = 3, rules: PageMap.Rules? = nil,
    model: MemoryModel = .sc
  ) {
    precondition(GeneratedProgram.threads.contains(threads))
    program = .generated(family)
    size = threads
    self.rules = rules ?? family.rules[0]
    self.model = model
  }

  /// A scenario.
  ///
  /// - Parameters:
  ///   - size: nil: the usual one.
  ///   - rules: nil: the first that it names.
  package init(
    _ scenario: Scenario, size: Int? = nil, rules: PageMap.Rules? = nil, model: MemoryModel = .sc
  ) {
    program = .scenario(scenario.name)
    self.size = size ?? scenario.size
    self.rules = rules ?? scenario.rules[0]
    self.model = model
  }

  /// What an input is for.
  package init(input: UnsafeBufferPointer<UInt8>) {
    func byte(_ index: Int) -> Int { index < input.count ? Int(unsafe input[index]) : 0 }
    let selector = byte(0) << 8 | byte(1)
    let model = MemoryModel.allCases[byte(3) % MemoryModel.allCases.count]
    if let family = GeneratedProgram.Family(rawValue: selector) {
      let threads = GeneratedProgram.threads
      self.init(
        family, threads: threads.lowerBound + (byte(2) & 15) % threads.count,
        rules: family.rules[(byte(2) >> 4) % family.rules.count], model: model)
      return
    }
    let scenario = Self.scenario(selector)
    self.init(
      scenario, size: scenario.sizes.lowerBound + (byte(2) & 15) % scenario.sizes.count,
      rules: scenario.rules[(byte(2) >> 4) % scenario.rules.count], model: model)
  }

  /// The header that means this.
  package var header: [UInt8] {
    let selector: Int
    let low: Int
    var high = 0
    switch program {
    case .generated(let family):
      selector = family.rawValue
      low = size - GeneratedProgram.threads.lowerBound
      high = family.rules.firstIndex(of: rules)!
    case .scenario(let name):
      let scenario = Scenario.named(name)!
      selector = Self.hash(name)
      low = size - scenario.sizes.lowerBound
      high = scenario.rules.firstIndex(of: rules)!
    }
    return [
      UInt8(selector >> 8), UInt8(selector & 255), UInt8(high << 4 | low),
      UInt8(MemoryModel.allCases.firstIndex(of: model)!),
    ]
  }

  /// Where decisions begin.
  package var decisionsOffset: Int {
    switch program {
    case .generated: Self.headerSize + size * GeneratedProgram.slots
    case .scenario: Self.headerSize
    }
  }

  /// The family's or the scenario's name.
  package var programName: String {
    switch program {
    case .generated(let family): family.name
    case .scenario(let name): name
    }
  }

  /// All of it, for people and for folders.
  package var name: String {
    "\(programName) size \(size) \(rules.rawValue) \(model.rawValue)"
  }

  // MARK: scenarios by number

  /// Sixteen bits that are no family's number.
  private static func hash(_ name: String) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return max(Int((hash ^ hash >> 32) & 0xffff), GeneratedProgram.Family.allCases.count)
  }

  private static let byHash: [(hash: Int, scenario: Scenario)] = {
    let all = Scenario.all.map { (hash: hash($0.name), scenario: $0) }
      .sorted { $0.hash < $1.hash }
    precondition(
      Set(all.map(\.hash)).count == all.count, "two scenarios have the same hash: rename one")
    return all
  }()

  private static func scenario(_ selector: Int) -> Scenario {
    (byHash.first { $0.hash >= selector } ?? byHash[0]).scenario
  }
}
