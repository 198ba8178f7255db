// SPDX-License-Identifier: MIT

// A reference to a page of a wanted type of memory, by frame number. The type belongs to the map that
// was found, so it is only worth something in the read section of that lookup: between two sections
// the place may have got another map.

import CFolio
package import FolioCore

/// Looking a page up and following it in one read section.
package enum TypedLookup {
  /// A reference to the page if a live map of type `kind` has it and it can be followed.
  ///
  /// The steps are called in the read section: `unless` first, `tested` between the test of the type
  /// and the taking, `then` once the reference is there. They must not block.
  package static func tryGet(
    _ frame: UInt, of kind: PageMap.Kind, unless isRefused: () -> Bool = { false },
    tested: () -> Void = {}, then taken: () -> Void = {}
  ) -> FolioReference? {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard !isRefused(), let map = unsafe cfolio_pgmap_lookup_live(frame),
      unsafe map.pointee.type == type(of: kind)
    else { return nil }
    tested()
    guard let folio = unsafe try_get_folio(pfn_to_page(frame), 1) else { return nil }
    taken()
    return unsafe FolioReference(adopting: folio)
  }

  private static func type(of kind: PageMap.Kind) -> memory_type {
    switch kind {
    case .devicePrivate: MEMORY_DEVICE_PRIVATE
    case .deviceCoherent: MEMORY_DEVICE_COHERENT
    case .fsdax: MEMORY_DEVICE_FS_DAX
    case .generic: MEMORY_DEVICE_GENERIC
    case .pciP2PDMA: MEMORY_DEVICE_PCI_P2PDMA
    }
  }
}
