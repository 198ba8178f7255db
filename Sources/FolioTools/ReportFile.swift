// SPDX-License-Identifier: MIT

// Where a report goes. Regular files are replaced as a whole; whatever else has the name - a FIFO, a
// device, a symbolic link, an open descriptor - is opened before the run and written in place, so
// that it stays what it is and a run is not lost to a name that cannot be written.

package import Foundation
internal import Glibc

/// The destination of `--json FILE`.
package struct ReportFile: ~Copyable {
  private let path: String
  /// Open from the start; nil: the file is replaced at the end.
  private let descriptor: Int32?

  /// Makes sure that the report can be written. A FIFO waits for its reader here.
  ///
  /// - Throws: `cannotCreate`.
  package init(_ path: String) throws(ToolError) {
    self.path = path
    if let number = Self.descriptorNumber(path) {
      descriptor = try Self.opened(path, dup(number))
      return
    }
    var information = stat()
    if unsafe lstat(path, &information) != 0 {
      guard errno == ENOENT else { throw Self.failure(path) }
      try Self.checkFolder(of: path)
      descriptor = nil
      return
    }
    switch information.st_mode & S_IFMT {
    case S_IFREG:
      guard unsafe access(path, W_OK) == 0 else { throw Self.failure(path) }
      try Self.checkFolder(of: path)
      descriptor = nil
    case S_IFDIR:
      errno = EISDIR
      throw Self.failure(path)
    default:
      let flags = O_WRONLY | O_CREAT | O_CLOEXEC
      descriptor = try Self.opened(path, unsafe open(path, flags, 0o666))
    }
  }

  deinit {
    if let descriptor { close(descriptor) }
  }

  /// Writes the whole report.
  ///
  /// - Throws: `inputOutput`.
  package func write(_ data: Data) throws(ToolError) {
    if let descriptor {
      // A regular file behind a link holds nothing but the report; the rest cannot be cut.
      var information = stat()
      if unsafe fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
        Self.descriptorNumber(path) == nil
      {
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure(path, .inputOutput) }
      }
      try StandardStream.write(data, to: descriptor, name: path)
      return
    }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw ToolError(.inputOutput, "cannot write \(path): \(error.localizedDescription)")
    }
  }

  /// N of `/dev/fd/N`: the descriptor goes on where it stands, which opening it anew does not.
  private static func descriptorNumber(_ path: String) -> Int32? {
    for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
      return Int32(path.dropFirst(folder.count))
    }
    return nil
  }

  /// Makes a file beside it and takes it away again: permissions alone do not say enough.
  private static func checkFolder(of path: String) throws(ToolError) {
    let probe = URL(fileURLWithPath: path).deletingLastPathComponent()
      .appendingPathComponent(".folio-\(UUID().uuidString)").path
    let descriptor = unsafe open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure(path) }
    close(descriptor)
    _ = unsafe unlink(probe)
  }

  private static func opened(_ path: String, _ descriptor: Int32) throws(ToolError) -> Int32 {
    guard descriptor >= 0 else { throw failure(path) }
    return descriptor
  }

  private static func failure(_ path: String, _ status: ToolStatus = .cannotCreate) -> ToolError {
    ToolError(status, "cannot write \(path): \(unsafe String(cString: strerror(errno)))")
  }
}
