// SPDX-License-Identifier: MIT

// A named word of a scenario: what stands for a page-table entry, a flag, a payload.

import CFolio
import Synchronization

/// A shared 32-bit word with a name that traces show. Its memory comes from the seam.
///
/// Any thread; each operation has the order of the kernel function that it names.
@safe
public struct SharedWord: @unchecked Sendable {
  // @unchecked: the word is atomic; the pointers are fixed.
  private let word: UnsafeMutablePointer<atomic_t>
  private let site: UnsafeMutablePointer<seam_site>

  /// Sites live for ever, as those of the sources do: one per name.
  private static let sites = Mutex<[String: Int]>([:])

  /// A word with this name in traces. Context: while a world is made.
  public init(_ name: StaticString, _ value: Int32 = 0) throws(ScenarioMemoryError) {
    guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
    unsafe word = unsafe memory.bindMemory(to: atomic_t.self, capacity: 1)
    unsafe self.site = unsafe Self.site(name)
    unsafe atomic_set(word, value)
  }

  static func site(_ name: StaticString) -> UnsafeMutablePointer<seam_site> {
    let address = sites.withLock { sites in
      if let known = sites["\(name)"] { return known }
      let site = UnsafeMutablePointer<seam_site>.allocate(capacity: 1)
      func text(_ string: StaticString) -> UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
      }
      unsafe site.initialize(
        to: seam_site(
          function: text("scenario"), text: text(name), file: text(""), line: 0, reserved: 0))
      sites["\(name)"] = Int(bitPattern: site)
      return Int(bitPattern: site)
    }
    return unsafe UnsafeMutablePointer(bitPattern: address)!
  }

  /// `atomic_read`: RLX.
  public func load() -> Int32 {
    unsafe cfolio_at(site)
    return unsafe atomic_read(word)
  }

  /// `atomic_read_acquire`: ACQ-LD.
  public func loadAcquire() -> Int32 {
    unsafe cfolio_at(site)
    return unsafe atomic_read_acquire(word)
  }

  /// `atomic_set`: RLX.
  public func store(_ value: Int32) {
    unsafe cfolio_at(site)
    unsafe atomic_set(word, value)
  }

  /// `atomic_set_release`: REL-ST.
  public func storeRelease(_ value: Int32) {
    unsafe cfolio_at(site)
    unsafe atomic_set_release(word, value)
  }

  /// `atomic_xchg`: FULL.
  public func exchange(_ value: Int32) -> Int32 {
    unsafe cfolio_at(site)
    return unsafe atomic_xchg(word, value)
  }

  /// `atomic_add_return`: FULL; the new value.
  public func add(_ value: Int32) -> Int32 {
    unsafe cfolio_at(site)
    return unsafe atomic_add_return(value, word)
  }

  /// `atomic_try_cmpxchg`: FULL where it succeeds, else RLX and `expected` becomes what was there.
  public func compareExchange(_ expected: inout Int32, _ desired: Int32) -> Bool {
    unsafe cfolio_at(site)
    return unsafe atomic_try_cmpxchg(word, &expected, desired)
  }

  /// The word itself, for C functions: their accesses have sites of their own.
  @unsafe var address: UnsafeMutablePointer<atomic_t> { unsafe word }

  /// Gives the memory back. The word is not used any more.
  public func free() { unsafe cfolio_free(word) }
}
