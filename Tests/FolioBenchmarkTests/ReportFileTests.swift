// SPDX-License-Identifier: MIT

// Where `--json FILE` writes to: regular files are replaced, everything else stays what it is.

import Foundation
import Glibc
import TestSupport
import Testing

@testable import FolioBenchmark
@testable import FolioTools

@Suite struct ReportFileTests {
  private func kind(_ path: String) -> mode_t {
    var information = stat()
    return unsafe lstat(path, &information) == 0 ? information.st_mode & S_IFMT : 0
  }

  private func write(_ text: String, to path: String) throws(ToolError) {
    let file = try ReportFile(path)
    try file.write(Data(text.utf8))
  }

  private func status(_ path: String) -> ToolStatus? {
    do throws(ToolError) {
      try write("x", to: path)
      return nil
    } catch {
      return error.status
    }
  }

  @Test("a file is made, and replaced as a whole by a shorter report")
  func regular() throws {
    try withTemporaryFolder { folder in
      let path = folder.appendingPathComponent("r.json").path
      try write("a long report", to: path)
      try write("short", to: path)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "short")
      #expect(kind(path) == S_IFREG)
    }
  }

  @Test("a symbolic link stays one, and what it names gets the report and nothing else")
  func link() throws {
    try withTemporaryFolder { folder in
      let (link, file) = (folder.appendingPathComponent("l"), folder.appendingPathComponent("f"))
      try Data("something much longer than the report".utf8).write(to: file)
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
      try write("short", to: link.path)
      #expect(kind(link.path) == S_IFLNK)
      #expect(try String(contentsOf: file, encoding: .utf8) == "short")
    }
  }

  @Test("a FIFO stays one, and its reader gets the report")
  func fifo() throws {
    try withTemporaryFolder { folder in
      let path = folder.appendingPathComponent("p").path
      #expect(unsafe mkfifo(path, 0o600) == 0)
      // Open for both, so that neither side waits for the other.
      let reader = unsafe open(path, O_RDWR | O_NONBLOCK)
      defer { close(reader) }
      try write("report", to: path)
      var bytes = [UInt8](repeating: 0, count: 64)
      let count = unsafe read(reader, &bytes, bytes.count)
      #expect(count == 6 && String(decoding: bytes.prefix(6), as: UTF8.self) == "report")
      #expect(kind(path) == S_IFIFO)
    }
  }

  @Test("a device stays one, and a full one is an error")
  func device() throws {
    try write("report", to: "/dev/null")
    #expect(kind("/dev/null") == S_IFCHR)
    #expect(status("/dev/full") == .inputOutput)
  }

  @Test("an open descriptor is written where it stands")
  func descriptor() throws {
    try withTemporaryFolder { folder in
      let path = folder.appendingPathComponent("f").path
      let descriptor = unsafe open(path, O_RDWR | O_CREAT, 0o600)
      defer { close(descriptor) }
      #expect(unsafe Glibc.write(descriptor, "first ", 6) == 6)
      try write("report", to: "/dev/fd/\(descriptor)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "first report")
    }
    #expect(status("/dev/fd/987") == .cannotCreate)
  }

  @Test("what cannot be written is refused before the run")
  func refused() throws {
    for path in ["/nonexistent/x.json", "/proc/x.json", "/"] {
      let error = #expect(throws: ToolError.self) { _ = try ReportFile(path) }
      #expect(error?.status == .cannotCreate, "\(path)")
    }
  }
}
