// SPDX-License-Identifier: MIT

// An object that answers faults as a test says, and the frames of a device by number.

package import FolioCore

/// Memory whose faults are answered by a closure.
package final class AnsweringFile: FaultHandler {
  package let answers: FaultHandlerAnswers
  private let asked = Counter()
  private let answer: @Sendable (borrowing PageFault) -> FaultResult

  package init(
    _ answers: FaultHandlerAnswers = [],
    _ answer: @escaping @Sendable (borrowing PageFault) -> FaultResult
  ) {
    self.answers = answers
    self.answer = answer
  }

  /// Faults that it was asked about.
  package var faults: Int { asked.value }

  package func fault(_ fault: borrowing PageFault) -> FaultResult {
    asked.add()
    return answer(fault)
  }
}

extension PageMap {
  package func frame(_ page: Int) -> UInt { frames.lowerBound + UInt(page) }
}
