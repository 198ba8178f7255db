// SPDX-License-Identifier: MIT

// What the command-line tools of the package have in common: their version, and how they end.

package import ArgumentParser
import Foundation
internal import Glibc
import Synchronization

/// The tool that this process is.
package enum Tool {
  /// As `--version` prints it and reports carry it.
  package static let version = "0.1.0"

  /// As messages name it.
  package static let name = URL(fileURLWithPath: CommandLine.arguments[0]).lastPathComponent

  private static let interrupted = Atomic<Bool>(false)

  /// Ctrl-C was pressed: the work ends with what there is.
  package static var isInterrupted: Bool { interrupted.load(ordering: .relaxed) }

  /// From now on the first Ctrl-C sets `isInterrupted`; the second ends the process at once.
  package static func catchInterrupts() {
    _ = signal(SIGINT) { _ in
      if Tool.interrupted.exchange(true, ordering: .relaxed) {
        _ = signal(SIGINT, SIG_DFL)
        _ = raise(SIGINT)
      }
    }
  }
}

extension ParsableCommand {
  /// Runs what the command line says and ends the process. A result that could not be written is a
  /// failure, whatever became of the work.
  package static func runTool() -> Never {
    var end: (any Error)?
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as ToolError {
      Console.writeMessage("\(Tool.name): \(error)")
      end = ExitCode(error.status.rawValue)
    } catch {
      end = error
    }
    if let failure = Console.failure {
      Console.writeMessage("\(Tool.name): \(failure)")
      if end.map({ exitCode(for: $0) == .success }) ?? true {
        end = ExitCode(failure.status.rawValue)
      }
    }
    exit(withError: end)
  }
}
