// SPDX-License-Identifier: MIT

// The library's hot paths from a client module in release. The first three must compile to what
// their twins in plain.c compile to; in the loops nothing may retain, release or allocate. With
// PLANTED each has one load too many, or a class reference, and the checks must notice.

import CFolio
import FolioCore

#if PLANTED
  // A load of a shared word, which the compiler may not drop.
  @inline(__always)
  func plant(_ folio: UnsafeMutablePointer<folio>) { _ = unsafe folio_share(folio) }

  /// An object that a store retains.
  final class Holder {
    var next: Holder?
  }
  nonisolated(unsafe) var holder = Holder()
  @inline(__always)
  func plantObject() { unsafe holder.next = holder }
#else
  @inline(__always)
  func plant(_ folio: UnsafeMutablePointer<folio>) {}
  @inline(__always)
  func plantObject() {}
#endif

@inline(never)
public func swiftGet(_ folio: UnsafeMutablePointer<folio>) {
  unsafe plant(folio)
  unsafe folio_get(folio)
}

@inline(never)
public func swiftPut(_ folio: UnsafeMutablePointer<folio>) {
  unsafe plant(folio)
  unsafe folio_put(folio)
}

@inline(never)
public func swiftTryGet(_ folio: UnsafeMutablePointer<folio>) -> Bool {
  unsafe plant(folio)
  return unsafe folio_try_get(folio)
}

@inline(never)
public func cloneAndDrop(_ reference: borrowing FolioReference) {
  unsafe plant(reference.folio)
  _ = reference.clone()
  #if PLANTED
    _ = reference.clone()
  #endif
}

@inline(never)
public func loopCloneAndDrop(_ reference: borrowing FolioReference, _ count: Int) {
  for _ in 0..<count {
    plantObject()
    _ = reference.clone()
  }
}

@inline(never)
public func loopTryGet(_ folio: UnsafeMutablePointer<folio>, _ count: Int) -> Int {
  var taken = 0
  for _ in 0..<count {
    plantObject()
    if unsafe folio_try_get(folio) {
      let reference = unsafe FolioReference(adopting: folio)
      taken += 1
      reference.release()
    }
  }
  return taken
}

@inline(never)
public func loopTryGetFrame(_ frames: Range<UInt>) -> Int {
  var taken = 0
  for frame in frames {
    plantObject()
    if let reference = FolioReference(tryGet: frame) {
      taken += 1
      reference.release()
    }
  }
  return taken
}

@inline(never)
public func loopReadScope(_ frames: Range<UInt>) -> Int {
  var count = 0
  for frame in frames {
    plantObject()
    count &+= withReadScope { scope in scope.folio(at: frame)?.referenceCount ?? 0 }
  }
  return count
}

@inline(never)
public func loopViews(_ frames: Range<UInt>) -> Int {
  var taken = 0
  for frame in frames {
    plantObject()
    withReadScope { scope in
      guard let reference = scope.folio(at: frame)?.tryGet() else { return }
      taken += 1
      reference.release()
    }
  }
  return taken
}
