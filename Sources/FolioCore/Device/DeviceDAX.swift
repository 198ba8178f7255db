// SPDX-License-Identifier: MIT

// Device-dax: the memory of a device as one file that is mapped by leaves of one size (spec: core.md
// 14.4). What a fault may map is in DeviceDAXFaults.swift. Mirrors drivers/dax/device.c and the life of
// its super.c and bus.c.

import CFolio

/// A device-dax device over a map of kind `generic`, whose compound order is the alignment: each of its
/// folios is mapped whole, by one entry of its size.
///
/// Its pages keep their base reference, so a fault needs no other; what it needs is that the device is
/// not ended meanwhile (spec: core.md 9.6).
public final class DeviceDAX: Sendable {
  public let map: PageMap
  /// What areas map: shared, beginning and ending at multiples of the alignment.
  public let object: MappedObject
  private let liveness: Liveness

  /// - Throws: `invalidArgument` for a map of another kind; `outOfMemory`.
  public init(_ map: PageMap) throws(MemoryError) {
    guard map.kind == .generic else { throw MemoryError(.invalidArgument) }
    self.map = map
    liveness = try Liveness()
    object = try MappedObject(.deviceDAX, DeviceDAXFaults(map, liveness))
  }

  /// Pages that each area begins and ends at a multiple of.
  public var alignment: Int { 1 << (unsafe Int(map.pgmap.pointee.vmemmap_shift)) }

  /// A snapshot.
  public var isAlive: Bool { liveness.isAlive }

  /// The device goes: later faults and maps fail, those in progress are waited for, and what is mapped
  /// is removed (`kill_dev_dax`). References and pins stay. Again: nothing is left to do.
  ///
  /// Context: may block; holds no lock of an address space.
  public func kill() {
    // The other way round, a fault in progress would map a page behind the removal.
    if isMutant(MUTANT_P116) { object.unmap() }
    liveness.end()
    if !isMutant(MUTANT_P116) { object.unmap() }
  }
}
