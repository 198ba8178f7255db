// SPDX-License-Identifier: MIT

// Standard output and standard error: what is written arrives, or is known not to have.

import ArgumentParser
package import Foundation
internal import Glibc
import Synchronization

/// Writing to descriptors without losing errors.
package enum StandardStream {
  /// Writes all of the text.
  ///
  /// - Throws: `inputOutput`.
  package static func write(_ text: String, to descriptor: Int32, name: String)
    throws(ToolError)
  {
    try write(Data(text.utf8), to: descriptor, name: name)
  }

  package static func write(_ data: Data, to descriptor: Int32, name: String) throws(ToolError) {
    let bytes = [UInt8](data)
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return 0 }
        return unsafe Glibc.write(descriptor, base + written, bytes.count - written)
      }
      if count >= 0 {
        written += count
      } else if errno != EINTR {
        throw ToolError(
          .inputOutput, "cannot write \(name): \(unsafe String(cString: strerror(errno)))")
      }
    }
  }
}

/// What a tool prints. Any thread.
package enum Console {
  /// The first text that could not be written: the work goes on, its files may still be made.
  private static let firstFailure = Mutex<ToolError?>(nil)

  /// A line, or lines, on standard output.
  package static func writeResult(_ text: String) {
    attempt(ended(text), STDOUT_FILENO, "standard output")
  }

  /// A line, or lines, on standard error, behind what was printed before.
  package static func writeMessage(_ text: String) {
    fflush(nil)
    writeRaw(ended(text))
  }

  /// To standard error as it is.
  package static func writeRaw(_ text: String) { attempt(text, STDERR_FILENO, "standard error") }

  /// What kept text back so far; of `print` too.
  package static var failure: ToolError? {
    // `print` says nothing of what it could not write; it is still in the buffer.
    let isWritten = fflush(nil) == 0
    return firstFailure.withLock {
      if $0 == nil, !isWritten {
        $0 = ToolError(.inputOutput, "cannot write standard output")
      }
      return $0
    }
  }

  private static func attempt(_ text: String, _ descriptor: Int32, _ name: String) {
    do throws(ToolError) {
      try StandardStream.write(text, to: descriptor, name: name)
    } catch {
      firstFailure.withLock { $0 = $0 ?? error }
    }
  }

  private static func ended(_ text: String) -> String {
    text.hasSuffix("\n") ? text : text + "\n"
  }
}
