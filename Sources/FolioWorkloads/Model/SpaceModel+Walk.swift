// SPDX-License-Identifier: MIT
//
// The model's slow walk: references and pins by address that take locks and fault (core.md 12.3-12.5,
// 12.7). What it takes is what stays: locks, retries and references in passing are no part of it.

extension SpaceModel {
  /// Pages from the first on, until one is refused; refused as a whole when that is the first.
  mutating func walk(_ how: MemoryGrab, _ range: MemoryRange) throws(MemoryRefusal) -> Int {
    if how.isPin { spaces[range.space]!.hasPinned = true }
    var taken: [ModelPage] = []
    for page in range.pages {
      do throws(MemoryRefusal) {
        let found = try find(how, range.space, page)
        count(found, references: how.isPin ? 0 : 1, pins: how.isPin ? 1 : 0)
        taken.append(found)
      } catch {
        if taken.isEmpty { throw error }
        break
      }
    }
    if !taken.isEmpty { references.append(ModelReference(pages: taken, isPin: how.isPin)) }
    return taken.count
  }

  /// What the address leads to in the end: faults come as often as it needs them.
  private mutating func find(
    _ how: MemoryGrab, _ space: Int, _ page: Int
  ) throws(MemoryRefusal) -> ModelPage {
    guard page < configuration.spacePages, let index = spaces[space]!.areaIndex(at: page) else {
      throw .fault
    }
    let area = spaces[space]!.areas[index]
    try check(how, area)
    while true {
      guard let entry = mapped(space, page), !how.isWrite || mayWrite(how, area, entry) else {
        try fault(space, page, index, isWrite: how.isWrite)
        continue
      }
      guard mustUnshare(how, area, entry) else { return entry.page }
      try unshare(space, page, index)
    }
  }

  /// What the area says before anything is looked at (12.3).
  private func check(_ how: MemoryGrab, _ area: ModelArea) throws(MemoryRefusal) {
    // A file system's blocks may have to go. Copies of them, too, are refused.
    if how.isLongTerm && area.object.isFileSystemDAX { throw .notSupported }
    guard how.isWrite else {
      guard area.rights.contains(.read) || how.isForced else { throw .fault }
      return
    }
    // What is tracked is not written behind its back, and for long.
    if how.isPin && how.isLongTerm && area.isShared && area.object.tracksStores { throw .fault }
    guard area.rights.contains(.write) || how.isForced && !area.isShared else { throw .fault }
  }

  /// Without the right to it: only what no store would replace.
  private func mayWrite(_ how: MemoryGrab, _ area: ModelArea, _ entry: ModelEntry) -> Bool {
    if entry.isWritable { return true }
    guard how.isForced, !area.rights.contains(.write), case .own(let number) = entry.page else {
      return false
    }
    return ownPages[number]!.isExclusive
  }

  /// A pin for reading has to see what the space stores later: it holds no page that a store would
  /// replace. Of what is not the space's own only long-term pins ask for that.
  private func mustUnshare(_ how: MemoryGrab, _ area: ModelArea, _ entry: ModelEntry) -> Bool {
    guard how.isPin, !how.isWrite, !entry.isWritable else { return false }
    if case .own(let number) = entry.page { return !ownPages[number]!.isExclusive }
    return how.isLongTerm && !area.isShared
  }
}
