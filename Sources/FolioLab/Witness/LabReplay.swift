// SPDX-License-Identifier: MIT

// A token run from its text alone, for programs that replay a witness: in Swift, and for C as
// folio_lab_replay().

public import CFolio
import CLab
import FolioCore
public import FolioWorkloads

/// What came of a replay.
public struct LabReplay: Sendable {
  /// nil: nothing failed.
  public var finding: Finding?
  /// Where the token could not be followed; nil: it was.
  public var divergence: Divergence?
  /// All that is needed to show the failure; nil: there is none.
  public var witness: Witness?

  /// Runs the token's execution with its mutant on, and switches the mutant off again.
  ///
  /// - Parameters:
  ///   - token: text that begins with "folio:v1:".
  ///   - scenario: where the scenario is not one of the library: that one.
  @_alwaysEmitIntoClient @_transparent
  public init(token: String, scenario: Scenario? = nil) throws(LabError) {
    // Part of the caller in every build, so the header's value is the caller's.
    try self.init(token: token, scenario: scenario, callerSeesLab: cfolio_headers_are_lab())
  }

  /// For those who pass on what their own caller sees.
  public init(
    token text: String, scenario own: Scenario?, callerSeesLab: Bool
  ) throws(LabError) {
    guard let token = ReplayToken(text) else {
      throw .settings("this is no token; one begins with folio:v1:")
    }
    guard let scenario = own ?? Scenario.named(token.scenario), scenario.name == token.scenario
    else {
      throw .settings("the token's scenario \(token.scenario) is not here")
    }
    guard let rules = PageMap.Rules(rawValue: token.rules) else {
      throw .settings("the token's rules \(token.rules) are not here")
    }
    let mutant = token.mutant.flatMap(Mutant.named)
    if let name = token.mutant, mutant == nil {
      throw .settings("the token's mutant \(name) is not here")
    }
    guard Mutant.switch(mutant) else { throw .notBuiltIn }
    defer { _ = Mutant.switch(nil) }
    let world = try LabWorld(
      scenario, rules: rules, size: token.size, callerSeesLab: callerSeesLab)
    let run = world.replay(token)
    finding = run.finding
    divergence = run.divergence
    witness = run.finding.map {
      Witness(
        scenario: scenario, settings: world.settings, threads: world.threads, model: token.model,
        finding: $0, token: text, mutant: mutant)
    }
  }

  /// "CI22: a pinned page was freed", "no violation", and where the token was left.
  public var message: String {
    let outcome = finding.map { "\($0.invariant): \($0.message)" } ?? "no violation"
    return divergence.map { "\(outcome) (diverged at \($0))" } ?? outcome
  }
}

/// `folio_lab_replay`: see lab/replay.h.
@c @implementation
public func folio_lab_replay(
  _ token: UnsafePointer<CChar>, _ message: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int32 {
  var text: String
  var result: Int32 = -1
  do throws(LabError) {
    let replay = try LabReplay(token: unsafe String(cString: token))
    text = replay.message
    result = replay.finding == nil ? 0 : 1
  } catch {
    text = error.description
  }
  if let message = unsafe message, size > 0 {
    // Cut between characters, with the zero behind.
    while text.utf8.count > size - 1 { text.removeLast() }
    for (offset, byte) in (Array(text.utf8) + [0]).enumerated() {
      unsafe message[offset] = CChar(bitPattern: byte)
    }
  }
  return result
}
