// SPDX-License-Identifier: MIT

// The command of a package with scenarios of its own: explores them and replays tokens. What
// `folio-lab` does beyond that is for the library's scenarios.

public import CFolio
import Glibc
public import FolioWorkloads

/// The command line of a program that explores its own scenarios:
///
///     LabTool.main([Counter.scenario])
///
/// explores them all, or those that are named, and replays tokens; `--help` says how.
public enum LabTool {
  /// Does what the command line asks for and ends the process: 0 no scenario failed, 1 one did, 64
  /// the command line is wrong, 73 a file cannot be written, 77 the lab cannot run in this build.
  @_alwaysEmitIntoClient @_transparent
  public static func main(_ scenarios: [Scenario]) -> Never {
    // Part of the caller in every build, so the header's value is the caller's.
    main(scenarios, callerSeesLab: cfolio_headers_are_lab())
  }

  /// For those who pass on what their own caller sees.
  public static func main(_ scenarios: [Scenario], callerSeesLab: Bool) -> Never {
    let arguments = CommandLine.arguments
    var run = ToolRun(
      scenarios: scenarios, command: ToolRun.typed(arguments[0]), callerSeesLab: callerSeesLab)
    do throws(ToolFailure) {
      exit(try run.run(Array(arguments.dropFirst())) ? 0 : 1)
    } catch {
      note("\(run.command): \(error.text)")
      exit(error.status)
    }
  }

  /// One line to standard error. Nobody can be told when it does not take it.
  fileprivate static func note(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress!, $0.count) }
  }
}

/// Why a run ended, and with which exit status.
private struct ToolFailure: Error {
  let status: Int32
  let text: String

  static func usage(_ text: String) -> Self { .init(status: EX_USAGE, text: text) }

  init(status: Int32, text: String) {
    self.status = status
    self.text = text
  }

  init(_ error: LabError) {
    if case .settings = error { status = EX_USAGE } else { status = 77 }
    text = error.description
  }
}

/// One run of the command.
private struct ToolRun {
  let scenarios: [Scenario]
  let command: String
  let callerSeesLab: Bool
  var names: [String] = []
  var token: String?
  var seconds = 10.0
  var size: Int?
  var model = MemoryModel.sc
  var html: String?
  var svg: String?

  init(scenarios: [Scenario], command: String, callerSeesLab: Bool) {
    self.scenarios = scenarios
    self.command = command
    self.callerSeesLab = callerSeesLab
  }

  /// How a user would type the command: from the current directory where it is in it.
  static func typed(_ path: String) -> String {
    guard let buffer = unsafe getcwd(nil, 0) else { return path }
    defer { unsafe free(buffer) }
    let prefix = unsafe String(cString: buffer) + "/"
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
  }

  var help: String {
    """
    Explores the interleavings of \(scenarios.map(\.name).joined(separator: ", ")).

    USAGE
      \(command) [NAME...] [OPTIONS]      explore all scenarios, or these
      \(command) replay TOKEN [OPTIONS]   run the one execution that a token names

    OPTIONS
      --seconds N     at most, per scenario (10)
      --size N        threads of those that come in numbers
      --memory MODEL  sc (default), tso as on x86-64, c11 as on arm64
      --html FILE     draw a failing execution as a page
      --svg FILE      draw a failing execution as a picture

    EXIT CODES
      0 no scenario failed, 1 one did, 64 usage, 73 cannot write a file, 77 cannot run in this build
    """
  }

  /// True: nothing failed.
  mutating func run(_ arguments: [String]) throws(ToolFailure) -> Bool {
    if arguments.contains("--help") || arguments.contains("-h") {
      print(help)
      return true
    }
    try read(arguments)
    if let token { return try replay(token) }
    var isPassed = true
    for scenario in scenarios where names.isEmpty || names.contains(scenario.name) {
      if try !explore(scenario) { isPassed = false }
    }
    return isPassed
  }

  private mutating func read(_ arguments: [String]) throws(ToolFailure) {
    var rest = arguments[...]
    func value(of option: String) throws(ToolFailure) -> String {
      guard let value = rest.popFirst() else { throw .usage("\(option) needs a value") }
      return value
    }
    while let argument = rest.popFirst() {
      switch argument {
      case "--seconds":
        guard let number = Double(try value(of: argument)), number > 0 else {
          throw .usage("--seconds is a number above 0")
        }
        seconds = number
      case "--size":
        guard let number = Int(try value(of: argument)) else {
          throw .usage("--size is a whole number")
        }
        size = number
      case "--memory":
        guard let named = MemoryModel(rawValue: try value(of: argument)) else {
          throw .usage("--memory is sc, tso or c11")
        }
        model = named
      case "--html": html = try value(of: argument)
      case "--svg": svg = try value(of: argument)
      case "replay" where names.isEmpty && token == nil: token = try value(of: argument)
      case _ where argument.hasPrefix("-"): throw .usage("no option is called \(argument)")
      default:
        guard scenarios.contains(where: { $0.name == argument }) else {
          let known = scenarios.map(\.name).joined(separator: ", ")
          throw .usage("no scenario is called \(argument); there are: \(known)")
        }
        names.append(argument)
      }
    }
  }

  private func explore(_ scenario: Scenario) throws(ToolFailure) -> Bool {
    let result: ExplorationResult
    var witness: Witness?
    do throws(LabError) {
      let world = try LabWorld(scenario, rules: nil, size: size, callerSeesLab: callerSeesLab)
      if let refusal = world.refusal(.classes, model: model) { throw refusal }
      let portfolio = world.portfolio(model: model, seconds: seconds)
      result = portfolio.result
      if let finding = result.finding {
        let small = world.shrink(finding)
        witness = Witness(
          scenario: scenario, settings: world.settings, threads: world.threads, model: model,
          finding: small, token: world.token(of: small.trace).description)
      }
    } catch {
      throw ToolFailure(error)
    }
    if let witness {
      try show(witness)
      return false
    }
    print("\(result.verdict) \(scenario.name): \(result.claim)")
    for text in result.unreached { print("  never happened: \(text)") }
    return result.verdict != .exhaustive || result.unreached.isEmpty
  }

  private func replay(_ token: String) throws(ToolFailure) -> Bool {
    let replay: LabReplay
    do throws(LabError) {
      let name = ReplayToken(token)?.scenario
      replay = try LabReplay(
        token: token, scenario: scenarios.first { $0.name == name }, callerSeesLab: callerSeesLab)
    } catch {
      throw ToolFailure(error)
    }
    if let divergence = replay.divergence { print("diverged at \(divergence)") }
    guard let witness = replay.witness else {
      print("no violation")
      return true
    }
    try show(witness)
    return false
  }

  private func show(_ witness: Witness) throws(ToolFailure) {
    var witness = witness
    witness.tool = command
    print(witness.text(style: isatty(1) == 1 ? .terminal : .plain), terminator: "")
    try write(witness.html(), to: html)
    try write(witness.svg(), to: svg)
  }

  private func write(_ text: @autoclosure () -> String, to path: String?) throws(ToolFailure) {
    guard let path else { return }
    do throws(ResultFile.Failure) {
      try ResultFile(path: path).write(text())
    } catch {
      throw ToolFailure(status: EX_CANTCREAT, text: error.description)
    }
  }
}

extension ExplorationResult {
  /// What the verdict says, for somebody who reads it the first time.
  fileprivate var claim: String {
    let count = "\(count(statistics.executions, "execution")), none fails"
    return switch verdict {
    case .exhaustive: "every interleaving is covered; \(count)"
    case .bounded(let bound): "every interleaving with at most \(bound) preemptions; \(count)"
    case .sampled: "\(count); p bounds the share of those that do"
    case .failed: "a promise is broken"
    }
  }
}
