// SPDX-License-Identifier: MIT

// A scenario's world inside the engine: set up as its guest, run by its fibers, taken down.

public import CFolio
import CLab
public import FolioCore
public import FolioWorkloads

/// Why the lab cannot begin.
public enum LabError: Error, Sendable, CustomStringConvertible {
  /// The package was built without the trait `Lab`.
  case notBuiltIn
  /// The caller was compiled without FOLIO_LAB: what it inlined of Folio would not be explored.
  case headers
  /// Another world is open: there is one engine per process.
  case busy
  /// The engine or the world got no memory.
  case outOfMemory
  /// The scenario does not know these rules or this size.
  case settings(String)
  /// The scenario could not make its world; what it said.
  case world(String)

  /// What is missing, and what to do about it.
  public var description: String {
    switch self {
    case .notBuiltIn: "built without the trait Lab: use `make lab`, or build with `--traits Lab`"
    case .headers:
      """
      this program was compiled without FOLIO_LAB, so what it inlines of Folio is not what the lab \
      explores. Add to its target in Package.swift:
        swiftSettings: [.unsafeFlags(["-Xcc", "-DFOLIO_LAB", "-enforce-exclusivity=unchecked"])]
      """
    case .busy: "another exploration runs in this process"
    case .outOfMemory: "no memory for the lab"
    case .settings(let text), .world(let text): text
    }
  }
}

/// What is opened by a caller that has to see the same headers as the library.
public protocol LabOpening: AnyObject {
  init(
    _ scenario: Scenario, rules: PageMap.Rules?, size: Int?, callerSeesLab: Bool
  ) throws(LabError)
}

extension LabOpening {
  /// - Parameters:
  ///   - rules: nil: the first that the scenario names.
  ///   - size: nil: the scenario's usual one.
  ///
  /// Part of its caller in every build, debug too, so the header's value is the caller's. (A copy in
  /// each module would not do: the linker keeps one of them.)
  @_alwaysEmitIntoClient @_transparent
  public init(
    _ scenario: Scenario, rules: PageMap.Rules? = nil, size: Int? = nil
  ) throws(LabError) {
    try self.init(scenario, rules: rules, size: size, callerSeesLab: cfolio_headers_are_lab())
  }
}

/// A world that the engine has taken over. One at a time per process; everything happens on the OS
/// thread that made it.
@safe
public final class LabWorld: LabOpening {
  /// What the world was made of.
  public let scenario: Scenario
  /// Rules, size and obligations that it was made with.
  public let settings: Scenario.Settings
  /// By number, as steps name them.
  public let threads: [ScenarioThread]
  /// All shared state is in words, as the scenario's world says.
  public let hasOnlyWords: Bool
  /// nil: torn down.
  private var box: WorldBox?
  nonisolated(unsafe) private static var isOpen = false

  /// What the engine calls back with.
  private final class WorldBox {
    let world: any ScenarioWorld
    init(_ world: any ScenarioWorld) { self.world = world }
  }

  /// For those who pass on what their own caller sees; others leave `callerSeesLab` out.
  public init(
    _ scenario: Scenario, rules: PageMap.Rules?, size: Int?, callerSeesLab: Bool
  ) throws(LabError) {
    let rules = rules ?? scenario.rules[0]
    let size = size ?? scenario.size
    guard lab_is_built_in() else { throw .notBuiltIn }
    guard callerSeesLab == cfolio_headers_are_lab() else { throw .headers }
    guard unsafe !Self.isOpen else { throw .busy }
    guard scenario.rules.contains(rules) else {
      throw .settings("\(scenario.name) does not run under \(rules) rules")
    }
    guard scenario.sizes.contains(size) else {
      throw .settings(
        "\(scenario.name) has sizes \(scenario.sizes.lowerBound)...\(scenario.sizes.upperBound)")
    }
    guard lab_open() else { throw .outOfMemory }
    let settings = Scenario.Settings(rules: rules, size: size, obligations: Obligations())
    var made: Result<WorldBox, any Error>?
    let broken = Self.asGuest {
      // What a mutant breaks may warn besides, in each of a million executions.
      cfolio_warnings_quiet(true)
      made = Result { WorldBox(try scenario.world(settings)) }
    }
    switch made! {
    case .success(let box): self.box = box
    case .failure(let error): throw .world("\(scenario.name): \(error)")
    }
    made = nil
    if let broken {
      _ = Self.tearDown(&box)
      throw .world("\(scenario.name) is broken before it begins: \(broken)")
    }
    self.scenario = scenario
    self.settings = settings
    threads = box!.world.threads
    hasOnlyWords = box!.world.hasOnlyWords
    // From here on `deinit` tears the world down.
    guard load() else { throw .outOfMemory }
    unsafe Self.isOpen = true
    learn()
  }

  /// Lets the engine see which words threads share, so that executions have their steps from the first.
  private func learn() {
    for search in [Search.random, .pct(depth: 2)] {
      _ = explore(search, seed: 0x1ea7, executions: 64)
    }
    settings.obligations.forget()
  }

  deinit {
    lab_unload()
    let broken = Self.tearDown(&box)
    unsafe Self.isOpen = false
    // Whoever switched a mutant on broke it himself.
    if let broken, !Mutant.isOn {
      preconditionFailure("\(scenario.name) breaks as it is taken down: \(broken)")
    }
  }

  /// As the guest to the last: what the world owns goes with it, and its memory is the arena's.
  private static func tearDown(_ box: inout WorldBox?) -> String? {
    asGuest {
      box?.world.tearDown()
      box = nil
      cfolio_warnings_quiet(false)
    }
  }

  private static func with(
    _ context: UnsafeMutableRawPointer?, _ body: (any ScenarioWorld) -> Void
  ) {
    // The box outlives the program, which `deinit` unloads first.
    unsafe Unmanaged<WorldBox>.fromOpaque(context!)._withUnsafeGuaranteedRef { body($0.world) }
  }

  private func load() -> Bool {
    let box = box!
    precondition(threads.count <= Int(LAB_THREADS_MAX), "too many threads for the lab")
    var program = unsafe lab_program()
    unsafe program.threads = UInt32(threads.count)
    unsafe program.body = { context, thread in
      unsafe LabWorld.with(context) { $0.run(Int(thread)) }
    }
    unsafe program.prepare = { unsafe LabWorld.with($0) { $0.prepare() } }
    unsafe program.conclude = { unsafe LabWorld.with($0) { $0.conclude() } }
    if box.world.checksSteps {
      unsafe program.between = { unsafe LabWorld.with($0) { $0.check() } }
    }
    unsafe program.context = Unmanaged.passUnretained(box).toOpaque()
    unsafe program.words_only = hasOnlyWords
    unsafe withUnsafeMutableBytes(of: &program.group) { bytes in
      for (index, thread) in threads.enumerated() { unsafe bytes[index] = thread.group }
    }
    return unsafe lab_load(&program)
  }

  /// Runs the body with allocations of the library going to the arena; nothing is explored.
  ///
  /// - Returns: the first thing that it reported; nil: nothing.
  private static func asGuest(_ body: () -> Void) -> String? {
    withoutActuallyEscaping(body) { body in
      var body = body
      unsafe withUnsafeMutablePointer(to: &body) {
        unsafe lab_as_guest(
          { unsafe $0!.assumingMemoryBound(to: (() -> Void).self).pointee() }, $0)
      }
    }
    guard let finding = unsafe lab_finding() else { return nil }
    return unsafe "\(text(finding.pointee.invariant)): \(text(finding.pointee.message))"
  }
}
