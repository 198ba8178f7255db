// SPDX-License-Identifier: MIT

// `folio-bench run` from its options to its exit status: what to run, running it, the report. Thin
// on purpose above (argument parsing) and below (one trial): see Runner.swift.

package import FolioTools
internal import BenchmarkPeers
import Foundation

/// Options of `folio-bench run`.
package struct RunOptions: Sendable {
  package var isQuick = false
  /// A regular expression that the operation's name must contain a match of.
  package var filter: String?
  /// Thread counts; nil: 1 and 2.
  package var threads: [Int]?
  /// File for the JSON report, "-" for standard output.
  package var jsonPath: String?
  /// Directory for charts.
  package var plotDirectory: String?
  /// A gate that does not hold makes the run fail.
  package var failsOnGates = false
  /// Orders the sides of each round.
  package var seed: UInt64
  /// How long to measure; nil: as `isQuick` says.
  package var timing: Timing?
  /// Name of an operation whose loop is broken on purpose: a self-test of the checks.
  package var brokenOperation: String?
  /// Device sizes as powers of two; nil: as `isQuick` says.
  package var deviceOrders: [Int]?

  package init(seed: UInt64 = UInt64.random(in: 1...UInt64.max)) {
    self.seed = seed
  }
}

/// Where a run writes to.
package struct RunOutput {
  /// Standard output.
  package var results: (String) -> Void
  /// Standard error.
  package var messages: (String) -> Void
  package var resultStyle: TextStyle
  package var messageStyle: TextStyle
  /// Draw a progress bar on standard error.
  package var showsProgress: Bool

  package init(
    results: @escaping (String) -> Void, messages: @escaping (String) -> Void,
    resultStyle: TextStyle = TextStyle(usesColor: false),
    messageStyle: TextStyle = TextStyle(usesColor: false), showsProgress: Bool = false
  ) {
    self.results = results
    self.messages = messages
    self.resultStyle = resultStyle
    self.messageStyle = messageStyle
    self.showsProgress = showsProgress
  }
}

/// One run.
package struct BenchmarkRun {
  let options: RunOptions
  let operations: [BenchmarkOperation]
  let output: RunOutput

  /// - Parameter operations: what to run; the catalog unless a test brings its own.
  package init(
    _ options: RunOptions, operations: [BenchmarkOperation] = Catalog.operations, output: RunOutput
  ) {
    self.options = options
    self.operations = operations
    self.output = output
  }

  /// Measures, prints, writes the files.
  ///
  /// - Returns: `failed` when a counter was not as the model says (or a gate did not hold and
  ///   `failsOnGates` is set), `interrupted` after a signal, else `pass`.
  /// - Throws: `usage`, `cannotCreate`, `cannotRun`: nothing was measured; `cannotRun` and
  ///   `inputOutput` also when the table is printed and a file could not be written.
  package func execute() throws(ToolError) -> ToolStatus {
    let selected = try Self.select(operations, filter: options.filter)
    if let name = options.brokenOperation, !selected.contains(where: { $0.name == name }) {
      throw ToolError(.usage, "--break \(name): no operation of that name is run")
    }
    let plot = try options.plotDirectory.map { (path) throws(ToolError) in try Plot(into: path) }
    var skipped: [String] = []
    let plan = try self.plan(selected, &skipped)
    let writesJSONToOutput = options.jsonPath == "-"
    var file: ReportFile?
    if let path = options.jsonPath, !writesJSONToOutput { file = try ReportFile(path) }

    let host = HostDescription.current
    output.messages(
      "seed \(options.seed), \(host.processor), \(host.cpus) CPUs, load \(Format.number(host.load))"
    )
    let measurements = measure(plan, &skipped)
    guard !measurements.isEmpty || harness_interrupted() else {
      throw ToolError(.cannotRun, "nothing could be measured\n" + Self.lines(skipped))
    }

    let style = writesJSONToOutput ? output.messageStyle : output.resultStyle
    let table = ResultTable(measurements, skipped: skipped, style: style).render()
    let report = try BenchmarkReport(host: host, results: measurements.flatMap(\.results))
      .encoded()
    if writesJSONToOutput { output.results(String(decoding: report.dropLast(), as: UTF8.self)) }
    let print = writesJSONToOutput ? output.messages : output.results
    print(table.hasSuffix("\n") ? String(table.dropLast()) : table)
    // What was measured is printed; a file that fails does not keep the next one from being tried.
    var problem: ToolError?
    do throws(ToolError) { try file?.write(report) } catch { problem = error }
    do throws(ToolError) { try plot?.draw(measurements) } catch { problem = problem ?? error }
    let status = self.status(of: measurements)
    guard let problem else { return status }
    guard status != .pass else { throw problem }
    output.messages("\(problem)")
    return status
  }

  private static func lines(_ skipped: [String]) -> String {
    skipped.map { "  \($0)" }.joined(separator: "\n")
  }

  private func status(of measurements: [Measurement]) -> ToolStatus {
    if measurements.contains(where: { !$0.verified }) { return .failed }
    if harness_interrupted() { return .interrupted }
    guard options.failsOnGates else { return .pass }
    let verdicts = Gate.all.map { $0.verdict(measurements) }
    // Of a whole run every gate has to speak; of a filtered one those that it is about.
    let speaks = verdicts.contains { $0 == nil } ? options.filter != nil : true
    return speaks && verdicts.allSatisfy { $0?.holds ?? true } ? .pass : .failed
  }

  // MARK: What to run

  /// The operations whose name contains a match.
  ///
  /// - Throws: `usage` for a bad expression, or one that nothing matches.
  package static func select(_ operations: [BenchmarkOperation], filter: String?) throws(ToolError)
    -> [BenchmarkOperation]
  {
    guard let filter else { return operations }
    let expression: Regex<AnyRegexOutput>
    do {
      expression = try Regex(filter)
    } catch {
      throw ToolError(.usage, "--filter \(filter): \(error)")
    }
    let selected = operations.filter { $0.name.contains(expression) }
    guard !selected.isEmpty else {
      throw ToolError(.usage, "--filter \(filter) matches no operation; see folio-bench list")
    }
    return selected
  }

  /// Device sizes of a quick run: the whole range that gate G9 speaks of.
  package static let quickOrders = Array(stride(from: 10, through: 22, by: 2))

  struct Step {
    let operation: BenchmarkOperation
    let configuration: Configuration
  }

  private func plan(_ selected: [BenchmarkOperation], _ skipped: inout [String]) throws(ToolError)
    -> [Step]
  {
    let wanted = options.threads ?? [1, 2]
    guard wanted.allSatisfy({ $0 > 0 }) else {
      throw ToolError(.usage, "--threads takes numbers of 1 or more")
    }
    let cpus = allowedCPUs().count
    for threads in wanted where threads > cpus {
      skipped.append("\(threads) threads: only \(cpus) CPU\(cpus == 1 ? "" : "s") to pin them to")
    }
    let usable = wanted.filter { $0 <= cpus }
    var steps: [Step] = []
    for operation in selected {
      for threads in usable where operation.threads?.contains(threads) ?? true {
        for state in operation.states {
          for pages in sizes(of: operation, &skipped) {
            var configuration = Configuration(
              threads: threads, state: state, devicePages: pages, isQuick: options.isQuick)
            configuration.isBroken = operation.name == options.brokenOperation
            steps.append(Step(operation: operation, configuration: configuration))
          }
        }
      }
    }
    guard !steps.isEmpty else {
      let counts = wanted.map(String.init).joined(separator: ",")
      throw ToolError(
        .usage,
        "nothing to run with \(counts) thread\(counts == "1" ? "" : "s")\n"
          + Self.lines(
            skipped
              + selected.compactMap { operation in
                operation.threads.map {
                  "\(operation.name): only with threads "
                    + $0.sorted().map(String.init).joined(separator: ",")
                }
              }))
    }
    return steps
  }

  private func sizes(of operation: BenchmarkOperation, _ skipped: inout [String]) -> [Int?] {
    guard operation.isScaled else { return [nil] }
    let orders = options.deviceOrders ?? (options.isQuick ? Self.quickOrders : Array(10...24))
    let available = HostDescription.availableMemory
    return orders.compactMap { order in
      let pages = 1 << order
      // 64 bytes per page and as much again for everything else, within three quarters of what is
      // free.
      if let available, pages * 128 > available / 4 * 3 {
        skipped.append(
          "\(operation.name) 2^\(order) pages: \((pages * 128) >> 20) MiB wanted, "
            + "\(available >> 20) MiB available")
        return nil
      }
      return pages
    }
  }

  // MARK: Running it

  private func measure(_ plan: [Step], _ skipped: inout [String]) -> [Measurement] {
    let threads = max(plan.map(\.configuration.threads).max() ?? 1, 1)
    let workers = Workers(cpus: Array(allowedCPUs().prefix(threads)))
    defer { workers.stop() }
    let timing = options.timing ?? (options.isQuick ? .quick : .full)
    let runner = Runner(workers: workers, timing: timing, seed: options.seed)
    let bar = ProgressBar(isDrawn: output.showsProgress, style: output.messageStyle)
    var measurements: [Measurement] = []
    for (index, step) in plan.enumerated() {
      if harness_interrupted() { break }
      let configuration = step.configuration
      bar.show(
        done: Double(index), total: Double(plan.count),
        "\(step.operation.name) \(configuration.threads)T \(configuration.state.rawValue)")
      do throws(Refusal) {
        if let measurement = try Self.measure(step, runner) {
          measurements.append(measurement)
          report(measurement, bar)
        }
      } catch {
        skipped.append(
          "\(step.operation.name) \(configuration.threads)T"
            + (configuration.devicePages.map { " \(Format.pages($0)) pages" } ?? "") + ": \(error)")
      }
    }
    bar.clear()
    if harness_interrupted() {
      output.messages("interrupted: \(measurements.count) of \(plan.count) measurements were made")
    }
    return measurements
  }

  private func report(_ measurement: Measurement, _ bar: ProgressBar) {
    guard !measurement.verified else { return }
    bar.clear()
    for failure in measurement.verifier.failures {
      output.messages("\(measurement.operation): \(failure)")
    }
    output.messages(
      "replay: folio-bench run --filter '^\(NSRegularExpression.escapedPattern(for: measurement.operation))$' "
        + "--threads \(measurement.threads) --seed \(options.seed)")
  }

  private static func measure(_ step: Step, _ runner: Runner) throws(Refusal) -> Measurement? {
    switch step.operation.kind {
    case .timed(let make):
      let trial = try make(step.configuration)
      return runner.measure(
        step.operation, step.configuration.isBroken ? trial.broken() : trial, step.configuration)
    case .measured(let value):
      var verifier = Verifier()
      let figure = try value(step.configuration, &verifier)
      if step.configuration.isBroken { verifier.expect("broken", "sound", step.operation.name) }
      return measurement(of: step, figure, verifier)
    }
  }

  private static func measurement(of step: Step, _ figure: StaticValue, _ verifier: Verifier)
    -> Measurement
  {
    func side(_ name: String, _ value: Double) -> SideMeasurement {
      SideMeasurement(
        name: name, median: value, p99: value, p5: value, p95: value, perRound: [value],
        iterations: 1)
    }
    return Measurement(
      operation: step.operation.name, threads: 1, pages: step.configuration.devicePages ?? 1,
      state: .warm, unit: figure.unit, rounds: 1, isScaled: step.operation.isScaled,
      sides: [side("folio", figure.value)] + (figure.peer.map { [side($0.name, $0.value)] } ?? []),
      verifier: verifier)
  }
}
