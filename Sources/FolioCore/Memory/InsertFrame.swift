// SPDX-License-Identifier: MIT

// Mapping frames by PTEs that count nothing: vmf_insert_pfn() and vmf_insert_mixed() (spec: core.md
// 9.4). Under legacy rules this is how device pages are mapped.

import CFolio

enum FrameInsertion {
  private static let otherFrame = Warning(
    "another frame is mapped where one is inserted for writing")

  /// `insert_pfn`: noPage whatever was there, or outOfMemory.
  private static func insert(
    _ frame: UInt, at address: UInt, _ area: Area, protection: UInt, makeWritable: Bool
  ) -> FaultResult {
    do throws(Space.NoPlace) {
      let place = try area.space.walkAllocating(address, .pte)
      place.lock()
      defer { place.unlock() }
      let bits = _PAGE_ACCESSED | _PAGE_DIRTY | area.writeBits
      let old = place.value
      if old.isNone {
        let kind = isUncountedDevicePage(frame) ? _PAGE_SPECIAL | _PAGE_DEVMAP : _PAGE_SPECIAL
        place.store(pfn_pte(frame, protection | kind | (makeWritable ? bits : 0)))
      } else if makeWritable && (old.isPresent || !area.space.options.upgrade_checks_present) {
        if old.frame == frame {
          place.add(bits)
        } else if !Folio.isZeroFrame(old.frame) {
          otherFrame.raise()
        }
      }
      return .noPage
    } catch {
      return error == .outOfMemory ? .outOfMemory : .noPage
    }
  }

  /// A device page whose entries own no references: one of DAX memory under legacy rules.
  static func isUncountedDevicePage(_ frame: UInt) -> Bool {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard let map = unsafe cfolio_pgmap_lookup(frame) else { return false }
    return unsafe !pgmap_counts_mappings(map)
  }

  /// The frame has a struct page.
  private static func hasPage(_ frame: UInt) -> Bool {
    guard frame >= FOLIO_RAM_PFNS else { return frame < UInt(SystemMemory.frames) }
    rcu_read_lock()
    defer { rcu_read_unlock() }
    return unsafe cfolio_pgmap_lookup(frame) != nil
  }

  /// Stops where an area is not one of bare frames as the operation needs it (9.4).
  static func requireBareFrames(_ area: Area, _ frame: UInt) {
    let kinds = area.flags & (VM_PFNMAP | VM_MIXEDMAP)
    require(
      kinds != 0 && kinds != VM_PFNMAP | VM_MIXEDMAP, "VMA", nil,
      "a bare frame for an area with neither or both of VM_PFNMAP and VM_MIXEDMAP")
    require(
      kinds != VM_PFNMAP || !area.copiesOnWrite, "VMA", nil,
      "a bare frame for a private area that may be written")
    require(
      kinds != VM_MIXEDMAP || !hasPage(frame), "VMA", nil,
      "a frame with a page is inserted as a bare one")
  }

  /// `vmf_insert_pfn` and `vmf_insert_pfn_prot`.
  static func insertFrame(
    _ frame: UInt, at address: UInt, _ area: Area, protection: UInt
  ) -> FaultResult {
    requireBareFrames(area, frame)
    guard area.range.contains(address) else { return .busError }
    return insert(frame, at: address, area, protection: protection, makeWritable: false)
  }

  /// `vmf_insert_mixed` and `vmf_insert_mixed_mkwrite`. Every address may be changed here
  /// (`pfn_modify_allowed` is about an architecture's weakness).
  static func insertMixed(
    _ frame: UInt, at address: UInt, _ area: Area, makeWritable: Bool
  ) -> FaultResult {
    let isZero = Folio.isZeroFrame(frame)
    guard area.flags & VM_MIXEDMAP != 0 || isZero || isUncountedDevicePage(frame),
      !(isZero && makeWritable), area.range.contains(address)
    else { return .busError }
    return insert(
      frame, at: address, area, protection: area.protection, makeWritable: makeWritable)
  }
}
