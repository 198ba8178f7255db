// SPDX-License-Identifier: MIT

// Where results go: opened before a run, so that a place that cannot be written is known before the
// time is spent, written after it, and every write is checked.

import Glibc

/// A file or standard output.
package final class ResultFile {
  /// Why results could not be written.
  package struct Failure: Error, Hashable, CustomStringConvertible {
    package let description: String

    init(_ path: String, _ code: Int32) {
      description = "cannot write \(path): \(unsafe String(cString: strerror(code)))"
    }
  }

  private let descriptor: Int32
  private let name: String
  private let isOwned: Bool

  /// Standard output.
  package static var standardOutput: ResultFile {
    ResultFile(descriptor: 1, name: "standard output", isOwned: false)
  }

  private init(descriptor: Int32, name: String, isOwned: Bool) {
    self.descriptor = descriptor
    self.name = name
    self.isOwned = isOwned
  }

  /// Opens a file for writing and makes it if there is none. What it holds stays until `write`.
  package convenience init(path: String) throws(Failure) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Failure(path, errno) }
    self.init(descriptor: descriptor, name: path, isOwned: true)
  }

  deinit {
    if isOwned { close(descriptor) }
  }

  /// Replaces the contents of a regular file, or appends to what is none.
  package func write(_ text: String) throws(Failure) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw Failure(name, errno) }
    if isOwned && status.st_mode & S_IFMT == S_IFREG {
      guard ftruncate(descriptor, 0) == 0 else { throw Failure(name, errno) }
    }
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress! + done, buffer.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Failure(name, count == 0 ? EIO : errno) }
      done += count
    }
    // Some file systems tell only now that there is no room.
    if isOwned && status.st_mode & S_IFMT == S_IFREG {
      guard fsync(descriptor) == 0 else { throw Failure(name, errno) }
    }
  }
}
