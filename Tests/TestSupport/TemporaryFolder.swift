// SPDX-License-Identifier: MIT

// A folder of a test's own, which is gone when the test is over, however it ended.

package import Foundation

/// Calls the body with an empty folder among the system's temporary files and removes it behind the
/// body, also when that throws.
package func withTemporaryFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "folio-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  let outcome = Result { try body(folder) }
  try FileManager.default.removeItem(at: folder)
  return try outcome.get()
}
