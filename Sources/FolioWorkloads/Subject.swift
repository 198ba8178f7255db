// SPDX-License-Identifier: MIT
//
// What a program runs against: the real library (Executor), or a model with a planted fault, which
// shows that checking and shrinking work.

/// Something that performs operations and shows its words.
package protocol Subject: AnyObject {
  /// Performs an operation that the model permits.
  func perform(_ operation: Operation) -> Outcome
  /// The words of a page as they are now.
  func words(of page: Int) -> PageWords
  /// What the map has beside its pages.
  func mapWords() -> MapWords
  /// False when drops to zero, free runs and wakes are not counted: they are then not compared.
  var countsEvents: Bool { get }
  /// Ends an idle subject; says what is still wrong with it.
  ///
  /// - Parameter resets: pages whose lost base reference was masked: what an audit must name.
  func finish(resets: [Int]) -> [String]
}

/// A subject that is the model itself, altered after each step by a fault.
package final class FaultyModel: Subject {
  private var model: DeviceModel
  private let fault: (Operation, inout DeviceModel) -> Void

  /// The fault sees the operation just performed and may change anything.
  package init(
    _ configuration: ModelConfiguration, fault: @escaping (Operation, inout DeviceModel) -> Void
  ) {
    model = DeviceModel(configuration)
    self.fault = fault
  }

  package func perform(_ operation: Operation) -> Outcome {
    let outcome = model.perform(operation)
    fault(operation, &model)
    return outcome
  }

  package func words(of page: Int) -> PageWords { model.pages[page] }
  package func mapWords() -> MapWords { model.mapWords }
  package var countsEvents: Bool { true }
  package func finish(resets: [Int]) -> [String] { [] }
}

extension DeviceModel {
  /// Changes a page's words behind the model's back: for planted faults.
  package mutating func corrupt(_ page: Int, _ change: (inout PageWords) -> Void) {
    change(&pages[page])
  }
}
