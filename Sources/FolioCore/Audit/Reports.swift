// SPDX-License-Identifier: MIT

// How the library's Swift half speaks up: folio/bug.h for callers that have no macros.

import CFolio

extension StaticString {
  /// As C's string. Context: made of a literal, as all are here.
  @unsafe var characters: UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}

/// Something that the kernel warns about and survives: counted, and printed the first time.
@safe
struct Warning: @unchecked Sendable {
  // @unchecked: the C structure holds a constant text and an atomic flag. It lives for ever.
  private let site: UnsafeMutablePointer<folio_warning>

  init(_ text: StaticString) {
    unsafe site = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(site).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<folio_warning>.size)
    unsafe site.pointee.what = text.characters
  }

  func raise(_ page: Page? = nil) {
    unsafe cfolio_warn(site, page?.pointer)
  }
}

/// Stops the process with the name of the invariant that the caller broke, unless it holds.
@inline(__always)
func require(
  _ holds: Bool, _ invariant: StaticString, _ page: Page? = nil, _ text: StaticString
) {
  guard !holds else { return }
  unsafe cfolio_bug_text(invariant.characters, page?.pointer, text.characters)
}
