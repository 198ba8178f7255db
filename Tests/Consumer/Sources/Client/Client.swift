// SPDX-License-Identifier: MIT

// A client of FolioCore in one file: maps, references, read scopes, owners, waiting, errors, audit.
// It states what each call must answer and exits with 1 when one answers otherwise. It imports
// FolioCore alone, so what it needs of C must come through it.

import FolioCore

/// What the client counted on and did not get.
struct Unexpected: Error, CustomStringConvertible {
  let description: String
}

func expect(_ condition: Bool, _ text: String) throws(Unexpected) {
  guard condition else { throw Unexpected(description: text) }
}

/// References: taken from a frame, cloned, counted, released, moved into a task.
func references() async throws {
  let map = try PageMap(.generic, pages: 512)
  let frame = map.frames.lowerBound + 7
  guard let first = FolioReference(tryGet: frame) else {
    throw Unexpected(description: "a live page refused a reference")
  }
  let second = first.clone()
  try expect(first.frame == frame && first.referenceCount == 3, "base, first and second")
  second.release()
  let box = OneShot(first.clone())
  let seen = await Task { box.take()?.referenceCount ?? 0 }.value
  try expect(seen == 3, "a reference may move into a task")
  try expect(first.referenceCount == 2, "the task's reference ended with it")
  first.release()
  try expect(map.audit().isEmpty, "nothing is left")
  try map.unmap()
  try expect(FolioReference(tryGet: frame) == nil, "no map, no reference")
}

/// Views: snapshots under RCU, turned into a reference where one is needed.
func scopes() throws {
  let map = try PageMap(.generic, pages: 1024, .init(compoundOrder: 9))
  let tail = map.frames.lowerBound + 515
  let answer = withReadScope { scope in
    guard let view = scope.folio(at: tail) else { return UInt(0) }
    return view.headFrame
  }
  try expect(answer == map.frames.lowerBound + 512, "the head of a tail")
  guard let held = withReadScope({ scope in scope.folio(at: tail)?.tryGet() }) else {
    throw Unexpected(description: "a view gives a reference")
  }
  try expect(held.order == 9 && held.referenceCount == 2, "of the whole folio")
  do throws(Unexpected) {
    try withReadScope { scope throws(Unexpected) in
      guard scope.folio(at: UInt.max >> 12) != nil else {
        throw Unexpected(description: "left by an error")
      }
    }
  } catch {
    try expect(error.description == "left by an error", "a typed error leaves a scope")
  }
  // Stops when the section above is still open.
  waitForReaders()
}

/// Owners and waiting: a folio is formed, used, waited for and split.
func owners() async throws {
  let map = try PageMap(.fsdax, pages: 512)
  let frame = map.frames.lowerBound
  var owner = try map.claim(frame: frame, order: 4)
  try owner.form()
  let held = try owner.raise()
  do throws(PageMapError) {
    try map.waitUntilIdle(frame: frame, timeout: .milliseconds(1))
    throw PageMapError.never
  } catch {
    try expect(error.code == .timedOut && error.frame == frame, "a busy page is not idle")
  }
  let box = OneShot(held)
  let putter = Task { box.take()?.release() }
  try await map.idle(frame: frame)
  await putter.value
  try owner.split()
  try expect(map.audit().isEmpty, "nothing is left")
  try map.unmap()
}

extension PageMapError {
  /// Stands for "no error came", which no map can answer.
  static var never: PageMapError {
    do throws(PageMapError) {
      _ = try PageMap(.fsdax, pages: 0)
      preconditionFailure("a map of no pages")
    } catch {
      return error
    }
  }
}

@main
enum Client {
  static func main() async {
    do {
      try await references()
      try scopes()
      try await owners()
    } catch {
      print("client: \(error)")
      exit(failure: true)
    }
    print("client: references, scopes, owners and waits answer as documented")
  }
}
